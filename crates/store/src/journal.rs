//! The journal: every notification, in order of arrival.

use rusqlite::{OptionalExtension, Transaction, params};
use tokio::sync::{oneshot, watch};

use crate::{
    Position, Store, TenantId,
    arrivals::{Arrival, StoredArrival},
    codec::{self, Kind},
    error::Result,
    journal_entries::{Entry, session_number},
    writer_caches::{CachedSession, WriterCaches},
};

/// Moves an arrival into the journal.
pub(crate) fn add(
    transaction: &Transaction<'_>,
    caches: &mut WriterCaches,
    received: &StoredArrival,
) -> Result<()> {
    let StoredArrival { position, tenant, arrived_ms, session, body } = received;
    let session = session_number_or_new(transaction, caches, tenant.0, session)?;
    let packed = codec::pack(Kind::Notification, body.as_bytes())?;
    transaction
        .prepare_cached("INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![position.0, tenant.0, session, arrived_ms, packed])?;
    Ok(())
}

/// The number of a session, assigned with its first notification.
fn session_number_or_new(
    transaction: &Transaction<'_>,
    caches: &mut WriterCaches,
    tenant: i64,
    id: &str,
) -> Result<i64> {
    if let Some(session) = caches.sessions.get(tenant, &[id]) {
        return Ok(session.number);
    }
    let number = match session_number(transaction, tenant, id)? {
        Some(number) => number,
        None => transaction
            .prepare_cached("INSERT INTO sessions (tenant, id) VALUES (?1, ?2)")?
            .insert(params![tenant, id])?,
    };
    caches.sessions.insert(tenant, &[id], CachedSession { number, call: None });
    Ok(number)
}

impl From<&StoredArrival> for Entry {
    fn from(arrival: &StoredArrival) -> Self {
        let StoredArrival { position, tenant, arrived_ms, ref body, .. } = *arrival;
        Self { position, tenant, arrived_ms, body: body.as_ref().to_owned() }
    }
}

impl Store {
    /// Stores arrivals; the receiver gets the result when they are durable. Fails with [`crate::StoreError::Overloaded`] if
    /// too many are waiting, and with the error of the last commit as long as commits fail.
    pub fn append(&self, arrivals: Vec<Arrival>) -> Result<oneshot::Receiver<Result<()>>> {
        match &*self.commit_failure() {
            Some(problem) => Err(problem.repeat()),
            None => self.shared.arrivals.append(arrivals),
        }
    }

    /// Whether a tenant may queue more notifications.
    pub fn has_room_for(&self, tenant: TenantId) -> bool {
        self.shared.arrivals.has_room_for(tenant)
    }

    /// Watches the position of the last durable notification.
    pub fn watch_journal(&self) -> watch::Receiver<Position> {
        self.shared.journal.subscribe()
    }

    /// When the last notification of the journal arrived, milliseconds since 1970. `None` if it is empty.
    pub fn last_arrival_ms(&self) -> Result<Option<i64>> {
        self.read(|connection| {
            let sql = "SELECT arrived_ms FROM journal ORDER BY position DESC LIMIT 1";
            Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?)
        })
    }

    /// The position up to which the journal has been assembled.
    pub fn checkpoint(&self) -> Result<Position> {
        self.read(|connection| {
            let position = connection.query_row("SELECT position FROM checkpoint", [], |row| row.get(0))?;
            Ok(Position(position))
        })
    }

    /// The next entries after a position, in order.
    pub fn journal_after(&self, position: Position, limit: usize) -> Result<Vec<Entry>> {
        self.journal_portion(position, limit, usize::MAX)
    }

    /// The next entries after a position, in order: at most `limit`, and no more once they have `limit_bytes`.
    pub fn journal_portion(
        &self,
        position: Position,
        limit: usize,
        limit_bytes: usize,
    ) -> Result<Vec<Entry>> {
        let arrivals = &self.shared.arrivals;
        let buffered = arrivals.buffered_after(position, limit);
        if !buffered.is_empty() {
            return Ok(buffered.iter().map(Entry::from).collect());
        }
        // Arrivals first: what moves into the journal meanwhile is found in one of the two, or in both.
        let arrived = arrivals.stored_after(position, limit, limit_bytes)?;
        let mut entries = self.journaled_after(position, limit, limit_bytes)?;
        let last = entries.last().map_or(position, |entry| entry.position);
        let following = arrived.iter().skip_while(|received| received.position <= last);
        let mut bytes: usize = entries.iter().map(|entry| entry.body.len()).sum();
        // If the byte limit cut off the journal, arrivals must wait until the rest of it is read.
        if bytes < limit_bytes {
            let following = following.take(limit - entries.len()).take_while(|received| {
                let has_room = bytes < limit_bytes;
                bytes += received.body.len();
                has_room
            });
            entries.extend(following.map(Entry::from));
        }
        arrivals.buffer(arrived);
        Ok(entries)
    }

    fn journaled_after(&self, position: Position, limit: usize, limit_bytes: usize) -> Result<Vec<Entry>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT position, tenant, arrived_ms, body FROM journal WHERE position > ?1 ORDER BY position",
            )?;
            let mut rows = statement.query([position.0])?;
            let mut entries = Vec::new();
            let mut bytes = 0;
            while entries.len() < limit
                && bytes < limit_bytes
                && let Some(row) = rows.next()?
            {
                if let Some(entry) = Entry::read_or_skip(connection, row)? {
                    bytes += entry.body.len();
                    entries.push(entry);
                }
            }
            Ok(entries)
        })
    }
}
