//! How servers are and were.

use std::time::Duration;

use rusqlite::{Row, Transaction};

use crate::clock::Timestamp;
use crate::domain::health::{Health, Status, Transport};
use crate::store::{Check, Error, Past};

fn duration(millis: Option<i64>) -> Option<Duration> {
    millis
        .and_then(|ms| u64::try_from(ms).ok())
        .map(Duration::from_millis)
}

/// A batch of checks: what is known now, and one row of history each. A server that is gone by now is left out.
pub(super) fn record(tx: &Transaction<'_>, checks: &[Check]) -> Result<(), Error> {
    let mut exists = tx.prepare_cached("SELECT 1 FROM servers WHERE path = ?1")?;
    let mut now = tx.prepare_cached(
        "INSERT INTO health (path, status, reason, failures, successes, checked_at, changed_at, latency_ms, transport,
             tools, server_name, server_version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (path) DO UPDATE SET status = ?2, reason = ?3, failures = ?4, successes = ?5, checked_at = ?6,
             changed_at = ?7, latency_ms = ?8, transport = ?9, tools = ?10, server_name = ?11, server_version = ?12",
    )?;
    let mut past = tx.prepare_cached(
        "INSERT INTO health_history (path, at, status, reason, latency_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for check in checks {
        let (path, health) = (check.path.as_str(), &check.health);
        if !exists.exists([path])? {
            continue;
        }
        now.execute((
            path,
            health.status.word(),
            health.status.reason(),
            health.failures,
            health.successes,
            health.checked_at.map(Timestamp::unix),
            health.changed_at.map(Timestamp::unix),
            health.latency_ms(),
            health.transport.map(Transport::as_str),
            health.tools,
            &health.server_name,
            &health.server_version,
        ))?;
        let at = health.checked_at.map_or(0, Timestamp::unix);
        past.execute((
            path,
            at,
            check.seen.word(),
            check.seen.reason(),
            health.latency_ms(),
        ))?;
    }
    Ok(())
}

fn health(row: &Row<'_>) -> rusqlite::Result<(String, Health)> {
    let (word, reason): (String, String) = (row.get(1)?, row.get(2)?);
    let time = |seconds: Option<i64>| seconds.map(Timestamp::from_unix);
    let transport: Option<String> = row.get(8)?;
    Ok((
        row.get(0)?,
        Health {
            status: Status::from_parts(&word, &reason),
            failures: row.get(3)?,
            successes: row.get(4)?,
            checked_at: time(row.get(5)?),
            changed_at: time(row.get(6)?),
            latency: duration(row.get(7)?),
            transport: transport.as_deref().and_then(Transport::from_word),
            tools: row.get(9)?,
            server_name: row.get(10)?,
            server_version: row.get(11)?,
        },
    ))
}

pub(super) fn all(tx: &Transaction<'_>) -> Result<Vec<(String, Health)>, Error> {
    let mut statement = tx.prepare_cached(
        "SELECT path, status, reason, failures, successes, checked_at, changed_at, latency_ms, transport, tools,
             server_name, server_version
         FROM health",
    )?;
    let rows = statement.query_map((), health)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The newest checks of a server, newest first.
pub(super) fn history(
    tx: &Transaction<'_>,
    path: &str,
    since: Timestamp,
    most: u32,
) -> Result<Vec<Past>, Error> {
    let mut statement = tx.prepare_cached(
        "SELECT at, status, reason, latency_ms FROM health_history
         WHERE path = ?1 AND at >= ?2 ORDER BY at DESC, id DESC LIMIT ?3",
    )?;
    let rows = statement.query_map((path, since.unix(), most), |row| {
        let (word, reason): (String, String) = (row.get(1)?, row.get(2)?);
        Ok(Past {
            at: Timestamp::from_unix(row.get(0)?),
            status: Status::from_parts(&word, &reason).words(),
            latency_ms: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forget checks of before, at most so many at once; how many there were.
pub(super) fn forget(tx: &Transaction<'_>, before: Timestamp, most: u32) -> Result<usize, Error> {
    let sql = "DELETE FROM health_history WHERE id IN (SELECT id FROM health_history WHERE at < ?1 LIMIT ?2)";
    Ok(tx.execute(sql, (before.unix(), most))?)
}

/// What was known of a server that is removed.
pub(super) fn remove(tx: &Transaction<'_>, path: &str) -> Result<(), Error> {
    tx.execute("DELETE FROM health WHERE path = ?1", [path])?;
    tx.execute("DELETE FROM health_history WHERE path = ?1", [path])?;
    tx.execute("DELETE FROM catalog WHERE path = ?1", [path])?;
    tx.execute("DELETE FROM catalog_versions WHERE path = ?1", [path])?;
    Ok(())
}
