//! Removing a server: a page that asks first, and the answer. With a script a dialog asks, and sends the same answer.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use super::chrome::chrome;
use crate::domain::access::Action;
use crate::web::api::servers::standing;
use crate::web::extract::change::Change;
use crate::web::extract::path::Mount;
use crate::web::extract::visitor::PageMember;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{Question, Section};

/// `GET /remove/{path}`.
pub(in crate::web) async fn page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    Mount(path): Mount,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (_, server) = state
        .registry
        .may(&caller.identity, Action::Delete, &path)
        .await?;
    let page = Question {
        chrome: chrome(&state, &caller, &headers, Section::Servers),
        title: format!("Remove {}?", server.profile.name),
        words: format!(
            "Calls to {path} stop at once. What was registered is forgotten; the server itself is left alone."
        ),
        verb: "Remove",
        action: format!("/remove{path}"),
        fields: Vec::new(),
        back: links::HOME.to_owned(),
    };
    Ok(state.view.page(StatusCode::OK, &page))
}

/// `POST /remove/{path}`.
pub(in crate::web) async fn remove(
    State(state): State<AppState>,
    Mount(path): Mount,
    change: Change,
) -> Result<Response, Problem> {
    let who = &change.caller.identity;
    let (permit, _) = state.registry.may(who, Action::Delete, &path).await?;
    let revision = state.registry.remove(&permit, &path).await?;
    // The answer comes when calls do not reach it any more.
    standing(&state, &path, revision).await;
    tracing::info!(server.path = %path, identity.subject = permit.actor(), "server removed");
    if change.from_page {
        return Ok(Redirect::to(links::HOME).into_response());
    }
    let body = json!({"message": "Service removed successfully", "path": path});
    Ok(Json(body).into_response())
}
