//! What there is to tell about calls while they happen.

use wholecall_record::{AccountId, Call, CallId};

/// Something to tell about a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A new call.
    Started(Box<Call>),
    /// A live call has a new version.
    Updated(Box<Call>),
    /// A call is over; said once of each call.
    Completed(Box<Call>),
    /// A call that was over has changed.
    Revised {
        /// The version before.
        from_version: u64,
        /// The call as it is now.
        call: Box<Call>,
    },
    /// A published call turned out to be part of another, whose next version follows.
    Merged {
        /// The account of both.
        account: Option<AccountId>,
        /// The id that is gone.
        id: CallId,
        /// The id that stays.
        into: CallId,
    },
}

impl Change {
    /// The call as it is now; none where it was merged into another.
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

/// What came of an input, in the order it is to be told.
pub type Changes = Vec<Change>;
