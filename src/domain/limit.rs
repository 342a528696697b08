//! How often something may fail before it is slowed.
//!
//! Pure: the caller brings the time. A refusal is told how long to wait.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::clock::Timestamp;

/// Failures by key, forgotten one after another.
///
/// A key holds at most `most` failures; each is forgotten after `every`. Keys are bounded: when there are too many,
/// the forgotten ones go, and if that is not enough, all go (a flood of keys must not become a flood of memory).
#[derive(Debug)]
pub struct Tries<K> {
    most: u32,
    every: Duration,
    keys: HashMap<K, (u32, Timestamp)>,
}

const MOST_KEYS: usize = 100_000;

impl<K: Eq + Hash> Tries<K> {
    /// `most` failures at once, and one more after each `every`.
    pub fn new(most: u32, every: Duration) -> Self {
        Self {
            most,
            every,
            keys: HashMap::new(),
        }
    }

    /// How long `key` must wait; nothing when it may try.
    pub fn wait(&self, key: &K, now: Timestamp) -> Option<Duration> {
        let (count, since) = self.left(key, now)?;
        (count >= self.most).then(|| {
            self.every
                .saturating_sub(now.since(since))
                .max(Duration::from_secs(1))
        })
    }

    /// Count one failure.
    pub fn fail(&mut self, key: K, now: Timestamp) {
        if self.keys.len() >= MOST_KEYS {
            let kept = self.most.saturating_mul(2);
            let horizon = self.every.saturating_mul(kept);
            self.keys.retain(|_, (_, since)| now.since(*since) < horizon);
            if self.keys.len() >= MOST_KEYS {
                self.keys.clear();
            }
        }
        let (count, since) = self.left(&key, now).unwrap_or((0, now));
        self.keys.insert(key, (count.saturating_add(1), since));
    }

    /// Forget the failures of a key that has succeeded.
    pub fn clear(&mut self, key: &K) {
        self.keys.remove(key);
    }

    /// Failures that are not forgotten, and since when the oldest of them counts.
    fn left(&self, key: &K, now: Timestamp) -> Option<(u32, Timestamp)> {
        let (count, since) = self.keys.get(key)?;
        let gone = now.since(*since).as_nanos() / self.every.as_nanos().max(1);
        let gone = u32::try_from(gone).unwrap_or(u32::MAX);
        let left = count.checked_sub(gone).filter(|left| *left > 0)?;
        Some((left, since.plus(self.every.saturating_mul(gone))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_forgotten_one_after_another() {
        let at = |second: i64| Timestamp::from_unix(1_800_000_000 + second);
        let mut tries = Tries::new(3, Duration::from_secs(10));
        for _ in 0..3 {
            assert_eq!(tries.wait(&"a", at(0)), None);
            tries.fail("a", at(0));
        }
        assert_eq!(tries.wait(&"a", at(1)), Some(Duration::from_secs(9)));
        assert_eq!(tries.wait(&"b", at(1)), None);
        assert_eq!(tries.wait(&"a", at(10)), None);
        tries.fail("a", at(11));
        assert_eq!(tries.wait(&"a", at(11)), Some(Duration::from_secs(9)));
        assert_eq!(tries.wait(&"a", at(60)), None);
        tries.fail("a", at(60));
        tries.clear(&"a");
        assert!(tries.keys.is_empty());
    }
}
