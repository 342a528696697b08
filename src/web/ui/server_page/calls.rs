//! What was called of a server: everybody's calls for administrators, else the reader's own.

use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::usage::{Point, Series};
use crate::service::usage::Question;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::ui::spans;
use crate::web::view::chart::{Span, Window, amount, quantile, stack};
use crate::web::view::pages::{CallsPart, ToolCalls};

/// Tools that are listed.
const MOST_TOOLS: usize = 12;

pub(super) async fn of(
    state: &AppState,
    who: &Identity,
    path: &ServerPath,
    (span, window): (Span, Window),
) -> Result<CallsPart, Problem> {
    let question = Question {
        server: Some(path.to_string()),
        by: Some("tool".to_owned()),
        ..spans::question(window)
    };
    let counting = state.usage.count(who, &question).await?;
    let usage = &counting.usage;
    let points = || {
        let shown = usage.series.iter().flat_map(|series| &series.points);
        shown.chain(&usage.left_out)
    };
    let answered = points().map(|point| (point.at.unix_ms(), point.figures.calls - point.figures.errors));
    let failed = points().map(|point| (point.at.unix_ms(), point.figures.errors));
    let bands = vec![
        ("answered".to_owned(), "ok".to_owned(), None, answered.collect()),
        ("errors".to_owned(), "bad".to_owned(), None, failed.collect()),
    ];
    let totals = &usage.totals;
    Ok(CallsPart {
        chart: stack(bands, window),
        total: amount(totals.calls),
        errors: amount(totals.errors),
        p95: quantile(totals.calls, totals.p95_ms),
        tools: usage.series.iter().take(MOST_TOOLS).map(row).collect(),
        href: links::asking(links::USAGE, &[("server", path.as_str()), ("span", span.word)]),
    })
}

fn row(series: &Series) -> ToolCalls {
    let sum = |of: fn(&Point) -> u64| series.points.iter().map(of).sum::<u64>();
    let errors = sum(|point| point.figures.errors);
    ToolCalls {
        name: series.tool.clone().filter(|tool| !tool.is_empty()),
        calls: amount(sum(|point| point.figures.calls)),
        errors: (errors > 0).then(|| amount(errors)),
    }
}
