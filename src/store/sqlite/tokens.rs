//! Vended tokens and refresh tokens.

use rusqlite::{OptionalExtension, Row, Transaction};

use super::sessions::ACCOUNT;
use super::{groups_from, groups_text};
use crate::clock::Timestamp;
use crate::domain::token::{Inserted, Proof, Refresh, Taken, Token};
use crate::store::{Error, SecretKey};

const COLUMNS: &str = "id, family, username, scope, description, issued_at, expires_at, revoked_at";

fn token_from(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        id: row.get(0)?,
        family: row.get(1)?,
        username: row.get(2)?,
        scope: row.get(3)?,
        description: row.get(4)?,
        issued_at: Timestamp::from_unix(row.get(5)?),
        expires_at: Timestamp::from_unix(row.get(6)?),
        revoked_at: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_unix),
    })
}

/// Keep a token, unless its owner has had `most` since `from`, or what it continues has ended.
pub(super) fn insert(
    tx: &Transaction<'_>,
    token: &Token,
    refresh: Option<&(SecretKey, Refresh)>,
    (from, most): (Timestamp, u32),
    proof: &Proof,
) -> Result<Inserted, Error> {
    let revoked = "SELECT EXISTS (SELECT 1 FROM tokens WHERE family = ?1 AND revoked_at IS NOT NULL)";
    let revoked: bool = tx.query_row(revoked, [&token.family], |row| row.get(0))?;
    let holds: bool = match proof {
        Proof::Family => true,
        Proof::Machine => {
            let sql = "SELECT EXISTS (SELECT 1 FROM machines WHERE client_id = ?1)";
            tx.query_row(sql, [&token.username], |row| row.get(0))?
        }
        Proof::Session { until, groups } => {
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM sessions
                 WHERE {ACCOUNT} = ?1 AND expires_at = ?2 AND groups = ?3 AND expires_at > ?4)"
            );
            let row = (
                &token.username,
                until.unix(),
                groups_text(groups)?,
                token.issued_at.unix(),
            );
            tx.query_row(&sql, row, |row| row.get(0))?
        }
    };
    if revoked || !holds {
        return Ok(Inserted::Ended);
    }
    let sql = "SELECT count(*), min(issued_at) FROM tokens WHERE username = ?1 AND issued_at > ?2";
    let row = |row: &Row<'_>| Ok((row.get::<_, u32>(0)?, row.get::<_, Option<i64>>(1)?));
    let (count, oldest) = tx.query_row(sql, (&token.username, from.unix()), row)?;
    if count >= most {
        return Ok(Inserted::TooMany(Timestamp::from_unix(
            oldest.unwrap_or_default(),
        )));
    }
    // What has ended long ago tells nobody anything.
    let long_ago = token.issued_at.unix() - 30 * 86_400;
    tx.execute("DELETE FROM tokens WHERE expires_at < ?1", [long_ago])?;
    tx.execute(
        "DELETE FROM refresh_tokens WHERE expires_at < ?1",
        [token.issued_at.unix()],
    )?;
    tx.execute(
        &format!("INSERT INTO tokens ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL)"),
        (
            &token.id,
            &token.family,
            &token.username,
            &token.scope,
            &token.description,
            token.issued_at.unix(),
            token.expires_at.unix(),
        ),
    )?;
    if let Some((key, refresh)) = refresh {
        tx.execute(
            "INSERT INTO refresh_tokens (key, family, username, scope, groups, hours, expires_at, used_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL)",
            (
                key.as_slice(),
                &refresh.family,
                &refresh.username,
                &refresh.scope,
                groups_text(&refresh.groups)?,
                refresh.hours,
                refresh.expires_at.unix(),
            ),
        )?;
    }
    Ok(Inserted::Kept)
}

/// Tokens of one person, or of all, newest first.
pub(super) fn list(tx: &Transaction<'_>, username: Option<&str>, most: u32) -> Result<Vec<Token>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM tokens WHERE ?1 IS NULL OR username = ?1 ORDER BY issued_at DESC, id LIMIT ?2"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map((username, most), token_from)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn find(tx: &Transaction<'_>, id: &str) -> Result<Option<Token>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM tokens WHERE id = ?1");
    Ok(tx.query_row(&sql, [id], token_from).optional()?)
}

/// Ids of tokens that were revoked and would still be good at `now`.
pub(super) fn revoked(tx: &Transaction<'_>, now: Timestamp) -> Result<Vec<String>, Error> {
    let mut statement =
        tx.prepare_cached("SELECT id FROM tokens WHERE revoked_at IS NOT NULL AND expires_at > ?1")?;
    let rows = statement.query_map([now.unix()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// End a family; the ids of its tokens.
pub(super) fn revoke_family(tx: &Transaction<'_>, family: &str, at: Timestamp) -> Result<Vec<String>, Error> {
    tx.execute("DELETE FROM refresh_tokens WHERE family = ?1", [family])?;
    let sql = "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2) WHERE family = ?1 RETURNING id";
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map((family, at.unix()), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Use a refresh token up. One that was used before ends its family.
pub(super) fn take_refresh(tx: &Transaction<'_>, key: SecretKey, now: Timestamp) -> Result<Taken, Error> {
    let sql = "SELECT family, username, scope, groups, hours, expires_at, used_at FROM refresh_tokens WHERE key = ?1";
    let row = tx
        .query_row(sql, [key.as_slice()], |row| {
            let refresh = Refresh {
                family: row.get(0)?,
                username: row.get(1)?,
                scope: row.get(2)?,
                groups: Vec::new(),
                hours: row.get(4)?,
                expires_at: Timestamp::from_unix(row.get(5)?),
            };
            Ok((refresh, row.get::<_, String>(3)?, row.get::<_, Option<i64>>(6)?))
        })
        .optional()?;
    let Some((refresh, groups, used)) = row else {
        return Ok(Taken::Unknown);
    };
    if used.is_some() {
        return Ok(Taken::Reused {
            revoked: revoke_family(tx, &refresh.family, now)?,
        });
    }
    if refresh.expires_at <= now {
        return Ok(Taken::Unknown);
    }
    tx.execute(
        "UPDATE refresh_tokens SET used_at = ?2 WHERE key = ?1",
        (key.as_slice(), now.unix()),
    )?;
    Ok(Taken::Good(Refresh {
        groups: groups_from(&groups)?,
        ..refresh
    }))
}
