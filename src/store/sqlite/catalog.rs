//! What servers offer, and what they offered before.

use rusqlite::{Row, Transaction};
use serde_json::{Map, Value};

use super::db::backend;
use super::insert_event;
use crate::clock::Timestamp;
use crate::domain::audit::Event;
use crate::domain::catalog::{EntryKind, Kept, Plan, Version, diff, fingerprint};
use crate::domain::held::Which;
use crate::store::Error;

/// Versions of one entry that are kept, and of all entries of one server.
const MOST_VERSIONS: u32 = 50;
const MOST_OF_SERVER: u32 = 5_000;

const COLUMNS: &str = "path, kind, name, definition, fingerprint, since, held, is_new";

fn text(definition: &Map<String, Value>) -> Result<String, Error> {
    serde_json::to_string(definition).map_err(backend)
}

fn definition(text: &str) -> Result<Map<String, Value>, Error> {
    serde_json::from_str(text).map_err(backend)
}

/// Replace what is kept of a server, and remember the new versions.
pub(super) fn put(tx: &Transaction<'_>, path: &str, plan: &Plan) -> Result<(), Error> {
    let mut exists = tx.prepare_cached("SELECT 1 FROM servers WHERE path = ?1")?;
    if !exists.exists([path])? {
        return Ok(());
    }
    tx.execute("DELETE FROM catalog WHERE path = ?1", [path])?;
    let mut insert = tx.prepare_cached(&format!(
        "INSERT OR IGNORE INTO catalog ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
    ))?;
    for kept in &plan.kept {
        insert.execute((
            path,
            kept.kind.as_str(),
            &kept.name,
            text(&kept.definition)?,
            &kept.fingerprint,
            kept.since.unix(),
            kept.held.as_ref().map(text).transpose()?,
            kept.is_new,
        ))?;
    }
    let mut remember = tx.prepare_cached(
        "INSERT INTO catalog_versions (path, kind, name, at, definition) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut cut = tx.prepare_cached(
        "DELETE FROM catalog_versions WHERE id IN (SELECT id FROM catalog_versions
         WHERE path = ?1 AND kind = ?2 AND name = ?3 ORDER BY id DESC LIMIT -1 OFFSET ?4)",
    )?;
    for version in &plan.versions {
        let definition = version.definition.as_ref().map(text).transpose()?;
        remember.execute((
            path,
            version.kind.as_str(),
            &version.name,
            version.at.unix(),
            definition,
        ))?;
        cut.execute((path, version.kind.as_str(), &version.name, MOST_VERSIONS))?;
    }
    if !plan.versions.is_empty() {
        // Names that change with every list would grow for ever.
        tx.prepare_cached(
            "DELETE FROM catalog_versions WHERE id IN (SELECT id FROM catalog_versions
             WHERE path = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2)",
        )?
        .execute((path, MOST_OF_SERVER))?;
    }
    Ok(())
}

type Parts = (String, String, String, String, String, i64, Option<String>, bool);

fn parts(row: &Row<'_>) -> rusqlite::Result<Parts> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
        row.get(6)?,
        row.get(7)?,
    ))
}

fn kept(
    (path, kind, name, text, fingerprint, since, held, is_new): Parts,
) -> Result<Option<(String, Kept)>, Error> {
    // A kind of a later version is left out.
    let Some(kind) = EntryKind::from_word(&kind) else {
        return Ok(None);
    };
    let kept = Kept {
        kind,
        name,
        definition: definition(&text)?,
        fingerprint,
        since: Timestamp::from_unix(since),
        held: held.as_deref().map(definition).transpose()?,
        is_new,
    };
    Ok(Some((path, kept)))
}

/// Everything that is kept of one server, or of all.
pub(super) fn list(tx: &Transaction<'_>, path: Option<&str>) -> Result<Vec<(String, Kept)>, Error> {
    let sql =
        format!("SELECT {COLUMNS} FROM catalog WHERE ?1 IS NULL OR path = ?1 ORDER BY path, kind, name");
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map([path], parts)?;
    rows.filter_map(|row| row.map_err(Error::from).and_then(kept).transpose())
        .collect()
}

/// Names of what is held, by path.
pub(super) fn held(tx: &Transaction<'_>) -> Result<Vec<(String, String)>, Error> {
    names(tx, "AND (held IS NOT NULL OR is_new = 1)")
}

/// Names of all tools, by path.
pub(super) fn tool_names(tx: &Transaction<'_>) -> Result<Vec<(String, String)>, Error> {
    names(tx, "")
}

fn names(tx: &Transaction<'_>, which: &str) -> Result<Vec<(String, String)>, Error> {
    let sql = format!("SELECT path, name FROM catalog WHERE kind = 'tool' {which}");
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The versions of a server's entries, newest first, each with what changed against the one before.
pub(super) fn versions(tx: &Transaction<'_>, path: &str, most: u32) -> Result<Vec<Version>, Error> {
    let mut statement = tx.prepare_cached(
        "SELECT kind, name, at, definition,
             (SELECT definition FROM catalog_versions b WHERE b.path = a.path AND b.kind = a.kind AND b.name = a.name
              AND b.id < a.id ORDER BY b.id DESC LIMIT 1)
         FROM catalog_versions a WHERE path = ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let rows = statement.query_map((path, most), |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get::<_, Option<String>>(3)?,
            row.get::<_, Option<String>>(4)?,
        ))
    })?;
    let mut versions = Vec::new();
    for row in rows {
        let (kind, name, at, now, before) = row?;
        let Some(kind) = EntryKind::from_word(&kind) else {
            continue;
        };
        let now = now.as_deref().map(definition).transpose()?;
        let before = before.as_deref().map(definition).transpose()?;
        let diff = match &before {
            Some(_) => diff(before.as_ref(), now.as_ref()),
            None => Vec::new(),
        };
        versions.push(Version {
            kind,
            name,
            at: Timestamp::from_unix(at),
            definition: now,
            is_first: before.is_none(),
            diff,
        });
    }
    Ok(versions)
}

/// Let what is held of these count from now on; how many there were.
pub(super) fn approve(
    tx: &Transaction<'_>,
    path: &str,
    which: &Which,
    event: &Event,
) -> Result<usize, Error> {
    let mut count = 0;
    for (_, kept) in list(tx, Some(path))? {
        if !which.means(&kept) {
            continue;
        }
        let definition = kept.held.as_ref().unwrap_or(&kept.definition);
        count += tx.execute(
            "UPDATE catalog SET definition = ?4, fingerprint = ?5, since = ?6, held = NULL, is_new = 0
             WHERE path = ?1 AND kind = ?2 AND name = ?3",
            (
                path,
                kept.kind.as_str(),
                &kept.name,
                text(definition)?,
                fingerprint(definition),
                event.at.unix(),
            ),
        )?;
    }
    if count > 0 {
        insert_event(tx, event)?;
    }
    Ok(count)
}
