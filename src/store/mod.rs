//! What must outlive the process, behind one trait.
//!
//! **Invariants:** one method is one transaction; the store is the truth, and nginx.conf, the routes and the feed are
//! made from it; a data folder from a newer version is refused, untouched.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod conformance_calls;
#[cfg(test)]
mod conformance_health;
#[cfg(test)]
mod conformance_identity;
#[cfg(test)]
mod conformance_vectors;
mod sqlite;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::clock::Timestamp;
use crate::domain::Kind;
use crate::domain::audit::Event;
use crate::domain::call::{self, Call, Filter, Place};
use crate::domain::catalog::{Kept, Plan, Version};
use crate::domain::health::{Health, Status};
use crate::domain::held::Which;
use crate::domain::identity::{Account, Machine, McpSession, OpenSession, PendingLogin, Session};
use crate::domain::path::ServerPath;
use crate::domain::scope_document::{ScopeChange, StoredScope};
use crate::domain::search::document::TextKey;
use crate::domain::server::{Profile, Revision, Server};
use crate::domain::token::{Inserted, Proof, Refresh, Taken, Token};
use crate::domain::usage::Tally;

/// Where the store is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The SQLite file; made when it is not there.
    pub file: PathBuf,
}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path clashes with a registered one.
    #[error("Server already exists: {0}")]
    Taken(ServerPath),
    /// The record is not the one any more that was looked at.
    #[error("somebody has changed it meanwhile; nothing was saved")]
    Changed,
    /// The file was written by a newer version.
    #[error(
        "the store is of a newer version: it is at step {found}, this program knows {known}; use the newer program"
    )]
    Newer {
        /// The file's step.
        found: i64,
        /// The newest step we know.
        known: i64,
    },
    /// Anything else.
    #[error("the store could not be used")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Taken(_) | Self::Changed => Kind::Conflict,
            Self::Newer { .. } => Kind::Internal,
            Self::Backend(_) => Kind::Unavailable,
        }
    }
}

/// What changed in the register after some revision.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Up to and with this revision.
    pub revision: Revision,
    /// Servers that are new or different, as they are now.
    pub changed: Vec<Server>,
    /// Paths that are gone.
    pub removed: Vec<ServerPath>,
}

/// What is done after a commit, even when whoever asked for the change has gone away meanwhile.
pub type After = Box<dyn FnOnce() + Send>;

/// One check, to be kept.
#[derive(Debug, Clone)]
pub struct Check {
    /// Of which server.
    pub path: String,
    /// What is known after it.
    pub health: Health,
    /// What it saw.
    pub seen: Status,
}

/// One check of before.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Past {
    /// When.
    pub at: Timestamp,
    /// What it saw, in the words of the feed.
    pub status: String,
    /// How long the first answer took, in milliseconds.
    pub latency_ms: Option<i64>,
}

/// As the store gives it back: times in whole seconds.
impl From<&Check> for Past {
    fn from(Check { health, seen, .. }: &Check) -> Self {
        Self {
            at: Timestamp::from_unix(health.checked_at.map_or(0, Timestamp::unix)),
            status: seen.words(),
            latency_ms: health.latency_ms(),
        }
    }
}

/// What lists that are cut may be of.
#[derive(Debug, Clone, Copy)]
pub enum Counted<'a> {
    /// Tokens of one person, or of all.
    Tokens(Option<&'a str>),
    /// Sessions of one person, or of all, that have not ended by then.
    Sessions(Option<&'a str>, Timestamp),
    /// Machine accounts.
    Machines,
}

/// What a list calls a session: enough of its key to be alone.
pub fn session_name(id: &str) -> String {
    hex::encode(secret_key(id).get(..12).unwrap_or_default())
}

/// The SHA-256 of a session id or refresh token: the store never holds the secret itself.
pub type SecretKey = [u8; 32];

/// What the store knows a secret of 256 random bits by.
pub fn secret_key(id: &str) -> SecretKey {
    Sha256::digest(id.as_bytes()).into()
}

/// Everything that is kept.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    // Servers.

    /// What changed after `since`; everything there is, for the revision 0.
    async fn changes_since(&self, since: Revision) -> Result<Changes, Error>;
    /// One server.
    async fn server(&self, path: &ServerPath) -> Result<Option<Server>, Error>;
    /// Keep a new server. A path that clashes is [`Error::Taken`].
    async fn insert_server(&self, server: Server, event: Event) -> Result<Revision, Error>;
    /// Replace what its owner says about a server and its sealed secrets, and the trust in it when given, as long as the
    /// record is still as it was `before`: else [`Error::Changed`]. `None`: there is no such server.
    async fn update_server(
        &self,
        before: &Server,
        profile: Profile,
        sealed: Option<Vec<u8>>,
        trusted: Option<bool>,
        event: Event,
    ) -> Result<Option<Revision>, Error>;
    /// Switch a server on or off. `None`: there is no such server.
    async fn switch_server(
        &self,
        path: &ServerPath,
        enabled: bool,
        event: Event,
    ) -> Result<Option<Revision>, Error>;
    /// Forget a server. `None`: there is no such server.
    async fn remove_server(&self, path: &ServerPath, event: Event) -> Result<Option<Revision>, Error>;
    /// What was done to a mount path or an account, newest first, at most so many.
    async fn events(&self, target: &str, most: u32) -> Result<Vec<Event>, Error>;
    /// The newest revision, and every newer one.
    fn revisions(&self) -> watch::Receiver<Revision>;

    // People.

    /// A local account.
    async fn account(&self, username: &str) -> Result<Option<Account>, Error>;
    /// The groups of each local account.
    async fn account_groups(&self) -> Result<Vec<Vec<String>>, Error>;
    /// Make or replace a local account; its sessions end. `false`: a machine has this name, and nothing is kept.
    async fn put_account(&self, account: Account, event: Event) -> Result<bool, Error>;
    /// Keep a session, and drop those that have ended by now.
    async fn insert_session(&self, key: SecretKey, session: Session) -> Result<(), Error>;
    /// A session that has not ended at `now`.
    async fn session(&self, key: SecretKey, now: Timestamp) -> Result<Option<Session>, Error>;
    /// Sessions of one person, or of all, that have not ended at `now`, newest first, at most so many.
    async fn sessions(
        &self,
        username: Option<&str>,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<OpenSession>, Error>;
    /// End a session by its name in the list, of this person alone if one is given; whose it was, if there was one.
    async fn end_session(
        &self,
        id: &str,
        username: Option<&str>,
        event: Event,
    ) -> Result<Option<String>, Error>;
    /// End a session. A second call does nothing.
    async fn remove_session(&self, key: SecretKey) -> Result<(), Error>;

    /// Keep a try to sign in at a provider; those that have ended go, and of too many the oldest.
    async fn insert_pending_login(
        &self,
        key: SecretKey,
        pending: PendingLogin,
        now: Timestamp,
    ) -> Result<(), Error>;
    /// Read such a try and forget it, in one step: a second call with the same key finds nothing.
    async fn take_pending_login(&self, key: SecretKey, now: Timestamp)
    -> Result<Option<PendingLogin>, Error>;
    /// Sessions whose provider is to be asked at `now`, the longest overdue first, at most so many of each provider.
    async fn sessions_to_check(&self, now: Timestamp, most: u32) -> Result<Vec<(SecretKey, Session)>, Error>;
    /// Ask the providers of all sessions again, from `now` on.
    async fn check_sessions(&self, now: Timestamp) -> Result<(), Error>;
    /// Keep what a provider said of a session: groups, what to ask with next time (sealed), and when.
    async fn keep_session(
        &self,
        key: SecretKey,
        groups: Vec<String>,
        sealed: Option<Vec<u8>>,
        check_at: Timestamp,
    ) -> Result<(), Error>;

    // Machines.

    /// Keep a new machine account; `false` when its name is taken by a machine or a person.
    async fn insert_machine(&self, machine: Machine, event: Event) -> Result<bool, Error>;
    /// A machine account.
    async fn machine(&self, client_id: &str) -> Result<Option<Machine>, Error>;
    /// Machine accounts by name, at most so many.
    async fn machines(&self, most: u32) -> Result<Vec<Machine>, Error>;
    /// Forget a machine account; whether there was one.
    async fn remove_machine(&self, client_id: &str, event: Event) -> Result<bool, Error>;

    // MCP sessions.

    /// Keep whose an MCP session is, or renew it; `false` when it is somebody else's. Of one principal at one server
    /// only the newest `most` are kept.
    async fn bind_mcp_session(
        &self,
        key: SecretKey,
        session: McpSession,
        now: Timestamp,
        most: u32,
    ) -> Result<bool, Error>;
    /// An MCP session that has not ended at `now`.
    async fn mcp_session(&self, key: SecretKey, now: Timestamp) -> Result<Option<McpSession>, Error>;

    // Tokens.

    /// Keep a vended token and, if there is one, the refresh token of its family; unless its owner has had `most`
    /// tokens since `from`, or what it continues has ended: its family, or the account or session of its `proof`.
    async fn insert_token(
        &self,
        token: Token,
        refresh: Option<(SecretKey, Refresh)>,
        limit: (Timestamp, u32),
        proof: Proof,
    ) -> Result<Inserted, Error>;
    /// Tokens of one person, or of all, newest first, at most so many.
    async fn tokens(&self, username: Option<&str>, most: u32) -> Result<Vec<Token>, Error>;
    /// How many there are of something whose lists are cut.
    async fn count(&self, what: Counted<'_>) -> Result<u64, Error>;
    /// One token.
    async fn token(&self, id: &str) -> Result<Option<Token>, Error>;
    /// Ids of tokens that were revoked and would still be good at `now`.
    async fn revoked_tokens(&self, now: Timestamp) -> Result<Vec<String>, Error>;
    /// End a family of tokens; the ids that ended.
    async fn revoke_family(&self, family: &str, event: Event) -> Result<Vec<String>, Error>;
    /// Use a refresh token up, in one step. A second call with the same one ends its family.
    async fn take_refresh(&self, key: SecretKey, now: Timestamp) -> Result<Taken, Error>;

    // Scopes.

    /// Everything that was made, changed or hidden through the API, by name.
    async fn scopes(&self) -> Result<Vec<StoredScope>, Error>;
    /// Change what is kept of some scopes, all or none.
    async fn write_scopes(&self, changes: Vec<(ScopeChange, Event)>, after: After) -> Result<(), Error>;

    // How servers are, and what they offer.

    /// Keep a batch of checks.
    async fn record_checks(&self, checks: Vec<Check>) -> Result<(), Error>;
    /// What is known of every server, by path.
    async fn health(&self) -> Result<Vec<(String, Health)>, Error>;
    /// The checks of a server since then, newest first, at most so many.
    async fn health_history(
        &self,
        path: &ServerPath,
        since: Timestamp,
        most: u32,
    ) -> Result<Vec<Past>, Error>;
    /// Forget checks of before, at most so many at once; how many there were.
    async fn forget_checks(&self, before: Timestamp, most: u32) -> Result<usize, Error>;
    /// Replace what is kept of a server's tools, prompts and resources, and remember the new versions.
    async fn put_catalog(&self, path: &str, plan: Plan) -> Result<(), Error>;
    /// What servers offer, of one or of all, by path.
    async fn catalog(&self, path: Option<&str>) -> Result<Vec<(String, Kept)>, Error>;
    /// Tools that the gate refuses until somebody approves them: path and name.
    async fn held_tools(&self) -> Result<Vec<(String, String)>, Error>;
    /// Names of the tools that servers offer, by path.
    async fn tool_names(&self) -> Result<Vec<(String, String)>, Error>;
    /// The versions of a server's entries, newest first, at most so many.
    async fn versions(&self, path: &ServerPath, most: u32) -> Result<Vec<Version>, Error>;
    /// Let what is held of these entries count from now on; how many there were.
    async fn approve(&self, path: &ServerPath, which: Which, event: Event) -> Result<usize, Error>;

    // Vectors of texts.

    /// Those that are kept of these texts, as this model made them.
    async fn vectors(&self, model: &str, digests: Vec<TextKey>) -> Result<Vec<(TextKey, Vec<f32>)>, Error>;
    /// Keep some.
    async fn put_vectors(&self, model: &str, vectors: Vec<(TextKey, Vec<f32>)>) -> Result<(), Error>;
    /// Forget all but these, and everything of other models, at most so many at once; how many there were.
    async fn trim_vectors(&self, model: &str, keep: HashSet<TextKey>, most: u32) -> Result<u32, Error>;

    // Calls.

    /// How far the files of the call log have been read.
    async fn call_places(&self) -> Result<Vec<Place>, Error>;
    /// Keep some calls, and the place behind them if a file has them, both or neither.
    async fn write_calls(&self, calls: Vec<Call>, place: Option<Place>) -> Result<(), Error>;
    /// Forget the places of all files but these.
    async fn keep_call_places(&self, files: Vec<u64>) -> Result<(), Error>;
    /// Remove calls before a moment, and the oldest beyond so many rows, at most some at once; how many went.
    async fn trim_calls(&self, before_ms: i64, most_rows: u64, at_once: u32) -> Result<u64, Error>;
    /// Calls between two places, without these, newest first, at most so many.
    async fn calls(&self, filter: Filter, between: (i64, i64), most: u32) -> Result<Vec<call::Kept>, Error>;
    /// Count calls, at most so many, newest first; whether these were all.
    async fn tally_calls(&self, filter: Filter, most: u32, tally: Tally) -> Result<(Tally, bool), Error>;

    // Small facts of the daemon's own (the demo servers' ports, which demos were registered).

    /// A fact.
    async fn fact(&self, key: &'static str) -> Result<Option<String>, Error>;
    /// Keep a fact.
    async fn put_fact(&self, key: &'static str, value: String) -> Result<(), Error>;
}

/// Open the store; blocks on the file, so call it before anything is served.
pub fn open(settings: &Settings) -> Result<Arc<dyn Store>, Error> {
    Ok(Arc::new(sqlite::Sqlite::open(&settings.file)?))
}
