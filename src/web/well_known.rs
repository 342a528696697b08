//! What anybody may ask about an address of ours: who issues tokens for it (RFC 9728).
//!
//! Outside authentication, and the same for every path: nobody learns here what is mounted.

use axum::Json;
use axum::extract::State;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL,
};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::links;
use super::state::AppState;

/// Anybody may read it, from any page.
const CORS: [(HeaderName, HeaderValue); 4] = [
    (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, OPTIONS"),
    ),
    (ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*")),
    (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
];

/// The document of the whole site, or of the path that follows (RFC 9728 section 3.1).
pub(super) async fn resource(State(state): State<AppState>, asked: Uri) -> Response {
    let path = asked.path().strip_prefix(links::RESOURCE).unwrap_or_default();
    let (issuers, scopes) = state.advertised.issuers();
    let mut document = json!({
        // Letter by letter what the client asked for: it compares (section 3.3).
        "resource": format!("{}{path}", state.advertised.public_url()),
        "resource_name": "Gatehouse",
        "bearer_methods_supported": ["header"],
    });
    if let Some(fields) = document.as_object_mut().filter(|_| !issuers.is_empty()) {
        fields.insert("scopes_supported".to_owned(), json!(scopes));
        fields.insert("authorization_servers".to_owned(), json!(issuers));
    }
    let cache = (CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    (CORS, [cache], Json(document)).into_response()
}

/// A browser asks before it sends a header of MCP's.
pub(super) async fn preflight() -> Response {
    (StatusCode::NO_CONTENT, CORS).into_response()
}
