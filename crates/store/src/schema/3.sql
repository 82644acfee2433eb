-- RingCentral accounts that are listened to with credentials of a user's own.
CREATE TABLE connections (
    tenant        INTEGER NOT NULL,
    account       TEXT    NOT NULL,
    connected_ms  INTEGER NOT NULL,
    credentials   BLOB    NOT NULL,             -- sealed; the key is not in this file
    state         TEXT    NOT NULL,             -- JSON: how the service has left it
    heard_ms      INTEGER NOT NULL,             -- up to when nothing is known to be missing
    PRIMARY KEY (tenant, account)
) STRICT, WITHOUT ROWID;

-- Times of which notifications may be missing.
CREATE TABLE gaps (
    gap          INTEGER PRIMARY KEY,
    tenant       INTEGER NOT NULL,
    account      TEXT    NOT NULL,
    from_ms      INTEGER NOT NULL,
    until_ms     INTEGER NOT NULL,
    reason       TEXT    NOT NULL,
    examined_ms  INTEGER,                       -- none: not compared with the call log yet
    logged       INTEGER NOT NULL DEFAULT 0,    -- sessions that the call log has of that time
    missing      TEXT    NOT NULL DEFAULT '[]'  -- JSON: those of them that were never heard of
) STRICT;
CREATE INDEX gaps_by_account ON gaps (tenant, account, from_ms);
