//! Who is asking.

use axum::extract::{FromRef, FromRequestParts, OriginalUri};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};

use crate::service::callers::{Caller, Callers, Error};
use crate::web::extract::client_ip::ClientIp;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::Site;

/// Somebody known; 401 for everybody else.
#[derive(Debug)]
pub(crate) struct Member(pub(crate) Caller);

/// Somebody known; everybody else is sent to the sign-in page and comes back.
#[derive(Debug)]
pub(crate) struct PageMember(pub(crate) Caller);

async fn identify<S>(parts: &mut Parts, state: &S) -> Result<Caller, Error>
where
    S: Send + Sync,
    Callers: FromRef<S>,
    Site: FromRef<S>,
{
    let Ok(ClientIp(from)) = ClientIp::from_request_parts(parts, state).await;
    let caller = Callers::from_ref(state)
        .identify(&parts.headers, Some(from))
        .await?;
    // Whatever it reads or makes here would reach beyond the one server that the token is for.
    if caller.identity.bound_to.is_some() {
        return Err(Error::Bad("a token for one server alone"));
    }
    Ok(caller)
}

impl<S> FromRequestParts<S> for Member
where
    S: Send + Sync,
    Callers: FromRef<S>,
    Site: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(identify(parts, state).await?))
    }
}

impl<S> FromRequestParts<S> for PageMember
where
    S: Send + Sync,
    Callers: FromRef<S>,
    Site: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match identify(parts, state).await {
            Ok(caller) => Ok(Self(caller)),
            Err(error @ (Error::Away(_) | Error::Slowed(_))) => Err(Problem::from(error).into_response()),
            Err(Error::Nobody | Error::Bad(_)) => {
                let here = parts
                    .extensions
                    .get::<OriginalUri>()
                    .map_or(&parts.uri, |OriginalUri(uri)| uri);
                let here = here.path_and_query().map_or(links::HOME, |here| here.as_str());
                Err(Redirect::to(&links::login_with_next(here)).into_response())
            }
        }
    }
}

/// Whether the caller is a browser that wants a page.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(axum::http::header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .unwrap_or_default();
    accept.contains("text/html")
}

/// Whether our own script asks, for a part of the page.
pub(crate) fn is_partial(headers: &HeaderMap) -> bool {
    headers.contains_key("hx-request") && !headers.contains_key("hx-history-restore-request")
}
