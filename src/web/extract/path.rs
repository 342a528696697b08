//! A server's path in an address.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::domain::Kind;
use crate::domain::path::ServerPath;
use crate::web::problem::Problem;

/// The rest of the address, decoded, as it stands behind the route.
#[derive(Debug)]
pub(crate) struct Rest(pub(crate) String);

/// A mount path. What cannot be one is not registered either.
#[derive(Debug)]
pub(crate) struct Mount(pub(crate) ServerPath);

impl<S: Send + Sync> FromRequestParts<S> for Rest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let rest = Path::<String>::from_request_parts(parts, state).await;
        rest.map(|Path(rest)| Self(rest))
            .map_err(|_| Problem::new(Kind::NotFound, "Service path not registered"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Mount {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Rest(rest) = Rest::from_request_parts(parts, state).await?;
        ServerPath::of_known(&rest)
            .map(Self)
            .map_err(|_| Problem::new(Kind::NotFound, "Service path not registered"))
    }
}
