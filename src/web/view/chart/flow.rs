//! Callers → gateway → servers, each with a ribbon as wide as its load.
//!
//! The names stand in two columns beside the drawing, all rows of a column equally high; so a ribbon begins in the middle
//! of its row whatever the size of the page. Only the busiest are drawn: the others are one row together.

use serde::Serialize;

use super::{amount, point, real};

/// Rows of a side at most, with the one for all others.
const MOST_ROWS: usize = 12;
/// The units of the drawing.
const SIDE: f64 = 1000.0;
/// The part of the height that all ribbons together take at the gateway.
const GATE: f64 = 0.72;
/// The part of its row that a ribbon takes at most.
const ROW: f64 = 0.7;
/// A ribbon is never thinner than this.
const THIN: f64 = 4.0;
/// Errors beyond this share colour the ribbon.
const MANY_ERRORS: f64 = 0.1;

/// What somebody calls, or a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Its name.
    pub name: String,
    /// Where one reads more.
    pub href: Option<String>,
    /// How many calls.
    pub calls: u64,
    /// How many of them were errors.
    pub errors: u64,
}

/// Everybody on one side of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Side {
    /// Those that are known one by one.
    pub loads: Vec<Load>,
    /// How many there are beside them, with their calls and errors.
    pub others: (usize, u64, u64),
}

/// The map.
#[derive(Debug, Clone, Serialize)]
pub struct Flow {
    /// Who calls.
    pub callers: Vec<Ribbon>,
    /// What is called.
    pub servers: Vec<Ribbon>,
}

/// One row and its ribbon.
#[derive(Debug, Clone, Serialize)]
pub struct Ribbon {
    /// Its name.
    pub name: String,
    /// Where one reads more.
    pub href: Option<String>,
    /// Its calls in a few letters.
    pub calls: String,
    /// Its errors in a few letters; none if there are none.
    pub errors: Option<String>,
    /// Whether that is a considerable share.
    pub is_bad: bool,
    /// Its shape.
    pub d: String,
}

/// Draw the map. Nothing without calls.
pub fn flow(callers: Side, servers: Side) -> Option<Flow> {
    let busy = |side: &Side| side.others.1 > 0 || side.loads.iter().any(|load| load.calls > 0);
    (busy(&callers) && busy(&servers)).then(|| Flow {
        callers: ribbons(rows(callers, "caller"), 0.0),
        servers: ribbons(rows(servers, "server"), SIDE),
    })
}

/// The busiest, and what all others come to, however much that is.
fn rows(Side { mut loads, others }: Side, word: &str) -> Vec<Load> {
    let (mut count, mut calls, mut errors) = others;
    loads.retain(|load| load.calls > 0);
    loads.sort_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.name.cmp(&b.name)));
    let has_others = calls > 0 || loads.len() > MOST_ROWS;
    let most = MOST_ROWS - usize::from(has_others);
    for load in loads.drain(loads.len().min(most)..) {
        count += 1;
        calls += load.calls;
        errors += load.errors;
    }
    if has_others {
        loads.push(Load {
            name: format!("{count} other {word}{}", if count == 1 { "" } else { "s" }),
            href: None,
            calls,
            errors,
        });
    }
    loads
}

/// Ribbons between the rows of one side, at `edge`, and the gateway in the middle.
fn ribbons(loads: Vec<Load>, edge: f64) -> Vec<Ribbon> {
    let total = real(loads.iter().map(|load| load.calls).sum());
    let row = SIDE / real(u64::try_from(loads.len().max(1)).unwrap_or(1));
    let mut gate = SIDE * (1.0 - GATE) / 2.0;
    let mut middle = row / 2.0;
    let mut ribbons = Vec::with_capacity(loads.len());
    for load in loads {
        let width = real(load.calls) / total.max(1.0) * SIDE * GATE;
        let end = width.clamp(THIN, row * ROW);
        let d = ribbon((edge, middle, end), (gate + width / 2.0, width.max(THIN)));
        gate += width;
        middle += row;
        ribbons.push(Ribbon {
            calls: amount(load.calls),
            errors: (load.errors > 0).then(|| amount(load.errors)),
            is_bad: real(load.errors) > real(load.calls) * MANY_ERRORS,
            name: load.name,
            href: load.href,
            d,
        });
    }
    ribbons
}

/// From a row (where, its middle, how wide) to the gateway (the middle, how wide).
fn ribbon((edge, middle, end): (f64, f64, f64), (gate, width): (f64, f64)) -> String {
    let centre = SIDE / 2.0;
    let bend = f64::midpoint(edge, centre);
    let [edge, bend, centre] = [edge, bend, centre].map(point);
    let [row_top, row_foot] = [middle - end / 2.0, middle + end / 2.0].map(point);
    let [gate_top, gate_foot] = [gate - width / 2.0, gate + width / 2.0].map(point);
    format!(
        "M{edge} {row_top}C{bend} {row_top} {bend} {gate_top} {centre} {gate_top}V{gate_foot}C{bend} {gate_foot} {bend} \
         {row_foot} {edge} {row_foot}Z"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(name: &str, calls: u64, errors: u64) -> Load {
        Load {
            name: name.to_owned(),
            href: None,
            calls,
            errors,
        }
    }

    fn side(loads: impl IntoIterator<Item = Load>) -> Side {
        Side {
            loads: loads.into_iter().collect(),
            ..Side::default()
        }
    }

    #[test]
    fn ribbons_meet_at_the_gateway_and_are_as_wide_as_their_load() {
        let callers = side([load("ada", 3, 1), load("bob", 1, 0)]);
        let map = flow(callers, side([load("/w", 4, 1)])).unwrap();
        let shapes: Vec<&str> = map.callers.iter().map(|ribbon| ribbon.d.as_str()).collect();
        assert_eq!(
            shapes,
            [
                "M0 75C250 75 250 140 500 140V680C250 680 250 425 0 425Z",
                "M0 660C250 660 250 680 500 680V860C250 860 250 840 0 840Z"
            ]
        );
        let server = map.servers.first().unwrap();
        assert_eq!(
            server.d,
            "M1000 150C750 150 750 140 500 140V860C750 860 750 850 1000 850Z"
        );
        assert_eq!((server.is_bad, server.errors.as_deref()), (true, Some("1")));
        assert!(
            map.callers
                .last()
                .is_some_and(|bob| !bob.is_bad && bob.errors.is_none())
        );
    }

    #[test]
    fn of_a_thousand_servers_the_busiest_are_drawn_and_the_others_are_one_row() {
        let servers = side((0..1000).map(|n| load(&format!("/s{n}"), n, 0)));
        let map = flow(side([load("ada", 1, 0)]), servers).unwrap();
        assert_eq!(map.servers.len(), MOST_ROWS);
        assert_eq!(map.servers.first().unwrap().name, "/s999");
        assert_eq!(map.servers.last().unwrap().name, "988 other servers");
        let length: usize = map.servers.iter().map(|ribbon| ribbon.d.len()).sum();
        assert!(length < 3000, "{length}");
        // What nobody told apart is of the others, however much it is.
        let servers = Side {
            others: (900, 9000, 7),
            ..side((0..100).map(|n| load(&format!("/s{n:02}"), 10, 0)))
        };
        let map = flow(side([load("ada", 1, 0)]), servers).unwrap();
        let names: Vec<&str> = map.servers.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(
            (names.len(), names[0], names[11]),
            (12, "/s00", "989 other servers")
        );
        let last = map.servers.last().unwrap();
        assert_eq!((last.calls.as_str(), last.errors.as_deref()), ("9.9k", Some("7")));
        let one = Side {
            others: (1, 5, 0),
            ..side([load("/w", 10, 0)])
        };
        let map = flow(side([load("ada", 1, 0)]), one).unwrap();
        assert_eq!(map.servers.last().unwrap().name, "1 other server");
    }

    #[test]
    fn no_calls_are_no_map() {
        assert!(flow(Side::default(), side([load("/w", 0, 0)])).is_none());
    }
}
