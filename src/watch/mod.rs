//! Folders that people edit: says "look again" once things are quiet.
//!
//! Editors write in several steps (truncate, write, rename), so nothing is said until a folder has been quiet for a
//! moment. What changed is not said: whoever hears it reads everything anew (levels, not events).

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// How long a folder must be quiet.
const QUIET: Duration = Duration::from_millis(150);

/// A folder that is being watched; it ends with the value.
#[derive(Debug)]
pub struct Watch {
    _watcher: RecommendedWatcher,
    raw: mpsc::Receiver<()>,
    said: watch::Sender<u64>,
}

/// Why a folder cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be watched", folder.display())]
pub struct Error {
    folder: PathBuf,
    #[source]
    source: notify::Error,
}

impl Watch {
    /// Watch a folder and everything in it.
    pub fn new(folder: &Path) -> Result<Self, Error> {
        let fault = |source| Error {
            folder: folder.to_owned(),
            source,
        };
        // One place is enough: a full channel already says "look again".
        let (sender, raw) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let reading = matches!(event, Ok(ref event) if matches!(event.kind, EventKind::Access(_)));
            if !reading {
                sender.try_send(()).ok();
            }
        })
        .map_err(fault)?;
        watcher.watch(folder, RecursiveMode::Recursive).map_err(fault)?;
        Ok(Self {
            _watcher: watcher,
            raw,
            said: watch::Sender::new(0),
        })
    }

    /// Changes each time the folder has changed and is quiet again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.said.subscribe()
    }

    /// Do the watching; ends only with the value.
    pub async fn run(mut self) {
        while self.raw.recv().await.is_some() {
            while let Ok(Some(())) = timeout(QUIET, self.raw.recv()).await {}
            self.said.send_modify(|count| *count += 1);
        }
    }
}
