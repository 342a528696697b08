//! Local accounts.

use rusqlite::{OptionalExtension, Transaction};

use super::{groups_from, groups_text, insert_event};
use crate::domain::audit::Event;
use crate::domain::identity::Account;
use crate::domain::secret::Secret;
use crate::store::Error;

pub(super) fn find(tx: &Transaction<'_>, username: &str) -> Result<Option<Account>, Error> {
    let sql = "SELECT password_hash, groups FROM accounts WHERE username = ?1";
    let found = tx
        .query_row(sql, [username], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    let Some((password_hash, groups)) = found else {
        return Ok(None);
    };
    let groups = groups_from(&groups)?;
    Ok(Some(Account {
        username: username.to_owned(),
        password_hash: Secret::new(password_hash),
        groups,
    }))
}

pub(super) fn groups(tx: &Transaction<'_>) -> Result<Vec<Vec<String>>, Error> {
    let mut statement = tx.prepare_cached("SELECT groups FROM accounts ORDER BY username")?;
    let mut rows = statement.query(())?;
    let mut groups = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        groups.push(groups_from(&text)?);
    }
    Ok(groups)
}

pub(super) fn put(tx: &Transaction<'_>, account: &Account, event: &Event) -> Result<bool, Error> {
    let mut machines = tx.prepare_cached("SELECT 1 FROM machines WHERE client_id = ?1")?;
    if machines.exists([&account.username])? {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO accounts (username, password_hash, groups) VALUES (?1, ?2, ?3)
         ON CONFLICT (username) DO UPDATE SET password_hash = ?2, groups = ?3",
        (
            &account.username,
            account.password_hash.expose(),
            groups_text(&account.groups)?,
        ),
    )?;
    tx.execute(
        "DELETE FROM sessions WHERE username = ?1 AND provider IS NULL",
        [&account.username],
    )?;
    insert_event(tx, event)?;
    Ok(true)
}
