//! How far a drawing reaches, and the words along its sides.

use serde::Serialize;

use super::real;

/// A part of time in pieces of one length; milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From here on.
    pub from_ms: i64,
    /// The length of a piece; more than zero.
    pub step_ms: i64,
    /// How many pieces.
    pub pieces: usize,
}

impl Window {
    /// So many pieces that end at `to_ms`.
    pub fn until(to_ms: i64, step_ms: i64, pieces: usize) -> Self {
        let length = step_ms.saturating_mul(i64::try_from(pieces).unwrap_or(i64::MAX));
        Self {
            from_ms: to_ms.saturating_sub(length),
            step_ms,
            pieces,
        }
    }

    /// Where the piece with this number begins.
    pub fn begin(&self, piece: usize) -> i64 {
        let offset = self
            .step_ms
            .saturating_mul(i64::try_from(piece).unwrap_or(i64::MAX));
        self.from_ms.saturating_add(offset)
    }

    /// The number of the piece that a moment lies in.
    pub fn piece(&self, at_ms: i64) -> Option<usize> {
        let piece = at_ms.saturating_sub(self.from_ms).div_euclid(self.step_ms.max(1));
        usize::try_from(piece).ok().filter(|piece| *piece < self.pieces)
    }
}

/// How far back a page looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) struct Span {
    /// Its word in an address.
    pub(in crate::web) word: &'static str,
    /// Its name.
    pub(in crate::web) name: &'static str,
    /// The length of its pieces, in seconds.
    pub(in crate::web) step: i64,
    /// How many there are.
    pub(in crate::web) pieces: usize,
    /// What stands below it, from left to right.
    pub(in crate::web) marks: [&'static str; 5],
}

impl Span {
    /// All of them; the second is where a page begins.
    pub(in crate::web) const ALL: [Self; 4] = [
        Self {
            word: "1h",
            name: "1 hour",
            step: 60,
            pieces: 60,
            marks: ["1 h ago", "45 min", "30 min", "15 min", "now"],
        },
        Self {
            word: "24h",
            name: "24 hours",
            step: 1200,
            pieces: 72,
            marks: ["24 h ago", "18 h", "12 h", "6 h", "now"],
        },
        Self {
            word: "7d",
            name: "7 days",
            step: 7200,
            pieces: 84,
            marks: ["7 days ago", "5 days", "3½ days", "42 h", "now"],
        },
        Self {
            word: "30d",
            name: "30 days",
            step: 28_800,
            pieces: 90,
            marks: ["30 days ago", "22 days", "15 days", "7 days", "now"],
        },
    ];

    /// The span of a word, or else a day.
    pub(in crate::web) fn of(word: Option<&str>) -> Self {
        let [_, day, ..] = Self::ALL;
        Self::ALL
            .into_iter()
            .find(|span| Some(span.word) == word)
            .unwrap_or(day)
    }

    /// Its pieces when it ends at `now_ms`: with the end of the piece that now lies in, so that a page that is loaded again
    /// shows the same pieces.
    pub(in crate::web) fn window(&self, now_ms: i64) -> Window {
        let step_ms = self.step * 1000;
        let end = (now_ms.div_euclid(step_ms) + 1).saturating_mul(step_ms);
        Window::until(end, step_ms, self.pieces)
    }
}

/// What stands beside a drawing: the largest number, half of it, and nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Marks {
    /// At the top.
    pub top: String,
    /// In the middle.
    pub half: String,
}

/// The next number at or above `most` that people like to read on a scale, and whose half is whole; at least 2.
pub(super) fn ceiling(most: f64) -> f64 {
    const SMALL: [f64; 5] = [2.0, 4.0, 6.0, 8.0, 10.0];
    const LARGE: [f64; 9] = [1.2, 1.6, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let fits = |top: &f64| *top >= most;
    if let Some(top) = SMALL.into_iter().find(fits) {
        return top;
    }
    let mut unit = 10.0;
    while unit < 1e15 {
        if let Some(top) = LARGE.map(|step| step * unit).into_iter().find(fits) {
            return top;
        }
        unit *= 10.0;
    }
    most
}

/// A count in a few letters: `999`, `1.2k`, `3.4M`.
pub(in crate::web) fn amount(count: u64) -> String {
    let short = |unit: f64, letter: &str| {
        let number = real_large(count) / unit;
        let text = if number < 10.0 {
            format!("{number:.1}")
        } else {
            format!("{number:.0}")
        };
        format!("{}{letter}", text.strip_suffix(".0").unwrap_or(&text))
    };
    // What is rounded up to a thousand of one unit is one of the next.
    match count {
        0..1_000 => count.to_string(),
        1_000..999_500 => short(1e3, "k"),
        999_500..999_500_000 => short(1e6, "M"),
        _ => short(1e9, "G"),
    }
}

/// Milliseconds in a few letters: `7 ms`, `1.2 s`, `2.7 min`.
pub(in crate::web) fn duration(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..100_000 => format!("{:.1} s", real(millis) / 1e3),
        _ => {
            let minutes = format!("{:.1}", real(millis) / 6e4);
            format!("{} min", minutes.strip_suffix(".0").unwrap_or(&minutes))
        }
    }
}

/// How long so many calls took, at a quantile in milliseconds; of none nothing can be said.
pub(in crate::web) fn quantile(calls: u64, millis: u32) -> String {
    if calls == 0 {
        "–".to_owned()
    } else {
        duration(millis.into())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a few letters need no more than 50 bits"
)]
fn real_large(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_where_people_like_to_read_them() {
        let rows = [
            (0.0, 2.0),
            (2.1, 4.0),
            (5.0, 6.0),
            (7.0, 8.0),
            (11.0, 12.0),
            (103.0, 120.0),
            (999.0, 1000.0),
        ];
        for (most, expected) in rows {
            assert!((ceiling(most) - expected).abs() < 1e-9, "{most}");
        }
    }

    #[test]
    fn numbers_are_short() {
        let said = [0, 999, 1_000, 1_249, 99_999, 3_400_000, 5_000_000_000].map(amount);
        assert_eq!(said, ["0", "999", "1k", "1.2k", "100k", "3.4M", "5G"]);
        let said = [9_960, 999_499, 999_500, 999_499_999, 999_500_000].map(amount);
        assert_eq!(said, ["10k", "999k", "1M", "999M", "1G"]);
        let said = [7, 1_250, 99_000, 100_000, 119_999, 160_000, 180_000].map(duration);
        assert_eq!(
            said,
            ["7 ms", "1.2 s", "99.0 s", "1.7 min", "2 min", "2.7 min", "3 min"]
        );
    }

    #[test]
    fn every_moment_lies_in_one_piece() {
        let window = Span::of(Some("1h")).window(7_200_001);
        assert_eq!((window.from_ms, window.pieces), (7_260_000 - 3_600_000, 60));
        assert_eq!(window.piece(7_200_001), Some(59));
        assert_eq!(window.piece(window.from_ms), Some(0));
        assert_eq!(
            (window.piece(window.from_ms - 1), window.piece(7_260_000)),
            (None, None)
        );
        assert_eq!(window.begin(59), 7_200_000);
        assert_eq!(Span::of(Some("x")).word, "24h");
        for span in Span::ALL {
            assert!(span.step * 1000 > 0 && span.pieces <= 100);
        }
    }
}
