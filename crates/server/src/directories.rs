//! Directories of accounts as records are made with them: what RingCentral told, in versions.

use std::{collections::HashMap, sync::Arc};

use serde::Deserialize;
use wholecall_assembly::{Directory, Entry};
use wholecall_record::Call;
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
        stored
            .into_iter()
            .map(|stored| {
                let directory = Arc::new(read(&stored)?);
                self.remember((tenant, stored.account.clone(), stored.version), &directory);
                Ok((stored.account, directory))
            })
            .collect()
    }

    /// The newest of an account.
    pub(crate) fn newest_of(
        &mut self,
        tenant: TenantId,
        account: &str,
    ) -> Result<Option<Arc<Directory>>, StoreError> {
        let Some(stored) = self.store.of(tenant).newest_directory(account)? else { return Ok(None) };
        let directory = Arc::new(read(&stored)?);
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
        let directory = of_version(&self.store.of(tenant), Some(account), Some(version))?.map(Arc::new);
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

/// What RingCentral told, as it is stored.
pub(crate) fn told(stored: &StoredDirectory) -> Result<wholecall_ringcentral::Directory, StoreError> {
    serde_json::from_str(&stored.contents).map_err(|error| {
        let StoredDirectory { account, version, .. } = stored;
        StoreError::Damaged(format!(
            "version {version} of the directory of {account} cannot be read: {error}"
        ))
    })
}

/// What a directory tells records of an extension.
pub(crate) fn entry(extension: &Extension) -> Entry {
    let Extension { extension_number, name, kind, .. } = extension;
    Entry::listed(kind.as_deref(), name.as_deref(), extension_number.as_deref())
}

fn read(stored: &StoredDirectory) -> Result<Directory, StoreError> {
    let mut directory = Directory::of_version(stored.version);
    for extension in &told(stored)?.extensions {
        directory.insert(&extension.id, entry(extension));
    }
    Ok(directory)
}
