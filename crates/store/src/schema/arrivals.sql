-- What was received and is not in the journal yet: in each row what was kept at once.
CREATE TABLE IF NOT EXISTS batches (
    last           INTEGER PRIMARY KEY,         -- the place in the journal of the last of them
    notifications  BLOB    NOT NULL             -- packed together (arrivals/batch.rs)
) STRICT;
