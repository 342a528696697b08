//! What machines ask about us.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::extract::visitor::Member;
use super::problem::Problem;
use super::state::AppState;
use crate::domain::Kind;
use crate::domain::access::{Call, decide};

/// The health of earlier systems: the registry answers.
pub(super) async fn health() -> Json<Value> {
    Json(json!({"status": "healthy", "service": "mcp-gateway-registry"}))
}

/// Whether the process lives.
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// Whether it serves: nginx runs a text that it confirmed, if there is to be one.
pub(super) async fn readyz(State(state): State<AppState>) -> Response {
    let ready = !state.site.has_mounts || state.nginx.borrow().live.is_some();
    let code = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        code,
        Json(json!({"status": if ready { "ready" } else { "not ready" }})),
    )
        .into_response()
}

/// What nginx runs: for administrators, because it names upstreams.
pub(super) async fn nginx(
    State(state): State<AppState>,
    Member(caller): Member,
) -> Result<Json<Value>, Problem> {
    decide(&caller.identity, &Call::Administration, &state.rights.borrow()).map_err(|_| {
        Problem::new(
            Kind::Forbidden,
            "Administrator permissions are required for this operation",
        )
    })?;
    let status = state.nginx.borrow().clone();
    Ok(Json(json!({
        "live": status.live,
        "blocks": status.blocks,
        "fault": status.fault,
        "refused": status.refused,
        "draining": status.draining,
        "call_log": state.usage.log(),
    })))
}

/// Our public keys (RFC 7517 section 5). Outside authentication; they may be cached for a while.
pub(super) async fn jwks(State(state): State<AppState>) -> Response {
    let cache = HeaderValue::from_static("public, max-age=300");
    ([(header::CACHE_CONTROL, cache)], Json(state.tokens.jwks())).into_response()
}
