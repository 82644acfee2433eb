-- Copies that were made of this store: what is erased later may still be in them.
CREATE TABLE backups (
    backup   INTEGER PRIMARY KEY,
    made_ms  INTEGER NOT NULL,
    file     TEXT    NOT NULL
) STRICT;

-- Versions that could not be read when the store was repaired, as they were.
CREATE TABLE set_aside (
    cursor   INTEGER PRIMARY KEY,
    tenant   INTEGER NOT NULL,
    call     INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    made_ms  INTEGER NOT NULL,
    record   BLOB    NOT NULL
) STRICT;

-- Something known, sealed with the key that everything else is sealed with: by it another key is recognized.
CREATE TABLE key_check (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    sealed  BLOB    NOT NULL
) STRICT;

-- Whether this file is a copy that nobody has started yet: whoever does goes on as another store.
ALTER TABLE incarnation ADD COLUMN is_copy INTEGER NOT NULL DEFAULT 0;
-- Whether it had another name before: then a number alone is no cursor any more.
ALTER TABLE incarnation ADD COLUMN is_renewed INTEGER NOT NULL DEFAULT 0;
-- Up to which notification something was found to be missing.
ALTER TABLE incarnation ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;

-- What was found to be missing of what had been durable.
CREATE TABLE losses (
    loss      INTEGER PRIMARY KEY,
    found_ms  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    what      TEXT    NOT NULL
) STRICT;

-- Up to which change some of a tenant's were removed: whoever has read less far has missed them.
CREATE TABLE removed_changes (
    tenant  INTEGER PRIMARY KEY,
    until   INTEGER NOT NULL
) STRICT;
