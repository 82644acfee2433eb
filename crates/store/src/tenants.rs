//! Tenants, the accounts they listen to, and the secrets they are known by.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::{
    Scope, Store, Who,
    audit_log::{What, note},
    damage::Reading,
    error::{Result, StoreError},
    keys,
    writer::Memory,
};

/// A tenant. Whoever holds one may see that tenant's data: it comes only from a name that an operator gave or from a
/// secret that was shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub(crate) i64);

impl TenantId {
    /// As a number, for logs and metrics.
    pub fn number(self) -> i64 {
        self.0
    }
}

/// A customer of this installation.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, part of its hook's address.
    pub name: String,
    /// When it was added, milliseconds since 1970.
    pub created_ms: i64,
    /// The RingCentral accounts whose notifications it gets.
    pub accounts: Vec<String>,
    /// Its verification tokens and API keys, hashed.
    pub secrets: Vec<Secret>,
    /// What it wants otherwise than others.
    pub settings: TenantSettings,
}

/// What a tenant may want otherwise; none means as everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TenantSettings {
    /// After a call's last notification, before it counts as complete, in milliseconds.
    pub settle_ms: Option<i64>,
    /// The same, where something is missing.
    pub gap_settle_ms: Option<i64>,
    /// Silence after which a call is given up of which one leg of several has not ended.
    pub last_leg_stale_ms: Option<i64>,
    /// Silence after which any call is given up.
    pub stale_ms: Option<i64>,
    /// For how many days calls and notifications are kept; none: for ever.
    pub retention_days: Option<u32>,
}

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// RingCentral shows it with each notification.
    Verification,
    /// The same, of one subscription that the service has made by itself.
    Subscription,
    /// The tenant's programs show it with each query.
    Key,
}

impl SecretKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::Subscription => "subscription",
            Self::Key => "key",
        }
    }

    fn from_word(word: &str) -> Result<Self> {
        let known = [Self::Verification, Self::Subscription, Self::Key];
        let found = known.into_iter().find(|kind| kind.as_str() == word);
        found.ok_or_else(|| StoreError::Damaged(format!("a secret that is a {word:?}")))
    }
}

/// A secret, of which only the hash is kept.
#[derive(Debug, Clone)]
pub struct Secret {
    /// To name it by.
    pub number: i64,
    /// What it is for.
    pub kind: SecretKind,
    /// Its SHA-256.
    pub hash: [u8; 32],
    /// How it begins, to tell it by.
    pub hint: String,
    /// When it was added, milliseconds since 1970.
    pub created_ms: i64,
    /// What people call it; `default` where it was given no name.
    pub name: String,
    /// What a key may do.
    pub scope: Scope,
    /// From when on it counts as removed, milliseconds since 1970; none: never.
    pub expires_ms: Option<i64>,
    /// When a key was used last, to a minute or so; none: not yet.
    pub used_ms: Option<i64>,
}

/// A secret to be added.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// What it is for.
    pub kind: SecretKind,
    /// Its SHA-256.
    pub hash: [u8; 32],
    /// How it begins.
    pub hint: String,
    /// What people call it.
    pub name: String,
    /// What a key may do.
    pub scope: Scope,
    /// From when on it counts as removed; none: never.
    pub expires_ms: Option<i64>,
}

/// A tenant to be added.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// Its name: small letters, digits and hyphens.
    pub name: String,
    /// When, milliseconds since 1970.
    pub created_ms: i64,
    /// The RingCentral accounts whose notifications it gets.
    pub accounts: Vec<String>,
    /// Its first secrets.
    pub secrets: Vec<NewSecret>,
    /// What it wants otherwise than others.
    pub settings: TenantSettings,
    /// What the key of its pseudonyms is derived with, for the numbers that it erases.
    pub pseudonym_salt: [u8; 32],
}

impl Store {
    /// Adds a tenant.
    pub fn add_tenant(&self, new: NewTenant) -> Result<TenantId> {
        let who = self.who.clone();
        self.change_tenants(move |transaction, _| {
            if find(transaction, &new.name)?.is_some() {
                return Err(StoreError::Exists(format!("there is a tenant named {} already", new.name)));
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
            note(transaction, &who, Some(tenant), What::TenantAdd, &new.name)?;
            Ok(TenantId(tenant))
        })
    }

    /// A number that rises whenever a tenant or a secret changes, whichever process changed it.
    pub fn tenants_version(&self) -> Result<i64> {
        self.read_tenants(|connection| {
            let count = "SELECT count FROM tenant_changes";
            Ok(connection.prepare_cached(count)?.query_row([], |row| row.get(0))?)
        })
    }

    /// Changes tenants, and says so to whoever watches.
    pub(crate) fn change_tenants<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>, &mut Memory) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer().run(move |transaction, memory| {
            let value = change(transaction, memory)?;
            transaction.execute("UPDATE tenant_changes SET count = count + 1", [])?;
            Ok(value)
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
                tenants.extend(connection.pass_over(read, id, || format!("tenant number {id}"))?);
            }
            Ok(tenants)
        })
    }

    /// Adds a RingCentral account to a tenant.
    pub fn add_account(&self, tenant: TenantId, account: String) -> Result<()> {
        let who = self.who.clone();
        self.change_tenants(move |transaction, _| {
            add_account(transaction, tenant.0, &account)?;
            note(transaction, &who, Some(tenant.0), What::TenantChange, "accounts")
        })
    }

    /// Gives a tenant other RingCentral accounts than it had. Those that are connected have to stay.
    pub fn set_accounts(&self, tenant: TenantId, accounts: Vec<String>) -> Result<()> {
        let who = self.who.clone();
        self.change_tenants(move |transaction, _| {
            if let Some(account) =
                connected(transaction, tenant.0)?.iter().find(|one| !accounts.contains(one))
            {
                return Err(StoreError::Exists(format!(
                    "account {account} is connected: `wholecall disconnect` comes first"
                )));
            }
            transaction.prepare_cached("DELETE FROM accounts WHERE tenant = ?1")?.execute([tenant.0])?;
            accounts.iter().try_for_each(|account| add_account(transaction, tenant.0, account))?;
            note(transaction, &who, Some(tenant.0), What::TenantChange, "accounts")
        })
    }

    /// Adds a secret to a tenant, beside those it has; its number.
    pub fn add_secret(&self, tenant: TenantId, secret: NewSecret, now_ms: i64) -> Result<i64> {
        let who = self.who.clone();
        self.change_tenants(move |transaction, _| {
            if secret.kind == SecretKind::Key {
                keys::expect_room(transaction, tenant.0)?;
            }
            let number = add_secret(transaction, tenant.0, &secret, now_ms)?;
            let object = described(secret.kind, &secret.hint, &secret.name, secret.scope);
            keys::note_change(transaction, &who, tenant.0, secret.kind, true, &object)?;
            Ok(number)
        })
    }

    /// Takes secrets away; tells how many there were.
    pub fn remove_secrets(&self, tenant: TenantId, numbers: Vec<i64>) -> Result<usize> {
        let who = self.who.clone();
        self.change_tenants(move |transaction, _| {
            let mut removed = 0;
            for number in numbers {
                removed += usize::from(remove_secret(transaction, &who, tenant.0, number)?);
            }
            Ok(removed)
        })
    }

    /// Changes what a tenant wants otherwise than others.
    pub fn set_tenant_settings(&self, tenant: TenantId, settings: TenantSettings) -> Result<()> {
        let who = self.who.clone();
        self.change_tenants(move |transaction, _| {
            transaction
                .prepare_cached("UPDATE tenants SET settings = ?2 WHERE tenant = ?1")?
                .execute(params![tenant.0, to_json(&settings)?])?;
            note(transaction, &who, Some(tenant.0), What::TenantChange, "settings")
        })
    }

    /// Removes a tenant with everything that was kept of it.
    pub fn remove_tenant(&self, tenant: TenantId) -> Result<()> {
        let who = self.who.clone();
        self.change_tenants(move |transaction, memory| {
            note(transaction, &who, Some(tenant.0), What::TenantRemove, "")?;
            transaction.prepare_cached("DELETE FROM tenants WHERE tenant = ?1")?.execute([tenant.0])?;
            remove_orphans(transaction)?;
            memory.sessions = Default::default();
            Ok(())
        })
    }

    /// Removes what a service kept of tenants before it heard that they were removed beside it; tells how many rows
    /// there were. Blocks; whoever writes is held up only if there are any.
    pub fn remove_orphans(&self) -> Result<usize> {
        if self.read(|connection| has_orphans(connection))? {
            return self.writer().run(|transaction, _| remove_orphans(transaction));
        }
        Ok(0)
    }
}

/// Whether anything is nobody's. Goes from tenant to tenant by the indexes.
fn has_orphans(connection: &Connection) -> Result<bool> {
    for table in ["sessions", "changes", "quarantine", "endpoints", "notices", "directories", "unannounced"] {
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

/// Removes everything that is nobody's.
fn remove_orphans(transaction: &Transaction<'_>) -> Result<usize> {
    const ORPHAN: &str = "tenant NOT IN (SELECT tenant FROM tenants)";
    transaction.execute(
        &format!("UPDATE checkpoint SET removed = removed + (SELECT count(*) FROM changes WHERE {ORPHAN})"),
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
        "quarantine",
        "quarantine_bytes",
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
        "set_aside",
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

fn add_secret(transaction: &Transaction<'_>, tenant: i64, secret: &NewSecret, now_ms: i64) -> Result<i64> {
    Ok(transaction
        .prepare_cached(
            "INSERT INTO secrets (tenant, kind, hash, hint, created_ms, name, scope, expires_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .insert(params![
            tenant,
            secret.kind.as_str(),
            secret.hash,
            secret.hint,
            now_ms,
            secret.name,
            secret.scope.as_str(),
            secret.expires_ms
        ])?)
}

/// Removes a secret of a tenant; false if there is none of that number.
pub(crate) fn remove_secret(
    transaction: &Transaction<'_>,
    who: &Who,
    tenant: i64,
    number: i64,
) -> Result<bool> {
    let removed = transaction
        .prepare_cached(
            "DELETE FROM secrets WHERE tenant = ?1 AND secret = ?2 RETURNING kind, hint, name, scope",
        )?
        .query_row(params![tenant, number], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
            ))
        })
        .optional()?;
    let Some((kind, hint, name, scope)) = removed else { return Ok(false) };
    // One that is damaged goes too.
    if let (Ok(kind), Some(scope)) = (SecretKind::from_word(&kind), Scope::from_word(&scope)) {
        let object = described(kind, &hint, &name, scope);
        keys::note_change(transaction, who, tenant, kind, false, &object)?;
    }
    Ok(true)
}

/// A secret in the audit log.
fn described(kind: SecretKind, hint: &str, name: &str, scope: Scope) -> String {
    match kind {
        SecretKind::Key => format!("{hint} {name} ({})", scope.as_str()),
        SecretKind::Verification | SecretKind::Subscription => hint.to_owned(),
    }
}

/// From `tenant, name, created_ms, settings`. One whose settings are damaged has those of everybody, and is served.
fn tenant(connection: &Reading<'_>, id: i64, row: &Row<'_>) -> Result<Tenant> {
    let settings = row.get::<_, String>(3).map_err(StoreError::from).and_then(|settings| {
        serde_json::from_str(&settings)
            .map_err(|error| StoreError::Damaged(format!("the settings cannot be read: {error}")))
    });
    let settings = connection.pass_over(settings, id, || format!("settings of tenant number {id}"))?;
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

/// The accounts that are listened to with credentials.
fn connected(connection: &Connection, tenant: i64) -> Result<Vec<String>> {
    let mut statement =
        connection.prepare_cached("SELECT account FROM connections WHERE tenant = ?1 ORDER BY account")?;
    let rows = statement.query_map([tenant], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(crate) fn secrets(connection: &Reading<'_>, tenant: i64) -> Result<Vec<Secret>> {
    let mut statement = connection.prepare_cached(
        "SELECT secret, kind, hash, hint, created_ms, name, scope, expires_ms, used_ms FROM secrets
         WHERE tenant = ?1 ORDER BY secret",
    )?;
    // One of which it is not known what it may do may do nothing.
    let read = |row: &Row<'_>| -> Result<Secret> {
        let scope: String = row.get(6)?;
        Ok(Secret {
            number: row.get(0)?,
            kind: SecretKind::from_word(&row.get::<_, String>(1)?)?,
            hash: row.get(2)?,
            hint: row.get(3)?,
            created_ms: row.get(4)?,
            name: row.get(5)?,
            scope: Scope::from_word(&scope)
                .ok_or_else(|| StoreError::Damaged(format!("a key that may {scope:?}")))?,
            expires_ms: row.get(7)?,
            used_ms: row.get(8)?,
        })
    };
    let mut rows = statement.query([tenant])?;
    let mut secrets = Vec::new();
    while let Some(row) = rows.next()? {
        let place = || format!("secret {}", row.get::<_, i64>(0).unwrap_or_default());
        secrets.extend(connection.pass_over(read(row), tenant, place)?);
    }
    Ok(secrets)
}

fn to_json(settings: &TenantSettings) -> Result<String> {
    serde_json::to_string(settings).map_err(|error| StoreError::Failed(error.to_string()))
}
