//! The types of events.

use wholecall_store::{ChangeKind, kind};

/// The type of an event: a change of calls, or a notice about an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventType {
    Change(ChangeKind),
    EndpointDisabled,
    EndpointTest,
}

impl EventType {
    /// All event types.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let changes = ChangeKind::ALL.into_iter().map(Self::Change);
        changes.chain([Self::EndpointDisabled, Self::EndpointTest])
    }

    /// The name in events: `call.completed` and so on.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Change(kind) => kind.as_str(),
            Self::EndpointDisabled => kind::ENDPOINT_DISABLED,
            Self::EndpointTest => kind::ENDPOINT_TEST,
        }
    }

    /// The type with that name; `None` if there is none.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::all().find(|event_type| event_type.as_str() == word)
    }

    /// Whether events of this type are sent to every endpoint, whatever it subscribes to.
    pub(crate) fn is_sent_to_every_endpoint(self) -> bool {
        matches!(self, Self::Change(kind) if kind.lists_many_calls())
    }
}
