//! What every answer of the registry passes through, outermost first.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use super::extract::visitor::{is_partial, wants_page};
use super::problem::Problem;
use super::state::AppState;
use super::ui::chrome;
use super::ui::faults::in_prose;
use super::view::pages::{Refusal, Section};
use crate::domain::Kind;

/// Forms and records are small; traffic does not come this way.
const MOST_BODY: usize = 1024 * 1024;
const LIMIT: Duration = Duration::from_secs(30);

/// Security headers outermost, so that a refusal has them too; the time limit inside them, so that it answers in our
/// words, which a person then reads as a page; the body limit next to the handlers, which tell a caller what was too large.
pub(super) fn around(routes: Router<AppState>, state: &AppState) -> Router<AppState> {
    routes
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(middleware::from_fn(time_limit))
        .layer(middleware::from_fn_with_state(state.clone(), for_people))
        .layer(middleware::from_fn_with_state(state.clone(), security_headers))
}

async fn time_limit(request: Request, next: Next) -> Response {
    match tokio::time::timeout(LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Kind::Unavailable, "the request took too long").into_response(),
    }
}

/// A refusal is a page for whoever asks for pages, and stays what it was for programs and for our own script.
async fn for_people(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let asked = request.headers().clone();
    let mut response = next.run(request).await;
    if !wants_page(&asked) || is_partial(&asked) {
        return response;
    }
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    // Somebody whose credential cannot be checked now is shown what strangers are.
    let known = state.callers.identify(&asked, None).await.ok();
    let known = known.filter(|caller| caller.identity.bound_to.is_none());
    let chrome = match known {
        Some(caller) => chrome::chrome(&state, &caller, &asked, Section::Elsewhere),
        None => chrome::stranger(&asked),
    };
    let status = response.status();
    let page = Refusal {
        chrome,
        status: status.as_u16(),
        title: status.canonical_reason().unwrap_or_default().to_owned(),
        detail: in_prose(problem.detail()),
    };
    let mut shown = state.view.page(status, &page);
    for name in [header::WWW_AUTHENTICATE, header::RETRY_AFTER] {
        if let Some(value) = response.headers_mut().remove(&name) {
            shown.headers_mut().insert(name, value);
        }
    }
    shown
}

async fn security_headers(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert_with(|| policy(&state.sign_in.logout_origins()));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    // What is shown depends on who asks.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if state.site.secure_cookie {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    response
}

/// What a page may do. A form may lead on to `others`: browsers hold every redirect behind it against this too, and a
/// sign-out goes on to the identity provider.
pub(super) fn policy(others: &[String]) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action \
         'self' {}; frame-ancestors 'none'; base-uri 'none'",
        others.join(" ")
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}
