//! The values that the writer thread caches between transactions.

use std::sync::Arc;

use rusqlite::Transaction;

use crate::{
    Position,
    call_row::CallRow,
    damage::{DamageLog, TolerantConnection},
    recent_cache::RecentCache,
};

/// The values that the writer thread caches.
#[derive(Debug, Default)]
pub(crate) struct WriterCaches {
    /// The position of the last change.
    pub(crate) cursor: Position,
    /// Receives the rows that cannot be read.
    pub(crate) damages: Arc<DamageLog>,
    /// Number of times stored data was rewritten or removed; readers with copies read them again when it rises.
    pub(crate) data_epoch: u64,
    /// Recently received sessions, by id.
    pub(crate) sessions: RecentCache<CachedSession>,
    /// Recently written rows of `calls`, by the call's id.
    pub(crate) calls: RecentCache<CallRow>,
    /// The last call number that was assigned. `None` if none was since the start.
    pub(crate) last_call: Option<i64>,
    /// Ids of terms, by kind and value.
    pub(crate) terms: RecentCache<i64>,
    /// A person was erased, but the write-ahead log may still contain the old data.
    pub(crate) must_truncate_wal: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct CachedSession {
    pub(crate) number: i64,
    /// The call that it belongs to. `None` if that is not known here.
    pub(crate) call: Option<i64>,
}

impl WriterCaches {
    /// The writer's connection, reading with damaged rows skipped.
    pub(crate) fn tolerant<'a>(&'a self, transaction: &'a Transaction<'_>) -> TolerantConnection<'a> {
        TolerantConnection { connection: transaction, damages: &self.damages }
    }
}
