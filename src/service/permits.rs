//! Which permits have got no line in the call log: calls that were let through and of which nothing more is known.
//!
//! Each permit says in which slice of the daemon's time it was given. A slice that is a minute old is settled: what was
//! given in it and has not come is unknown, and a late line takes that back. Counting is enough, because the place of the
//! log is kept with its rows, so no line comes twice. Streams are left out: their line comes with their end.
//!
//! **Invariant:** giving a permit takes no lock and no memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::call::PermitNumber;

/// Slices in the ring; five minutes, so that a store that stands still for a while confuses nothing.
const SLICES: usize = 64;
const SLICE: Duration = Duration::from_secs(5);
/// So many slices a line may take.
const PATIENCE: u32 = 12;

/// Permits given and lines come.
#[derive(Debug, Clone)]
pub struct Permits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    run: u32,
    began: Instant,
    given: [AtomicU64; SLICES],
    lines: Mutex<Lines>,
}

#[derive(Debug)]
struct Lines {
    came: [u64; SLICES],
    /// The first slice that is not settled.
    open: u32,
    /// Given and not come, in all settled slices.
    unknown: i64,
}

impl Permits {
    /// Of this run of the daemon; two runs must have different numbers.
    pub fn new(run: u32) -> Self {
        Self(Arc::new(Inner {
            run,
            began: Instant::now(),
            given: [const { AtomicU64::new(0) }; SLICES],
            lines: Mutex::new(Lines {
                came: [0; SLICES],
                open: 0,
                unknown: 0,
            }),
        }))
    }

    /// Count a permit.
    pub fn give(&self) -> PermitNumber {
        self.give_in(self.now())
    }

    /// The lines of these permits have come, or will never be: nginx asks again.
    pub fn came(&self, permits: impl IntoIterator<Item = PermitNumber>) {
        self.came_by(self.now(), permits);
    }

    /// Permits that were given more than a minute ago and have no line.
    pub fn unknown(&self) -> u64 {
        self.unknown_at(self.now())
    }

    fn now(&self) -> u32 {
        let slices = self.0.began.elapsed().as_secs() / SLICE.as_secs();
        u32::try_from(slices).unwrap_or(u32::MAX)
    }

    fn give_in(&self, slice: u32) -> PermitNumber {
        if let Some(given) = self.0.given.get(index(slice)) {
            given.fetch_add(1, Ordering::Relaxed);
        }
        PermitNumber {
            run: self.0.run,
            slice,
        }
    }

    fn came_by(&self, now: u32, permits: impl IntoIterator<Item = PermitNumber>) {
        let mut lines = self.settled(now);
        for permit in permits.into_iter().filter(|permit| permit.run == self.0.run) {
            if permit.slice < lines.open {
                lines.unknown -= 1;
            } else if let Some(came) = lines.came.get_mut(index(permit.slice)) {
                *came += 1;
            }
        }
    }

    fn unknown_at(&self, now: u32) -> u64 {
        u64::try_from(self.settled(now).unknown).unwrap_or(0)
    }

    fn settled(&self, now: u32) -> std::sync::MutexGuard<'_, Lines> {
        let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let due = now.saturating_sub(PATIENCE);
        let most = u32::try_from(SLICES).unwrap_or(u32::MAX);
        for slice in lines.open..due.min(lines.open.saturating_add(most)) {
            let given = self
                .0
                .given
                .get(index(slice))
                .map_or(0, |given| given.swap(0, Ordering::Relaxed));
            let came = lines.came.get_mut(index(slice)).map_or(0, std::mem::take);
            lines.unknown += given.cast_signed() - came.cast_signed();
        }
        lines.open = lines.open.max(due);
        lines
    }
}

fn index(slice: u32) -> usize {
    usize::try_from(slice).map_or(0, |slice| slice % SLICES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_without_a_line_is_unknown_after_a_minute_until_a_late_line_comes() {
        let permits = Permits::new(1);
        let (kept, lost) = (permits.give_in(0), permits.give_in(3));
        permits.came_by(4, [kept]);
        assert_eq!(permits.unknown_at(15), 0);
        assert_eq!(permits.unknown_at(16), 1);
        permits.came_by(1000, [lost]);
        assert_eq!(permits.unknown_at(2000), 0);
        // The ring goes round, and lines of another run say nothing.
        for slice in 2000..2500 {
            let permit = permits.give_in(slice);
            permits.came_by(slice + 1, [permit, PermitNumber { run: 2, ..permit }]);
        }
        permits.give_in(2500);
        assert_eq!(permits.unknown_at(2520), 1);
    }
}
