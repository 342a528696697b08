-- 0009: what a model made of a text, so that a start does not ask it again. Little-endian f32, one after the other.
CREATE TABLE vectors (
    model  TEXT NOT NULL,
    digest BLOB NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (model, digest)
) STRICT;
