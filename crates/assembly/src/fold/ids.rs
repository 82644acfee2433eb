//! The indices of a fold.

crate::index::define_indices! {
    /// A session of the call.
    SessionIdx
    /// A leg of the call.
    LegIdx
    /// A change of a leg.
    ChangeIdx
    /// A participant of the call.
    ParticipantIdx
}
