//! A bar of pieces of time, each with the word of what its checks saw.

use serde::Serialize;

use super::{Row, Title, Window, real};

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
    /// The same as figures: of each piece with checks how many were answered.
    pub rows: Vec<Row>,
}

/// A piece of it.
#[derive(Debug, Clone, Serialize)]
pub struct Piece {
    /// Where it begins, counted in pieces.
    pub x: usize,
    /// `up`, `partly`, `doubtful`, `down`, `none` where nobody asked, or `forgotten` where nobody knows any more.
    pub word: &'static str,
    /// When it begins, and what it says when somebody points at it.
    pub title: Title,
}

#[derive(Default, Clone, Copy)]
struct Cell {
    up: usize,
    doubtful: usize,
    down: usize,
}

/// Draw what these checks saw; of what was before `known_ms` nothing is known any more.
pub fn uptime(seen: &[(i64, Sight)], window: Window, known_ms: i64) -> Uptime {
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
    let pieces = cells.iter().enumerate().map(|(x, cell)| {
        let is_forgotten = cell.checks() == 0 && window.begin(x + 1) <= known_ms;
        let (word, said) = if is_forgotten {
            ("forgotten", "no longer known".to_owned())
        } else {
            (cell.word(), cell.said())
        };
        let title = Title::new(window.begin(x), said);
        Piece { x, word, title }
    });
    let asked = cells.iter().enumerate().filter(|(_, cell)| cell.checks() > 0);
    let rows = asked.map(|(x, cell)| {
        let figures = [cell.checks(), cell.up + cell.doubtful];
        Row::new(window.begin(x), figures.map(|count| count.to_string()))
    });
    Uptime {
        rows: rows.collect(),
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

    fn said(&self) -> String {
        match self.checks() {
            0 => "nobody asked".to_owned(),
            checks => format!("{} of {checks} checks answered", self.up + self.doubtful),
        }
    }
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
        let bar = uptime(&seen, window, 0);
        let words: Vec<_> = bar.pieces.iter().map(|piece| piece.word).collect();
        assert_eq!(words, ["up", "partly", "down", "doubtful", "none", "up"]);
        assert_eq!((bar.share.as_deref(), bar.checks), (Some("71.4 %"), 7));
        let second = &bar.pieces.get(1).unwrap().title;
        assert_eq!(
            (second.at.as_str(), second.words.as_str()),
            ("1970-01-01T00:00:00Z", "1 of 2 checks answered")
        );
        let figures: Vec<_> = bar.rows.iter().map(|row| row.figures.join(" ")).collect();
        assert_eq!(figures, ["2 2", "2 1", "1 0", "1 1", "1 1"]);
    }

    #[test]
    fn what_is_forgotten_is_not_said_to_be_unasked() {
        let window = Window {
            from_ms: 0,
            step_ms: 10,
            pieces: 4,
        };
        let bar = uptime(&[(0, Sight::Up)], window, 25);
        let words: Vec<_> = bar.pieces.iter().map(|piece| piece.word).collect();
        assert_eq!(words, ["up", "forgotten", "none", "none"]);
    }

    #[test]
    fn a_share_that_is_not_all_does_not_read_as_all() {
        assert_eq!(share(99_999, 100_000), "99.9 %");
        assert_eq!(uptime(&[], Window::until(0, 1, 3), 0).share, None);
    }
}
