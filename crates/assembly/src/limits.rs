//! Maximum sizes of one call. What exceeds a limit is counted in the record's `completeness`.

/// Maximum number of state changes that are stored of one session: those with the smallest sequence numbers, so that
/// the order of arrival does not matter. A queue that rings fifty agents for an hour makes some 20,000.
pub const MAX_NOTIFICATIONS_PER_SESSION: usize = 50_000;

/// Maximum number of sessions joined into one call. A conference has at most ten sessions and its bridge.
pub const MAX_SESSIONS_PER_CALL: usize = 1_000;

/// Maximum number of seats in all conversations of a call: participants times conversations.
pub const MAX_CONVERSATION_SEATS: usize = 200_000;

/// Maximum number of related calls in one record.
pub const MAX_RELATED_PER_CALL: usize = 32;

/// Maximum number of differing deliveries of one state change that are stored: those with the smallest ids. Two
/// subscriptions deliver two, which are nearly always equal.
pub const MAX_DELIVERIES_PER_CHANGE: usize = 16;

/// Maximum number of differing descriptions of one leg that are stored: the latest. Most legs have one or two.
pub const MAX_DESCRIPTIONS_PER_LEG: usize = 32;

/// Maximum number of recordings of one leg: those with the smallest ids.
pub const MAX_RECORDINGS_PER_LEG: usize = 1_000;

/// Maximum number of lookup answers that are stored of one session: the latest. A call that lasts all day is looked
/// up a few times.
pub const MAX_LOOKUPS_PER_SESSION: usize = 64;
