//! Machine accounts of our own.

use rusqlite::{OptionalExtension, Row, Transaction};

use super::{groups_from, groups_text, insert_event};
use crate::clock::Timestamp;
use crate::domain::audit::Event;
use crate::domain::identity::Machine;
use crate::domain::secret::Secret;
use crate::store::Error;

const COLUMNS: &str = "client_id, description, secret_hash, groups, created_by, created_at";

type Parts = (String, String, String, String, String, i64);

fn parts(row: &Row<'_>) -> rusqlite::Result<Parts> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
    ))
}

fn machine((client_id, description, hash, groups, created_by, created_at): Parts) -> Result<Machine, Error> {
    Ok(Machine {
        client_id,
        description,
        secret_hash: Secret::new(hash),
        groups: groups_from(&groups)?,
        created_by,
        created_at: Timestamp::from_unix(created_at),
    })
}

/// Whether it was kept: the name may be taken, by a machine or by a person.
pub(super) fn insert(tx: &Transaction<'_>, machine: &Machine, event: &Event) -> Result<bool, Error> {
    let sql = format!(
        "INSERT INTO machines ({COLUMNS}) SELECT ?1, ?2, ?3, ?4, ?5, ?6
         WHERE NOT EXISTS (SELECT 1 FROM machines WHERE client_id = ?1)
           AND NOT EXISTS (SELECT 1 FROM accounts WHERE username = ?1)"
    );
    let row = (
        &machine.client_id,
        &machine.description,
        machine.secret_hash.expose(),
        groups_text(&machine.groups)?,
        &machine.created_by,
        machine.created_at.unix(),
    );
    let kept = tx.execute(&sql, row)? > 0;
    if kept {
        insert_event(tx, event)?;
    }
    Ok(kept)
}

pub(super) fn find(tx: &Transaction<'_>, client_id: &str) -> Result<Option<Machine>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM machines WHERE client_id = ?1");
    let found = tx.query_row(&sql, [client_id], parts).optional()?;
    found.map(machine).transpose()
}

pub(super) fn list(tx: &Transaction<'_>, most: u32) -> Result<Vec<Machine>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM machines ORDER BY client_id LIMIT ?1");
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map([most], parts)?;
    rows.map(|row| machine(row?)).collect()
}

pub(super) fn remove(tx: &Transaction<'_>, client_id: &str, event: &Event) -> Result<bool, Error> {
    let removed = tx.execute("DELETE FROM machines WHERE client_id = ?1", [client_id])? > 0;
    if removed {
        insert_event(tx, event)?;
    }
    Ok(removed)
}
