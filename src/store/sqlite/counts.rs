//! How many there are of what lists show a part of.

use rusqlite::types::Value;
use rusqlite::{Transaction, params_from_iter};

use super::sessions::ACCOUNT;
use crate::store::{Counted, Error};

/// The question with its answers, which may go to another thread.
pub(super) fn question(what: Counted<'_>) -> (String, Vec<Value>) {
    let name = |name: Option<&str>| name.map_or(Value::Null, |name| Value::Text(name.to_owned()));
    match what {
        Counted::Tokens(username) => (
            "SELECT count(*) FROM tokens WHERE ?1 IS NULL OR username = ?1".to_owned(),
            vec![name(username)],
        ),
        Counted::Sessions(username, now) => (
            format!("SELECT count(*) FROM sessions WHERE expires_at > ?2 AND (?1 IS NULL OR {ACCOUNT} = ?1)"),
            vec![name(username), Value::Integer(now.unix())],
        ),
        Counted::Machines => ("SELECT count(*) FROM machines".to_owned(), Vec::new()),
    }
}

pub(super) fn count(tx: &Transaction<'_>, sql: &str, answers: Vec<Value>) -> Result<u64, Error> {
    let mut statement = tx.prepare_cached(sql)?;
    let count: i64 = statement.query_row(params_from_iter(answers), |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or_default())
}
