//! A bar of pieces of time, each with the word of what its checks saw.

use serde::Serialize;

use super::{Window, real};
use crate::clock::Timestamp;

/// What one check saw, as far as the bar tells it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It answered.
    Up,
    /// It answered and refused our credential.
    Doubtful,
    /// It did not.
    Down,
}

/// The bar.
#[derive(Debug, Clone, Serialize)]
pub struct Uptime {
    /// Its pieces, from left to right.
    pub pieces: Vec<Piece>,
    /// Which share of the checks was answered: `99.2 %`; none without checks.
    pub share: Option<String>,
    /// How many checks there were.
    pub checks: usize,
}

/// A piece of it.
#[derive(Debug, Clone, Serialize)]
pub struct Piece {
    /// Where it begins, counted in pieces.
    pub x: usize,
    /// `up`, `partly`, `doubtful`, `down`, or `none` where nobody asked.
    pub word: &'static str,
    /// What it says when somebody points at it.
    pub title: String,
}

#[derive(Default, Clone, Copy)]
struct Cell {
    up: usize,
    doubtful: usize,
    down: usize,
}

/// Draw what these checks saw.
pub fn uptime(seen: &[(i64, Sight)], window: Window) -> Uptime {
    let mut cells = vec![Cell::default(); window.pieces];
    for (at_ms, sight) in seen {
        let Some(cell) = window.piece(*at_ms).and_then(|piece| cells.get_mut(piece)) else {
            continue;
        };
        match sight {
            Sight::Up => cell.up += 1,
            Sight::Doubtful => cell.doubtful += 1,
            Sight::Down => cell.down += 1,
        }
    }
    let checks: usize = cells.iter().map(Cell::checks).sum();
    let answered: usize = cells.iter().map(|cell| cell.up + cell.doubtful).sum();
    let pieces = cells.iter().enumerate().map(|(x, cell)| Piece {
        x,
        word: cell.word(),
        title: title(cell, window.begin(x)),
    });
    Uptime {
        pieces: pieces.collect(),
        share: (checks > 0).then(|| share(answered, checks)),
        checks,
    }
}

impl Cell {
    fn checks(&self) -> usize {
        self.up + self.doubtful + self.down
    }

    fn word(&self) -> &'static str {
        match (self.up + self.doubtful, self.down) {
            (0, 0) => "none",
            (0, _) => "down",
            (_, 1..) => "partly",
            _ if self.doubtful > 0 => "doubtful",
            _ => "up",
        }
    }
}

fn title(cell: &Cell, begin_ms: i64) -> String {
    let from = Timestamp::from_unix_ms(begin_ms).to_string();
    let from = from.get(..16).unwrap_or_default().replace('T', " ");
    let said = match cell.checks() {
        0 => "nobody asked".to_owned(),
        checks => format!("{} of {checks} checks answered", cell.up + cell.doubtful),
    };
    format!("{from} UTC: {said}")
}

/// A share in per cent. What is not all of it never reads as 100 %.
fn share(part: usize, whole: usize) -> String {
    if part == whole {
        return "100 %".to_owned();
    }
    let count = |number| real(u64::try_from(number).unwrap_or(u64::MAX));
    let percent = count(part) / count(whole) * 100.0;
    format!("{:.1} %", percent.min(99.9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_has_the_word_of_its_checks() {
        let window = Window {
            from_ms: 0,
            step_ms: 10,
            pieces: 6,
        };
        let seen = [
            (0, Sight::Up),
            (9, Sight::Up),
            (10, Sight::Down),
            (11, Sight::Up),
            (20, Sight::Down),
            (30, Sight::Doubtful),
            (50, Sight::Up),
            (60, Sight::Down),
            (-1, Sight::Down),
        ];
        let bar = uptime(&seen, window);
        let words: Vec<_> = bar.pieces.iter().map(|piece| piece.word).collect();
        assert_eq!(words, ["up", "partly", "down", "doubtful", "none", "up"]);
        assert_eq!((bar.share.as_deref(), bar.checks), (Some("71.4 %"), 7));
        let second = bar.pieces.get(1).unwrap();
        assert_eq!(second.title, "1970-01-01 00:00 UTC: 1 of 2 checks answered");
    }

    #[test]
    fn a_share_that_is_not_all_does_not_read_as_all() {
        assert_eq!(share(99_999, 100_000), "99.9 %");
        assert_eq!(uptime(&[], Window::until(0, 1, 3)).share, None);
    }
}
