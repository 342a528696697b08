//! When each server is due to be checked.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::path::ServerPath;

/// A server in doubt is asked again after this part of the interval …
const SOONER: u32 = 10;
/// … but not before this time.
const AT_LEAST: Duration = Duration::from_secs(1);
/// Overdue servers are spread over this time after a start.
const SPREAD: Duration = Duration::from_secs(60);

/// What is due when.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    due: BTreeSet<(Instant, ServerPath)>,
    at: HashMap<ServerPath, Instant>,
    /// Whoever is asked at once is due in the past, one after another.
    past: Instant,
    /// Being asked now; whether to ask again right after.
    running: HashMap<ServerPath, bool>,
}

impl Schedule {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            due: BTreeSet::new(),
            at: HashMap::new(),
            past: Instant::now(),
            running: HashMap::new(),
        }
    }

    /// After a start: a server keeps its turn, and those whose turn has passed come one after another.
    pub(super) fn resume(&mut self, path: &ServerPath, age: Option<Duration>, now: Instant) {
        let left = match age {
            None => return self.now(path),
            Some(age) => self.interval.saturating_sub(age),
        };
        let spread = self.interval.min(SPREAD).mul_f64(jitter(path, 1.0));
        self.set(path, now + left.max(spread).min(self.interval));
    }

    /// At once.
    pub(super) fn now(&mut self, path: &ServerPath) {
        if let Some(again) = self.running.get_mut(path) {
            *again = true;
        } else if self.at.get(path).is_none_or(|at| *at > self.past) {
            self.past += Duration::from_nanos(1);
            self.set(path, self.past);
        }
    }

    pub(super) fn remove(&mut self, path: &ServerPath) {
        self.unset(path);
        self.running.remove(path);
    }

    /// A check has ended. The next one comes after the interval, a tenth of it more or less so that servers which began
    /// together drift apart; sooner when in doubt.
    pub(super) fn done(&mut self, path: &ServerPath, in_doubt: bool, now: Instant) {
        match self.running.remove(path) {
            // It was removed meanwhile.
            None => return,
            Some(true) => return self.now(path),
            Some(false) => {}
        }
        let wait = if in_doubt {
            (self.interval / SOONER).max(AT_LEAST.min(self.interval))
        } else {
            self.interval.mul_f64(0.9 + jitter(path, 0.2))
        };
        self.set(path, now + wait);
    }

    /// At most `most` that are due; they count as running.
    pub(super) fn take_due(&mut self, now: Instant, most: usize) -> Vec<ServerPath> {
        let mut taken: Vec<ServerPath> = Vec::new();
        while taken.len() < most {
            let first = self.due.first().filter(|(at, _)| *at <= now.max(self.past));
            let Some(path) = first.map(|(_, path)| path.clone()) else {
                break;
            };
            self.unset(&path);
            self.running.insert(path.clone(), false);
            taken.push(path);
        }
        taken
    }

    fn set(&mut self, path: &ServerPath, at: Instant) {
        self.unset(path);
        self.due.insert((at, path.clone()));
        self.at.insert(path.clone(), at);
    }

    fn unset(&mut self, path: &ServerPath) {
        if let Some(at) = self.at.remove(path) {
            self.due.remove(&(at, path.clone()));
        }
    }
}

/// A part of `most` that is a server's own, from 0 to 1 of it.
fn jitter(path: &ServerPath, most: f64) -> f64 {
    use std::hash::{BuildHasher, RandomState};
    thread_local! { static STATE: RandomState = RandomState::new(); }
    let hash = STATE.with(|state| state.hash_one(path.as_str()));
    #[expect(clippy::cast_precision_loss, reason = "a thousand steps are enough")]
    let part = (hash % 1_000) as f64 / 1_000.0;
    part * most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> ServerPath {
        format!("/{name}").parse().unwrap()
    }

    const INTERVAL: Duration = Duration::from_secs(300);

    #[test]
    fn new_servers_come_first_and_each_keeps_its_turn() {
        let mut schedule = Schedule::new(INTERVAL);
        let now = Instant::now();
        schedule.resume(&path("old"), Some(Duration::from_secs(100)), now);
        schedule.resume(&path("never"), None, now);
        schedule.now(&path("new"));
        assert_eq!(schedule.take_due(now, 1), [path("never")]);
        assert_eq!(schedule.take_due(now, 9), [path("new")]);
        assert_eq!(schedule.take_due(now + Duration::from_secs(199), 9), []);
        assert_eq!(
            schedule.take_due(now + Duration::from_secs(201), 9),
            [path("old")]
        );
        // Nobody is asked twice at once; who changes meanwhile is asked again right after.
        schedule.now(&path("old"));
        assert_eq!(schedule.take_due(now, 9), []);
        schedule.done(&path("old"), false, now);
        assert_eq!(schedule.take_due(now, 9), [path("old")]);
    }

    #[test]
    fn doubt_is_looked_into_soon_and_a_start_asks_nobody_all_at_once() {
        let mut schedule = Schedule::new(INTERVAL);
        let now = Instant::now();
        let long_ago = Some(Duration::from_secs(9_999));
        for n in 0..1_000 {
            schedule.resume(&path(&format!("s{n}")), long_ago, now);
        }
        let at_once = schedule.take_due(now + Duration::from_secs(1), 1_000).len();
        assert!(at_once < 100, "{at_once}");
        let rest = schedule.take_due(now + Duration::from_secs(61), 1_000).len();
        assert_eq!(at_once + rest, 1_000);
        schedule.done(&path("s1"), true, now);
        assert_eq!(schedule.take_due(now + Duration::from_secs(29), 9), []);
        assert_eq!(schedule.take_due(now + Duration::from_secs(31), 9), [path("s1")]);
        schedule.done(&path("s1"), false, now);
        assert_eq!(schedule.take_due(now + Duration::from_secs(269), 9), []);
        assert_eq!(schedule.take_due(now + Duration::from_secs(331), 9), [path("s1")]);
        // A server that was removed while it was asked does not come back.
        schedule.remove(&path("s1"));
        schedule.done(&path("s1"), false, now);
        assert_eq!(schedule.take_due(now + Duration::from_secs(999), 9), []);
    }

    #[test]
    fn a_clock_that_was_set_back_waits_no_longer_than_the_interval() {
        let mut schedule = Schedule::new(INTERVAL);
        let now = Instant::now();
        schedule.resume(&path("a"), Some(Duration::ZERO), now);
        assert_eq!(schedule.take_due(now + INTERVAL, 9), [path("a")]);
    }
}
