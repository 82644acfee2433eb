-- Times are milliseconds since 1970 (UTC). Bodies and records are compressed (codec.rs).

CREATE TABLE tenants (
    tenant         INTEGER PRIMARY KEY AUTOINCREMENT,   -- never assigned twice: running servers cache them
    name           TEXT    NOT NULL UNIQUE,
    created_ms     INTEGER NOT NULL,
    settings       TEXT    NOT NULL,            -- JSON
    pseudonym_key  BLOB    NOT NULL             -- for pseudonyms of erased numbers
) STRICT;

-- The RingCentral accounts whose notifications a tenant receives.
CREATE TABLE accounts (
    tenant   INTEGER NOT NULL,
    account  TEXT    NOT NULL,
    PRIMARY KEY (tenant, account)
) STRICT, WITHOUT ROWID;

-- Verification tokens and API keys; only their SHA-256 is stored.
CREATE TABLE secrets (
    secret      INTEGER PRIMARY KEY,
    tenant      INTEGER NOT NULL,
    kind        TEXT    NOT NULL,               -- 'verification' or 'key'
    hash        BLOB    NOT NULL,
    hint        TEXT    NOT NULL,               -- its first characters
    created_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX secrets_by_hash ON secrets (hash);

-- Number of changes of tenants and secrets; running servers poll it to notice changes by other processes.
CREATE TABLE tenant_changes (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    count  INTEGER NOT NULL
) STRICT;
INSERT INTO tenant_changes VALUES (1, 0);

-- Every notification, in order of arrival: everything else can be derived from it.
CREATE TABLE journal (
    position    INTEGER PRIMARY KEY,
    tenant      INTEGER NOT NULL,
    session     INTEGER NOT NULL,
    arrived_ms  INTEGER NOT NULL,
    body        BLOB    NOT NULL
) STRICT;
-- Sessions are numbered with their first notification, so this index grows at its end.
CREATE INDEX journal_by_session ON journal (session);

CREATE TABLE sessions (
    session  INTEGER PRIMARY KEY AUTOINCREMENT,  -- never assigned twice: running servers cache them
    tenant   INTEGER NOT NULL,
    id       TEXT    NOT NULL,
    call     INTEGER                            -- NULL before the call's first version
) STRICT;
CREATE UNIQUE INDEX sessions_by_id ON sessions (tenant, id);
CREATE INDEX sessions_by_call ON sessions (call) WHERE call IS NOT NULL;

-- Bodies that were posted to a hook and are not notifications of the tenant.
CREATE TABLE quarantine (
    position    INTEGER PRIMARY KEY,
    tenant      INTEGER NOT NULL,
    arrived_ms  INTEGER NOT NULL,
    reason      TEXT    NOT NULL,
    body        BLOB    NOT NULL
) STRICT;
CREATE INDEX quarantine_by_tenant ON quarantine (tenant);

-- The position up to which the journal has been assembled, and the number of changes that were created: all of them
-- are in `changes`.
CREATE TABLE checkpoint (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    position  INTEGER NOT NULL,
    cursor    INTEGER NOT NULL,
    removed   INTEGER NOT NULL                  -- number of those changes that were removed since
) STRICT;
INSERT INTO checkpoint VALUES (1, 0, 0, 0);

-- The current state of calls; their records are in `changes`.
CREATE TABLE calls (
    call       INTEGER PRIMARY KEY,
    tenant     INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    cursor     INTEGER NOT NULL,                -- the change with the current record
    position   INTEGER NOT NULL,                -- the journal position that the record includes
    completed  INTEGER NOT NULL,                -- whether `call.completed` was published
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

-- Ids of calls that were merged into others.
CREATE TABLE merged (
    tenant  INTEGER NOT NULL,
    id      TEXT    NOT NULL,
    into_id TEXT    NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX merged_by_into ON merged (tenant, into_id);

-- Every version of every call, and every merging, in order of creation.
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

-- Terms by which calls are found: numbers (digits, last first), extensions, names, queues, kinds of moves.
CREATE TABLE terms (
    term    INTEGER PRIMARY KEY,
    tenant  INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    value   TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX terms_by_value ON terms (tenant, kind, value);

-- The calls of each term. Extensions and queues of completed calls have figures.
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

-- Erasures of persons, with the pseudonym that replaces the number. The number is not stored.
CREATE TABLE erasures (
    erasure        INTEGER PRIMARY KEY,
    tenant         INTEGER NOT NULL,
    erased_ms      INTEGER NOT NULL,
    pseudonym      TEXT    NOT NULL,
    calls          INTEGER NOT NULL,
    notifications  INTEGER NOT NULL
) STRICT;
