//! What a fold needs to know.

use wholecall_record::{AccountId, CallId, Time, call};

use crate::{directory::Directory, session::Session};

/// The input of a fold.
#[derive(Default)]
pub(crate) struct FoldInput<'a> {
    pub(crate) account: Option<&'a AccountId>,
    /// Its sessions, including those that only a link names.
    pub(crate) sessions: Vec<&'a Session>,
    /// Sessions of other calls that listened to this one.
    pub(crate) listeners: Vec<&'a Session>,
    pub(crate) related: Vec<call::Related>,
    /// Number of sessions that were not joined to it because it is too large.
    pub(crate) refused: u64,
    pub(crate) directory: Option<&'a Directory>,
}

/// The part of a record that does not follow from the notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordStatus {
    pub(crate) state: call::State,
    pub(crate) reason: Option<call::CloseReason>,
    pub(crate) late_for: Option<CallId>,
    pub(crate) version: u64,
    pub(crate) updated_at: Time,
}
