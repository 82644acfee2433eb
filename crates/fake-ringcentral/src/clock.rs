//! The platform's two times: that of calls, which may run faster, and that of everything a client waits for.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use wholecall_simulator::Millis;

/// What time it is.
#[derive(Debug)]
pub(crate) struct Clock {
    begun: Instant,
    base: Millis,
    speed: f64,
    advanced: AtomicI64,
    /// By how much the times in `Date` are ahead.
    date_ahead: AtomicI64,
}

impl Clock {
    /// Calls happen `speed` times as fast as in life; both times begin so far behind the clock on the wall.
    pub(crate) fn new(speed: f64, behind: Duration) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(behind);
        Self {
            begun: Instant::now(),
            base: Millis::try_from(since.as_millis()).unwrap_or(0),
            speed,
            advanced: AtomicI64::new(0),
            date_ahead: AtomicI64::new(0),
        }
    }

    /// The time of tokens, subscriptions and limits.
    pub(crate) fn now(&self) -> Millis {
        let passed = Millis::try_from(self.begun.elapsed().as_millis()).unwrap_or(0);
        self.base + passed + self.advanced.load(Ordering::Relaxed)
    }

    /// The time of calls: of notifications, sessions, and the call log.
    pub(crate) fn call_time(&self) -> Millis {
        let passed = self.begun.elapsed().as_secs_f64() * 1000.0 * self.speed;
        self.base + passed as Millis + self.advanced.load(Ordering::Relaxed)
    }

    /// What answers say in `Date`.
    pub(crate) fn date(&self) -> Millis {
        self.call_time() + self.date_ahead.load(Ordering::Relaxed)
    }

    /// From now on `Date` is ahead by so much; nothing else changes.
    pub(crate) fn set_date_ahead(&self, by: Millis) {
        self.date_ahead.store(by, Ordering::Relaxed);
    }

    /// How long to wait, in life, for a time of calls.
    pub(crate) fn until(&self, time: Millis) -> Duration {
        let wait = time.saturating_sub(self.call_time()).clamp(0, 3_600_000) as f64;
        Duration::from_secs_f64(wait / 1000.0 / self.speed)
    }

    /// Lets time pass at once.
    pub(crate) fn advance(&self, by: Millis) {
        self.advanced.fetch_add(by, Ordering::Relaxed);
    }
}
