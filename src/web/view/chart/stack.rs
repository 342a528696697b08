//! Columns of counts over time, one band upon the other.

use serde::Serialize;

use super::axis::ceiling;
use super::{Column, HEIGHT, Marks, Row, Title, WIDTH, Window, amount, point, real};

/// The part of a piece's width that its column fills.
const FILLED: f64 = 0.8;

/// The columns.
#[derive(Debug, Clone, Serialize)]
pub struct Stack {
    /// Its bands, the lowest first.
    pub bands: Vec<Band>,
    /// What stands beside it.
    pub marks: Marks,
    /// All that is counted in it.
    pub total: String,
    /// One piece each, for whoever points at it.
    pub columns: Vec<Column>,
    /// What the figures count: all calls, and those of each band.
    pub heads: Vec<String>,
    /// The same as figures: of each piece with calls how many, and how many of each band.
    pub rows: Vec<Row>,
}

/// One band.
#[derive(Debug, Clone, Serialize)]
pub struct Band {
    /// What it counts.
    pub name: String,
    /// Its colour among those of the stylesheet: a number, `ok`, `bad` or `rest`.
    pub class: String,
    /// How much that is.
    pub total: String,
    /// Where one reads more.
    pub href: Option<String>,
    /// Its shape.
    pub d: String,
}

/// What one band is made of: name, colour, where one reads more, counts by moment.
pub type Counts = (String, String, Option<String>, Vec<(i64, u64)>);

/// Draw these bands, the lowest first. Nothing without counts.
pub fn stack(bands: Vec<Counts>, window: Window) -> Option<Stack> {
    let rows: Vec<Vec<u64>> = bands.iter().map(|(.., counts)| gather(counts, window)).collect();
    let mut heights = vec![0_u64; window.pieces];
    for row in &rows {
        for (height, count) in heights.iter_mut().zip(row) {
            *height = height.saturating_add(*count);
        }
    }
    let most = heights.iter().copied().max().filter(|most| *most > 0)?;
    let top = ceiling(real(most));
    let step = WIDTH / real(u64::try_from(window.pieces.max(1)).unwrap_or(1));
    let begin = |piece: usize| real(u64::try_from(piece).unwrap_or(0)) * step;
    let mut ground = vec![0_u64; window.pieces];
    let mut drawn = Vec::with_capacity(bands.len());
    for ((name, class, href, _), row) in bands.into_iter().zip(&rows) {
        let mut d = String::new();
        for (piece, (count, below)) in row.iter().zip(ground.iter_mut()).enumerate() {
            if *count > 0 {
                let y = |count: u64| HEIGHT - real(count) / top * HEIGHT;
                let (low, high) = (y(*below), y(below.saturating_add(*count)));
                let left = begin(piece) + step * (1.0 - FILLED) / 2.0;
                let width = point(step * FILLED);
                let [left, low, high] = [left, low, high].map(point);
                d.extend([format!("M{left} {low}h{width}V{high}h-{width}Z")]);
            }
            *below = below.saturating_add(*count);
        }
        drawn.push(Band {
            name,
            class,
            href,
            total: amount(row.iter().sum()),
            d,
        });
    }
    let busy = || heights.iter().enumerate().filter(|(_, height)| **height > 0);
    let columns = busy().map(|(piece, height)| Column {
        x: point(begin(piece)),
        width: point(step),
        title: Title::new(window.begin(piece), said(*height)),
    });
    let figures = busy().map(|(piece, height)| {
        let of_bands = rows.iter().map(|row| row.get(piece).copied().unwrap_or_default());
        let figures = std::iter::once(*height).chain(of_bands);
        Row::new(window.begin(piece), figures.map(|count| count.to_string()))
    });
    Some(Stack {
        columns: columns.collect(),
        rows: figures.collect(),
        heads: std::iter::once("All")
            .chain(drawn.iter().map(|band| band.name.as_str()))
            .map(str::to_owned)
            .collect(),
        marks: Marks {
            top: whole(top),
            half: whole(top / 2.0),
        },
        total: amount(heights.iter().sum()),
        bands: drawn,
    })
}

fn gather(counts: &[(i64, u64)], window: Window) -> Vec<u64> {
    let mut row = vec![0_u64; window.pieces];
    for (at_ms, count) in counts {
        if let Some(cell) = window.piece(*at_ms).and_then(|piece| row.get_mut(piece)) {
            *cell = cell.saturating_add(*count);
        }
    }
    row
}

fn said(count: u64) -> String {
    let word = if count == 1 { "call" } else { "calls" };
    format!("{count} {word}")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a scale is a whole number that fits"
)]
fn whole(number: f64) -> String {
    amount(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_stand_upon_one_another() {
        let window = Window {
            from_ms: 0,
            step_ms: 10,
            pieces: 2,
        };
        let band =
            |name: &str, counts: &[(i64, u64)]| (name.to_owned(), "1".to_owned(), None, counts.to_vec());
        let both = vec![
            band("ok", &[(0, 1), (5, 2), (10, 10)]),
            band("bad", &[(9, 1), (99, 7)]),
        ];
        let stack = stack(both, window).unwrap();
        let shapes: Vec<&str> = stack.bands.iter().map(|band| band.d.as_str()).collect();
        assert_eq!(
            shapes,
            [
                "M50 200h400V140h-400ZM550 200h400V0h-400Z",
                "M50 140h400V120h-400Z"
            ]
        );
        assert_eq!((stack.total.as_str(), stack.marks.top.as_str()), ("14", "10"));
        let titles: Vec<&str> = stack
            .columns
            .iter()
            .map(|column| column.title.words.as_str())
            .collect();
        assert_eq!(titles, ["4 calls", "10 calls"]);
        let figures: Vec<_> = stack.rows.iter().map(|row| row.figures.join(" ")).collect();
        assert_eq!(figures, ["4 3 1", "10 10 0"]);
    }

    #[test]
    fn no_counts_are_no_drawing() {
        let window = Window::until(0, 10, 3);
        assert!(stack(Vec::new(), window).is_none());
        assert!(stack(vec![(String::new(), String::new(), None, vec![(-5, 0)])], window).is_none());
    }
}
