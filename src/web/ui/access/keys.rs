//! API keys of the settings: their names, groups and ends; nobody can read a key here.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::super::chrome::chrome;
use crate::web::api::groups::administration;
use crate::web::extract::visitor::PageMember;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{KeyRow, KeysPage, Section};

/// `GET /access/keys`.
pub(in crate::web) async fn page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let permit = administration(&state, &caller.identity)?;
    let now = state.monitor.now();
    let keys = state.callers.api_keys(&permit).into_iter().map(|key| KeyRow {
        name: key.name,
        groups: key.groups,
        has_ended: key.expires_at.is_some_and(|end| end <= now),
        expires_at: key.expires_at.map(|end| end.to_string()),
    });
    let page = KeysPage {
        chrome: chrome(&state, &caller, &headers, Section::Access),
        keys: keys.collect(),
    };
    Ok(state.view.page(StatusCode::OK, &page))
}
