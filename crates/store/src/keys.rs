//! API keys: their scope, expiry and last use.

use rusqlite::params;
use tokio::sync::oneshot;

use crate::{
    Store, TenantView,
    error::Result,
    secrets::{self, NewSecret, Secret, SecretKind},
};

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
            self.store.read_tenants(|connection| secrets::secrets(connection, self.tenant.0))?;
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
            secrets::remove_secret(transaction, &who, tenant.0, number)
        })
    }
}
