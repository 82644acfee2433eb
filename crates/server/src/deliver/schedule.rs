//! When what is tried again, and how an endpoint is that fails. Time comes in; nothing here waits.

/// Before which attempt how long is waited: about 75 hours in all.
const DELAYS_MS: [i64; 10] = {
    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    [0, 5_000, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]
};

/// So many failures in a row, and nothing new is tried until something gets through.
const DOWN_AFTER: u32 = 10;

/// So long after the last request set out somebody looks whether an endpoint that fails is back. Whoever returns is to be
/// noticed within 30 s, whether the last request was refused at once or hung, and though everything here wakes up late.
const PROBE_EVERY_MS: i64 = 25_000;

/// An endpoint that failed for so long is disabled.
const DISABLED_AFTER_MS: i64 = 5 * 24 * 3_600_000;

/// An endpoint is never obeyed in being left alone for longer.
const LONGEST_PAUSE_MS: i64 = 24 * 3_600_000;

/// So many requests at most are on their way to one endpoint.
const MOST_AT_ONCE: usize = 64;

/// How long to wait after so many attempts, of which none got through; none: it is given up. `jitter` is from 0 to 1 and
/// shifts the time by up to a tenth, so that what failed together does not come back together.
pub(crate) fn delay_ms(attempts: u32, jitter: f64) -> Option<i64> {
    let delay = DELAYS_MS.get(attempts as usize)?;
    Some((*delay as f64 * (0.9 + 0.2 * jitter)) as i64)
}

/// How an endpoint is.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    failures: u32,
    failing_since_ms: Option<i64>,
    tried_ms: i64,
    paused_until_ms: i64,
    at_once: usize,
}

impl Health {
    pub(crate) fn new(failing_since_ms: Option<i64>) -> Self {
        // What failed before a restart is looked at as soon as anything waits.
        let failures = if failing_since_ms.is_some() { DOWN_AFTER } else { 0 };
        Self { failures, failing_since_ms, tried_ms: 0, paused_until_ms: 0, at_once: MOST_AT_ONCE }
    }

    /// Nothing new is tried.
    pub(crate) fn is_down(&self) -> bool {
        self.failures >= DOWN_AFTER
    }

    /// The first failure since the last success.
    pub(crate) fn failing_since_ms(&self) -> Option<i64> {
        self.failing_since_ms
    }

    /// So many requests may be on their way.
    pub(crate) fn at_once(&self) -> usize {
        self.at_once
    }

    /// Before this, the endpoint wants to be left alone.
    pub(crate) fn paused_until_ms(&self) -> i64 {
        self.paused_until_ms
    }

    /// When to look whether it is back; none: it does not fail.
    pub(crate) fn probe_due_ms(&self) -> Option<i64> {
        (self.failures > 0).then(|| (self.tried_ms + PROBE_EVERY_MS).max(self.paused_until_ms))
    }

    /// It failed for so long that nothing more is delivered.
    pub(crate) fn is_hopeless(&self, now_ms: i64) -> bool {
        self.failing_since_ms.is_some_and(|since| now_ms - since >= DISABLED_AFTER_MS)
    }

    /// There is nothing left to look with: new events are tried again.
    pub(crate) fn give_another_chance(&mut self) {
        self.failures = 0;
    }

    /// A request sets out.
    pub(crate) fn tried(&mut self, now_ms: i64) {
        self.tried_ms = now_ms;
    }

    /// A request got through. Tells whether it was down until then.
    pub(crate) fn succeeded(&mut self) -> bool {
        let was_down = self.is_down();
        self.failures = 0;
        self.failing_since_ms = None;
        self.paused_until_ms = 0;
        self.at_once = (self.at_once + 1).min(MOST_AT_ONCE);
        was_down
    }

    /// A request did not get through, with this status and this wish to be left alone.
    pub(crate) fn failed(&mut self, now_ms: i64, status: Option<u16>, retry_after_ms: Option<i64>) {
        self.failures = self.failures.saturating_add(1);
        self.failing_since_ms.get_or_insert(now_ms);
        if let Some(pause) = retry_after_ms {
            self.paused_until_ms = self.paused_until_ms.max(now_ms + pause.min(LONGEST_PAUSE_MS));
        }
        if matches!(status, Some(429 | 502 | 504)) {
            self.at_once = (self.at_once / 2).max(1);
        }
    }
}

/// At most so many requests a second, evenly.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    interval_us: i64,
    next_us: i64,
}

impl Pace {
    pub(crate) fn new(per_second: Option<u32>) -> Self {
        Self { interval_us: per_second.map_or(0, |rate| 1_000_000 / i64::from(rate.max(1))), next_us: 0 }
    }

    /// When the next request may go.
    pub(crate) fn free_at_ms(&self) -> i64 {
        self.next_us.div_euclid(1_000)
    }

    /// Lets a request go, if one may.
    pub(crate) fn take(&mut self, now_ms: i64) -> bool {
        if self.free_at_ms() > now_ms {
            return false;
        }
        // What was not used does not add up, but for what falls between two looks at the clock.
        self.next_us = self.next_us.max(now_ms * 1_000 - 20_000) + self.interval_us;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_attempts_in_about_seventy_five_hours() {
        let delays: Vec<i64> = (0..).map_while(|attempts| delay_ms(attempts, 0.5)).collect();
        assert_eq!(delays.len(), 10);
        assert_eq!(delays[..4], [0, 5_000, 300_000, 1_800_000]);
        let hours = delays.iter().sum::<i64>() as f64 / 3_600_000.0;
        assert!((75.0..76.0).contains(&hours), "{hours}");
        assert_eq!(delay_ms(10, 0.5), None);
        assert_eq!((delay_ms(1, 0.0), delay_ms(1, 1.0)), (Some(4_500), Some(5_500)));
    }

    #[test]
    fn an_endpoint_that_fails_is_probed_and_disabled_in_the_end() {
        let mut health = Health::new(None);
        assert_eq!(health.probe_due_ms(), None);
        health.tried(1_000);
        health.failed(1_000, Some(500), None);
        assert!(!health.is_down(), "one failure may be one event's");
        assert_eq!(health.probe_due_ms(), Some(26_000));
        for second in 2..=10 {
            health.failed(second * 1_000, None, None);
        }
        assert!(health.is_down());
        assert_eq!(health.failing_since_ms(), Some(1_000));
        assert!(!health.is_hopeless(5 * 86_400_000));
        assert!(health.is_hopeless(5 * 86_400_000 + 1_000));
        assert!(health.succeeded());
        assert!(!health.is_down() && health.probe_due_ms().is_none() && !health.is_hopeless(i64::MAX / 2));
    }

    #[test]
    fn an_endpoint_that_is_busy_gets_less() {
        let mut health = Health::new(None);
        for _ in 0..20 {
            health.failed(0, Some(429), Some(60_000));
        }
        assert_eq!((health.at_once(), health.paused_until_ms()), (1, 60_000));
        assert_eq!(health.probe_due_ms(), Some(60_000));
        health.failed(0, Some(503), Some(i64::MAX));
        assert_eq!(health.paused_until_ms(), 86_400_000, "nobody is left alone for ever");
        for _ in 0..100 {
            health.succeeded();
        }
        assert_eq!(health.at_once(), MOST_AT_ONCE);
    }

    #[test]
    fn a_rate_is_kept_over_any_stretch() {
        let mut pace = Pace::new(Some(100));
        let sent = (1_000_000..1_010_000).filter(|now| pace.take(*now)).count();
        assert!((998..=1_003).contains(&sent), "{sent} in ten seconds");
        assert!((0..50).all(|_| Pace::new(None).take(5)), "without a limit");
    }
}
