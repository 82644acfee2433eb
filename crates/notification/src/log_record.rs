//! A record of RingCentral's call log, with the fields that can replace lost notifications.
//!
//! Source: RingCentral's API reference (`CallLogRecord`). The log has neither the time of the answer nor holds.

use crate::{
    Body, Direction, Text, Time, json::Reader, lenient_struct::lenient_struct, notification::non_empty,
};

lenient_struct! {
    /// A call, or an extension's part in it, in the call log.
    pub struct LogRecord {
        /// The record's id.
        "id" => pub id: Option<Text<'a>>,
        /// When the call began.
        "startTime" => pub start_time: Option<Time>,
        /// Seconds from the start to the end, rounded; absent while the call is in progress.
        "duration" => pub duration: Option<i64>,
        /// The same in milliseconds, since 2023.
        "durationMs" => pub duration_ms: Option<i64>,
        /// As seen from the account.
        "direction" => pub direction: Option<Text<'a>>,
        /// The result, see [`LogResult`].
        "result" => pub result: Option<Text<'a>>,
        /// The kind of call.
        "action" => pub action: Option<Text<'a>>,
        /// Whether the call has ended; sent since August 2026.
        "finished" => pub finished: Option<bool>,
        /// The calling side.
        "from" => pub from: LogSide<'a>,
        /// The called side.
        "to" => pub to: LogSide<'a>,
        /// The extension on whose behalf the call ran.
        "extension" => pub extension: LogExtension<'a>,
    }
}

lenient_struct! {
    /// `from` and `to` of a record.
    pub struct LogSide {
        /// Mostly E.164.
        "phoneNumber" => pub phone_number: Option<Text<'a>>,
        /// The extension number within the account.
        "extensionNumber" => pub extension_number: Option<Text<'a>>,
        /// The extension id.
        "extensionId" => pub extension_id: Option<Text<'a>>,
        /// The name.
        "name" => pub name: Option<Text<'a>>,
    }
}

lenient_struct! {
    /// `extension` of a record.
    pub struct LogExtension {
        /// The extension id; a number here, text elsewhere.
        "id" => pub id: Option<Text<'a>>,
    }
}

/// The result of a call according to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogResult {
    /// A conversation took place.
    Talked,
    /// A message was left.
    Voicemail,
    /// A fax was received.
    Fax,
    /// Not answered.
    Unanswered,
    /// The other side was busy.
    Busy,
    /// The called party declined.
    Rejected,
    /// The number does not exist, or the platform failed.
    Failed,
    /// Not allowed.
    Blocked,
    /// Anything else.
    Other,
}

impl<'a> LogRecord<'a> {
    /// The record that is a document's body.
    pub(crate) fn of(body: &Body<'a>) -> Self {
        let mut record = Self::default();
        for &(key, value) in &body.unknown {
            // The value was read before: it is valid JSON.
            let _ = record.fill_member(key, &mut Reader::new(value));
        }
        record
    }

    /// When the call ended. `None` while it is in progress.
    pub(crate) fn end(&self) -> Option<Time> {
        let in_progress =
            non_empty(&self.result).is_some_and(|result| result.eq_ignore_ascii_case("In Progress"));
        let is_over = self.finished.unwrap_or(!in_progress);
        let length_ms = self.duration_ms.or_else(|| self.duration?.checked_mul(1_000))?;
        let end_ms = self.start_time?.as_millis().checked_add(length_ms.max(0))?;
        is_over.then_some(Time::from_millis(end_ms))
    }

    /// The direction as seen from the account.
    pub fn direction(&self) -> Option<Direction> {
        non_empty(&self.direction).map(Direction::from)
    }

    /// The result.
    pub fn result(&self) -> LogResult {
        let Some(word) = non_empty(&self.result) else { return LogResult::Other };
        match word.to_ascii_lowercase().as_str() {
            "accepted" | "call connected" | "answered elsewhere" => LogResult::Talked,
            "voicemail" | "sent to voicemail" => LogResult::Voicemail,
            "received" | "partial receive" | "fax on demand" => LogResult::Fax,
            "busy" => LogResult::Busy,
            "rejected" | "declined" => LogResult::Rejected,
            "missed"
            | "no answer"
            | "abandoned"
            | "hang up"
            | "stopped"
            | "ip phone offline"
            | "answered not accepted"
            | "callback requested"
            | "reply" => LogResult::Unanswered,
            "call failed" | "call failure" | "internal error" | "wrong number" => LogResult::Failed,
            "blocked"
            | "restricted number"
            | "not allowed"
            | "no calling credit"
            | "international disabled"
            | "international restricted"
            | "suspended account" => LogResult::Blocked,
            _ => LogResult::Other,
        }
    }
}

impl LogSide<'_> {
    /// The phone number, else the extension number.
    pub fn number(&self) -> Option<&str> {
        non_empty(&self.phone_number).or_else(|| non_empty(&self.extension_number))
    }

    /// The extension id.
    pub fn extension_id(&self) -> Option<&str> {
        non_empty(&self.extension_id)
    }

    /// The name.
    pub fn name(&self) -> Option<&str> {
        non_empty(&self.name)
    }
}

impl LogExtension<'_> {
    /// The extension id.
    pub fn id(&self) -> Option<&str> {
        non_empty(&self.id)
    }
}
