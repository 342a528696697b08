//! Drawings: figures in, geometry out. The templates draw what stands here (`parts/charts.html`).
//!
//! A drawing is stretched to the place that it has, so nothing in it is text: labels stand beside it as HTML, where they
//! are read aloud, copied and never squeezed. Colours are classes, because the pages allow no styles of their own.
//!
//! **Invariant:** everything here is pure, and no size depends on how many figures come in: a thousand servers make no
//! larger page than ten.

mod axis;
mod figures;
mod flow;
mod line;
mod stack;
mod uptime;

pub use axis::{Marks, Window};
pub(in crate::web) use axis::{Span, amount, duration, quantile};
pub use figures::{Column, Row, Title};
pub use flow::{Flow, Load, Side, flow};
pub use line::{Line, line};
pub use stack::{Counts, Stack, stack};
pub use uptime::{Sight, Uptime, uptime};

/// The width of every drawing, in its own units.
const WIDTH: f64 = 1000.0;
/// The height of a curve.
const HEIGHT: f64 = 200.0;

/// A number of the drawing as its language writes it; finer than anybody sees would only be longer.
fn point(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A count as a length; beyond four thousand million they all look alike.
fn real(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
