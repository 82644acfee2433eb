//! The one thread that writes. What comes while a transaction is being written to disk goes into the next,
//! so that many wait for one fsync and none for a timer.

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

/// So many may wait; RingCentral gives up after three seconds, and memory is not endless.
const WAITING: usize = 16_384;

/// So many are written at once.
const AT_ONCE: usize = 4_096;

/// Something to be done to the tables, and whom to tell when it is durable, or why it is not.
///
/// A job that refuses (with [`StoreError::Exists`]) must not have written anything; any other error takes back the
/// whole transaction, with all jobs in it.
struct Work {
    job: Job,
    reply: Box<dyn FnOnce(Result<()>) + Send>,
}

type Job = Box<dyn FnOnce(&Transaction<'_>, &mut Memory) -> Result<()> + Send>;

/// Who is told what has become durable.
#[derive(Debug, Clone)]
pub(crate) struct News {
    /// How far the changes have grown.
    pub(crate) changes: watch::Sender<Position>,
    /// How often something that was kept was changed or removed.
    pub(crate) rewrites: watch::Sender<u64>,
}

/// Hands work to the writing thread. Dropped, it waits until everything handed in is written.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Work>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What the thread remembers from one transaction to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The last change.
    pub(crate) cursor: Position,
    /// Where rows are noted that cannot be read.
    pub(crate) damages: Arc<Damages>,
    /// How often something that was kept was changed or removed.
    pub(crate) rewrites: u64,
    /// The sessions that were heard of lately, by their ids.
    pub(crate) sessions: Lately<Session>,
    /// The rows of calls that were written lately, by their ids.
    pub(crate) calls: Lately<Before>,
    /// The last call that got a number, once one has.
    pub(crate) last_call: Option<i64>,
    /// The numbers of terms, by kind and value.
    pub(crate) terms: Lately<i64>,
    /// Somebody was erased, but what was there before is still in the log.
    pub(crate) must_empty_log: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    pub(crate) number: i64,
    /// The call that claimed it, as far as is remembered.
    pub(crate) call: Option<i64>,
}

impl Memory {
    /// The writer's connection, as those read it who pass over what cannot be read.
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
            .map_err(|error| StoreError::Failed(format!("no thread for writing: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    fn queue(&self) -> Result<&mpsc::Sender<Work>> {
        self.queue.as_ref().ok_or(StoreError::Closed)
    }

    /// Hands in a job without waiting; the receiver hears when it is durable.
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

    /// Hands in a job; what it made can be waited for. Blocks while too much is waiting: not for async tasks.
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

/// A job that was handed in.
#[derive(Debug)]
pub(crate) struct Started<T> {
    value: std::sync::mpsc::Receiver<T>,
    answer: std::sync::mpsc::Receiver<Result<()>>,
}

impl<T> Started<T> {
    /// Waits until it is durable; what it made. Blocks.
    pub(crate) fn wait(self) -> Result<T> {
        self.answer.recv().map_err(|_| StoreError::Closed)??;
        self.value.recv().map_err(|_| StoreError::Closed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been answered with errors already.
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
                // What fails here is tried again after the next transaction, and fails that if it goes on.
                let _ = checkpointer.follow(&connection);
            }
            Err(error) => {
                // Numbers given in a transaction that never was are nobody's.
                let must_empty_log = memory.must_empty_log;
                let rewrites = rewritten;
                let damages = memory.damages.clone();
                memory = Memory { cursor, damages, rewrites, must_empty_log, ..Memory::default() };
                replies.into_iter().for_each(|reply| reply(Err(error.repeat())));
            }
        }
    }
    // What fails here is done at the next start.
    let _ = checkpointer.empty();
}

/// Does the jobs in one transaction: all of them, but for those that refuse, or none.
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
