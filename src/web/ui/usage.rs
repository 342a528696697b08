//! Calls: drawn, and one by one.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::chrome::chrome;
use super::{faults, spans};
use crate::clock::Timestamp;
use crate::domain::call::Kept;
use crate::domain::path::ServerPath;
use crate::domain::usage::{Point, Series, Usage};
use crate::service::usage::{Counting, Error, Page, Question};
use crate::web::extract::questions::Questions;
use crate::web::extract::visitor::PageMember;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::chart::{Span, Window, amount, duration, quantile, stack};
use crate::web::view::pages::{Aspect, CallFilter, CallRow, Chrome, Section, UsagePage};

/// Calls on a page.
const ROWS: &str = "50";
/// Bands with a colour of their own; the others are one.
const BANDS: usize = 6;
/// Servers that can be chosen; one that is not listed can be typed.
const MOST_CHOICES: usize = 300;
/// The first status that is an error.
const FIRST_ERROR: u16 = 400;

/// How the reader looks at it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::web) struct Look {
    server: String,
    tool: String,
    method: String,
    user: String,
    status: String,
    span: String,
    by: String,
    cursor: String,
}

impl Look {
    fn by(&self) -> &'static str {
        if self.by == "tool" { "tool" } else { "server" }
    }

    /// The questions of this page, but for the span, for what is drawn, and for the place in the list.
    fn narrowing(&self) -> [(&'static str, &str); 5] {
        [
            ("server", self.server.as_str()),
            ("tool", self.tool.as_str()),
            ("method", self.method.as_str()),
            ("user", self.user.as_str()),
            ("status", self.status.as_str()),
        ]
    }

    /// The address of this page with these further questions.
    fn address(&self, more: &[(&'static str, &str)]) -> String {
        let mut questions: Vec<_> = self.narrowing().to_vec();
        questions.extend_from_slice(more);
        links::asking(links::USAGE, &questions)
    }

    fn question(&self, base: Question) -> Question {
        let said = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Question {
            server: said(&self.server),
            tool: said(&self.tool),
            method: said(&self.method),
            user: said(&self.user),
            status: said(&self.status),
            ..base
        }
    }
}

/// `GET /usage`.
pub(in crate::web) async fn page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    Questions(look): Questions<Look>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let who = &caller.identity;
    let span = Span::of(Some(look.span.as_str()));
    let window = span.window(state.monitor.now().unix_ms());
    let mut page = empty(&look, span, chrome(&state, &caller, &headers, Section::Usage));
    page.is_admin = state.rights.borrow().is_administrator(who);
    page.has_log = state.usage.log().is_some();
    let servers = state.registry.list(who).await?.into_iter().take(MOST_CHOICES);
    page.servers = servers.map(|server| server.path.to_string()).collect();
    let drawn = Question {
        by: Some(look.by().to_owned()),
        ..look.question(spans::question(window))
    };
    let within = spans::question(window);
    let listed = Question {
        from: within.from,
        cursor: Some(look.cursor.clone()).filter(|cursor| !cursor.is_empty()),
        limit: Some(ROWS.to_owned()),
        ..look.question(Question::default())
    };
    let told = match state.usage.count(who, &drawn).await {
        Ok(counting) => state
            .usage
            .calls(who, &listed)
            .await
            .map(|calls| (counting, calls)),
        Err(error) => Err(error),
    };
    match told {
        Ok((counting, calls)) => fill(&mut page, &look, (span, window), (counting, calls)),
        Err(error @ Error::Fields(_)) => {
            let (status, faults) = faults::of(&Problem::from(error));
            page.faults = faults;
            return Ok(state.view.page(status, &page));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(state.view.page(StatusCode::OK, &page))
}

fn empty(look: &Look, span: Span, chrome: Chrome) -> UsagePage {
    let by = look.by();
    let tab = |word: &'static str, name| Aspect {
        href: look.address(&[("span", span.word), ("by", word)]),
        name,
        is_here: word == by,
    };
    let mut questions: Vec<(&str, &str)> = look.narrowing().to_vec();
    questions.push(("by", by));
    UsagePage {
        spans: spans::tabs(links::USAGE, span, &questions),
        bys: vec![tab("server", "By server"), tab("tool", "By tool")],
        marks: span.marks.to_vec(),
        filter: CallFilter {
            server: look.server.clone(),
            tool: look.tool.clone(),
            method: look.method.clone(),
            user: look.user.clone(),
            status: look.status.clone(),
            span: span.word.to_owned(),
            by: by.to_owned(),
        },
        is_narrowed: look.narrowing().iter().any(|(_, answer)| !answer.is_empty()),
        ..UsagePage::nothing(chrome)
    }
}

fn fill(
    page: &mut UsagePage,
    look: &Look,
    (span, window): (Span, Window),
    (counting, calls): (Counting, Page),
) {
    let totals = &counting.usage.totals;
    page.total = amount(totals.calls);
    page.errors = if totals.errors == 0 {
        "0".to_owned()
    } else {
        format!("{} ({:.1} %)", amount(totals.errors), totals.error_rate * 100.0)
    };
    page.p50 = quantile(totals.calls, totals.p50_ms);
    page.p95 = quantile(totals.calls, totals.p95_ms);
    page.p99 = quantile(totals.calls, totals.p99_ms);
    page.is_complete = counting.complete;
    page.chart = stack(bands(&counting.usage, look, span), window);
    page.calls = calls.calls.iter().map(row).collect();
    let here = [("span", span.word), ("by", look.by())];
    page.newest = (!look.cursor.is_empty()).then(|| look.address(&here));
    page.older = calls.next.map(|next| {
        let cursor = next.to_string();
        let mut questions: Vec<(&str, &str)> = look.narrowing().to_vec();
        questions.extend_from_slice(&here);
        questions.push(("cursor", cursor.as_str()));
        links::asking(links::USAGE, &questions)
    });
}

/// The busiest lines, and the others together.
fn bands(usage: &Usage, look: &Look, span: Span) -> Vec<crate::web::view::chart::Counts> {
    let counts = |points: &[Point]| -> Vec<(i64, u64)> {
        let count = |point: &Point| (point.at.unix_ms(), point.figures.calls);
        points.iter().map(count).collect()
    };
    let band = |(index, series): (usize, &Series)| {
        let server = series.server.as_deref().unwrap_or_default();
        let tool = series.tool.as_deref().unwrap_or(&look.tool);
        // What narrows the page narrows the band's too, but for what the band itself says.
        let others = look
            .narrowing()
            .into_iter()
            .filter(|(question, _)| !matches!(*question, "server" | "tool"));
        let mut questions = vec![("server", server), ("tool", tool)];
        questions.extend(others);
        questions.extend([("span", span.word), ("by", look.by())]);
        let href = links::asking(links::USAGE, &questions);
        // An address has no word for calls of no tool, nor of no server.
        let href = Some(href).filter(|_| !server.is_empty() && series.tool.as_deref() != Some(""));
        (name(series), index.to_string(), href, counts(&series.points))
    };
    let (busy, rest) = usage.series.split_at(usage.series.len().min(BANDS));
    let mut bands: Vec<_> = busy.iter().enumerate().map(band).collect();
    let others = rest.len() + usage.series_left_out;
    if others > 0 {
        let mut rows: Vec<_> = rest.iter().flat_map(|series| counts(&series.points)).collect();
        rows.extend(counts(&usage.left_out));
        let name = if others == 1 {
            "1 other".to_owned()
        } else {
            format!("{others} others")
        };
        bands.push((name, "rest".to_owned(), None, rows));
    }
    bands
}

fn name(series: &Series) -> String {
    let server = series.server.as_deref().unwrap_or("no server");
    match series.tool.as_deref() {
        Some("") => format!("{server} (no tool)"),
        Some(tool) => format!("{server} {tool}"),
        None => server.to_owned(),
    }
}

fn row(kept: &Kept) -> CallRow {
    let call = &kept.call;
    // `user ada`: the kind of a principal is told apart by its first word.
    let user = call.principal.split_once(' ').map_or("", |(_, user)| user);
    let path = call.server.parse::<ServerPath>().ok();
    CallRow {
        at: Timestamp::from_unix_ms(call.at_ms).to_string(),
        server: call.server.clone(),
        href: path.map(|path| links::server(&path)),
        method: call.method.clone(),
        tool: call.tool.clone(),
        user: user.to_owned(),
        status: call.status,
        tone: match call.status {
            FIRST_ERROR.. => "bad",
            300.. => "warn",
            _ => "good",
        },
        took: duration(call.duration_ms.into()),
        bytes: amount(u64::try_from(call.bytes_out).unwrap_or(0)),
        way: call.way.as_str(),
        request_id: call.request_id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_leads_to_its_calls_and_keeps_what_narrows() {
        let series = |server: &str, tool: Option<&str>| Series {
            server: Some(server.to_owned()),
            tool: tool.map(str::to_owned),
            ..Series::default()
        };
        let usage = Usage {
            series: vec![series("/w", None), series("/w", Some("now"))],
            ..Usage::default()
        };
        let look = Look {
            server: "/other".to_owned(),
            method: "tools/call".to_owned(),
            user: "ada".to_owned(),
            status: "5xx".to_owned(),
            ..Look::default()
        };
        let bands = bands(&usage, &look, Span::of(None));
        let addresses: Vec<&str> = bands
            .iter()
            .filter_map(|(_, _, href, _)| href.as_deref())
            .collect();
        let narrow = "method=tools%2Fcall&user=ada&status=5xx&span=24h&by=server";
        assert_eq!(
            addresses,
            [
                format!("/usage?server=%2Fw&{narrow}"),
                format!("/usage?server=%2Fw&tool=now&{narrow}")
            ]
        );
    }
}
