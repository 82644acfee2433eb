-- What was rejected is listed, looked at, accepted later, or expires: each under a number that is never given again, with how
-- much was posted (more than is kept, where only the beginning is) and whether it is to be judged again.
CREATE TABLE rejected (
    position    INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant      INTEGER NOT NULL,
    arrived_ms  INTEGER NOT NULL,
    reason      TEXT    NOT NULL,
    body        BLOB    NOT NULL,
    bytes       INTEGER,                        -- none: as many as are kept
    retry       INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO rejected (position, tenant, arrived_ms, reason, body)
    SELECT position, tenant, arrived_ms, reason, body FROM quarantine;
DROP TABLE quarantine;
ALTER TABLE rejected RENAME TO quarantine;
CREATE INDEX quarantine_by_tenant ON quarantine (tenant);
CREATE INDEX quarantine_to_retry ON quarantine (tenant) WHERE retry = 1;

-- How much is kept of each tenant's, with what a row takes apart from its body.
CREATE TABLE quarantine_bytes (
    tenant  INTEGER PRIMARY KEY,
    bytes   INTEGER NOT NULL
) STRICT;
INSERT INTO quarantine_bytes SELECT tenant, sum(length(body) + 300) FROM quarantine GROUP BY tenant;
CREATE TRIGGER quarantine_added AFTER INSERT ON quarantine BEGIN
    INSERT INTO quarantine_bytes VALUES (new.tenant, length(new.body) + 300)
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER quarantine_removed AFTER DELETE ON quarantine BEGIN
    UPDATE quarantine_bytes SET bytes = bytes - length(old.body) - 300 WHERE tenant = old.tenant;
END;
CREATE TRIGGER quarantine_rewritten AFTER UPDATE OF body ON quarantine BEGIN
    UPDATE quarantine_bytes SET bytes = bytes - length(old.body) + length(new.body) WHERE tenant = new.tenant;
END;
