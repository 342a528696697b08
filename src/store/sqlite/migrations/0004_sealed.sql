-- 0004: what a server wants to be told in secret (its credential, the values of its headers), sealed.

ALTER TABLE servers ADD COLUMN sealed BLOB;
