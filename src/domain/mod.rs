//! Words and decisions: what a server, a caller and a right are.
//!
//! **Invariant:** nothing here waits or reads the world; it can be tested by calling a function.

pub mod access;
pub mod audit;
pub mod call;
pub mod catalog;
pub mod claims;
pub mod diff;
pub mod draft;
pub mod egress;
pub mod explain;
pub mod groups;
pub mod headers;
pub mod health;
pub mod held;
pub mod identity;
pub mod limit;
pub mod local_path;
pub mod own;
pub mod path;
pub mod policy;
pub mod regroup;
pub mod route;
pub mod scalar;
pub mod schema;
pub mod scope;
pub mod scope_document;
pub mod search;
pub mod secret;
pub mod server;
pub mod site;
pub mod tally;
pub mod token;
pub mod upstream;
pub mod usage;
mod yaml;

/// What a failure means, without a transport. Only `web::problem` knows statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request itself is wrong; saying it again will not help.
    Invalid,
    /// It is well formed, and does not fit the state of what it is about (400 in the contract).
    Refused,
    /// Nobody known is asking.
    Unauthenticated,
    /// Somebody known is asking for what they may not have.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// It clashes with what is there.
    Conflict,
    /// Too often; wait this many seconds.
    TooMany(u64),
    /// Something that is needed is away; trying again may help.
    Unavailable,
    /// A fault of ours.
    Internal,
}

/// One fault of one field of a request, in words for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldFault {
    /// The field's name as the caller wrote it.
    pub field: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl FieldFault {
    /// A fault of `field`.
    pub fn new(field: &str, message: impl std::fmt::Display) -> Self {
        Self {
            field: field.to_owned(),
            message: message.to_string(),
        }
    }
}

/// The words of an error and of everything behind it; template engines name file and line in the outermost.
pub fn all_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}
