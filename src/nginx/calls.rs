//! The call log on disk: follow the file that nginx writes, keep the place, rotate it.
//!
//! The writer is told to reopen after the rename, and may write into the old file until it does. So a renamed file is read
//! until no process of nginx has it open any more, and only then removed. Files are known by their inodes: a place stays
//! right when its file is renamed.
//!
//! **Invariants:** a file is removed only when it was read to its end after its last writer had let go; the place moves only
//! when the rows are kept.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::call_line::{self, Line};
use crate::domain::call::Place;

const NAME: &str = "calls.log";
/// So much is read at once: some 5,000 lines. Fewer would cost more, for each round ends in a `sync`.
const CHUNK: usize = 1024 * 1024;

/// Some lines, and the place behind them.
#[derive(Debug)]
pub struct Batch {
    /// What was read.
    pub lines: Vec<Line>,
    /// Lines that could not be read.
    pub skipped: u64,
    /// Where to go on when these are kept.
    pub place: Place,
}

/// The files of the call log, oldest first; the last is the one that nginx writes.
#[derive(Debug)]
pub struct CallFiles {
    folder: PathBuf,
    renamed: Vec<Followed>,
    current: Followed,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Followed {
    path: PathBuf,
    file: File,
    place: Place,
}

/// Make the file, for us alone: nginx would let everybody read it.
pub(super) fn make(folder: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(folder.join(NAME))
}

impl Followed {
    fn new(path: PathBuf, file: File, places: &[Place]) -> io::Result<Self> {
        let inode = file.metadata()?.ino();
        let start = Place {
            file: inode,
            offset: 0,
        };
        let place = places
            .iter()
            .find(|place| place.file == inode)
            .copied()
            .unwrap_or(start);
        Ok(Self { path, file, place })
    }

    /// The whole lines behind the place; nothing when there is none.
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Option<Batch>> {
        let length = self.file.metadata()?.len();
        // Somebody has cut it: what is there now is new.
        if length < self.place.offset {
            self.place.offset = 0;
        }
        if length == self.place.offset {
            return Ok(None);
        }
        let read = self.file.read_at(buffer, self.place.offset)?;
        let seen = buffer.get(..read).unwrap_or_default();
        let (whole, skipped) = match seen.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => (seen.get(..=end).unwrap_or_default(), 0),
            None if read == CHUNK => (seen, 1),
            None => return Ok(None),
        };
        let mut batch = Batch {
            lines: Vec::new(),
            skipped,
            place: Place {
                offset: self.place.offset + u64::try_from(whole.len()).unwrap_or(0),
                ..self.place
            },
        };
        if skipped == 0 {
            for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                match call_line::read(line) {
                    Some(line) => batch.lines.push(line),
                    None => batch.skipped += 1,
                }
            }
        }
        Ok(Some(batch))
    }
}

impl CallFiles {
    /// Go on where these places are; files that have none are read from their beginning.
    pub fn open(folder: &Path, places: &[Place]) -> io::Result<Self> {
        let mut numbers = numbers(folder)?;
        numbers.sort_unstable();
        let renamed = numbers.into_iter().map(|number| {
            let path = numbered(folder, number);
            Followed::new(path.clone(), File::open(path)?, places)
        });
        Ok(Self {
            renamed: renamed.collect::<io::Result<_>>()?,
            current: Followed::new(folder.join(NAME), make(folder)?, places)?,
            folder: folder.to_owned(),
            buffer: vec![0; CHUNK],
        })
    }

    /// The inodes of all files.
    pub fn inodes(&self) -> Vec<u64> {
        let all = self.renamed.iter().chain([&self.current]);
        all.map(|followed| followed.place.file).collect()
    }

    /// What comes next, the oldest file first.
    pub fn read(&mut self) -> io::Result<Option<Batch>> {
        for followed in self.renamed.iter_mut().chain([&mut self.current]) {
            if let Some(batch) = followed.next(&mut self.buffer)? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// A batch is kept.
    pub fn move_on(&mut self, place: Place) {
        let mut all = self.renamed.iter_mut().chain([&mut self.current]);
        if let Some(followed) = all.find(|followed| followed.place.file == place.file) {
            followed.place = place;
        }
    }

    /// Bytes that nobody has read yet.
    pub fn behind(&self) -> u64 {
        let left = |followed: &Followed| {
            let length = followed.file.metadata().map_or(0, |meta| meta.len());
            length.saturating_sub(followed.place.offset)
        };
        self.renamed.iter().chain([&self.current]).map(left).sum()
    }

    /// Whether there are files that nginx should have let go.
    pub fn has_renamed(&self) -> bool {
        !self.renamed.is_empty()
    }

    /// Remove renamed files that are read to their end and that nobody holds. Half a line at the end never becomes a whole
    /// one then.
    pub fn remove_finished(&mut self, holds: impl Fn(u64) -> bool) -> io::Result<()> {
        let mut kept = Vec::new();
        for mut followed in std::mem::take(&mut self.renamed) {
            // First whether somebody may still write, then whether everything is read.
            let open = holds(followed.place.file);
            let finished = !open && matches!(followed.next(&mut self.buffer), Ok(None));
            if finished {
                match fs::remove_file(&followed.path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => kept.push(followed),
                    Ok(()) | Err(_) => {}
                }
            } else {
                kept.push(followed);
            }
        }
        self.renamed = kept;
        Ok(())
    }

    /// Begin a new file when this one has so many bytes, or when somebody has moved it away; whether nginx must reopen.
    pub fn rotate(&mut self, most_bytes: u64) -> io::Result<bool> {
        let path = self.folder.join(NAME);
        let there = fs::metadata(&path).ok().map(|meta| meta.ino());
        if there == Some(self.current.place.file) {
            if self.current.file.metadata()?.len() < most_bytes {
                return Ok(false);
            }
            let number = numbers(&self.folder)?.into_iter().max().unwrap_or(0) + 1;
            let next = self.folder.join("calls.log.next");
            drop(
                File::options()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&next)?,
            );
            self.current.path = numbered(&self.folder, number);
            fs::rename(&path, &self.current.path)?;
            fs::rename(&next, &path)?;
        }
        let new = Followed::new(path, make(&self.folder)?, &[])?;
        self.renamed.push(std::mem::replace(&mut self.current, new));
        Ok(true)
    }
}

fn numbered(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{NAME}.{number}"))
}

fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let names = fs::read_dir(folder)?.flatten().map(|entry| entry.file_name());
    let number = |name: std::ffi::OsString| name.to_str()?.strip_prefix("calls.log.")?.parse().ok();
    Ok(names.filter_map(number).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn line(id: u32) -> String {
        format!(r#"{{"at":1.5,"id":"{id}","status":"200","took":0.0,"in":1,"out":2,"call":""}}"#) + "\n"
    }

    /// Everything that there is, moving on.
    fn ids(files: &mut CallFiles) -> (Vec<String>, u64) {
        let (mut ids, mut skipped) = (Vec::new(), 0);
        while let Some(batch) = files.read().unwrap() {
            ids.extend(batch.lines.into_iter().map(|line| line.call.request_id));
            skipped += batch.skipped;
            files.move_on(batch.place);
        }
        (ids, skipped)
    }

    #[test]
    fn half_lines_wait_broken_and_endless_ones_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = CallFiles::open(folder.path(), &[]).unwrap();
        let mut log = make(folder.path()).unwrap();
        assert_eq!(ids(&mut files), (vec![], 0));
        let (head, tail) = (line(1), line(2));
        let (half, rest) = tail.split_at(20);
        write!(log, "{head}what\n{half}").unwrap();
        assert_eq!(ids(&mut files), (vec!["1".to_owned()], 1));
        write!(log, "{rest}").unwrap();
        assert_eq!(ids(&mut files), (vec!["2".to_owned()], 0));
        writeln!(log, "{}", "x".repeat(3 * CHUNK)).unwrap();
        write!(log, "{}", line(3)).unwrap();
        let (seen, skipped) = ids(&mut files);
        assert!(seen == ["3"] && skipped >= 3, "{seen:?} {skipped}");
        assert_eq!(files.behind(), 0);
    }

    #[test]
    fn a_file_that_is_renamed_is_read_to_its_end_and_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = CallFiles::open(folder.path(), &[]).unwrap();
        let mut old = make(folder.path()).unwrap();
        write!(old, "{}", line(1)).unwrap();
        assert_eq!(ids(&mut files).0, ["1"]);
        assert!(!files.rotate(10_000).unwrap() && files.rotate(10).unwrap());
        let mut new = make(folder.path()).unwrap();
        write!(new, "{}", line(3)).unwrap();
        write!(old, "{}{{\"half", line(2)).unwrap();
        assert_eq!(ids(&mut files).0, ["2", "3"], "the older file first");
        files.remove_finished(|_| true).unwrap();
        assert!(folder.path().join("calls.log.1").exists(), "somebody writes");

        // The next process knows the places, and only those.
        let places: Vec<Place> = files
            .renamed
            .iter()
            .chain([&files.current])
            .map(|followed| followed.place)
            .collect();
        drop(files);
        let mut files = CallFiles::open(folder.path(), &places).unwrap();
        assert_eq!(files.inodes().len(), 2);
        write!(old, "late\n{}", line(4)).unwrap();
        files.remove_finished(|_| false).unwrap();
        assert!(folder.path().join("calls.log.1").exists(), "not read to its end");
        assert_eq!(ids(&mut files), (vec!["4".to_owned()], 1));
        files.remove_finished(|_| false).unwrap();
        assert!(!folder.path().join("calls.log.1").exists() && !files.has_renamed());
    }

    #[test]
    fn a_file_that_is_moved_away_or_cut_by_somebody_is_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = CallFiles::open(folder.path(), &[]).unwrap();
        let mut old = make(folder.path()).unwrap();
        write!(old, "{}{}", line(1), line(2)).unwrap();
        assert_eq!(ids(&mut files).0.len(), 2);
        fs::rename(folder.path().join(NAME), folder.path().join("elsewhere")).unwrap();
        write!(old, "{}", line(3)).unwrap();
        assert!(files.rotate(u64::MAX).unwrap());
        assert_eq!(ids(&mut files).0, ["3"]);
        let mut new = make(folder.path()).unwrap();
        write!(new, "{}{}", line(4), line(5)).unwrap();
        assert_eq!(ids(&mut files).0.len(), 2);
        new.set_len(0).unwrap();
        write!(new, "{}", line(6)).unwrap();
        assert_eq!(ids(&mut files).0, ["6"]);
    }
}
