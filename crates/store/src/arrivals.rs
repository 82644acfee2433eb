//! What was received and is not assembled yet, in a file of its own: whoever waits for a notification to be durable
//! never waits for what is written of calls. What was assembled moves into the journal, in the transaction that keeps
//! what came of it.

use std::{
    collections::{HashSet, VecDeque},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    Position, TenantId,
    codec::{self, Kind},
    error::{Result, StoreError},
    journal::Entry,
    schema,
};

/// The file within the data folder.
const FILE_NAME: &str = "arrivals.db";

/// So many may wait; RingCentral gives up after three seconds, and memory is not endless.
const QUEUED: usize = 16_384;

/// So many are written at once.
const AT_ONCE: usize = 4_096;

/// So much of what waits to be assembled is at hand in memory: notifications, and bytes of them.
const AT_HAND: usize = 16_384;
const AT_HAND_BYTES: usize = 16 << 20;

/// A notification that was posted to a tenant's hook.
#[derive(Debug)]
pub struct Arrival {
    /// Whose hook.
    pub tenant: TenantId,
    /// When, milliseconds since 1970.
    pub arrived_ms: i64,
    /// The `telephonySessionId` that it is about.
    pub session: Box<str>,
    /// What was posted.
    pub body: String,
}

/// What was received, at its place in the journal.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) position: Position,
    pub(crate) tenant: TenantId,
    pub(crate) session: Box<str>,
    pub(crate) arrived_ms: i64,
    pub(crate) packed: Vec<u8>,
    /// Until somebody has taken it.
    body: Option<String>,
}

impl Received {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            position: Position(row.get(0)?),
            tenant: TenantId(row.get(1)?),
            session: row.get(2)?,
            arrived_ms: row.get(3)?,
            packed: row.get(4)?,
            body: None,
        })
    }

    fn bytes(&self) -> usize {
        self.packed.len() + self.body.as_ref().map_or(0, String::len)
    }

    /// As whoever assembles wants it; takes the body.
    pub(crate) fn take_entry(&mut self) -> Result<Entry> {
        let body = match self.body.take() {
            Some(body) => body,
            None => codec::unpack_text(&self.packed)?,
        };
        Ok(Entry { position: self.position, tenant: self.tenant, arrived_ms: self.arrived_ms, body })
    }
}

/// The file, and the thread that writes it. Dropped, it waits until everything handed in is written.
#[derive(Debug)]
pub(crate) struct Arrivals {
    queue: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
    waiting: Arc<Mutex<Waiting>>,
    reader: Mutex<Connection>,
}

#[derive(Debug)]
enum Work {
    Keep {
        arrivals: Vec<Arrival>,
        durable: oneshot::Sender<Result<()>>,
    },
    /// Nothing of what is in the journal may be left in this file or its log.
    Wipe {
        done: oneshot::Sender<()>,
    },
}

/// Where the journal ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) position: Position,
    /// When that arrived, milliseconds since 1970: the journal is in order of time.
    pub(crate) arrived_ms: i64,
}

impl Arrivals {
    /// Goes on after the end of the journal; `news` is told how far it has grown with what arrives.
    pub(crate) fn open(folder: &Path, journal: End, news: watch::Sender<Position>) -> Result<Self> {
        let path = folder.join(FILE_NAME);
        let connection = schema::open_arrivals(&path)?;
        let reader = Mutex::new(schema::open_reader(&path)?);
        let end = connection.query_row(
            "SELECT max(?1, coalesce(max(position), 0)), max(?2, coalesce(max(arrived_ms), 0)) FROM arrivals",
            params![journal.position.0, journal.arrived_ms],
            |row| Ok(End { position: Position(row.get(0)?), arrived_ms: row.get(1)? }),
        )?;
        news.send_replace(end.position);
        let waiting = Arc::new(Mutex::new(Waiting::after(journal.position)));
        let (queue, work) = mpsc::channel(QUEUED);
        let writer = Writer { connection, waiting: waiting.clone(), end, news, must_wipe: false };
        let thread = thread::Builder::new()
            .name("store-arrivals".to_owned())
            .spawn(move || writer.write_until_closed(work))
            .map_err(|error| StoreError::Failed(format!("no thread for arrivals: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), waiting, reader })
    }

    /// Hands in without waiting; the receiver hears when it is durable.
    pub(crate) fn keep(&self, arrivals: Vec<Arrival>) -> Result<oneshot::Receiver<Result<()>>> {
        let (durable, is_durable) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.try_send(Work::Keep { arrivals, durable }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        Ok(is_durable)
    }

    /// Leaves nothing here of what is in the journal. Blocks.
    pub(crate) fn wipe(&self) -> Result<()> {
        let (done, is_done) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.blocking_send(Work::Wipe { done }).map_err(|_| StoreError::Closed)?;
        is_done.blocking_recv().map_err(|_| StoreError::Closed)
    }

    /// What follows a position, if it is at hand.
    pub(crate) fn at_hand_after(&self, position: Position, limit: usize) -> Result<Vec<Entry>> {
        let mut waiting = lock(&self.waiting);
        let from = waiting.place_after(position);
        let following = waiting.at_hand.range_mut(from..).take(limit);
        let mut taken = 0;
        let entries = following
            .zip(position.0 + 1..)
            .take_while(|(received, place)| received.position.0 == *place)
            .map(|(received, _)| {
                taken += received.body.as_ref().map_or(0, String::len);
                received.take_entry()
            })
            .collect();
        waiting.bytes -= taken;
        entries
    }

    /// What follows a position, from the file.
    pub(crate) fn stored_after(&self, position: Position, limit: usize) -> Result<Vec<Received>> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = reader.prepare_cached(
            "SELECT position, tenant, session, arrived_ms, body FROM arrivals WHERE position > ?1
             ORDER BY position LIMIT ?2",
        )?;
        let mut rows = statement.query(params![position.0, limit as i64])?;
        let mut stored = Vec::new();
        while let Some(row) = rows.next()? {
            stored.push(Received::read(row)?);
        }
        Ok(stored)
    }

    /// The sessions of a tenant of which something waits.
    pub(crate) fn sessions_of(&self, tenant: TenantId) -> Result<HashSet<Box<str>>> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = reader.prepare_cached("SELECT session FROM arrivals WHERE tenant = ?1")?;
        let rows = statement.query_map([tenant.0], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Has at hand what was read from the file, where it goes on from there.
    pub(crate) fn have_at_hand(&self, stored: Vec<Received>) {
        let mut waiting = lock(&self.waiting);
        stored.into_iter().for_each(|received| waiting.add(received));
    }

    /// What is not in the journal yet, up to a position.
    pub(crate) fn until(&self, position: Position) -> Result<Vec<Received>> {
        let waiting = lock(&self.waiting);
        let journaled = waiting.journaled;
        if waiting.end() >= position {
            return Ok(waiting.at_hand.iter().take(waiting.place_after(position)).cloned().collect());
        }
        drop(waiting);
        let mut stored =
            self.stored_after(journaled, usize::try_from(position.0 - journaled.0).unwrap_or(0))?;
        stored.retain(|received| received.position <= position);
        Ok(stored)
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

/// What waits to be assembled and moved into the journal.
#[derive(Debug)]
struct Waiting {
    /// Up to where everything is in the journal.
    journaled: Position,
    /// What follows there, without a gap, as far as there is room.
    at_hand: VecDeque<Received>,
    bytes: usize,
}

impl Waiting {
    fn after(journaled: Position) -> Self {
        Self { journaled, at_hand: VecDeque::new(), bytes: 0 }
    }

    /// Up to where everything is in the journal or at hand.
    fn end(&self) -> Position {
        self.at_hand.back().map_or(self.journaled, |last| last.position)
    }

    fn place_after(&self, position: Position) -> usize {
        self.at_hand.partition_point(|received| received.position <= position)
    }

    fn add(&mut self, received: Received) {
        let bytes = received.bytes();
        let has_room = self.at_hand.len() < AT_HAND && self.bytes + bytes <= AT_HAND_BYTES;
        if has_room && received.position == self.end().next() {
            self.bytes += bytes;
            self.at_hand.push_back(received);
        }
    }

    fn forget(&mut self, position: Position) {
        self.journaled = self.journaled.max(position);
        while let Some(first) = self.at_hand.front()
            && first.position <= position
        {
            self.bytes -= first.bytes();
            self.at_hand.pop_front();
        }
    }
}

/// Writes the file: what comes while a transaction is being written to disk goes into the next.
struct Writer {
    connection: Connection,
    waiting: Arc<Mutex<Waiting>>,
    end: End,
    news: watch::Sender<Position>,
    must_wipe: bool,
}

impl Writer {
    fn write_until_closed(mut self, mut queue: mpsc::Receiver<Work>) {
        let mut batch = Vec::new();
        while queue.blocking_recv_many(&mut batch, AT_ONCE) > 0 {
            let (mut arrivals, mut waiting, mut wiping) = (Vec::new(), Vec::new(), Vec::new());
            for work in batch.drain(..) {
                match work {
                    Work::Keep { arrivals: more, durable } => {
                        arrivals.extend(more);
                        waiting.push(durable);
                    }
                    Work::Wipe { done } => wiping.push(done),
                }
            }
            self.must_wipe |= !wiping.is_empty();
            let written = self.write(arrivals);
            if self.must_wipe && written.is_ok() {
                self.must_wipe = !self.wipe().unwrap_or(false);
            }
            // Whoever does not wait any longer has gone.
            for done in wiping {
                let _ = done.send(());
            }
            for durable in waiting {
                let _ = durable.send(written.as_ref().map_err(StoreError::repeat).copied());
            }
        }
    }

    /// Keeps what has arrived, and forgets what is in the journal. Numbers given in a transaction that never was are
    /// nobody's.
    fn write(&mut self, arrivals: Vec<Arrival>) -> Result<()> {
        let mut end = self.end;
        let mut received = Vec::with_capacity(arrivals.len());
        for Arrival { tenant, arrived_ms, session, body } in arrivals {
            end = End { position: end.position.next(), arrived_ms: arrived_ms.max(end.arrived_ms) };
            let End { position, arrived_ms } = end;
            let packed = codec::pack(Kind::Notification, body.as_bytes())?;
            received.push(Received { position, tenant, session, arrived_ms, packed, body: Some(body) });
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        insert(&transaction, &received)?;
        let journaled = lock(&self.waiting).journaled;
        transaction.prepare_cached("DELETE FROM arrivals WHERE position <= ?1")?.execute([journaled.0])?;
        transaction.commit()?;
        let mut waiting = lock(&self.waiting);
        received.into_iter().for_each(|received| waiting.add(received));
        drop(waiting);
        if end.position != self.end.position {
            self.end = end;
            self.news.send_replace(end.position);
        }
        Ok(())
    }

    /// Tells whether it was possible: it is not while somebody reads the file for longer than a moment.
    fn wipe(&self) -> Result<bool> {
        self.connection.execute_batch("VACUUM")?;
        let mut statement = self.connection.prepare_cached("PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(statement.query_row([], |row| row.get::<_, i64>(0))? == 0)
    }
}

fn insert(transaction: &Transaction<'_>, received: &[Received]) -> Result<()> {
    let mut insert = transaction.prepare_cached("INSERT INTO arrivals VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for Received { position, tenant, session, arrived_ms, packed, .. } in received {
        insert.execute(params![position.0, tenant.0, session, arrived_ms, packed])?;
    }
    Ok(())
}
