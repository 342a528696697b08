-- 0003: whose MCP sessions are (legacy revisions), under the hash of server and id, so that they outlive a restart.

CREATE TABLE mcp_sessions (
    key        BLOB    PRIMARY KEY,
    server     TEXT    NOT NULL,
    principal  TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX mcp_sessions_by_principal ON mcp_sessions (principal, server, expires_at);
CREATE INDEX mcp_sessions_by_expiry ON mcp_sessions (expires_at);
