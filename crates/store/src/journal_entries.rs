//! Reads entries of the journal.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    Position, TenantId, codec,
    damage::TolerantConnection,
    error::{Result, StoreError},
};

/// A notification in the journal.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its position in the journal.
    pub position: Position,
    /// The tenant.
    pub tenant: TenantId,
    /// When it arrived, milliseconds since 1970.
    pub arrived_ms: i64,
    /// The body that was posted.
    pub body: String,
}

impl Entry {
    /// Reads a row. `None` if it is damaged.
    pub(crate) fn read_or_skip(reader: &TolerantConnection<'_>, row: &Row<'_>) -> Result<Option<Self>> {
        let tenant = row.get(1).unwrap_or_default();
        reader.skip_damaged(Self::read(row), tenant, || {
            format!("notification {}", row.get::<_, i64>(0).unwrap_or_default())
        })
    }

    /// Reads the columns `position, tenant, arrived_ms, body`.
    pub(crate) fn read(row: &Row<'_>) -> Result<Self> {
        let packed = row.get_ref(3)?.as_blob().map_err(|error| StoreError::Damaged(error.to_string()))?;
        Ok(Self {
            position: Position(row.get(0)?),
            tenant: TenantId(row.get(1)?),
            arrived_ms: row.get(2)?,
            body: codec::unpack_text(packed)?,
        })
    }
}

/// The notifications of a call's sessions, in order of arrival.
pub(crate) fn entries_of_call(connection: &TolerantConnection<'_>, call: i64) -> Result<Vec<Entry>> {
    let mut statement = connection.prepare_cached(
        "SELECT position, journal.tenant, arrived_ms, body FROM sessions JOIN journal USING (session)
         WHERE call = ?1 ORDER BY position",
    )?;
    let mut rows = statement.query([call])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.extend(Entry::read_or_skip(connection, row)?);
    }
    Ok(entries)
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

/// The number of a session. `None` if it was never received.
pub(crate) fn session_number(connection: &Connection, tenant: i64, id: &str) -> Result<Option<i64>> {
    Ok(connection
        .prepare_cached("SELECT session FROM sessions WHERE tenant = ?1 AND id = ?2")?
        .query_row(params![tenant, id], |row| row.get(0))
        .optional()?)
}
