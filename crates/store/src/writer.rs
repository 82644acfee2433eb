//! The writer thread. Jobs that arrive while a transaction is being committed go into the next one, so that many jobs
//! share one fsync and none waits for a timer.

use std::{sync::Arc, thread};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    Position,
    assembled::Before,
    damage::{Damages, Reading},
    error::{Result, StoreError},
    lately::Lately,
    log::Checkpointer,
    priority::step_back,
};

/// Maximum number of queued jobs; further ones are refused. RingCentral gives up after three seconds, and memory is
/// limited.
const WAITING: usize = 16_384;

/// Maximum number of jobs in one transaction.
const AT_ONCE: usize = 4_096;

/// A change to the tables, and the callback that receives its result when it is durable.
///
/// A job that fails with [`StoreError::Exists`] must not have written anything; any other error rolls back the
/// transaction with all its jobs.
struct Work {
    job: Job,
    reply: Box<dyn FnOnce(Result<()>) + Send>,
}

type Job = Box<dyn FnOnce(&Transaction<'_>, &mut Memory) -> Result<()> + Send>;

/// Signals sent after a transaction is durable.
#[derive(Debug, Clone)]
pub(crate) struct News {
    /// The position of the last change in the feed.
    pub(crate) changes: watch::Sender<Position>,
    /// Number of times stored data was rewritten or removed; readers with copies read them again when it rises.
    pub(crate) rewrites: watch::Sender<u64>,
}

/// Queues jobs for the writer thread. Dropping it waits until all queued jobs are written.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Work>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What the writer thread caches between transactions.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The position of the last change.
    pub(crate) cursor: Position,
    /// Receives the rows that cannot be read.
    pub(crate) damages: Arc<Damages>,
    /// Number of times stored data was rewritten or removed; readers with copies read them again when it rises.
    pub(crate) rewrites: u64,
    /// Recently received sessions, by id.
    pub(crate) sessions: Lately<Session>,
    /// Recently written rows of `calls`, by the call's id.
    pub(crate) calls: Lately<Before>,
    /// The last call number that was assigned. `None` if none was since the start.
    pub(crate) last_call: Option<i64>,
    /// Ids of terms, by kind and value.
    pub(crate) terms: Lately<i64>,
    /// A person was erased, but the write-ahead log may still contain the old data.
    pub(crate) must_empty_log: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    pub(crate) number: i64,
    /// The call that it belongs to. `None` if that is not known here.
    pub(crate) call: Option<i64>,
}

impl Memory {
    /// The writer's connection, reading with damaged rows skipped.
    pub(crate) fn reading<'a>(&'a self, transaction: &'a Transaction<'_>) -> Reading<'a> {
        Reading { connection: transaction, damages: &self.damages }
    }
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(
        connection: Connection,
        checkpointer: Checkpointer,
        memory: Memory,
        news: News,
    ) -> Result<Self> {
        let (queue, work) = mpsc::channel(WAITING);
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_until_closed(connection, &checkpointer, work, memory, &news))
            .map_err(|error| StoreError::Failed(format!("cannot start the writer thread: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    fn queue(&self) -> Result<&mpsc::Sender<Work>> {
        self.queue.as_ref().ok_or(StoreError::Closed)
    }

    /// Queues a job without waiting; the receiver gets the result when it is durable.
    pub(crate) fn submit(
        &self,
        job: impl FnOnce(&Transaction<'_>, &mut Memory) -> Result<()> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<()>>> {
        let (reply, answer) = oneshot::channel();
        let reply = Box::new(move |result| drop(reply.send(result)));
        self.queue()?.try_send(Work { job: Box::new(job), reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        Ok(answer)
    }

    /// Queues a job whose result can be waited for. Blocks while the queue is full: not for async tasks.
    pub(crate) fn start_job<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Transaction<'_>, &mut Memory) -> Result<T> + Send + 'static,
    ) -> Result<Started<T>> {
        let (made, value) = std::sync::mpsc::sync_channel(1);
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        let job = Box::new(move |transaction: &Transaction<'_>, memory: &mut Memory| {
            let _ = made.send(job(transaction, memory)?);
            Ok(())
        });
        let reply = Box::new(move |result| drop(reply.send(result)));
        self.queue()?.blocking_send(Work { job, reply }).map_err(|_| StoreError::Closed)?;
        Ok(Started { value, answer })
    }

    /// Runs a job and waits until it is durable. Blocks: not for async tasks.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Transaction<'_>, &mut Memory) -> Result<T> + Send + 'static,
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
    checkpointer: &Checkpointer,
    mut queue: mpsc::Receiver<Work>,
    mut memory: Memory,
    news: &News,
) {
    step_back();
    let mut batch = Vec::new();
    while queue.blocking_recv_many(&mut batch, AT_ONCE) > 0 {
        let cursor = memory.cursor;
        let rewritten = memory.rewrites;
        let (jobs, replies): (Vec<_>, Vec<_>) = batch.drain(..).map(|work| (work.job, work.reply)).unzip();
        match write(&mut connection, &mut memory, jobs) {
            Ok(results) => {
                if memory.cursor != cursor {
                    news.changes.send_replace(memory.cursor);
                }
                if memory.rewrites != rewritten {
                    news.rewrites.send_replace(memory.rewrites);
                }
                if memory.must_empty_log {
                    memory.must_empty_log = !checkpointer.empty().unwrap_or(false);
                }
                replies.into_iter().zip(results).for_each(|(reply, result)| reply(result));
                // A checkpoint that fails is tried again after the next transaction; if it keeps failing, so does
                // that transaction.
                let _ = checkpointer.follow(&connection);
            }
            Err(error) => {
                // The transaction was rolled back: drop caches that may hold its row ids.
                let must_empty_log = memory.must_empty_log;
                let rewrites = rewritten;
                let damages = memory.damages.clone();
                memory = Memory { cursor, damages, rewrites, must_empty_log, ..Memory::default() };
                replies.into_iter().for_each(|reply| reply(Err(error.repeat())));
            }
        }
    }
    // If this fails, the next start does it.
    let _ = checkpointer.empty();
}

/// Runs the jobs in one transaction. A job that refuses is left out; any other error rolls back all of them.
fn write(connection: &mut Connection, memory: &mut Memory, jobs: Vec<Job>) -> Result<Vec<Result<()>>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut results = Vec::with_capacity(jobs.len());
    for job in jobs {
        match job(&transaction, memory) {
            Err(error @ StoreError::Exists(_)) => results.push(Err(error)),
            Err(error) => return Err(error),
            Ok(()) => results.push(Ok(())),
        }
    }
    transaction.commit()?;
    Ok(results)
}
