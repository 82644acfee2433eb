//! Tenants, their RingCentral accounts and settings.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::{
    Store, TenantId,
    audit_log::{AuditAction, note},
    damage::TolerantConnection,
    error::{Result, StoreError},
    secrets::{NewSecret, Secret, add_secret, secrets},
};

/// A customer of this installation.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, part of its hook's address.
    pub name: String,
    /// When it was added, milliseconds since 1970.
    pub created_ms: i64,
    /// The RingCentral accounts whose notifications it receives.
    pub accounts: Vec<String>,
    /// Its verification tokens and API keys, hashed.
    pub secrets: Vec<Secret>,
    /// Its settings.
    pub settings: TenantSettings,
}

/// Settings of a tenant. `None` in a field: the installation's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TenantSettings {
    /// Time after a call's last notification before it counts as complete, in milliseconds.
    pub settle_ms: Option<i64>,
    /// The same for a call of which notifications are missing.
    pub gap_settle_ms: Option<i64>,
    /// Time without notifications after which a call is closed although one leg of several is open.
    pub last_leg_stale_ms: Option<i64>,
    /// Time without notifications after which any call is closed as incomplete.
    pub stale_ms: Option<i64>,
    /// Number of days that calls and notifications are retained. `None` for an unlimited time.
    pub retention_days: Option<u32>,
}

/// A tenant to be added.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// Its name: lower-case letters, digits and hyphens.
    pub name: String,
    /// When, milliseconds since 1970.
    pub created_ms: i64,
    /// The RingCentral accounts whose notifications it receives.
    pub accounts: Vec<String>,
    /// Its first secrets.
    pub secrets: Vec<NewSecret>,
    /// Its settings.
    pub settings: TenantSettings,
    /// The salt from which the key of its pseudonyms is derived.
    pub pseudonym_salt: [u8; 32],
}

impl Store {
    /// Adds a tenant.
    pub fn add_tenant(&self, new: NewTenant) -> Result<TenantId> {
        let who = self.who.clone();
        self.change_configuration(move |transaction, _| {
            if find(transaction, &new.name)?.is_some() {
                return Err(StoreError::Conflict(format!("a tenant named {} already exists", new.name)));
            }
            let tenant = transaction
                .prepare_cached(
                    "INSERT INTO tenants (name, created_ms, settings, pseudonym_salt) VALUES (?1, ?2, ?3, ?4)",
                )?
                .insert(params![new.name, new.created_ms, to_json(&new.settings)?, new.pseudonym_salt])?;
            for account in &new.accounts {
                add_account(transaction, tenant, account)?;
            }
            for secret in &new.secrets {
                add_secret(transaction, tenant, secret, new.created_ms)?;
            }
            note(transaction, &who, Some(tenant), AuditAction::TenantAdd, &new.name)?;
            Ok(TenantId(tenant))
        })
    }

    /// All tenants, by name.
    pub fn tenants(&self) -> Result<Vec<Tenant>> {
        self.read_tenants(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT tenant, name, created_ms, settings FROM tenants ORDER BY name")?;
            let mut rows = statement.query([])?;
            let mut tenants = Vec::new();
            while let Some(row) = rows.next()? {
                let id = row.get(0)?;
                let read = tenant(connection, id, row);
                tenants.extend(connection.skip_damaged(read, id, || format!("tenant number {id}"))?);
            }
            Ok(tenants)
        })
    }

    /// Adds a RingCentral account to a tenant.
    pub fn add_account(&self, tenant: TenantId, account: String) -> Result<()> {
        let who = self.who.clone();
        self.change_configuration(move |transaction, _| {
            add_account(transaction, tenant.0, &account)?;
            note(transaction, &who, Some(tenant.0), AuditAction::TenantChange, "accounts")
        })
    }

    /// Replaces a tenant's RingCentral accounts. Connected accounts must be among the new ones.
    pub fn set_accounts(&self, tenant: TenantId, accounts: Vec<String>) -> Result<()> {
        let who = self.who.clone();
        self.change_configuration(move |transaction, _| {
            if let Some(account) =
                connected(transaction, tenant.0)?.iter().find(|one| !accounts.contains(one))
            {
                return Err(StoreError::Conflict(format!(
                    "account {account} is connected: run `wholecall disconnect` first"
                )));
            }
            transaction.prepare_cached("DELETE FROM accounts WHERE tenant = ?1")?.execute([tenant.0])?;
            accounts.iter().try_for_each(|account| add_account(transaction, tenant.0, account))?;
            note(transaction, &who, Some(tenant.0), AuditAction::TenantChange, "accounts")
        })
    }

    /// Replaces a tenant's settings.
    pub fn set_tenant_settings(&self, tenant: TenantId, settings: TenantSettings) -> Result<()> {
        let who = self.who.clone();
        self.change_configuration(move |transaction, _| {
            transaction
                .prepare_cached("UPDATE tenants SET settings = ?2 WHERE tenant = ?1")?
                .execute(params![tenant.0, to_json(&settings)?])?;
            note(transaction, &who, Some(tenant.0), AuditAction::TenantChange, "settings")
        })
    }

    /// Removes a tenant with all its data.
    pub fn remove_tenant(&self, tenant: TenantId) -> Result<()> {
        let who = self.who.clone();
        self.change_configuration(move |transaction, caches| {
            note(transaction, &who, Some(tenant.0), AuditAction::TenantRemove, "")?;
            transaction.prepare_cached("DELETE FROM tenants WHERE tenant = ?1")?.execute([tenant.0])?;
            remove_rows_without_tenant(transaction)?;
            caches.sessions = Default::default();
            Ok(())
        })
    }

    /// Removes rows that a running service stored for tenants after another process had removed them; returns their
    /// number. Blocks; the writer is used only if there are any.
    pub fn remove_rows_without_tenant(&self) -> Result<usize> {
        if self.read(|connection| has_orphans(connection))? {
            return self.writer().run(|transaction, _| remove_rows_without_tenant(transaction));
        }
        Ok(0)
    }
}

/// Whether there are rows of removed tenants. Uses the indexes, one step per tenant.
fn has_orphans(connection: &Connection) -> Result<bool> {
    for table in ["sessions", "changes", "rejected", "endpoints", "notices", "directories", "unannounced"] {
        let found = connection
            .prepare_cached(&format!(
                "WITH RECURSIVE owners (tenant) AS (
                     SELECT min(tenant) FROM {table}
                     UNION ALL
                     SELECT (SELECT min(tenant) FROM {table} WHERE tenant > owners.tenant) FROM owners
                         WHERE tenant IS NOT NULL)
                 SELECT EXISTS (SELECT 1 FROM owners WHERE tenant NOT IN (SELECT tenant FROM tenants))"
            ))?
            .query_row([], |row| row.get(0))?;
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes all rows of removed tenants.
fn remove_rows_without_tenant(transaction: &Transaction<'_>) -> Result<usize> {
    const ORPHAN: &str = "tenant NOT IN (SELECT tenant FROM tenants)";
    transaction.execute(
        &format!("UPDATE checkpoint SET removed_changes = removed_changes + (SELECT count(*) FROM changes WHERE {ORPHAN})"),
        [],
    )?;
    let terms = format!("DELETE FROM call_terms WHERE term IN (SELECT term FROM terms WHERE {ORPHAN})");
    let visits = format!("DELETE FROM queue_visits WHERE term IN (SELECT term FROM terms WHERE {ORPHAN})");
    let mut removed = transaction.execute(&terms, [])? + transaction.execute(&visits, [])?;
    for table in ["attempts", "deliveries"] {
        let of_orphans = format!("endpoint IN (SELECT endpoint FROM endpoints WHERE {ORPHAN})");
        removed += transaction.execute(&format!("DELETE FROM {table} WHERE {of_orphans}"), [])?;
    }
    for table in [
        "endpoints",
        "notices",
        "terms",
        "changes",
        "merged",
        "calls",
        "rejected",
        "rejected_bytes",
        "removed_changes",
        "journal",
        "sessions",
        "erasures",
        "secrets",
        "accounts",
        "connections",
        "gaps",
        "directories",
        "unannounced",
        "unreadable_changes",
        "removed_changes",
    ] {
        removed += transaction.execute(&format!("DELETE FROM {table} WHERE {ORPHAN}"), [])?;
    }
    Ok(removed)
}

fn find(connection: &Connection, name: &str) -> Result<Option<i64>> {
    Ok(connection
        .prepare_cached("SELECT tenant FROM tenants WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

pub(crate) fn add_account(transaction: &Transaction<'_>, tenant: i64, account: &str) -> Result<()> {
    transaction
        .prepare_cached("INSERT OR IGNORE INTO accounts VALUES (?1, ?2)")?
        .execute(params![tenant, account])?;
    Ok(())
}

/// Reads the columns `tenant, name, created_ms, settings`. A tenant whose settings are damaged gets the defaults.
fn tenant(connection: &TolerantConnection<'_>, id: i64, row: &Row<'_>) -> Result<Tenant> {
    let settings = row.get::<_, String>(3).map_err(StoreError::from).and_then(|settings| {
        serde_json::from_str(&settings)
            .map_err(|error| StoreError::Damaged(format!("the settings cannot be read: {error}")))
    });
    let settings = connection.skip_damaged(settings, id, || format!("settings of tenant number {id}"))?;
    Ok(Tenant {
        id: TenantId(id),
        name: row.get(1)?,
        created_ms: row.get(2)?,
        accounts: accounts(connection, id)?,
        secrets: secrets(connection, id)?,
        settings: settings.unwrap_or_default(),
    })
}

fn accounts(connection: &Connection, tenant: i64) -> Result<Vec<String>> {
    let mut statement =
        connection.prepare_cached("SELECT account FROM accounts WHERE tenant = ?1 ORDER BY account")?;
    let rows = statement.query_map([tenant], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The accounts that are connected with credentials.
fn connected(connection: &Connection, tenant: i64) -> Result<Vec<String>> {
    let mut statement =
        connection.prepare_cached("SELECT account FROM connections WHERE tenant = ?1 ORDER BY account")?;
    let rows = statement.query_map([tenant], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn to_json(settings: &TenantSettings) -> Result<String> {
    serde_json::to_string(settings).map_err(|error| StoreError::Failed(error.to_string()))
}
