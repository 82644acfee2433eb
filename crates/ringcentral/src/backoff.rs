//! How long to wait before the next attempt.

use fastrand::Rng;

/// Doubles from attempt to attempt, up to a limit; a random part keeps many clients apart.
#[derive(Debug, Clone)]
pub struct Backoff {
    first_ms: i64,
    longest_ms: i64,
    failures: u32,
}

impl Backoff {
    /// Waits about `first_ms` after the first failure, and never longer than `longest_ms`.
    pub fn new(first_ms: i64, longest_ms: i64) -> Self {
        Self { first_ms, longest_ms, failures: 0 }
    }

    /// Takes note of a failure; how long to wait now, in milliseconds: between half of the doubled time and all of it.
    pub fn fail(&mut self, rng: &mut Rng) -> i64 {
        let doubled = self.first_ms.saturating_mul(1 << self.failures.min(30)).min(self.longest_ms);
        self.failures = self.failures.saturating_add(1);
        rng.i64(doubled / 2..=doubled)
    }

    /// Takes note of a success.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_its_limit_and_begins_anew_after_a_success() {
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
    fn any_number_of_failures_is_endured() {
        let (mut backoff, mut rng) = (Backoff::new(i64::MAX / 2, i64::MAX - 1), Rng::with_seed(1));
        assert!((0..100).all(|_| backoff.fail(&mut rng) > 0));
    }
}
