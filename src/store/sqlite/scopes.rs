//! Scopes that were made or changed through the API.

use rusqlite::Transaction;
use serde_json::{Map, Value};

use super::db::backend;
use super::insert_event;
use crate::domain::audit::Event;
use crate::domain::scope_document::{ScopeChange, ScopeDocument, StoredScope};
use crate::store::Error;

pub(super) fn all(tx: &Transaction<'_>) -> Result<Vec<StoredScope>, Error> {
    let mut statement = tx.prepare_cached("SELECT name, document FROM scopes ORDER BY name")?;
    let mut rows = statement.query(())?;
    let mut scopes = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, text): (String, Option<String>) = (row.get(0)?, row.get(1)?);
        let document = text.map(|text| parsed(&name, &text)).transpose()?;
        scopes.push(StoredScope { name, document });
    }
    Ok(scopes)
}

/// Rows are outside input too: they are parsed like a request.
fn parsed(name: &str, text: &str) -> Result<ScopeDocument, Error> {
    let fields: Map<String, Value> = serde_json::from_str(text).map_err(backend)?;
    ScopeDocument::of(name, &fields).map_err(|faults| {
        let words: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
        backend(format!("the scope `{name}`: {}", words.join("; ")))
    })
}

pub(super) fn write(tx: &Transaction<'_>, changes: &[(ScopeChange, Event)]) -> Result<(), Error> {
    for (change, event) in changes {
        let document = match change {
            ScopeChange::Put(document) => Some(serde_json::to_string(&document.value()).map_err(backend)?),
            ScopeChange::Hide(_) => None,
            ScopeChange::Reset(name) => {
                tx.execute("DELETE FROM scopes WHERE name = ?1", [name])?;
                insert_event(tx, event)?;
                continue;
            }
        };
        tx.execute(
            "INSERT INTO scopes (name, document) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET document = ?2",
            (change.name(), document),
        )?;
        insert_event(tx, event)?;
    }
    Ok(())
}
