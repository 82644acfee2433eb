//! How much is kept of one call. What lies beyond is counted in the record's `completeness`.

/// State changes kept of one session: those with the smallest sequence numbers, so that the order of
/// arrival does not matter. A queue that rings fifty agents for an hour makes some 20,000.
pub const NOTIFICATIONS_PER_SESSION: usize = 50_000;

/// Sessions joined into one call. A conference has at most ten rooms and its bridge.
pub const SESSIONS_PER_CALL: usize = 1_000;

/// Seats in all conversations of a call: people times conversations.
pub const CONVERSATION_SEATS: usize = 200_000;

/// Related calls named in one record.
pub const RELATED_PER_CALL: usize = 32;

/// Copies of one state change that say different things: those with the first ids. Two subscriptions deliver
/// two, which nearly always say the same.
pub const COPIES_PER_CHANGE: usize = 16;

/// Different descriptions of one leg: those given last. Most legs have one or two.
pub const DESCRIPTIONS_PER_LEG: usize = 32;

/// Recordings of one leg: those with the first ids.
pub const RECORDINGS_PER_LEG: usize = 1_000;

/// Answers about one session that RingCentral gave when it was asked: the latest. A call that lasts all day is asked
/// for a few times.
pub const REPORTS_PER_SESSION: usize = 64;
