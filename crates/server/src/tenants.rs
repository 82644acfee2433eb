//! Who is who: tenants by the name of their hook, by their API keys and verification tokens.
//!
//! They lie in memory and follow the store, which another process may change (`wholecall tenant add`).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use subtle::ConstantTimeEq;
use tokio::sync::watch;
use wholecall_store::{SecretKind, Store, StoreError, TenantId, TenantSettings};

use crate::secret;

/// All tenants, as of the last look at the store.
#[derive(Debug)]
pub(crate) struct Tenants {
    store: Store,
    known: RwLock<Arc<Known>>,
    version: watch::Sender<i64>,
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
        Ok(Self { store, known: RwLock::new(Arc::new(known)), version })
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
    fn find<T>(&self, look: impl Fn(&Known) -> Option<T>) -> Result<Option<T>, StoreError> {
        if let Some(found) = look(&self.now()) {
            return Ok(Some(found));
        }
        self.refresh()?;
        Ok(look(&self.now()))
    }

    /// The tenant with that name, if the token is one of its own. That there is no such tenant and that the token is
    /// wrong look the same.
    pub(crate) fn verified(&self, name: &str, token: &str) -> Result<Option<Arc<Tenant>>, StoreError> {
        self.find(|known| known.by_name.get(name).filter(|tenant| tenant.is_verified_by(token)).cloned())
    }

    /// The tenant with that API key.
    pub(crate) fn with_key(&self, key: &str) -> Result<Option<Arc<Tenant>>, StoreError> {
        // Found by hash: how long that takes tells nothing of other keys.
        self.with_key_hash(&secret::hash(key))
    }

    /// The tenant that has the API key with that hash.
    pub(crate) fn with_key_hash(&self, hash: &[u8; 32]) -> Result<Option<Arc<Tenant>>, StoreError> {
        self.find(|known| known.by_key.get(hash).cloned())
    }

    pub(crate) fn with_id(&self, id: TenantId) -> Result<Option<Arc<Tenant>>, StoreError> {
        self.find(|known| known.by_id.get(&id).cloned())
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
