//! Reads what an assembler needs to continue after a restart: recent calls with their notifications.

use rusqlite::{Connection, OptionalExtension, params};
use wholecall_record::Call;

use crate::{
    Position, Store, TenantId, TenantView,
    calls::entries_of_call,
    changes::{self, StoredChange},
    damage::TolerantConnection,
    error::{Result, StoreError},
    journal::Entry,
};

/// A stored call, for an assembler to continue.
#[derive(Debug, Clone)]
pub struct StoredCall {
    /// The tenant.
    pub tenant: TenantId,
    /// The last published record. `None` if nothing was published of its sessions yet.
    pub record: Option<Box<Call>>,
    /// When the record was created, milliseconds since 1970.
    pub made_ms: i64,
    /// The journal position up to which the record includes notifications.
    pub position: Position,
    /// Whether `call.completed` was published.
    pub completed: bool,
    /// Its notifications up to the requested position, in order of arrival.
    pub entries: Vec<Entry>,
}

impl Store {
    /// The calls that are live, or that have a notification within `within_ms` before the last arrival, as of a
    /// position of the journal. Time without any arrivals does not count.
    pub fn recent_calls(&self, position: Position, within_ms: i64) -> Result<Vec<RecentCall>> {
        self.read(|connection| {
            let last: Option<i64> = connection
                .query_row("SELECT arrived_ms FROM journal ORDER BY position DESC LIMIT 1", [], |row| {
                    row.get(0)
                })
                .optional()?;
            let since = arrived_before(connection, last.unwrap_or(0).saturating_sub(within_ms), position)?;
            // A session without a call counts as a call.
            let mut statement = connection.prepare(
                "SELECT min(session) FROM sessions WHERE session IN (
                     SELECT session FROM sessions JOIN calls USING (call) WHERE state = 'live'
                     UNION
                     SELECT session FROM journal WHERE position > ?1 AND position <= ?2)
                 GROUP BY coalesce(call, -session)",
            )?;
            let rows =
                statement.query_map(params![since.0, position.0], |row| Ok(RecentCall(row.get(0)?)))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// One of the [`recent_calls`](Self::recent_calls). They are read one by one, so that the notifications of only
    /// one are in memory beside those of the assembler.
    pub fn recent_call(&self, call: RecentCall, position: Position) -> Result<Option<StoredCall>> {
        self.read(|connection| {
            let loaded = load(connection, call.0, position);
            connection.damages.skip_damaged(loaded, None, || format!("session {}", call.0))
        })
    }
}

/// A call that an assembler continues, identified by one of its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentCall(i64);

impl TenantView {
    /// The call of a session, as of a position of the journal. `None` if the session was never received.
    pub fn call_of_session(&self, id: &str, position: Position) -> Result<Option<StoredCall>> {
        // Most sessions are new: one query without a transaction finds that out.
        let tenant = self.tenant.0;
        if self.store.shared.readers.with(|connection| session_number(connection, tenant, id))?.is_none() {
            return Ok(None);
        }
        self.read(|connection, tenant| {
            let session = session_number(connection, tenant, id)?;
            session.map(|session| load(connection, session, position)).transpose()
        })
    }
}

/// The number of a session. `None` if it was never received.
pub(crate) fn session_number(connection: &Connection, tenant: i64, id: &str) -> Result<Option<i64>> {
    Ok(connection
        .prepare_cached("SELECT session FROM sessions WHERE tenant = ?1 AND id = ?2")?
        .query_row(params![tenant, id], |row| row.get(0))
        .optional()?)
}

/// The last position up to `until` that arrived before a time. Arrivals are in order of time.
fn arrived_before(connection: &Connection, time_ms: i64, until: Position) -> Result<Position> {
    let mut statement = connection.prepare_cached(
        "SELECT position, arrived_ms FROM journal WHERE position >= ?1 ORDER BY position LIMIT 1",
    )?;
    // `low` arrived before the time, or is 0; everything after `high` did not.
    let (mut low, mut high) = (0, until.0);
    while low < high {
        let middle = low + (high - low + 1) / 2;
        let row: Option<(i64, i64)> =
            statement.query_row([middle], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match row {
            Some((found, arrived)) if found <= high && arrived < time_ms => low = found,
            _ => high = middle - 1,
        }
    }
    Ok(Position(low))
}

/// The call of a session, or the session alone if it has no call.
fn load(connection: &TolerantConnection<'_>, session: i64, position: Position) -> Result<StoredCall> {
    let (tenant, call): (i64, Option<i64>) = connection
        .prepare_cached("SELECT tenant, call FROM sessions WHERE session = ?1")?
        .query_row([session], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut stored = StoredCall {
        tenant: TenantId(tenant),
        record: None,
        made_ms: 0,
        position: Position(0),
        completed: false,
        entries: match call {
            Some(call) => entries_of_call(connection, call)?,
            None => entries_of_session(connection, session, position)?,
        },
    };
    stored.entries.retain(|entry| entry.position <= position);
    if let Some(call) = call {
        stored.add_record(connection, call)?;
    }
    Ok(stored)
}

impl StoredCall {
    /// Adds the current record, or the last readable one with the number of the current one, so that the next version
    /// has a higher number than both.
    fn add_record(&mut self, connection: &TolerantConnection<'_>, call: i64) -> Result<()> {
        let row = "SELECT position, completed FROM calls WHERE call = ?1";
        let row = connection
            .prepare_cached(row)?
            .query_row([call], |row| Ok((Position(row.get(0)?), row.get(1)?)))
            .optional()?;
        let Some((position, completed)) = row else { return Ok(()) };
        (self.position, self.completed) = (position, completed);
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {} FROM changes WHERE call = ?1 AND version > 0 ORDER BY cursor DESC",
            changes::COLUMNS
        ))?;
        let mut rows = statement.query([call])?;
        let mut last = 0;
        while let Some(row) = rows.next()? {
            last = last.max(row.get::<_, i64>(2).unwrap_or_default().unsigned_abs());
            let read = StoredChange::read(row).and_then(|change| Ok((change.made_ms, change.call()?)));
            let place = || format!("change {}", row.get::<_, i64>(0).unwrap_or_default());
            if let Some((made_ms, mut record)) = connection.skip_damaged(read, self.tenant.0, place)? {
                record.version = last;
                (self.made_ms, self.record) = (made_ms, Some(Box::new(record)));
                return Ok(());
            }
        }
        Err(StoreError::Damaged(format!("no record of call number {call} can be read")))
    }
}

/// A call's current version, the journal position that it includes, and whether `call.completed` was published.
pub(crate) fn current(connection: &Connection, call: i64) -> Result<Option<(StoredChange, Position, bool)>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {}, calls.position, calls.completed FROM calls JOIN changes USING (cursor) WHERE calls.call = ?1",
        changes::COLUMNS
    ))?;
    let mut rows = statement.query([call])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((StoredChange::read(row)?, Position(row.get(5)?), row.get(6)?)))
}

/// The notifications of a session up to a position of the journal.
pub(crate) fn entries_of_session(
    connection: &TolerantConnection<'_>,
    session: i64,
    until: Position,
) -> Result<Vec<Entry>> {
    let mut statement = connection.prepare_cached(
        "SELECT position, tenant, arrived_ms, body FROM journal WHERE session = ?1 AND position <= ?2
         ORDER BY position",
    )?;
    let mut rows = statement.query([session, until.0])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.extend(Entry::read_or_skip(connection, row)?);
    }
    Ok(entries)
}
