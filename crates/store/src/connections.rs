//! Connected RingCentral accounts, to which the service subscribes with a user's credentials, and gaps in what was
//! received from them.

use rusqlite::{OptionalExtension, Row, params};

use crate::{
    Store, TenantId, TenantView,
    audit_log::{AuditAction, note},
    damage::TolerantConnection,
    error::{Result, StoreError},
    tenants::add_account,
};

/// A connected RingCentral account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedAccount {
    /// The tenant.
    pub tenant: TenantId,
    /// The RingCentral account.
    pub account: String,
    /// When it was connected, milliseconds since 1970.
    pub connected_ms: i64,
    /// The credentials, encrypted.
    pub credentials: Vec<u8>,
    /// The state that the service stored, as JSON.
    pub state: String,
    /// No notification before this time is known to be missing, milliseconds since 1970.
    pub complete_until_ms: i64,
    /// The state of the last directory sync, as JSON.
    pub directory: String,
}

/// A period of which notifications may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Its number.
    pub number: i64,
    /// Its start, milliseconds since 1970.
    pub from_ms: i64,
    /// Its end.
    pub until_ms: i64,
    /// Its cause.
    pub reason: String,
    /// When it was reconciled with the call log, milliseconds since 1970. `None` if it was not yet.
    pub reconciled_ms: Option<i64>,
    /// Number of sessions that the call log has of that period.
    pub logged: u64,
    /// The ids of those sessions that were never received.
    pub missing: Vec<String>,
}

impl Store {
    /// Connects an account, or replaces its credentials. The account is added to the tenant.
    pub fn connect(&self, new: ConnectedAccount) -> Result<()> {
        let who = self.who.clone();
        self.change_configuration(move |transaction, _| {
            add_account(transaction, new.tenant.0, &new.account)?;
            transaction
                .prepare_cached(
                    "INSERT INTO connections (tenant, account, connected_ms, credentials, state, complete_until_ms,
                         directory_state)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT DO UPDATE SET credentials = excluded.credentials",
                )?
                .execute(params![
                    new.tenant.0,
                    new.account,
                    new.connected_ms,
                    new.credentials,
                    new.state,
                    new.complete_until_ms,
                    new.directory
                ])?;
            note(transaction, &who, Some(new.tenant.0), AuditAction::ConnectionAdd, &format!("account {}", new.account))
        })
    }

    /// Disconnects an account; returns whether it was connected.
    pub fn disconnect(&self, tenant: TenantId, account: String) -> Result<bool> {
        let who = self.who.clone();
        self.change_configuration(move |transaction, _| {
            let removed = transaction
                .prepare_cached("DELETE FROM connections WHERE tenant = ?1 AND account = ?2")?
                .execute(params![tenant.0, account])?;
            if removed > 0 {
                note(
                    transaction,
                    &who,
                    Some(tenant.0),
                    AuditAction::ConnectionRemove,
                    &format!("account {account}"),
                )?;
            }
            Ok(removed > 0)
        })
    }

    /// The connected accounts of all tenants.
    pub fn connections(&self) -> Result<Vec<ConnectedAccount>> {
        self.read(|connection| connections(connection, None))
    }

    /// Stores the state of a connected account; does nothing if it was disconnected.
    pub fn save_connection_state(&self, tenant: TenantId, account: String, state: String) -> Result<()> {
        self.writer().run(move |transaction, _| {
            transaction
                .prepare_cached("UPDATE connections SET state = ?3 WHERE tenant = ?1 AND account = ?2")?
                .execute(params![tenant.0, account, state])?;
            Ok(())
        })
    }

    /// Stores for accounts the time before which no notification is known to be missing.
    pub fn save_complete_until(&self, accounts: Vec<(TenantId, String, i64)>) -> Result<()> {
        self.writer().run(move |transaction, _| {
            let mut update = transaction.prepare_cached(
                "UPDATE connections SET complete_until_ms = max(complete_until_ms, ?3) WHERE tenant = ?1 AND account = ?2",
            )?;
            accounts.iter().try_for_each(|(tenant, account, complete_until_ms)| {
                update.execute(params![tenant.0, account, complete_until_ms]).map(drop)
            })?;
            Ok(())
        })
    }

    /// Stores a gap of an account; returns its number.
    pub fn add_gap(
        &self,
        tenant: TenantId,
        account: String,
        from_ms: i64,
        until_ms: i64,
        reason: String,
    ) -> Result<i64> {
        self.writer().run(move |transaction, _| {
            Ok(transaction
                .prepare_cached(
                    "INSERT INTO gaps (tenant, account, from_ms, until_ms, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .insert(params![tenant.0, account, from_ms, until_ms, reason])?)
        })
    }

    /// Stores the result of comparing a gap with the call log; with a time if the result is final.
    pub fn mark_gap_reconciled(
        &self,
        gap: i64,
        at_ms: Option<i64>,
        logged: u64,
        missing: Vec<String>,
    ) -> Result<()> {
        let missing =
            serde_json::to_string(&missing).map_err(|error| StoreError::Failed(error.to_string()))?;
        self.writer().run(move |transaction, _| {
            transaction
                .prepare_cached("UPDATE gaps SET reconciled_ms = ?2, logged_sessions = ?3, missing_sessions = ?4 WHERE gap = ?1")?
                .execute(params![gap, at_ms, i64::try_from(logged).unwrap_or(i64::MAX), missing])?;
            Ok(())
        })
    }
}

impl TenantView {
    /// The tenant's connected accounts.
    pub fn connections(&self) -> Result<Vec<ConnectedAccount>> {
        self.read(|connection, tenant| connections(connection, Some(tenant)))
    }

    /// The latest gaps of an account, newest first.
    pub fn gaps(&self, account: &str, limit: usize) -> Result<Vec<Gap>> {
        self.read(|connection, tenant| {
            let mut statement = connection.prepare_cached(
                "SELECT gap, from_ms, until_ms, reason, reconciled_ms, logged_sessions, missing_sessions FROM gaps
                 WHERE tenant = ?1 AND account = ?2 ORDER BY from_ms DESC, gap DESC LIMIT ?3",
            )?;
            let mut rows = statement.query(params![tenant, account, limit as i64])?;
            let mut gaps = Vec::new();
            while let Some(row) = rows.next()? {
                let place = || format!("gap {}", row.get::<_, i64>(0).unwrap_or_default());
                gaps.extend(connection.skip_damaged(gap(row), tenant, place)?);
            }
            Ok(gaps)
        })
    }

    /// Gaps of an account that ended before a time and are not reconciled yet, oldest first.
    pub fn gaps_to_reconcile(&self, account: &str, before_ms: i64, limit: usize) -> Result<Vec<Gap>> {
        self.read(|connection, tenant| {
            let mut statement = connection.prepare_cached(
                "SELECT gap, from_ms, until_ms, reason, reconciled_ms, logged_sessions, missing_sessions FROM gaps
                 WHERE tenant = ?1 AND account = ?2 AND reconciled_ms IS NULL AND until_ms < ?3
                 ORDER BY from_ms LIMIT ?4",
            )?;
            let mut rows = statement.query(params![tenant, account, before_ms, limit as i64])?;
            let mut gaps = Vec::new();
            while let Some(row) = rows.next()? {
                let place = || format!("gap {}", row.get::<_, i64>(0).unwrap_or_default());
                gaps.extend(connection.skip_damaged(gap(row), tenant, place)?);
            }
            Ok(gaps)
        })
    }

    /// Whether the tenant has a connection for lookups.
    pub fn is_connected(&self) -> Result<bool> {
        self.read(|connection, tenant| {
            let mut statement = connection.prepare_cached("SELECT 1 FROM connections WHERE tenant = ?1")?;
            Ok(statement.exists([tenant])?)
        })
    }

    /// Those of some sessions whose calls are not complete.
    pub fn unended_sessions(&self, ids: Vec<String>) -> Result<Vec<String>> {
        self.read(|connection, tenant| {
            let mut statement = connection.prepare_cached(
                "SELECT 1 FROM sessions JOIN calls USING (call)
                 WHERE sessions.tenant = ?1 AND sessions.id = ?2 AND calls.state <> 'complete'",
            )?;
            let mut unended = Vec::new();
            for id in ids {
                if statement.exists(params![tenant, id])? {
                    unended.push(id);
                }
            }
            Ok(unended)
        })
    }

    /// Those of some sessions that were never received.
    pub fn unknown_sessions(&self, mut ids: Vec<String>) -> Result<Vec<String>> {
        // Arrivals first: what moves into the journal meanwhile is found in one of the two, or in both.
        let arrived = self.store.shared.arrivals.sessions_of(self.tenant)?;
        ids.retain(|id| !arrived.contains(id.as_str()));
        self.read(|connection, tenant| {
            let mut statement =
                connection.prepare_cached("SELECT 1 FROM sessions WHERE tenant = ?1 AND id = ?2")?;
            let mut unknown = Vec::new();
            for id in ids {
                let found: Option<i64> =
                    statement.query_row(params![tenant, id], |row| row.get(0)).optional()?;
                if found.is_none() {
                    unknown.push(id);
                }
            }
            Ok(unknown)
        })
    }
}

/// The connected accounts of a tenant or of all.
fn connections(connection: &TolerantConnection<'_>, tenant: Option<i64>) -> Result<Vec<ConnectedAccount>> {
    let mut statement = connection.prepare_cached(
        "SELECT tenant, account, connected_ms, credentials, state, complete_until_ms, directory_state FROM connections
         WHERE ?1 IS NULL OR tenant = ?1 ORDER BY tenant, account",
    )?;
    let read = |row: &Row<'_>| -> Result<ConnectedAccount> {
        Ok(ConnectedAccount {
            tenant: TenantId(row.get(0)?),
            account: row.get(1)?,
            connected_ms: row.get(2)?,
            credentials: row.get(3)?,
            state: row.get(4)?,
            complete_until_ms: row.get(5)?,
            directory: row.get(6)?,
        })
    };
    let mut rows = statement.query([tenant])?;
    let mut connections = Vec::new();
    while let Some(row) = rows.next()? {
        let place = || format!("connection to account {}", row.get::<_, String>(1).unwrap_or_default());
        connections.extend(connection.skip_damaged(read(row), row.get(0).unwrap_or_default(), place)?);
    }
    Ok(connections)
}

fn gap(row: &Row<'_>) -> Result<Gap> {
    let missing: String = row.get(6)?;
    Ok(Gap {
        number: row.get(0)?,
        from_ms: row.get(1)?,
        until_ms: row.get(2)?,
        reason: row.get(3)?,
        reconciled_ms: row.get(4)?,
        logged: row.get::<_, i64>(5)?.unsigned_abs(),
        missing: serde_json::from_str(&missing)
            .map_err(|error| StoreError::Damaged(format!("the sessions of a gap cannot be read: {error}")))?,
    })
}
