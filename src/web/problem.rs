//! Refusals: the one place where a [`Kind`] becomes a status.
//!
//! RFC 9457 problem JSON, with `detail` where clients of earlier systems look for it; forms show faults beside their field.
//! The cause is logged once, here, and never sent.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::domain::groups::Refused;
use crate::domain::{FieldFault, Kind};
use crate::service::{
    callers, catalog, devices, explain, login, machines, registry, scopes, search, sign_in, tokens, trial,
    usage,
};

/// A failure on its way to the caller.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    faults: Vec<FieldFault>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            faults: Vec::new(),
        }
    }

    /// What earlier systems answer with 400: right in form, and wrong for this server.
    pub(crate) fn bad_request(detail: &str) -> Self {
        Self::new(Kind::Refused, detail)
    }

    /// Faults of fields, all at once.
    pub(crate) fn fields(faults: Vec<FieldFault>) -> Self {
        let words: Vec<String> = faults
            .iter()
            .map(|fault| format!("{}: {}", fault.field, fault.message))
            .collect();
        Self {
            kind: Kind::Invalid,
            detail: words.join("; "),
            faults,
        }
    }

    /// The same with the status of [`Self::bad_request`].
    pub(crate) fn refused(self) -> Self {
        Self {
            kind: Kind::Refused,
            ..self
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn faults(&self) -> &[FieldFault] {
        &self.faults
    }
}

/// Status and stable code of a kind.
pub(crate) fn status(kind: Kind) -> (StatusCode, &'static str) {
    match kind {
        Kind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
        Kind::Refused => (StatusCode::BAD_REQUEST, "refused"),
        Kind::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
        Kind::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
        Kind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        Kind::Conflict => (StatusCode::CONFLICT, "conflict"),
        Kind::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many"),
        Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code) = status(self.kind);
        let mut body = json!({
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "code": code,
            "detail": &self.detail,
            "error": &self.detail,
        });
        if let (false, Some(body)) = (self.faults.is_empty(), body.as_object_mut()) {
            body.insert("errors".to_owned(), json!(self.faults));
        }
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match self.kind {
            Kind::Unauthenticated => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"mcp\""),
                );
            }
            Kind::TooMany(seconds) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Kind::Unavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            Kind::Invalid
            | Kind::Refused
            | Kind::Forbidden
            | Kind::NotFound
            | Kind::Conflict
            | Kind::Internal => {}
        }
        // A browser is shown a page instead (`layers`).
        response.extensions_mut().insert(self);
        response
    }
}

/// A part's error by its kind; faults of ours are logged, and only their outermost words are sent.
fn by_kind(kind: Kind, error: &(dyn std::error::Error + 'static)) -> Problem {
    if matches!(kind, Kind::Internal | Kind::Unavailable) {
        tracing::error!(error = error, "a request failed");
    }
    Problem::new(kind, error.to_string())
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(&rejection.body_text())
    }
}

impl From<registry::Error> for Problem {
    fn from(error: registry::Error) -> Self {
        match error {
            registry::Error::Field(fault) => Self::fields(vec![fault]),
            other => by_kind(other.kind(), &other),
        }
    }
}

impl From<scopes::Error> for Problem {
    fn from(error: scopes::Error) -> Self {
        match error {
            scopes::Error::Fields(faults) => Self::fields(faults),
            scopes::Error::Refused(Refused::Field(fault)) => Self::fields(vec![fault]),
            other => by_kind(other.kind(), &other),
        }
    }
}

impl From<explain::Error> for Problem {
    fn from(error: explain::Error) -> Self {
        match error {
            explain::Error::Field(fault) => Self::fields(vec![fault]),
            other => by_kind(other.kind(), &other),
        }
    }
}

impl From<usage::Error> for Problem {
    fn from(error: usage::Error) -> Self {
        match error {
            usage::Error::Fields(faults) => Self::fields(faults),
            other => by_kind(other.kind(), &other),
        }
    }
}

impl From<callers::Error> for Problem {
    fn from(error: callers::Error) -> Self {
        by_kind(error.kind(), &error)
    }
}

impl From<login::Error> for Problem {
    fn from(error: login::Error) -> Self {
        by_kind(error.kind(), &error)
    }
}

impl From<sign_in::Error> for Problem {
    fn from(error: sign_in::Error) -> Self {
        by_kind(error.kind(), &error)
    }
}

impl From<devices::Error> for Problem {
    fn from(error: devices::Error) -> Self {
        by_kind(error.kind(), &error)
    }
}

impl From<machines::Error> for Problem {
    fn from(error: machines::Error) -> Self {
        match error {
            machines::Error::Field(field, message) => Self::fields(vec![FieldFault::new(field, message)]),
            other => by_kind(other.kind(), &other),
        }
    }
}

impl From<search::Error> for Problem {
    fn from(error: search::Error) -> Self {
        match &error {
            // A crowd is no fault.
            search::Error::Busy => Self::new(error.kind(), error.to_string()),
            search::Error::Store(_) => by_kind(error.kind(), &error),
        }
    }
}

impl From<catalog::Error> for Problem {
    fn from(error: catalog::Error) -> Self {
        by_kind(error.kind(), &error)
    }
}

impl From<trial::Error> for Problem {
    fn from(error: trial::Error) -> Self {
        // What a stranger's server does is no failure of ours, and nothing for the log.
        Self::new(error.kind(), error.to_string())
    }
}

impl From<tokens::Error> for Problem {
    fn from(error: tokens::Error) -> Self {
        match error {
            tokens::Error::Field(field, message) => Self::fields(vec![FieldFault::new(field, message)]),
            other => by_kind(other.kind(), &other),
        }
    }
}

pub(super) async fn no_such_page(uri: Uri) -> Problem {
    Problem::new(Kind::NotFound, format!("there is nothing at `{}`", uri.path()))
}

pub(super) async fn wrong_method(method: Method, uri: Uri) -> Response {
    let mut response =
        Problem::new(Kind::NotFound, format!("`{method}` is not for `{}`", uri.path())).into_response();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}
