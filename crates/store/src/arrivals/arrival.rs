//! Notifications that wait for the journal, and the extents of the two files.

use std::sync::Arc;

use crate::{Position, TenantId};

/// A notification that was posted to a tenant's hook.
#[derive(Debug)]
pub struct Arrival {
    /// The tenant of the hook.
    pub tenant: TenantId,
    /// When it arrived, milliseconds since 1970.
    pub arrived_ms: i64,
    /// Its `telephonySessionId`.
    pub session: Arc<str>,
    /// The body that was posted.
    pub body: Arc<str>,
}

/// A notification with its position in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredArrival {
    pub(crate) position: Position,
    pub(crate) tenant: TenantId,
    pub(crate) arrived_ms: i64,
    pub(crate) session: Arc<str>,
    pub(crate) body: Arc<str>,
}

/// The end of the journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JournalEnd {
    pub(crate) position: Position,
    /// When the last notification arrived, milliseconds since 1970; the journal is in order of time.
    pub(crate) arrived_ms: i64,
}

/// The extent of the file when it was opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArrivalsExtent {
    /// Everything up to this position had moved into the journal.
    pub(crate) journaled: Position,
    /// The last position that the file contains or contained; 0 if it is empty.
    pub(crate) end: Position,
}
