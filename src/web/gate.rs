//! `auth_request`: nginx's own at `/_gate/check` (204, 401 or 403, never a body), and `/validate` for people with their
//! own nginx (contract, section 4.4).

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::extract::client_ip::said_by_nginx;
use super::refusal::{TO_THE_PUMP, denied_as, for_auth_request};
use crate::service::gate::{Gate, Way};
use crate::service::permit::{PermitHeaders, identity_headers};
use crate::service::question::Question;

/// The question in the headers that our template sets; `None` when it is not our template that asks.
pub(super) fn question<'a>(
    headers: &'a HeaderMap,
    method: &'a Method,
    body: Option<&'a [u8]>,
) -> Option<Question<'a>> {
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| std::str::from_utf8(value.as_bytes()).unwrap_or("\u{fffd}"))
    };
    Some(Question {
        method,
        asked: text("x-gate-uri")?,
        written: text("x-gate-request-uri")?,
        text: text("x-gate-text").unwrap_or_default(),
        client: said_by_nginx(headers),
        headers,
        body,
    })
}

/// A permit as headers of an answer without a body.
pub(super) fn permit(status: StatusCode, permit: PermitHeaders) -> Response {
    let mut response = status.into_response();
    *response.headers_mut() = permit;
    response
}

pub(super) async fn check(gate: &Gate, headers: &HeaderMap) -> Response {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let method: Method = header("x-gate-method").parse().unwrap_or_default();
    let Some(question) = question(headers, &method, None) else {
        return denied_as(400);
    };
    match gate.decide(&question).await {
        Err(refusal) => for_auth_request(&refusal),
        Ok(Way::Direct(headers)) => permit(StatusCode::NO_CONTENT, headers),
        Ok(Way::Carry(order)) => {
            // The pump asks again, and its answer is the one that counts.
            gate.take_back(&order);
            denied_as(TO_THE_PUMP)
        }
    }
}

pub(super) async fn validate(State(gate): State<Gate>, headers: HeaderMap) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let method: Method = header("x-original-method")
        .and_then(|method| method.parse().ok())
        .unwrap_or(Method::POST);
    // `scheme://host/path?query`, or the path alone. The query goes first: it may hold anything.
    let address = header("x-original-url")
        .or_else(|| header("x-original-uri"))
        .unwrap_or("/");
    let address = address.split('?').next().unwrap_or_default();
    let path = match address.split_once("://") {
        Some((_, rest)) if !address.starts_with('/') => rest.find('/').map_or("/", |at| rest.split_at(at).1),
        _ => address,
    };
    match gate.validate(&headers, &method, path).await {
        Err(refusal) => for_auth_request(&refusal),
        Ok(valid) => {
            let who = &valid.identity;
            let server = valid.server.as_ref().map(|path| path.name().to_owned());
            let body = json!({
                "valid": true,
                "username": who.username,
                "client_id": who.client_id,
                "scopes": who.scopes,
                "method": who.method.as_str(),
                "groups": who.groups,
                "server_name": server,
                "tool_name": null,
            });
            let mut headers = identity_headers(who, valid.server.as_ref());
            if let Some(user) = headers.get("x-user").cloned() {
                headers.insert("x-username", user);
            }
            let mut response = permit(StatusCode::OK, headers);
            *response.body_mut() = Json(body).into_response().into_body();
            let json = HeaderValue::from_static("application/json");
            response
                .headers_mut()
                .insert(axum::http::header::CONTENT_TYPE, json);
            response
        }
    }
}
