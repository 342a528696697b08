//! The call log: rows by their order in the log, and how far its files have been read.

use rusqlite::types::Value;
use rusqlite::{Row, Transaction, params, params_from_iter};

use super::db::backend;
use crate::domain::call::{Call, Filter, Kept, Place, Way};
use crate::domain::usage::{Tally, Words};
use crate::store::Error;

pub(super) fn places(tx: &Transaction<'_>) -> Result<Vec<Place>, Error> {
    let mut rows = tx.prepare_cached("SELECT file, byte_offset FROM call_log_places")?;
    let rows = rows.query_map((), |row| {
        let number = |index| Ok::<_, rusqlite::Error>(row.get::<_, i64>(index)?.cast_unsigned());
        Ok(Place {
            file: number(0)?,
            offset: number(1)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn write(tx: &Transaction<'_>, calls: &[Call], place: Option<Place>) -> Result<(), Error> {
    let sql = "INSERT INTO calls (at_ms, duration_ms, status, bytes_in, bytes_out, way, server, method, tool, principal,
                                  request_id)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let mut insert = tx.prepare_cached(sql)?;
    for call in calls {
        insert.execute(params![
            call.at_ms,
            call.duration_ms,
            call.status,
            call.bytes_in,
            call.bytes_out,
            call.way.as_str(),
            call.server,
            call.method,
            call.tool,
            call.principal,
            call.request_id,
        ])?;
    }
    if let Some(place) = place {
        let sql = "INSERT INTO call_log_places (file, byte_offset) VALUES (?1, ?2)
                   ON CONFLICT (file) DO UPDATE SET byte_offset = ?2";
        tx.execute(sql, [place.file.cast_signed(), place.offset.cast_signed()])?;
    }
    Ok(())
}

pub(super) fn keep_places(tx: &Transaction<'_>, files: &[u64]) -> Result<(), Error> {
    for place in places(tx)?.iter().filter(|place| !files.contains(&place.file)) {
        tx.execute(
            "DELETE FROM call_log_places WHERE file = ?1",
            [place.file.cast_signed()],
        )?;
    }
    Ok(())
}

/// Ids have no gaps but at the old end, so the newest says which are too many.
pub(super) fn trim(tx: &Transaction<'_>, before_ms: i64, most_rows: u64, at_once: u32) -> Result<u64, Error> {
    let newest: i64 = tx.query_row("SELECT coalesce(max(id), 0) FROM calls", (), |row| row.get(0))?;
    let surplus = newest.saturating_sub(i64::try_from(most_rows).map_err(backend)?);
    let sql = "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE id <= ?1 ORDER BY id LIMIT ?2)";
    let mut removed = tx.execute(sql, (surplus, at_once))?;
    let left = i64::from(at_once) - i64::try_from(removed).map_err(backend)?;
    // Only among the oldest: to look for old ones behind newer ones (a clock was set) would be to look at all. The newest
    // row stays, for its id must not be given again.
    let sql = "DELETE FROM calls WHERE at_ms < ?1 AND id IN (SELECT id FROM calls WHERE id < ?2 ORDER BY id LIMIT ?3)";
    removed += tx.execute(sql, (before_ms, newest, left))?;
    u64::try_from(removed).map_err(backend)
}

/// The conditions of a filter, each with its values.
fn conditions(filter: &Filter) -> (String, Vec<Value>) {
    let mut sql = String::from("1");
    let mut values = Vec::new();
    let mut also = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            sql.push_str(" AND ");
            sql.push_str(condition);
            values.push(value);
        }
    };
    let text = |word: &Option<String>| word.clone().map(Value::Text);
    also("server = ?", text(&filter.server));
    also("tool = ?", text(&filter.tool));
    also("method = ?", text(&filter.method));
    also("at_ms >= ?", filter.from_ms.map(Value::Integer));
    also("at_ms < ?", filter.to_ms.map(Value::Integer));
    also(
        "status >= ?",
        filter.status.map(|(least, _)| Value::Integer(least.into())),
    );
    also(
        "status <= ?",
        filter.status.map(|(_, most)| Value::Integer(most.into())),
    );
    if let Some([one, other]) = filter.principals.clone() {
        sql.push_str(" AND principal IN (?, ?)");
        values.extend([Value::Text(one), Value::Text(other)]);
    }
    (sql, values)
}

pub(super) fn list(
    tx: &Transaction<'_>,
    filter: &Filter,
    (after, before): (i64, i64),
    most: u32,
) -> Result<Vec<Kept>, Error> {
    let (conditions, mut values) = conditions(filter);
    let sql = format!(
        "SELECT id, at_ms, duration_ms, status, bytes_in, bytes_out, way, server, method, tool, principal, request_id
         FROM calls WHERE {conditions} AND id > ? AND id < ? ORDER BY id DESC LIMIT ?"
    );
    values.extend([after, before, most.into()].map(Value::Integer));
    let mut rows = tx.prepare_cached(&sql)?;
    let rows = rows.query_map(params_from_iter(values), kept)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let way: String = row.get(6)?;
    let call = Call {
        at_ms: row.get(1)?,
        duration_ms: row.get(2)?,
        status: row.get(3)?,
        bytes_in: row.get(4)?,
        bytes_out: row.get(5)?,
        way: Way::from_word(&way).unwrap_or_default(),
        server: row.get(7)?,
        method: row.get(8)?,
        tool: row.get(9)?,
        principal: row.get(10)?,
        request_id: row.get(11)?,
    };
    Ok(Kept {
        id: row.get(0)?,
        call,
    })
}

/// Newest first, so that what a bound leaves out is old.
pub(super) fn tally(
    tx: &Transaction<'_>,
    filter: &Filter,
    most: u32,
    mut tally: Tally,
) -> Result<(Tally, bool), Error> {
    let (conditions, mut values) = conditions(filter);
    let sql = format!(
        "SELECT at_ms, server, tool, principal, status, duration_ms, way FROM calls WHERE {conditions} ORDER BY id DESC LIMIT ?"
    );
    values.push(Value::Integer(i64::from(most) + 1));
    let mut rows = tx.prepare_cached(&sql)?;
    let mut rows = rows.query(params_from_iter(values))?;
    for _ in 0..most {
        let Some(row) = rows.next()? else {
            return Ok((tally, true));
        };
        let word = |index| row.get_ref(index)?.as_str().map_err(backend);
        let call = Words {
            server: word(1)?,
            tool: word(2)?,
            principal: word(3)?,
            is_stream: word(6)? == Way::Stream.as_str(),
        };
        tally.add(row.get(0)?, call, row.get(4)?, row.get(5)?);
    }
    Ok((tally, rows.next()?.is_none()))
}
