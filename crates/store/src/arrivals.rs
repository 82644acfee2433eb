//! What was received and is not assembled yet, in a file of its own: whoever waits for a notification to be durable
//! never waits for what is written of calls. What was assembled moves into the journal, in the transaction that keeps
//! what came of it.

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

/// The file within the data folder.
pub(crate) const FILE_NAME: &str = "arrivals.db";

/// So many requests may wait; RingCentral gives up after three seconds, and memory is not endless.
const QUEUED: usize = 16_384;

/// A notification that was posted to a tenant's hook.
#[derive(Debug)]
pub struct Arrival {
    /// Whose hook.
    pub tenant: TenantId,
    /// When, milliseconds since 1970.
    pub arrived_ms: i64,
    /// The `telephonySessionId` that it is about.
    pub session: Arc<str>,
    /// What was posted.
    pub body: Arc<str>,
}

/// What was received, at its place in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) position: Position,
    pub(crate) tenant: TenantId,
    pub(crate) arrived_ms: i64,
    pub(crate) session: Arc<str>,
    pub(crate) body: Arc<str>,
}

impl Received {
    /// As whoever assembles wants it.
    pub(crate) fn entry(&self) -> Entry {
        let Self { position, tenant, arrived_ms, ref body, .. } = *self;
        Entry { position, tenant, arrived_ms, body: body.as_ref().to_owned() }
    }
}

/// Where the journal ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) position: Position,
    /// When that arrived, milliseconds since 1970: the journal is in order of time.
    pub(crate) arrived_ms: i64,
}

/// What the file said when it was opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArrivalsFound {
    /// Up to where everything had moved into the journal.
    pub(crate) journaled: Position,
    /// The last that it has or had; 0 where it is empty.
    pub(crate) end: Position,
}

/// The file, and the thread that writes it. Dropped, it waits until everything handed in is written.
#[derive(Debug)]
pub(crate) struct Arrivals {
    queue: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
    waiting: Arc<Mutex<Waiting>>,
    backlog: Arc<Backlog>,
    reader: Mutex<Connection>,
    damages: Arc<Damages>,
    found: ArrivalsFound,
    /// Why the last that arrived could not be kept.
    failure: Arc<Mutex<Option<StoreError>>>,
}

impl Arrivals {
    /// Goes on after the end of the journal, and after what was known to be durable; `news` is told how far it has grown with what arrives.
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
        // Places are never given twice, whatever became of the journal, or of this file.
        let journal = End { position: journal.position.max(found.journaled).max(known), ..journal };
        let failure: Arc<Mutex<Option<StoreError>>> = Arc::default();
        let writer =
            Writer::new(connection, journal, waiting.clone(), news, damages.clone(), failure.clone())?;
        let (queue, work) = mpsc::channel(QUEUED);
        let thread = thread::Builder::new()
            .name("store-arrivals".to_owned())
            .spawn(move || writer.write_until_closed(work))
            .map_err(|error| StoreError::Failed(format!("no thread for arrivals: {error}")))?;
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

    /// Hands in without waiting; the receiver hears when it is durable.
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

    /// What the file said when it was opened.
    pub(crate) fn found(&self) -> ArrivalsFound {
        self.found
    }

    /// Why the last that arrived could not be kept; if so, it is tried whether anything can be now. Blocks.
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

    /// Whether more of a tenant may wait.
    pub(crate) fn has_room_for(&self, tenant: TenantId) -> bool {
        self.backlog.has_room_for(tenant)
    }

    /// Leaves nothing here of what is in the journal. Blocks.
    pub(crate) fn wipe(&self) -> Result<()> {
        let (done, is_done) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.blocking_send(Work::Wipe { done }).map_err(|_| StoreError::Closed)?;
        is_done.blocking_recv().map_err(|_| StoreError::Closed)
    }

    /// What follows a position, if it is at hand.
    pub(crate) fn at_hand_after(&self, position: Position, limit: usize) -> Vec<Entry> {
        // Nobody who keeps something waits for more than this.
        let received = lock(&self.waiting).after(position, limit);
        received.iter().map(Received::entry).collect()
    }

    /// What follows a position, from the file: so many notifications at most, and no more once they have so many bytes.
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

    /// What waits is without a gap, from the end of the journal on: where there is one, something has vanished.
    fn note_gaps(&self, position: Position, stored: &[Received]) {
        // After reading: what has moved into the journal meanwhile may have been forgotten.
        let mut last = lock(&self.waiting).journaled().max(position);
        for received in stored {
            if received.position > last.next() {
                let place = format!("notifications {} to {}", last.next().0, received.position.0 - 1);
                let gone = StoreError::Damaged("they are not in arrivals.db any more".to_owned());
                self.damages.note(None, place, &gone);
            }
            last = last.max(received.position);
        }
    }

    /// What SQLite finds wrong with the file.
    pub(crate) fn file_problems(&self) -> Result<Vec<String>> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let problems = schema::integrity_problems(&reader)?;
        Ok(problems.into_iter().map(|problem| format!("{FILE_NAME}: {problem}")).collect())
    }

    /// Reads everything that waits, also what was set aside, so that what is damaged is noted.
    pub(crate) fn look_through(&self, damages: &Damages) -> Result<()> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        file::read_after(&reader, damages, Position::default(), |_| true)?;
        file::note_set_aside(&reader, damages)
    }

    /// The sessions of a tenant of which something waits.
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

    /// Has at hand what was read from the file, where it goes on from there.
    pub(crate) fn have_at_hand(&self, stored: Vec<Received>) {
        let mut waiting = lock(&self.waiting);
        stored.into_iter().for_each(|received| waiting.add(received));
    }

    /// What is not in the journal yet, up to a position.
    pub(crate) fn until(&self, position: Position) -> Result<Vec<Received>> {
        let waiting = lock(&self.waiting);
        if let Some(received) = waiting.until(position) {
            return Ok(received);
        }
        let journaled = waiting.journaled();
        drop(waiting);
        let places = usize::try_from(position.0 - journaled.0).unwrap_or(0);
        let mut received = self.stored_after(journaled, places, usize::MAX)?;
        // Where something that cannot be read is passed over, there are fewer than there are places.
        received.retain(|received| received.position <= position);
        Ok(received)
    }

    /// Everything up to a position is in the journal now.
    pub(crate) fn are_journaled(&self, position: Position) {
        lock(&self.waiting).forget(position);
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been answered with errors already.
            let _ = thread.join();
        }
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
