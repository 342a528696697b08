//! Tries to sign in at a provider, under the hash of what the browser holds.

use rusqlite::{OptionalExtension, Transaction};

use crate::clock::Timestamp;
use crate::domain::identity::PendingLogin;
use crate::store::{Error, SecretKey};

/// Tries at once. Anybody can begin one, so the oldest make room.
const MOST: u32 = 10_000;

pub(super) fn insert(
    tx: &Transaction<'_>,
    key: SecretKey,
    pending: &PendingLogin,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute("DELETE FROM pending_logins WHERE expires_at <= ?1", [now.unix()])?;
    tx.execute(
        "DELETE FROM pending_logins WHERE key IN
         (SELECT key FROM pending_logins ORDER BY expires_at DESC LIMIT -1 OFFSET ?1)",
        [MOST - 1],
    )?;
    tx.execute(
        "INSERT INTO pending_logins (key, provider, next, expires_at) VALUES (?1, ?2, ?3, ?4)",
        (
            key.as_slice(),
            &pending.provider,
            &pending.next,
            pending.expires_at.unix(),
        ),
    )?;
    Ok(())
}

pub(super) fn take(
    tx: &Transaction<'_>,
    key: SecretKey,
    now: Timestamp,
) -> Result<Option<PendingLogin>, Error> {
    let sql = "DELETE FROM pending_logins WHERE key = ?1 RETURNING provider, next, expires_at";
    let taken = tx
        .query_row(sql, [key.as_slice()], |row| {
            Ok(PendingLogin {
                provider: row.get(0)?,
                next: row.get(1)?,
                expires_at: Timestamp::from_unix(row.get(2)?),
            })
        })
        .optional()?;
    Ok(taken.filter(|pending| pending.expires_at > now))
}
