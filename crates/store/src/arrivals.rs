//! Arrivals: notifications that are acknowledged and not assembled yet, in a file of their own, so that acknowledging
//! one never waits for the writing of calls. When assembled, they move into the journal in the transaction that
//! commits the calls.

mod arrival;
mod backlog;
mod batch;
mod buffer;
mod file;

use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

pub use self::arrival::Arrival;
pub(crate) use self::arrival::{ArrivalsExtent, JournalEnd, StoredArrival};
use self::{
    backlog::Backlog,
    buffer::{ReadAheadBuffer, lock},
    file::{Request, Writer},
};
use crate::{
    Position, TenantId,
    damage::DamageLog,
    error::{Result, StoreError},
    schema,
};

/// The file in the data folder.
pub(crate) const FILE_NAME: &str = "arrivals.db";

/// Maximum number of queued requests; further ones are refused. RingCentral gives up after three seconds, and memory
/// is limited.
const MAX_QUEUED_REQUESTS: usize = 16_384;

/// The file and the thread that writes it. Dropping it waits until all queued notifications are written.
#[derive(Debug)]
pub(crate) struct Arrivals {
    queue: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    buffer: Arc<Mutex<ReadAheadBuffer>>,
    backlog: Arc<Backlog>,
    reader: Mutex<Connection>,
    damages: Arc<DamageLog>,
    extent: ArrivalsExtent,
    /// Why the last write failed. `None` if it succeeded.
    failure: Arc<Mutex<Option<StoreError>>>,
}

impl Arrivals {
    /// Assigns positions after the end of the journal, and after `known`, the last position that is known to have
    /// been durable. `positions` receives the position of the last durable notification.
    pub(crate) fn open(
        folder: &Path,
        journal: JournalEnd,
        known: Position,
        positions: watch::Sender<Position>,
        damages: Arc<DamageLog>,
    ) -> Result<Self> {
        let path = folder.join(FILE_NAME);
        let mut connection = schema::open_arrivals(&path)?;
        file::convert_single_rows(&mut connection)?;
        let reader = Mutex::new(schema::open_reader(&path)?);
        let buffer = Arc::new(Mutex::new(ReadAheadBuffer::from(journal.position)));
        let extent = file::read_extent(&connection)?;
        // Positions are never assigned twice, even if the journal or this file was replaced by an older one.
        let journal = JournalEnd { position: journal.position.max(extent.journaled).max(known), ..journal };
        let failure: Arc<Mutex<Option<StoreError>>> = Arc::default();
        let writer =
            Writer::new(connection, journal, buffer.clone(), positions, damages.clone(), failure.clone())?;
        let (queue, requests) = mpsc::channel(MAX_QUEUED_REQUESTS);
        let thread = thread::Builder::new()
            .name("store-arrivals".to_owned())
            .spawn(move || writer.write_until_closed(requests))
            .map_err(|error| StoreError::Failed(format!("cannot start the arrivals thread: {error}")))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            buffer,
            backlog: Arc::default(),
            reader,
            damages,
            extent,
            failure,
        })
    }

    /// Queues notifications without waiting; the receiver gets the result when they are durable.
    pub(crate) fn append(&self, arrivals: Vec<Arrival>) -> Result<oneshot::Receiver<Result<()>>> {
        let (durable, is_durable) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        let reservation = self.backlog.reserve(&arrivals).ok_or(StoreError::Overloaded)?;
        queue.try_send(Request::Append { arrivals, durable, reservation }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        Ok(is_durable)
    }

    /// The extent of the file when it was opened.
    pub(crate) fn extent_at_open(&self) -> ArrivalsExtent {
        self.extent
    }

    /// Why writes fail: if the last one failed, tries an empty write. `None` if writes succeed. Blocks.
    pub(crate) fn write_problem(&self) -> Option<StoreError> {
        let failed = || self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failed().as_ref()?;
        let tried = self.append(Vec::new()).map(|durable| durable.blocking_recv());
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
    pub(crate) fn purge(&self) -> Result<()> {
        let (done, is_done) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.blocking_send(Request::Purge { done }).map_err(|_| StoreError::Closed)?;
        is_done.blocking_recv().map_err(|_| StoreError::Closed)
    }

    /// The buffered arrivals after a position.
    pub(crate) fn buffered_after(&self, position: Position, limit: usize) -> Vec<StoredArrival> {
        // The lock is held only while arrivals are cloned, not their texts.
        lock(&self.buffer).after(position, limit)
    }

    /// Reads notifications after a position from the file: at most `limit`, and no more once they have `limit_bytes`.
    pub(crate) fn stored_after(
        &self,
        position: Position,
        limit: usize,
        limit_bytes: usize,
    ) -> Result<Vec<StoredArrival>> {
        let mut stored: Vec<StoredArrival> = Vec::new();
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
        self.report_missing(position, &stored);
        stored.truncate(limit);
        Ok(stored)
    }

    /// Arrivals are consecutive from the end of the journal on: reports positions that are missing.
    fn report_missing(&self, position: Position, stored: &[StoredArrival]) {
        // After reading: notifications that moved into the journal meanwhile may have been deleted.
        let mut last = lock(&self.buffer).journaled().max(position);
        for received in stored {
            if received.position > last.next() {
                let place = format!("notifications {} to {}", last.next().0, received.position.0 - 1);
                let missing = StoreError::Damaged("they are missing in arrivals.db".to_owned());
                self.damages.note(None, place, &missing);
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
    pub(crate) fn audit(&self, damages: &DamageLog) -> Result<()> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        file::read_after(&reader, damages, Position::default(), |_| true)?;
        file::report_saved_unreadable(&reader, damages)
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
    pub(crate) fn buffer(&self, stored: Vec<StoredArrival>) {
        let mut buffer = lock(&self.buffer);
        stored.into_iter().for_each(|received| buffer.push(received));
    }

    /// Notifications that are not in the journal yet, up to a position.
    pub(crate) fn unjournaled_until(&self, position: Position) -> Result<Vec<StoredArrival>> {
        let buffer = lock(&self.buffer);
        if let Some(received) = buffer.until(position) {
            return Ok(received);
        }
        let journaled = buffer.journaled();
        drop(buffer);
        let count = usize::try_from(position.0 - journaled.0).unwrap_or(0);
        let mut received = self.stored_after(journaled, count, usize::MAX)?;
        // Unreadable notifications are skipped, so there may be fewer than positions.
        received.retain(|received| received.position <= position);
        Ok(received)
    }

    /// Marks everything up to a position as moved into the journal.
    pub(crate) fn mark_journaled(&self, position: Position) {
        lock(&self.buffer).mark_journaled(position);
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
