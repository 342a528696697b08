//! A request that changes something: who sends it, that they mean it, and what they wrote.
//!
//! **Invariant:** a change that a cookie authenticates does not pass when the browser says that another site sent it,
//! or when the form's token is not this session's.

use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::domain::Kind;
use crate::domain::draft::Draft;
use crate::service::callers::{self, Caller, Callers, session_cookie};
use crate::web::extract::visitor::Member;
use crate::web::problem::Problem;
use crate::web::state::Site;

/// What somebody known wrote, as a form or as JSON.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) caller: Caller,
    pub(crate) draft: Draft,
    /// What else came with it: how its sender likes to look at pages, where it was sent from.
    pub(crate) headers: HeaderMap,
    /// Whether a page should answer: a browser's form.
    pub(crate) from_page: bool,
}

impl<S> FromRequest<S> for Change
where
    S: Send + Sync,
    Callers: FromRef<S>,
    Site: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Member(caller) = Member::from_request_parts(&mut parts, state).await?;
        let headers = parts.headers.clone();
        let request = Request::from_parts(parts, body);
        if caller.by_cookie {
            same_site(&headers, &Site::from_ref(state))?;
        }
        let draft = fields(request, state).await?;
        if caller.by_cookie
            && let Some(token) = draft.0.get("csrf_token")
            && token.as_str() != csrf_token(&headers).as_deref()
        {
            return Err(Problem::new(
                Kind::Forbidden,
                "the form is not of this session; load the page again",
            ));
        }
        Ok(Self {
            caller,
            draft,
            from_page: super::visitor::wants_page(&headers),
            headers,
        })
    }
}

/// Refuse what a browser says comes from elsewhere. When it says nothing (curl with a cookie jar), it passes.
pub(crate) fn same_site(headers: &HeaderMap, site: &Site) -> Result<(), Problem> {
    if callers::sender(headers).is_this_site(&site.public_url) {
        return Ok(());
    }
    Err(Problem::new(
        Kind::Forbidden,
        "the change was sent by another site",
    ))
}

/// The token of this session's forms: a hash of the session id, which pages of other sites cannot read.
pub(crate) fn csrf_token(headers: &HeaderMap) -> Option<String> {
    let id = session_cookie(headers).ok()??;
    let digest = Sha256::digest(format!("form:{id}"));
    Some(hex::encode(digest.get(..16)?))
}

/// The fields of a form or a JSON object.
pub(crate) async fn fields<S: Send + Sync>(request: Request, state: &S) -> Result<Draft, Problem> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let essence = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let body = Bytes::from_request(request, state).await;
    let body =
        body.map_err(|_| Problem::new(Kind::Invalid, "the body is too large or broke off; at most 1 MiB"))?;
    match essence.as_str() {
        // A DELETE of many clients says what it would send, and sends nothing.
        _ if body.is_empty() => Ok(Draft::default()),
        "application/json" => {
            let value: Value = serde_json::from_slice(&body).map_err(|error| {
                Problem::new(Kind::Invalid, format!("Invalid JSON in request body: {error}"))
            })?;
            match value {
                Value::Object(map) => Ok(Draft(map)),
                _ => Err(Problem::new(Kind::Invalid, "expected a JSON object")),
            }
        }
        "application/x-www-form-urlencoded" => {
            let pairs = serde_urlencoded::from_bytes(&body);
            pairs
                .map(Draft::from_pairs)
                .map_err(|error| Problem::new(Kind::Invalid, format!("invalid form: {error}")))
        }
        _ => Err(Problem::new(
            Kind::Invalid,
            "expected a body of `application/json` or `application/x-www-form-urlencoded`",
        )),
    }
}
