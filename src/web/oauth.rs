//! The token endpoint, and how the command line signs in through a browser or another device.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_SECURITY_POLICY, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::change::{Change, csrf_token, fields};
use super::extract::client_ip::ClientIp;
use super::extract::visitor::PageMember;
use super::layers;
use super::login::see_other;
use super::problem::Problem;
use super::state::AppState;
use super::ui::chrome;
use super::view::pages;
use crate::domain::draft::Draft;
use crate::domain::identity::{AuthMethod, Identity};
use crate::domain::secret::Secret;
use crate::domain::{FieldFault, Kind};
use crate::service::authorize::Loopback;
use crate::service::devices::Polled;
use crate::service::machines::{self, Known};
use crate::service::tokens::{self, Vended, Wish};

/// The grant of RFC 8628.
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What the command line asks a browser to bring.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    redirect_uri: String,
    state: String,
    code_challenge: String,
    code_challenge_method: String,
}

impl Asked {
    /// The address to answer to, if everything is as it must be.
    fn check(&self) -> Result<Loopback, Problem> {
        let fault = |field: &str, words: &str| Problem::fields(vec![FieldFault::new(field, words)]);
        if self.code_challenge_method != "S256" {
            return Err(fault("code_challenge_method", "expected `S256`"));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        if self.code_challenge.len() != 43 || !self.code_challenge.bytes().all(plain) {
            return Err(fault(
                "code_challenge",
                "expected the 43 characters of RFC 7636 section 4.2",
            ));
        }
        if self.state.len() > 200 {
            return Err(fault("state", "it may be at most 200 characters long"));
        }
        let words =
            "expected an address of this computer with a port, such as `http://127.0.0.1:4711/callback`";
        Loopback::parse(&self.redirect_uri).ok_or_else(|| fault("redirect_uri", words))
    }
}

/// `GET /oauth2/authorize`: ask the person, who may have been lured here.
pub(super) async fn authorize_page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(Problem::from)?;
    let redirect = asked.check()?;
    let page = pages::Authorize {
        chrome: chrome::stranger(&headers),
        user: caller.identity.username.clone(),
        redirect_uri: redirect.as_str().to_owned(),
        state: asked.state,
        code_challenge: asked.code_challenge,
        csrf_token: csrf_token(&headers).unwrap_or_default(),
    };
    let mut response = state.view.page(StatusCode::OK, &page);
    // The form leads on to the program that waits.
    let policy = layers::policy(&[redirect.origin()]);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// `POST /oauth2/authorize`: the person said yes.
pub(super) async fn authorize(State(state): State<AppState>, change: Change) -> Result<Response, Problem> {
    // Only a page of ours can have asked: a token cannot say yes for its person, and nor can another site.
    if !change.caller.by_cookie || !change.draft.0.contains_key("csrf_token") {
        return Err(Problem::new(
            Kind::Forbidden,
            "the form is not of this session; load the page again",
        ));
    }
    let asked: Asked = serde_json::from_value(Value::Object(change.draft.0))
        .map_err(|error| Problem::new(Kind::Invalid, error.to_string()))?;
    let redirect = asked.check()?;
    let code = state
        .authorize
        .code(change.caller.identity, &asked.code_challenge, redirect.clone());
    let code = code.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "no code could be made");
        Problem::new(
            Kind::Unavailable,
            "too many sign-ins at once; try again in a minute",
        )
    })?;
    Ok(see_other(&redirect.with_code(&code, &asked.state)))
}

/// `POST /api/auth/device` (RFC 8628 section 3.1), at the provider named or the first that can.
pub(super) async fn device(
    State(state): State<AppState>,
    ClientIp(from): ClientIp,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let draft = fields(request, &state).await?;
    let start = state.devices.begin(from, text(&draft, "provider")).await?;
    Ok(Json(json!({
        "device_code": start.device_code.expose(),
        "user_code": start.user_code,
        "verification_uri": start.verification_uri,
        "verification_uri_complete": start.verification_uri_complete,
        "expires_in": start.expires_in,
        "interval": start.interval,
    })))
}

/// A refusal of the token endpoint (RFC 6749 section 5.2).
struct Refused(StatusCode, &'static str, String);

fn refused(code: &'static str, words: impl Into<String>) -> Refused {
    Refused(StatusCode::BAD_REQUEST, code, words.into())
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(status, code, words) = self;
        let body = json!({"error": code, "error_description": words, "detail": words});
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let basic = HeaderValue::from_static("Basic realm=\"mcp\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, basic);
        }
        response
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        match problem.kind() {
            Kind::Unavailable | Kind::Internal => Self(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                problem.detail().to_owned(),
            ),
            _ => refused("invalid_request", problem.detail()),
        }
    }
}

impl From<tokens::Error> for Refused {
    fn from(error: tokens::Error) -> Self {
        match error {
            tokens::Error::NoGrant => refused("invalid_grant", error.to_string()),
            tokens::Error::Exceeds(_) | tokens::Error::Field("scopes", _) => {
                refused("invalid_scope", error.to_string())
            }
            tokens::Error::TooMany(..) => Self(StatusCode::TOO_MANY_REQUESTS, "slow_down", error.to_string()),
            error => Problem::from(error).into(),
        }
    }
}

fn text<'a>(draft: &'a Draft, field: &str) -> Option<&'a str> {
    let text = draft.0.get(field).and_then(Value::as_str);
    text.filter(|text| !text.is_empty())
}

fn required<'a>(draft: &'a Draft, field: &str) -> Result<&'a str, Refused> {
    text(draft, field).ok_or_else(|| refused("invalid_request", format!("`{field}` is required")))
}

/// `POST /api/auth/token`: refresh, authorization code, device code and client credentials (RFC 6749, RFC 8628).
pub(super) async fn token(State(state): State<AppState>, from: ClientIp, request: Request) -> Response {
    match grant(&state, from, request).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    }
}

async fn grant(state: &AppState, from: ClientIp, request: Request) -> Result<Response, Refused> {
    let basic = basic(request.headers())?;
    let draft = fields(request, state).await?;
    match required(&draft, "grant_type")? {
        "refresh_token" => {
            let token = Secret::new(required(&draft, "refresh_token")?.to_owned());
            Ok(granted(&state.tokens.refresh(&token).await?))
        }
        "authorization_code" => {
            let (code, verifier) = (required(&draft, "code")?, required(&draft, "code_verifier")?);
            let redirect = required(&draft, "redirect_uri")?;
            let identity = state.authorize.take(code, verifier, redirect);
            let identity = identity.ok_or_else(|| refused("invalid_grant", "the code is not valid"))?;
            vend(state, &identity).await
        }
        DEVICE_CODE => {
            let polled = state.devices.poll(required(&draft, "device_code")?).await;
            match polled.map_err(Problem::from)? {
                Polled::Done(signed_in) => {
                    let vouched = state.sign_in.watch(*signed_in).await.map_err(Problem::from)?;
                    let identity = vouched.identity(&state.rights.borrow().policy, AuthMethod::OAuth2);
                    vend(state, &identity).await
                }
                Polled::No(code) => Err(refused(code, "the sign-in is not done")),
            }
        }
        "client_credentials" => client_credentials(state, from, &draft, basic).await,
        _ => Err(refused(
            "unsupported_grant_type",
            "expected client_credentials, refresh_token, authorization_code or the device code's",
        )),
    }
}

async fn vend(state: &AppState, identity: &Identity) -> Result<Response, Refused> {
    let wish = Wish {
        description: Some("gatehouse login".to_owned()),
        ..Wish::default()
    };
    Ok(granted(&state.tokens.vend(identity, wish).await?))
}

fn no_client() -> Refused {
    let words = "the client is not known, or its secret is wrong".to_owned();
    Refused(StatusCode::UNAUTHORIZED, "invalid_client", words)
}

async fn client_credentials(
    state: &AppState,
    ClientIp(from): ClientIp,
    draft: &Draft,
    basic: Option<(String, Secret<String>)>,
) -> Result<Response, Refused> {
    let (id, secret) = match basic {
        Some(_) if text(draft, "client_secret").is_some() => {
            return Err(refused(
                "invalid_request",
                "expected one way to authenticate, and not two",
            ));
        }
        Some(pair) => pair,
        None => (
            required(draft, "client_id")?.to_owned(),
            Secret::new(required(draft, "client_secret")?.to_owned()),
        ),
    };
    if id.len() > 256 || secret.expose().len() > 1024 {
        return Err(refused(
            "invalid_request",
            "`client_id` or `client_secret` is too long",
        ));
    }
    let scopes = text(draft, "scope");
    let scopes: Option<BTreeSet<String>> =
        scopes.map(|line| line.split_whitespace().map(str::to_owned).collect());
    let known = state
        .machines
        .authenticate(from, &id, secret, scopes.as_ref())
        .await;
    let known = match known {
        Err(machines::Error::TooMany(seconds)) => {
            let words = machines::Error::TooMany(seconds).to_string();
            let mut response = Refused(StatusCode::TOO_MANY_REQUESTS, "slow_down", words).into_response();
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
            return Ok(response);
        }
        other => other.map_err(Problem::from)?.ok_or_else(no_client)?,
    };
    match known {
        Known::Ours(machine) => Ok(granted(&state.tokens.vend_machine(&machine, scopes).await?)),
        Known::Elsewhere(handed) => Ok(Json(json!({
            "access_token": handed.access_token.expose(),
            "token_type": "Bearer",
            "expires_in": handed.expires_in,
            "scope": handed.scope,
        }))
        .into_response()),
        Known::Refused("invalid_client") => Err(no_client()),
        Known::Refused(code) => Err(refused(code, "the identity provider refused")),
    }
}

/// Id and secret of `Authorization: Basic`, if there is one.
fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret<String>)>, Refused> {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match value.and_then(|value| value.split_once(' ')) {
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => {
            pair_of(pair).map(Some).ok_or_else(no_client)
        }
        _ => Ok(None),
    }
}

/// Each of the two is form-encoded (RFC 6749 section 2.3.1).
fn pair_of(pair: &str) -> Option<(String, Secret<String>)> {
    let pair = base64::prelude::BASE64_STANDARD.decode(pair.trim()).ok()?;
    let (id, secret) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    let decoded = |text: &str| {
        let spaces = text.replace('+', " ");
        let decoded = percent_encoding::percent_decode_str(&spaces).decode_utf8();
        decoded.ok().map(std::borrow::Cow::into_owned)
    };
    Some((decoded(id)?, Secret::new(decoded(secret)?)))
}

fn granted(vended: &Vended) -> Response {
    let claims = &vended.claims;
    let refresh = vended.refresh.as_ref();
    Json(json!({
        "access_token": vended.token.expose(),
        "token_type": "Bearer",
        "expires_in": claims.exp - claims.iat,
        "scope": claims.scope,
        "refresh_token": refresh.map(|(secret, _)| secret.expose()),
        "refresh_expires_in": refresh.map(|(_, seconds)| seconds),
    }))
    .into_response()
}
