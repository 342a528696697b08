//! Checks on their way to the store: they go together a few times a second, and are part of what is known from the first
//! moment, so no reader waits for a store that cannot be written.
//!
//! **Invariant:** what waits is bounded, and is written in the order in which it was seen.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::domain::path::ServerPath;
use crate::store::{Check, Error, Past, Store};

/// Results that wait for a store that cannot be written; the oldest go.
const MOST: usize = 10_000;

/// What has been seen, and where it is kept.
pub(super) struct Results {
    store: Arc<dyn Store>,
    ahead: Mutex<Ahead>,
}

/// What the store may not have yet.
#[derive(Default)]
struct Ahead {
    /// Being written; whether it is in the store already, only the store can say.
    leaving: Vec<Check>,
    waiting: Vec<Check>,
}

impl Results {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            ahead: Mutex::default(),
        }
    }

    fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, check: Check) {
        let waiting = &mut self.ahead().waiting;
        if waiting.len() >= MOST {
            waiting.drain(..MOST / 2);
        }
        waiting.push(check);
    }

    /// Write what waits; what the store does not take waits on. Not to be called twice at once.
    pub(super) async fn keep(&self) -> Result<(), Error> {
        let checks = {
            let mut ahead = self.ahead();
            // What a call was writing that has been given up, at a stop, is written again rather than lost.
            let waiting = std::mem::take(&mut ahead.waiting);
            ahead.leaving.extend(waiting);
            ahead.leaving.clone()
        };
        if checks.is_empty() {
            return Ok(());
        }
        let kept = self.store.record_checks(checks).await;
        let mut ahead = self.ahead();
        let left = std::mem::take(&mut ahead.leaving);
        if kept.is_err() {
            ahead.waiting.splice(0..0, left);
        }
        kept
    }

    /// The checks of a server since then, newest first: those of the store, and those that it may not have yet. Of two within
    /// one second that saw the same and took as long, one may be missing while the other is being written.
    pub(super) async fn past(
        &self,
        path: &ServerPath,
        since: Timestamp,
        most: u32,
    ) -> Result<Vec<Past>, Error> {
        let mut past = {
            let ahead = self.ahead();
            let newest = ahead.waiting.iter().rev().chain(ahead.leaving.iter().rev());
            let of_it = newest.filter(|check| check.path == path.as_str()).map(Past::from);
            of_it.filter(|past| past.at >= since).collect::<Vec<_>>()
        };
        let kept = self.store.health_history(path, since, most).await?;
        past.retain(|past| !kept.contains(past));
        past.extend(kept);
        past.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(past)
    }
}
