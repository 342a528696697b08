//! How servers are, and a check on demand (contract, sections 1.2 and 9).

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::domain::Kind;
use crate::domain::access::Action;
use crate::domain::draft::Draft;
use crate::domain::health::{self, Health};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::server::Revision;

use crate::web::extract::change::Change;
use crate::web::extract::path::{Mount, Rest};
use crate::web::extract::visitor::Member;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::ui::preferences::back;

/// Checks of a history at most.
const MOST_PAST: u32 = 10_000;
/// A caller waits no longer than this for the first check.
const LONGEST_WAIT: u64 = 25;

/// A server's state in the words of the feed (contract, section 2), as somebody is told of it.
fn words(state: &AppState, who: &Identity, path: &ServerPath, known: &health::State) -> Value {
    let rights = state.rights.borrow().clone();
    json!(state.monitor.shown_to(&rights, who, (path, known)))
}

/// `GET /api/servers/health`: every server that the caller may see, by path.
pub(in crate::web) async fn all(State(state): State<AppState>, Member(caller): Member) -> Json<Value> {
    Json(Value::Object(seen_by(&state, &caller.identity)))
}

/// How the servers are that somebody may see, by path.
pub(in crate::web) fn seen_by(state: &AppState, who: &Identity) -> Map<String, Value> {
    let rights = state.rights.borrow().clone();
    let states = state.monitor.states().into_iter();
    let seen = states.filter(|(path, one)| rights.may_see(who, path, &one.name));
    seen.map(|(path, one)| {
        let shown = state.monitor.shown_to(&rights, who, (&path, &one));
        (path.as_str().to_owned(), json!(shown))
    })
    .collect()
}

/// How far a history goes back.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Back {
    hours: Option<u32>,
}

/// `GET /api/servers/health/{path}`: what is known, and the checks of the last day (or so many `hours`), newest first.
pub(in crate::web) async fn one(
    State(state): State<AppState>,
    Member(caller): Member,
    Rest(path): Rest,
    back: Result<Query<Back>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(back) = back.map_err(Problem::from)?;
    let path =
        ServerPath::of_known(&path).map_err(|_| Problem::from(crate::service::registry::Error::Unknown))?;
    let server = state.registry.visible(&caller.identity, &path).await?;
    let hours = i64::from(back.hours.unwrap_or(24));
    let since = Timestamp::from_unix(state.monitor.now().unix() - hours * 3600);
    let history = state.monitor.history(&server.path, since, MOST_PAST).await?;
    let known = state.monitor.state(&server.path);
    let health = known.as_ref().map(|known| &known.health);
    Ok(Json(json!({
        "path": server.path,
        "health": known.as_ref().map(|known| words(&state, &caller.identity, &server.path, known)),
        "transport": health.and_then(|health| health.transport),
        "latency_ms": health.and_then(Health::latency_ms),
        "since": health.and_then(|health| health.changed_at),
        "history": history,
    })))
}

/// `POST /api/refresh/{path}`: check now, and take over what the server lists.
pub(in crate::web) async fn refresh(
    State(state): State<AppState>,
    Mount(path): Mount,
    change: Change,
) -> Result<Response, Problem> {
    let checked = refreshed(&state, &change.caller.identity, &path).await?;
    if change.from_page {
        return Ok(Redirect::to(back(&change.headers).as_str()).into_response());
    }
    Ok(Json(checked).into_response())
}

/// Check a server now, and how it is.
pub(in crate::web) async fn refreshed(
    state: &AppState,
    who: &Identity,
    path: &ServerPath,
) -> Result<Value, Problem> {
    let (_, server) = state.registry.may(who, Action::CheckHealth, path).await?;
    if server.is_built_in() {
        return Err(Problem::bad_request(
            "This server is built in: there is nothing to refresh",
        ));
    }
    if !server.enabled {
        return Err(Problem::bad_request("Cannot refresh disabled service"));
    }
    let checked = state
        .monitor
        .check_now(path)
        .await
        .and_then(|checked| checked.state);
    let checked = checked.ok_or_else(|| Problem::new(Kind::Unavailable, "the server is not routed yet"))?;
    let mut body = match words(state, who, path, &checked) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    body.insert(
        "message".to_owned(),
        json!(format!("Service {path} refreshed successfully")),
    );
    body.insert("service_path".to_owned(), json!(path));
    Ok(Value::Object(body))
}

/// Wait until a server that changed with `revision` has been checked, as long as the caller asks (`wait`, in seconds) or
/// else by `default`.
pub(super) async fn wait(
    state: &AppState,
    draft: &Draft,
    (path, revision): (&ServerPath, Revision),
    default: u64,
) {
    let wish = draft.0.get("wait");
    let seconds = wish.and_then(|wish| wish.as_u64().or_else(|| wish.as_str()?.parse().ok()));
    let seconds = seconds.unwrap_or(default).min(LONGEST_WAIT);
    if seconds > 0 {
        let patience = Duration::from_secs(seconds);
        state.monitor.wait_for(path, revision, patience).await;
    }
}
