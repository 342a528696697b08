//! What nginx runs, and where the load goes; for administrators, because it names upstreams.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::chrome::chrome;
use super::faults::in_prose;
use super::spans;
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::usage::{Point, Series, Usage};
use crate::service::usage::{Counting, Question};
use crate::web::api::groups::administration;
use crate::web::extract::questions::Questions;
use crate::web::extract::visitor::PageMember;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::chart::{Load, Side, Span, Window, amount, flow};
use crate::web::view::pages::{LogPart, NginxText, Operations, Reason, Section};

/// Rows of a list of reasons.
const MOST_REASONS: usize = 200;

/// How the reader looks at it.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Look {
    span: Option<String>,
}

/// `GET /operations`.
pub(in crate::web) async fn page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    Questions(look): Questions<Look>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let who = &caller.identity;
    administration(&state, who)?;
    let span = Span::of(look.span.as_deref());
    let window = span.window(state.monitor.now().unix_ms());
    let servers = count(&state, who, window, "server").await?;
    let callers = count(&state, who, window, "caller").await?;
    let status = state.nginx.borrow().clone();
    let table = state.routes.table().borrow().clone();
    let reasons = |all: &mut dyn Iterator<Item = (String, String)>| -> Vec<Reason> {
        let reason = |(origin, why): (String, String)| Reason {
            origin,
            why: in_prose(&why),
        };
        all.take(MOST_REASONS).map(reason).collect()
    };
    let mut unresolved = reasons(
        &mut table
            .faults
            .iter()
            .map(|(origin, why)| (origin.to_string(), why.clone())),
    );
    unresolved.sort_by(|a, b| a.origin.cmp(&b.origin));
    let page = Operations {
        chrome: chrome(&state, &caller, &headers, Section::Operations),
        has_nginx: state.site.has_mounts,
        is_pending: status.fault.is_some() || status.live.is_none() || status.revision < table.revision,
        tried: status.revision.0,
        newest: table.revision.0,
        routes: table.routes.len(),
        blocks: status.blocks,
        draining: status.draining,
        refused: reasons(&mut status.refused.into_iter()),
        unresolved,
        live: status.live,
        fault: status.fault,
        log: log(&servers),
        listeners: amount(u64::try_from(state.feed.listeners()).unwrap_or(u64::MAX)),
        spans: spans::tabs(links::OPERATIONS, span, &[]),
        calls: amount(servers.usage.totals.calls),
        is_complete: servers.complete && callers.complete,
        map: flow(callers_of(&callers.usage, span), servers_of(&servers.usage)),
    };
    Ok(state.view.page(StatusCode::OK, &page))
}

async fn count(state: &AppState, who: &Identity, window: Window, by: &str) -> Result<Counting, Problem> {
    let question = Question {
        by: Some(by.to_owned()),
        ..spans::question(window)
    };
    Ok(state.usage.count(who, &question).await?)
}

fn log(counting: &Counting) -> Option<LogPart> {
    let log = counting.log.as_ref()?;
    Some(LogPart {
        written: amount(log.written),
        skipped: amount(log.skipped),
        unrecorded: amount(log.unrecorded),
        behind: amount(log.behind_bytes),
        unlogged: amount(counting.unlogged.unwrap_or(0)),
        is_failing: log.failing,
    })
}

fn callers_of(usage: &Usage, span: Span) -> Side {
    side(usage, |series| {
        let caller = series.caller.as_deref().unwrap_or_default();
        let Some((kind, account)) = caller.split_once(' ') else {
            return ("nobody known".to_owned(), None);
        };
        // A person and a client may have the same name.
        let name = if kind == "user" { account } else { caller };
        let href = links::asking(links::USAGE, &[("user", account), ("span", span.word)]);
        (name.to_owned(), Some(href))
    })
}

fn servers_of(usage: &Usage) -> Side {
    side(usage, |series| {
        let path = series
            .server
            .as_deref()
            .and_then(|path| path.parse::<ServerPath>().ok());
        match path {
            Some(path) => (path.to_string(), Some(links::server(&path))),
            None => ("no server".to_owned(), None),
        }
    })
}

/// Everybody on one side, each with the name and the address that `named` gives.
fn side(usage: &Usage, named: impl Fn(&Series) -> (String, Option<String>)) -> Side {
    let loads = usage.series.iter().map(|series| {
        let (name, href) = named(series);
        let (calls, errors) = sum(&series.points);
        Load {
            name,
            href,
            calls,
            errors,
        }
    });
    let (calls, errors) = sum(&usage.left_out);
    Side {
        loads: loads.collect(),
        others: (usage.series_left_out, calls, errors),
    }
}

/// How many calls, and how many of them were errors.
fn sum(points: &[Point]) -> (u64, u64) {
    let figures = points.iter().map(|point| &point.figures);
    figures.fold((0, 0), |(calls, errors), one| {
        (calls + one.calls, errors + one.errors)
    })
}

/// `GET /operations/nginx`: the file that nginx confirmed.
pub(in crate::web) async fn text(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    administration(&state, &caller.identity)?;
    let status = state.nginx.borrow().clone();
    let text = status.text.as_deref().map(str::to_owned);
    let page = NginxText {
        chrome: chrome(&state, &caller, &headers, Section::Operations),
        live: status.live,
        lines: text.as_deref().map_or(0, |text| text.lines().count()),
        text,
    };
    Ok(state.view.page(StatusCode::OK, &page))
}
