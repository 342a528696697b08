//! How much is called, how often it fails and how long it takes: counted from the calls themselves.
//!
//! Percentiles are exact: all durations of a cell are gathered and sorted, four bytes a call. A percentile is the smallest
//! duration that at least that share of the calls did not exceed (nearest rank).

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::clock::Timestamp;

/// Lines of an answer at most; those with the fewest calls are left out, and counted in the totals alone.
const MOST_SERIES: usize = 100;
/// The first status that is an error. What a JSON-RPC answer of 200 says is unknown to nginx.
const FIRST_ERROR: u16 = 400;

/// Which part of time, in which pieces; milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From here on.
    pub from_ms: i64,
    /// Up to here.
    pub to_ms: i64,
    /// The length of a piece; more than zero.
    pub step_ms: i64,
}

/// What has a line of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Each server.
    #[default]
    Server,
    /// Each tool of each server.
    Tool,
    /// Each caller, whatever it called.
    Caller,
}

/// What a call was about, as far as lines are by it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Words<'a> {
    /// The mount path.
    pub server: &'a str,
    /// The tool.
    pub tool: &'a str,
    /// Whose.
    pub principal: &'a str,
    /// Whether its answer stayed open: how long it did says nothing of how quickly anybody answers.
    pub is_stream: bool,
}

/// Counts calls into a window.
#[derive(Debug)]
pub struct Tally {
    window: Window,
    by: By,
    series: HashMap<String, BTreeMap<i64, Cell>>,
    total: Cell,
    key: String,
}

#[derive(Debug, Default)]
struct Cell {
    calls: u64,
    errors: u64,
    durations: Vec<u32>,
}

/// Figures of some calls.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    /// How many.
    pub calls: u64,
    /// How many of them had a status of 400 or more.
    pub errors: u64,
    /// Which share that is, from 0 to 1.
    pub error_rate: f64,
    /// Half of them took no longer, in milliseconds; those whose answer stayed open are not among them.
    pub p50_ms: u32,
    /// 95 of 100 took no longer.
    pub p95_ms: u32,
    /// 99 of 100 took no longer.
    pub p99_ms: u32,
}

/// Figures of one piece of time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Where the piece begins.
    pub at: Timestamp,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// One line over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Series {
    /// The mount path; none for calls that found no server.
    pub server: Option<String>,
    /// The tool, where lines are by tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The caller, where lines are by caller: `user ada`; empty for nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Pieces with calls, in order.
    pub points: Vec<Point>,
}

/// Everything that was counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Lines, the busiest first.
    pub series: Vec<Series>,
    /// Lines that are not shown.
    pub series_left_out: usize,
    /// Those lines together.
    #[serde(skip)]
    pub left_out: Vec<Point>,
    /// Everything together.
    pub totals: Figures,
}

impl Tally {
    /// Nothing yet.
    pub fn new(window: Window, by: By) -> Self {
        let series = HashMap::new();
        Self {
            window,
            by,
            series,
            total: Cell::default(),
            key: String::new(),
        }
    }

    /// Count one call of the window.
    pub fn add(&mut self, at_ms: i64, call: Words<'_>, status: u16, duration_ms: u32) {
        let piece = (at_ms - self.window.from_ms).div_euclid(self.window.step_ms.max(1));
        let took = (!call.is_stream).then_some(duration_ms);
        self.total.add(status, took);
        self.key.clear();
        match self.by {
            By::Server => self.key.push_str(call.server),
            By::Tool => {
                self.key.push_str(call.server);
                self.key.push('\0');
                self.key.push_str(call.tool);
            }
            By::Caller => self.key.push_str(call.principal),
        }
        if !self.series.contains_key(&self.key) {
            self.series.insert(self.key.clone(), BTreeMap::new());
        }
        if let Some(series) = self.series.get_mut(&self.key) {
            series.entry(piece).or_default().add(status, took);
        }
    }

    /// The figures.
    pub fn finish(self) -> Usage {
        let calls = |points: &BTreeMap<i64, Cell>| points.values().map(|cell| cell.calls).sum::<u64>();
        let mut series: Vec<_> = self.series.into_iter().collect();
        series.sort_by(|(a, points), (b, others)| calls(others).cmp(&calls(points)).then_with(|| a.cmp(b)));
        let rest = series.split_off(series.len().min(MOST_SERIES));
        let series_left_out = rest.len();
        let mut left_out: BTreeMap<i64, Cell> = BTreeMap::new();
        for (piece, cell) in rest.into_iter().flat_map(|(_, points)| points) {
            left_out.entry(piece).or_default().take_in(cell);
        }
        let Window { from_ms, step_ms, .. } = self.window;
        let point = |(piece, cell): (i64, Cell)| Point {
            at: Timestamp::from_unix_ms(from_ms + piece * step_ms),
            figures: cell.figures(),
        };
        let by = self.by;
        let said = |word: &str| Some(word.to_owned()).filter(|word| !word.is_empty());
        let series = series.into_iter().map(|(key, points)| {
            let (server, tool, caller) = match by {
                By::Caller => (None, None, Some(key)),
                By::Server | By::Tool => match key.split_once('\0') {
                    Some((server, tool)) => (said(server), Some(tool.to_owned()), None),
                    None => (said(&key), None, None),
                },
            };
            Series {
                server,
                tool,
                caller,
                points: points.into_iter().map(point).collect(),
            }
        });
        Usage {
            series: series.collect(),
            series_left_out,
            left_out: left_out.into_iter().map(point).collect(),
            totals: self.total.figures(),
        }
    }
}

impl Cell {
    fn add(&mut self, status: u16, duration_ms: Option<u32>) {
        self.calls += 1;
        self.errors += u64::from(status >= FIRST_ERROR);
        self.durations.extend(duration_ms);
    }

    fn take_in(&mut self, other: Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.durations.extend(other.durations);
    }

    fn figures(mut self) -> Figures {
        self.durations.sort_unstable();
        let count = self.durations.len();
        // The nearest rank, from 1 on.
        let percentile = |share: usize| {
            let rank = (count * share).div_ceil(100).max(1);
            self.durations.get(rank - 1).copied().unwrap_or(0)
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "a share needs no more than 50 bits of a count"
        )]
        let error_rate = self.errors as f64 / self.calls.max(1) as f64;
        Figures {
            calls: self.calls,
            errors: self.errors,
            error_rate,
            p50_ms: percentile(50),
            p95_ms: percentile(95),
            p99_ms: percentile(99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<'a>(server: &'a str, tool: &'a str) -> Words<'a> {
        Words {
            server,
            tool,
            principal: "user ada",
            is_stream: false,
        }
    }

    #[test]
    fn lines_may_be_of_callers() {
        let window = Window {
            from_ms: 0,
            to_ms: 1000,
            step_ms: 1000,
        };
        let mut tally = Tally::new(window, By::Caller);
        tally.add(1, words("/a", "x"), 200, 1);
        tally.add(2, words("/b", "y"), 200, 1);
        tally.add(3, Words::default(), 401, 1);
        let callers: Vec<_> = tally
            .finish()
            .series
            .into_iter()
            .map(|one| (one.caller, one.server))
            .collect();
        assert_eq!(
            callers,
            [(Some("user ada".to_owned()), None), (Some(String::new()), None)]
        );
    }

    #[test]
    fn the_life_of_a_stream_is_no_time_to_an_answer() {
        let window = Window {
            from_ms: 0,
            to_ms: 1000,
            step_ms: 1000,
        };
        let mut tally = Tally::new(window, By::Server);
        let stream = Words {
            is_stream: true,
            ..words("/a", "")
        };
        tally.add(1, words("/a", ""), 200, 7);
        tally.add(2, stream, 200, 3_600_000);
        tally.add(3, stream, 502, 3_600_000);
        let totals = tally.finish().totals;
        assert_eq!(
            (totals.calls, totals.errors, totals.p50_ms, totals.p99_ms),
            (3, 1, 7, 7)
        );
        let mut tally = Tally::new(window, By::Server);
        tally.add(1, stream, 200, 3_600_000);
        assert_eq!(tally.finish().totals.p99_ms, 0);
    }

    #[test]
    fn figures_are_exact_and_the_busiest_come_first() {
        let window = Window {
            from_ms: 1000,
            to_ms: 5000,
            step_ms: 2000,
        };
        let mut tally = Tally::new(window, By::Tool);
        for duration in 1..=100 {
            tally.add(1500, words("/a", "x"), 200, duration);
        }
        tally.add(3000, words("/a", "x"), 502, 7);
        tally.add(4999, words("/a", ""), 399, 8);
        tally.add(1000, words("", ""), 404, 9);
        let usage = tally.finish();
        let [busiest, unknown, other] = usage.series.as_slice() else {
            panic!("{usage:?}")
        };
        let figures = Figures {
            calls: 100,
            errors: 0,
            error_rate: 0.0,
            p50_ms: 50,
            p95_ms: 95,
            p99_ms: 99,
        };
        let [first, second] = busiest.points.as_slice() else {
            panic!("{usage:?}")
        };
        assert_eq!((first.at.unix_ms(), &first.figures), (1000, &figures));
        let figures = Figures {
            calls: 1,
            errors: 1,
            error_rate: 1.0,
            p50_ms: 7,
            p95_ms: 7,
            p99_ms: 7,
        };
        assert_eq!((second.at.unix_ms(), &second.figures), (3000, &figures));
        assert_eq!(
            (busiest.server.as_deref(), busiest.tool.as_deref()),
            (Some("/a"), Some("x"))
        );
        assert_eq!(
            (unknown.server.as_deref(), unknown.tool.as_deref()),
            (None, Some(""))
        );
        assert_eq!(other.points.len(), 1);
        assert_eq!(
            (usage.totals.calls, usage.totals.errors, usage.series_left_out),
            (103, 2, 0)
        );
        assert_eq!(Tally::new(window, By::Server).finish().totals, Figures::default());
    }
}
