//! Delays between attempts.

use fastrand::Rng;

/// Exponential back-off up to a maximum, with jitter that spreads the retries of many clients.
#[derive(Debug, Clone)]
pub struct Backoff {
    first_ms: i64,
    max_ms: i64,
    failures: u32,
}

impl Backoff {
    /// The first delay is at most `first_ms`, every later one at most `max_ms`.
    pub fn new(first_ms: i64, max_ms: i64) -> Self {
        Self { first_ms, max_ms, failures: 0 }
    }

    /// Records a failure and returns the delay in milliseconds: between half of the doubled delay and all of
    /// it.
    pub fn fail(&mut self, rng: &mut Rng) -> i64 {
        let doubled = self.first_ms.saturating_mul(1 << self.failures.min(30)).min(self.max_ms);
        self.failures = self.failures.saturating_add(1);
        rng.i64(doubled / 2..=doubled)
    }

    /// Records a success: the next failure starts at `first_ms` again.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum_and_restart_after_a_success() {
        let (mut backoff, mut rng) = (Backoff::new(1_000, 60_000), Rng::with_seed(1));
        let limits = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000];
        for limit in limits {
            let wait = backoff.fail(&mut rng);
            assert!((limit / 2..=limit).contains(&wait), "{wait} of {limit}");
        }
        backoff.succeed();
        assert!(backoff.fail(&mut rng) <= 1_000);
    }

    #[test]
    fn any_number_of_failures_is_counted_without_overflow() {
        let (mut backoff, mut rng) = (Backoff::new(i64::MAX / 2, i64::MAX - 1), Rng::with_seed(1));
        assert!((0..100).all(|_| backoff.fail(&mut rng) > 0));
    }
}
