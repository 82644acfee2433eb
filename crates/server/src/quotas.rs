//! Limits of expensive operations for each tenant.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use wholecall_store::TenantId;

use crate::problem::Problem;

/// Maximum number of pending erasures of a tenant. Each reads the tenant's calls and makes the assembler start again.
const MAX_ERASURES_PER_TENANT: usize = 2;
/// Maximum number of pending erasures of all tenants.
const MAX_ERASURES: usize = 8;

/// Maximum number of test events of a tenant in an interval. Each is stored permanently.
const MAX_TESTS: u32 = 30;
const TEST_INTERVAL: Duration = Duration::from_secs(60);

/// The use of each tenant.
#[derive(Debug, Default)]
pub(crate) struct TenantQuotas {
    erasures: Mutex<HashMap<TenantId, usize>>,
    tests: Mutex<HashMap<TenantId, (Instant, u32)>>,
}

/// A pending erasure; dropped when it is done.
#[derive(Debug)]
pub(crate) struct PendingErasure(Arc<TenantQuotas>, TenantId);

impl TenantQuotas {
    /// Counts a pending erasure, or refuses it.
    pub(crate) fn erase(self: &Arc<Self>, tenant: TenantId) -> Result<PendingErasure, Problem> {
        let mut erasures = lock(&self.erasures);
        if erasures.get(&tenant).is_some_and(|count| *count >= MAX_ERASURES_PER_TENANT) {
            let detail = format!("{MAX_ERASURES_PER_TENANT} erasures of this tenant are already pending");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        if erasures.values().sum::<usize>() >= MAX_ERASURES {
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many erasures are pending"));
        }
        *erasures.entry(tenant).or_default() += 1;
        drop(erasures);
        Ok(PendingErasure(self.clone(), tenant))
    }

    /// Counts a test event, or refuses it.
    pub(crate) fn test(&self, tenant: TenantId) -> Result<(), Problem> {
        let mut tests = lock(&self.tests);
        let (since, count) = tests.entry(tenant).or_insert_with(|| (Instant::now(), 0));
        if since.elapsed() >= TEST_INTERVAL {
            (*since, *count) = (Instant::now(), 0);
        }
        if *count >= MAX_TESTS {
            let detail = format!("a tenant may send {MAX_TESTS} test events a minute");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        *count += 1;
        Ok(())
    }
}

impl Drop for PendingErasure {
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
    fn a_tenant_that_reached_its_limit_is_refused_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        for name in ["a", "b"] {
            crate::admin::add_tenant(&store, name, &["1".to_owned()], None).unwrap();
        }
        let ids: Vec<TenantId> = store.tenants().unwrap().iter().map(|tenant| tenant.id).collect();
        let quotas = Arc::new(TenantQuotas::default());
        let mut pending: Vec<PendingErasure> =
            (0..MAX_ERASURES_PER_TENANT).map(|_| quotas.erase(ids[0]).unwrap()).collect();
        assert_eq!(quotas.erase(ids[0]).unwrap_err().status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(quotas.erase(ids[1]).is_ok());
        pending.pop();
        pending.push(quotas.erase(ids[0]).unwrap());
        drop(pending);
        assert!(lock(&quotas.erasures).is_empty());
        (0..MAX_TESTS).for_each(|_| quotas.test(ids[0]).unwrap());
        assert_eq!(quotas.test(ids[0]).unwrap_err().status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(quotas.test(ids[1]).is_ok());
    }
}
