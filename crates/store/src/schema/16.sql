-- Up to which notification was known to be durable in arrivals.db when something was assembled last: by it an older arrivals.db
-- is recognized, and one that is missing.
ALTER TABLE checkpoint ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0;
