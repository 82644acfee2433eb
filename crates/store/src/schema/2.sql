-- Where tenants want to be told of their calls.
CREATE TABLE endpoints (
    endpoint          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant            INTEGER NOT NULL,
    id                TEXT    NOT NULL UNIQUE,
    created_ms        INTEGER NOT NULL,
    settings          TEXT    NOT NULL,         -- JSON
    sealed            BLOB    NOT NULL,         -- secrets and headers, encrypted
    disabled          TEXT,                     -- why nothing is delivered; NULL: it is
    failing_since_ms  INTEGER,                  -- the first failure since the last success
    cursor            INTEGER NOT NULL          -- what is later in the feed, and not in `deliveries`, is still to be sent
) STRICT;
CREATE INDEX endpoints_by_tenant ON endpoints (tenant);

-- What a tenant is told that is no change of a call.
CREATE TABLE notices (
    notice   INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: receivers know them by it
    tenant   INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    made_ms  INTEGER NOT NULL,
    data     TEXT    NOT NULL                   -- JSON
) STRICT;
CREATE INDEX notices_by_tenant ON notices (tenant);

-- What was sent to whom, or waits to be sent again. What a first attempt delivers is written once.
CREATE TABLE deliveries (
    endpoint  INTEGER NOT NULL,
    event     INTEGER NOT NULL,                 -- a change's cursor, or a notice's number below zero
    kind      TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    call_id   TEXT    NOT NULL,                 -- of a notice: empty
    into_id   TEXT,                             -- of a merging: the id that stays
    made_ms   INTEGER NOT NULL,
    state     TEXT    NOT NULL,                 -- 'pending', 'delivered', 'exhausted' or 'superseded'
    step      INTEGER NOT NULL,                 -- so many attempts of the schedule were made
    next_ms   INTEGER,                          -- when the next is due; of pending ones only
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
    status       INTEGER,                       -- none: there was no answer
    problem      TEXT,                          -- why it failed
    answer       TEXT,                          -- its beginning
    PRIMARY KEY (endpoint, event, number)
) STRICT, WITHOUT ROWID;
