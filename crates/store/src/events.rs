//! Ids of events, and the types of events that are not changes of calls.

use crate::Position;

/// Types of events that are not changes of calls.
pub mod kind {
    /// An endpoint of the tenant was disabled.
    pub const ENDPOINT_DISABLED: &str = "endpoint.disabled";
    /// A test event that was requested.
    pub const ENDPOINT_TEST: &str = "endpoint.test";
}

/// The id of an event: the position of a change in the feed, or the negated number of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub(crate) i64);

impl EventId {
    /// The event of a change.
    pub fn of_change(cursor: Position) -> Self {
        Self(cursor.0)
    }

    /// Sorts events of one kind in order of creation.
    pub fn age_order(self) -> i64 {
        self.0.abs()
    }

    /// The change's position in the feed. `None` for a notice.
    pub fn cursor(self) -> Option<Position> {
        (self.0 > 0).then_some(Position(self.0))
    }
}
