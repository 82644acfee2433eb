-- The name with which event ids and cursors of this store begin, so that those of another store are recognized.
CREATE TABLE incarnation (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    name  TEXT    NOT NULL
) STRICT;
INSERT INTO incarnation VALUES (1, lower(hex(randomblob(4))));

-- Calls from which a person was erased, and calls that retention removed, until the feed has an event for them.
CREATE TABLE unannounced (
    tenant   INTEGER NOT NULL,
    kind     TEXT    NOT NULL,                  -- the type of the event
    id       TEXT    NOT NULL,
    version  INTEGER NOT NULL,                  -- of the current record; 0 if the call was removed
    PRIMARY KEY (tenant, kind, id)
) STRICT, WITHOUT ROWID;
