-- What was received and is not in the journal yet. Times are milliseconds since 1970 (UTC), bodies are packed (codec.rs).
CREATE TABLE IF NOT EXISTS arrivals (
    position    INTEGER PRIMARY KEY,            -- its place in the journal
    tenant      INTEGER NOT NULL,
    session     TEXT    NOT NULL,
    arrived_ms  INTEGER NOT NULL,
    body        BLOB    NOT NULL
) STRICT;
