-- 0007: how servers are and were, and what they offer with its versions.

CREATE TABLE health (
    path           TEXT    PRIMARY KEY,
    status         TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    failures       INTEGER NOT NULL,
    successes      INTEGER NOT NULL,
    checked_at     INTEGER,
    changed_at     INTEGER,
    latency_ms     INTEGER,
    transport      TEXT,
    tools          INTEGER,
    server_name    TEXT,
    server_version TEXT
) STRICT, WITHOUT ROWID;

-- One row a check; the word is what that check saw.
CREATE TABLE health_history (
    id         INTEGER PRIMARY KEY,
    path       TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    status     TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    latency_ms INTEGER
) STRICT;
CREATE INDEX health_history_by_path ON health_history (path, at);
CREATE INDEX health_history_by_time ON health_history (at);

CREATE TABLE catalog (
    path        TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    definition  TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    since       INTEGER NOT NULL,
    held        TEXT,
    is_new      INTEGER NOT NULL CHECK (is_new IN (0, 1)),
    PRIMARY KEY (path, kind, name)
) STRICT, WITHOUT ROWID;

-- What was said of an entry, oldest first; no definition when it was gone.
CREATE TABLE catalog_versions (
    id         INTEGER PRIMARY KEY,
    path       TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    definition TEXT
) STRICT;
CREATE INDEX catalog_versions_by_entry ON catalog_versions (path, kind, name, id);
