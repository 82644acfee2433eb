//! Who is who: tenants by the name of their hook, by their API keys and verification tokens.
//!
//! They lie in memory and follow the store, which another process may change (`wholecall tenant add`).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use subtle::ConstantTimeEq;
use tokio::{sync::watch, time::Instant};
use wholecall_store::{SecretKind, Store, StoreError, TenantId, TenantSettings};

use crate::secret;

/// The store is looked at for unknown keys and names at most this often: all requests that show one in between wait for
/// the same look. So wrong keys cost nothing that others could notice, whatever their number.
const LOOKS_APART: Duration = Duration::from_millis(50);

/// All tenants, as of the last look at the store.
#[derive(Debug)]
pub(crate) struct Tenants {
    store: Store,
    known: RwLock<Arc<Known>>,
    version: watch::Sender<i64>,
    /// When the last look for an unknown key or name began.
    last_look: tokio::sync::Mutex<Option<Instant>>,
}

/// The tenants at one time.
#[derive(Debug, Default)]
pub(crate) struct Known {
    version: i64,
    pub(crate) by_name: BTreeMap<String, Arc<Tenant>>,
    pub(crate) by_id: HashMap<TenantId, Arc<Tenant>>,
    by_key: HashMap<[u8; 32], Arc<Tenant>>,
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
        Ok(Self { store, known, version, last_look: Default::default() })
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
        tokio::task::spawn_blocking(move || tenants.refresh()).await.unwrap_or(Err(StoreError::Closed))
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

    /// The tenant that has the API key with that hash. How long it takes to find it tells nothing of other keys.
    pub(crate) async fn with_key_hash(
        self: &Arc<Self>,
        hash: &[u8; 32],
    ) -> Result<Option<Arc<Tenant>>, StoreError> {
        self.find(|known| known.by_key.get(hash).cloned()).await
    }

    /// Returns once no tenant has the API key with that hash.
    pub(crate) async fn removed(&self, hash: &[u8; 32]) {
        let mut version = self.watch();
        while self.now().by_key.contains_key(hash) {
            if version.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whose API key has that hash, as far as is in memory.
    pub(crate) fn owner_of(&self, hash: &[u8; 32]) -> Option<TenantId> {
        self.now().by_key.get(hash).map(|tenant| tenant.id)
    }

    /// Whether a tenant has the API key with that hash, as far as is in memory.
    pub(crate) fn is_key(&self, hash: &[u8; 32]) -> bool {
        self.now().by_key.contains_key(hash)
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
        known.by_key.extend(hashes(SecretKind::Key).map(|hash| (hash, tenant.clone())));
        known.by_id.insert(stored.id, tenant.clone());
        known.by_name.insert(stored.name, tenant);
    }
    Ok(known)
}
