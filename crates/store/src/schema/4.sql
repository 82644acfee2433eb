-- Directories of accounts: a new version whenever one differs from the last. Records name the version with which they
-- were made.
CREATE TABLE directories (
    directory  INTEGER PRIMARY KEY,
    tenant     INTEGER NOT NULL,
    account    TEXT    NOT NULL,
    version    INTEGER NOT NULL,                -- 1, 2, … of each account
    read_ms    INTEGER NOT NULL,
    contents   BLOB    NOT NULL                 -- JSON, compressed
) STRICT;
CREATE UNIQUE INDEX directories_by_version ON directories (tenant, account, version);

ALTER TABLE connections ADD COLUMN directory TEXT NOT NULL DEFAULT '{}';  -- JSON: the state of its synchronization
