-- Rejected bodies can be listed, read, and accepted later, and they expire. Ids are never assigned twice. `bytes` is
-- the length of the posted body if only its beginning is stored; `retry` marks a body that is to be classified again.
CREATE TABLE rejected (
    position    INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant      INTEGER NOT NULL,
    arrived_ms  INTEGER NOT NULL,
    reason      TEXT    NOT NULL,
    body        BLOB    NOT NULL,
    bytes       INTEGER,                        -- NULL if the whole body is stored
    retry       INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO rejected (position, tenant, arrived_ms, reason, body)
    SELECT position, tenant, arrived_ms, reason, body FROM quarantine;
DROP TABLE quarantine;
ALTER TABLE rejected RENAME TO quarantine;
CREATE INDEX quarantine_by_tenant ON quarantine (tenant);
CREATE INDEX quarantine_to_retry ON quarantine (tenant) WHERE retry = 1;

-- Bytes of each tenant's bodies, including the other columns of a row.
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
