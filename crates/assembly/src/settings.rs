//! How long the assembler waits before it publishes, closes or evicts a call.

/// Waiting times of the assembler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Delay from the last notification of a call whose legs have all ended to its completion.
    pub settle_ms: i64,
    /// The same delay where notifications may still be outstanding: a session has a gap in its sequence, or is known
    /// only from a link.
    pub gap_settle_ms: i64,
    /// Idle time after which a call is closed as incomplete when only one of several legs is open.
    pub last_leg_idle_timeout_ms: i64,
    /// Idle time after which any call is closed as incomplete, counted from its last event if that arrived late.
    pub idle_timeout_ms: i64,
    /// Minimum interval between two versions of a live call; longer for a call with hundreds of notifications.
    pub min_version_interval_ms: i64,
    /// How long a closed call stays in memory for late notifications.
    pub closed_call_ttl_ms: i64,
    /// Idle time after which a lookup is requested for a live call that seems to lack notifications. `None` if there
    /// is no connection to look it up.
    pub lookup_after_ms: Option<i64>,
    /// Whether versions of live calls are published with their record; they are counted in any case.
    pub publish_live_versions: bool,
}

impl Default for Settings {
    fn default() -> Self {
        const HOUR_MS: i64 = 3_600_000;
        Self {
            settle_ms: 1_000,
            gap_settle_ms: 10_000,
            last_leg_idle_timeout_ms: 60_000,
            idle_timeout_ms: 8 * HOUR_MS,
            min_version_interval_ms: 1_000,
            closed_call_ttl_ms: HOUR_MS,
            lookup_after_ms: None,
            publish_live_versions: true,
        }
    }
}
