//! SQLite: the store of one machine.

mod accounts;
mod audit;
mod calls;
mod catalog;
mod counts;
mod db;
mod health;
mod machines;
mod mcp_sessions;
mod pending_logins;
mod scopes;
mod servers;
mod sessions;
mod tokens;
mod vectors;

use std::collections::HashSet;
use std::path::Path;

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Transaction};
use tokio::sync::watch;

use self::audit::insert as insert_event;
use self::db::Db;
use super::{After, Changes, Check, Counted, Error, Past, SecretKey, Store};
use crate::clock::Timestamp;
use crate::domain::audit::Event;
use crate::domain::call::{self, Call, Filter, Place};
use crate::domain::catalog::{Kept, Plan, Version};
use crate::domain::health::Health;
use crate::domain::held::Which;
use crate::domain::identity::{Account, Machine, McpSession, OpenSession, PendingLogin, Session};
use crate::domain::path::ServerPath;
use crate::domain::scope_document::{ScopeChange, StoredScope};
use crate::domain::search::document::TextKey;
use crate::domain::server::{Profile, Revision, Server};
use crate::domain::token::{Inserted, Proof, Refresh, Taken, Token};
use crate::domain::usage::Tally;

#[derive(Debug)]
pub(super) struct Sqlite {
    db: Db,
    revisions: watch::Sender<Revision>,
}

impl Sqlite {
    pub(super) fn open(file: &Path) -> Result<Self, Error> {
        let db = Db::open(file)?;
        let (revisions, _) = watch::channel(db.newest_revision()?);
        Ok(Self { db, revisions })
    }

    /// Make a change of the register, and announce its revision.
    async fn change<T, F>(&self, work: F, revision_of: fn(&T) -> Option<Revision>) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Error> + Send + 'static,
    {
        let revisions = self.revisions.clone();
        let announce = move |changed: &T| {
            let Some(revision) = revision_of(changed) else {
                return;
            };
            revisions.send_if_modified(|newest| {
                let newer = revision > *newest;
                *newest = revision.max(*newest);
                newer
            });
        };
        self.db.write_then(work, announce).await
    }
}

/// Groups are a list in one column: they are never searched for.
fn groups_from(text: &str) -> Result<Vec<String>, Error> {
    serde_json::from_str(text).map_err(db::backend)
}

fn groups_text(groups: &[String]) -> Result<String, Error> {
    serde_json::to_string(groups).map_err(db::backend)
}

#[async_trait]
impl Store for Sqlite {
    async fn changes_since(&self, since: Revision) -> Result<Changes, Error> {
        self.db.read(move |tx| servers::changes_since(tx, since)).await
    }

    async fn events(&self, target: &str, most: u32) -> Result<Vec<Event>, Error> {
        let target = target.to_owned();
        self.db.read(move |tx| audit::list(tx, &target, most)).await
    }

    async fn server(&self, path: &ServerPath) -> Result<Option<Server>, Error> {
        let path = path.clone();
        self.db.read(move |tx| servers::find(tx, &path)).await
    }

    async fn insert_server(&self, server: Server, event: Event) -> Result<Revision, Error> {
        self.change(
            move |tx| servers::insert(tx, &server, &event),
            |revision| Some(*revision),
        )
        .await
    }

    async fn update_server(
        &self,
        before: &Server,
        profile: Profile,
        sealed: Option<Vec<u8>>,
        trusted: Option<bool>,
        event: Event,
    ) -> Result<Option<Revision>, Error> {
        let before = (before.path.clone(), before.etag());
        self.change(
            move |tx| servers::update(tx, &before, (&profile, sealed.as_deref()), trusted, &event),
            |revision| *revision,
        )
        .await
    }

    async fn switch_server(
        &self,
        path: &ServerPath,
        enabled: bool,
        event: Event,
    ) -> Result<Option<Revision>, Error> {
        let path = path.clone();
        self.change(
            move |tx| servers::switch(tx, &path, enabled, &event),
            |revision| *revision,
        )
        .await
    }

    async fn remove_server(&self, path: &ServerPath, event: Event) -> Result<Option<Revision>, Error> {
        let path = path.clone();
        self.change(move |tx| servers::remove(tx, &path, &event), |revision| *revision)
            .await
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.revisions.subscribe()
    }

    async fn account(&self, username: &str) -> Result<Option<Account>, Error> {
        let username = username.to_owned();
        self.db.read(move |tx| accounts::find(tx, &username)).await
    }

    async fn account_groups(&self) -> Result<Vec<Vec<String>>, Error> {
        self.db.read(accounts::groups).await
    }

    async fn put_account(&self, account: Account, event: Event) -> Result<bool, Error> {
        self.db.write(move |tx| accounts::put(tx, &account, &event)).await
    }

    async fn insert_session(&self, key: SecretKey, session: Session) -> Result<(), Error> {
        self.db.write(move |tx| sessions::insert(tx, key, &session)).await
    }

    async fn session(&self, key: SecretKey, now: Timestamp) -> Result<Option<Session>, Error> {
        self.db.read(move |tx| sessions::find(tx, key, now)).await
    }

    async fn sessions(
        &self,
        username: Option<&str>,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<OpenSession>, Error> {
        let username = username.map(str::to_owned);
        self.db
            .read(move |tx| sessions::list(tx, username.as_deref(), now, most))
            .await
    }

    async fn end_session(
        &self,
        id: &str,
        username: Option<&str>,
        event: Event,
    ) -> Result<Option<String>, Error> {
        let (id, username) = (id.to_owned(), username.map(str::to_owned));
        self.db
            .write(move |tx| sessions::end(tx, &id, username.as_deref(), &event))
            .await
    }

    async fn remove_session(&self, key: SecretKey) -> Result<(), Error> {
        self.db.write(move |tx| sessions::remove(tx, key)).await
    }

    async fn insert_pending_login(
        &self,
        key: SecretKey,
        pending: PendingLogin,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.db
            .write(move |tx| pending_logins::insert(tx, key, &pending, now))
            .await
    }

    async fn take_pending_login(
        &self,
        key: SecretKey,
        now: Timestamp,
    ) -> Result<Option<PendingLogin>, Error> {
        self.db.write(move |tx| pending_logins::take(tx, key, now)).await
    }

    async fn sessions_to_check(&self, now: Timestamp, most: u32) -> Result<Vec<(SecretKey, Session)>, Error> {
        self.db.read(move |tx| sessions::to_check(tx, now, most)).await
    }

    async fn check_sessions(&self, now: Timestamp) -> Result<(), Error> {
        self.db.write(move |tx| sessions::check_all(tx, now)).await
    }

    async fn keep_session(
        &self,
        key: SecretKey,
        groups: Vec<String>,
        sealed: Option<Vec<u8>>,
        check_at: Timestamp,
    ) -> Result<(), Error> {
        self.db
            .write(move |tx| sessions::keep(tx, key, &groups, sealed.as_deref(), check_at))
            .await
    }

    async fn insert_machine(&self, machine: Machine, event: Event) -> Result<bool, Error> {
        self.db
            .write(move |tx| machines::insert(tx, &machine, &event))
            .await
    }

    async fn machine(&self, client_id: &str) -> Result<Option<Machine>, Error> {
        let client_id = client_id.to_owned();
        self.db.read(move |tx| machines::find(tx, &client_id)).await
    }

    async fn machines(&self, most: u32) -> Result<Vec<Machine>, Error> {
        self.db.read(move |tx| machines::list(tx, most)).await
    }

    async fn remove_machine(&self, client_id: &str, event: Event) -> Result<bool, Error> {
        let client_id = client_id.to_owned();
        self.db
            .write(move |tx| machines::remove(tx, &client_id, &event))
            .await
    }

    async fn bind_mcp_session(
        &self,
        key: SecretKey,
        session: McpSession,
        now: Timestamp,
        most: u32,
    ) -> Result<bool, Error> {
        self.db
            .write(move |tx| mcp_sessions::bind(tx, key, &session, now, most))
            .await
    }

    async fn mcp_session(&self, key: SecretKey, now: Timestamp) -> Result<Option<McpSession>, Error> {
        self.db.read(move |tx| mcp_sessions::find(tx, key, now)).await
    }

    async fn insert_token(
        &self,
        token: Token,
        refresh: Option<(SecretKey, Refresh)>,
        limit: (Timestamp, u32),
        proof: Proof,
    ) -> Result<Inserted, Error> {
        self.db
            .write(move |tx| tokens::insert(tx, &token, refresh.as_ref(), limit, &proof))
            .await
    }

    async fn tokens(&self, username: Option<&str>, most: u32) -> Result<Vec<Token>, Error> {
        let username = username.map(str::to_owned);
        self.db
            .read(move |tx| tokens::list(tx, username.as_deref(), most))
            .await
    }

    async fn count(&self, what: Counted<'_>) -> Result<u64, Error> {
        let (sql, answers) = counts::question(what);
        self.db.read(move |tx| counts::count(tx, &sql, answers)).await
    }

    async fn token(&self, id: &str) -> Result<Option<Token>, Error> {
        let id = id.to_owned();
        self.db.read(move |tx| tokens::find(tx, &id)).await
    }

    async fn revoked_tokens(&self, now: Timestamp) -> Result<Vec<String>, Error> {
        self.db.read(move |tx| tokens::revoked(tx, now)).await
    }

    async fn revoke_family(&self, family: &str, event: Event) -> Result<Vec<String>, Error> {
        let family = family.to_owned();
        let work = move |tx: &Transaction<'_>| {
            let ids = tokens::revoke_family(tx, &family, event.at)?;
            insert_event(tx, &event)?;
            Ok(ids)
        };
        self.db.write(work).await
    }

    async fn take_refresh(&self, key: SecretKey, now: Timestamp) -> Result<Taken, Error> {
        self.db.write(move |tx| tokens::take_refresh(tx, key, now)).await
    }

    async fn scopes(&self) -> Result<Vec<StoredScope>, Error> {
        self.db.read(scopes::all).await
    }

    async fn write_scopes(&self, changes: Vec<(ScopeChange, Event)>, after: After) -> Result<(), Error> {
        self.db
            .write_then(move |tx| scopes::write(tx, &changes), move |()| after())
            .await
    }

    async fn record_checks(&self, checks: Vec<Check>) -> Result<(), Error> {
        self.db.write(move |tx| health::record(tx, &checks)).await
    }

    async fn health(&self) -> Result<Vec<(String, Health)>, Error> {
        self.db.read(health::all).await
    }

    async fn health_history(
        &self,
        path: &ServerPath,
        since: Timestamp,
        most: u32,
    ) -> Result<Vec<Past>, Error> {
        let path = path.clone();
        self.db
            .read(move |tx| health::history(tx, path.as_str(), since, most))
            .await
    }

    async fn forget_checks(&self, before: Timestamp, most: u32) -> Result<usize, Error> {
        self.db.write(move |tx| health::forget(tx, before, most)).await
    }

    async fn put_catalog(&self, path: &str, plan: Plan) -> Result<(), Error> {
        let path = path.to_owned();
        self.db.write(move |tx| catalog::put(tx, &path, &plan)).await
    }

    async fn catalog(&self, path: Option<&str>) -> Result<Vec<(String, Kept)>, Error> {
        let path = path.map(str::to_owned);
        self.db.read(move |tx| catalog::list(tx, path.as_deref())).await
    }

    async fn held_tools(&self) -> Result<Vec<(String, String)>, Error> {
        self.db.read(catalog::held).await
    }

    async fn tool_names(&self) -> Result<Vec<(String, String)>, Error> {
        self.db.read(catalog::tool_names).await
    }

    async fn versions(&self, path: &ServerPath, most: u32) -> Result<Vec<Version>, Error> {
        let path = path.clone();
        self.db
            .read(move |tx| catalog::versions(tx, path.as_str(), most))
            .await
    }

    async fn approve(&self, path: &ServerPath, which: Which, event: Event) -> Result<usize, Error> {
        let path = path.clone();
        self.db
            .write(move |tx| catalog::approve(tx, path.as_str(), &which, &event))
            .await
    }

    async fn vectors(&self, model: &str, digests: Vec<TextKey>) -> Result<Vec<(TextKey, Vec<f32>)>, Error> {
        let model = model.to_owned();
        self.db.read(move |tx| vectors::find(tx, &model, &digests)).await
    }

    async fn put_vectors(&self, model: &str, vectors: Vec<(TextKey, Vec<f32>)>) -> Result<(), Error> {
        let model = model.to_owned();
        self.db.write(move |tx| vectors::put(tx, &model, &vectors)).await
    }

    async fn trim_vectors(&self, model: &str, keep: HashSet<TextKey>, most: u32) -> Result<u32, Error> {
        let model = model.to_owned();
        self.db
            .write(move |tx| vectors::trim(tx, &model, &keep, most))
            .await
    }

    async fn call_places(&self) -> Result<Vec<Place>, Error> {
        self.db.read(calls::places).await
    }

    async fn write_calls(&self, calls: Vec<Call>, place: Option<Place>) -> Result<(), Error> {
        self.db.write(move |tx| calls::write(tx, &calls, place)).await
    }

    async fn keep_call_places(&self, files: Vec<u64>) -> Result<(), Error> {
        self.db.write(move |tx| calls::keep_places(tx, &files)).await
    }

    async fn trim_calls(&self, before_ms: i64, most_rows: u64, at_once: u32) -> Result<u64, Error> {
        self.db
            .write(move |tx| calls::trim(tx, before_ms, most_rows, at_once))
            .await
    }

    async fn calls(&self, filter: Filter, between: (i64, i64), most: u32) -> Result<Vec<call::Kept>, Error> {
        self.db
            .read(move |tx| calls::list(tx, &filter, between, most))
            .await
    }

    async fn tally_calls(&self, filter: Filter, most: u32, tally: Tally) -> Result<(Tally, bool), Error> {
        self.db
            .read(move |tx| calls::tally(tx, &filter, most, tally))
            .await
    }

    async fn fact(&self, key: &'static str) -> Result<Option<String>, Error> {
        let sql = "SELECT value FROM facts WHERE key = ?1";
        self.db
            .read(move |tx| Ok(tx.query_row(sql, [key], |row| row.get(0)).optional()?))
            .await
    }

    async fn put_fact(&self, key: &'static str, value: String) -> Result<(), Error> {
        let sql = "INSERT INTO facts (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
        self.db
            .write(move |tx| Ok(tx.execute(sql, (key, value)).map(drop)?))
            .await
    }
}
