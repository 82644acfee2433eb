//! Telling telephony notifications from everything else RingCentral posts to the same address.

use crate::{Envelope, Notification, Text, Unreadable};

/// A document RingCentral may post to a webhook or send over a WebSocket.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "nearly every message is the large one")]
pub enum Message<'a> {
    /// Something happened in a telephony session.
    Session(Notification<'a>),
    /// A subscription is about to expire.
    Reminder {
        /// The subscription to renew.
        subscription_id: Option<Text<'a>>,
    },
    /// A presence change: coarser news of the same calls.
    Presence,
    /// The probe sent while a subscription is being created: an empty document.
    Validation,
    /// News of something else, for instance a message or a changed extension.
    Other {
        /// The path of what changed.
        event: Text<'a>,
    },
}

impl<'a> Message<'a> {
    /// Reads one JSON document.
    pub fn parse(json: &'a str) -> Result<Self, Unreadable> {
        match json.trim_ascii().bytes().next() {
            None => return Ok(Self::Validation),
            Some(b'{') => {}
            Some(_) => return Err(Unreadable::NotAnObject),
        }
        serde_json::from_str(json).map_err(Unreadable::Json).and_then(Self::from_envelope)
    }

    pub(crate) fn from_envelope(mut envelope: Envelope<'a>) -> Result<Self, Unreadable> {
        let body = envelope.take_body();
        let event = envelope.event.as_deref().unwrap_or_default();
        if body.telephony_session_id.is_some() || event.contains("/telephony/sessions") {
            return Notification::new(envelope, body).map(Self::Session);
        }
        if event.contains("/subscription/~") {
            return Ok(Self::Reminder { subscription_id: envelope.subscription_id });
        }
        if event.contains("/presence") {
            return Ok(Self::Presence);
        }
        match envelope.event {
            Some(event) => Ok(Self::Other { event }),
            None if envelope.is_blank() => Ok(Self::Validation),
            None => Err(Unreadable::NotANotification),
        }
    }

    /// What it is, in a word or two.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Session(_) => "telephony session notification",
            Self::Reminder { .. } => "subscription reminder",
            Self::Presence => "presence notification",
            Self::Validation => "validation probe",
            Self::Other { .. } => "other notification",
        }
    }
}

impl Envelope<'_> {
    fn is_blank(&self) -> bool {
        self.uuid.is_none()
            && self.subscription_id.is_none()
            && self.parties.is_empty()
            && self.body.parties.is_empty()
            && self.body.unknown.is_empty()
            && self.unknown.is_empty()
    }
}
