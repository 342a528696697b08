//! The configuration on disk: write beside, sync, swap by rename, keep the last good one.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::Error;

#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(super) fn new(folder: &Path) -> Result<Self, Error> {
        let temp = folder.join("temp");
        fs::create_dir_all(&temp).map_err(Error::system(format!("making the folder {}", temp.display())))?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    pub(super) fn conf(&self) -> PathBuf {
        self.folder.join("nginx.conf")
    }

    pub(super) fn next(&self) -> PathBuf {
        self.folder.join("nginx.conf.next")
    }

    fn previous(&self) -> PathBuf {
        self.folder.join("nginx.conf.prev")
    }

    pub(super) fn current(&self) -> Option<String> {
        fs::read_to_string(self.conf()).ok()
    }

    pub(super) fn write_next(&self, body: &str) -> Result<(), Error> {
        let write = || {
            let mut file = File::create(self.next())?;
            file.write_all(body.as_bytes())?;
            file.sync_all()
        };
        write().map_err(Error::system("writing nginx.conf.next"))
    }

    pub(super) fn drop_next(&self) {
        // It may stay if this fails: nothing reads it but the next attempt, which writes it anew.
        fs::remove_file(self.next()).ok();
    }

    /// The tested text becomes the configuration; the one before is kept.
    pub(super) fn swap_in(&self) -> Result<(), Error> {
        let swap = || {
            if self.conf().exists() {
                fs::copy(self.conf(), self.previous())?;
            }
            fs::rename(self.next(), self.conf())?;
            File::open(&self.folder)?.sync_all()
        };
        swap().map_err(Error::system("swapping nginx.conf"))
    }

    /// The one before becomes the configuration again; the first of all leaves none.
    pub(super) fn put_back(&self) -> Result<(), Error> {
        let back = if self.previous().exists() {
            fs::rename(self.previous(), self.conf())
        } else {
            fs::remove_file(self.conf())
        };
        back.map_err(Error::system("putting nginx.conf back"))
    }
}
