//! What has no body: streams, and the `DELETE` and `HEAD` that we carry.

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;

use super::body_gate::{Doors, pass};

pub(super) async fn open(doors: &Doors, request: Request) -> Response {
    let (head, _) = request.into_parts();
    pass(doors, &head, Bytes::new()).await
}
