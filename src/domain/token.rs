//! Vended tokens as the book keeps them: never the token itself, only what is said about it.

use serde::Serialize;

use crate::clock::Timestamp;

/// One vended token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Its `jti`.
    pub id: String,
    /// What it and its refreshes have in common.
    #[serde(skip)]
    pub family: String,
    /// Whose it is.
    pub username: String,
    /// Its scopes, separated by spaces.
    pub scope: String,
    /// What its owner wrote about it.
    pub description: Option<String>,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// What a refresh token stands for (RFC 6749 section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// The family it continues.
    pub family: String,
    /// Whose it is.
    pub username: String,
    /// The scopes of the family.
    pub scope: String,
    /// Groups at the first vending.
    pub groups: Vec<String>,
    /// How many hours each access token lives.
    pub hours: u8,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What must still hold while a new token is kept: it was true a while ago, and may have ended meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Nothing but its family.
    Family,
    /// There is a machine account of its owner's name.
    Machine,
    /// A session of its owner's is open, with this end and these groups.
    Session {
        /// When the session ends by itself.
        until: Timestamp,
        /// Groups of the session.
        groups: Vec<String>,
    },
}

/// What keeping a new token came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is kept.
    Kept,
    /// Its owner has had too many; the oldest of those is of this time.
    TooMany(Timestamp),
    /// Its family has been revoked meanwhile, or its [`Proof`] does not hold any more: it must not come into the world.
    Ended,
}

/// What using a refresh token came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It was good, and is used up now.
    Good(Refresh),
    /// It was used before: somebody has a copy. Its whole family is revoked now.
    Reused {
        /// The tokens that ended.
        revoked: Vec<String>,
    },
    /// Nobody knows it, or it has ended.
    Unknown,
}
