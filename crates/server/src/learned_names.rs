//! Names of extensions that occur in a tenant's notifications, which are added to the directories of its accounts.

use std::collections::HashMap;

use wholecall_assembly::LearnedNames;
use wholecall_notification::Notification;
use wholecall_record::Time;
use wholecall_store::{Store, StoreError, TenantId};

use crate::{
    clock,
    directories::{Contents, StoredName},
};

/// Maximum memory for the names of an account. Ten thousand extensions need about half of it.
const MAX_ACCOUNT_BYTES: usize = 4 << 20;

/// The stored names of each tenant that this process has assembled calls for, and those learned since.
#[derive(Debug)]
pub(crate) struct StoredNames {
    store: Store,
    tenants: HashMap<TenantId, LearnedNames>,
}

impl StoredNames {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, tenants: HashMap::new() }
    }

    /// Learns names from a notification.
    pub(crate) fn learn(
        &mut self,
        tenant: TenantId,
        arrived: Time,
        notification: &Notification<'_, '_>,
    ) -> Result<(), StoreError> {
        let names = match self.tenants.get_mut(&tenant) {
            Some(names) => names,
            None => {
                let mut names = LearnedNames::limited_to(MAX_ACCOUNT_BYTES);
                StoredName::add_stored(&mut names, &self.store.of(tenant))?;
                self.tenants.entry(tenant).or_insert(names)
            }
        };
        names.learn_at(arrived, notification);
        Ok(())
    }

    /// Drops the names of other tenants.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(TenantId) -> bool) {
        self.tenants.retain(|tenant, _| is_kept(*tenant));
    }

    /// When names have to be stored next; `None` if all are.
    pub(crate) fn next_due(&self) -> Option<Time> {
        self.tenants.values().filter_map(LearnedNames::next_due).min()
    }

    /// Stores the names that are due, for each account in a new version of its directory. Returns the accounts with a new
    /// version. Blocks.
    pub(crate) fn store_due(&mut self, now: Time) -> Result<Vec<(TenantId, String)>, StoreError> {
        let mut renewed = Vec::new();
        for (&tenant, names) in &mut self.tenants {
            for account in names.take_due(now) {
                let learned = names.of(&account).into_iter();
                let learned = learned.map(|(id, name)| (id.to_owned(), StoredName::of(name))).collect();
                let contents_after = move |newest: Option<&str>| {
                    Contents::changed(newest, |contents| contents.learned_names = learned)
                };
                let fetched_ms = clock::now().as_millis();
                let (_, is_new) =
                    self.store.add_directory(tenant, account.clone(), fetched_ms, contents_after)?;
                if is_new {
                    renewed.push((tenant, account));
                }
            }
        }
        Ok(renewed)
    }
}
