//! How long to wait for what.

/// How long to wait for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// After the last notification of a call whose legs have all ended.
    pub settle_ms: i64,
    /// The same, where something may still be on its way: a gap in a session's order, a session that only a
    /// link names.
    pub gap_settle_ms: i64,
    /// Silence after which a call is given up of which one leg of several is left.
    pub last_leg_silent_ms: i64,
    /// Silence after which any call is given up: since its last event where that arrived late.
    pub silent_ms: i64,
    /// Between two versions of a live call, at least; more where the call has hundreds of notifications.
    pub version_every_ms: i64,
    /// For how long a closed call is kept in memory for late notifications.
    pub keep_closed_ms: i64,
    /// Silence after which RingCentral is asked for what seems to be lost of a live call; none: nobody can ask.
    pub ask_after_ms: Option<i64>,
    /// Whether versions of live calls are wanted as records; they are counted in any case.
    pub live: bool,
}

impl Default for Settings {
    fn default() -> Self {
        const HOUR_MS: i64 = 3_600_000;
        Self {
            settle_ms: 1_000,
            gap_settle_ms: 10_000,
            last_leg_silent_ms: 60_000,
            silent_ms: 8 * HOUR_MS,
            version_every_ms: 1_000,
            keep_closed_ms: HOUR_MS,
            ask_after_ms: None,
            live: true,
        }
    }
}
