//! The directories of accounts, in versions: what RingCentral lists, and names that were learned from notifications. A
//! record names the version that it was made with.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use wholecall_assembly::{Directory, DirectoryEntry, LearnedName, LearnedNames};
use wholecall_record::{Call, Time};
use wholecall_ringcentral::Extension;
use wholecall_store::{Store, StoreError, StoredDirectory, TenantId, TenantView};

/// Maximum number of cached versions; beyond it the cache starts again.
const MAX_CACHED_VERSIONS: usize = 64;

/// Reads directories from the store, with a cache.
#[derive(Debug)]
pub(crate) struct Directories {
    store: Store,
    cache: HashMap<(TenantId, String, u64), Arc<Directory>>,
}

impl Directories {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, cache: HashMap::new() }
    }

    /// The newest version of each of a tenant's accounts.
    pub(crate) fn newest(&mut self, tenant: TenantId) -> Result<Vec<(String, Arc<Directory>)>, StoreError> {
        let stored = self.store.of(tenant).directories()?;
        let mut newest = Vec::new();
        for stored in stored {
            let Some(directory) = self.read(tenant, &stored)? else { continue };
            self.add_to_cache((tenant, stored.account.clone(), stored.version), &directory);
            newest.push((stored.account, directory));
        }
        Ok(newest)
    }

    /// Reads a stored version. `None` if it is damaged, which is reported: calls are assembled without names then.
    fn read(&self, tenant: TenantId, stored: &StoredDirectory) -> Result<Option<Arc<Directory>>, StoreError> {
        match read(stored) {
            Ok(directory) => Ok(Some(Arc::new(directory))),
            Err(error @ StoreError::Damaged(_)) => {
                let place = format!("version {} of the directory of {}", stored.version, stored.account);
                self.store.note_damage(Some(tenant), place, &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The newest version of an account.
    pub(crate) fn newest_of(
        &mut self,
        tenant: TenantId,
        account: &str,
    ) -> Result<Option<Arc<Directory>>, StoreError> {
        let Some(stored) = self.store.of(tenant).newest_directory(account)? else { return Ok(None) };
        let Some(directory) = self.read(tenant, &stored)? else { return Ok(None) };
        self.add_to_cache((tenant, stored.account, stored.version), &directory);
        Ok(Some(directory))
    }

    /// The version that a record was made with.
    pub(crate) fn of_record(
        &mut self,
        tenant: TenantId,
        record: &Call,
    ) -> Result<Option<Arc<Directory>>, StoreError> {
        let (Some(account), Some(version)) = (&record.account_id, record.directory_version) else {
            return Ok(None);
        };
        let key = (tenant, account.to_string(), version);
        if let Some(directory) = self.cache.get(&key) {
            return Ok(Some(directory.clone()));
        }
        let Some(stored) = self.store.of(tenant).directory(account, version)? else { return Ok(None) };
        let directory = self.read(tenant, &stored)?;
        directory.iter().for_each(|directory| self.add_to_cache(key.clone(), directory));
        Ok(directory)
    }

    fn add_to_cache(&mut self, key: (TenantId, String, u64), directory: &Arc<Directory>) {
        if self.cache.len() >= MAX_CACHED_VERSIONS {
            self.cache.clear();
        }
        self.cache.insert(key, directory.clone());
    }
}

/// The fields of a record that name the directory it was made with.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DirectoryReference {
    account_id: Option<String>,
    #[serde(default)]
    directory_version: Option<u64>,
}

/// The directory that a stored record was made with.
pub(crate) fn of_record(view: &TenantView, record: &str) -> Result<Option<Directory>, StoreError> {
    let reference: DirectoryReference =
        serde_json::from_str(record).map_err(|error| StoreError::Damaged(error.to_string()))?;
    of_version(view, reference.account_id.as_deref(), reference.directory_version)
}

/// A version of the directory of an account.
pub(crate) fn of_version(
    view: &TenantView,
    account: Option<&str>,
    version: Option<u64>,
) -> Result<Option<Directory>, StoreError> {
    let (Some(account), Some(version)) = (account, version) else { return Ok(None) };
    view.directory(account, version)?.as_ref().map(read).transpose()
}

/// The stored form of a version.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Contents {
    /// What RingCentral lists.
    #[serde(flatten)]
    pub(crate) listed: wholecall_ringcentral::Directory,
    /// Names from notifications, of extensions that RingCentral lists without a name or not at all.
    #[serde(alias = "learntNames", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) learned_names: BTreeMap<String, StoredName>,
}

/// An extension's name from notifications.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredName {
    pub(crate) name: String,
    /// The event time of the notification, milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// Public numbers in the same notifications, by which an erasure finds the name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) numbers: BTreeSet<String>,
}

impl Contents {
    pub(crate) fn of(stored: &StoredDirectory) -> Result<Self, StoreError> {
        serde_json::from_str(&stored.contents).map_err(|error| {
            let StoredDirectory { account, version, .. } = stored;
            StoreError::Damaged(format!(
                "version {version} of the directory of {account} cannot be read: {error}"
            ))
        })
    }

    /// Parses a version; one that cannot be read counts as empty.
    pub(crate) fn of_text(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The text of a version after a change; the same text if the change has no effect.
    pub(crate) fn changed(
        newest: Option<&str>,
        change: impl FnOnce(&mut Self),
    ) -> Result<String, StoreError> {
        let before = newest.map(Self::of_text).unwrap_or_default();
        let mut after = before.clone();
        change(&mut after);
        after.remove_listed_names();
        match newest {
            Some(text) if after == before => Ok(text.to_owned()),
            _ => serde_json::to_string(&after).map_err(|error| StoreError::Failed(error.to_string())),
        }
    }

    /// Removes learned names of extensions that RingCentral lists with a name.
    fn remove_listed_names(&mut self) {
        let is_named = |name: &Option<String>| name.as_ref().is_some_and(|name| !name.is_empty());
        for extension in self.listed.extensions.iter().filter(|extension| is_named(&extension.name)) {
            self.learned_names.remove(&extension.id);
        }
    }

    fn directory(&self, version: u64) -> Directory {
        let mut directory = Directory::of_version(version);
        for extension in &self.listed.extensions {
            directory.insert(&extension.id, entry(extension));
        }
        for number in self.listed.phone_numbers.iter().filter(|number| number.is_of_the_account()) {
            directory.add_phone_number(&number.phone_number, number.extension_id.as_deref());
        }
        for (extension, number) in self.listed.reached_at() {
            directory.add_forwarding(extension, number);
        }
        for (extension, learned) in &self.learned_names {
            directory.add_learned_name(extension, &learned.name);
        }
        directory
    }
}

impl StoredName {
    pub(crate) fn of(learned: &LearnedName) -> Self {
        let LearnedName { name, at, numbers } = learned;
        let numbers = numbers.iter().map(ToString::to_string).collect();
        Self { name: name.to_string(), at_ms: at.as_millis(), numbers }
    }

    fn learned(&self) -> LearnedName {
        let numbers = self.numbers.iter().map(|number| number.as_str().into()).collect();
        LearnedName { name: self.name.as_str().into(), at: Time::from_millis(self.at_ms), numbers }
    }

    /// Adds the stored names of a tenant's accounts.
    pub(crate) fn add_stored(names: &mut LearnedNames, view: &TenantView) -> Result<(), StoreError> {
        for stored in view.directories()? {
            for (extension, name) in &Contents::of_text(&stored.contents).learned_names {
                names.insert(&stored.account, extension, name.learned());
            }
        }
        Ok(())
    }
}

/// What records need of a listed extension.
pub(crate) fn entry(extension: &Extension) -> DirectoryEntry {
    let Extension { extension_number, name, kind, .. } = extension;
    DirectoryEntry::listed(kind.as_deref(), name.as_deref(), extension_number.as_deref())
}

fn read(stored: &StoredDirectory) -> Result<Directory, StoreError> {
    Ok(Contents::of(stored)?.directory(stored.version))
}
