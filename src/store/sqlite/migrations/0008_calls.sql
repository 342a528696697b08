-- 0008: the call log. Who called what, when, and how it went; never what was said.
-- No index: each would cost every call, and a million rows are looked through in a moment.
CREATE TABLE calls (
    id          INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    status      INTEGER NOT NULL,
    bytes_in    INTEGER NOT NULL,
    bytes_out   INTEGER NOT NULL,
    way         TEXT NOT NULL,
    server      TEXT NOT NULL,
    method      TEXT NOT NULL,
    tool        TEXT NOT NULL,
    principal   TEXT NOT NULL,
    request_id  TEXT NOT NULL
) STRICT;
-- How far each file of the log has been read, by its inode.
CREATE TABLE call_log_places (
    file        INTEGER PRIMARY KEY,
    byte_offset INTEGER NOT NULL
) STRICT;
