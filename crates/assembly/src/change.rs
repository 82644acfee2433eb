//! Changes of calls, as they are published.

use wholecall_record::{AccountId, Call, CallId};

/// A change of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A new call.
    Started(Box<Call>),
    /// A live call has a new version.
    Updated(Box<Call>),
    /// A call has ended; published once for each call.
    Completed(Box<Call>),
    /// A completed call has changed.
    Revised {
        /// The version that this one replaces.
        from_version: u64,
        /// The new version.
        call: Box<Call>,
    },
    /// A published call turned out to be part of another, whose next version follows.
    Merged {
        /// The account of both calls.
        account: Option<AccountId>,
        /// The id that is no longer in use.
        id: CallId,
        /// The id of the call that includes it now.
        into: CallId,
    },
}

impl Change {
    /// The new version. `None` if the call was merged into another.
    pub fn call(&self) -> Option<&Call> {
        match self {
            Self::Started(call)
            | Self::Updated(call)
            | Self::Completed(call)
            | Self::Revised { call, .. } => Some(call),
            Self::Merged { .. } => None,
        }
    }
}

/// The changes that an input caused, in the order in which they are published.
pub type Changes = Vec<Change>;
