-- API keys get a name, a scope, an expiry and a last use; existing keys permit everything. Ids are never assigned
-- twice: the audit log and requests to remove a key refer to them.
CREATE TABLE new_secrets (
    secret      INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant      INTEGER NOT NULL,
    kind        TEXT    NOT NULL,               -- 'verification', 'subscription' or 'key'
    hash        BLOB    NOT NULL,
    hint        TEXT    NOT NULL,
    created_ms  INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    scope       TEXT    NOT NULL,               -- of a key: 'read', 'export', 'write' or 'admin'
    expires_ms  INTEGER,                        -- NULL if never
    used_ms     INTEGER                         -- NULL if never
) STRICT;
INSERT INTO new_secrets (secret, tenant, kind, hash, hint, created_ms, name, scope)
    SELECT secret, tenant, kind, hash, hint, created_ms, 'default', 'admin' FROM secrets;
DROP TABLE secrets;
ALTER TABLE new_secrets RENAME TO secrets;
CREATE INDEX secrets_by_hash ON secrets (hash);

-- The audit log, without secrets and telephone numbers. Repeated actions within some time are one row.
CREATE TABLE audit (
    entry        INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms        INTEGER NOT NULL,
    last_ms      INTEGER NOT NULL,
    tenant       INTEGER NOT NULL,              -- 0 for the installation
    tenant_name  TEXT,
    actor        TEXT    NOT NULL,
    key          INTEGER,
    key_hint     TEXT,
    key_name     TEXT,
    address      TEXT,
    what         TEXT    NOT NULL,
    object       TEXT    NOT NULL,
    result       TEXT    NOT NULL,
    count        INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_by_tenant ON audit (tenant, result, entry);
CREATE INDEX audit_by_time ON audit (last_ms);

-- Number of entries of each tenant and result.
CREATE TABLE audit_kept (
    tenant   INTEGER NOT NULL,
    result   TEXT    NOT NULL,
    entries  INTEGER NOT NULL,
    PRIMARY KEY (tenant, result)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER audit_added AFTER INSERT ON audit BEGIN
    INSERT INTO audit_kept VALUES (new.tenant, new.result, 1)
        ON CONFLICT (tenant, result) DO UPDATE SET entries = entries + 1;
END;
CREATE TRIGGER audit_removed AFTER DELETE ON audit BEGIN
    UPDATE audit_kept SET entries = entries - 1 WHERE tenant = old.tenant AND result = old.result;
END;
