//! What an address asks of a page.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// The questions of an address, which is anybody's to write: those that cannot be read are as if nothing was asked.
#[derive(Debug)]
pub(crate) struct Questions<T>(pub(crate) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequestParts<S> for Questions<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let asked = Query::from_request_parts(parts, state).await;
        Ok(Self(asked.map(|Query(asked)| asked).unwrap_or_default()))
    }
}
