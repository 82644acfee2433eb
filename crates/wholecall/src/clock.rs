//! The clock of `--stream`: the notifications' own `timestamp`s, made to run forward only and to survive
//! timestamps that are wrong.

use wholecall_record::Time;

/// A step ahead of more than this is believed only when the next notification does not go back again.
pub(crate) const LARGE_STEP_MS: i64 = 3_600_000;

/// After as many notifications in a row from so long before, theirs is the time that counts.
const RESET_AFTER: u32 = 1_000;

/// A clock driven by what it is told.
#[derive(Debug)]
pub(crate) struct Clock {
    /// The latest believed timestamp; none before the first.
    latest: Option<Time>,
    now: Time,
    /// How many timestamps in a row were far behind.
    behind: u32,
}

impl Clock {
    /// A clock that has not been told anything.
    pub(crate) fn new() -> Self {
        Self { latest: None, now: Time::from_millis(0), behind: 0 }
    }

    /// The time, which never goes back.
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// Whether a timestamp is so far ahead that it may be wrong.
    pub(crate) fn is_far_ahead(&self, sent: Time) -> bool {
        self.latest.is_some_and(|latest| sent - latest > LARGE_STEP_MS)
    }

    /// Believes a timestamp; tells whether the time had to be set back for it, since everything that came of
    /// late was far behind. From then on time goes on from there: [`Clock::now`] stands still meanwhile.
    pub(crate) fn advance(&mut self, sent: Time) -> bool {
        let Some(latest) = self.latest else {
            (self.latest, self.now) = (Some(sent), sent);
            return false;
        };
        if latest - sent <= LARGE_STEP_MS {
            self.now = self.now + (sent - latest).max(0);
            self.latest = Some(latest.max(sent));
            self.behind = 0;
            return false;
        }
        self.behind += 1;
        if self.behind < RESET_AFTER {
            // Merely late.
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
    fn what_is_late_does_not_turn_it_back() {
        let mut clock = Clock::new();
        for minutes in [600, 601, 500, 600, 602] {
            assert!(!clock.advance(at(minutes)));
        }
        assert_eq!(clock.now(), at(602));
    }

    #[test]
    fn input_in_the_wrong_order_is_noticed_in_the_end() {
        let mut clock = Clock::new();
        clock.advance(at(600));
        let resets = (0..1_000).filter(|_| clock.advance(at(10))).count();
        assert_eq!((resets, clock.now()), (1, at(600)));
        clock.advance(at(11));
        assert_eq!(clock.now(), at(601));
    }

    #[test]
    fn a_long_silence_may_be_a_wrong_timestamp() {
        let mut clock = Clock::new();
        assert!(!clock.is_far_ahead(at(0)));
        clock.advance(at(0));
        assert!(!clock.is_far_ahead(at(60)));
        assert!(clock.is_far_ahead(at(61)));
    }
}
