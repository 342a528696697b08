//! Who am I, and what may I do (contract, section 1.1).

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use serde_json::json;

use crate::domain::access::{Action, Call, decide};
use crate::web::extract::change::csrf_token;
use crate::web::extract::visitor::Member;
use crate::web::state::AppState;

/// The token of the forms of the session that asks, for a page that was loaded in another.
const FORM_TOKEN: &str = "x-csrf-token";

/// `GET /api/auth/me`.
pub(in crate::web) async fn me(
    State(state): State<AppState>,
    Member(caller): Member,
    headers: HeaderMap,
) -> impl IntoResponse {
    let who = &caller.identity;
    let rights = state.rights.borrow().clone();
    let modify = Call::Registry {
        action: Action::Modify,
        service: None,
    };
    let servers = rights.policy.servers(&who.scopes);
    let permissions = rights.policy.ui_permissions(&who.scopes);
    let named = |permission| permissions.get(permission).cloned().unwrap_or_default();
    let token = csrf_token(&headers).filter(|_| caller.by_cookie);
    let body = Json(json!({
        "username": who.username,
        "auth_method": who.method.as_str(),
        "provider": who.provider.as_deref().unwrap_or("local"),
        "scopes": who.scopes,
        "groups": who.groups,
        "can_modify_servers": decide(who, &modify, &rights).is_ok(),
        "is_admin": rights.is_administrator(who),
        "accessible_services": named("list_service"),
        "accessible_agents": named("list_agents"),
        "ui_permissions": permissions,
        "accessible_servers": servers,
    }));
    (token.map(|token| [(FORM_TOKEN, token)]), body)
}
