//! The thread that writes the file: requests that arrive while a transaction is being committed go into the next one,
//! so that many share one fsync and none waits for a timer.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    arrival::{Arrival, ArrivalsExtent, JournalEnd, StoredArrival},
    backlog::Reservation,
    batch,
    buffer::{ReadAheadBuffer, lock},
};
use crate::{
    Position, TenantId, codec,
    damage::DamageLog,
    error::{Result, StoreError},
};

/// Maximum number of requests in one transaction.
const MAX_BATCH_REQUESTS: usize = 4_096;

/// Minimum number of journaled notifications that are deleted with one write. After a backlog the rest is deleted
/// with later writes, so that no write waits for all of it.
const MIN_DELETED_NOTIFICATIONS: i64 = 4_096;

/// Maximum time to wait for readers when the file is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);
/// Maximum time that the last arrival may be ahead of a new one; beyond it the clock was wrong then.
const MAX_CLOCK_LEAD_MS: i64 = 5_000;

#[derive(Debug)]
pub(super) enum Request {
    Append {
        arrivals: Vec<Arrival>,
        durable: oneshot::Sender<Result<()>>,
        /// Counts their bytes until they are written.
        reservation: Reservation,
    },
    /// Nothing that is in the journal may be left in this file or its log.
    Purge { done: oneshot::Sender<()> },
}

/// Owns the writing connection.
pub(super) struct Writer {
    connection: Connection,
    buffer: Arc<Mutex<ReadAheadBuffer>>,
    end: JournalEnd,
    /// Everything up to this position was deleted.
    deleted: Position,
    /// The last position that this file contains or contained.
    highest: Position,
    positions: watch::Sender<Position>,
    must_purge: bool,
    damages: Arc<DamageLog>,
    failure: Arc<Mutex<Option<StoreError>>>,
}

impl Writer {
    /// Assigns positions after the last one in the file or in the journal.
    pub(super) fn new(
        connection: Connection,
        journal: JournalEnd,
        buffer: Arc<Mutex<ReadAheadBuffer>>,
        positions: watch::Sender<Position>,
        damages: Arc<DamageLog>,
        failure: Arc<Mutex<Option<StoreError>>>,
    ) -> Result<Self> {
        let last: Option<(i64, Vec<u8>)> = connection
            .query_row(
                "SELECT last_position, notifications FROM batches ORDER BY last_position DESC LIMIT 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let mut end = journal;
        if let Some((last, packed)) = last {
            let arrived = unpack(&damages, Position(last), &packed)?.unwrap_or_default();
            let arrived_ms = arrived.last().map_or(0, |last| last.arrived_ms);
            end = JournalEnd {
                position: end.position.max(Position(last)),
                arrived_ms: end.arrived_ms.max(arrived_ms),
            };
        }
        let first: Option<i64> =
            connection.query_row("SELECT min(last_position) FROM batches", [], |row| row.get(0))?;
        let deleted = first.map_or(end.position, |first| Position(first - 1));
        positions.send_replace(end.position);
        let highest = read_extent(&connection)?.end;
        Ok(Self { connection, buffer, end, deleted, highest, positions, must_purge: false, damages, failure })
    }

    pub(super) fn write_until_closed(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut requests = Vec::new();
        while queue.blocking_recv_many(&mut requests, MAX_BATCH_REQUESTS) > 0 {
            let (mut arrivals, mut callers, mut purges) = (Vec::new(), Vec::new(), Vec::new());
            let mut reservations = Vec::new();
            for request in requests.drain(..) {
                match request {
                    Request::Append { arrivals: more, durable, reservation } => {
                        reservations.push(reservation);
                        arrivals.extend(more);
                        callers.push(durable);
                    }
                    Request::Purge { done } => purges.push(done),
                }
            }
            self.must_purge |= !purges.is_empty();
            let written = self.write(arrivals);
            drop(reservations);
            *lock_failure(&self.failure) = written.as_ref().err().map(StoreError::repeat);
            if self.must_purge && written.is_ok() {
                self.must_purge = !self.purge().unwrap_or(false);
            }
            // A caller may have stopped waiting.
            for done in purges {
                let _ = done.send(());
            }
            for durable in callers {
                let _ = durable.send(written.as_ref().map_err(StoreError::repeat).copied());
            }
        }
        self.close();
    }

    /// Checkpoints and truncates the log. If this fails, the next start does it.
    fn close(&mut self) {
        let _ = self.write(Vec::new());
        let _ = self.connection.busy_timeout(CLOSE_TIMEOUT);
        let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }

    /// Writes arrivals and deletes what is in the journal. Positions assigned in a transaction that fails are
    /// assigned again.
    fn write(&mut self, arrivals: Vec<Arrival>) -> Result<()> {
        let mut end = self.end;
        let mut received = Vec::with_capacity(arrivals.len());
        for Arrival { tenant, arrived_ms, session, body } in arrivals {
            // The journal is in order of time, except after a clock that was ahead: later arrivals have their own
            // time.
            let is_ahead = end.arrived_ms - arrived_ms > MAX_CLOCK_LEAD_MS;
            let arrived_ms = if is_ahead { arrived_ms } else { arrived_ms.max(end.arrived_ms) };
            end = JournalEnd { position: end.position.next(), arrived_ms };
            let JournalEnd { position, arrived_ms } = end;
            received.push(StoredArrival { position, tenant, arrived_ms, session, body });
        }
        let journaled = lock(&self.buffer).journaled();
        let limit = Position(self.deleted.0 + MIN_DELETED_NOTIFICATIONS.max(2 * received.len() as i64));
        let deleted = if self.must_purge { journaled } else { journaled.min(limit) };
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        insert(&transaction, &received)?;
        save_unreadable(&transaction, &self.damages, deleted)?;
        let count = transaction
            .prepare_cached("DELETE FROM batches WHERE last_position <= ?1")?
            .execute([deleted.0])?;
        if count > 0 || received.is_empty() {
            // Never beyond the last position of this file, so that a file that is older than the journal is
            // recognized.
            save_progress(&transaction, journaled.min(self.highest))?;
        }
        if self.must_purge {
            trim_partial_batch(&transaction, &self.damages, journaled)?;
        }
        transaction.commit()?;
        self.deleted = deleted.max(self.deleted);
        let mut buffer = lock(&self.buffer);
        received.into_iter().for_each(|received| buffer.push(received));
        drop(buffer);
        if end.position != self.end.position {
            (self.end, self.highest) = (end, end.position);
            self.positions.send_replace(end.position);
        }
        Ok(())
    }

    /// Vacuums the file and truncates its log. Returns `false` if a reader still needs the log.
    fn purge(&self) -> Result<bool> {
        self.connection.execute_batch("VACUUM")?;
        let mut statement = self.connection.prepare_cached("PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(statement.query_row([], |row| row.get::<_, i64>(0))? == 0)
    }
}

/// Stores the position up to which everything is in the journal.
fn save_progress(transaction: &Transaction<'_>, journaled: Position) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO progress VALUES (1, ?1)
             ON CONFLICT (singleton) DO UPDATE
                 SET journaled_position = max(journaled_position, excluded.journaled_position)",
        )?
        .execute([journaled.0])?;
    Ok(())
}

/// Reads the extent of the file.
pub(super) fn read_extent(connection: &Connection) -> Result<ArrivalsExtent> {
    let sql = "SELECT (SELECT coalesce(max(journaled_position), 0) FROM progress),
             (SELECT coalesce(max(last_position), 0) FROM batches)";
    let (journaled, last) = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (journaled, last) = (Position(journaled), Position(last));
    Ok(ArrivalsExtent { journaled, end: journaled.max(last) })
}

fn lock_failure(failure: &Mutex<Option<StoreError>>) -> MutexGuard<'_, Option<StoreError>> {
    failure.lock().unwrap_or_else(PoisonError::into_inner)
}

fn insert(transaction: &Transaction<'_>, received: &[StoredArrival]) -> Result<()> {
    let mut insert = transaction.prepare_cached("INSERT INTO batches VALUES (?1, ?2)")?;
    for batch in batch::split(received) {
        if let Some(last) = batch.last() {
            insert.execute(params![last.position.0, batch::pack(batch)?])?;
        }
    }
    Ok(())
}

/// Removes the journaled part of a batch that is in the journal only in part.
fn trim_partial_batch(transaction: &Transaction<'_>, damages: &DamageLog, journaled: Position) -> Result<()> {
    let mut batch = Vec::new();
    read_after(transaction, damages, journaled, |first| {
        batch = first;
        false
    })?;
    let rest = &batch[batch.partition_point(|received| received.position <= journaled)..];
    if rest.len() < batch.len()
        && let Some(last) = rest.last()
    {
        transaction
            .prepare_cached("UPDATE batches SET notifications = ?2 WHERE last_position = ?1")?
            .execute(params![last.position.0, batch::pack(rest)?])?;
    }
    Ok(())
}

/// Reads batches, starting with the one that contains the notification after a position, while `read` returns `true`.
/// A damaged batch is read from the disk a second time before it is skipped: the first read may have been wrong
/// although the file is intact.
pub(super) fn read_after(
    connection: &Connection,
    damages: &DamageLog,
    position: Position,
    mut read: impl FnMut(Vec<StoredArrival>) -> bool,
) -> Result<()> {
    let (mut after, mut suspect) = (position, None);
    while let Some(unreadable) = read_until_unreadable(connection, damages, after, suspect, &mut read)? {
        connection.release_memory()?;
        (after, suspect) = (Position(unreadable.0 - 1), Some(unreadable));
    }
    Ok(())
}

/// The same, up to a damaged batch, which is returned; a `suspect` that is still damaged is skipped.
fn read_until_unreadable(
    connection: &Connection,
    damages: &DamageLog,
    position: Position,
    suspect: Option<Position>,
    read: &mut impl FnMut(Vec<StoredArrival>) -> bool,
) -> Result<Option<Position>> {
    let mut statement = connection.prepare_cached(
        "SELECT last_position, notifications FROM batches WHERE last_position > ?1 ORDER BY last_position",
    )?;
    let mut rows = statement.query([position.0])?;
    while let Some(row) = rows.next()? {
        let last = Position(row.get(0)?);
        let packed = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let batch = match batch::unpack(last, packed) {
            Err(StoreError::Damaged(_)) if suspect != Some(last) => return Ok(Some(last)),
            batch => damages.skip_damaged(batch, None, || batch_name(last.0))?,
        };
        if batch.is_some_and(|batch| !read(batch)) {
            break;
        }
    }
    Ok(None)
}

/// A batch. `None` if it is damaged: then the tenants of its notifications are unknown.
fn unpack(damages: &DamageLog, last: Position, packed: &[u8]) -> Result<Option<Vec<StoredArrival>>> {
    damages.skip_damaged(batch::unpack(last, packed), None, || batch_name(last.0))
}

fn batch_name(last: i64) -> String {
    format!("batch of arrivals up to {last}")
}

/// Saves damaged batches that would be deleted because later ones are in the journal.
fn save_unreadable(transaction: &Transaction<'_>, damages: &DamageLog, deleted: Position) -> Result<()> {
    if !damages.has_any() {
        return Ok(());
    }
    let mut statement = transaction
        .prepare_cached("SELECT last_position, notifications FROM batches WHERE last_position <= ?1")?;
    let mut rows = statement.query([deleted.0])?;
    while let Some(row) = rows.next()? {
        let (last, packed): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        // Also a batch that was skipped then although it can be read now.
        let was_skipped = damages.has(None, &batch_name(last));
        if unpack(damages, Position(last), &packed)?.is_none() || was_skipped {
            transaction
                .prepare_cached("INSERT OR IGNORE INTO unreadable_batches VALUES (?1, ?2)")?
                .execute(params![last, packed])?;
        }
    }
    Ok(())
}

/// Reports the batches that were saved as unreadable.
pub(super) fn report_saved_unreadable(connection: &Connection, damages: &DamageLog) -> Result<()> {
    let mut statement =
        connection.prepare_cached("SELECT last_position FROM unreadable_batches ORDER BY last_position")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        damages.note(
            None,
            batch_name(row.get(0)?),
            &StoreError::Damaged("it was saved as unreadable when later arrivals were assembled".to_owned()),
        );
    }
    Ok(())
}

/// Converts the rows of an older file, which had one row per notification, to batches.
pub(super) fn convert_single_rows(connection: &mut Connection) -> Result<()> {
    let has_old_table = |connection: &Connection| connection.table_exists(None, "arrivals");
    if !has_old_table(connection)? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have converted them meanwhile.
    if !has_old_table(&transaction)? {
        return Ok(());
    }
    let mut received = Vec::new();
    {
        let mut statement = transaction
            .prepare("SELECT position, tenant, arrived_ms, session, body FROM arrivals ORDER BY position")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            received.push(StoredArrival {
                position: Position(row.get(0)?),
                tenant: TenantId(row.get(1)?),
                arrived_ms: row.get(2)?,
                session: row.get::<_, String>(3)?.into(),
                body: codec::unpack_text(&row.get::<_, Vec<u8>>(4)?)?.into(),
            });
        }
    }
    insert(&transaction, &received)?;
    transaction.execute_batch("DROP TABLE arrivals")?;
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{arrivals::backlog::Backlog, codec::Kind, schema};

    #[test]
    fn rows_of_an_older_file_are_converted_to_batches() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("arrivals.db");
        let mut connection = schema::open_arrivals(&path).unwrap();
        let before = "CREATE TABLE arrivals (position INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, session TEXT NOT NULL,
            arrived_ms INTEGER NOT NULL, body BLOB NOT NULL) STRICT";
        connection.execute_batch(before).unwrap();
        let received: Vec<StoredArrival> = (7..1_000)
            .map(|number| StoredArrival {
                position: Position(number),
                tenant: TenantId(number % 3),
                arrived_ms: 1_000 + number,
                session: format!("s-{number}").into(),
                body: format!("{{\"body\":\"{}\"}}", "x".repeat(number as usize)).into(),
            })
            .collect();
        for arrival in &received {
            let packed = codec::pack(Kind::Notification, arrival.body.as_bytes()).unwrap();
            connection
                .execute(
                    "INSERT INTO arrivals VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![
                        arrival.position.0,
                        arrival.tenant.0,
                        &*arrival.session,
                        arrival.arrived_ms,
                        packed
                    ],
                )
                .unwrap();
        }
        for _ in 0..2 {
            convert_single_rows(&mut connection).unwrap();
            let mut batches = 0;
            let mut read = Vec::new();
            read_after(&connection, &DamageLog::default(), Position(0), |batch| {
                batches += 1;
                read.extend(batch);
                true
            })
            .unwrap();
            assert_eq!(read, received);
            // Half a million bytes: two batches.
            assert_eq!(batches, 2);
        }
        let buffer = Arc::new(Mutex::new(ReadAheadBuffer::from(Position(0))));
        let journal = JournalEnd { position: Position(0), arrived_ms: 0 };
        let writer = Writer::new(
            connection,
            journal,
            buffer,
            watch::Sender::new(Position(0)),
            Arc::default(),
            Arc::default(),
        )
        .unwrap();
        assert_eq!((writer.end.position, writer.end.arrived_ms), (Position(999), 1_999));
    }

    #[test]
    fn journaled_backlog_is_deleted_in_portions_but_at_once_for_an_erasure() {
        const MAX_BATCH_REQUESTS: usize = 512;
        let folder = tempfile::tempdir().unwrap();
        let connection = schema::open_arrivals(&folder.path().join("arrivals.db")).unwrap();
        let buffer = Arc::new(Mutex::new(ReadAheadBuffer::from(Position(0))));
        let journal = JournalEnd { position: Position(0), arrived_ms: 0 };
        let mut writer = Writer::new(
            connection,
            journal,
            buffer.clone(),
            watch::Sender::new(Position(0)),
            Arc::default(),
            Arc::default(),
        )
        .unwrap();
        let arrival =
            |_| Arrival { tenant: TenantId(1), arrived_ms: 1_000, session: "s-1".into(), body: "{}".into() };
        let append =
            |writer: &mut Writer, count: usize| writer.write((0..count).map(arrival).collect()).unwrap();
        let left = |writer: &Writer, until: Position| -> usize {
            let mut left = 0;
            let count = |batch: Vec<StoredArrival>| {
                left += batch.iter().filter(|received| received.position <= until).count();
                true
            };
            read_after(&writer.connection, &writer.damages, Position(0), count).unwrap();
            left
        };
        let backlog = 3 * MIN_DELETED_NOTIFICATIONS as usize;
        for _ in 0..backlog / MAX_BATCH_REQUESTS {
            append(&mut writer, MAX_BATCH_REQUESTS);
        }
        let until = writer.end.position;
        lock(&buffer).mark_journaled(until);
        for expected in [2 * backlog / 3, backlog / 3, 0] {
            append(&mut writer, 1);
            assert_eq!(left(&writer, until), expected);
        }
        for _ in 0..backlog / MAX_BATCH_REQUESTS {
            append(&mut writer, MAX_BATCH_REQUESTS);
        }
        let until = writer.end.position;
        lock(&buffer).mark_journaled(until);
        // The last of them share a batch with notifications that are not assembled yet.
        append(&mut writer, MAX_BATCH_REQUESTS);
        let part = Position(until.0 + 100);
        lock(&buffer).mark_journaled(part);
        writer.must_purge = true;
        append(&mut writer, 0);
        assert_eq!(left(&writer, part), 0);
        assert_eq!(left(&writer, writer.end.position), MAX_BATCH_REQUESTS - 100);
    }

    #[test]
    fn purge_blocked_by_a_reader_is_done_with_the_next_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("arrivals.db");
        let connection = schema::open_arrivals(&path).unwrap();
        connection.busy_timeout(std::time::Duration::ZERO).unwrap();
        let buffer = Arc::new(Mutex::new(ReadAheadBuffer::from(Position(0))));
        let journal = JournalEnd { position: Position(0), arrived_ms: 0 };
        let writer = Writer::new(
            connection,
            journal,
            buffer.clone(),
            watch::Sender::new(Position(0)),
            Arc::default(),
            Arc::default(),
        )
        .unwrap();
        let (queue, requests) = mpsc::channel(1);
        let thread = std::thread::spawn(move || writer.write_until_closed(requests));
        let append = || {
            let (durable, is_durable) = oneshot::channel();
            let (session, body) = ("s-1".into(), "{}".into());
            let arrivals = vec![Arrival { tenant: TenantId(1), arrived_ms: 1_000, session, body }];
            let reservation = Arc::new(Backlog::default()).reserve(&arrivals).unwrap();
            queue.blocking_send(Request::Append { arrivals, durable, reservation }).unwrap();
            is_durable.blocking_recv().unwrap().unwrap();
        };
        let log = || std::fs::metadata(folder.path().join("arrivals.db-wal")).unwrap().len();
        append();
        let reader = schema::open_reader(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM batches").unwrap();
        lock(&buffer).mark_journaled(Position(1));
        let (done, is_done) = oneshot::channel();
        queue.blocking_send(Request::Purge { done }).unwrap();
        is_done.blocking_recv().unwrap();
        assert!(log() > 0, "a reader still needs it");
        drop(reader);
        append();
        assert_eq!(log(), 0);
        drop(queue);
        thread.join().unwrap();
    }
}
