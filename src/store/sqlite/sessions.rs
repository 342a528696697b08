//! Browser sessions, under the hash of their ids.

use rusqlite::{OptionalExtension, Row, Transaction};

use super::{groups_from, groups_text, insert_event};
use crate::clock::Timestamp;
use crate::domain::audit::Event;
use crate::domain::identity::{OpenSession, Session};
use crate::store::{Error, SecretKey};

pub(super) fn insert(tx: &Transaction<'_>, key: SecretKey, session: &Session) -> Result<(), Error> {
    tx.execute(
        "DELETE FROM sessions WHERE expires_at <= ?1",
        [session.created_at.unix()],
    )?;
    tx.execute(
        "INSERT INTO sessions (key, username, groups, created_at, expires_at, provider, sealed, check_at, agent)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (
            key.as_slice(),
            &session.username,
            groups_text(&session.groups)?,
            session.created_at.unix(),
            session.expires_at.unix(),
            &session.provider,
            &session.sealed,
            session.check_at.map(Timestamp::unix),
            &session.agent,
        ),
    )?;
    Ok(())
}

const COLUMNS: &str = "username, groups, created_at, expires_at, provider, sealed, check_at, agent";

/// The session of a row, and its groups as they stand there; `from` is the first of [`COLUMNS`].
fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<(Session, String)> {
    let session = Session {
        username: row.get(from)?,
        groups: Vec::new(),
        created_at: Timestamp::from_unix(row.get(from + 2)?),
        expires_at: Timestamp::from_unix(row.get(from + 3)?),
        provider: row.get(from + 4)?,
        sealed: row.get(from + 5)?,
        check_at: row.get::<_, Option<i64>>(from + 6)?.map(Timestamp::from_unix),
        agent: row.get(from + 7)?,
    };
    Ok((session, row.get(from + 1)?))
}

fn with_groups((session, groups): (Session, String)) -> Result<Session, Error> {
    let groups = groups_from(&groups)?;
    Ok(Session { groups, ..session })
}

pub(super) fn find(tx: &Transaction<'_>, key: SecretKey, now: Timestamp) -> Result<Option<Session>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM sessions WHERE key = ?1 AND expires_at > ?2");
    let found = tx
        .query_row(&sql, (key.as_slice(), now.unix()), |row| read(row, 0))
        .optional()?;
    found.map(with_groups).transpose()
}

/// Sessions whose provider is to be asked by now: of each provider so many, the longest overdue first.
pub(super) fn to_check(
    tx: &Transaction<'_>,
    now: Timestamp,
    most: u32,
) -> Result<Vec<(SecretKey, Session)>, Error> {
    let sql = format!(
        "SELECT key, {COLUMNS} FROM (
           SELECT *, row_number() OVER (PARTITION BY provider ORDER BY check_at) AS place
           FROM sessions WHERE check_at <= ?1 AND expires_at > ?1
         ) WHERE place <= ?2 ORDER BY check_at"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map((now.unix(), most), |row| {
        Ok((row.get::<_, SecretKey>(0)?, read(row, 1)?))
    })?;
    rows.map(|row| row.map(|(key, row)| Ok((key, with_groups(row)?)))?)
        .collect()
}

/// Every session that can be asked about is asked about again.
pub(super) fn check_all(tx: &Transaction<'_>, now: Timestamp) -> Result<(), Error> {
    tx.execute(
        "UPDATE sessions SET check_at = min(check_at, ?1) WHERE check_at IS NOT NULL",
        [now.unix()],
    )?;
    Ok(())
}

/// What the provider said: the present groups, what to ask with next time, and when.
pub(super) fn keep(
    tx: &Transaction<'_>,
    key: SecretKey,
    groups: &[String],
    sealed: Option<&[u8]>,
    check_at: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "UPDATE sessions SET groups = ?2, sealed = ?3, check_at = ?4 WHERE key = ?1",
        (key.as_slice(), groups_text(groups)?, sealed, check_at.unix()),
    )?;
    Ok(())
}

pub(super) fn remove(tx: &Transaction<'_>, key: SecretKey) -> Result<(), Error> {
    tx.execute("DELETE FROM sessions WHERE key = ?1", [key.as_slice()])?;
    Ok(())
}

/// What a list calls a session: enough of its key to be alone, in lower-case hex.
const NAME: &str = "lower(hex(substr(key, 1, 12)))";
/// Whose it is, as [`Identity::account`](crate::domain::identity::Identity::account) says it.
pub(super) const ACCOUNT: &str = "iif(provider IS NULL, username, provider || ':' || username)";

pub(super) fn list(
    tx: &Transaction<'_>,
    username: Option<&str>,
    now: Timestamp,
    most: u32,
) -> Result<Vec<OpenSession>, Error> {
    let sql = format!(
        "SELECT {NAME}, {ACCOUNT}, created_at, expires_at, agent FROM sessions
         WHERE expires_at > ?1 AND (?2 IS NULL OR {ACCOUNT} = ?2) ORDER BY created_at DESC, key LIMIT ?3"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map((now.unix(), username, most), |row| {
        Ok(OpenSession {
            id: row.get(0)?,
            username: row.get(1)?,
            created_at: Timestamp::from_unix(row.get(2)?),
            expires_at: Timestamp::from_unix(row.get(3)?),
            agent: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn end(
    tx: &Transaction<'_>,
    id: &str,
    username: Option<&str>,
    event: &Event,
) -> Result<Option<String>, Error> {
    let sql = format!(
        "DELETE FROM sessions WHERE {NAME} = ?1 AND (?2 IS NULL OR {ACCOUNT} = ?2) RETURNING {ACCOUNT}"
    );
    let ended = tx.query_row(&sql, (id, username), |row| row.get(0)).optional()?;
    if ended.is_some() {
        insert_event(tx, event)?;
    }
    Ok(ended)
}
