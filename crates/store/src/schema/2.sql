-- Addresses that tenants want events delivered to.
CREATE TABLE endpoints (
    endpoint          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant            INTEGER NOT NULL,
    id                TEXT    NOT NULL UNIQUE,
    created_ms        INTEGER NOT NULL,
    settings          TEXT    NOT NULL,         -- JSON
    sealed            BLOB    NOT NULL,         -- secrets and headers, encrypted
    disabled          TEXT,                     -- the reason; NULL if it is enabled
    failing_since_ms  INTEGER,                  -- the first failure since the last success
    cursor            INTEGER NOT NULL          -- later changes that are not in `deliveries` are still to be sent
) STRICT;
CREATE INDEX endpoints_by_tenant ON endpoints (tenant);

-- Events that are not changes of calls.
CREATE TABLE notices (
    notice   INTEGER PRIMARY KEY AUTOINCREMENT, -- never assigned twice: receivers recognize events by it
    tenant   INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    made_ms  INTEGER NOT NULL,
    data     TEXT    NOT NULL                   -- JSON
) STRICT;
CREATE INDEX notices_by_tenant ON notices (tenant);

-- Deliveries that were made or are pending. One that succeeds with the first attempt is written once, after it.
CREATE TABLE deliveries (
    endpoint  INTEGER NOT NULL,
    event     INTEGER NOT NULL,                 -- a change's cursor, or a notice's negated number
    kind      TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    call_id   TEXT    NOT NULL,                 -- empty for a notice
    into_id   TEXT,                             -- of a merging: the id of the remaining call
    made_ms   INTEGER NOT NULL,
    state     TEXT    NOT NULL,                 -- 'pending', 'delivered', 'exhausted' or 'superseded'
    step      INTEGER NOT NULL,                 -- number of attempts of the retry schedule that were made
    next_ms   INTEGER,                          -- when the next attempt is due; NULL unless pending
    PRIMARY KEY (endpoint, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_by_call ON deliveries (endpoint, call_id, event);
CREATE INDEX deliveries_by_merged_call ON deliveries (endpoint, into_id, event) WHERE into_id IS NOT NULL;
CREATE INDEX deliveries_pending ON deliveries (endpoint, next_ms) WHERE state = 'pending';

CREATE TABLE attempts (
    endpoint     INTEGER NOT NULL,
    event        INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    started_ms   INTEGER NOT NULL,
    duration_ms  INTEGER NOT NULL,
    status       INTEGER,                       -- NULL if there was no answer
    problem      TEXT,                          -- why it failed
    answer       TEXT,                          -- its beginning
    PRIMARY KEY (endpoint, event, number)
) STRICT, WITHOUT ROWID;
