//! Why a call does not go on, and what its caller is told.

use http::HeaderValue;
use serde_json::Value;

use super::callers::Error as CallerError;

/// Why a call does not go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Which kind of no.
    pub reason: Reason,
    /// For the caller.
    pub message: String,
    /// The JSON-RPC id, where one could be read.
    pub id: Value,
    /// Scopes that would help, for the challenge; none when no scope would.
    pub scopes: Vec<String>,
    /// Where it is written who issues tokens (RFC 9728 section 5.1).
    pub metadata: Option<Box<str>>,
    /// What the call log says of it.
    pub said: Option<Box<HeaderValue>>,
}

/// Kinds of no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A header or path that means two things.
    Ambiguous,
    /// Too many headers.
    TooLarge,
    /// Nobody known.
    Unauthenticated,
    /// No server is mounted there, or it is switched off.
    Unknown,
    /// The MCP session is not the caller's, or is none.
    NoSession,
    /// Their scopes do not allow it.
    Denied,
    /// Not `application/json` in UTF-8 without an encoding.
    MediaType,
    /// Not one plain JSON-RPC message; the JSON-RPC code.
    Message(i32),
    /// Too many invalid credentials from there; wait so many seconds.
    Slowed(u64),
    /// The gate cannot decide now.
    Away,
}

pub(super) fn refuse(reason: Reason, message: impl Into<String>) -> Refusal {
    Refusal {
        reason,
        message: message.into(),
        id: Value::Null,
        scopes: Vec::new(),
        metadata: None,
        said: None,
    }
}

pub(super) fn no_server() -> Refusal {
    refuse(Reason::Unknown, "no server is mounted here")
}

/// Word for word the same for what is denied and for what does not exist.
pub(super) fn denied(scopes: &[&str]) -> Refusal {
    Refusal {
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        ..refuse(Reason::Denied, "your scopes do not allow this")
    }
}

/// Somebody else's session and none look the same; a client that hears 404 opens a new one (MCP 2025-11-25,
/// session management).
pub(super) fn no_session() -> Refusal {
    refuse(Reason::NoSession, "no such session; initialize again")
}

pub(super) fn away(error: &(dyn std::error::Error + 'static)) -> Refusal {
    tracing::error!(error, "a session could not be checked");
    refuse(Reason::Away, "the gate cannot decide now")
}

pub(super) fn unknown_caller(error: CallerError) -> Refusal {
    match error {
        CallerError::Nobody | CallerError::Bad(_) => {
            refuse(Reason::Unauthenticated, "a valid token is needed")
        }
        CallerError::Slowed(seconds) => refuse(Reason::Slowed(seconds), error.to_string()),
        CallerError::Away(ref error) => away(error.as_ref()),
    }
}
