-- What an account consists of: a further version whenever it was found to be otherwise. Records name the version that
-- they were made with.
CREATE TABLE directories (
    directory  INTEGER PRIMARY KEY,
    tenant     INTEGER NOT NULL,
    account    TEXT    NOT NULL,
    version    INTEGER NOT NULL,                -- 1, 2, … of each account
    read_ms    INTEGER NOT NULL,
    contents   BLOB    NOT NULL                 -- JSON, packed
) STRICT;
CREATE UNIQUE INDEX directories_by_version ON directories (tenant, account, version);

ALTER TABLE connections ADD COLUMN directory TEXT NOT NULL DEFAULT '{}';  -- JSON: how reading it went
