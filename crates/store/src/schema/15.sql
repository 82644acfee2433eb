-- Tables and columns get names that say what they contain.
ALTER TABLE tenant_changes RENAME TO configuration_version;
ALTER TABLE configuration_version RENAME COLUMN one TO singleton;
ALTER TABLE configuration_version RENAME COLUMN count TO version;

ALTER TABLE checkpoint RENAME COLUMN one TO singleton;
ALTER TABLE checkpoint RENAME COLUMN removed TO removed_changes;
ALTER TABLE checkpoint RENAME COLUMN arrived TO durable_position;

ALTER TABLE incarnation RENAME COLUMN one TO singleton;
ALTER TABLE incarnation RENAME COLUMN accepted TO reported_position;
ALTER TABLE key_check RENAME COLUMN one TO singleton;
ALTER TABLE losses RENAME COLUMN what TO description;

ALTER TABLE changes RENAME COLUMN made_ms TO created_ms;
ALTER TABLE set_aside RENAME TO unreadable_changes;
ALTER TABLE unreadable_changes RENAME COLUMN made_ms TO created_ms;
ALTER TABLE backups RENAME COLUMN made_ms TO created_ms;
ALTER TABLE notices RENAME COLUMN made_ms TO created_ms;

ALTER TABLE deliveries RENAME COLUMN made_ms TO created_ms;
ALTER TABLE deliveries RENAME COLUMN step TO schedule_step;
ALTER TABLE deliveries RENAME COLUMN next_ms TO next_attempt_ms;

ALTER TABLE connections RENAME COLUMN heard_ms TO complete_until_ms;
ALTER TABLE connections RENAME COLUMN directory TO directory_state;
ALTER TABLE gaps RENAME COLUMN examined_ms TO reconciled_ms;
ALTER TABLE gaps RENAME COLUMN logged TO logged_sessions;
ALTER TABLE gaps RENAME COLUMN missing TO missing_sessions;
ALTER TABLE directories RENAME COLUMN read_ms TO fetched_ms;

-- Since queues have their visits in `queue_visits`, only extensions have figures here.
ALTER TABLE call_terms RENAME COLUMN wait_ms TO ring_ms;

ALTER TABLE secrets RENAME COLUMN used_ms TO last_used_ms;
ALTER TABLE audit RENAME COLUMN at_ms TO first_ms;
ALTER TABLE audit RENAME COLUMN what TO action;
ALTER TABLE audit_kept RENAME TO audit_counts;

DROP TRIGGER quarantine_added;
DROP TRIGGER quarantine_removed;
DROP TRIGGER quarantine_rewritten;
DROP INDEX quarantine_by_tenant;
DROP INDEX quarantine_to_retry;
ALTER TABLE quarantine RENAME TO rejected;
ALTER TABLE rejected RENAME COLUMN position TO id;
ALTER TABLE rejected RENAME COLUMN bytes TO posted_bytes;
ALTER TABLE quarantine_bytes RENAME TO rejected_bytes;
CREATE INDEX rejected_by_tenant ON rejected (tenant);
CREATE INDEX rejected_to_retry ON rejected (tenant) WHERE retry = 1;
CREATE TRIGGER rejected_added AFTER INSERT ON rejected BEGIN
    INSERT INTO rejected_bytes VALUES (new.tenant, length(new.body) + 300)
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER rejected_removed AFTER DELETE ON rejected BEGIN
    UPDATE rejected_bytes SET bytes = bytes - length(old.body) - 300 WHERE tenant = old.tenant;
END;
CREATE TRIGGER rejected_rewritten AFTER UPDATE OF body ON rejected BEGIN
    UPDATE rejected_bytes SET bytes = bytes - length(old.body) + length(new.body) WHERE tenant = new.tenant;
END;
