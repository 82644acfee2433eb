//! What a call in memory waits for.

/// A deadline of a call. When the first of them passes, the call is evaluated again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadline {
    /// Every leg of a live call has ended: it is complete.
    Settle,
    /// Every leg of a live call has ended, but notifications may be outstanding: it is complete without them.
    GapSettle,
    /// A live call with only one of several legs open has been idle: it is closed as incomplete.
    LastLegIdle,
    /// Any live call has been idle: it is closed as incomplete.
    Idle,
    /// The next version of a live call that has changed may be published.
    Version,
    /// Lookups are requested for a live call if it seems to lack notifications.
    Lookup,
    /// A closed call that has received something has settled: it is published again if its record changed.
    Revision,
    /// A closed call is evicted from memory.
    Eviction,
    /// Sessions without an observed leg, which are never published, are removed from memory.
    Removal,
}
