//! People who come to a mount path with a browser: a mistyped address of a page, or a page of a server before they have
//! signed in. MCP clients never ask for HTML, and are refused in their own words ([`super::refusal`]).

use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::body_gate::ACCEL;
use super::extract::visitor::wants_page;
use super::links;
use super::refusal::say;
use crate::service::refusal::{Reason, Refusal};

/// What a person who has `written` this address is told instead of a refusal in JSON-RPC: to sign in first, or by the
/// registry that there is no such page.
pub(super) fn instead(head: &Parts, written: &str, refusal: &Refusal) -> Option<Response> {
    let is_person = head.method == Method::GET
        && wants_page(&head.headers)
        && !head.headers.contains_key(header::AUTHORIZATION);
    if !is_person {
        return None;
    }
    let mut response = match refusal.reason {
        Reason::Unauthenticated => Redirect::to(&links::login_with_next(written)).into_response(),
        Reason::Unknown => {
            let mut response = Response::default();
            response
                .headers_mut()
                .insert(ACCEL, HeaderValue::from_static("@page"));
            response
        }
        _ => return None,
    };
    say(&mut response, refusal.said.as_deref().cloned());
    Some(response)
}
