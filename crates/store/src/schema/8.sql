-- The customer's state when the call ended; NULL in records of an earlier version.
ALTER TABLE calls ADD COLUMN end_state TEXT;

-- The visits of calls to queues. The outcome is '' if it is unknown, and 'open' as long as the visit lasts.
CREATE TABLE queue_visits (
    call      INTEGER NOT NULL,
    number    INTEGER NOT NULL,                 -- its index in the record
    term      INTEGER NOT NULL,                 -- the queue
    start_ms  INTEGER NOT NULL,                 -- of the call
    outcome   TEXT    NOT NULL,
    wait_ms   INTEGER NOT NULL,
    PRIMARY KEY (call, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_visits_by_queue ON queue_visits (term, start_ms);

-- Until now, one visit of a call to each queue was known.
INSERT INTO queue_visits
    SELECT call, row_number() OVER (PARTITION BY call ORDER BY term) - 1, term, start_ms, outcome, wait_ms
    FROM call_terms JOIN terms USING (term) WHERE kind = 'queue' AND outcome IS NOT NULL;
UPDATE call_terms SET outcome = NULL, wait_ms = NULL, talk_ms = NULL, hold_ms = NULL
    WHERE outcome IS NOT NULL AND term IN (SELECT term FROM terms WHERE kind = 'queue');
