//! Everything about one server: how it is and was, what is called, what it offers, who may use it, and how.

mod calls;
mod offers;
mod openings;
mod portrait;

pub(super) use offers::{AROUND, lines};

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::chrome::chrome;
use super::paging::said;
use super::question::{Doubt, first};
use super::server_form::past;
use super::spans;
use crate::clock::Timestamp;
use crate::domain::FieldFault;
use crate::domain::access::Action;
use crate::domain::catalog::EntryKind;
use crate::domain::health::Transport;
use crate::domain::held::Which;
use crate::web::api::health::refreshed;
use crate::web::extract::change::Change;
use crate::web::extract::path::Mount;
use crate::web::extract::questions::Questions;
use crate::web::extract::visitor::PageMember;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::chart::{Sight, Span, line, uptime};
use crate::web::view::connect::{key, recipes};
use crate::web::view::pages::{Section, ServerPage};

/// Checks that are drawn at most: the newest.
const MOST_CHECKS: u32 = 20_000;

/// How the reader looks at it.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Look {
    span: Option<String>,
    /// Of what it offers.
    #[serde(default)]
    page: String,
}

/// `GET /servers/{path}`.
pub(in crate::web) async fn page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    Mount(path): Mount,
    Questions(look): Questions<Look>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let who = &caller.identity;
    let server = state.registry.visible(who, &path).await?;
    let rights = state.rights.borrow().clone();
    let span = Span::of(look.span.as_deref());
    let window = span.window(state.monitor.now().unix_ms());
    let since = Timestamp::from_unix_ms(window.from_ms);
    let checks = state.monitor.history(&path, since, MOST_CHECKS).await?;
    let sights: Vec<_> = checks
        .iter()
        .map(|check| (check.at.unix_ms(), sight(&check.status)))
        .collect();
    let kept = state.monitor.remembers();
    let known = known_from(&sights, state.monitor.now(), kept);
    let answered = |at: Timestamp, millis: Option<i64>| Some((at.unix_ms(), u64::try_from(millis?).ok()?));
    let latencies: Vec<_> = checks
        .iter()
        .filter_map(|check| answered(check.at, check.latency_ms))
        .collect();
    let reader = offers::Reader {
        rights: &rights,
        who,
        path: &path,
        page: &look.page,
    };
    let offers = offers::of(&state, reader).await?;
    let offers_at = |page| {
        let questions = [
            ("span", look.span.as_deref().unwrap_or_default()),
            ("page", &*said(page)),
        ];
        links::asking(&links::server(&path), &questions) + "#offers"
    };
    let history = match state.registry.may(who, Action::Modify, &path).await {
        Ok((permit, _)) => Some(state.registry.history(&permit, &path).await?),
        Err(_) => None,
    };
    let portrait = portrait::of(&state, &rights, who, &server);
    let transport = match state.monitor.state(&path) {
        // It speaks every one.
        _ if server.is_built_in() => Some(Transport::Modern),
        known => known.and_then(|known| known.health.transport),
    };
    let page = ServerPage {
        chrome: chrome(&state, &caller, &headers, Section::Servers),
        spans: spans::tabs(&links::server(&path), span, &[]),
        marks: span.marks.to_vec(),
        uptime: uptime(&sights, window, known),
        forgotten: (known > window.from_ms).then(|| days(kept)),
        latency: line(&latencies, window),
        calls: calls::of(&state, who, &path, (span, window)).await?,
        pager: offers.cut.pager(offers_at),
        offers: offers.offers,
        fingerprint: offers.fingerprint,
        approval: offers.approval,
        versions: offers.versions,
        openings: openings::of(&rights, who, &path),
        is_admin: rights.is_administrator(who),
        recipes: recipes(&key(path.as_str()), &portrait.url, transport),
        server: portrait,
        history: history.map(|events| events.iter().map(past).collect()),
    };
    Ok(state.view.page(StatusCode::OK, &page))
}

/// From when on all checks are known: older ones are forgotten, and of too many the newest alone are read.
fn known_from(sights: &[(i64, Sight)], now: Timestamp, kept: Duration) -> i64 {
    let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
    let since = now.unix_ms().saturating_sub(kept);
    let is_full = u32::try_from(sights.len()).is_ok_and(|count| count >= MOST_CHECKS);
    let oldest = sights.iter().map(|(at_ms, _)| *at_ms).min();
    oldest
        .filter(|_| is_full)
        .map_or(since, |oldest| oldest.max(since))
}

/// A length of time in days, as a sentence says it.
fn days(length: Duration) -> String {
    match length.as_secs() / 86_400 {
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// What a check saw, by its word in the book.
fn sight(words: &str) -> Sight {
    match words {
        "healthy" => Sight::Up,
        "healthy-auth-expired" => Sight::Doubtful,
        _ => Sight::Down,
    }
}

const APPROVE: Doubt = Doubt {
    title: "Approve these changes?",
    words: "Agents will read the new texts and may call the new tools.",
    verb: "Approve",
    section: Section::Servers,
};

/// `POST /servers/{path}`: `approve` what is held and stands on a `page`, or of that the entry of this `kind` and `name`; or
/// `check` it now. And back to the page.
pub(in crate::web) async fn act(
    State(state): State<AppState>,
    Mount(path): Mount,
    change: Change,
) -> Result<Response, Problem> {
    let who = &change.caller.identity;
    let said = |field: &str| change.draft.0.get(field).and_then(|value| value.as_str());
    let part = match said("action") {
        Some("approve") => {
            let (permit, _) = state.registry.may(who, Action::Modify, &path).await?;
            let here = links::server(&path);
            let which = match said("name") {
                Some(name) => Which::These(vec![(kind_of(said("kind"))?, name.to_owned())]),
                None => {
                    if let Some(asking) = first(&state, &change, (&here, &here), APPROVE) {
                        return Ok(asking);
                    }
                    let reader = offers::Reader {
                        rights: &state.rights.borrow().clone(),
                        who,
                        path: &path,
                        page: said("page").unwrap_or_default(),
                    };
                    offers::held_on(&state, reader).await?
                }
            };
            let read = said("fingerprint").filter(|read| !read.is_empty());
            state.catalog.approve(&permit, &path, which, read).await?;
            "#offers"
        }
        Some("check") => {
            refreshed(&state, who, &path).await?;
            ""
        }
        _ => {
            let fault = FieldFault::new("action", "expected `approve` or `check`");
            return Err(Problem::fields(vec![fault]));
        }
    };
    Ok(Redirect::to(&format!("{}{part}", links::server(&path))).into_response())
}

fn kind_of(word: Option<&str>) -> Result<EntryKind, Problem> {
    word.and_then(EntryKind::from_word).ok_or_else(|| {
        let words = EntryKind::ALL
            .map(|kind| format!("`{}`", kind.as_str()))
            .join(", ");
        Problem::fields(vec![FieldFault::new("kind", format!("expected one of {words}"))])
    })
}
