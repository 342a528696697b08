//! Signing in and out with a local account: the page, its form, and the same for programs.

use axum::Json;
use axum::extract::{Query, Request, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::extract::change::{fields, same_site};
use super::extract::client_ip::ClientIp;
use super::links;
use super::problem::Problem;
use super::state::{AppState, Site};
use super::ui::chrome;
use super::view::pages;
use crate::domain::draft::Draft;
use crate::domain::local_path::LocalPath;
use crate::domain::secret::Secret;
use crate::domain::{FieldFault, Kind};
use crate::service::callers::{SESSION_COOKIE, session_cookie};
use crate::service::login::{Error, SESSION_LENGTH};

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    next: Option<String>,
    error: Option<String>,
}

pub(super) async fn page(
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let next = asked
        .next
        .as_deref()
        .and_then(LocalPath::parse)
        .unwrap_or_default();
    // Only sentences of ours are shown: the address is anybody's to write.
    let known = [Error::Wrong.to_string(), TOO_MANY.to_owned()];
    let error = asked.error.filter(|words| known.contains(words));
    render(&state, &headers, StatusCode::OK, &next, error)
}

/// The page with what went wrong, if anything did.
pub(super) fn render(
    state: &AppState,
    headers: &HeaderMap,
    status: StatusCode,
    next: &LocalPath,
    error: Option<String>,
) -> Response {
    let buttons = state.sign_in.buttons();
    let providers = buttons.into_iter().map(|button| pages::Choice {
        href: links::provider_with_next(&button.name, next.as_str()),
        name: button.display_name,
    });
    let page = pages::Login {
        chrome: chrome::stranger(headers),
        next: next.as_str().to_owned(),
        error,
        providers: providers.collect(),
    };
    state.view.page(status, &page)
}

const TOO_MANY: &str = "Too many failed sign-ins; wait a moment and try again";

/// What a sign-in form says.
struct Form {
    username: String,
    password: Secret<String>,
    next: LocalPath,
}

fn read(draft: &Draft) -> Result<Form, Problem> {
    let text = |field: &str| draft.0.get(field).and_then(|value| value.as_str());
    let (Some(username), Some(password)) = (text("username"), text("password")) else {
        let missing = |field: &&str| text(field).is_none();
        let faults = ["username", "password"].iter().filter(|field| missing(field));
        return Err(Problem::fields(
            faults
                .map(|field| FieldFault::new(field, "it is required"))
                .collect(),
        ));
    };
    if password.len() > 1024 {
        return Err(Problem::fields(vec![FieldFault::new(
            "password",
            "it may be at most 1024 bytes long",
        )]));
    }
    Ok(Form {
        username: username.to_owned(),
        password: Secret::new(password.to_owned()),
        next: text("next").and_then(LocalPath::parse).unwrap_or_default(),
    })
}

/// `POST /login`: back to where the person wanted to be, or to the page with a sentence.
pub(super) async fn submit(State(state): State<AppState>, from: ClientIp, request: Request) -> Response {
    if request
        .headers()
        .get("accept")
        .is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"))
    {
        return api_submit(State(state), from, request).await;
    }
    let next = match try_sign_in(&state, from, request).await {
        Ok((cookie, next)) => return with_cookie(Redirect::to(next.as_str()).into_response(), cookie),
        Err(problem) => match problem.kind() {
            Kind::Unauthenticated => format!("{}?error=Invalid+username+or+password", links::LOGIN),
            Kind::TooMany(_) => format!(
                "{}?error={}",
                links::LOGIN,
                TOO_MANY.replace(' ', "+").replace(';', "%3B")
            ),
            _ => return problem.into_response(),
        },
    };
    see_other(&next)
}

pub(super) fn see_other(to: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

/// `POST /api/auth/login` (contract, section 1.1).
pub(super) async fn api_submit(State(state): State<AppState>, from: ClientIp, request: Request) -> Response {
    match try_sign_in(&state, from, request).await {
        Ok((cookie, _)) => with_cookie(
            Json(json!({"success": true, "message": "Login successful"})).into_response(),
            cookie,
        ),
        Err(problem) => problem.into_response(),
    }
}

async fn try_sign_in(
    state: &AppState,
    ClientIp(from): ClientIp,
    request: Request,
) -> Result<(HeaderValue, LocalPath), Problem> {
    // A sign-in from another site would put a person into somebody else's session.
    same_site(request.headers(), &state.site)?;
    let form = read(&fields(request, state).await?)?;
    let id = state.login.sign_in(from, &form.username, form.password).await?;
    Ok((session(&state.site, id.expose()), form.next))
}

/// The session cookie with this id.
pub(super) fn session(site: &Site, id: &str) -> HeaderValue {
    cookie(site, SESSION_COOKIE, id, SESSION_LENGTH.as_secs())
}

pub(super) fn cookie(site: &Site, name: &str, id: &str, seconds: u64) -> HeaderValue {
    let secure = if site.secure_cookie { "; Secure" } else { "" };
    let text = format!("{name}={id}; HttpOnly; SameSite=Lax; Path=/; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

pub(super) fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}

/// `POST /logout`: ends the session, whether it was still good or not, and goes on to the provider's own end of it.
pub(super) async fn sign_out(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, Problem> {
    same_site(&headers, &state.site)?;
    let mut onwards = None;
    if let Some(id) = session_cookie(&headers)? {
        let ended = state.sign_in.end(id).await?;
        state.callers.forget_sessions();
        if let Some(account) = &ended.account {
            state.tokens.session_ended(account, account).await?;
        }
        onwards = ended.onwards;
    }
    let to = onwards.as_deref().unwrap_or(links::LOGIN);
    Ok(with_cookie(
        see_other(to),
        cookie(&state.site, SESSION_COOKIE, "", 0),
    ))
}
