//! Distinguishes telephony notifications from everything else that RingCentral posts to the same address.

use crate::{Document, JsonError, Notification, ParseError, Source, json::Reader, text::Lenient};

/// A document that RingCentral posts to a webhook, or sends over a WebSocket.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Message<'d, 'a> {
    /// A notification of a telephony session, or a lookup answer about one.
    Session(Notification<'d, 'a>),
    /// A subscription is about to expire.
    Reminder {
        /// The subscription to renew.
        subscription_id: Option<&'d str>,
    },
    /// A presence change: a less detailed notification of the same calls.
    Presence,
    /// The probe sent while a subscription is being created: an empty document.
    Validation,
    /// A notification of something else, for instance a message or a changed extension.
    Other {
        /// The path of what changed.
        event: &'d str,
    },
}

impl<'a> Document<'a> {
    /// Reads one JSON document.
    pub fn parse(json: &'a str) -> Result<Self, ParseError> {
        match json.trim_ascii().bytes().next() {
            None => return Ok(Self::default()),
            Some(b'{') => {}
            Some(_) => return Err(ParseError::NotAnObject),
        }
        let mut document = Self::default();
        let mut json = Reader::new(json);
        document.read(&mut json).and_then(|()| json.end()).map_err(ParseError::Json)?;
        Ok(document)
    }

    pub(crate) fn read(&mut self, json: &mut Reader<'a>) -> Result<(), JsonError> {
        self.fill(json)?;
        self.flatten();
        Ok(())
    }

    /// Classifies the document.
    pub fn message(&self) -> Result<Message<'_, 'a>, ParseError> {
        let event = self.event.as_deref().unwrap_or_default();
        // Only notifications have a sequence number.
        if self.body.sequence.is_none() {
            if let Some(session) = session_in_path(event) {
                return Notification::from_snapshot(self, session).map(Message::Session);
            }
            if event.contains("/call-log/") {
                return Notification::from_log_record(self).map(Message::Session);
            }
        }
        if self.body.telephony_session_id.is_some() || event.contains("/telephony/sessions") {
            return Notification::new(self).map(Message::Session);
        }
        if event.contains("/subscription/~") {
            return Ok(Message::Reminder { subscription_id: self.subscription_id.as_deref() });
        }
        if event.contains("/presence") {
            return Ok(Message::Presence);
        }
        match self.event.as_deref() {
            Some(event) => Ok(Message::Other { event }),
            None if self.is_blank() => Ok(Message::Validation),
            None => Err(ParseError::NotANotification),
        }
    }
}

/// The session's id in `/restapi/v1.0/account/{id}/telephony/sessions/{id}`.
fn session_in_path(path: &str) -> Option<&str> {
    let (_, rest) = path.split_once("/telephony/sessions/")?;
    let id = rest.split(['/', '?']).next()?;
    (!id.is_empty()).then_some(id)
}

impl Message<'_, '_> {
    /// Its kind in a word or two.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Session(notification) => match notification.source() {
                Source::Change { .. } => "telephony session notification",
                Source::Snapshot => "session snapshot",
                Source::CallLog => "call log record",
            },
            Self::Reminder { .. } => "subscription reminder",
            Self::Presence => "presence notification",
            Self::Validation => "validation probe",
            Self::Other { .. } => "other notification",
        }
    }
}
