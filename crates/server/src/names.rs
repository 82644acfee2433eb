//! Names that a tenant's notifications give extensions, taken up into the directories of its accounts.

use std::collections::HashMap;

use wholecall_assembly::Names;
use wholecall_notification::Notification;
use wholecall_record::Time;
use wholecall_store::{Store, StoreError, TenantId};

use crate::{
    clock,
    directories::{Contents, StoredName},
};

/// Ten thousand extensions need about half of it.
const ACCOUNT_MAX_BYTES: usize = 4 << 20;

/// What was learnt for each tenant since this process has assembled for it, and what is stored.
#[derive(Debug)]
pub(crate) struct LearntNames {
    store: Store,
    tenants: HashMap<TenantId, Names>,
}

impl LearntNames {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, tenants: HashMap::new() }
    }

    /// Learns from a notification that arrived at a time.
    pub(crate) fn learn(
        &mut self,
        tenant: TenantId,
        arrived: Time,
        notification: &Notification<'_, '_>,
    ) -> Result<(), StoreError> {
        let names = match self.tenants.get_mut(&tenant) {
            Some(names) => names,
            None => {
                let mut names = Names::limited_to(ACCOUNT_MAX_BYTES);
                StoredName::add_stored(&mut names, &self.store.of(tenant))?;
                self.tenants.entry(tenant).or_insert(names)
            }
        };
        names.learn_at(arrived, notification);
        Ok(())
    }

    /// Lets go of tenants that were removed.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(TenantId) -> bool) {
        self.tenants.retain(|tenant, _| is_kept(*tenant));
    }

    /// When there is something to take up next.
    pub(crate) fn next_due(&self) -> Option<Time> {
        self.tenants.values().filter_map(Names::next_due).min()
    }

    /// Takes up what is due, each account in a version of its directory; the accounts that have a new one. Blocks.
    pub(crate) fn take_up(&mut self, now: Time) -> Result<Vec<(TenantId, String)>, StoreError> {
        let mut renewed = Vec::new();
        for (&tenant, names) in &mut self.tenants {
            for account in names.take_due(now) {
                let learnt = names.of(&account).into_iter();
                let learnt = learnt.map(|(id, name)| (id.to_owned(), StoredName::of(name))).collect();
                let contents_after = move |newest: Option<&str>| {
                    Contents::changed(newest, |contents| contents.learnt_names = learnt)
                };
                let read_ms = clock::now().as_millis();
                let (_, is_new) =
                    self.store.add_directory(tenant, account.clone(), read_ms, contents_after)?;
                if is_new {
                    renewed.push((tenant, account));
                }
            }
        }
        Ok(renewed)
    }
}
