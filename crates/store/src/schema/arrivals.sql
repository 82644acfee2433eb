-- Notifications that are not in the journal yet. Each row has those that were written together.
CREATE TABLE IF NOT EXISTS batches (
    last_position  INTEGER PRIMARY KEY,         -- the journal position of the last of them
    notifications  BLOB    NOT NULL             -- compressed together (arrivals/batch.rs)
) STRICT;

-- Batches that could not be read when later ones were assembled.
CREATE TABLE IF NOT EXISTS unreadable_batches (
    last_position  INTEGER PRIMARY KEY,
    notifications  BLOB    NOT NULL
) STRICT;

-- The position up to which everything had moved into the journal when this file was last written: a journal that ends
-- before it has lost its end, or is older than this file.
CREATE TABLE IF NOT EXISTS progress (
    singleton           INTEGER PRIMARY KEY CHECK (singleton = 1),
    journaled_position  INTEGER NOT NULL
) STRICT;
