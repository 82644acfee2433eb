use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use axum::response::IntoResponse;
use tempfile::TempDir;
use tokio::task::JoinSet;
use wholecall_store::{Store, StoreError};

use super::*;

const LIMITS: PoolLimits = PoolLimits {
    threads: 4,
    threads_per_tenant: 2,
    waiting_per_tenant: 8,
    waiting: 12,
    timeout: Duration::from_secs(5),
};

fn tenants(count: usize) -> (TempDir, Store, Vec<TenantId>) {
    let folder = TempDir::new().unwrap();
    let store = Store::open(folder.path()).unwrap();
    for number in 0..count {
        crate::admin::add_tenant(&store, &format!("t{number}"), &["1".to_owned()], None).unwrap();
    }
    let ids = store.tenants().unwrap().iter().map(|tenant| tenant.id).collect();
    (folder, store, ids)
}

fn run_async<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}

fn sleep(millis: u64) -> impl FnOnce() -> Result<(), Problem> + Send + 'static {
    move || {
        thread::sleep(Duration::from_millis(millis));
        Ok(())
    }
}

#[test]
fn a_tenant_with_one_query_does_not_wait_for_all_queries_of_others() {
    let (_folder, _store, ids) = tenants(3);
    let pool = WorkPool::start("test", LIMITS).unwrap();
    run_async(async {
        let mut busy = JoinSet::new();
        for tenant in &ids[..2] {
            for _ in 0..6 {
                let (pool, tenant) = (pool.clone(), *tenant);
                busy.spawn(async move { pool.run(tenant, sleep(300)).await });
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let began = Instant::now();
        pool.run(ids[2], sleep(0)).await.unwrap();
        // All of the others' work takes 900 ms; the last thread is left to a tenant that has none.
        assert!(began.elapsed() < Duration::from_millis(290), "{:?}", began.elapsed());
        while let Some(done) = busy.join_next().await {
            assert!(done.unwrap().is_ok());
        }
    });
}

#[test]
fn a_tenant_has_at_most_its_share_of_threads() {
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    let (_folder, _store, ids) = tenants(1);
    let pool = WorkPool::start("test", LIMITS).unwrap();
    run_async(async {
        let mut jobs = JoinSet::new();
        for _ in 0..6 {
            let (pool, tenant) = (pool.clone(), ids[0]);
            jobs.spawn(async move {
                pool.run(tenant, || {
                    let running = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
                    thread::sleep(Duration::from_millis(30));
                    RUNNING.fetch_sub(1, Ordering::SeqCst);
                    Ok(running)
                })
                .await
            });
        }
        let mut most = 0;
        while let Some(running) = jobs.join_next().await {
            most = most.max(running.unwrap().unwrap());
        }
        assert_eq!(most, 2);
    });
}

#[test]
fn only_a_tenant_with_too_many_queries_is_refused() {
    let (_folder, _store, ids) = tenants(2);
    let pool = WorkPool::start("test", LIMITS).unwrap();
    run_async(async {
        let mut jobs = JoinSet::new();
        for _ in 0..20 {
            let (pool, tenant) = (pool.clone(), ids[0]);
            jobs.spawn(async move { pool.run(tenant, sleep(100)).await });
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        pool.run(ids[1], sleep(0)).await.unwrap();
        let mut statuses = Vec::new();
        while let Some(done) = jobs.join_next().await {
            statuses.push(done.unwrap().map_or_else(|problem| problem.status().as_u16(), |()| 200));
        }
        let count = |status| statuses.iter().filter(|other| **other == status).count();
        assert!(count(429) >= 10, "{statuses:?}");
        assert_eq!(count(429) + count(200), 20);
    });
}

#[test]
fn abandoned_jobs_are_removed_from_the_queue_and_running_ones_end() {
    let (_folder, _store, ids) = tenants(1);
    let pool = WorkPool::start("test", LIMITS).unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let running = Arc::new(AtomicUsize::new(0));
    run_async(async {
        let mut jobs = JoinSet::new();
        for _ in 0..6 {
            let (pool, tenant, done, running) = (pool.clone(), ids[0], done.clone(), running.clone());
            jobs.spawn(async move {
                pool.run(tenant, move || {
                    running.fetch_add(1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(300));
                    done.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                })
                .await
            });
        }
        while running.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        jobs.abort_all();
        while jobs.join_next().await.is_some() {}
        // The two that were running end normally; the four that waited are gone.
        pool.run(ids[0], sleep(300)).await.unwrap();
        assert_eq!(done.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_job_that_takes_too_long_is_cancelled_and_answered_with_retry_after() {
    let (_folder, store, ids) = tenants(1);
    let limits = PoolLimits { timeout: Duration::from_millis(50), ..LIMITS };
    let pool = WorkPool::start("test", limits).unwrap();
    run_async(async {
        let view = store.of(ids[0]);
        let is_cancelled = Arc::new(AtomicUsize::new(0));
        let seen = is_cancelled.clone();
        let job = move || {
            thread::sleep(Duration::from_millis(100));
            let read = view.last_change();
            seen.store(usize::from(matches!(read, Err(StoreError::Cancelled))), Ordering::SeqCst);
            Ok(())
        };
        let problem = pool.run(ids[0], job).await.unwrap_err();
        assert_eq!(problem.into_response().headers()["retry-after"], "1");
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(is_cancelled.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_job_that_panics_costs_no_thread() {
    let (_folder, _store, ids) = tenants(1);
    let pool = WorkPool::start("test", LIMITS).unwrap();
    run_async(async {
        for _ in 0..2 * LIMITS.threads {
            let problem = pool.run::<()>(ids[0], || panic!("a test")).await.unwrap_err();
            assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
        }
        pool.run(ids[0], sleep(0)).await.unwrap();
    });
}
