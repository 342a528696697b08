//! Servers in the words of the first two generations of clients (API documentation; contract, sections 1.2 and 1.3).

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::health;
use super::record::{health_words, record, row, tools_for, with_standing};
use crate::domain::FieldFault;
use crate::domain::access::Action;
use crate::domain::draft::{Description, Draft};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::server::{Revision, Server, Standing};
use crate::web::extract::change::Change;
use crate::web::extract::path::{Mount, Rest};
use crate::web::extract::visitor::Member;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::ui::preferences::back;
use crate::web::ui::server_form;

/// Whoever switches a server on waits so many seconds for its check, unless they say otherwise.
const SWITCHED_ON: u64 = 5;

/// Why no server at all can be reached, if so.
fn without_nginx(state: &AppState) -> Option<Standing> {
    if !state.site.has_mounts {
        return Some(Standing::Pending(
            "the gateway runs without nginx (`--nginx off`)".to_owned(),
        ));
    }
    let live = state.nginx.borrow().live.is_some();
    (!live).then(|| Standing::Pending("nginx does not run yet".to_owned()))
}

/// Whether calls reach a server, once the gateway has seen `revision`; its name is looked up.
pub(crate) async fn standing(state: &AppState, path: &ServerPath, revision: Revision) -> Standing {
    match without_nginx(state) {
        Some(pending) => pending,
        None => state.routes.standing(path, revision).await,
    }
}

/// The same as far as it is known, without waiting: for lists.
pub(crate) fn known_standing(state: &AppState, path: &ServerPath) -> Standing {
    without_nginx(state).unwrap_or_else(|| state.routes.known_standing(path))
}

/// Register what a change says; the server, whether it is live, and the fields that meant nothing.
pub(in crate::web) async fn create(
    state: &AppState,
    (who, draft): (&Identity, &Draft),
    description: Description,
) -> Result<(Server, Standing), Problem> {
    let permit = state.registry.may_register(who)?;
    let new = draft.new_server(description).map_err(Problem::fields)?;
    let (server, revision) = state.registry.register(&permit, new).await?;
    tracing::info!(server.path = %server.path, identity.subject = permit.actor(), "server registered");
    let standing = standing(state, &server.path, revision).await;
    health::wait(state, draft, (&server.path, revision), 0).await;
    Ok((server, standing))
}

/// `POST /register`.
pub(in crate::web) async fn register(State(state): State<AppState>, change: Change) -> Response {
    let written = (&*change.caller.identity, &change.draft);
    // Programs must say what a server is for; a person may (design document, "New Server Registration").
    let description = if change.from_page {
        Description::Optional
    } else {
        Description::Required
    };
    match create(&state, written, description).await {
        Ok((server, _)) if change.from_page => Redirect::to(&links::saved(&server.path)).into_response(),
        Err(problem) if change.from_page => server_form::refused(&state, &change, None, &problem),
        Err(problem) => problem.into_response(),
        Ok((server, standing)) => {
            let mut service = record(&state, &change.caller.identity, &server);
            service.insert("name".to_owned(), json!(server.profile.name));
            let mut body = Map::new();
            body.insert("message".to_owned(), json!("Service registered successfully"));
            body.insert("service".to_owned(), Value::Object(service));
            body.insert("ignored".to_owned(), json!(change.draft.unknown()));
            (StatusCode::CREATED, Json(with_standing(body, &standing))).into_response()
        }
    }
}

/// Whether a server is to be on: `enabled=on` switches on, its absence off (contract, section 1.2).
fn wanted(draft: &Draft) -> Result<bool, Problem> {
    let words = match draft.0.get("enabled") {
        None | Some(Value::Null) => return Ok(false),
        Some(Value::Bool(on)) => return Ok(*on),
        Some(value) => value.as_str(),
    };
    match words {
        Some("on" | "true") => Ok(true),
        Some("off" | "false" | "") => Ok(false),
        _ => Err(Problem::fields(vec![FieldFault::new(
            "enabled",
            "expected `on` or `off`",
        )])),
    }
}

/// `POST /toggle/{path}`.
pub(in crate::web) async fn toggle(
    State(state): State<AppState>,
    Mount(path): Mount,
    change: Change,
) -> Result<Response, Problem> {
    let on = wanted(&change.draft)?;
    let (server, standing) = switch(&state, (&change.caller.identity, &change.draft), &path, on).await?;
    if change.from_page {
        return Ok(Redirect::to(back(&change.headers).as_str()).into_response());
    }
    let mut body = Map::new();
    body.insert(
        "message".to_owned(),
        json!(format!("Toggle request for {path} processed.")),
    );
    body.insert("service_path".to_owned(), json!(path));
    body.insert("new_enabled_state".to_owned(), json!(on));
    body.insert("status".to_owned(), json!(health_words(&state, &server)));
    let known = state.monitor.state(&path);
    let checked = known.as_ref().and_then(|known| known.health.checked_at);
    body.insert("last_checked_iso".to_owned(), json!(checked));
    let tools = tools_for(&state, &change.caller.identity, &server);
    body.insert("num_tools".to_owned(), json!(tools));
    Ok(Json(with_standing(body, &standing)).into_response())
}

/// Switch a server, and say whether calls reach it now.
pub(in crate::web) async fn switch(
    state: &AppState,
    (who, draft): (&Identity, &Draft),
    path: &ServerPath,
    on: bool,
) -> Result<(Server, Standing), Problem> {
    let (permit, server) = state.registry.may(who, Action::Toggle, path).await?;
    let revision = state.registry.switch(&permit, path, on).await?;
    let standing = standing(state, path, revision).await;
    // Clients of the earlier generations read from the answer how it is (contract, section 1.2).
    health::wait(state, draft, (path, revision), SWITCHED_ON).await;
    Ok((
        Server {
            enabled: on,
            ..server
        },
        standing,
    ))
}

/// `POST /edit/{path}`: what is not written stays; a browser, and whoever does not ask for JSON, goes to the list.
pub(in crate::web) async fn edit(
    State(state): State<AppState>,
    Mount(path): Mount,
    change: Change,
) -> Response {
    match apply_edit(&state, &path, &change).await {
        Ok(()) if change.from_page => Redirect::to(&links::saved(&path)).into_response(),
        Ok(()) => Redirect::to(links::HOME).into_response(),
        Err(problem) if change.from_page => server_form::edit_refused(&state, &change, &path, &problem).await,
        Err(problem) => problem.into_response(),
    }
}

async fn apply_edit(state: &AppState, path: &ServerPath, change: &Change) -> Result<(), Problem> {
    let (permit, server) = state
        .registry
        .may(&change.caller.identity, Action::Modify, path)
        .await?;
    let mut edit = change.draft.changed(&server.profile).map_err(Problem::fields)?;
    // What was not written is taken from this record, so it must be this one that is replaced.
    edit.if_match.get_or_insert_with(|| server.etag());
    let revision = state.registry.change(&permit, path, edit).await?;
    // The answer comes when calls go to the new address.
    standing(state, path, revision).await;
    health::wait(state, &change.draft, (path, revision), 0).await;
    Ok(())
}

/// `GET /api/server_details/{path}` or `…/all`.
pub(in crate::web) async fn details(
    State(state): State<AppState>,
    Member(caller): Member,
    Rest(path): Rest,
) -> Result<Json<Value>, Problem> {
    details_of(&state, &caller.identity, &path).await.map(Json)
}

/// One server's record, or everyone's.
pub(in crate::web) async fn details_of(
    state: &AppState,
    who: &Identity,
    path: &str,
) -> Result<Value, Problem> {
    if path == "all" {
        let servers = state.registry.list(who).await?;
        let rows = servers.iter().map(|server| {
            (
                server.path.as_str().to_owned(),
                Value::Object(record(state, who, server)),
            )
        });
        return Ok(Value::Object(rows.collect()));
    }
    let path =
        ServerPath::of_known(path).map_err(|_| Problem::from(crate::service::registry::Error::Unknown))?;
    let server = state.registry.visible(who, &path).await?;
    let standing = standing(state, &path, Revision::default()).await;
    Ok(Value::Object(with_standing(
        record(state, who, &server),
        &standing,
    )))
}

/// How a list is cut.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct Page {
    query: Option<String>,
    limit: Option<usize>,
    offset: Option<usize>,
}

const MOST_ROWS: usize = 2000;

/// `GET /api/servers`.
pub(in crate::web) async fn list(
    State(state): State<AppState>,
    Member(caller): Member,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let wrong = |words: String| Problem::new(crate::domain::Kind::Invalid, words);
    let Query(page) = page.map_err(|error| wrong(error.body_text()))?;
    let limit = page.limit.unwrap_or(MOST_ROWS);
    if !(1..=MOST_ROWS).contains(&limit) {
        return Err(wrong(format!(
            "limit: expected a whole number from 1 to {MOST_ROWS}"
        )));
    }
    let offset = page.offset.unwrap_or(0);
    let mut servers = state.registry.list(&caller.identity).await?;
    if let Some(query) = page
        .query
        .map(|query| query.to_lowercase())
        .filter(|query| !query.is_empty())
    {
        servers.retain(|server| {
            let profile = &server.profile;
            let texts = [
                profile.name.as_str(),
                profile.description.as_str(),
                server.path.as_str(),
            ];
            let texts = texts.into_iter().chain(profile.tags.iter().map(String::as_str));
            texts.into_iter().any(|text| text.to_lowercase().contains(&query))
        });
    }
    let total = servers.len();
    let rows: Vec<_> = servers
        .iter()
        .skip(offset)
        .take(limit)
        .map(|server| row(&state, &caller.identity, server))
        .collect();
    let has_next = offset.saturating_add(rows.len()) < total;
    Ok(Json(
        json!({"servers": rows, "total_count": total, "limit": limit, "offset": offset, "has_next": has_next}),
    ))
}
