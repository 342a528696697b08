//! Servers in the words of the service management guide: `/api/management/servers`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::record::{record, row, with_standing};
use super::servers;
use crate::domain::Kind;
use crate::domain::access::Action;
use crate::domain::draft::Description;
use crate::domain::identity::Identity;
use crate::web::extract::change::Change;
use crate::web::extract::path::Rest;
use crate::web::extract::visitor::Member;
use crate::web::problem::Problem;
use crate::web::state::AppState;

/// A plain list, as the guide's loops expect it.
pub(in crate::web) async fn list(
    State(state): State<AppState>,
    Member(caller): Member,
) -> Result<Json<Vec<Map<String, Value>>>, Problem> {
    let who = &*caller.identity;
    let servers = state.registry.list(who).await?;
    Ok(Json(
        servers.iter().map(|server| row(&state, who, server)).collect(),
    ))
}

/// Register a server.
pub(in crate::web) async fn create(
    State(state): State<AppState>,
    change: Change,
) -> Result<(StatusCode, Json<Map<String, Value>>), Problem> {
    let (server, standing) = {
        let written = (&*change.caller.identity, &change.draft);
        servers::create(&state, written, Description::Optional).await?
    };
    let mut body = with_standing(record(&state, &change.caller.identity, &server), &standing);
    body.insert("name".to_owned(), json!(server.profile.name));
    body.insert("enabled".to_owned(), json!(server.enabled));
    body.insert("ignored".to_owned(), json!(change.draft.unknown()));
    Ok((StatusCode::CREATED, Json(body)))
}

/// Remove a server, by its path or its name.
pub(in crate::web) async fn remove(
    State(state): State<AppState>,
    Rest(name): Rest,
    change: Change,
) -> Result<Json<Value>, Problem> {
    removed(&state, &change.caller.identity, &name).await.map(Json)
}

/// Remove a server, and wait until calls do not reach it any more.
pub(in crate::web) async fn removed(state: &AppState, who: &Identity, name: &str) -> Result<Value, Problem> {
    let path = state.registry.named(who, name).await?;
    let (permit, _) = state.registry.may(who, Action::Delete, &path).await?;
    let revision = state.registry.remove(&permit, &path).await?;
    servers::standing(state, &path, revision).await;
    tracing::info!(server.path = %path, identity.subject = permit.actor(), "server removed");
    Ok(json!({"message": "Service removed successfully", "path": path}))
}

/// `…/{name}/enable` and `…/{name}/disable`.
pub(in crate::web) async fn switch(
    State(state): State<AppState>,
    Rest(rest): Rest,
    change: Change,
) -> Result<Json<Map<String, Value>>, Problem> {
    let (name, on) = match rest.rsplit_once('/') {
        Some((name, "enable")) => (name, true),
        Some((name, "disable")) => (name, false),
        _ => {
            return Err(Problem::new(
                Kind::NotFound,
                "expected `enable` or `disable` behind the server's name",
            ));
        }
    };
    let who = &*change.caller.identity;
    let path = state.registry.named(who, name).await?;
    let (server, standing) = servers::switch(&state, (who, &change.draft), &path, on).await?;
    Ok(Json(with_standing(row(&state, who, &server), &standing)))
}
