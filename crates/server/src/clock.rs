//! The time; the only place that reads the wall clock.
//!
//! Within the process the time goes on with the monotonic clock, so that settling, retries and sessions last as long as
//! they should whatever happens to the wall clock. That is followed at once where it differs by a second at most, and
//! where it was set to another time only once it has stayed there for half a minute.

pub(crate) mod comparison;
#[cfg(test)]
pub(crate) mod simulated;

use std::{
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
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
static MACHINES: LazyLock<Clock> =
    LazyLock::new(|| Clock::new(Box::new(|| Reading { wall_ms: wall_ms(), elapsed: BEGAN.elapsed() })));

/// Now, by the machine's clock.
pub(crate) fn now() -> Time {
    MACHINES.now()
}

/// What the clocks show: the wall clock, and how much has elapsed on the monotonic one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) wall_ms: i64,
    pub(crate) elapsed: Duration,
}

type Source = Box<dyn Fn() -> Reading + Send + Sync>;

/// A clock: the machine's, or in tests one that jumps when it is told to. Clones are the same clock.
#[derive(Clone)]
pub(crate) struct Clock(Arc<Inner>);

struct Inner {
    source: Source,
    steady: Mutex<Steady>,
}

impl Clock {
    /// The machine's.
    pub(crate) fn machines() -> Self {
        MACHINES.clone()
    }

    /// One that reads its time from there.
    pub(crate) fn new(source: Source) -> Self {
        let Reading { wall_ms, elapsed } = source();
        Self(Arc::new(Inner { steady: Mutex::new(Steady::new(wall_ms, elapsed)), source }))
    }

    /// Now.
    pub(crate) fn now(&self) -> Time {
        let (mut steady, Reading { wall_ms, elapsed }) = (self.steady(), (self.0.source)());
        Time::from_millis(steady.now(wall_ms, elapsed))
    }

    /// Whether it has not jumped for a while. That is not so either when the process has just begun.
    pub(crate) fn is_settled(&self) -> bool {
        let (mut steady, Reading { wall_ms, elapsed }) = (self.steady(), (self.0.source)());
        steady.now(wall_ms, elapsed);
        steady.is_settled(elapsed)
    }

    fn moment(&self) -> Moment {
        let (steady, Reading { elapsed, .. }) = (self.steady(), (self.0.source)());
        Moment { elapsed, times_set: steady.times_set }
    }

    fn steady(&self) -> MutexGuard<'_, Steady> {
        self.0.steady.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A moment of the monotonic clock, and of which setting of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    elapsed: Duration,
    /// How often the wall clock was set to another time that was followed.
    times_set: u64,
}

impl Moment {
    fn now() -> Self {
        MACHINES.moment()
    }
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
    /// How often a jump was followed.
    times_set: u64,
}

impl Steady {
    fn new(wall_ms: i64, elapsed: Duration) -> Self {
        Self {
            time_ms: wall_ms,
            at: elapsed,
            last_ms: wall_ms,
            differs_since: None,
            jumped: elapsed,
            times_set: 0,
        }
    }

    /// The time, where the wall clock shows a time and so much has elapsed on the monotonic clock.
    fn now(&mut self, wall_ms: i64, elapsed: Duration) -> i64 {
        let steady_ms = self.time_ms + elapsed.saturating_sub(self.at).as_millis() as i64;
        let difference_ms = wall_ms - steady_ms;
        if difference_ms.abs() <= FOLLOWED_AT_ONCE_MS {
            (self.time_ms, self.at) = (wall_ms, elapsed);
            if self.differs_since.take().is_some() {
                self.jumped = elapsed;
            }
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
            self.times_set += 1;
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
}
