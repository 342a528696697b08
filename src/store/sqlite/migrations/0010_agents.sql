-- 0010: what a session was begun with, in a few words, so that people tell their own apart.
ALTER TABLE sessions ADD COLUMN agent TEXT NOT NULL DEFAULT '';
