//! Signing in and out with a local account: the page, its form, and the same for programs.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;

use super::extract::agent::agent;
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
use crate::web::extract::questions::Questions;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    next: Option<String>,
    error: Option<String>,
}

pub(super) async fn page(
    State(state): State<AppState>,
    headers: HeaderMap,
    Questions(asked): Questions<Asked>,
) -> Response {
    let next = asked
        .next
        .as_deref()
        .and_then(LocalPath::parse)
        .unwrap_or_default();
    // Only sentences of ours are shown: the address is anybody's to write.
    let known = [Error::Wrong.to_string(), TOO_MANY.to_owned()];
    let error = asked.error.filter(|words| known.contains(words));
    let typed = error.as_ref().and_then(|_| typed_name(&headers));
    show(&state, &headers, StatusCode::OK, (&next, typed), error)
}

/// The page with what went wrong, if anything did.
pub(super) fn render(
    state: &AppState,
    headers: &HeaderMap,
    status: StatusCode,
    next: &LocalPath,
    error: Option<String>,
) -> Response {
    show(state, headers, status, (next, None), error)
}

fn show(
    state: &AppState,
    headers: &HeaderMap,
    status: StatusCode,
    (next, typed): (&LocalPath, Option<String>),
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
        username: typed.unwrap_or_default(),
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
    /// What it was sent with.
    agent: String,
}

fn read(draft: &Draft, agent: String) -> Result<Form, Problem> {
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
        agent,
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
    let was_typed = typed_name(request.headers()).is_some();
    let form = match read_form(&state, request).await {
        Ok(form) => form,
        Err(problem) => return problem.into_response(),
    };
    let (next, username) = (form.next.clone(), form.username.clone());
    let words = match try_sign_in(&state, from, form).await {
        Ok(id) => {
            let response = with_cookie(Redirect::to(next.as_str()).into_response(), id);
            return if was_typed {
                with_cookie(response, cookie(&state.site, TYPED, "", 0))
            } else {
                response
            };
        }
        Err(problem) => match problem.kind() {
            Kind::Unauthenticated => Error::Wrong.to_string(),
            Kind::TooMany(_) => TOO_MANY.to_owned(),
            _ => return problem.into_response(),
        },
    };
    let next = Some(next.as_str()).filter(|next| *next != links::HOME);
    let back = links::asking(
        links::LOGIN,
        &[("error", &words), ("next", next.unwrap_or_default())],
    );
    let name = utf8_percent_encode(&username, NON_ALPHANUMERIC).to_string();
    let name = Some(name).filter(|name| name.len() <= LONGEST_TYPED);
    let kept = cookie(&state.site, TYPED, &name.unwrap_or_default(), TYPED_SECONDS);
    with_cookie(see_other(&back), kept)
}

/// The name that was typed last, for the form that comes back: in a cookie, because an address is logged and kept, and some
/// people type their password there.
const TYPED: &str = "gatehouse_login_name";
const TYPED_SECONDS: u64 = 60;
const LONGEST_TYPED: usize = 400;

fn typed_name(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(COOKIE).iter();
    let mut pairs = values.flat_map(|value| value.to_str().unwrap_or_default().split(';'));
    let name = pairs.find_map(|pair| pair.trim().strip_prefix(TYPED)?.strip_prefix('='))?;
    let name = percent_decode_str(name).decode_utf8().ok()?;
    Some(name.into_owned())
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
    let signed_in = match read_form(&state, request).await {
        Ok(form) => try_sign_in(&state, from, form).await,
        Err(problem) => Err(problem),
    };
    match signed_in {
        Ok(cookie) => with_cookie(
            Json(json!({"success": true, "message": "Login successful"})).into_response(),
            cookie,
        ),
        Err(problem) => problem.into_response(),
    }
}

async fn read_form(state: &AppState, request: Request) -> Result<Form, Problem> {
    // A sign-in from another site would put a person into somebody else's session.
    same_site(request.headers(), &state.site)?;
    let agent = agent(request.headers());
    read(&fields(request, state).await?, agent)
}

/// The cookie of the new session.
async fn try_sign_in(state: &AppState, ClientIp(from): ClientIp, form: Form) -> Result<HeaderValue, Problem> {
    let signed_in = state
        .login
        .sign_in(from, &form.username, form.password, form.agent);
    let id = signed_in.await?;
    Ok(session(&state.site, id.expose()))
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
