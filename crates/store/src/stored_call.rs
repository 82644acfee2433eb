//! Reads a call with its current record and the notifications that the record includes.

use rusqlite::{Connection, OptionalExtension};
use wholecall_record::Call;

use crate::{
    Position, TenantId,
    changes::{self, StoredChange},
    damage::TolerantConnection,
    error::{Result, StoreError},
    journal_entries::{Entry, entries_of_call, entries_of_session},
};

/// A stored call, for an assembler to continue.
#[derive(Debug, Clone)]
pub struct StoredCall {
    /// The tenant.
    pub tenant: TenantId,
    /// The last published record. `None` if nothing was published of its sessions yet.
    pub record: Option<Box<Call>>,
    /// When the record was created, milliseconds since 1970.
    pub created_ms: i64,
    /// The journal position up to which the record includes notifications.
    pub position: Position,
    /// Whether `call.completed` was published.
    pub completed: bool,
    /// Its notifications up to the requested position, in order of arrival.
    pub entries: Vec<Entry>,
}

/// The call of a session, or the session alone if it has no call.
pub(crate) fn load(
    connection: &TolerantConnection<'_>,
    session: i64,
    position: Position,
) -> Result<StoredCall> {
    let (tenant, call): (i64, Option<i64>) = connection
        .prepare_cached("SELECT tenant, call FROM sessions WHERE session = ?1")?
        .query_row([session], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut stored = StoredCall {
        tenant: TenantId(tenant),
        record: None,
        created_ms: 0,
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
            let read = StoredChange::read(row).and_then(|change| Ok((change.created_ms, change.call()?)));
            let place = || format!("change {}", row.get::<_, i64>(0).unwrap_or_default());
            if let Some((created_ms, mut record)) = connection.skip_damaged(read, self.tenant.0, place)? {
                record.version = last;
                (self.created_ms, self.record) = (created_ms, Some(Box::new(record)));
                return Ok(());
            }
        }
        Err(StoreError::Damaged(format!("no record of call number {call} can be read")))
    }
}

/// A call with the notifications that its record includes.
pub(crate) fn with_included_entries(
    connection: &TolerantConnection<'_>,
    call: i64,
    tenant: TenantId,
) -> Result<(StoredCall, i64)> {
    let missing = || StoreError::Damaged("its current record is missing".to_owned());
    let (change, position, completed) = current(connection, call)?.ok_or_else(missing)?;
    let StoredChange { cursor, created_ms, record, .. } = change;
    let record = serde_json::from_str(&record)
        .map_err(|error| StoreError::Damaged(format!("its record cannot be read: {error}")))?;
    let mut entries = entries_of_call(connection, call)?;
    entries.retain(|entry| entry.position <= position);
    Ok((StoredCall { tenant, record: Some(record), created_ms, position, completed, entries }, cursor.0))
}

/// A call's current version, the journal position that it includes, and whether `call.completed` was published.
fn current(connection: &Connection, call: i64) -> Result<Option<(StoredChange, Position, bool)>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {}, calls.position, calls.completed FROM calls JOIN changes USING (cursor) WHERE calls.call = ?1",
        changes::COLUMNS
    ))?;
    let mut rows = statement.query([call])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((StoredChange::read(row)?, Position(row.get(5)?), row.get(6)?)))
}

/// The number of a call's notifications that were skipped, given those that were read.
pub(crate) fn unreadable_entries(
    connection: &Connection,
    call: i64,
    until: Position,
    read: &[Entry],
) -> Result<u64> {
    let count =
        "SELECT count(*) FROM sessions JOIN journal USING (session) WHERE call = ?1 AND position <= ?2";
    let there: i64 = connection.prepare_cached(count)?.query_row([call, until.0], |row| row.get(0))?;
    let read = read.iter().filter(|entry| entry.position <= until).count() as u64;
    Ok(there.unsigned_abs().saturating_sub(read))
}
