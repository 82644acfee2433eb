//! When what is tried again, and how fast requests may follow each other. Time comes in; nothing here waits.

/// Before which attempt how long is waited: about 75 hours in all.
const DELAYS_MS: [i64; 10] = {
    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    [0, 5_000, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]
};

/// Nothing waits for longer than this.
pub(crate) const MAX_DELAY_MS: i64 = DELAYS_MS[DELAYS_MS.len() - 1] / 10 * 11;

/// How long to wait after so many attempts, of which none got through; none: it is given up. `jitter` is from 0 to 1 and
/// shifts the time by up to a tenth, so that what failed together does not come back together.
pub(crate) fn delay_ms(attempts: u32, jitter: f64) -> Option<i64> {
    let delay = DELAYS_MS.get(attempts as usize)?;
    Some((*delay as f64 * (0.9 + 0.2 * jitter)) as i64)
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

    /// The clock was set.
    pub(crate) fn shift(&mut self, by_ms: i64) {
        self.next_us = self.next_us.saturating_add(by_ms.saturating_mul(1_000));
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
    fn a_rate_is_kept_over_any_stretch() {
        let mut pace = Pace::new(Some(100));
        let sent = (1_000_000..1_010_000).filter(|now| pace.take(*now)).count();
        assert!((998..=1_003).contains(&sent), "{sent} in ten seconds");
        assert!((0..50).all(|_| Pace::new(None).take(5)), "without a limit");
    }
}
