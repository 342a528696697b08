//! The doors that see everything: nginx hands over the whole POST and takes back where it goes, or the answer itself.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::Value;

use super::extract::client_ip::said_by_nginx;
use super::gate::{permit, question};
use super::mcpgw::Own;
use super::refusal::json_rpc;
use super::{people, pump, refusal};
use crate::service::gate::{Gate, Way};
use crate::service::relay::{self, Relay, Sent};
use crate::service::unsaid::Unsaid;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-gate-request-id");
pub(super) const ACCEL: HeaderName = HeaderName::from_static("x-accel-redirect");

/// nginx bounds bodies before they come here; this bound only backs it up.
const MOST_BODY: usize = 64 * 1024 * 1024;

/// What the doors need: who decides, and who carries.
#[derive(Debug)]
pub(super) struct Doors {
    pub(super) gate: Gate,
    pub(super) relay: Relay,
    pub(super) unsaid: Unsaid,
    /// Our own MCP server: a mount like the others, and yet in this process.
    pub(super) own: Own,
}

pub(super) async fn door(doors: &Doors, request: Request) -> Response {
    let by_pump = request
        .headers()
        .get("x-gate-door")
        .is_some_and(|door| door == "pump");
    if by_pump {
        return pump::open(doors, request).await;
    }
    let (head, body) = request.into_parts();
    if head.method != Method::POST {
        return json_rpc(
            StatusCode::METHOD_NOT_ALLOWED,
            405,
            "This method is not allowed here",
            &Value::Null,
        );
    }
    let Ok(body) = to_bytes(body, MOST_BODY).await else {
        return json_rpc(
            StatusCode::BAD_REQUEST,
            -32600,
            "the body broke off or is too large",
            &Value::Null,
        );
    };
    pass(doors, &head, body).await
}

/// Decide, and send the call on its way.
pub(super) async fn pass(doors: &Doors, head: &axum::http::request::Parts, body: Bytes) -> Response {
    let seen = (head.method == Method::POST).then_some(&*body);
    let Some(question) = question(&head.headers, &head.method, seen) else {
        return json_rpc(
            StatusCode::BAD_REQUEST,
            -32600,
            "this door is for nginx",
            &Value::Null,
        );
    };
    match doors.gate.decide(&question).await {
        Err(refused) => {
            people::instead(head, question.written, &refused).unwrap_or_else(|| refused.into_response())
        }
        Ok(Way::Direct(headers)) => {
            let mut response = permit(StatusCode::OK, headers);
            response
                .headers_mut()
                .insert(ACCEL, HeaderValue::from_static("@upstream"));
            response
        }
        Ok(Way::Carry(mut order)) => {
            let sent = Sent {
                method: head.method.clone(),
                written: question.written,
                headers: &head.headers,
                body: body.clone(),
                client: said_by_nginx(&head.headers),
            };
            // A caller who leaves while we carry drops us here.
            let id = head.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
            let said = order.said.as_ref().zip(id);
            let on_the_way = said.map(|((said, _), id)| doors.unsaid.hold(id, said));
            let carried = if order.route.server.is_built_in() {
                let answer = doors.own.answer(&mut order, head, body).await;
                doors.relay.pass_on(&mut order, answer).await
            } else {
                doors.relay.carry(&mut order, sent).await
            };
            let mut response = match carried {
                Ok(carried) => {
                    let mut response = Response::new(match carried.body {
                        relay::Body::Untouched(body) => Body::new(body),
                        relay::Body::Stream(stream) => Body::new(*stream),
                        relay::Body::Whole(bytes) => Body::from(bytes),
                    });
                    *response.status_mut() = carried.status;
                    *response.headers_mut() = carried.headers;
                    response
                }
                Err(error) => refusal::upstream(&error, order.route.server.path.as_str(), &order.id),
            };
            if let Some(words) = on_the_way {
                words.heard();
            }
            refusal::say(&mut response, order.said.map(|(said, _)| said));
            response
        }
    }
}
