-- RingCentral accounts that the service subscribes to with a user's credentials.
CREATE TABLE connections (
    tenant        INTEGER NOT NULL,
    account       TEXT    NOT NULL,
    connected_ms  INTEGER NOT NULL,
    credentials   BLOB    NOT NULL,             -- encrypted; the key is not in this file
    state         TEXT    NOT NULL,             -- JSON: the state that the service stored
    heard_ms      INTEGER NOT NULL,             -- no notification before this time is known to be missing
    PRIMARY KEY (tenant, account)
) STRICT, WITHOUT ROWID;

-- Periods of which notifications may be missing.
CREATE TABLE gaps (
    gap          INTEGER PRIMARY KEY,
    tenant       INTEGER NOT NULL,
    account      TEXT    NOT NULL,
    from_ms      INTEGER NOT NULL,
    until_ms     INTEGER NOT NULL,
    reason       TEXT    NOT NULL,
    examined_ms  INTEGER,                       -- NULL if not compared with the call log yet
    logged       INTEGER NOT NULL DEFAULT 0,    -- number of sessions that the call log has of that period
    missing      TEXT    NOT NULL DEFAULT '[]'  -- JSON: the ids of those that were never received
) STRICT;
CREATE INDEX gaps_by_account ON gaps (tenant, account, from_ms);
