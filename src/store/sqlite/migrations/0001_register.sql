-- 0001: the register, its audit, local accounts, sessions and facts.

CREATE TABLE revision (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    value INTEGER NOT NULL
) STRICT;
INSERT INTO revision (id, value) VALUES (1, 0);

-- The key is the path in lower case: two paths that differ only in case clash.
CREATE TABLE servers (
    path_key      TEXT    PRIMARY KEY,
    path          TEXT    NOT NULL,
    profile       TEXT    NOT NULL,
    enabled       INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    trusted       INTEGER NOT NULL CHECK (trusted IN (0, 1)),
    registered_by TEXT    NOT NULL,
    registered_at INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    revision      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX servers_by_revision ON servers (revision);

-- So that whoever follows the revision learns of a removal without reading everything again.
CREATE TABLE removed_servers (
    path     TEXT    NOT NULL,
    revision INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE audit_events (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    actor  TEXT    NOT NULL,
    deed   TEXT    NOT NULL,
    target TEXT    NOT NULL
) STRICT;

CREATE TABLE accounts (
    username      TEXT PRIMARY KEY,
    password_hash TEXT NOT NULL,
    groups        TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    key        BLOB    PRIMARY KEY,
    username   TEXT    NOT NULL,
    groups     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_username ON sessions (username);

CREATE TABLE facts (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
