//! The clock of `--stream`: derived from the notifications' `timestamp`s, never runs backwards, and tolerates wrong
//! timestamps.

use wholecall_record::Time;

/// Maximum step ahead that is trusted at once; a larger one counts only if the next notification confirms it.
pub(crate) const MAX_TRUSTED_STEP_MS: i64 = 3_600_000;

/// Number of notifications in a row with timestamps far behind, after which the clock is reset to theirs.
const RESET_AFTER_NOTIFICATIONS: u32 = 1_000;

/// A clock driven by timestamps.
#[derive(Debug)]
pub(crate) struct Clock {
    /// The latest trusted timestamp; `None` before the first.
    latest: Option<Time>,
    now: Time,
    /// Number of timestamps in a row that were far behind.
    behind: u32,
}

impl Clock {
    /// A clock before its first timestamp.
    pub(crate) fn new() -> Self {
        Self { latest: None, now: Time::from_millis(0), behind: 0 }
    }

    /// The current time, which never runs backwards.
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// Whether a timestamp is far enough ahead to be suspect.
    pub(crate) fn is_far_ahead(&self, sent: Time) -> bool {
        self.latest.is_some_and(|latest| sent - latest > MAX_TRUSTED_STEP_MS)
    }

    /// Advances the clock to a timestamp. Returns whether the reference was set back to it because all recent timestamps
    /// were far behind; later timestamps then advance [`Clock::now`] by their distance from it.
    pub(crate) fn advance(&mut self, sent: Time) -> bool {
        let Some(latest) = self.latest else {
            (self.latest, self.now) = (Some(sent), sent);
            return false;
        };
        if latest - sent <= MAX_TRUSTED_STEP_MS {
            self.now = self.now + (sent - latest).max(0);
            self.latest = Some(latest.max(sent));
            self.behind = 0;
            return false;
        }
        self.behind += 1;
        if self.behind < RESET_AFTER_NOTIFICATIONS {
            // Only late so far.
            return false;
        }
        (self.latest, self.behind) = (Some(sent), 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Time {
        Time::from_millis(minutes * 60_000)
    }

    #[test]
    fn late_timestamps_do_not_set_the_clock_back() {
        let mut clock = Clock::new();
        for minutes in [600, 601, 500, 600, 602] {
            assert!(!clock.advance(at(minutes)));
        }
        assert_eq!(clock.now(), at(602));
    }

    #[test]
    fn a_thousand_timestamps_far_behind_reset_the_clock() {
        let mut clock = Clock::new();
        clock.advance(at(600));
        let resets = (0..1_000).filter(|_| clock.advance(at(10))).count();
        assert_eq!((resets, clock.now()), (1, at(600)));
        clock.advance(at(11));
        assert_eq!(clock.now(), at(601));
    }

    #[test]
    fn a_timestamp_over_an_hour_ahead_is_suspect() {
        let mut clock = Clock::new();
        assert!(!clock.is_far_ahead(at(0)));
        clock.advance(at(0));
        assert!(!clock.is_far_ahead(at(60)));
        assert!(clock.is_far_ahead(at(61)));
    }
}
