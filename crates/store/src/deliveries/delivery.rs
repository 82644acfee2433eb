//! A delivery and its attempts.

use crate::events::EventId;

/// One request of a delivery.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When it started, milliseconds since 1970.
    pub started_ms: i64,
    /// Its duration.
    pub duration_ms: i64,
    /// The status of the answer. `None` if there was no answer.
    pub status: Option<u16>,
    /// Why it failed. `None` if it succeeded.
    pub problem: Option<String>,
    /// The beginning of the answer.
    pub answer: Option<String>,
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It waits for its next attempt, or for an earlier event of the same call.
    Pending,
    /// The endpoint accepted it.
    Delivered,
    /// All attempts failed.
    Exhausted,
    /// A later version of the live call was sent instead.
    Superseded,
}

impl DeliveryState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Exhausted, Self::Superseded];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Exhausted => "exhausted",
            Self::Superseded => "superseded",
        }
    }

    /// The state with a name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A delivery with its attempts.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The endpoint's id.
    pub endpoint: String,
    /// The event.
    pub id: EventId,
    /// The event's type.
    pub kind: String,
    /// The record's version; 0 if it is not a version of a call.
    pub version: u64,
    /// The call's id; empty for a notice.
    pub call_id: String,
    /// When the event was created, milliseconds since 1970.
    pub created_ms: i64,
    /// Its state.
    pub state: DeliveryState,
    /// When the next attempt is due. `None` if it is not pending.
    pub next_attempt_ms: Option<i64>,
    /// The attempts, oldest first.
    pub attempts: Vec<Attempt>,
}
