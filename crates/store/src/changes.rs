//! The feed of changes: every version of every call, in the order in which they were made.

use rusqlite::{OptionalExtension, Row, params};
use tokio::sync::watch;
use wholecall_record::Call;

use crate::{
    Position, Store, TenantView, codec,
    damage::Reading,
    error::{Result, StoreError},
};

/// What a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// The first version of a call.
    Started,
    /// A further version of a live call.
    Updated,
    /// The call is over.
    Completed,
    /// A call that was over has changed.
    Revised,
    /// A published call turned out to be part of another.
    Merged,
    /// A person was erased from some calls.
    Erased,
    /// Retention removed some calls.
    Deleted,
}

impl ChangeKind {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::Started,
        Self::Updated,
        Self::Completed,
        Self::Revised,
        Self::Merged,
        Self::Erased,
        Self::Deleted,
    ];

    /// Those that list many calls. They go to every endpoint, whatever types and calls it asks for: each may have a copy
    /// of what is gone.
    pub const OF_MANY: [Self; 2] = [Self::Erased, Self::Deleted];

    /// Whether it lists many calls.
    pub fn is_of_many(self) -> bool {
        Self::OF_MANY.contains(&self)
    }

    /// Its name as an event type: `call.started` and so on.
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

    /// The kind of that name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    fn read(word: &str) -> Result<Self> {
        Self::from_word(word).ok_or_else(|| StoreError::Damaged(format!("a change of kind {word:?}")))
    }
}

/// A change as it was kept.
#[derive(Debug, Clone)]
pub struct StoredChange {
    /// Its place in the feed.
    pub cursor: Position,
    /// What it is.
    pub kind: ChangeKind,
    /// The record's version; 0 where it is no version of a call.
    pub version: u64,
    /// When it was made, milliseconds since 1970.
    pub made_ms: i64,
    /// The record as JSON; `{"id", "into"}` for a merging; for what lists many calls, `{"calls"}`.
    pub record: String,
    /// For a revision in the feed, the version that was published before it.
    pub before: Option<Box<Published>>,
}

/// A version of a call that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its number.
    pub version: u64,
    /// The record as JSON.
    pub record: String,
}

/// The columns that [`StoredChange::read`] wants.
pub(crate) const COLUMNS: &str = "cursor, kind, version, made_ms, record";

impl StoredChange {
    pub(crate) fn read(row: &Row<'_>) -> Result<Self> {
        let packed = row.get_ref(4)?.as_blob().map_err(|error| StoreError::Damaged(error.to_string()))?;
        Ok(Self {
            cursor: Position(row.get(0)?),
            kind: ChangeKind::read(row.get_ref(1)?.as_str().unwrap_or_default())?,
            version: row.get::<_, i64>(2)? as u64,
            made_ms: row.get(3)?,
            record: codec::unpack_text(packed)?,
            before: None,
        })
    }

    /// The record of a version.
    pub(crate) fn call(&self) -> Result<Call> {
        serde_json::from_str(&self.record)
            .map_err(|error| StoreError::Damaged(format!("its record cannot be read: {error}")))
    }

    /// Whether it is JSON.
    pub(crate) fn json(&self) -> Result<()> {
        serde_json::from_str::<serde::de::IgnoredAny>(&self.record)
            .map(drop)
            .map_err(|error| StoreError::Damaged(format!("what it says cannot be read: {error}")))
    }

    /// Reads a row, or nothing where it is damaged.
    pub(crate) fn read_or_pass_over(
        reading: &Reading<'_>,
        tenant: i64,
        row: &Row<'_>,
    ) -> Result<Option<Self>> {
        let read = Self::read(row).and_then(|change| change.json().map(|()| change));
        reading.pass_over(read, tenant, || format!("change {}", row.get::<_, i64>(0).unwrap_or_default()))
    }

    /// Looks up what a revision revises; where that cannot be read, it revises nothing that is known.
    pub(crate) fn with_before(mut self, connection: &Reading<'_>, tenant: i64) -> Result<Self> {
        if self.kind == ChangeKind::Revised {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM changes WHERE call = (SELECT call FROM changes WHERE cursor = ?1)
                     AND cursor < ?1 AND version > 0 ORDER BY cursor DESC LIMIT 1"
            ))?;
            let mut rows = statement.query([self.cursor.0])?;
            let before = match rows.next()? {
                Some(row) => Self::read_or_pass_over(connection, tenant, row)?,
                None => None,
            };
            self.before =
                before.map(|before| Box::new(Published { version: before.version, record: before.record }));
        }
        Ok(self)
    }
}

/// No more records are read at once when they have so many bytes.
pub(crate) const PAGE_BYTES: usize = 16 << 20;

impl Store {
    /// How far the feed has grown, over all tenants, as it grows.
    pub fn watch_changes(&self) -> watch::Receiver<Position> {
        self.shared.news.changes.subscribe()
    }
}

impl TenantView {
    /// The next changes after a place in the feed, in order; no more once they have 16 MiB.
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
                if let Some(change) = StoredChange::read_or_pass_over(connection, tenant, row)? {
                    let change = change.with_before(connection, tenant)?;
                    bytes += change.record.len();
                    changes.push(change);
                }
            }
            Ok(changes)
        })
    }

    /// The last change of the tenant's feed; 0 where there is none.
    pub fn last_change(&self) -> Result<Position> {
        self.read(|connection, tenant| {
            let last = connection
                .prepare_cached("SELECT coalesce(max(cursor), 0) FROM changes WHERE tenant = ?1")?
                .query_row([tenant], |row| row.get(0))?;
            Ok(Position(last))
        })
    }

    /// When the tenant's last change was made, milliseconds since 1970.
    pub fn last_made_ms(&self) -> Result<Option<i64>> {
        self.read(|connection, tenant| {
            let sql = "SELECT made_ms FROM changes WHERE tenant = ?1 ORDER BY cursor DESC LIMIT 1";
            Ok(connection.prepare_cached(sql)?.query_row([tenant], |row| row.get(0)).optional()?)
        })
    }
}
