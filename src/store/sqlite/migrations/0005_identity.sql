-- 0005: sign-ins at identity providers, and machine accounts of our own. Sessions of before are of local accounts.

ALTER TABLE sessions ADD COLUMN provider TEXT;
-- What is needed at the provider again, sealed.
ALTER TABLE sessions ADD COLUMN sealed BLOB;
-- When the provider is asked again whether the person is still welcome.
ALTER TABLE sessions ADD COLUMN check_at INTEGER;
CREATE INDEX sessions_by_check ON sessions (check_at) WHERE check_at IS NOT NULL;

CREATE TABLE pending_logins (
    key        BLOB    PRIMARY KEY,
    provider   TEXT    NOT NULL,
    next       TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_logins_by_expiry ON pending_logins (expires_at);

CREATE TABLE machines (
    client_id   TEXT    PRIMARY KEY,
    description TEXT    NOT NULL,
    secret_hash TEXT    NOT NULL,
    groups      TEXT    NOT NULL,
    created_by  TEXT    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
