//! API keys: their scope, expiry and last use.

use rusqlite::{Transaction, params};
use tokio::sync::oneshot;

use crate::{
    NewSecret, Secret, SecretKind, Store, TenantView,
    audit_log::{What, note},
    error::{Result, StoreError},
    tenants,
};

/// Maximum number of API keys of a tenant.
pub const MAX_KEYS: i64 = 100;

/// What a key permits. Each scope includes those before it.
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

impl Store {
    /// Stores when keys were last used, by their numbers; the receiver gets the result when that is durable. Does not
    /// raise the tenants' version.
    pub fn note_keys_used(&self, used: Vec<(i64, i64)>) -> Result<oneshot::Receiver<Result<()>>> {
        self.writer().submit(move |transaction, _| {
            let mut update = transaction.prepare_cached(
                "UPDATE secrets SET last_used_ms = max(coalesce(last_used_ms, 0), ?2) WHERE secret = ?1",
            )?;
            used.iter().try_for_each(|(key, used_ms)| update.execute(params![key, used_ms]).map(drop))?;
            Ok(())
        })
    }
}

impl TenantView {
    /// The tenant's API keys, oldest first.
    pub fn keys(&self) -> Result<Vec<Secret>> {
        let mut secrets =
            self.store.read_tenants(|connection| tenants::secrets(connection, self.tenant.0))?;
        secrets.retain(|secret| secret.kind == SecretKind::Key);
        Ok(secrets)
    }

    /// Adds an API key; returns its number. Blocks.
    pub fn add_key(&self, key: NewSecret, now_ms: i64) -> Result<i64> {
        self.store.add_secret(self.tenant, key, now_ms)
    }

    /// Removes an API key; returns whether it existed. Blocks.
    pub fn remove_key(&self, number: i64) -> Result<bool> {
        let (tenant, who) = (self.tenant, self.store.who.clone());
        self.store.change_configuration(move |transaction, _| {
            let is_key = "SELECT 1 FROM secrets WHERE tenant = ?1 AND secret = ?2 AND kind = 'key'";
            if !transaction.prepare_cached(is_key)?.exists(params![tenant.0, number])? {
                return Ok(false);
            }
            tenants::remove_secret(transaction, &who, tenant.0, number)
        })
    }
}

/// Refuses a key beyond the maximum.
pub(crate) fn expect_below_maximum(transaction: &Transaction<'_>, tenant: i64) -> Result<()> {
    let count = "SELECT count(*) FROM secrets WHERE tenant = ?1 AND kind = 'key'";
    let keys: i64 = transaction.prepare_cached(count)?.query_row([tenant], |row| row.get(0))?;
    match keys < MAX_KEYS {
        true => Ok(()),
        false => Err(StoreError::Exists(format!("a tenant has {MAX_KEYS} API keys at most"))),
    }
}

/// Adds to the audit log that a secret was added or removed.
pub(crate) fn note_change(
    transaction: &Transaction<'_>,
    who: &crate::Who,
    tenant: i64,
    kind: SecretKind,
    is_added: bool,
    object: &str,
) -> Result<()> {
    let what = match (kind, is_added) {
        // The service replaces these by itself.
        (SecretKind::Subscription, _) => return Ok(()),
        (SecretKind::Key, true) => What::KeyAdd,
        (SecretKind::Key, false) => What::KeyRemove,
        (SecretKind::Verification, true) => What::TokenAdd,
        (SecretKind::Verification, false) => What::TokenRemove,
    };
    note(transaction, who, Some(tenant), what, object)
}
