//! Who is who: tenants by the name of their hook, by their API keys and verification tokens.
//!
//! They lie in memory and follow the store, which another process may change (`wholecall tenant add`).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use subtle::ConstantTimeEq;
use tokio::{sync::watch, time::Instant};
use wholecall_store::{Actor, Scope, SecretKind, Store, StoreError, TenantId, TenantSettings, Who};

use crate::{blocking::blocking, clock, secret};

/// The store is looked at for unknown keys and names at most this often: all requests that show one in between wait for
/// the same look. So wrong keys cost nothing that others could notice, whatever their number.
const LOOKS_APART: Duration = Duration::from_millis(50);

/// When a key was used last is kept to so much.
const USE_KEPT_TO_MS: i64 = 60_000;

/// Whether a key has expired is looked at so often, in case that the clock is set.
const EXPIRY_LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// All tenants, as of the last look at the store.
#[derive(Debug)]
pub(crate) struct Tenants {
    store: Store,
    known: RwLock<Arc<Known>>,
    version: watch::Sender<i64>,
    /// When the last look for an unknown key or name began.
    last_look: tokio::sync::Mutex<Option<Instant>>,
    uses: Mutex<HashMap<i64, Use>>,
}

/// When a key was used last, and what of that is written.
#[derive(Debug, Default)]
struct Use {
    last_ms: i64,
    written_ms: i64,
}

/// The tenants at one time.
#[derive(Debug, Default)]
pub(crate) struct Known {
    version: i64,
    pub(crate) by_name: BTreeMap<String, Arc<Tenant>>,
    pub(crate) by_id: HashMap<TenantId, Arc<Tenant>>,
    by_key: HashMap<[u8; 32], Arc<Key>>,
}

/// A tenant, as far as a request needs to know.
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
    /// From when on it counts as removed.
    expires_ms: Option<i64>,
}

impl Key {
    /// How long it is still good; none: without end.
    fn good_for(&self, now_ms: i64) -> Option<Duration> {
        self.expires_ms.map(|expires_ms| Duration::from_millis((expires_ms - now_ms).max(0).unsigned_abs()))
    }

    fn is_good(&self) -> bool {
        self.good_for(clock::now().as_millis()) != Some(Duration::ZERO)
    }

    /// Its holder, at an address.
    pub(crate) fn shown_from(&self, address: Option<IpAddr>) -> Who {
        let Self { number, hint, name, .. } = self;
        let actor = Actor::Key { number: *number, hint: hint.clone(), name: name.clone() };
        Who { actor, address }
    }
}

impl Known {
    /// The key with that hash, unless it has expired.
    fn key(&self, hash: &[u8; 32]) -> Option<&Arc<Key>> {
        self.by_key.get(hash).filter(|key| key.is_good())
    }
}

impl Tenant {
    /// Whether a verification token is one of the tenant's; the time it takes tells nothing of them.
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
        let known = read(&store)?;
        let version = watch::Sender::new(known.version);
        let known = RwLock::new(Arc::new(known));
        Ok(Self { store, known, version, last_look: Default::default(), uses: Default::default() })
    }

    pub(crate) fn now(&self) -> Arc<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Their version, as it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<i64> {
        self.version.subscribe()
    }

    /// Looks whether the store has changed. Blocks, shortly.
    pub(crate) fn refresh(&self) -> Result<(), StoreError> {
        if self.store.tenants_version()? != self.now().version {
            let known = Arc::new(read(&self.store)?);
            let version = known.version;
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
            self.version.send_replace(version);
        }
        Ok(())
    }

    /// What a look-up finds now or, failing that, after a look at the store.
    async fn find<T>(self: &Arc<Self>, look: impl Fn(&Known) -> Option<T>) -> Result<Option<T>, StoreError> {
        if let Some(found) = look(&self.now()) {
            return Ok(Some(found));
        }
        self.look_again().await?;
        Ok(look(&self.now()))
    }

    /// Returns after a look at the store that began after this was called.
    async fn look_again(self: &Arc<Self>) -> Result<(), StoreError> {
        let asked = Instant::now();
        let mut last = self.last_look.lock().await;
        if last.is_some_and(|last| last > asked) {
            return Ok(());
        }
        if let Some(last) = *last {
            tokio::time::sleep_until(last + LOOKS_APART).await;
        }
        *last = Some(Instant::now());
        let tenants = self.clone();
        blocking(move || tenants.refresh()).await
    }

    /// The tenant with that name, if the token is one of its own. That there is no such tenant and that the token is
    /// wrong look the same.
    pub(crate) async fn verified(
        self: &Arc<Self>,
        name: &str,
        token: &str,
    ) -> Result<Option<Arc<Tenant>>, StoreError> {
        self.find(|known| known.by_name.get(name).filter(|tenant| tenant.is_verified_by(token)).cloned())
            .await
    }

    /// The API key with that hash, which is used now. How long it takes to find it tells nothing of other keys.
    pub(crate) async fn with_key_hash(
        self: &Arc<Self>,
        hash: &[u8; 32],
    ) -> Result<Option<Arc<Key>>, StoreError> {
        let key = self.find(|known| known.key(hash).cloned()).await?;
        if let Some(key) = &key {
            self.uses().entry(key.number).or_default().last_ms = clock::now().as_millis();
        }
        Ok(key)
    }

    /// Returns once no tenant has the API key with that hash, or it has expired.
    pub(crate) async fn removed(&self, hash: &[u8; 32]) {
        let mut version = self.watch();
        loop {
            let Some(key) = self.key(hash) else { return };
            let good_for = key.good_for(clock::now().as_millis());
            let looked_at = async {
                match good_for {
                    Some(rest) => tokio::time::sleep(rest.min(EXPIRY_LOOKED_AT_EVERY)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = version.changed() => if changed.is_err() { return },
                () = looked_at => {}
            }
        }
    }

    /// The API key with that hash, as far as is in memory.
    pub(crate) fn key(&self, hash: &[u8; 32]) -> Option<Arc<Key>> {
        self.now().key(hash).cloned()
    }

    /// Whose API key has that hash, as far as is in memory.
    pub(crate) fn owner_of(&self, hash: &[u8; 32]) -> Option<TenantId> {
        self.now().key(hash).map(|key| key.tenant.id)
    }

    /// Whether a tenant has the API key with that hash, as far as is in memory.
    pub(crate) fn is_key(&self, hash: &[u8; 32]) -> bool {
        self.now().key(hash).is_some()
    }

    /// When a key was used last, as far as this service knows.
    pub(crate) fn last_used_ms(&self, key: i64) -> Option<i64> {
        self.uses().get(&key).map(|used| used.last_ms)
    }

    fn uses(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Use>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes when keys were used last where what is written is too old, or at the end where it is older at all.
    pub(crate) async fn write_uses(&self, is_over: bool) {
        let kept_to_ms = if is_over { 1 } else { USE_KEPT_TO_MS };
        let newer = |used: &Use| (used.last_ms - used.written_ms).abs() >= kept_to_ms;
        let uses: Vec<(i64, i64)> = self
            .uses()
            .iter()
            .filter(|(_, used)| newer(used))
            .map(|(key, used)| (*key, used.last_ms))
            .collect();
        if uses.is_empty() {
            return;
        }
        let written = match self.store.note_keys_used(uses.clone()) {
            Ok(durable) => durable.await.unwrap_or(Err(StoreError::Closed)),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::warn!(%error, "when keys were used last could not be written; it will be tried again");
            return;
        }
        let mut known = self.uses();
        for (key, written_ms) in uses {
            known.entry(key).or_default().written_ms = written_ms;
        }
        // Of keys that are gone nothing is to be known.
        let all = self.now();
        known.retain(|number, _| all.by_key.values().any(|key| key.number == *number));
    }

    /// The tenant with that id, if it is in memory: it is for whoever had it from here.
    pub(crate) fn with_id(&self, id: TenantId) -> Option<Arc<Tenant>> {
        self.now().by_id.get(&id).cloned()
    }

    /// The same, also if another process added it just now. Blocks.
    pub(crate) fn with_new_id(&self, id: TenantId) -> Result<Option<Arc<Tenant>>, StoreError> {
        if let Some(found) = self.with_id(id) {
            return Ok(Some(found));
        }
        self.refresh()?;
        Ok(self.with_id(id))
    }
}

fn read(store: &Store) -> Result<Known, StoreError> {
    // First the number: what changes in between is found the next time.
    let mut known = Known { version: store.tenants_version()?, ..Known::default() };
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
            known.by_key.insert(secret.hash, Arc::new(key));
        }
        known.by_id.insert(stored.id, tenant.clone());
        known.by_name.insert(stored.name, tenant);
    }
    Ok(known)
}
