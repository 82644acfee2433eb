-- The last position that was known to be durable in `arrivals.db` at the last commit: it detects an older or missing
-- `arrivals.db`.
ALTER TABLE checkpoint ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0;

-- Number of notifications that were removed from the journal: all others up to its end must be there.
ALTER TABLE checkpoint ADD COLUMN removed_notifications INTEGER NOT NULL DEFAULT 0;
UPDATE checkpoint SET removed_notifications =
    max(position, (SELECT coalesce(max(position), 0) FROM journal)) - (SELECT count(*) FROM journal);
CREATE TRIGGER journal_removed AFTER DELETE ON journal BEGIN
    UPDATE checkpoint SET removed_notifications = removed_notifications + 1;
END;
