//! Reads RingCentral's telephony session notifications: from bytes to types.
//!
//! This crate reads what RingCentral posts for the event filters `/restapi/v1.0/account/{id}/telephony/sessions` and
//! `…/extension/{id}/telephony/sessions`, in every observed spelling, and names the kind of any other document. It
//! also reads RingCentral's answers about a session (its snapshot, its record in the call log), in an envelope whose
//! `event` is the requested path. It borrows from the input, never fails on an unknown field, code or reason, and
//! retains the fields that it does not know.
//!
//! It does not know what a call is, and it never reads a clock.
//!
//! ```
//! use wholecall_notification::{Code, Document, Message};
//!
//! let json = r#"{"body": {"sequence": 2, "telephonySessionId": "s-1", "eventTime": "2026-05-30T12:31:12.509Z",
//!     "parties": [{"id": "p-1-1", "direction": "Outbound", "status": {"code": "Setup"}}]}}"#;
//! let document = Document::parse(json)?;
//! let Message::Session(notification) = document.message()? else { panic!("a telephony notification") };
//! assert_eq!(notification.session_id(), "s-1");
//! assert_eq!(notification.body().parties[0].status.code(), Some(Code::Setup));
//! # Ok::<(), wholecall_notification::ParseError>(())
//! ```

mod json;
mod lenient_struct;
mod log_record;
mod message;
mod names;
mod notification;
mod parse_error;
mod stream;
mod text;
mod time;

pub use json::{JsonError, JsonProblem};
pub use log_record::{LogExtension, LogRecord, LogResult, LogSide};
pub use message::Message;
pub use names::{Code, Direction, Origin, Reason, Role};
pub use notification::{
    Attributes, Body, CallInfo, CallInfoLine, Document, Endpoint, Notification, OriginObject, Owner, Park,
    Party, PeerId, Recording, Source, Status,
};
pub use parse_error::ParseError;
pub use stream::{MAX_DOCUMENT_BYTES, SourceSpan, SourcedMessage, Stream};
pub use text::{Raw, Text};
pub use wholecall_time::Time;
