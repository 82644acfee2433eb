//! Every notification, in the order of arrival, and what was posted and is none.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use tokio::sync::{oneshot, watch};

use crate::{
    Position, Store, TenantId, TenantView,
    codec::{self, Kind},
    error::{Result, StoreError},
    writer::Memory,
};

/// Something that was posted to a tenant's hook, packed and ready to be kept.
#[derive(Debug)]
pub struct Arrival {
    tenant: TenantId,
    arrived_ms: i64,
    body: Vec<u8>,
    what: What,
}

#[derive(Debug)]
enum What {
    /// A notification of the session with this id.
    Notification(Box<str>),
    /// Something else, and why it was not taken.
    Refused(String),
}

impl Arrival {
    /// A notification. `session` is its `telephonySessionId`.
    pub fn notification(tenant: TenantId, arrived_ms: i64, session: &str, body: &[u8]) -> Result<Self> {
        let body = codec::pack(Kind::Notification, body)?;
        Ok(Self { tenant, arrived_ms, body, what: What::Notification(session.into()) })
    }

    /// A body that is no notification of the tenant.
    pub fn refused(tenant: TenantId, arrived_ms: i64, reason: String, body: &[u8]) -> Result<Self> {
        let body = codec::pack(Kind::Notification, body)?;
        Ok(Self { tenant, arrived_ms, body, what: What::Refused(reason) })
    }

    fn insert(&self, transaction: &Transaction<'_>, memory: &mut Memory) -> Result<()> {
        let tenant = self.tenant.0;
        match &self.what {
            What::Notification(session) => {
                let session = session_number(transaction, memory, tenant, session)?;
                let position = memory.head.next();
                let arrived_ms = self.arrived_ms.max(memory.last_arrival_ms);
                transaction
                    .prepare_cached("INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5)")?
                    .execute(params![position.0, tenant, session, arrived_ms, self.body])?;
                (memory.head, memory.last_arrival_ms) = (position, arrived_ms);
            }
            What::Refused(reason) => {
                transaction
                    .prepare_cached(
                        "INSERT INTO quarantine (tenant, arrived_ms, reason, body) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![tenant, self.arrived_ms, reason, self.body])?;
            }
        }
        Ok(())
    }
}

/// The number of a session, given at first sight.
fn session_number(transaction: &Transaction<'_>, memory: &mut Memory, tenant: i64, id: &str) -> Result<i64> {
    if let Some(session) = memory.sessions.find(tenant, id) {
        return Ok(session.number);
    }
    let known = transaction
        .prepare_cached("SELECT session FROM sessions WHERE tenant = ?1 AND id = ?2")?
        .query_row(params![tenant, id], |row| row.get(0))
        .optional()?;
    let session = match known {
        Some(session) => session,
        None => transaction
            .prepare_cached("INSERT INTO sessions (tenant, id) VALUES (?1, ?2)")?
            .insert(params![tenant, id])?,
    };
    memory.sessions.remember(tenant, id, session);
    Ok(session)
}

/// A notification as it was kept.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its place in the journal.
    pub position: Position,
    /// Whose it is.
    pub tenant: TenantId,
    /// When it arrived, milliseconds since 1970.
    pub arrived_ms: i64,
    /// What was posted.
    pub body: String,
}

impl Entry {
    /// From `position, tenant, arrived_ms, body`.
    pub(crate) fn read(row: &Row<'_>) -> Result<Self> {
        let body = codec::unpack(
            row.get_ref(3)?.as_blob().map_err(|error| StoreError::Damaged(error.to_string()))?,
        )?;
        Ok(Self {
            position: Position(row.get(0)?),
            tenant: TenantId(row.get(1)?),
            arrived_ms: row.get(2)?,
            body: String::from_utf8(body)
                .map_err(|_| StoreError::Damaged("a notification that is not UTF-8".to_owned()))?,
        })
    }
}

/// A body that was posted and is no notification of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// When it arrived, milliseconds since 1970.
    pub arrived_ms: i64,
    /// Why it was not taken.
    pub reason: String,
}

impl TenantView {
    /// How many bodies were refused, and the last of them, newest first.
    pub fn quarantined(&self, limit: usize) -> Result<(u64, Vec<Refused>)> {
        self.read(|connection, tenant| {
            let count: i64 = connection
                .prepare_cached("SELECT count(*) FROM quarantine WHERE tenant = ?1")?
                .query_row([tenant], |row| row.get(0))?;
            let mut statement = connection.prepare_cached(
                "SELECT arrived_ms, reason FROM quarantine WHERE tenant = ?1 ORDER BY position DESC LIMIT ?2",
            )?;
            let refused = statement.query_map(params![tenant, limit as i64], |row| {
                Ok(Refused { arrived_ms: row.get(0)?, reason: row.get(1)? })
            })?;
            Ok((count as u64, refused.collect::<rusqlite::Result<_>>()?))
        })
    }
}

impl Store {
    /// Keeps what has arrived. The receiver hears when it is durable; that much may wait is limited
    /// ([`StoreError::Overloaded`]).
    pub fn append(&self, arrivals: Vec<Arrival>) -> Result<oneshot::Receiver<Result<()>>> {
        self.writer().submit(move |transaction, memory| {
            arrivals.iter().try_for_each(|arrival| arrival.insert(transaction, memory))
        })
    }

    /// How far the journal has grown, as it grows.
    pub fn watch_journal(&self) -> watch::Receiver<Position> {
        self.shared.news.journal.subscribe()
    }

    /// Up to where the journal has been assembled.
    pub fn checkpoint(&self) -> Result<Position> {
        self.read(|connection| {
            let position = connection.query_row("SELECT position FROM checkpoint", [], |row| row.get(0))?;
            Ok(Position(position))
        })
    }

    /// The next entries after a position, in order.
    pub fn journal_after(&self, position: Position, limit: usize) -> Result<Vec<Entry>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT position, tenant, arrived_ms, body FROM journal WHERE position > ?1 ORDER BY position LIMIT ?2",
            )?;
            let mut rows = statement.query(params![position.0, limit as i64])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                entries.push(Entry::read(row)?);
            }
            Ok(entries)
        })
    }
}
