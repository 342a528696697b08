//! MCP sessions, under the hash of server and id.

use rusqlite::{OptionalExtension, Transaction};

use crate::clock::Timestamp;
use crate::domain::identity::McpSession;
use crate::store::{Error, SecretKey};

pub(super) fn bind(
    tx: &Transaction<'_>,
    key: SecretKey,
    session: &McpSession,
    now: Timestamp,
    most: u32,
) -> Result<bool, Error> {
    tx.execute("DELETE FROM mcp_sessions WHERE expires_at <= ?1", [now.unix()])?;
    let owner = tx
        .query_row(
            "SELECT principal FROM mcp_sessions WHERE key = ?1",
            [key.as_slice()],
            |row| row.get::<_, String>(0),
        )
        .optional()?;
    if owner.is_some_and(|owner| owner != session.principal) {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO mcp_sessions (key, server, principal, expires_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (key) DO UPDATE SET expires_at = ?4",
        (
            key.as_slice(),
            &session.server,
            &session.principal,
            session.expires_at.unix(),
        ),
    )?;
    tx.execute(
        "DELETE FROM mcp_sessions WHERE key IN (
             SELECT key FROM mcp_sessions WHERE principal = ?1 AND server = ?2
             ORDER BY expires_at DESC, key LIMIT -1 OFFSET ?3)",
        (&session.principal, &session.server, most),
    )?;
    Ok(true)
}

pub(super) fn find(
    tx: &Transaction<'_>,
    key: SecretKey,
    now: Timestamp,
) -> Result<Option<McpSession>, Error> {
    let sql = "SELECT server, principal, expires_at FROM mcp_sessions WHERE key = ?1 AND expires_at > ?2";
    let row = tx.query_row(sql, (key.as_slice(), now.unix()), |row| {
        Ok(McpSession {
            server: row.get(0)?,
            principal: row.get(1)?,
            expires_at: Timestamp::from_unix(row.get(2)?),
        })
    });
    Ok(row.optional()?)
}
