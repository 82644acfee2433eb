-- What was received and is not in the journal yet: in each row what was kept at once.
CREATE TABLE IF NOT EXISTS batches (
    last           INTEGER PRIMARY KEY,         -- the place in the journal of the last of them
    notifications  BLOB    NOT NULL             -- packed together (arrivals/batch.rs)
) STRICT;

-- Batches that could not be read when what followed them was assembled.
CREATE TABLE IF NOT EXISTS damaged (
    last           INTEGER PRIMARY KEY,
    notifications  BLOB    NOT NULL
) STRICT;

-- Up to where everything had moved into the journal when this file was written last: a journal that ends before has lost
-- its end, or is older than this file.
CREATE TABLE IF NOT EXISTS progress (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    journaled  INTEGER NOT NULL
) STRICT;
