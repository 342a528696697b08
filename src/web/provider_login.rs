//! Signing in through an identity provider: away, and back.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::agent::agent;
use super::extract::client_ip::ClientIp;
use super::links;
use super::login::{cookie, render, see_other, session, with_cookie};
use super::problem::{self, Problem};
use super::state::AppState;
use crate::domain::Kind;
use crate::domain::local_path::LocalPath;
use crate::service::callers::session_cookie;
use crate::service::sign_in::{ATTEMPT_LENGTH, Callback, Error, Failed};
use crate::web::extract::questions::Questions;

/// What binds a try to this browser. The prefix of RFC 6265bis is not for http, which loopback needs.
const ATTEMPT_COOKIE: &str = "mcp_gateway_login";

/// `GET /api/auth/providers` (contract, section 1.1).
pub(super) async fn list(State(state): State<AppState>) -> Json<Value> {
    let rows = state.sign_in.buttons().into_iter().map(|button| {
        json!({
            "name": button.name,
            "display_name": button.display_name,
            "login_url": links::provider_with_next(&button.name, links::HOME),
        })
    });
    Json(json!({ "providers": rows.collect::<Vec<_>>() }))
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    next: Option<String>,
}

/// `GET /auth/{provider}`: to the provider.
pub(super) async fn begin(
    State(state): State<AppState>,
    ClientIp(from): ClientIp,
    Path(name): Path<String>,
    headers: HeaderMap,
    Questions(asked): Questions<Asked>,
) -> Response {
    let next = asked
        .next
        .as_deref()
        .and_then(LocalPath::parse)
        .unwrap_or_default();
    match state
        .sign_in
        .begin(from, &name, &next, links::AUTH_CALLBACK)
        .await
    {
        Ok(begun) => with_cookie(
            see_other(&begun.address),
            cookie(
                &state.site,
                ATTEMPT_COOKIE,
                begun.cookie.expose(),
                ATTEMPT_LENGTH.as_secs(),
            ),
        ),
        Err(error) => refused(&state, &headers, Failed { error, next }),
    }
}

/// `GET /auth/callback`: back from the provider.
pub(super) async fn callback(
    State(state): State<AppState>,
    headers: HeaderMap,
    Questions(callback): Questions<Callback>,
) -> Response {
    let attempt = attempt_cookie(&headers);
    let finished = state
        .sign_in
        .finish(
            attempt.as_deref(),
            &callback,
            (links::AUTH_CALLBACK, agent(&headers)),
        )
        .await;
    let over = cookie(&state.site, ATTEMPT_COOKIE, "", 0);
    let answer = match finished {
        Ok((id, next)) => {
            // Whoever was signed in here before is not any more.
            if let Ok(Some(old)) = session_cookie(&headers)
                && let Err(error) = end_old(&state, old).await
            {
                return with_cookie(error.into_response(), over);
            }
            with_cookie(see_other(next.as_str()), session(&state.site, id.expose()))
        }
        Err(failed) => refused(&state, &headers, failed),
    };
    with_cookie(answer, over)
}

/// End the session of before. The person may be another one: then nobody would ask about their tokens.
async fn end_old(state: &AppState, id: &str) -> Result<(), Problem> {
    let ended = state.sign_in.end(id).await?;
    state.callers.forget_sessions();
    if let Some(account) = &ended.account {
        state.tokens.session_ended(account, account).await?;
    }
    Ok(())
}

/// The sign-in page with a sentence: people read this. It leads to where they wanted to be.
fn refused(state: &AppState, headers: &HeaderMap, Failed { error, next }: Failed) -> Response {
    if matches!(error, Error::Store(_) | Error::System(_)) {
        return Problem::from(error).into_response();
    }
    let (status, _) = problem::status(error.kind());
    let mut words = error.to_string();
    // A name begins it, or a small letter of ours.
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let mut response = render(state, headers, status, &next, Some(words));
    if error.kind() == Kind::Unavailable {
        let headers = response.headers_mut();
        headers.insert("retry-after", HeaderValue::from_static("10"));
    }
    response
}

/// The secret of the try; two of them are none.
fn attempt_cookie(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(COOKIE).iter();
    let pairs = values.flat_map(|value| value.to_str().unwrap_or_default().split(';'));
    let mut found = pairs.filter_map(|pair| match pair.trim().split_once('=') {
        Some((ATTEMPT_COOKIE, secret)) if !secret.is_empty() => Some(secret.to_owned()),
        _ => None,
    });
    let first = found.next();
    first.filter(|_| found.next().is_none())
}
