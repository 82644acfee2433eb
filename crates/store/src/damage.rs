//! Rows that cannot be read are passed over: one of them costs what it held, and nothing else. Each is noted here once,
//! for the log, for whoever asks whether the service is well, and for `wholecall check`.

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

/// As many are named; beyond these they are only counted.
const NAMED: usize = 1_000;

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Whose it is, where that is known.
    pub tenant: Option<TenantId>,
    /// Which row.
    pub place: String,
    /// Why it cannot be read.
    pub problem: String,
}

/// What was passed over since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Damages(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    by_place: BTreeMap<(Option<i64>, String), String>,
    /// In the order in which they were found, those that nobody has taken up yet.
    news: Vec<Damage>,
    beyond: u64,
}

impl Damages {
    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a row once, however often it is met.
    pub(crate) fn note(&self, tenant: Option<TenantId>, place: String, problem: &StoreError) {
        let problem = problem.damage().unwrap_or_else(|| problem.to_string());
        let mut found = self.lock();
        let key = (tenant.map(|tenant| tenant.0), place);
        if found.by_place.contains_key(&key) {
            return;
        }
        if found.by_place.len() == NAMED {
            found.beyond += 1;
            return;
        }
        found.news.push(Damage { tenant, place: key.1.clone(), problem: problem.clone() });
        found.by_place.insert(key, problem);
    }

    /// Those that nobody has taken up yet.
    pub(crate) fn take_news(&self) -> Vec<Damage> {
        std::mem::take(&mut self.lock().news)
    }

    /// Whether anything was passed over.
    pub(crate) fn has_any(&self) -> bool {
        !self.lock().by_place.is_empty()
    }

    /// Whether a row was passed over.
    pub(crate) fn has(&self, tenant: Option<TenantId>, place: &str) -> bool {
        self.lock().by_place.contains_key(&(tenant.map(|tenant| tenant.0), place.to_owned()))
    }

    /// What was read, or nothing where the row is damaged, which is noted. Any other failure is one of the store.
    pub(crate) fn pass_over<T>(
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

/// A connection, and where to note what cannot be read at it.
pub(crate) struct Reading<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) damages: &'a Damages,
}

impl Deref for Reading<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Reading<'_> {
    /// What was read of a row of a tenant, or nothing where that is damaged.
    pub(crate) fn pass_over<T>(
        &self,
        read: Result<T>,
        tenant: i64,
        place: impl FnOnce() -> String,
    ) -> Result<Option<T>> {
        self.damages.pass_over(read, Some(tenant), place)
    }
}

impl Store {
    /// Notes a row that was read, but whose contents make no sense to whoever wanted them.
    pub fn note_damage(&self, tenant: Option<TenantId>, place: String, problem: &StoreError) {
        self.shared.damages.note(tenant, place, problem);
    }

    /// How many rows were passed over since the store was opened.
    pub fn damage_count(&self) -> u64 {
        let found = self.shared.damages.lock();
        found.by_place.len() as u64 + found.beyond
    }

    /// The rows that were passed over and that nobody has taken up yet.
    pub fn take_damage_news(&self) -> Vec<Damage> {
        self.shared.damages.take_news()
    }
}

impl TenantView {
    /// The rows of the tenant that were passed over since the store was opened.
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
    fn a_row_is_noted_once_and_more_than_can_be_named_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let problem = StoreError::Damaged("it is torn".to_owned());
        for round in 0..2 {
            for place in 0..NAMED + 10 {
                store.note_damage(Some(TenantId(1)), format!("row {place:05}"), &problem);
            }
            let news = store.take_damage_news();
            assert_eq!(news.len(), if round == 0 { NAMED } else { 0 });
        }
        let view = store.of(TenantId(1));
        let damages = view.damages();
        assert_eq!(
            (damages.len(), &*damages[7].place, &*damages[7].problem),
            (NAMED, "row 00007", "it is torn")
        );
        assert_eq!(store.of(TenantId(2)).damages(), []);
        assert!(store.damage_count() >= NAMED as u64);
    }
}
