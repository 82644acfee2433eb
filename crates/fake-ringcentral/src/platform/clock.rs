//! The platform's two times: that of calls, which may run faster, and that of everything a client waits for.

use std::time::Duration;

use wholecall_simulator::Timestamp;

/// Maximum wait that [`Clock::until`] returns.
const MAX_WAIT_MS: i64 = 3_600_000;

/// The platform's clock. It advances when the caller [says](Clock::set_elapsed) how much real time has passed.
#[derive(Debug)]
pub(crate) struct Clock {
    started_at: Timestamp,
    speed: f64,
    elapsed: Duration,
    /// Time that was skipped by [`Clock::advance`].
    skipped_ms: i64,
    /// How far the times in `Date` headers are ahead.
    date_ahead_ms: i64,
}

impl Clock {
    /// A clock on which calls happen `speed` times as fast as in reality; both times start at `started_at`.
    pub(crate) fn new(started_at: Timestamp, speed: f64) -> Self {
        Self { started_at, speed, elapsed: Duration::ZERO, skipped_ms: 0, date_ahead_ms: 0 }
    }

    /// Sets the real time since the start.
    pub(crate) fn set_elapsed(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
    }

    /// The time of tokens, subscriptions and limits.
    pub(crate) fn now(&self) -> Timestamp {
        self.started_at + to_ms(self.elapsed) + self.skipped_ms
    }

    /// The time of calls: of notifications, sessions, and the call log.
    pub(crate) fn call_time(&self) -> Timestamp {
        let passed_ms = self.elapsed.as_secs_f64() * 1000.0 * self.speed;
        self.started_at + passed_ms as i64 + self.skipped_ms
    }

    /// The time in `Date` headers.
    pub(crate) fn date(&self) -> Timestamp {
        self.call_time() + self.date_ahead_ms
    }

    /// Makes `Date` headers differ from the time of calls.
    pub(crate) fn set_date_ahead(&mut self, ms: i64) {
        self.date_ahead_ms = ms;
    }

    /// The real time until a time of calls.
    pub(crate) fn until(&self, time: Timestamp) -> Duration {
        let wait_ms = (time - self.call_time()).clamp(0, MAX_WAIT_MS) as f64;
        Duration::from_secs_f64(wait_ms / 1000.0 / self.speed)
    }

    /// Skips time on both clocks.
    pub(crate) fn advance(&mut self, ms: i64) {
        self.skipped_ms += ms;
    }
}

/// A duration in milliseconds.
pub(crate) fn to_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
