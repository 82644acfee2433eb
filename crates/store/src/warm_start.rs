//! Reads what an assembler needs to continue after a restart: recent calls with their notifications.

use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    Position, Store, TenantView,
    error::Result,
    journal_entries::session_number,
    stored_call::{self, StoredCall},
};

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
            let loaded = stored_call::load(connection, call.0, position);
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
            session.map(|session| stored_call::load(connection, session, position)).transpose()
        })
    }
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
