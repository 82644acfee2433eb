//! Secrets: verification tokens and API keys, of which only the hash is stored.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::{
    Store, TenantId,
    audit_log::{AuditAction, AuditActor, note},
    damage::TolerantConnection,
    error::{Result, StoreError},
};

/// Maximum number of API keys of a tenant.
pub const MAX_KEYS: i64 = 100;

/// The permissions of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Read the tenant's data.
    Read,
    /// Export it as CSV and vCon.
    Export,
    /// Change endpoints, import, redeliver, retry.
    Write,
    /// Erase persons and manage keys.
    Admin,
}

impl Scope {
    /// All of them, the narrowest first.
    pub const ALL: [Self; 4] = [Self::Read, Self::Export, Self::Write, Self::Admin];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Export => "export",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// The scope with a name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

/// The purpose of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// A verification token that RingCentral sends with each notification.
    Verification,
    /// The same, of one subscription that the service created.
    Subscription,
    /// An API key of the tenant's programs.
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
        found.ok_or_else(|| StoreError::Damaged(format!("a secret of the unknown kind {word:?}")))
    }
}

/// A secret, of which only the hash is stored.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Its number.
    pub number: i64,
    /// Its purpose.
    pub kind: SecretKind,
    /// Its SHA-256.
    pub hash: [u8; 32],
    /// Its first characters, for recognition.
    pub hint: String,
    /// When it was added, milliseconds since 1970.
    pub created_ms: i64,
    /// Its name; `default` if it was given none.
    pub name: String,
    /// The permissions of a key.
    pub scope: Scope,
    /// When it expires, milliseconds since 1970. `None` if never.
    pub expires_ms: Option<i64>,
    /// When a key was last used, to about a minute. `None` if never.
    pub last_used_ms: Option<i64>,
}

/// A secret to be added.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// Its purpose.
    pub kind: SecretKind,
    /// Its SHA-256.
    pub hash: [u8; 32],
    /// Its first characters.
    pub hint: String,
    /// Its name.
    pub name: String,
    /// The permissions of a key.
    pub scope: Scope,
    /// When it expires, milliseconds since 1970. `None` if never.
    pub expires_ms: Option<i64>,
}

impl Store {
    /// Adds a secret to a tenant; returns its number.
    pub fn add_secret(&self, tenant: TenantId, secret: NewSecret, now_ms: i64) -> Result<i64> {
        let who = self.who.clone();
        self.change_configuration(move |transaction, _| {
            if secret.kind == SecretKind::Key {
                expect_below_maximum(transaction, tenant.0)?;
            }
            let number = add_secret(transaction, tenant.0, &secret, now_ms)?;
            let object = described(secret.kind, &secret.hint, &secret.name, secret.scope);
            note_change(transaction, &who, tenant.0, secret.kind, true, &object)?;
            Ok(number)
        })
    }

    /// Removes secrets; returns the number of those that existed.
    pub fn remove_secrets(&self, tenant: TenantId, numbers: Vec<i64>) -> Result<usize> {
        let who = self.who.clone();
        self.change_configuration(move |transaction, _| {
            let mut removed = 0;
            for number in numbers {
                removed += usize::from(remove_secret(transaction, &who, tenant.0, number)?);
            }
            Ok(removed)
        })
    }
}

pub(crate) fn add_secret(
    transaction: &Transaction<'_>,
    tenant: i64,
    secret: &NewSecret,
    now_ms: i64,
) -> Result<i64> {
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

/// Removes a secret of a tenant; returns whether it existed.
pub(crate) fn remove_secret(
    transaction: &Transaction<'_>,
    who: &AuditActor,
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
    // A damaged one is removed, too.
    if let (Ok(kind), Some(scope)) = (SecretKind::from_word(&kind), Scope::from_word(&scope)) {
        let object = described(kind, &hint, &name, scope);
        note_change(transaction, who, tenant, kind, false, &object)?;
    }
    Ok(true)
}

/// Describes a secret for the audit log.
fn described(kind: SecretKind, hint: &str, name: &str, scope: Scope) -> String {
    match kind {
        SecretKind::Key => format!("{hint} {name} ({})", scope.as_str()),
        SecretKind::Verification | SecretKind::Subscription => hint.to_owned(),
    }
}

pub(crate) fn secrets(connection: &TolerantConnection<'_>, tenant: i64) -> Result<Vec<Secret>> {
    let mut statement = connection.prepare_cached(
        "SELECT secret, kind, hash, hint, created_ms, name, scope, expires_ms, last_used_ms FROM secrets
         WHERE tenant = ?1 ORDER BY secret",
    )?;
    // A secret with an unknown scope is invalid.
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
                .ok_or_else(|| StoreError::Damaged(format!("a key with the unknown scope {scope:?}")))?,
            expires_ms: row.get(7)?,
            last_used_ms: row.get(8)?,
        })
    };
    let mut rows = statement.query([tenant])?;
    let mut secrets = Vec::new();
    while let Some(row) = rows.next()? {
        let place = || format!("secret {}", row.get::<_, i64>(0).unwrap_or_default());
        secrets.extend(connection.skip_damaged(read(row), tenant, place)?);
    }
    Ok(secrets)
}

/// Refuses a key beyond the maximum.
fn expect_below_maximum(transaction: &Transaction<'_>, tenant: i64) -> Result<()> {
    let count = "SELECT count(*) FROM secrets WHERE tenant = ?1 AND kind = 'key'";
    let keys: i64 = transaction.prepare_cached(count)?.query_row([tenant], |row| row.get(0))?;
    match keys < MAX_KEYS {
        true => Ok(()),
        false => Err(StoreError::Conflict(format!("a tenant has {MAX_KEYS} API keys at most"))),
    }
}

/// Adds to the audit log that a secret was added or removed.
fn note_change(
    transaction: &Transaction<'_>,
    who: &AuditActor,
    tenant: i64,
    kind: SecretKind,
    is_added: bool,
    object: &str,
) -> Result<()> {
    let what = match (kind, is_added) {
        // The service replaces these by itself.
        (SecretKind::Subscription, _) => return Ok(()),
        (SecretKind::Key, true) => AuditAction::KeyAdd,
        (SecretKind::Key, false) => AuditAction::KeyRemove,
        (SecretKind::Verification, true) => AuditAction::TokenAdd,
        (SecretKind::Verification, false) => AuditAction::TokenRemove,
    };
    note(transaction, who, Some(tenant), what, object)
}
