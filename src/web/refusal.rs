//! Refusals on mount paths: always JSON-RPC, also to browsers, because an HTML page makes MCP clients fall back to an
//! older protocol.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::domain::Kind;
use crate::service::mcp_sessions;
use crate::service::permit::CALL;
use crate::service::refusal::{Reason, Refusal};
use crate::service::relay::{self, UpstreamError};

/// What a caller without a valid token is told, or one without the right scope where another one would help (RFC 6750
/// section 3). Where no scope would, there is no challenge: clients would sign people in again and again.
fn challenge(refusal: &Refusal) -> Option<HeaderValue> {
    let scope = Some(refusal.scopes.join(" ")).filter(|scope| !scope.is_empty());
    let error = match (refusal.reason, &scope) {
        (Reason::Unauthenticated, _) => None,
        (Reason::Denied, Some(_)) => Some("insufficient_scope"),
        _ => return None,
    };
    let parameters = [
        ("error", error),
        ("scope", scope.as_deref()),
        ("resource_metadata", refusal.metadata.as_deref()),
    ];
    let said = parameters
        .into_iter()
        .filter_map(|(name, value)| Some(format!(", {name}=\"{}\"", value?)));
    let words = format!("Bearer realm=\"mcp\"{}", said.collect::<String>());
    HeaderValue::from_str(&words).ok()
}

const GATE_STATUS: HeaderName = HeaderName::from_static("x-gate-status");

/// nginx takes the request to the pump when it reads this.
pub(super) const TO_THE_PUMP: u16 = 419;
/// A 404 in other words: the server is there, the MCP session is not.
const NO_SESSION: u16 = 440;

pub(super) fn status(reason: Reason) -> StatusCode {
    match reason {
        Reason::Ambiguous | Reason::Message(_) => StatusCode::BAD_REQUEST,
        Reason::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Reason::Unauthenticated => StatusCode::UNAUTHORIZED,
        Reason::Unknown | Reason::NoSession => StatusCode::NOT_FOUND,
        Reason::Denied => StatusCode::FORBIDDEN,
        Reason::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Reason::Slowed(_) => StatusCode::TOO_MANY_REQUESTS,
        Reason::Away => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A JSON-RPC error with an HTTP status. Codes of our own are the status: outside the range that JSON-RPC reserves.
pub(super) fn json_rpc(status: StatusCode, code: i32, message: &str, id: &Value) -> Response {
    let body = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}});
    (status, Json(body)).into_response()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = status(self.reason);
        let code = match self.reason {
            Reason::Message(code) => code,
            Reason::Ambiguous | Reason::MediaType => -32600,
            Reason::TooLarge
            | Reason::Unauthenticated
            | Reason::Unknown
            | Reason::NoSession
            | Reason::Denied
            | Reason::Slowed(_)
            | Reason::Away => i32::from(status.as_u16()),
        };
        let mut response = json_rpc(status, code, &self.message, &self.id);
        if let Some(challenge) = challenge(&self) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        say(&mut response, self.said.map(|said| *said));
        let wait = match self.reason {
            Reason::Away => Some(2),
            Reason::Slowed(seconds) => Some(seconds),
            _ => None,
        };
        if let Some(seconds) = wait {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The same for `auth_request`, which lets only 2xx, 401 and 403 pass and wants no body: what is meant stands in a
/// header. 500 says on purpose that the gate could not decide; the template words it.
pub(super) fn for_auth_request(refusal: &Refusal) -> Response {
    let mut response = match refusal.reason {
        Reason::Unauthenticated => StatusCode::UNAUTHORIZED.into_response(),
        Reason::Away => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Reason::Denied => StatusCode::FORBIDDEN.into_response(),
        Reason::Unknown => denied_as(404),
        Reason::NoSession => denied_as(NO_SESSION),
        Reason::Slowed(seconds) => {
            let mut response = denied_as(429);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Reason::Ambiguous | Reason::TooLarge | Reason::MediaType | Reason::Message(_) => denied_as(400),
    };
    if let Some(challenge) = challenge(refusal) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    say(&mut response, refusal.said.as_deref().cloned());
    response
}

/// Tell nginx what to write into the call log.
pub(super) fn say(response: &mut Response, said: Option<HeaderValue>) {
    if let Some(said) = said {
        response.headers_mut().insert(CALL, said);
    }
}

pub(super) fn denied_as(status: u16) -> Response {
    (StatusCode::FORBIDDEN, [(GATE_STATUS, HeaderValue::from(status))]).into_response()
}

/// A carried call whose upstream did not answer. It names the server, not its address.
pub(super) fn upstream(error: &relay::Error, mount: &str, id: &Value) -> Response {
    let error = match error {
        relay::Error::Upstream(error) => error,
        relay::Error::Sealed => {
            let words = format!("The credentials of the server {mount} cannot be read; enter them again");
            return json_rpc(StatusCode::BAD_GATEWAY, 502, &words, id);
        }
        relay::Error::Session(mcp_sessions::Error::Taken) => &UpstreamError::Unusable,
        relay::Error::Session(mcp_sessions::Error::Away(error)) => {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "a session could not be kept"
            );
            let refusal = Refusal {
                reason: Reason::Away,
                message: "the gate cannot decide now".to_owned(),
                id: id.clone(),
                scopes: Vec::new(),
                metadata: None,
                said: None,
            };
            return refusal.into_response();
        }
    };
    let (status, words) = match error {
        UpstreamError::Slow => (StatusCode::GATEWAY_TIMEOUT, "did not answer in time"),
        UpstreamError::Unresolved(_) => (StatusCode::BAD_GATEWAY, "has a name that does not resolve"),
        UpstreamError::Forbidden(_) => (
            StatusCode::BAD_GATEWAY,
            "leads to an address that may not be reached",
        ),
        UpstreamError::Unreachable(_) => (StatusCode::BAD_GATEWAY, "cannot be reached"),
        UpstreamError::Unusable => (StatusCode::BAD_GATEWAY, "gave an answer that cannot be passed on"),
    };
    if error.kind() != Kind::Unavailable {
        tracing::warn!(
            server.path = mount,
            error = error as &dyn std::error::Error,
            "an upstream was refused"
        );
    }
    json_rpc(
        status,
        i32::from(status.as_u16()),
        &format!("The server {mount} {words}"),
        id,
    )
}
