-- Up to which notification was known to be durable in arrivals.db when something was assembled last: by it an older arrivals.db
-- is recognized, and one that is missing.
ALTER TABLE checkpoint ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0;

-- So many notifications were removed from the journal: all others up to its end must be there.
ALTER TABLE checkpoint ADD COLUMN removed_notifications INTEGER NOT NULL DEFAULT 0;
UPDATE checkpoint SET removed_notifications =
    max(position, (SELECT coalesce(max(position), 0) FROM journal)) - (SELECT count(*) FROM journal);
CREATE TRIGGER journal_removed AFTER DELETE ON journal BEGIN
    UPDATE checkpoint SET removed_notifications = removed_notifications + 1;
END;
