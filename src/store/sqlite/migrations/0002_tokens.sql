-- 0002: vended tokens, so that they can be listed and revoked, and refresh tokens under their hashes. A family is what
-- one vending and its refreshes make.

CREATE TABLE tokens (
    id          TEXT    PRIMARY KEY,
    family      TEXT    NOT NULL,
    username    TEXT    NOT NULL,
    scope       TEXT    NOT NULL,
    description TEXT,
    issued_at   INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    revoked_at  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_username ON tokens (username, issued_at);
CREATE INDEX tokens_by_family ON tokens (family);

CREATE TABLE refresh_tokens (
    key        BLOB    PRIMARY KEY,
    family     TEXT    NOT NULL,
    username   TEXT    NOT NULL,
    scope      TEXT    NOT NULL,
    groups     TEXT    NOT NULL,
    hours      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
