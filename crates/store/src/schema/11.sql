-- Backups of this store: persons who are erased later may still be in them.
CREATE TABLE backups (
    backup   INTEGER PRIMARY KEY,
    made_ms  INTEGER NOT NULL,
    file     TEXT    NOT NULL
) STRICT;

-- Versions that could not be read when the store was repaired, unchanged.
CREATE TABLE set_aside (
    cursor   INTEGER PRIMARY KEY,
    tenant   INTEGER NOT NULL,
    call     INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    made_ms  INTEGER NOT NULL,
    record   BLOB    NOT NULL
) STRICT;

-- A known text, encrypted with the key for all other secrets: it detects another key.
CREATE TABLE key_check (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    sealed  BLOB    NOT NULL
) STRICT;

-- Whether this file is a copy on which no service has run yet: the first one gives it a new name.
ALTER TABLE incarnation ADD COLUMN is_copy INTEGER NOT NULL DEFAULT 0;
-- Whether it had another name before: then a plain number is not a valid cursor any more.
ALTER TABLE incarnation ADD COLUMN is_renewed INTEGER NOT NULL DEFAULT 0;
-- The journal position up to which missing notifications were reported.
ALTER TABLE incarnation ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;

-- Descriptions of durable data that is missing.
CREATE TABLE losses (
    loss      INTEGER PRIMARY KEY,
    found_ms  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    what      TEXT    NOT NULL
) STRICT;

-- The position up to which some of a tenant's changes were removed: readers with an earlier cursor missed them.
CREATE TABLE removed_changes (
    tenant  INTEGER PRIMARY KEY,
    until   INTEGER NOT NULL
) STRICT;
