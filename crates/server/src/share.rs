//! How much of something costly a tenant may ask for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use wholecall_store::TenantId;

use crate::problem::Problem;

/// Erasures of a tenant, and of all, that may wait: each reads a tenant's calls and makes the assembler begin anew.
const ERASURES_PER_TENANT: usize = 2;
const ERASURES: usize = 8;

/// Test events of a tenant: each is kept for good.
const TESTS: u32 = 30;
const TESTS_WITHIN: Duration = Duration::from_secs(60);

/// What tenants have asked for.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    erasures: Mutex<HashMap<TenantId, usize>>,
    tests: Mutex<HashMap<TenantId, (Instant, u32)>>,
}

/// An erasure that was asked for and is not done.
#[derive(Debug)]
pub(crate) struct Erasing(Arc<Shares>, TenantId);

impl Shares {
    /// Counts an erasure until it is done.
    pub(crate) fn erase(self: &Arc<Self>, tenant: TenantId) -> Result<Erasing, Problem> {
        let mut erasures = lock(&self.erasures);
        if erasures.get(&tenant).is_some_and(|count| *count >= ERASURES_PER_TENANT) {
            let detail = format!("{ERASURES_PER_TENANT} erasures of this tenant are waiting already");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        if erasures.values().sum::<usize>() >= ERASURES {
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many erasures are waiting"));
        }
        *erasures.entry(tenant).or_default() += 1;
        drop(erasures);
        Ok(Erasing(self.clone(), tenant))
    }

    /// Counts a test event.
    pub(crate) fn test(&self, tenant: TenantId) -> Result<(), Problem> {
        let mut tests = lock(&self.tests);
        let (since, count) = tests.entry(tenant).or_insert_with(|| (Instant::now(), 0));
        if since.elapsed() >= TESTS_WITHIN {
            (*since, *count) = (Instant::now(), 0);
        }
        if *count >= TESTS {
            let detail = format!("a tenant may send {TESTS} test events a minute");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        *count += 1;
        Ok(())
    }
}

impl Drop for Erasing {
    fn drop(&mut self) {
        let mut erasures = lock(&self.0.erasures);
        if let Some(count) = erasures.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                erasures.remove(&self.1);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use wholecall_store::Store;

    use super::*;

    #[test]
    fn a_tenant_is_refused_more_than_its_share_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        for name in ["a", "b"] {
            crate::admin::add_tenant(&store, name, &["1".to_owned()], None).unwrap();
        }
        let ids: Vec<TenantId> = store.tenants().unwrap().iter().map(|tenant| tenant.id).collect();
        let shares = Arc::new(Shares::default());
        let mut erasing: Vec<Erasing> =
            (0..ERASURES_PER_TENANT).map(|_| shares.erase(ids[0]).unwrap()).collect();
        assert_eq!(shares.erase(ids[0]).unwrap_err().status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(shares.erase(ids[1]).is_ok());
        erasing.pop();
        erasing.push(shares.erase(ids[0]).unwrap());
        drop(erasing);
        assert!(lock(&shares.erasures).is_empty());
        (0..TESTS).for_each(|_| shares.test(ids[0]).unwrap());
        assert_eq!(shares.test(ids[0]).unwrap_err().status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(shares.test(ids[1]).is_ok());
    }
}
