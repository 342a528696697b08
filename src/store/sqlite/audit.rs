//! What was done, by whom, and when.

use rusqlite::Transaction;

use crate::clock::Timestamp;
use crate::domain::audit::{Deed, Event};
use crate::store::Error;

/// Remember one, together with the change that it tells of.
pub(super) fn insert(tx: &Transaction<'_>, event: &Event) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO audit_events (at, actor, deed, target) VALUES (?1, ?2, ?3, ?4)",
        (event.at.unix(), &event.actor, event.deed.as_str(), &event.target),
    )?;
    Ok(())
}

/// Those of one target, newest first.
pub(super) fn list(tx: &Transaction<'_>, target: &str, most: u32) -> Result<Vec<Event>, Error> {
    let mut rows = tx.prepare_cached(
        "SELECT at, actor, deed FROM audit_events WHERE target = ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let rows = rows.query_map((target, most), |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
    })?;
    let mut events = Vec::new();
    for row in rows {
        let (at, actor, word) = row?;
        // A word of a later version is left out rather than hiding all the others.
        events.extend(Deed::from_word(&word).map(|deed| Event {
            at: Timestamp::from_unix(at),
            actor,
            deed,
            target: target.to_owned(),
        }));
    }
    Ok(events)
}
