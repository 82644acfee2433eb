//! The writer thread. Jobs that arrive while a transaction is being committed go into the next one, so that many jobs
//! share one fsync and none waits for a timer.

use std::thread;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    Position,
    error::{Result, StoreError},
    thread_priority::lower_thread_priority,
    wal_checkpointer::WalCheckpointer,
    writer_caches::WriterCaches,
};

/// Maximum number of queued jobs; further ones are refused. RingCentral gives up after three seconds, and memory is
/// limited.
const MAX_QUEUED_JOBS: usize = 16_384;

/// Maximum number of jobs in one transaction.
const MAX_BATCH_JOBS: usize = 4_096;

/// A change to the tables, and the callback that receives its result when it is durable.
///
/// A job that fails with [`StoreError::Exists`] must not have written anything; any other error rolls back the
/// transaction with all its jobs.
struct QueuedJob {
    job: Job,
    reply: Box<dyn FnOnce(Result<()>) + Send>,
}

type Job = Box<dyn FnOnce(&Transaction<'_>, &mut WriterCaches) -> Result<()> + Send>;

/// Signals sent after a transaction is durable.
#[derive(Debug, Clone)]
pub(crate) struct CommitSignals {
    /// The position of the last change in the feed.
    pub(crate) changes: watch::Sender<Position>,
    /// Number of times stored data was rewritten or removed; readers with copies read them again when it rises.
    pub(crate) data_epoch: watch::Sender<u64>,
}

/// Queues jobs for the writer thread. Dropping it waits until all queued jobs are written.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<QueuedJob>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(
        connection: Connection,
        checkpointer: WalCheckpointer,
        caches: WriterCaches,
        signals: CommitSignals,
    ) -> Result<Self> {
        let (queue, queued) = mpsc::channel(MAX_QUEUED_JOBS);
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_until_closed(connection, &checkpointer, queued, caches, &signals))
            .map_err(|error| StoreError::Failed(format!("cannot start the writer thread: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    fn queue(&self) -> Result<&mpsc::Sender<QueuedJob>> {
        self.queue.as_ref().ok_or(StoreError::Closed)
    }

    /// Queues a job without waiting; the receiver gets the result when it is durable.
    pub(crate) fn submit(
        &self,
        job: impl FnOnce(&Transaction<'_>, &mut WriterCaches) -> Result<()> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<()>>> {
        let (reply, answer) = oneshot::channel();
        let reply = Box::new(move |result| drop(reply.send(result)));
        self.queue()?.try_send(QueuedJob { job: Box::new(job), reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        Ok(answer)
    }

    /// Queues a job whose result can be waited for. Blocks while the queue is full: not for async tasks.
    pub(crate) fn start_job<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Transaction<'_>, &mut WriterCaches) -> Result<T> + Send + 'static,
    ) -> Result<Started<T>> {
        let (produced, value) = std::sync::mpsc::sync_channel(1);
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        let job = Box::new(move |transaction: &Transaction<'_>, caches: &mut WriterCaches| {
            let _ = produced.send(job(transaction, caches)?);
            Ok(())
        });
        let reply = Box::new(move |result| drop(reply.send(result)));
        self.queue()?.blocking_send(QueuedJob { job, reply }).map_err(|_| StoreError::Closed)?;
        Ok(Started { value, answer })
    }

    /// Runs a job and waits until it is durable. Blocks: not for async tasks.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Transaction<'_>, &mut WriterCaches) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.start_job(job)?.wait()
    }
}

/// A queued job.
#[derive(Debug)]
pub(crate) struct Started<T> {
    value: std::sync::mpsc::Receiver<T>,
    answer: std::sync::mpsc::Receiver<Result<()>>,
}

impl<T> Started<T> {
    /// Waits until the job is durable; returns its value. Blocks.
    pub(crate) fn wait(self) -> Result<T> {
        self.answer.recv().map_err(|_| StoreError::Closed)??;
        self.value.recv().map_err(|_| StoreError::Closed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // Jobs of a thread that panicked were already answered with errors.
            let _ = thread.join();
        }
    }
}

fn write_until_closed(
    mut connection: Connection,
    checkpointer: &WalCheckpointer,
    mut queue: mpsc::Receiver<QueuedJob>,
    mut caches: WriterCaches,
    signals: &CommitSignals,
) {
    lower_thread_priority();
    let mut batch = Vec::new();
    while queue.blocking_recv_many(&mut batch, MAX_BATCH_JOBS) > 0 {
        let cursor = caches.cursor;
        let data_epoch = caches.data_epoch;
        let (jobs, replies): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|queued| (queued.job, queued.reply)).unzip();
        match write(&mut connection, &mut caches, jobs) {
            Ok(results) => {
                if caches.cursor != cursor {
                    signals.changes.send_replace(caches.cursor);
                }
                if caches.data_epoch != data_epoch {
                    signals.data_epoch.send_replace(caches.data_epoch);
                }
                if caches.must_truncate_wal {
                    caches.must_truncate_wal = !checkpointer.truncate().unwrap_or(false);
                }
                replies.into_iter().zip(results).for_each(|(reply, result)| reply(result));
                // A checkpoint that fails is tried again after the next transaction; if it keeps failing, so does
                // that transaction.
                let _ = checkpointer.after_commit(&connection);
            }
            Err(error) => {
                // The transaction was rolled back: drop caches that may hold its row ids.
                let must_truncate_wal = caches.must_truncate_wal;
                let damages = caches.damages.clone();
                caches = WriterCaches {
                    cursor,
                    damages,
                    data_epoch,
                    must_truncate_wal,
                    ..WriterCaches::default()
                };
                replies.into_iter().for_each(|reply| reply(Err(error.repeat())));
            }
        }
    }
    // If this fails, the next start does it.
    let _ = checkpointer.truncate();
}

/// Runs the jobs in one transaction. A job that refuses is left out; any other error rolls back all of them.
fn write(connection: &mut Connection, caches: &mut WriterCaches, jobs: Vec<Job>) -> Result<Vec<Result<()>>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut results = Vec::with_capacity(jobs.len());
    for job in jobs {
        match job(&transaction, caches) {
            Err(error @ StoreError::Conflict(_)) => results.push(Err(error)),
            Err(error) => return Err(error),
            Ok(()) => results.push(Ok(())),
        }
    }
    transaction.commit()?;
    Ok(results)
}
