//! The tenants with their API keys and verification tokens, in memory.
//!
//! The copy follows the store, which another process may change (`wholecall tenant add`).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use subtle::ConstantTimeEq;
use tokio::{sync::watch, time::Instant};
use wholecall_store::{Actor, AuditActor, Scope, SecretKind, Store, StoreError, TenantId, TenantSettings};

use crate::{blocking::blocking, clock, security::secret};

/// Minimum interval between two refreshes for unknown keys and names. Requests that show one meanwhile wait for the same
/// refresh, so that any number of wrong keys costs other requests nothing noticeable.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_millis(50);

/// Precision of the stored time of a key's last use.
const KEY_USE_PRECISION_MS: i64 = 60_000;

/// Maximum interval between two checks whether a key has expired, since the clock may be set.
const MAX_EXPIRY_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// All tenants as of the last refresh from the store.
#[derive(Debug)]
pub(crate) struct Tenants {
    store: Store,
    snapshot: RwLock<Arc<TenantSnapshot>>,
    version: watch::Sender<i64>,
    /// When the last refresh for an unknown key or name started.
    last_refresh: tokio::sync::Mutex<Option<Instant>>,
    uses: Mutex<HashMap<i64, KeyUse>>,
}

/// The last use of a key.
#[derive(Debug, Default)]
struct KeyUse {
    last_ms: i64,
    stored_ms: i64,
}

/// The tenants at a time.
#[derive(Debug, Default)]
pub(crate) struct TenantSnapshot {
    version: i64,
    pub(crate) by_name: BTreeMap<String, Arc<Tenant>>,
    pub(crate) by_id: HashMap<TenantId, Arc<Tenant>>,
    by_key: HashMap<[u8; 32], Arc<Key>>,
}

/// A tenant: what requests need of it.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) name: String,
    pub(crate) accounts: BTreeSet<String>,
    pub(crate) settings: TenantSettings,
    tokens: Vec<[u8; 32]>,
}

/// An API key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) scope: Scope,
    number: i64,
    hint: String,
    name: String,
    /// When the key counts as removed. `None` if it does not expire.
    expires_ms: Option<i64>,
}

impl Key {
    /// The time until the key expires. `None` if it does not.
    fn expires_in(&self, now_ms: i64) -> Option<Duration> {
        self.expires_ms.map(|expires_ms| Duration::from_millis((expires_ms - now_ms).max(0).unsigned_abs()))
    }

    fn is_valid(&self) -> bool {
        self.expires_in(clock::now().as_millis()) != Some(Duration::ZERO)
    }

    /// The holder of the key at an address, for the audit log.
    pub(crate) fn shown_from(&self, address: Option<IpAddr>) -> AuditActor {
        let Self { number, hint, name, .. } = self;
        let actor = Actor::Key { number: *number, hint: hint.clone(), name: name.clone() };
        AuditActor { actor, address }
    }
}

impl TenantSnapshot {
    /// The key with that hash, unless it has expired.
    fn key(&self, hash: &[u8; 32]) -> Option<&Arc<Key>> {
        self.by_key.get(hash).filter(|key| key.is_valid())
    }
}

impl Tenant {
    /// Whether a verification token is one of the tenant's, compared in constant time.
    pub(crate) fn is_verified_by(&self, token: &str) -> bool {
        let hash = secret::hash(token);
        let mut found = subtle::Choice::from(0);
        for own in &self.tokens {
            found |= own.ct_eq(&hash);
        }
        found.into()
    }
}

impl Tenants {
    pub(crate) fn open(store: Store) -> Result<Self, StoreError> {
        let snapshot = read(&store)?;
        let version = watch::Sender::new(snapshot.version);
        let snapshot = RwLock::new(Arc::new(snapshot));
        Ok(Self { store, snapshot, version, last_refresh: Default::default(), uses: Default::default() })
    }

    pub(crate) fn snapshot(&self) -> Arc<TenantSnapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The version of the tenants; changes can be awaited.
    pub(crate) fn watch(&self) -> watch::Receiver<i64> {
        self.version.subscribe()
    }

    /// Reads the tenants again if they have changed in the store. Blocks for a short time.
    pub(crate) fn refresh(&self) -> Result<(), StoreError> {
        if self.store.configuration_version()? != self.snapshot().version {
            let snapshot = Arc::new(read(&self.store)?);
            let version = snapshot.version;
            *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
            self.version.send_replace(version);
        }
        Ok(())
    }

    /// Searches the snapshot, and if nothing is found, a refreshed one.
    async fn find<T>(
        self: &Arc<Self>,
        search: impl Fn(&TenantSnapshot) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        if let Some(found) = search(&self.snapshot()) {
            return Ok(Some(found));
        }
        self.refresh_shared().await?;
        Ok(search(&self.snapshot()))
    }

    /// Returns after a refresh that started after this was called; concurrent callers share one.
    async fn refresh_shared(self: &Arc<Self>) -> Result<(), StoreError> {
        let requested = Instant::now();
        let mut last = self.last_refresh.lock().await;
        if last.is_some_and(|last| last > requested) {
            return Ok(());
        }
        if let Some(last) = *last {
            tokio::time::sleep_until(last + MIN_REFRESH_INTERVAL).await;
        }
        *last = Some(Instant::now());
        let tenants = self.clone();
        blocking(move || tenants.refresh()).await
    }

    /// The tenant with that name, if it has the verification token. An unknown name and a wrong token have the same result.
    pub(crate) async fn verified(
        self: &Arc<Self>,
        name: &str,
        token: &str,
    ) -> Result<Option<Arc<Tenant>>, StoreError> {
        self.find(|snapshot| {
            snapshot.by_name.get(name).filter(|tenant| tenant.is_verified_by(token)).cloned()
        })
        .await
    }

    /// The API key with that hash; notes its use. The time of the search reveals nothing about other keys.
    pub(crate) async fn with_key_hash(
        self: &Arc<Self>,
        hash: &[u8; 32],
    ) -> Result<Option<Arc<Key>>, StoreError> {
        let key = self.find(|snapshot| snapshot.key(hash).cloned()).await?;
        if let Some(key) = &key {
            self.uses().entry(key.number).or_default().last_ms = clock::now().as_millis();
        }
        Ok(key)
    }

    /// Returns once the API key with that hash was removed or has expired.
    pub(crate) async fn key_removed(&self, hash: &[u8; 32]) {
        let mut version = self.watch();
        loop {
            let Some(key) = self.key(hash) else { return };
            let expires_in = key.expires_in(clock::now().as_millis());
            let expiry_check = async {
                match expires_in {
                    Some(rest) => tokio::time::sleep(rest.min(MAX_EXPIRY_CHECK_INTERVAL)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = version.changed() => if changed.is_err() { return },
                () = expiry_check => {}
            }
        }
    }

    /// The API key with that hash. `None` if it is not in memory.
    pub(crate) fn key(&self, hash: &[u8; 32]) -> Option<Arc<Key>> {
        self.snapshot().key(hash).cloned()
    }

    /// The tenant of the API key with that hash. `None` if the key is not in memory.
    pub(crate) fn owner_of(&self, hash: &[u8; 32]) -> Option<TenantId> {
        self.snapshot().key(hash).map(|key| key.tenant.id)
    }

    /// Whether the API key with that hash is in memory.
    pub(crate) fn is_key(&self, hash: &[u8; 32]) -> bool {
        self.snapshot().key(hash).is_some()
    }

    /// When a key was last used with this service, since it started.
    pub(crate) fn last_used_ms(&self, key: i64) -> Option<i64> {
        self.uses().get(&key).map(|used| used.last_ms)
    }

    fn uses(&self) -> std::sync::MutexGuard<'_, HashMap<i64, KeyUse>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores the times of keys' last uses that differ from the stored ones by more than the precision, or at the end of the
    /// service by anything.
    pub(crate) async fn store_key_uses(&self, is_stopping: bool) {
        let precision_ms = if is_stopping { 1 } else { KEY_USE_PRECISION_MS };
        let is_outdated = |used: &KeyUse| (used.last_ms - used.stored_ms).abs() >= precision_ms;
        let uses: Vec<(i64, i64)> = self
            .uses()
            .iter()
            .filter(|(_, used)| is_outdated(used))
            .map(|(key, used)| (*key, used.last_ms))
            .collect();
        if uses.is_empty() {
            return;
        }
        let stored = match self.store.note_keys_used(uses.clone()) {
            Ok(durable) => durable.await.unwrap_or(Err(StoreError::Closed)),
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            tracing::warn!(%error, "the last uses of keys could not be stored; it is tried again");
            return;
        }
        let mut known = self.uses();
        for (key, stored_ms) in uses {
            known.entry(key).or_default().stored_ms = stored_ms;
        }
        let snapshot = self.snapshot();
        known.retain(|number, _| snapshot.by_key.values().any(|key| key.number == *number));
    }

    /// The tenant with that id. `None` if it is not in memory, which an id from the snapshot always is until the tenant is
    /// removed.
    pub(crate) fn with_id(&self, id: TenantId) -> Option<Arc<Tenant>> {
        self.snapshot().by_id.get(&id).cloned()
    }

    /// The tenant with that id, also if another process has just added it. Blocks.
    pub(crate) fn with_new_id(&self, id: TenantId) -> Result<Option<Arc<Tenant>>, StoreError> {
        if let Some(found) = self.with_id(id) {
            return Ok(Some(found));
        }
        self.refresh()?;
        Ok(self.with_id(id))
    }
}

fn read(store: &Store) -> Result<TenantSnapshot, StoreError> {
    // The version first: a change in between then leads to another refresh.
    let mut snapshot =
        TenantSnapshot { version: store.configuration_version()?, ..TenantSnapshot::default() };
    for stored in store.tenants()? {
        let hashes =
            |kind| stored.secrets.iter().filter(move |secret| secret.kind == kind).map(|secret| secret.hash);
        let tenant = Arc::new(Tenant {
            id: stored.id,
            name: stored.name.clone(),
            accounts: stored.accounts.iter().cloned().collect(),
            settings: stored.settings.clone(),
            tokens: hashes(SecretKind::Verification).chain(hashes(SecretKind::Subscription)).collect(),
        });
        for secret in stored.secrets.iter().filter(|secret| secret.kind == SecretKind::Key) {
            let key = Key {
                tenant: tenant.clone(),
                scope: secret.scope,
                number: secret.number,
                hint: secret.hint.clone(),
                name: secret.name.clone(),
                expires_ms: secret.expires_ms,
            };
            snapshot.by_key.insert(secret.hash, Arc::new(key));
        }
        snapshot.by_id.insert(stored.id, tenant.clone());
        snapshot.by_name.insert(stored.name, tenant);
    }
    Ok(snapshot)
}
