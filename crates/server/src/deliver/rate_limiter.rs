//! Limits the rate of requests to an endpoint. The caller supplies the time.

/// Credit that a late request may use, so that the interval between two polls does not lower the rate.
const MAX_CREDIT_US: i64 = 20_000;

/// Limits requests to a number per second, spread evenly.
#[derive(Debug, Clone)]
pub(super) struct RateLimiter {
    interval_us: i64,
    next_us: i64,
}

impl RateLimiter {
    /// `None` for no limit.
    pub(super) fn new(per_second: Option<u32>) -> Self {
        Self { interval_us: per_second.map_or(0, |rate| 1_000_000 / i64::from(rate.max(1))), next_us: 0 }
    }

    /// The earliest time of the next request.
    pub(super) fn free_at_ms(&self) -> i64 {
        self.next_us.div_euclid(1_000)
    }

    /// Follows a clock that was set by `by_ms`.
    pub(super) fn shift(&mut self, by_ms: i64) {
        self.next_us = self.next_us.saturating_add(by_ms.saturating_mul(1_000));
    }

    /// Counts a request if one is allowed now, and returns whether it is.
    pub(super) fn take(&mut self, now_ms: i64) -> bool {
        if self.free_at_ms() > now_ms {
            return false;
        }
        self.next_us = self.next_us.max(now_ms * 1_000 - MAX_CREDIT_US) + self.interval_us;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_not_exceeded_over_any_stretch() {
        let mut limiter = RateLimiter::new(Some(100));
        let sent = (1_000_000..1_010_000).filter(|now| limiter.take(*now)).count();
        assert!((998..=1_003).contains(&sent), "{sent} in ten seconds");
        assert!((0..50).all(|_| RateLimiter::new(None).take(5)), "without a limit");
    }
}
