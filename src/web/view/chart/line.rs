//! A line over time, with gaps where nothing is known.

use serde::Serialize;

use super::axis::ceiling;
use super::{Column, HEIGHT, Marks, Row, Title, WIDTH, Window, duration, point, real};

/// The line of durations.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The line itself.
    pub d: String,
    /// The ground below it.
    pub area: String,
    /// What stands beside it.
    pub marks: Marks,
    /// The median, and the longest.
    pub median: String,
    /// The longest.
    pub most: String,
    /// One piece each, for whoever points at it.
    pub columns: Vec<Column>,
    /// The same as figures: of each piece with answers the median and the longest.
    pub rows: Vec<Row>,
}

/// Draw durations in milliseconds: of each piece the median. Nothing without any.
pub fn line(seen: &[(i64, u64)], window: Window) -> Option<Line> {
    let mut cells: Vec<Vec<u64>> = vec![Vec::new(); window.pieces];
    let mut all = Vec::with_capacity(seen.len());
    for (at_ms, millis) in seen {
        if let Some(cell) = window.piece(*at_ms).and_then(|piece| cells.get_mut(piece)) {
            cell.push(*millis);
            all.push(*millis);
        }
    }
    let most = all.iter().copied().max()?;
    let longest: Vec<Option<u64>> = cells.iter().map(|cell| cell.iter().copied().max()).collect();
    let medians: Vec<Option<u64>> = cells.into_iter().map(median).collect();
    let top = ceiling(real(medians.iter().flatten().copied().max()?));
    let step = WIDTH / real(u64::try_from(window.pieces.max(1)).unwrap_or(1));
    let (mut d, mut area) = (String::new(), String::new());
    for (first, run) in runs(&medians) {
        let at = |offset: usize| (real(u64::try_from(first + offset).unwrap_or(0)) + 0.5) * step;
        let height = |millis: u64| HEIGHT - real(millis) / top * HEIGHT;
        // A single point is drawn as wide as its piece.
        let mut points: Vec<(f64, f64)> = Vec::with_capacity(run.len() + 1);
        if let [only] = run.as_slice() {
            points.push((at(0) - step / 2.0, height(*only)));
            points.push((at(0) + step / 2.0, height(*only)));
        } else {
            points.extend(
                run.iter()
                    .enumerate()
                    .map(|(index, one)| (at(index), height(*one))),
            );
        }
        let path: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{} {}", point(*x), point(*y)))
            .collect();
        let path = path.join("L");
        if let (Some((begin, _)), Some((end, _))) = (points.first(), points.last()) {
            let ground = point(HEIGHT);
            let (begin, end) = (point(*begin), point(*end));
            area.extend([format!("M{begin} {ground}L{path}L{end} {ground}Z")]);
        }
        d.push('M');
        d.push_str(&path);
    }
    let whole = |share: f64| scale(top * share);
    let known = || {
        let both = medians.iter().zip(&longest).enumerate();
        both.filter_map(|(piece, (median, longest))| Some((piece, (*median)?, (*longest)?)))
    };
    let columns = known().map(|(piece, median, _)| Column {
        x: point(real(u64::try_from(piece).unwrap_or(0)) * step),
        width: point(step),
        title: Title::new(window.begin(piece), duration(median)),
    });
    let rows = known()
        .map(|(piece, median, longest)| Row::new(window.begin(piece), [median, longest].map(duration)));
    Some(Line {
        columns: columns.collect(),
        rows: rows.collect(),
        d,
        area,
        marks: Marks {
            top: whole(1.0),
            half: whole(0.5),
        },
        median: duration(median(all).unwrap_or_default()),
        most: duration(most),
    })
}

/// Pieces that follow one another and have figures: where each run begins, and the figures.
fn runs(pieces: &[Option<u64>]) -> Vec<(usize, Vec<u64>)> {
    let mut runs: Vec<(usize, Vec<u64>)> = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let Some(one) = piece else { continue };
        match runs.last_mut() {
            Some((first, run)) if *first + run.len() == index => run.push(*one),
            _ => runs.push((index, vec![*one])),
        }
    }
    runs
}

fn median(mut all: Vec<u64>) -> Option<u64> {
    all.sort_unstable();
    all.get(all.len().saturating_sub(1) / 2).copied()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a scale is a small whole number of milliseconds"
)]
fn scale(millis: f64) -> String {
    duration(millis as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(pieces: usize) -> Window {
        Window {
            from_ms: 0,
            step_ms: 10,
            pieces,
        }
    }

    #[test]
    fn the_line_has_a_gap_where_nothing_is_known() {
        let seen = [(0, 10), (1, 30), (2, 20), (10, 40), (30, 100), (99, 7)];
        let line = line(&seen, window(4)).unwrap();
        assert_eq!(line.d, "M125 160L375 120M750 0L1000 0");
        assert_eq!(
            line.area,
            "M125 200L125 160L375 120L375 200ZM750 200L750 0L1000 0L1000 200Z"
        );
        assert_eq!(
            (line.marks.top.as_str(), line.marks.half.as_str()),
            ("100 ms", "50 ms")
        );
        assert_eq!((line.median.as_str(), line.most.as_str()), ("30 ms", "100 ms"));
        let figures: Vec<_> = line.rows.iter().map(|row| row.figures.join(" ")).collect();
        assert_eq!(figures, ["20 ms 30 ms", "40 ms 40 ms", "100 ms 100 ms"]);
    }

    #[test]
    fn nothing_known_is_no_line() {
        assert!(line(&[], window(4)).is_none());
        assert!(line(&[(-5, 7)], window(4)).is_none());
    }
}
