//! Browser sessions, under the hash of their ids.

use rusqlite::{OptionalExtension, Transaction};

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
        "INSERT INTO sessions (key, username, groups, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        (
            key.as_slice(),
            &session.username,
            groups_text(&session.groups)?,
            session.created_at.unix(),
            session.expires_at.unix(),
        ),
    )?;
    Ok(())
}

pub(super) fn find(tx: &Transaction<'_>, key: SecretKey, now: Timestamp) -> Result<Option<Session>, Error> {
    let sql =
        "SELECT username, groups, created_at, expires_at FROM sessions WHERE key = ?1 AND expires_at > ?2";
    let row = tx
        .query_row(sql, (key.as_slice(), now.unix()), |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((username, groups, created, expires)) = row else {
        return Ok(None);
    };
    Ok(Some(Session {
        username,
        groups: groups_from(&groups)?,
        created_at: Timestamp::from_unix(created),
        expires_at: Timestamp::from_unix(expires),
    }))
}

pub(super) fn remove(tx: &Transaction<'_>, key: SecretKey) -> Result<(), Error> {
    tx.execute("DELETE FROM sessions WHERE key = ?1", [key.as_slice()])?;
    Ok(())
}

/// What a list calls a session: enough of its key to be alone, in lower-case hex.
const NAME: &str = "lower(hex(substr(key, 1, 12)))";

pub(super) fn list(
    tx: &Transaction<'_>,
    username: Option<&str>,
    now: Timestamp,
    most: u32,
) -> Result<Vec<OpenSession>, Error> {
    let sql = format!(
        "SELECT {NAME}, username, created_at, expires_at FROM sessions
         WHERE expires_at > ?1 AND (?2 IS NULL OR username = ?2) ORDER BY created_at DESC, key LIMIT ?3"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map((now.unix(), username, most), |row| {
        Ok(OpenSession {
            id: row.get(0)?,
            username: row.get(1)?,
            created_at: Timestamp::from_unix(row.get(2)?),
            expires_at: Timestamp::from_unix(row.get(3)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn end(
    tx: &Transaction<'_>,
    id: &str,
    username: Option<&str>,
    event: &Event,
) -> Result<bool, Error> {
    let sql = format!("DELETE FROM sessions WHERE {NAME} = ?1 AND (?2 IS NULL OR username = ?2)");
    let ended = tx.execute(&sql, (id, username))? > 0;
    if ended {
        insert_event(tx, event)?;
    }
    Ok(ended)
}
