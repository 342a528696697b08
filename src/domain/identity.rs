//! Who is asking.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// How somebody proved who they are; the words of the contract, section 4.4 (`X-Auth-Method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// A browser session of a local account.
    Session,
    /// A token that we signed.
    SelfSigned,
}

impl AuthMethod {
    /// The word that goes into `X-Auth-Method`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::SelfSigned => "self_signed",
        }
    }
}

/// Somebody known, with everything that decides their rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name people know them by.
    pub username: String,
    /// The client they came through; empty when there is none.
    pub client_id: String,
    /// Groups as the identity provider or the account says.
    pub groups: Vec<String>,
    /// Scopes: what the groups map to, or what the token was given.
    pub scopes: BTreeSet<String>,
    /// How they proved it.
    pub method: AuthMethod,
    /// When the proof ends.
    pub until: Timestamp,
}

impl Identity {
    /// The name under which something may belong to them: the person, else the client.
    pub fn principal(&self) -> String {
        if self.username.is_empty() {
            format!("client {}", self.client_id)
        } else {
            format!("user {}", self.username)
        }
    }

    /// Scopes joined by spaces, as RFC 6749 section 3.3 writes them.
    pub fn scope_line(&self) -> String {
        self.scopes
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// Whose an MCP session of a legacy revision is. Sessions are not authentication, so each belongs to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpSession {
    /// At which server.
    pub server: String,
    /// [`Identity::principal`] of whoever opened it.
    pub principal: String,
    /// When it is forgotten; every use moves it.
    pub expires_at: Timestamp,
}

/// A browser session as the store keeps it, under the hash of its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose session it is.
    pub username: String,
    /// Their groups when they signed in.
    pub groups: Vec<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// A session in a list: it can be named and ended, but its id cannot be learnt from this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenSession {
    /// The beginning of the hash of its id, in hex.
    pub id: String,
    /// Whose session it is.
    pub username: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// A local account: for now the administrator that the first start makes.
#[derive(Debug, Clone)]
pub struct Account {
    /// The name to sign in with.
    pub username: String,
    /// argon2id in PHC form.
    pub password_hash: super::secret::Secret<String>,
    /// Groups that the policy maps to scopes.
    pub groups: Vec<String>,
}

/// A user or group name that may travel in a header and a log line.
///
/// One to 128 characters, no control characters, no spaces at the edges.
pub fn check_name(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.chars().count() > 128 {
        return Err("it must have 1 to 128 characters");
    }
    if text.chars().any(char::is_control) || text.trim() != text {
        return Err("it may hold no control characters and no spaces at its edges");
    }
    Ok(())
}
