//! Arrivals: notifications that are acknowledged and not assembled yet, in a file of their own, so that acknowledging
//! one never waits for the writing of calls. When assembled, they move into the journal in the transaction that
//! commits the calls.

mod backlog;
mod batch;
mod file;
mod waiting;

use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use self::{
    backlog::Backlog,
    file::{Work, Writer},
    waiting::Waiting,
};
use crate::{
    Position, TenantId,
    damage::Damages,
    error::{Result, StoreError},
    journal::Entry,
    schema,
};

/// The file in the data folder.
pub(crate) const FILE_NAME: &str = "arrivals.db";

/// Maximum number of queued requests; further ones are refused. RingCentral gives up after three seconds, and memory
/// is limited.
const QUEUED: usize = 16_384;

/// A notification that was posted to a tenant's hook.
#[derive(Debug)]
pub struct Arrival {
    /// The tenant of the hook.
    pub tenant: TenantId,
    /// When it arrived, milliseconds since 1970.
    pub arrived_ms: i64,
    /// Its `telephonySessionId`.
    pub session: Arc<str>,
    /// The body that was posted.
    pub body: Arc<str>,
}

/// A notification with its position in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) position: Position,
    pub(crate) tenant: TenantId,
    pub(crate) arrived_ms: i64,
    pub(crate) session: Arc<str>,
    pub(crate) body: Arc<str>,
}

impl Received {
    /// The journal entry that the assembler reads.
    pub(crate) fn entry(&self) -> Entry {
        let Self { position, tenant, arrived_ms, ref body, .. } = *self;
        Entry { position, tenant, arrived_ms, body: body.as_ref().to_owned() }
    }
}

/// The end of the journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) position: Position,
    /// When the last notification arrived, milliseconds since 1970; the journal is in order of time.
    pub(crate) arrived_ms: i64,
}

/// The extent of the file when it was opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArrivalsFound {
    /// Everything up to this position had moved into the journal.
    pub(crate) journaled: Position,
    /// The last position that the file contains or contained; 0 if it is empty.
    pub(crate) end: Position,
}

/// The file and the thread that writes it. Dropping it waits until all queued notifications are written.
#[derive(Debug)]
pub(crate) struct Arrivals {
    queue: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
    waiting: Arc<Mutex<Waiting>>,
    backlog: Arc<Backlog>,
    reader: Mutex<Connection>,
    damages: Arc<Damages>,
    found: ArrivalsFound,
    /// Why the last write failed. `None` if it succeeded.
    failure: Arc<Mutex<Option<StoreError>>>,
}

impl Arrivals {
    /// Assigns positions after the end of the journal, and after `known`, the last position that is known to have
    /// been durable. `positions` receives the position of the last durable notification.
    pub(crate) fn open(
        folder: &Path,
        journal: End,
        known: Position,
        news: watch::Sender<Position>,
        damages: Arc<Damages>,
    ) -> Result<Self> {
        let path = folder.join(FILE_NAME);
        let mut connection = schema::open_arrivals(&path)?;
        file::take_over_rows(&mut connection)?;
        let reader = Mutex::new(schema::open_reader(&path)?);
        let waiting = Arc::new(Mutex::new(Waiting::from(journal.position)));
        let found = file::found(&connection)?;
        // Positions are never assigned twice, even if the journal or this file was replaced by an older one.
        let journal = End { position: journal.position.max(found.journaled).max(known), ..journal };
        let failure: Arc<Mutex<Option<StoreError>>> = Arc::default();
        let writer =
            Writer::new(connection, journal, waiting.clone(), news, damages.clone(), failure.clone())?;
        let (queue, work) = mpsc::channel(QUEUED);
        let thread = thread::Builder::new()
            .name("store-arrivals".to_owned())
            .spawn(move || writer.write_until_closed(work))
            .map_err(|error| StoreError::Failed(format!("cannot start the arrivals thread: {error}")))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            waiting,
            backlog: Arc::default(),
            reader,
            damages,
            found,
            failure,
        })
    }

    /// Queues notifications without waiting; the receiver gets the result when they are durable.
    pub(crate) fn keep(&self, arrivals: Vec<Arrival>) -> Result<oneshot::Receiver<Result<()>>> {
        let (durable, is_durable) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        let counted = self.backlog.count(&arrivals).ok_or(StoreError::Overloaded)?;
        queue.try_send(Work::Keep { arrivals, durable, counted }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        Ok(is_durable)
    }

    /// The extent of the file when it was opened.
    pub(crate) fn found(&self) -> ArrivalsFound {
        self.found
    }

    /// Why writes fail: if the last one failed, tries an empty write. `None` if writes succeed. Blocks.
    pub(crate) fn write_problem(&self) -> Option<StoreError> {
        let failed = || self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failed().as_ref()?;
        let tried = self.keep(Vec::new()).map(|durable| durable.blocking_recv());
        match tried {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) | Err(error) => Some(error),
            Ok(Err(_)) => Some(StoreError::Closed),
        }
    }

    /// Whether a tenant may queue more notifications.
    pub(crate) fn has_room_for(&self, tenant: TenantId) -> bool {
        self.backlog.has_room_for(tenant)
    }

    /// Physically removes what is in the journal from this file and its log. Blocks.
    pub(crate) fn wipe(&self) -> Result<()> {
        let (done, is_done) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.blocking_send(Work::Wipe { done }).map_err(|_| StoreError::Closed)?;
        is_done.blocking_recv().map_err(|_| StoreError::Closed)
    }

    /// The buffered entries after a position.
    pub(crate) fn at_hand_after(&self, position: Position, limit: usize) -> Vec<Entry> {
        // The lock is held only while entries are cloned.
        let received = lock(&self.waiting).after(position, limit);
        received.iter().map(Received::entry).collect()
    }

    /// Reads notifications after a position from the file: at most `limit`, and no more once they have `limit_bytes`.
    pub(crate) fn stored_after(
        &self,
        position: Position,
        limit: usize,
        limit_bytes: usize,
    ) -> Result<Vec<Received>> {
        let mut stored: Vec<Received> = Vec::new();
        let mut bytes = 0;
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        file::read_after(&reader, &self.damages, position, |batch| {
            stored.extend(batch.into_iter().filter(|received| {
                let follows = received.position > position;
                bytes += if follows { received.body.len() } else { 0 };
                follows
            }));
            stored.len() < limit && bytes < limit_bytes
        })?;
        drop(reader);
        self.note_gaps(position, &stored);
        stored.truncate(limit);
        Ok(stored)
    }

    /// Arrivals are consecutive from the end of the journal on: reports positions that are missing.
    fn note_gaps(&self, position: Position, stored: &[Received]) {
        // After reading: notifications that moved into the journal meanwhile may have been deleted.
        let mut last = lock(&self.waiting).journaled().max(position);
        for received in stored {
            if received.position > last.next() {
                let place = format!("notifications {} to {}", last.next().0, received.position.0 - 1);
                let gone = StoreError::Damaged("they are missing in arrivals.db".to_owned());
                self.damages.note(None, place, &gone);
            }
            last = last.max(received.position);
        }
    }

    /// Problems that SQLite's integrity check finds in the file.
    pub(crate) fn file_problems(&self) -> Result<Vec<String>> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let problems = schema::integrity_problems(&reader)?;
        Ok(problems.into_iter().map(|problem| format!("{FILE_NAME}: {problem}")).collect())
    }

    /// Reads all notifications, and those that were saved as unreadable, so that damage is reported.
    pub(crate) fn look_through(&self, damages: &Damages) -> Result<()> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        file::read_after(&reader, damages, Position::default(), |_| true)?;
        file::note_set_aside(&reader, damages)
    }

    /// The sessions of a tenant that have notifications waiting here.
    pub(crate) fn sessions_of(&self, tenant: TenantId) -> Result<HashSet<Arc<str>>> {
        let mut sessions = HashSet::new();
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        file::read_after(&reader, &self.damages, Position::default(), |batch| {
            let of_tenant = batch.into_iter().filter(|received| received.tenant == tenant);
            sessions.extend(of_tenant.map(|received| received.session));
            true
        })?;
        Ok(sessions)
    }

    /// Adds notifications that were read from the file to the buffer, if they continue it.
    pub(crate) fn have_at_hand(&self, stored: Vec<Received>) {
        let mut waiting = lock(&self.waiting);
        stored.into_iter().for_each(|received| waiting.add(received));
    }

    /// Notifications that are not in the journal yet, up to a position.
    pub(crate) fn until(&self, position: Position) -> Result<Vec<Received>> {
        let waiting = lock(&self.waiting);
        if let Some(received) = waiting.until(position) {
            return Ok(received);
        }
        let journaled = waiting.journaled();
        drop(waiting);
        let places = usize::try_from(position.0 - journaled.0).unwrap_or(0);
        let mut received = self.stored_after(journaled, places, usize::MAX)?;
        // Unreadable notifications are skipped, so there may be fewer than positions.
        received.retain(|received| received.position <= position);
        Ok(received)
    }

    /// Marks everything up to a position as moved into the journal.
    pub(crate) fn are_journaled(&self, position: Position) {
        lock(&self.waiting).forget(position);
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // Requests to a thread that panicked were already answered with errors.
            let _ = thread.join();
        }
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
