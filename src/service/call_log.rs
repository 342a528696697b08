//! From nginx's call log into the table.
//!
//! Rows and the place behind them are one transaction, so a daemon that is killed writes nothing twice and loses nothing.
//! The file is looked at once a second, as often as nginx writes its lines together; a look costs one `stat`.
//!
//! Calls of nobody (401, bad requests, probes) get a row only up to a rate; beyond it they are counted. Otherwise whoever
//! has no token could push everybody's calls out of a table of bounded length, just by knocking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::permits::Permits;
use super::unsaid::Unsaid;
use crate::clock::Clock;
use crate::domain::call::{Call, Place};
use crate::nginx::Nginx;
use crate::nginx::calls::{Batch, CallFiles};
use crate::store::{self, Store};

const PAUSE: Duration = Duration::from_secs(1);
/// After a failure: a full disk or a locked store does not pass at once.
const LONG_PAUSE: Duration = Duration::from_secs(2);
/// nginx is asked again to let an old file go after this time.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Old rows go when so many new ones have come, and after this time in any case.
const ROWS_BETWEEN_TRIMS: u64 = 2_000;
const BETWEEN_TRIMS: Duration = Duration::from_secs(60);
/// So many at once, so that nobody waits long for the store.
const TRIMMED_AT_ONCE: u32 = 5_000;
/// Rows of nobody: so many at once, and so many more a second.
const NOBODY: (u64, u64) = (600, 10);

/// nginx's word for a caller who left before the answer.
const LEFT: u16 = 499;

/// How the log is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A file of so many bytes is done with.
    pub file_bytes: u64,
    /// Rows go after this time.
    pub keep: Duration,
    /// And the oldest beyond so many.
    pub most_rows: u64,
}

/// What the log has done since the start.
#[derive(Debug, Default)]
pub struct Counts {
    written: AtomicU64,
    skipped: AtomicU64,
    unrecorded: AtomicU64,
    behind: AtomicU64,
    failing: AtomicBool,
}

/// The same, read at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Counted {
    /// Rows written.
    pub written: u64,
    /// Lines that could not be read.
    pub skipped: u64,
    /// Calls of nobody that got no row.
    pub unrecorded: u64,
    /// Bytes of the log that are not in the table yet.
    pub behind_bytes: u64,
    /// Whether the newest try to write failed.
    pub failing: bool,
}

impl Counts {
    /// Read them.
    pub fn read(&self) -> Counted {
        Counted {
            written: self.written.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            unrecorded: self.unrecorded.load(Ordering::Relaxed),
            behind_bytes: self.behind.load(Ordering::Relaxed),
            failing: self.failing.load(Ordering::Relaxed),
        }
    }
}

/// What the log works with.
#[derive(Debug)]
pub struct Parts {
    /// Writes the lines.
    pub nginx: Nginx,
    /// Takes the rows.
    pub store: Arc<dyn Store>,
    /// Hears whose lines have come.
    pub permits: Permits,
    /// Knows of calls whose caller left early.
    pub unsaid: Unsaid,
    /// Tells what was done.
    pub counts: Arc<Counts>,
    /// Says how old a row is.
    pub clock: Arc<dyn Clock>,
}

/// Why the log could not go on.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the call log cannot be read or rotated")]
    File(#[from] std::io::Error),
    #[error("nginx does not reopen its logs")]
    Nginx(#[from] crate::nginx::Error),
    #[error("calls could not be kept")]
    Store(#[from] store::Error),
    #[error("a part of the call log broke off")]
    Broken(#[from] tokio::task::JoinError),
}

/// Follows the log.
#[derive(Debug)]
pub struct CallLog {
    settings: Settings,
    parts: Parts,
    files: Option<CallFiles>,
    nobody: Allowance,
    since_trim: (u64, Instant),
    asked: Instant,
}

impl CallLog {
    /// Nothing is read yet.
    pub fn new(settings: Settings, parts: Parts) -> Self {
        let now = Instant::now();
        Self {
            settings,
            parts,
            files: None,
            nobody: Allowance::new(now),
            since_trim: (0, now),
            asked: now,
        }
    }

    /// Follow it until `stop`, and then to its end.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let last = stop.is_cancelled();
            let outcome = self.catch_up(&stop).await;
            let failed = outcome.is_err();
            if let Err(error) = outcome
                && !self.parts.counts.failing.load(Ordering::Relaxed)
            {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the call log stands still; nothing of it is lost"
                );
            }
            self.parts.counts.failing.store(failed, Ordering::Relaxed);
            if last {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(if failed { LONG_PAUSE } else { PAUSE }) => {}
            }
        }
    }

    /// Keep everything that there is, and tidy up.
    async fn catch_up(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        let asked_to_stop = stop.is_cancelled();
        while let Some(batch) = self.read().await? {
            self.keep(batch).await?;
            self.trim(Instant::now()).await?;
            if stop.is_cancelled() && !asked_to_stop {
                return Ok(());
            }
        }
        self.trim(Instant::now()).await?;
        self.turn_over().await
    }

    async fn read(&mut self) -> Result<Option<Batch>, Error> {
        let mut files = self.files().await?;
        let (files, batch) = tokio::task::spawn_blocking(move || {
            let batch = files.read();
            (files, batch)
        })
        .await?;
        self.parts.counts.behind.store(files.behind(), Ordering::Relaxed);
        self.files = Some(files);
        Ok(batch?)
    }

    /// The files, opened where the store knows them to be read.
    async fn files(&mut self) -> Result<CallFiles, Error> {
        if let Some(files) = self.files.take() {
            return Ok(files);
        }
        let places = self.parts.store.call_places().await?;
        let files = CallFiles::open(self.parts.nginx.logs(), &places)?;
        self.parts.store.keep_call_places(files.inodes()).await?;
        Ok(files)
    }

    async fn keep(&mut self, batch: Batch) -> Result<(), Error> {
        let Batch {
            mut lines,
            skipped,
            place,
        } = batch;
        let counts = Arc::clone(&self.parts.counts);
        for line in lines
            .iter_mut()
            .filter(|line| line.call.status == LEFT && line.call.principal.is_empty())
        {
            if let Some(said) = self.parts.unsaid.take(&line.call.request_id) {
                line.put(said);
            }
        }
        let permits: Vec<_> = lines.iter().filter_map(|line| line.permit).collect();
        let before = lines.len();
        let mut nobody = self.nobody.refilled(Instant::now());
        let calls = lines.into_iter().map(|line| line.call);
        let calls: Vec<Call> = calls
            .filter(|call| !call.principal.is_empty() || nobody.take())
            .collect();
        let written = u64::try_from(calls.len()).unwrap_or(u64::MAX);
        let left_out = u64::try_from(before).unwrap_or(u64::MAX).saturating_sub(written);
        self.parts.store.write_calls(calls, Some(place)).await?;
        // From here on the rows are kept: each of these counts once.
        self.move_on(place);
        self.nobody = nobody;
        self.since_trim.0 += written;
        self.parts.permits.came(permits);
        counts.written.fetch_add(written, Ordering::Relaxed);
        counts.skipped.fetch_add(skipped, Ordering::Relaxed);
        counts.unrecorded.fetch_add(left_out, Ordering::Relaxed);
        Ok(())
    }

    fn move_on(&mut self, place: Place) {
        if let Some(files) = &mut self.files {
            files.move_on(place);
        }
    }

    async fn trim(&mut self, now: Instant) -> Result<(), Error> {
        let (rows, since) = self.since_trim;
        if rows < ROWS_BETWEEN_TRIMS && now.duration_since(since) < BETWEEN_TRIMS {
            return Ok(());
        }
        let keep = i64::try_from(self.settings.keep.as_millis()).unwrap_or(i64::MAX);
        let before = self.parts.clock.now().unix_ms().saturating_sub(keep);
        let store = &self.parts.store;
        let gone = store
            .trim_calls(before, self.settings.most_rows, TRIMMED_AT_ONCE)
            .await?;
        // Was that not all, the next round goes on.
        if gone < u64::from(TRIMMED_AT_ONCE) {
            self.since_trim = (0, now);
        }
        Ok(())
    }

    /// Begin a new file when it is time, and remove old ones that are done with.
    async fn turn_over(&mut self) -> Result<(), Error> {
        let mut files = self.files().await?;
        let (nginx, most) = (self.parts.nginx.clone(), self.settings.file_bytes);
        let (files, turned) = tokio::task::spawn_blocking(move || {
            let had = files.inodes().len();
            let turned = match files.rotate(most) {
                Ok(rotated) => files
                    .remove_finished(|inode| nginx.holds(inode))
                    .map(|()| rotated),
                Err(error) => Err(error),
            };
            let gone = files.inodes().len() < had;
            (files, turned.map(|rotated| (rotated, gone)))
        })
        .await?;
        let (inodes, waits) = (files.inodes(), files.has_renamed());
        self.files = Some(files);
        let (rotated, gone) = turned?;
        let now = Instant::now();
        if rotated || (waits && now.duration_since(self.asked) > ASK_AGAIN) {
            self.asked = now;
            self.parts.nginx.reopen_logs()?;
        }
        if rotated || gone {
            // A later file may get the inode of one that is gone.
            self.parts.store.keep_call_places(inodes).await?;
        }
        Ok(())
    }
}

/// How many rows nobody may still have.
#[derive(Debug, Clone)]
struct Allowance {
    left: u64,
    filled: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self {
            left: NOBODY.0,
            filled: now,
        }
    }

    fn refilled(&self, now: Instant) -> Self {
        let seconds = now.duration_since(self.filled).as_secs();
        let left = self
            .left
            .saturating_add(seconds.saturating_mul(NOBODY.1))
            .min(NOBODY.0);
        Self {
            left,
            filled: self.filled + Duration::from_secs(seconds),
        }
    }

    fn take(&mut self) -> bool {
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knocking_fills_no_table() {
        let began = Instant::now();
        let mut allowance = Allowance::new(began);
        let mut taken = |after: u64| {
            allowance = allowance.refilled(began + Duration::from_millis(after));
            (0..10_000).filter(|_| allowance.take()).count()
        };
        assert_eq!(
            [taken(0), taken(900), taken(1_100), taken(2_000), taken(1_000_000)],
            [600, 0, 10, 10, 600]
        );
    }
}
