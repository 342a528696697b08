//! The register's rows.

use rusqlite::{OptionalExtension, Row, Transaction};

use super::db::backend;
use super::insert_event;
use crate::clock::Timestamp;
use crate::domain::audit::{Deed, Event};
use crate::domain::path::ServerPath;
use crate::domain::server::{Profile, Revision, Server};
use crate::store::{Changes, Error};

const COLUMNS: &str = "path, profile, enabled, trusted, registered_by, registered_at, updated_at, sealed";

/// Rows are outside input too: they are parsed like a request.
fn server_from(row: &Row<'_>) -> Result<Server, Error> {
    let path: String = row.get(0)?;
    let profile: String = row.get(1)?;
    Ok(Server {
        path: path.parse().map_err(backend)?,
        profile: serde_json::from_str(&profile).map_err(backend)?,
        enabled: row.get(2)?,
        trusted: row.get(3)?,
        registered_by: row.get(4)?,
        registered_at: Timestamp::from_unix(row.get(5)?),
        updated_at: Timestamp::from_unix(row.get(6)?),
        sealed: row.get(7)?,
    })
}

fn key(path: &ServerPath) -> String {
    path.as_str().to_ascii_lowercase()
}

fn next_revision(tx: &Transaction<'_>) -> Result<Revision, Error> {
    let sql = "UPDATE revision SET value = value + 1 RETURNING value";
    Ok(Revision(tx.query_row(sql, (), |row| row.get(0))?))
}

pub(super) fn changes_since(tx: &Transaction<'_>, since: Revision) -> Result<Changes, Error> {
    let revision = tx.query_row("SELECT value FROM revision", (), |row| row.get(0))?;
    let mut changes = Changes {
        revision: Revision(revision),
        ..Changes::default()
    };
    let sql = format!("SELECT {COLUMNS} FROM servers WHERE revision > ?1 ORDER BY path_key");
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query([since.0])?;
    while let Some(row) = rows.next()? {
        changes.changed.push(server_from(row)?);
    }
    let mut statement = tx.prepare_cached("SELECT path FROM removed_servers WHERE revision > ?1")?;
    let mut rows = statement.query([since.0])?;
    while let Some(row) = rows.next()? {
        let path: String = row.get(0)?;
        changes.removed.push(path.parse().map_err(backend)?);
    }
    Ok(changes)
}

pub(super) fn find(tx: &Transaction<'_>, path: &ServerPath) -> Result<Option<Server>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM servers WHERE path = ?1 AND path_key = ?2");
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query((path.as_str(), key(path)))?;
    rows.next()?.map(server_from).transpose()
}

/// The registered path that cannot stand beside this one: above it, equal to it or under it, without case.
fn clash(tx: &Transaction<'_>, path: &ServerPath) -> Result<Option<ServerPath>, Error> {
    let key = key(path);
    let above = key
        .match_indices('/')
        .skip(1)
        .map(|(end, _)| key.get(..end).unwrap_or_default());
    let mut equal = tx.prepare_cached("SELECT path FROM servers WHERE path_key = ?1")?;
    // `0` is the character after `/`.
    let mut under =
        tx.prepare_cached("SELECT path FROM servers WHERE path_key > ?1 AND path_key < ?2 LIMIT 1")?;
    let text = |row: &Row<'_>| row.get::<_, String>(0);
    let mut found = None;
    for candidate in above.chain([key.as_str()]) {
        found = found.or(equal.query_row([candidate], text).optional()?);
    }
    let found = match found {
        Some(found) => Some(found),
        None => under
            .query_row([format!("{key}/"), format!("{key}0")], text)
            .optional()?,
    };
    found.map(|path| path.parse().map_err(backend)).transpose()
}

pub(super) fn insert(tx: &Transaction<'_>, server: &Server, event: &Event) -> Result<Revision, Error> {
    if let Some(taken) = clash(tx, &server.path)? {
        return Err(Error::Taken(taken));
    }
    let revision = next_revision(tx)?;
    tx.execute(
        "DELETE FROM removed_servers WHERE path = ?1",
        [server.path.as_str()],
    )?;
    tx.execute(
        "INSERT INTO servers (path_key, path, profile, enabled, trusted, registered_by, registered_at, updated_at, revision,
                              sealed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        (
            key(&server.path),
            server.path.as_str(),
            serde_json::to_string(&server.profile).map_err(backend)?,
            server.enabled,
            server.trusted,
            &server.registered_by,
            server.registered_at.unix(),
            server.updated_at.unix(),
            revision.0,
            &server.sealed,
        ),
    )?;
    insert_event(tx, event)?;
    if server.trusted {
        trust_event(tx, server.trusted, event)?;
    }
    Ok(revision)
}

/// Beside what was done: that the trust is another one now.
fn trust_event(tx: &Transaction<'_>, trusted: bool, event: &Event) -> Result<(), Error> {
    let deed = Deed::of_trust(trusted);
    insert_event(
        tx,
        &Event {
            deed,
            ..event.clone()
        },
    )
}

pub(super) fn update(
    tx: &Transaction<'_>,
    (path, etag): &(ServerPath, String),
    (profile, sealed): (&Profile, Option<&[u8]>),
    trusted: Option<bool>,
    event: &Event,
) -> Result<Option<Revision>, Error> {
    let Some(before) = find(tx, path)? else {
        return Ok(None);
    };
    if before.etag() != *etag {
        return Err(Error::Changed);
    }
    let profile = serde_json::to_string(profile).map_err(backend)?;
    let sql = "UPDATE servers SET profile = ?2, trusted = coalesce(?3, trusted), updated_at = ?4, sealed = ?5 WHERE path = ?1";
    let touched = tx.execute(sql, (path.as_str(), profile, trusted, event.at.unix(), sealed))?;
    let revision = mark(tx, path, touched, event)?;
    if let Some(now) = trusted
        && now != before.trusted
    {
        trust_event(tx, now, event)?;
    }
    Ok(revision)
}

pub(super) fn switch(
    tx: &Transaction<'_>,
    path: &ServerPath,
    enabled: bool,
    event: &Event,
) -> Result<Option<Revision>, Error> {
    let sql = "UPDATE servers SET enabled = ?2, updated_at = ?3 WHERE path = ?1";
    let touched = tx.execute(sql, (path.as_str(), enabled, event.at.unix()))?;
    mark(tx, path, touched, event)
}

fn mark(
    tx: &Transaction<'_>,
    path: &ServerPath,
    touched: usize,
    event: &Event,
) -> Result<Option<Revision>, Error> {
    if touched == 0 {
        return Ok(None);
    }
    let revision = next_revision(tx)?;
    tx.execute(
        "UPDATE servers SET revision = ?2 WHERE path = ?1",
        (path.as_str(), revision.0),
    )?;
    insert_event(tx, event)?;
    Ok(Some(revision))
}

pub(super) fn remove(
    tx: &Transaction<'_>,
    path: &ServerPath,
    event: &Event,
) -> Result<Option<Revision>, Error> {
    if tx.execute("DELETE FROM servers WHERE path = ?1", [path.as_str()])? == 0 {
        return Ok(None);
    }
    super::health::remove(tx, path.as_str())?;
    let revision = next_revision(tx)?;
    tx.execute(
        "INSERT INTO removed_servers (path, revision) VALUES (?1, ?2)",
        (path.as_str(), revision.0),
    )?;
    insert_event(tx, event)?;
    Ok(Some(revision))
}
