//! What has no body and does not go direct: streams, and the `DELETE` and `HEAD` that we carry.
//!
//! Streams of a server to its clients are not copied yet: a `GET` is answered with 405, which MCP clients accept.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;

use super::body_gate::{Doors, pass};
use super::refusal::json_rpc;

pub(super) async fn open(doors: &Doors, request: Request) -> Response {
    let (head, _) = request.into_parts();
    if head.method == Method::DELETE || head.method == Method::HEAD {
        return pass(doors, &head, Bytes::new()).await;
    }
    let words = "This server's streams are not offered here; use POST";
    let mut response = json_rpc(StatusCode::METHOD_NOT_ALLOWED, 405, words, &Value::Null);
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("POST, DELETE"));
    response
}
