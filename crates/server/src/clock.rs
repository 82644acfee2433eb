//! The time; the only place that reads the wall clock.
//!
//! Within the process the time goes on with the monotonic clock, so that settling, retries and sessions last as long as
//! they should whatever happens to the wall clock. That is followed at once where it differs by a second at most, and
//! where it was set to another time only once it has stayed there for half a minute.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use wholecall_record::Time;

/// The wall clock is followed at once where it differs by so much at most, in milliseconds.
const FOLLOWED_AT_ONCE_MS: i64 = 1_000;

/// A jump of the wall clock is followed after so long.
const FOLLOWED_AFTER: Duration = Duration::from_secs(30);

/// The clock counts as right once it has not jumped for so long.
pub(crate) const SETTLED_AFTER: Duration = Duration::from_secs(600);

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
static STEADY: LazyLock<Mutex<Steady>> =
    LazyLock::new(|| Mutex::new(Steady::new(wall_ms(), BEGAN.elapsed())));

/// Now.
pub(crate) fn now() -> Time {
    let mut steady = STEADY.lock().unwrap_or_else(PoisonError::into_inner);
    Time::from_millis(steady.now(wall_ms(), BEGAN.elapsed()))
}

/// Whether the clock has not jumped for a while. That is not so either when the process has just begun.
pub(crate) fn is_settled() -> bool {
    let mut steady = STEADY.lock().unwrap_or_else(PoisonError::into_inner);
    let elapsed = BEGAN.elapsed();
    steady.now(wall_ms(), elapsed);
    steady.is_settled(elapsed)
}

fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}

/// A clock that follows the wall clock, but no jump that is taken back soon.
#[derive(Debug)]
struct Steady {
    /// The time at some moment of the monotonic clock.
    time_ms: i64,
    at: Duration,
    /// The last time that was given.
    last_ms: i64,
    /// Since when the wall clock shows another time.
    differs_since: Option<Duration>,
    /// When it jumped last, or when this began.
    jumped: Duration,
}

impl Steady {
    fn new(wall_ms: i64, elapsed: Duration) -> Self {
        Self { time_ms: wall_ms, at: elapsed, last_ms: wall_ms, differs_since: None, jumped: elapsed }
    }

    /// The time, where the wall clock shows a time and so much has elapsed on the monotonic clock.
    fn now(&mut self, wall_ms: i64, elapsed: Duration) -> i64 {
        let steady_ms = self.time_ms + elapsed.saturating_sub(self.at).as_millis() as i64;
        let difference_ms = wall_ms - steady_ms;
        if difference_ms.abs() <= FOLLOWED_AT_ONCE_MS {
            (self.time_ms, self.at, self.differs_since) = (wall_ms, elapsed, None);
            self.last_ms = self.last_ms.max(wall_ms);
            return self.last_ms;
        }
        let since = *self.differs_since.get_or_insert(elapsed);
        self.jumped = elapsed;
        if elapsed.saturating_sub(since) >= FOLLOWED_AFTER {
            tracing::warn!(difference_ms, "the clock was set to another time");
            // The one thing that may go back.
            (self.time_ms, self.at, self.last_ms) = (wall_ms, elapsed, wall_ms);
            self.differs_since = None;
            return wall_ms;
        }
        self.last_ms = self.last_ms.max(steady_ms);
        self.last_ms
    }

    fn is_settled(&self, elapsed: Duration) -> bool {
        self.differs_since.is_none() && elapsed.saturating_sub(self.jumped) >= SETTLED_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN_MS: i64 = 1_780_272_000_000;
    const HOUR_MS: i64 = 3_600_000;

    fn elapsed(ms: i64) -> Duration {
        Duration::from_millis(ms.unsigned_abs())
    }

    #[test]
    fn a_jump_that_is_taken_back_soon_is_not_noticed_in_either_direction() {
        for jump_ms in [HOUR_MS, -HOUR_MS, 24 * HOUR_MS, 60_000, -2_000] {
            let mut steady = Steady::new(BEGIN_MS, Duration::ZERO);
            for ms in (0..60_000).step_by(10) {
                let is_wrong = (5_000..30_000).contains(&ms);
                let wall_ms = BEGIN_MS + ms + if is_wrong { jump_ms } else { 0 };
                assert_eq!(steady.now(wall_ms, elapsed(ms)), BEGIN_MS + ms, "{jump_ms} at {ms}");
            }
        }
    }

    #[test]
    fn a_clock_that_was_set_is_followed_and_counts_as_right_after_a_while() {
        for jump_ms in [HOUR_MS, -HOUR_MS] {
            let mut steady = Steady::new(BEGIN_MS, Duration::ZERO);
            for ms in (0..=40_000).step_by(100) {
                steady.now(BEGIN_MS + ms + jump_ms, elapsed(ms));
            }
            assert_eq!(steady.now(BEGIN_MS + 41_000 + jump_ms, elapsed(41_000)), BEGIN_MS + 41_000 + jump_ms);
            assert!(!steady.is_settled(elapsed(41_000)));
            assert!(steady.is_settled(elapsed(31_000) + SETTLED_AFTER));
        }
    }

    /// However the wall clock jumps, what lasts is at most as much too short or too long as the clock was set by.
    #[test]
    fn durations_are_right_whatever_the_wall_clock_does() {
        let mut rng = fastrand::Rng::with_seed(11);
        for _ in 0..200 {
            let mut steady = Steady::new(BEGIN_MS, Duration::ZERO);
            let (mut ms, mut offset_ms, mut changed_ms) = (0, 0, 0);
            let mut last_ms = BEGIN_MS;
            for _ in 0..500 {
                let step_ms = rng.i64(1..3_000);
                ms += step_ms;
                if rng.u32(0..40) == 0 {
                    (offset_ms, changed_ms) = (rng.i64(-48 * HOUR_MS..48 * HOUR_MS), ms);
                }
                let now_ms = steady.now(BEGIN_MS + ms + offset_ms, elapsed(ms));
                let lasted_ms = now_ms - last_ms;
                let is_followed = now_ms == BEGIN_MS + ms + offset_ms;
                // It goes on with the monotonic clock, or is where the wall clock has been set to.
                let goes_on = (lasted_ms - step_ms).abs() <= 2 * FOLLOWED_AT_ONCE_MS;
                assert!(goes_on || is_followed, "{lasted_ms} in {step_ms}");
                if ms - changed_ms > FOLLOWED_AFTER.as_millis() as i64 + 6_000 {
                    assert!((now_ms - BEGIN_MS - ms - offset_ms).abs() <= FOLLOWED_AT_ONCE_MS);
                }
                last_ms = now_ms;
            }
        }
    }
}
