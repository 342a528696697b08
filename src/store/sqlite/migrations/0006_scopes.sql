-- 0006: scopes that were made or changed through the API. Each wins over the scopes file's scope of its name; a row
-- without a document hides the file's.

CREATE TABLE scopes (
    name     TEXT PRIMARY KEY,
    document TEXT
) STRICT, WITHOUT ROWID;
