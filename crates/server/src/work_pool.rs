//! Thread pools for the work of requests: reading, assembling, drawing, exporting.
//!
//! The threads that receive notifications do none of it. Each tenant has a queue; the queues take turns, and the last free
//! thread goes to a tenant that has none, so that a tenant's queries do not wait for all queries of another one. A job that
//! takes too long, or whose client has disconnected, is cancelled.

use std::{
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use axum::http::StatusCode;
use tokio::sync::oneshot;
use wholecall_store::{Cancel, TenantId, lower_thread_priority};

use crate::problem::Problem;

/// Limits of a pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolLimits {
    /// Number of threads.
    pub(crate) threads: usize,
    /// Maximum number of threads that work for one tenant.
    pub(crate) threads_per_tenant: usize,
    /// Maximum number of jobs of one tenant that wait for a thread.
    pub(crate) waiting_per_tenant: usize,
    /// Maximum number of jobs of all tenants that wait for a thread.
    pub(crate) waiting: usize,
    /// Maximum time from the request to the answer.
    pub(crate) timeout: Duration,
}

/// For queries: the store has twice as many connections that read.
pub(crate) const QUERY_LIMITS: PoolLimits = PoolLimits {
    threads: 4,
    threads_per_tenant: 2,
    waiting_per_tenant: 64,
    waiting: 1_024,
    timeout: Duration::from_secs(30),
};

/// For pictures, each of which takes up to 100 MB while it is drawn.
pub(crate) const PICTURE_LIMITS: PoolLimits = PoolLimits {
    threads: 1,
    threads_per_tenant: 1,
    waiting_per_tenant: 8,
    waiting: 64,
    timeout: Duration::from_secs(30),
};

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct TenantQueue {
    waiting: VecDeque<(Cancel, Job)>,
    running: usize,
}

#[derive(Default)]
struct Queues {
    by_tenant: BTreeMap<TenantId, TenantQueue>,
    /// The tenant of the job that was started last.
    last: Option<TenantId>,
    waiting: usize,
    running: usize,
    is_closed: bool,
}

impl Queues {
    /// Takes the next job, with its tenant.
    fn next(&mut self, limits: &PoolLimits) -> Option<(TenantId, Cancel, Job)> {
        let is_last_thread = self.running + 1 == limits.threads;
        let may_run = |queued: &TenantQueue| {
            let share = if is_last_thread { 1 } else { limits.threads_per_tenant };
            !queued.waiting.is_empty() && queued.running < share
        };
        let after = |last: Option<TenantId>, tenant: TenantId| last.is_none_or(|last| tenant > last);
        let mut ready =
            self.by_tenant.iter().filter(|(_, queued)| may_run(queued)).map(|(tenant, _)| *tenant);
        let first = ready.clone().next()?;
        let tenant = ready.find(|tenant| after(self.last, *tenant)).unwrap_or(first);
        let queued = self.by_tenant.get_mut(&tenant)?;
        let (cancel, job) = queued.waiting.pop_front()?;
        queued.running += 1;
        (self.waiting, self.running, self.last) = (self.waiting - 1, self.running + 1, Some(tenant));
        Some((tenant, cancel, job))
    }

    fn finished(&mut self, tenant: TenantId) {
        self.running -= 1;
        if let Some(queued) = self.by_tenant.get_mut(&tenant) {
            queued.running -= 1;
            if queued.running == 0 && queued.waiting.is_empty() {
                self.by_tenant.remove(&tenant);
            }
        }
    }

    /// Removes cancelled jobs.
    fn remove_cancelled(&mut self) {
        for queued in self.by_tenant.values_mut() {
            queued.waiting.retain(|(cancel, _)| !cancel.is_cancelled());
        }
        self.by_tenant.retain(|_, queued| queued.running > 0 || !queued.waiting.is_empty());
        self.waiting = self.by_tenant.values().map(|queued| queued.waiting.len()).sum();
    }
}

struct Shared {
    limits: PoolLimits,
    queues: Mutex<Queues>,
    changed: Condvar,
}

impl Shared {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pool of threads. Clones share it; the threads end with the last clone.
#[derive(Clone)]
pub(crate) struct WorkPool {
    shared: Arc<Shared>,
    _closer: Arc<Closer>,
}

impl std::fmt::Debug for WorkPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkPool").field("limits", &self.shared.limits).finish_non_exhaustive()
    }
}

/// Ends the threads when it is dropped.
struct Closer(Arc<Shared>);

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.queues().is_closed = true;
        self.0.changed.notify_all();
    }
}

/// Cancels a job when it is dropped.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl WorkPool {
    pub(crate) fn start(name: &str, limits: PoolLimits) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { limits, queues: Mutex::default(), changed: Condvar::new() });
        let pool = Self { shared: shared.clone(), _closer: Arc::new(Closer(shared.clone())) };
        for number in 0..limits.threads {
            let shared = shared.clone();
            thread::Builder::new().name(format!("{name}-{number}")).spawn(move || run(&shared))?;
        }
        Ok(pool)
    }

    /// Runs a job for a tenant. The job is cancelled if the future is dropped, or after the timeout.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        tenant: TenantId,
        job: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let cancel = Cancel::default();
        let cancel_on_drop = CancelOnDrop(cancel.clone());
        let (done, result) = oneshot::channel();
        let span = tracing::Span::current();
        // The receiver is gone if the job was cancelled.
        self.enqueue(tenant, cancel, Box::new(move || drop(done.send(span.in_scope(job)))))?;
        match tokio::time::timeout(self.shared.limits.timeout, result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the query failed; the log has the cause",
            )),
            Err(_) => {
                drop(cancel_on_drop);
                let seconds = self.shared.limits.timeout.as_secs();
                let detail =
                    format!("the query took more than {seconds} s and was cancelled; request less at once");
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
            }
        }
    }

    fn enqueue(&self, tenant: TenantId, cancel: Cancel, job: Job) -> Result<(), Problem> {
        let limits = &self.shared.limits;
        let mut queues = self.shared.queues();
        let own = |queues: &Queues| queues.by_tenant.get(&tenant).map_or(0, |queued| queued.waiting.len());
        if queues.waiting >= limits.waiting || own(&queues) >= limits.waiting_per_tenant {
            queues.remove_cancelled();
        }
        if own(&queues) >= limits.waiting_per_tenant {
            let detail = format!("{} queries of this tenant are waiting already", limits.waiting_per_tenant);
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        if queues.waiting >= limits.waiting {
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many queries are waiting"));
        }
        queues.by_tenant.entry(tenant).or_default().waiting.push_back((cancel, job));
        queues.waiting += 1;
        drop(queues);
        self.shared.changed.notify_one();
        Ok(())
    }
}

/// Runs jobs until the pool is closed and none is left.
fn run(shared: &Shared) {
    lower_thread_priority();
    let mut queues = shared.queues();
    loop {
        let Some((tenant, cancel, job)) = queues.next(&shared.limits) else {
            if queues.is_closed && queues.waiting == 0 {
                return;
            }
            queues = shared.changed.wait(queues).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        drop(queues);
        // A job that panics sends no answer; the panic hook has logged its message.
        if !cancel.is_cancelled() && catch_unwind(AssertUnwindSafe(|| cancel.cover(job))).is_err() {
            tracing::error!("a query ended by a panic");
        }
        queues = shared.queues();
        queues.finished(tenant);
        // Another thread may be idle because this tenant had its maximum of threads.
        shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
