//! Why a document could not be read.

use thiserror::Error;

use crate::{JsonError, stream::MAX_DOCUMENT_BYTES};

/// Why a document is not a readable notification.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The text is not JSON.
    #[error("not JSON: {0}")]
    Json(#[source] JsonError),
    /// JSON text, but not an object.
    #[error("not a notification: a document begins with {{")]
    NotAnObject,
    /// The input ended inside a document.
    #[error("the JSON is cut off: the input ends inside this document")]
    CutOff,
    /// A list without its end.
    #[error("the JSON list is cut off: its closing ] is missing")]
    ListCutOff,
    /// The bytes are not UTF-8.
    #[error("not UTF-8 text: byte {0} of this document is not part of a character")]
    Utf8(usize),
    /// Longer than [`MAX_DOCUMENT_BYTES`].
    #[error("longer than {} MiB, refused", MAX_DOCUMENT_BYTES >> 20)]
    TooLong,
    /// JSON, but neither a notification nor anything else that RingCentral posts.
    #[error("not a RingCentral notification: it has neither an `event` nor a `telephonySessionId`")]
    NotANotification,
    /// A telephony notification without a session id.
    #[error("a telephony notification without a telephonySessionId")]
    NoSession,
    /// A telephony notification without parties.
    #[error("a telephony notification without a party")]
    NoParty,
    /// A telephony notification without a sequence number.
    #[error("a telephony notification without a readable sequence number")]
    NoSequence,
    /// A party without an id.
    #[error("the party in notification {sequence} of its session has no id")]
    PartyWithoutId {
        /// The notification's sequence number.
        sequence: u32,
    },
    /// A notification without a time.
    #[error("notification {sequence} of its session has no readable eventTime")]
    NoTime {
        /// The notification's sequence number.
        sequence: u32,
    },
    /// A lookup answer without a time.
    #[error("an answer about a session has no readable timestamp")]
    AnswerWithoutTime,
    /// A call log record of a call in progress, which may still change.
    #[error("a call log record of a call that is not over: it has no start and duration yet")]
    LoggedCallInProgress,
}
