//! RingCentral accounts that are listened to with credentials of a user's own, and what may be missing of them.

use rusqlite::{OptionalExtension, Row, params};

use crate::{
    Store, TenantId, TenantView,
    audit_log::{What, note},
    damage::Reading,
    error::{Result, StoreError},
    tenants::add_account,
};

/// A RingCentral account that is listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedAccount {
    /// Whose calls they are.
    pub tenant: TenantId,
    /// The RingCentral account.
    pub account: String,
    /// Since when, milliseconds since 1970.
    pub connected_ms: i64,
    /// The credentials, sealed.
    pub credentials: Vec<u8>,
    /// How the service has left it, as JSON.
    pub state: String,
    /// Up to when nothing is known to be missing, milliseconds since 1970.
    pub heard_ms: i64,
    /// How reading its directory went last, as JSON.
    pub directory: String,
}

/// A time of which notifications may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// To name it by.
    pub number: i64,
    /// From when, milliseconds since 1970.
    pub from_ms: i64,
    /// Until when.
    pub until_ms: i64,
    /// What happened.
    pub reason: String,
    /// When it was compared with the call log; none: not yet.
    pub examined_ms: Option<i64>,
    /// How many sessions the call log has of that time.
    pub logged: u64,
    /// Those of them that were never heard of.
    pub missing: Vec<String>,
}

impl Store {
    /// Listens to an account from now on, or with other credentials; the account is the tenant's from then on.
    pub fn connect(&self, new: ConnectedAccount) -> Result<()> {
        let who = self.who.clone();
        self.change_tenants(move |transaction, _| {
            add_account(transaction, new.tenant.0, &new.account)?;
            transaction
                .prepare_cached(
                    "INSERT INTO connections (tenant, account, connected_ms, credentials, state, heard_ms, directory)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT DO UPDATE SET credentials = excluded.credentials",
                )?
                .execute(params![
                    new.tenant.0,
                    new.account,
                    new.connected_ms,
                    new.credentials,
                    new.state,
                    new.heard_ms,
                    new.directory
                ])?;
            note(transaction, &who, Some(new.tenant.0), What::ConnectionAdd, &format!("account {}", new.account))
        })
    }

    /// Listens to an account no longer; tells whether it did.
    pub fn disconnect(&self, tenant: TenantId, account: String) -> Result<bool> {
        let who = self.who.clone();
        self.change_tenants(move |transaction, _| {
            let removed = transaction
                .prepare_cached("DELETE FROM connections WHERE tenant = ?1 AND account = ?2")?
                .execute(params![tenant.0, account])?;
            if removed > 0 {
                note(
                    transaction,
                    &who,
                    Some(tenant.0),
                    What::ConnectionRemove,
                    &format!("account {account}"),
                )?;
            }
            Ok(removed > 0)
        })
    }

    /// All accounts that are listened to.
    pub fn connections(&self) -> Result<Vec<ConnectedAccount>> {
        self.read(|connection| connections(connection, None))
    }

    /// Keeps how an account was left. That it is not listened to any more is no error.
    pub fn keep_connection(&self, tenant: TenantId, account: String, state: String) -> Result<()> {
        self.writer().run(move |transaction, _| {
            transaction
                .prepare_cached("UPDATE connections SET state = ?3 WHERE tenant = ?1 AND account = ?2")?
                .execute(params![tenant.0, account, state])?;
            Ok(())
        })
    }

    /// Keeps up to when nothing is known to be missing of accounts.
    pub fn connections_heard(&self, heard: Vec<(TenantId, String, i64)>) -> Result<()> {
        self.writer().run(move |transaction, _| {
            let mut update = transaction.prepare_cached(
                "UPDATE connections SET heard_ms = max(heard_ms, ?3) WHERE tenant = ?1 AND account = ?2",
            )?;
            heard.iter().try_for_each(|(tenant, account, heard_ms)| {
                update.execute(params![tenant.0, account, heard_ms]).map(drop)
            })?;
            Ok(())
        })
    }

    /// Takes note that notifications of an account may be missing; the gap's number.
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

    /// Keeps what a comparison with the call log came to, and when it was made if the log's word was final.
    pub fn examined_gap(
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
                .prepare_cached("UPDATE gaps SET examined_ms = ?2, logged = ?3, missing = ?4 WHERE gap = ?1")?
                .execute(params![gap, at_ms, i64::try_from(logged).unwrap_or(i64::MAX), missing])?;
            Ok(())
        })
    }
}

impl TenantView {
    /// The tenant's accounts that are listened to.
    pub fn connections(&self) -> Result<Vec<ConnectedAccount>> {
        self.read(|connection, tenant| connections(connection, Some(tenant)))
    }

    /// The latest gaps of an account, newest first.
    pub fn gaps(&self, account: &str, limit: usize) -> Result<Vec<Gap>> {
        self.read(|connection, tenant| {
            let mut statement = connection.prepare_cached(
                "SELECT gap, from_ms, until_ms, reason, examined_ms, logged, missing FROM gaps
                 WHERE tenant = ?1 AND account = ?2 ORDER BY from_ms DESC, gap DESC LIMIT ?3",
            )?;
            let mut rows = statement.query(params![tenant, account, limit as i64])?;
            let mut gaps = Vec::new();
            while let Some(row) = rows.next()? {
                let place = || format!("gap {}", row.get::<_, i64>(0).unwrap_or_default());
                gaps.extend(connection.pass_over(gap(row), tenant, place)?);
            }
            Ok(gaps)
        })
    }

    /// Gaps of an account that ended before a time and were not compared with the call log yet, oldest first.
    pub fn gaps_to_examine(&self, account: &str, before_ms: i64, limit: usize) -> Result<Vec<Gap>> {
        self.read(|connection, tenant| {
            let mut statement = connection.prepare_cached(
                "SELECT gap, from_ms, until_ms, reason, examined_ms, logged, missing FROM gaps
                 WHERE tenant = ?1 AND account = ?2 AND examined_ms IS NULL AND until_ms < ?3
                 ORDER BY from_ms LIMIT ?4",
            )?;
            let mut rows = statement.query(params![tenant, account, before_ms, limit as i64])?;
            let mut gaps = Vec::new();
            while let Some(row) = rows.next()? {
                let place = || format!("gap {}", row.get::<_, i64>(0).unwrap_or_default());
                gaps.extend(connection.pass_over(gap(row), tenant, place)?);
            }
            Ok(gaps)
        })
    }

    /// Whether RingCentral can be asked about the tenant's calls.
    pub fn is_connected(&self) -> Result<bool> {
        self.read(|connection, tenant| {
            let mut statement = connection.prepare_cached("SELECT 1 FROM connections WHERE tenant = ?1")?;
            Ok(statement.exists([tenant])?)
        })
    }

    /// Those of some sessions whose calls have not ended, as far as is known.
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

    /// Those of some sessions that were never heard of.
    pub fn unknown_sessions(&self, mut ids: Vec<String>) -> Result<Vec<String>> {
        // What moves into the journal meanwhile is found here, or there, or in both.
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

/// The accounts that are listened to, of a tenant or of all.
fn connections(connection: &Reading<'_>, tenant: Option<i64>) -> Result<Vec<ConnectedAccount>> {
    let mut statement = connection.prepare_cached(
        "SELECT tenant, account, connected_ms, credentials, state, heard_ms, directory FROM connections
         WHERE ?1 IS NULL OR tenant = ?1 ORDER BY tenant, account",
    )?;
    let read = |row: &Row<'_>| -> Result<ConnectedAccount> {
        Ok(ConnectedAccount {
            tenant: TenantId(row.get(0)?),
            account: row.get(1)?,
            connected_ms: row.get(2)?,
            credentials: row.get(3)?,
            state: row.get(4)?,
            heard_ms: row.get(5)?,
            directory: row.get(6)?,
        })
    };
    let mut rows = statement.query([tenant])?;
    let mut connections = Vec::new();
    while let Some(row) = rows.next()? {
        let place = || format!("connection to account {}", row.get::<_, String>(1).unwrap_or_default());
        connections.extend(connection.pass_over(read(row), row.get(0).unwrap_or_default(), place)?);
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
        examined_ms: row.get(4)?,
        logged: row.get::<_, i64>(5)?.unsigned_abs(),
        missing: serde_json::from_str(&missing)
            .map_err(|error| StoreError::Damaged(format!("a gap's sessions: {error}")))?,
    })
}
