//! Directories of accounts as records are made with them, in versions: what RingCentral lists, and the names that
//! notifications gave.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use wholecall_assembly::{Directory, Entry, LearntName, Names};
use wholecall_record::{Call, Time};
use wholecall_ringcentral::Extension;
use wholecall_store::{Store, StoreError, StoredDirectory, TenantId, TenantView};

/// So many versions are at hand; who looks through old calls meets the same few again and again.
const AT_HAND: usize = 64;

/// Directories out of the store, those looked at lately at hand.
#[derive(Debug)]
pub(crate) struct Directories {
    store: Store,
    at_hand: HashMap<(TenantId, String, u64), Arc<Directory>>,
}

impl Directories {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, at_hand: HashMap::new() }
    }

    /// The newest of each of a tenant's accounts.
    pub(crate) fn newest(&mut self, tenant: TenantId) -> Result<Vec<(String, Arc<Directory>)>, StoreError> {
        let stored = self.store.of(tenant).directories()?;
        let mut newest = Vec::new();
        for stored in stored {
            let Some(directory) = self.read(tenant, &stored)? else { continue };
            self.remember((tenant, stored.account.clone(), stored.version), &directory);
            newest.push((stored.account, directory));
        }
        Ok(newest)
    }

    /// A version as it is stored, or nothing where it makes no sense: calls are then made without names.
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

    /// The newest of an account.
    pub(crate) fn newest_of(
        &mut self,
        tenant: TenantId,
        account: &str,
    ) -> Result<Option<Arc<Directory>>, StoreError> {
        let Some(stored) = self.store.of(tenant).newest_directory(account)? else { return Ok(None) };
        let Some(directory) = self.read(tenant, &stored)? else { return Ok(None) };
        self.remember((tenant, stored.account, stored.version), &directory);
        Ok(Some(directory))
    }

    /// The one that a record was made with.
    pub(crate) fn of_record(
        &mut self,
        tenant: TenantId,
        record: &Call,
    ) -> Result<Option<Arc<Directory>>, StoreError> {
        let (Some(account), Some(version)) = (&record.account_id, record.directory_version) else {
            return Ok(None);
        };
        let key = (tenant, account.to_string(), version);
        if let Some(directory) = self.at_hand.get(&key) {
            return Ok(Some(directory.clone()));
        }
        let Some(stored) = self.store.of(tenant).directory(account, version)? else { return Ok(None) };
        let directory = self.read(tenant, &stored)?;
        directory.iter().for_each(|directory| self.remember(key.clone(), directory));
        Ok(directory)
    }

    fn remember(&mut self, key: (TenantId, String, u64), directory: &Arc<Directory>) {
        if self.at_hand.len() >= AT_HAND {
            self.at_hand.clear();
        }
        self.at_hand.insert(key, directory.clone());
    }
}

/// What a record tells of the directory it was made with.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MadeWith {
    account_id: Option<String>,
    #[serde(default)]
    directory_version: Option<u64>,
}

/// The directory that a record, as it is stored, was made with.
pub(crate) fn of_record(view: &TenantView, record: &str) -> Result<Option<Directory>, StoreError> {
    let made_with: MadeWith =
        serde_json::from_str(record).map_err(|error| StoreError::Damaged(error.to_string()))?;
    of_version(view, made_with.account_id.as_deref(), made_with.directory_version)
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

/// A version as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Contents {
    /// What RingCentral lists.
    #[serde(flatten)]
    pub(crate) listed: wholecall_ringcentral::Directory,
    /// The names that notifications gave extensions which RingCentral lists without a name or not at all.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) learnt_names: BTreeMap<String, StoredName>,
}

/// A name that notifications gave an extension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredName {
    pub(crate) name: String,
    /// The event time of the notification that gave it, milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// Public numbers that stood beside it, by which it is found when a person is erased.
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

    /// What a version says; one that cannot be read says nothing.
    pub(crate) fn of_text(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The text of a version after a change; the same text if nothing is different.
    pub(crate) fn changed(
        newest: Option<&str>,
        change: impl FnOnce(&mut Self),
    ) -> Result<String, StoreError> {
        let before = newest.map(Self::of_text).unwrap_or_default();
        let mut after = before.clone();
        change(&mut after);
        after.forget_listed_names();
        match newest {
            Some(text) if after == before => Ok(text.to_owned()),
            _ => serde_json::to_string(&after).map_err(|error| StoreError::Failed(error.to_string())),
        }
    }

    /// Forgets the learnt names that a name of RingCentral's comes before.
    fn forget_listed_names(&mut self) {
        let is_named = |name: &Option<String>| name.as_ref().is_some_and(|name| !name.is_empty());
        for extension in self.listed.extensions.iter().filter(|extension| is_named(&extension.name)) {
            self.learnt_names.remove(&extension.id);
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
        for (extension, learnt) in &self.learnt_names {
            directory.add_learnt_name(extension, &learnt.name);
        }
        directory
    }
}

impl StoredName {
    pub(crate) fn of(learnt: &LearntName) -> Self {
        let LearntName { name, at, numbers } = learnt;
        let numbers = numbers.iter().map(ToString::to_string).collect();
        Self { name: name.to_string(), at_ms: at.as_millis(), numbers }
    }

    fn learnt(&self) -> LearntName {
        let numbers = self.numbers.iter().map(|number| number.as_str().into()).collect();
        LearntName { name: self.name.as_str().into(), at: Time::from_millis(self.at_ms), numbers }
    }

    /// Adds the names that are stored for a tenant's accounts.
    pub(crate) fn add_stored(names: &mut Names, view: &TenantView) -> Result<(), StoreError> {
        for stored in view.directories()? {
            for (extension, name) in &Contents::of_text(&stored.contents).learnt_names {
                names.insert(&stored.account, extension, name.learnt());
            }
        }
        Ok(())
    }
}

/// What a directory tells records of an extension.
pub(crate) fn entry(extension: &Extension) -> Entry {
    let Extension { extension_number, name, kind, .. } = extension;
    Entry::listed(kind.as_deref(), name.as_deref(), extension_number.as_deref())
}

fn read(stored: &StoredDirectory) -> Result<Directory, StoreError> {
    Ok(Contents::of(stored)?.directory(stored.version))
}
