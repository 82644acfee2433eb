//! Which of its sessions a call is named after.

/// The rank of a session among those of its call. The call is named after the session with the first rank; of
/// several, the one that began first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// With a party outside the account.
    Outside,
    /// Between extensions, or to a service of the platform.
    Internal,
    /// A conference bridge.
    Bridge,
    /// A supervisor dialled in to listen.
    Supervising,
}
