//! Why a document could not be read.

use thiserror::Error;

use crate::{JsonError, stream::MAX_DOCUMENT_BYTES};

/// A document that is no notification, and why.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// The text is not JSON.
    #[error("not JSON: {0}")]
    Json(#[source] JsonError),
    /// JSON text, but no object: every notification is one.
    #[error("not a notification: a document begins with {{")]
    NotAnObject,
    /// The input ended inside a document.
    #[error("the JSON is cut off: the input ends inside this document")]
    CutOff,
    /// A list was opened and not closed.
    #[error("the JSON list is cut off: its closing ] is missing")]
    ListCutOff,
    /// The bytes are not UTF-8.
    #[error("not UTF-8 text: byte {0} of this document is not part of a character")]
    Utf8(usize),
    /// Larger than anything RingCentral sends.
    #[error("longer than {} MiB, refused", MAX_DOCUMENT_BYTES >> 20)]
    TooLong,
    /// JSON, but neither a notification nor anything else RingCentral posts.
    #[error("not a RingCentral notification: it has neither an `event` nor a `telephonySessionId`")]
    NotANotification,
    /// A telephony notification without its key.
    #[error("a telephony notification without a telephonySessionId")]
    NoSession,
    /// A telephony notification that says of nobody what happened.
    #[error("a telephony notification without a party")]
    NoParty,
    /// A telephony notification that cannot be put in order.
    #[error("a telephony notification without a readable sequence number")]
    NoSequence,
    /// A party that cannot be told from the others of its session.
    #[error("the party in notification {sequence} of its session has no id")]
    PartyWithoutId {
        /// The notification's sequence number.
        sequence: u32,
    },
    /// Nobody can say when it happened.
    #[error("notification {sequence} of its session has no readable eventTime")]
    NoTime {
        /// The notification's sequence number.
        sequence: u32,
    },
    /// Nobody can say when RingCentral answered.
    #[error("an answer about a session has no readable timestamp")]
    AnswerWithoutTime,
    /// The call log knows a call before it is over, and changes what it says until then.
    #[error("a call log record of a call that is not over: it has no start and duration yet")]
    LoggedBeforeItsEnd,
}
