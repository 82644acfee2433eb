//! Reading, folding, drawing and exporting for requests: on a few threads of their own, each tenant with its share.
//!
//! Threads that receive notifications run none of it. A tenant's work waits in a queue of its own, the queues take
//! turns, and the last free thread goes to a tenant that has none, so that nobody waits for all that another one asked.
//! What takes too long, or is no longer waited for, is cancelled.

use std::{
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use axum::http::StatusCode;
use tokio::sync::oneshot;
use wholecall_store::{Cancel, TenantId, step_back};

use crate::problem::Problem;

/// How much may run and wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Threads in all.
    pub(crate) threads: usize,
    /// Threads of one tenant.
    pub(crate) threads_per_tenant: usize,
    /// Jobs of one tenant that wait for a thread.
    pub(crate) waiting_per_tenant: usize,
    /// Jobs of all tenants that wait for a thread.
    pub(crate) waiting: usize,
    /// From the request to the answer.
    pub(crate) deadline: Duration,
}

/// For queries: the store has twice as many connections that read.
pub(crate) const QUERIES: Limits = Limits {
    threads: 4,
    threads_per_tenant: 2,
    waiting_per_tenant: 64,
    waiting: 1_024,
    deadline: Duration::from_secs(30),
};

/// For pictures, of which each takes up to 100 MB while it is drawn.
pub(crate) const PICTURES: Limits = Limits {
    threads: 1,
    threads_per_tenant: 1,
    waiting_per_tenant: 8,
    waiting: 64,
    deadline: Duration::from_secs(30),
};

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queued {
    waiting: VecDeque<(Cancel, Job)>,
    running: usize,
}

#[derive(Default)]
struct Queues {
    of: BTreeMap<TenantId, Queued>,
    /// Whose turn was last.
    last: Option<TenantId>,
    waiting: usize,
    running: usize,
    is_closed: bool,
}

impl Queues {
    /// The next job whose turn it is, and whose it is.
    fn next(&mut self, limits: &Limits) -> Option<(TenantId, Cancel, Job)> {
        let is_last_thread = self.running + 1 == limits.threads;
        let may_run = |queued: &Queued| {
            let share = if is_last_thread { 1 } else { limits.threads_per_tenant };
            !queued.waiting.is_empty() && queued.running < share
        };
        let after = |last: Option<TenantId>, tenant: TenantId| last.is_none_or(|last| tenant > last);
        let mut ready = self.of.iter().filter(|(_, queued)| may_run(queued)).map(|(tenant, _)| *tenant);
        let first = ready.clone().next()?;
        let tenant = ready.find(|tenant| after(self.last, *tenant)).unwrap_or(first);
        let queued = self.of.get_mut(&tenant)?;
        let (cancel, job) = queued.waiting.pop_front()?;
        queued.running += 1;
        (self.waiting, self.running, self.last) = (self.waiting - 1, self.running + 1, Some(tenant));
        Some((tenant, cancel, job))
    }

    fn finished(&mut self, tenant: TenantId) {
        self.running -= 1;
        if let Some(queued) = self.of.get_mut(&tenant) {
            queued.running -= 1;
            if queued.running == 0 && queued.waiting.is_empty() {
                self.of.remove(&tenant);
            }
        }
    }

    /// Forgets what nobody waits for any more.
    fn forget_cancelled(&mut self) {
        for queued in self.of.values_mut() {
            queued.waiting.retain(|(cancel, _)| !cancel.is_cancelled());
        }
        self.of.retain(|_, queued| queued.running > 0 || !queued.waiting.is_empty());
        self.waiting = self.of.values().map(|queued| queued.waiting.len()).sum();
    }
}

struct Shared {
    limits: Limits,
    queues: Mutex<Queues>,
    changed: Condvar,
}

impl Shared {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads. Copies share them; they end with the last copy.
#[derive(Clone)]
pub(crate) struct Work {
    shared: Arc<Shared>,
    _closes: Arc<Closes>,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("limits", &self.shared.limits).finish_non_exhaustive()
    }
}

/// Ends the threads when nobody can hand in anything any more.
struct Closes(Arc<Shared>);

impl Drop for Closes {
    fn drop(&mut self) {
        self.0.queues().is_closed = true;
        self.0.changed.notify_all();
    }
}

/// Cancels a job when nobody waits for it any more.
struct Waits(Cancel);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Work {
    pub(crate) fn start(name: &str, limits: Limits) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { limits, queues: Mutex::default(), changed: Condvar::new() });
        let work = Self { shared: shared.clone(), _closes: Arc::new(Closes(shared.clone())) };
        for number in 0..limits.threads {
            let shared = shared.clone();
            thread::Builder::new().name(format!("{name}-{number}")).spawn(move || run(&shared))?;
        }
        Ok(work)
    }

    /// Does something for a tenant. Dropped, it is cancelled; so it is when its time is up.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        tenant: TenantId,
        job: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let cancel = Cancel::default();
        let waits = Waits(cancel.clone());
        let (done, result) = oneshot::channel();
        // Whoever waits for it may have gone.
        self.hand_in(tenant, cancel, Box::new(move || drop(done.send(job()))))?;
        match tokio::time::timeout(self.shared.limits.deadline, result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the query failed; the log says how"))
            }
            Err(_) => {
                drop(waits);
                let seconds = self.shared.limits.deadline.as_secs();
                let detail =
                    format!("this took more than {seconds} s and was cancelled; ask for less at once");
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
            }
        }
    }

    fn hand_in(&self, tenant: TenantId, cancel: Cancel, job: Job) -> Result<(), Problem> {
        let limits = &self.shared.limits;
        let mut queues = self.shared.queues();
        let own = |queues: &Queues| queues.of.get(&tenant).map_or(0, |queued| queued.waiting.len());
        if queues.waiting >= limits.waiting || own(&queues) >= limits.waiting_per_tenant {
            queues.forget_cancelled();
        }
        if own(&queues) >= limits.waiting_per_tenant {
            let detail = format!("{} queries of this tenant are waiting already", limits.waiting_per_tenant);
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        if queues.waiting >= limits.waiting {
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many queries are waiting"));
        }
        queues.of.entry(tenant).or_default().waiting.push_back((cancel, job));
        queues.waiting += 1;
        drop(queues);
        self.shared.changed.notify_one();
        Ok(())
    }
}

/// Does jobs until the pool is closed and none is left.
fn run(shared: &Shared) {
    step_back();
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
        // A job that panics sends no answer; its message is in the log by then.
        if !cancel.is_cancelled() && catch_unwind(AssertUnwindSafe(|| cancel.cover(job))).is_err() {
            tracing::error!("a query ended by a panic");
        }
        queues = shared.queues();
        queues.finished(tenant);
        // Another thread may have had nothing to do only because this tenant had its share.
        shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
