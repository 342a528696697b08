//! Whether a provider is asked now: after a failure it is left alone for a while, then one question tries it.
//!
//! Whoever asks a provider that hangs waits in vain for as long as a question may take, and so would everybody after
//! them. Only failures that say nothing of the question count; a refusal is an answer, and a quick one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Error;

/// It is left alone for the first after a failure, then for twice as long, up to the second.
const LENGTHS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// An asker who leaves has waited in vain for the provider after so long; before, they may have had reasons of their own.
/// Less than the least time that a question may be given.
const PATIENCE: Duration = Duration::from_millis(900);

/// How it stands with a provider.
#[derive(Debug, Default)]
pub(super) struct Pause(Mutex<State>);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It answers, as far as anybody knows.
    #[default]
    Open,
    /// It failed: nobody asks until then, and after that one at a time.
    Shut {
        until: Instant,
        length: Duration,
        is_tried: bool,
    },
}

/// Somebody who asks. Dropped without an end, they waited in vain.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    pause: &'a Pause,
    began: Instant,
    /// Whether the others wait for what becomes of it.
    is_trial: bool,
    has_ended: bool,
}

impl Pause {
    /// Ask, unless it is left alone.
    pub(super) fn begin(&self, now: Instant) -> Option<Attempt<'_>> {
        let is_trial = self.change(|state| match state {
            State::Open => Some(false),
            State::Shut { until, is_tried, .. } if now < *until || *is_tried => None,
            State::Shut { is_tried, .. } => {
                *is_tried = true;
                Some(true)
            }
        })?;
        Some(Attempt {
            pause: self,
            began: now,
            is_trial,
            has_ended: false,
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Attempt<'_> {
    /// What became of it.
    pub(super) fn end(mut self, error: Option<&Error>, now: Instant) {
        if error.is_some_and(is_failure) {
            self.fail(now);
        } else {
            self.pause.change(|state| *state = State::Open);
        }
        self.has_ended = true;
    }

    /// The asker is gone.
    fn leave(&self, now: Instant) {
        if now.duration_since(self.began) >= PATIENCE {
            self.fail(now);
        } else if self.is_trial {
            self.pause.change(|state| {
                if let State::Shut { is_tried, .. } = state {
                    *is_tried = false;
                }
            });
        }
    }

    fn fail(&self, now: Instant) {
        let length = self.pause.change(|state| {
            let length = match state {
                State::Open => LENGTHS.0,
                State::Shut { length, .. } if self.is_trial => (*length * 2).min(LENGTHS.1),
                // It was asked before the pause began.
                State::Shut { .. } => return None,
            };
            *state = State::Shut {
                until: now + length,
                length,
                is_tried: false,
            };
            Some(length)
        });
        if let Some(length) = length {
            tracing::warn!(
                again_in_s = length.as_secs(),
                "the provider of embeddings does not answer questions; words alone answer them"
            );
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.leave(Instant::now());
        }
    }
}

/// Whether the next question would fare no better.
fn is_failure(error: &Error) -> bool {
    match error {
        Error::Slow(_) | Error::Away(_) => true,
        Error::Status(status) => *status >= 500,
        Error::Busy
        | Error::Paused
        | Error::Unusable(_)
        | Error::Dimensions { .. }
        | Error::Model { .. }
        | Error::Backend(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Error = Error::Slow(Duration::ZERO);

    #[test]
    fn each_failure_doubles_the_pause_one_tries_at_a_time_and_an_answer_ends_it() {
        let (pause, mut now) = (Pause::default(), Instant::now());
        let (first, second) = (pause.begin(now).unwrap(), pause.begin(now).unwrap());
        first.end(Some(&SLOW), now);
        second.end(Some(&SLOW), now);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            assert!(pause.begin(now).is_none());
            now += Duration::from_millis(seconds * 1_000 - 1);
            assert!(pause.begin(now).is_none(), "{seconds}");
            now += Duration::from_millis(1);
            let trial = pause.begin(now).unwrap();
            assert!(pause.begin(now).is_none(), "one at a time");
            trial.end(Some(&SLOW), now);
        }
        now += Duration::from_secs(30);
        pause.begin(now).unwrap().end(None, now);
        let (one, other) = (pause.begin(now), pause.begin(now));
        one.unwrap().end(Some(&SLOW), now);
        other.unwrap().end(None, now);
        pause.begin(now).unwrap().end(None, now);
    }

    #[test]
    fn what_says_nothing_of_the_provider_is_no_failure() {
        let now = Instant::now();
        for (error, is_left_alone) in [
            (Error::Slow(PATIENCE), true),
            (Error::Away("gone".into()), true),
            (Error::Status(503), true),
            (Error::Status(500), true),
            (Error::Status(429), false),
            (Error::Status(401), false),
            (Error::Busy, false),
            (Error::Unusable("nonsense"), false),
        ] {
            let pause = Pause::default();
            pause.begin(now).unwrap().end(Some(&error), now);
            assert_eq!(pause.begin(now).is_none(), is_left_alone, "{error}");
        }
    }

    #[test]
    fn whoever_leaves_late_waited_in_vain_and_whoever_leaves_early_says_nothing() {
        let (pause, now) = (Pause::default(), Instant::now());
        let leave = |from: Instant, after: Duration| {
            let mut attempt = pause.begin(from).unwrap();
            attempt.leave(from + after);
            attempt.has_ended = true;
        };
        leave(now, PATIENCE / 2);
        leave(now, PATIENCE);
        assert!(pause.begin(now + PATIENCE).is_none());
        // A trial that was given up early leaves its place to the next.
        let later = now + Duration::from_secs(3);
        leave(later, PATIENCE / 2);
        leave(later, PATIENCE);
        assert!(pause.begin(later + Duration::from_millis(2_800)).is_none());
        assert!(pause.begin(later + Duration::from_secs(3)).is_some());
    }
}
