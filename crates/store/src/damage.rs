//! Damaged rows are skipped, so that one of them loses its own content and nothing else. Each is noted once, for the
//! log, the health of the service, and `wholecall check`.

use std::{
    collections::BTreeMap,
    ops::Deref,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rusqlite::Connection;

use crate::{
    Store, TenantId, TenantView,
    error::{Result, StoreError},
};

/// Maximum number of rows that are named; further ones are only counted.
const MAX_NAMED_ROWS: usize = 1_000;

/// A damaged row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The tenant. `None` if it is unknown.
    pub tenant: Option<TenantId>,
    /// The row.
    pub place: String,
    /// Why it cannot be read.
    pub problem: String,
}

/// The rows that were skipped since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct DamageLog(Mutex<Rows>);

#[derive(Debug, Default)]
struct Rows {
    by_place: BTreeMap<(Option<i64>, String), String>,
    /// Rows that were not taken by [`DamageLog::take_unreported`] yet, in order of discovery.
    unreported: Vec<Damage>,
    unnamed_count: u64,
}

impl DamageLog {
    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a row, unless it was noted before.
    pub(crate) fn note(&self, tenant: Option<TenantId>, place: String, problem: &StoreError) {
        let problem = problem.damage().unwrap_or_else(|| problem.to_string());
        let mut found = self.lock();
        let key = (tenant.map(|tenant| tenant.0), place);
        if found.by_place.contains_key(&key) {
            return;
        }
        if found.by_place.len() == MAX_NAMED_ROWS {
            found.unnamed_count += 1;
            return;
        }
        found.unreported.push(Damage { tenant, place: key.1.clone(), problem: problem.clone() });
        found.by_place.insert(key, problem);
    }

    /// Returns the rows that were not returned before.
    pub(crate) fn take_unreported(&self) -> Vec<Damage> {
        std::mem::take(&mut self.lock().unreported)
    }

    /// Whether any row was skipped.
    pub(crate) fn has_any(&self) -> bool {
        !self.lock().by_place.is_empty()
    }

    /// Whether a row was skipped.
    pub(crate) fn has(&self, tenant: Option<TenantId>, place: &str) -> bool {
        self.lock().by_place.contains_key(&(tenant.map(|tenant| tenant.0), place.to_owned()))
    }

    /// Returns `None` for a damaged row, and notes it. Other errors are returned.
    pub(crate) fn skip_damaged<T>(
        &self,
        read: Result<T>,
        tenant: Option<i64>,
        place: impl FnOnce() -> String,
    ) -> Result<Option<T>> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(error @ StoreError::Damaged(_)) => {
                self.note(tenant.map(TenantId), place(), &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// A connection, with the log for the damaged rows that are skipped.
pub(crate) struct TolerantConnection<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) damages: &'a DamageLog,
}

impl Deref for TolerantConnection<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl TolerantConnection<'_> {
    /// Returns `None` for a damaged row of a tenant, and notes it.
    pub(crate) fn skip_damaged<T>(
        &self,
        read: Result<T>,
        tenant: i64,
        place: impl FnOnce() -> String,
    ) -> Result<Option<T>> {
        self.damages.skip_damaged(read, Some(tenant), place)
    }
}

impl Store {
    /// Notes a row whose contents the caller cannot use.
    pub fn note_damage(&self, tenant: Option<TenantId>, place: String, problem: &StoreError) {
        self.shared.damages.note(tenant, place, problem);
    }

    /// Number of rows that were skipped since the store was opened.
    pub fn damage_count(&self) -> u64 {
        let found = self.shared.damages.lock();
        found.by_place.len() as u64 + found.unnamed_count
    }

    /// Returns the skipped rows that were not returned before.
    pub fn take_unreported_damage(&self) -> Vec<Damage> {
        self.shared.damages.take_unreported()
    }
}

impl TenantView {
    /// The tenant's rows that were skipped since the store was opened.
    pub fn damages(&self) -> Vec<Damage> {
        let found = self.store.shared.damages.lock();
        let of_tenant = found.by_place.iter().filter(|((tenant, _), _)| *tenant == Some(self.tenant.0));
        of_tenant
            .map(|((_, place), problem)| Damage {
                tenant: Some(self.tenant),
                place: place.clone(),
                problem: problem.clone(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_is_noted_once_and_rows_beyond_the_maximum_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let problem = StoreError::Damaged("it is torn".to_owned());
        for round in 0..2 {
            for place in 0..MAX_NAMED_ROWS + 10 {
                store.note_damage(Some(TenantId(1)), format!("row {place:05}"), &problem);
            }
            let unreported = store.take_unreported_damage();
            assert_eq!(unreported.len(), if round == 0 { MAX_NAMED_ROWS } else { 0 });
        }
        let view = store.of(TenantId(1));
        let damages = view.damages();
        assert_eq!(
            (damages.len(), &*damages[7].place, &*damages[7].problem),
            (MAX_NAMED_ROWS, "row 00007", "it is torn")
        );
        assert_eq!(store.of(TenantId(2)).damages(), []);
        assert!(store.damage_count() >= MAX_NAMED_ROWS as u64);
    }
}
