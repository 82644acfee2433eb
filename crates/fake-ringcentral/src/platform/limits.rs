//! Rate limits: a number of requests per window, for each user and group, and a penalty beyond it.

use std::collections::HashMap;

use wholecall_simulator::Timestamp;

use super::reply::Reply;

/// The group of a request (RingCentral's guide to rate limits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Group {
    Light,
    Medium,
    Heavy,
    Auth,
}

impl Group {
    /// Maximum number of requests per window.
    fn limit(self) -> u32 {
        match self {
            Self::Light => 50,
            Self::Medium => 40,
            Self::Heavy => 10,
            Self::Auth => 5,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Medium => "medium",
            Self::Heavy => "heavy",
            Self::Auth => "auth",
        }
    }
}

/// The requests of one user in one group.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    window_start: Timestamp,
    used: u32,
    /// End of the penalty, during which every request is refused.
    penalty_until: Option<Timestamp>,
}

/// The requests of all users.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Length of a window and of a penalty.
    window_ms: i64,
    buckets: HashMap<(u64, Group), Bucket>,
    /// Number of refused requests that the client could have known to be too many.
    pub(crate) violations: u64,
    /// Until this time every request is refused, as if other clients had used up the limits.
    pub(crate) storm_until: Timestamp,
}

impl Limits {
    /// Limits with a length of windows and penalties.
    pub(crate) fn new(window_ms: i64) -> Self {
        Self { window_ms, buckets: HashMap::new(), violations: 0, storm_until: Timestamp::MIN }
    }

    /// Counts a request of a user; returns the headers of its answer, or the refusal. A request during a penalty
    /// restarts the penalty.
    pub(crate) fn count(
        &mut self,
        user: u64,
        group: Group,
        now: Timestamp,
    ) -> Result<Vec<(&'static str, String)>, Reply> {
        let window_ms = self.window_ms;
        let empty = Bucket { window_start: now, used: 0, penalty_until: None };
        let bucket = self.buckets.entry((user, group)).or_insert(empty);
        if now - bucket.window_start >= window_ms {
            bucket.window_start = now;
            bucket.used = 0;
        }
        let is_penalty = bucket.penalty_until.is_some_and(|until| now < until);
        let seconds = (window_ms + 999) / 1000;
        let headers = |remaining: u32| {
            vec![
                ("x-rate-limit-group", group.name().to_owned()),
                ("x-rate-limit-limit", group.limit().to_string()),
                ("x-rate-limit-remaining", remaining.to_string()),
                ("x-rate-limit-window", seconds.to_string()),
            ]
        };
        let is_storm = now < self.storm_until;
        if is_penalty || is_storm || bucket.used >= group.limit() {
            bucket.penalty_until = Some(now + window_ms);
            // A client cannot foresee the first refusal in a storm.
            self.violations += u64::from(is_penalty || !is_storm);
            let mut refused =
                Reply::error(429, "CMN-301", "Request rate exceeded").with("retry-after", seconds);
            refused.headers.extend(headers(0));
            return Err(refused);
        }
        if bucket.penalty_until.is_some() {
            *bucket = empty;
        }
        bucket.used += 1;
        Ok(headers(group.limit() - bucket.used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_request_during_a_penalty_restarts_it() {
        let mut limits = Limits::new(60_000);
        let mut ask = |now_ms| limits.count(7, Group::Heavy, at(now_ms)).is_ok();
        assert!((0..10).all(&mut ask));
        assert!(!ask(1_000));
        assert!(!ask(60_999));
        assert!(!ask(100_000));
        assert!(ask(160_000));
        assert_eq!(limits.violations, 3);
    }

    #[test]
    fn in_a_storm_only_repeated_requests_are_violations() {
        let mut limits = Limits::new(60_000);
        limits.storm_until = at(90_000);
        let mut ask = |now_ms| limits.count(7, Group::Light, at(now_ms)).is_ok();
        assert!(!ask(1_000) && !ask(62_000) && ask(122_001));
        assert_eq!(limits.violations, 0);
        limits.storm_until = at(200_000);
        assert!(
            limits.count(7, Group::Light, at(130_000)).is_err()
                && limits.count(7, Group::Light, at(140_000)).is_err()
        );
        assert_eq!(limits.violations, 1);
    }

    #[test]
    fn users_and_groups_have_separate_limits() {
        let mut limits = Limits::new(60_000);
        for user in [1, 2] {
            assert!((0..10).all(|now_ms| limits.count(user, Group::Heavy, at(now_ms)).is_ok()));
            assert!(limits.count(user, Group::Light, at(10)).is_ok());
        }
        assert!((60_000..60_010).all(|now_ms| limits.count(1, Group::Heavy, at(now_ms)).is_ok()));
    }
}
