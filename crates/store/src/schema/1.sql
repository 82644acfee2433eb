-- Times are milliseconds since 1970 (UTC). Bodies and records are packed (codec.rs).

CREATE TABLE tenants (
    tenant         INTEGER PRIMARY KEY AUTOINCREMENT,   -- never given twice: a running server remembers them
    name           TEXT    NOT NULL UNIQUE,
    created_ms     INTEGER NOT NULL,
    settings       TEXT    NOT NULL,            -- JSON
    pseudonym_key  BLOB    NOT NULL             -- for numbers that were erased
) STRICT;

-- The RingCentral accounts whose notifications a tenant gets.
CREATE TABLE accounts (
    tenant   INTEGER NOT NULL,
    account  TEXT    NOT NULL,
    PRIMARY KEY (tenant, account)
) STRICT, WITHOUT ROWID;

-- Verification tokens and API keys; only their SHA-256 is kept.
CREATE TABLE secrets (
    secret      INTEGER PRIMARY KEY,
    tenant      INTEGER NOT NULL,
    kind        TEXT    NOT NULL,               -- 'verification' or 'key'
    hash        BLOB    NOT NULL,
    hint        TEXT    NOT NULL,               -- its beginning, to tell it by
    created_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX secrets_by_hash ON secrets (hash);

-- How often tenants or their secrets have changed: a running server looks here for what others did.
CREATE TABLE tenant_changes (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    count  INTEGER NOT NULL
) STRICT;
INSERT INTO tenant_changes VALUES (1, 0);

-- Every notification, in the order of arrival: the truth from which the rest can be made again.
CREATE TABLE journal (
    position    INTEGER PRIMARY KEY,
    tenant      INTEGER NOT NULL,
    session     INTEGER NOT NULL,
    arrived_ms  INTEGER NOT NULL,
    body        BLOB    NOT NULL
) STRICT;
-- Sessions get their numbers at first sight, so this grows at its right edge.
CREATE INDEX journal_by_session ON journal (session);

CREATE TABLE sessions (
    session  INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: a running server remembers them
    tenant   INTEGER NOT NULL,
    id       TEXT    NOT NULL,
    call     INTEGER                            -- none before its first version
) STRICT;
CREATE UNIQUE INDEX sessions_by_id ON sessions (tenant, id);
CREATE INDEX sessions_by_call ON sessions (call) WHERE call IS NOT NULL;

-- Bodies that were posted to a hook and are no notification of the tenant.
CREATE TABLE quarantine (
    position    INTEGER PRIMARY KEY,
    tenant      INTEGER NOT NULL,
    arrived_ms  INTEGER NOT NULL,
    reason      TEXT    NOT NULL,
    body        BLOB    NOT NULL
) STRICT;
CREATE INDEX quarantine_by_tenant ON quarantine (tenant);

-- Up to where the journal has been assembled, and how many changes that has made: `changes` has them all.
CREATE TABLE checkpoint (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    position  INTEGER NOT NULL,
    cursor    INTEGER NOT NULL,
    removed   INTEGER NOT NULL                  -- so many of those changes were removed since
) STRICT;
INSERT INTO checkpoint VALUES (1, 0, 0, 0);

-- Calls as they are now; their records are in `changes`.
CREATE TABLE calls (
    call       INTEGER PRIMARY KEY,
    tenant     INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    cursor     INTEGER NOT NULL,                -- the change with the current record
    position   INTEGER NOT NULL,                -- up to where the journal is in that record
    completed  INTEGER NOT NULL,                -- whether `call.completed` was told
    start_ms   INTEGER NOT NULL,
    end_ms     INTEGER NOT NULL,                -- of a live call: its last event
    state      TEXT    NOT NULL,
    direction  TEXT    NOT NULL,
    result     TEXT    NOT NULL,
    wait_ms    INTEGER NOT NULL,
    talk_ms    INTEGER NOT NULL,
    hold_ms    INTEGER NOT NULL,
    transfers  INTEGER NOT NULL,
    terms      BLOB    NOT NULL                 -- its rows in call_terms
) STRICT;
CREATE UNIQUE INDEX calls_by_id ON calls (tenant, id);
CREATE INDEX calls_by_start ON calls (tenant, start_ms, call);
CREATE INDEX calls_by_result ON calls (tenant, result, start_ms, call);
CREATE INDEX calls_live ON calls (tenant, start_ms, call) WHERE state = 'live';

-- Ids that were found to be part of another call.
CREATE TABLE merged (
    tenant  INTEGER NOT NULL,
    id      TEXT    NOT NULL,
    into_id TEXT    NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX merged_by_into ON merged (tenant, into_id);

-- Every version of every call, and every merging, in the order in which they were made.
CREATE TABLE changes (
    cursor    INTEGER PRIMARY KEY,
    tenant    INTEGER NOT NULL,
    call      INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    version   INTEGER NOT NULL,                 -- 0 for a merging
    made_ms   INTEGER NOT NULL,
    record    BLOB    NOT NULL
) STRICT;
CREATE INDEX changes_by_tenant ON changes (tenant);
CREATE INDEX changes_by_call ON changes (call);

-- What calls can be found by: numbers (digits, last first), extensions, names, queues, kinds of moves.
CREATE TABLE terms (
    term    INTEGER PRIMARY KEY,
    tenant  INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    value   TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX terms_by_value ON terms (tenant, kind, value);

-- The figures are those of an extension's or a queue's part in a call that is over.
CREATE TABLE call_terms (
    term      INTEGER NOT NULL,
    start_ms  INTEGER NOT NULL,
    call      INTEGER NOT NULL,
    outcome   TEXT,
    wait_ms   INTEGER,
    talk_ms   INTEGER,
    hold_ms   INTEGER,
    PRIMARY KEY (term, start_ms, call)
) STRICT, WITHOUT ROWID;

-- Who was erased: under which pseudonym that person goes now. The number is not kept.
CREATE TABLE erasures (
    erasure        INTEGER PRIMARY KEY,
    tenant         INTEGER NOT NULL,
    erased_ms      INTEGER NOT NULL,
    pseudonym      TEXT    NOT NULL,
    calls          INTEGER NOT NULL,
    notifications  INTEGER NOT NULL
) STRICT;
