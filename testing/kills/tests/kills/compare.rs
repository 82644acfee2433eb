//! Compares the content of a store with what it acknowledged.

use std::{collections::HashMap, path::Path};

use tempfile::TempDir;
use wholecall_store::{Position, Store, StoreError};

use crate::{load::Load, service};

#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// Number of acknowledged notifications that are missing.
    pub(crate) lost: u64,
    /// Number of notifications that are stored more often than they were sent.
    pub(crate) duplicated: u64,
    /// The losses that the store reports.
    pub(crate) losses: Vec<String>,
    /// Why it cannot be read. `None` if it can.
    pub(crate) problem: Option<String>,
}

/// Opens a store and compares it with the load.
pub(crate) fn compare(data: &Path, load: &Load) -> Comparison {
    let mut comparison = Comparison::default();
    if let Err(error) = read(data, load, &mut comparison) {
        comparison.problem = Some(error.to_string());
    }
    comparison
}

fn read(data: &Path, load: &Load, comparison: &mut Comparison) -> Result<(), StoreError> {
    let store = Store::open_existing(data)?;
    comparison.losses = store.losses()?;
    let entries = store.journal_after(Position(0), usize::MAX >> 1)?;
    let tenants = store.tenants()?;
    for (tenant, posting) in &load.postings {
        let Some(id) = tenants.iter().find(|other| other.name == tenant.name).map(|tenant| tenant.id) else {
            comparison.problem = Some(format!("tenant {} is missing", tenant.name));
            continue;
        };
        let mut stored: HashMap<&str, u64> = HashMap::new();
        let own = entries.iter().filter(|entry| entry.tenant == id);
        own.for_each(|entry| *stored.entry(&entry.body).or_default() += 1);
        let posting = posting.lock().unwrap();
        for (body, times) in &posting.acknowledged {
            comparison.lost += times.saturating_sub(stored.get(body.as_str()).copied().unwrap_or(0));
        }
        for (body, times) in &stored {
            comparison.duplicated += times.saturating_sub(posting.sent.get(*body).copied().unwrap_or(0));
        }
    }
    let damages = store.take_unreported_damage();
    if !damages.is_empty() {
        comparison.problem = Some(format!("{damages:?}"));
    }
    Ok(())
}

/// The findings of `wholecall check`.
pub(crate) fn check(copy: &TempDir) -> String {
    service::check(copy.path())
}
