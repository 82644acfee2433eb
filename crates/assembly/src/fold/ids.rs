//! The indices of a fold.

crate::index::define_indices! {
    /// A session of the call.
    SessionIdx(u32)
    /// A leg of the call.
    LegIdx(u32)
    /// A change of a leg.
    ChangeIdx(u32)
    /// A participant of the call.
    ParticipantIdx(u32)
}
