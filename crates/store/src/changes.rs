//! The feed of changes: every version of every call, in order of creation.

use rusqlite::{OptionalExtension, Row, params};
use tokio::sync::watch;
use wholecall_record::Call;

use crate::{
    Position, Store, TenantView, codec,
    damage::TolerantConnection,
    error::{Result, StoreError},
};

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// The first version of a call.
    Started,
    /// A later version of a live call.
    Updated,
    /// The call is completed.
    Completed,
    /// A completed call has changed.
    Revised,
    /// A published call was merged into another.
    Merged,
    /// A person was erased from some calls.
    Erased,
    /// Retention removed some calls.
    Deleted,
}

impl ChangeKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Started,
        Self::Updated,
        Self::Completed,
        Self::Revised,
        Self::Merged,
        Self::Erased,
        Self::Deleted,
    ];

    /// Kinds that list many calls. They go to every endpoint, whatever types and calls it asks for, because its
    /// receiver may have copies of what was erased or deleted.
    pub const LISTING_MANY_CALLS: [Self; 2] = [Self::Erased, Self::Deleted];

    /// Whether it lists many calls.
    pub fn lists_many_calls(self) -> bool {
        Self::LISTING_MANY_CALLS.contains(&self)
    }

    /// The event type: `call.started` and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "call.started",
            Self::Updated => "call.updated",
            Self::Completed => "call.completed",
            Self::Revised => "call.revised",
            Self::Merged => "call.merged",
            Self::Erased => "call.erased",
            Self::Deleted => "call.deleted",
        }
    }

    /// The kind of an event type. `None` if it is not one of a change.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    fn read(word: &str) -> Result<Self> {
        Self::from_word(word).ok_or_else(|| StoreError::Damaged(format!("unknown kind of change {word:?}")))
    }
}

/// A stored change.
#[derive(Debug, Clone)]
pub struct StoredChange {
    /// Its position in the feed.
    pub cursor: Position,
    /// Its kind.
    pub kind: ChangeKind,
    /// The record's version; 0 if it is not a version of a call.
    pub version: u64,
    /// When it was created, milliseconds since 1970.
    pub created_ms: i64,
    /// The record as JSON; `{"id", "into"}` for a merging; `{"calls"}` for a change that lists many calls.
    pub record: String,
    /// For a revision in the feed, the version that was published before it. `None` otherwise.
    pub before: Option<Box<PublishedVersion>>,
}

/// A version of a call that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedVersion {
    /// The version number.
    pub version: u64,
    /// The record as JSON.
    pub record: String,
}

/// The columns that [`StoredChange::read`] expects.
pub(crate) const COLUMNS: &str = "cursor, kind, version, created_ms, record";

impl StoredChange {
    pub(crate) fn read(row: &Row<'_>) -> Result<Self> {
        let packed = row.get_ref(4)?.as_blob().map_err(|error| StoreError::Damaged(error.to_string()))?;
        Ok(Self {
            cursor: Position(row.get(0)?),
            kind: ChangeKind::read(row.get_ref(1)?.as_str().unwrap_or_default())?,
            version: row.get::<_, i64>(2)? as u64,
            created_ms: row.get(3)?,
            record: codec::unpack_text(packed)?,
            before: None,
        })
    }

    /// Parses the record of a version.
    pub(crate) fn call(&self) -> Result<Call> {
        serde_json::from_str(&self.record)
            .map_err(|error| StoreError::Damaged(format!("its record cannot be read: {error}")))
    }

    /// Checks that the record is JSON.
    pub(crate) fn json(&self) -> Result<()> {
        serde_json::from_str::<serde::de::IgnoredAny>(&self.record)
            .map(drop)
            .map_err(|error| StoreError::Damaged(format!("its contents cannot be read: {error}")))
    }

    /// Reads a row. `None` if it is damaged.
    pub(crate) fn read_or_skip(
        reader: &TolerantConnection<'_>,
        tenant: i64,
        row: &Row<'_>,
    ) -> Result<Option<Self>> {
        let read = Self::read(row).and_then(|change| change.json().map(|()| change));
        reader.skip_damaged(read, tenant, || format!("change {}", row.get::<_, i64>(0).unwrap_or_default()))
    }

    /// Adds the version that a revision replaces, unless that cannot be read.
    pub(crate) fn with_before(mut self, connection: &TolerantConnection<'_>, tenant: i64) -> Result<Self> {
        if self.kind == ChangeKind::Revised {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM changes WHERE call = (SELECT call FROM changes WHERE cursor = ?1)
                     AND cursor < ?1 AND version > 0 ORDER BY cursor DESC LIMIT 1"
            ))?;
            let mut rows = statement.query([self.cursor.0])?;
            let before = match rows.next()? {
                Some(row) => Self::read_or_skip(connection, tenant, row)?,
                None => None,
            };
            self.before = before
                .map(|before| Box::new(PublishedVersion { version: before.version, record: before.record }));
        }
        Ok(self)
    }
}

/// Maximum bytes of records per page; the record that exceeds it is still included.
pub(crate) const PAGE_BYTES: usize = 16 << 20;

impl Store {
    /// Watches the position of the last change over all tenants.
    pub fn watch_changes(&self) -> watch::Receiver<Position> {
        self.shared.signals.changes.subscribe()
    }
}

impl TenantView {
    /// The next changes after a position in the feed, in order: at most `limit`, and no more once they have 16 MiB.
    pub fn changes_after(&self, cursor: Position, limit: usize) -> Result<Vec<StoredChange>> {
        self.read(|connection, tenant| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM changes WHERE tenant = ?1 AND cursor > ?2 ORDER BY cursor"
            ))?;
            let mut rows = statement.query(params![tenant, cursor.0])?;
            let mut changes = Vec::new();
            let mut bytes = 0;
            while changes.len() < limit
                && bytes < PAGE_BYTES
                && let Some(row) = rows.next()?
            {
                if let Some(change) = StoredChange::read_or_skip(connection, tenant, row)? {
                    let change = change.with_before(connection, tenant)?;
                    bytes += change.record.len();
                    changes.push(change);
                }
            }
            Ok(changes)
        })
    }

    /// The position of the last change of the tenant's feed; 0 if it is empty.
    pub fn last_change(&self) -> Result<Position> {
        self.read(|connection, tenant| {
            let last = connection
                .prepare_cached("SELECT coalesce(max(cursor), 0) FROM changes WHERE tenant = ?1")?
                .query_row([tenant], |row| row.get(0))?;
            Ok(Position(last))
        })
    }

    /// When the tenant's last change was created, milliseconds since 1970. `None` if there is none.
    pub fn last_created_ms(&self) -> Result<Option<i64>> {
        self.read(|connection, tenant| {
            let sql = "SELECT created_ms FROM changes WHERE tenant = ?1 ORDER BY cursor DESC LIMIT 1";
            Ok(connection.prepare_cached(sql)?.query_row([tenant], |row| row.get(0)).optional()?)
        })
    }
}
