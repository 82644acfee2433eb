//! The current time. Only this module reads the wall clock.
//!
//! Within the process the time advances with the monotonic clock, so that settling, retries and sessions last as long as
//! they should when the wall clock is set. A difference of at most a second is followed at once; a larger one only after
//! it has lasted for half a minute.

pub(crate) mod comparison;
#[cfg(test)]
pub(crate) mod simulated;

use std::{
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use wholecall_record::Time;

/// Maximum difference from the wall clock that is followed at once.
const MAX_SLEW_MS: i64 = 1_000;

/// Minimum time after which a jump of the wall clock is followed.
const JUMP_FOLLOWED_AFTER: Duration = Duration::from_secs(30);

/// Minimum time without a jump after which the clock is trusted.
pub(crate) const SETTLED_AFTER: Duration = Duration::from_secs(600);

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
static SYSTEM: LazyLock<Clock> =
    LazyLock::new(|| Clock::new(Box::new(|| Reading { wall_ms: wall_ms(), elapsed: STARTED.elapsed() })));

/// The current time of the system's clock.
pub(crate) fn now() -> Time {
    SYSTEM.now()
}

/// A reading of the wall clock, and of the monotonic clock at the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) wall_ms: i64,
    pub(crate) elapsed: Duration,
}

type Source = Box<dyn Fn() -> Reading + Send + Sync>;

/// The system's clock, or a simulated one in tests. Clones are the same clock.
#[derive(Clone)]
pub(crate) struct Clock(Arc<Inner>);

struct Inner {
    source: Source,
    smoothed: Mutex<SmoothedTime>,
}

impl Clock {
    /// The system's clock.
    pub(crate) fn system() -> Self {
        SYSTEM.clone()
    }

    /// A clock that reads its time from `source`.
    pub(crate) fn new(source: Source) -> Self {
        let Reading { wall_ms, elapsed } = source();
        Self(Arc::new(Inner { smoothed: Mutex::new(SmoothedTime::new(wall_ms, elapsed)), source }))
    }

    /// The current time.
    pub(crate) fn now(&self) -> Time {
        let (mut smoothed, Reading { wall_ms, elapsed }) = (self.smoothed(), (self.0.source)());
        Time::from_millis(smoothed.now(wall_ms, elapsed))
    }

    /// Whether the clock can be trusted: it has not jumped since `SETTLED_AFTER`, and the process runs at least that long.
    pub(crate) fn is_settled(&self) -> bool {
        let (mut smoothed, Reading { wall_ms, elapsed }) = (self.smoothed(), (self.0.source)());
        smoothed.now(wall_ms, elapsed);
        smoothed.is_settled(elapsed)
    }

    fn stamp(&self) -> MonotonicStamp {
        let (smoothed, Reading { elapsed, .. }) = (self.smoothed(), (self.0.source)());
        MonotonicStamp { elapsed, times_set: smoothed.times_set }
    }

    fn smoothed(&self) -> MutexGuard<'_, SmoothedTime> {
        self.0.smoothed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A time of the monotonic clock, together with the current setting of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MonotonicStamp {
    elapsed: Duration,
    /// How often the wall clock was set and followed before.
    times_set: u64,
}

impl MonotonicStamp {
    fn now() -> Self {
        SYSTEM.stamp()
    }
}

fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}

/// A time that follows the wall clock, except for jumps that are soon reverted.
#[derive(Debug)]
struct SmoothedTime {
    /// The time when the monotonic clock was at `at`.
    time_ms: i64,
    at: Duration,
    /// The last time that was returned.
    last_ms: i64,
    /// Since when the wall clock differs; `None` if it does not.
    differs_since: Option<Duration>,
    /// The last time at which the wall clock differed, or the start.
    jumped_at: Duration,
    /// How often a jump was followed.
    times_set: u64,
}

impl SmoothedTime {
    fn new(wall_ms: i64, elapsed: Duration) -> Self {
        Self {
            time_ms: wall_ms,
            at: elapsed,
            last_ms: wall_ms,
            differs_since: None,
            jumped_at: elapsed,
            times_set: 0,
        }
    }

    /// The time for a reading of both clocks.
    fn now(&mut self, wall_ms: i64, elapsed: Duration) -> i64 {
        let expected_ms = self.time_ms + elapsed.saturating_sub(self.at).as_millis() as i64;
        let difference_ms = wall_ms - expected_ms;
        if difference_ms.abs() <= MAX_SLEW_MS {
            (self.time_ms, self.at) = (wall_ms, elapsed);
            if self.differs_since.take().is_some() {
                self.jumped_at = elapsed;
            }
            self.last_ms = self.last_ms.max(wall_ms);
            return self.last_ms;
        }
        let since = *self.differs_since.get_or_insert(elapsed);
        self.jumped_at = elapsed;
        if elapsed.saturating_sub(since) >= JUMP_FOLLOWED_AFTER {
            tracing::warn!(difference_ms, "the clock was set to another time");
            // Only here may the time go back.
            (self.time_ms, self.at, self.last_ms) = (wall_ms, elapsed, wall_ms);
            self.differs_since = None;
            self.times_set += 1;
            return wall_ms;
        }
        self.last_ms = self.last_ms.max(expected_ms);
        self.last_ms
    }

    fn is_settled(&self, elapsed: Duration) -> bool {
        self.differs_since.is_none() && elapsed.saturating_sub(self.jumped_at) >= SETTLED_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: i64 = 1_780_272_000_000;
    const HOUR_MS: i64 = 3_600_000;

    fn elapsed(ms: i64) -> Duration {
        Duration::from_millis(ms.unsigned_abs())
    }

    #[test]
    fn a_jump_that_is_soon_reverted_is_ignored_in_either_direction() {
        for jump_ms in [HOUR_MS, -HOUR_MS, 24 * HOUR_MS, 60_000, -2_000] {
            let mut smoothed = SmoothedTime::new(START_MS, Duration::ZERO);
            for ms in (0..60_000).step_by(10) {
                let is_wrong = (5_000..30_000).contains(&ms);
                let wall_ms = START_MS + ms + if is_wrong { jump_ms } else { 0 };
                assert_eq!(smoothed.now(wall_ms, elapsed(ms)), START_MS + ms, "{jump_ms} at {ms}");
            }
        }
    }

    #[test]
    fn a_clock_that_was_set_is_followed_and_trusted_after_a_while() {
        for jump_ms in [HOUR_MS, -HOUR_MS] {
            let mut smoothed = SmoothedTime::new(START_MS, Duration::ZERO);
            for ms in (0..=40_000).step_by(100) {
                smoothed.now(START_MS + ms + jump_ms, elapsed(ms));
            }
            assert_eq!(
                smoothed.now(START_MS + 41_000 + jump_ms, elapsed(41_000)),
                START_MS + 41_000 + jump_ms
            );
            assert!(!smoothed.is_settled(elapsed(41_000)));
            assert!(smoothed.is_settled(elapsed(31_000) + SETTLED_AFTER));
        }
    }
}
