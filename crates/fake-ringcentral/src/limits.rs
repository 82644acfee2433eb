//! Rate limits: so many requests of a group per window, for each user of each app; a penalty for more.

use std::collections::HashMap;

use wholecall_simulator::Millis;

use crate::reply::Reply;

/// How much a request weighs (RingCentral's guide to rate limits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Group {
    Light,
    Medium,
    Heavy,
    Auth,
}

impl Group {
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

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    since: Millis,
    used: u32,
    /// Until when everything is refused.
    penalty: Option<Millis>,
}

/// What everybody has used.
#[derive(Debug)]
pub(crate) struct Limits {
    /// How long a window and a penalty last.
    window: Millis,
    buckets: HashMap<(u64, Group), Bucket>,
    /// How many requests were refused that a client could have known to be too many.
    pub(crate) violations: u64,
    /// Until when everything is refused, whoever asks: others have used up what there is.
    pub(crate) storm_until: Millis,
}

impl Limits {
    pub(crate) fn new(window: Millis) -> Self {
        Self { window, buckets: HashMap::new(), violations: 0, storm_until: Millis::MIN }
    }

    /// Counts a request of a user. The headers it is answered with, or the refusal; a request during a penalty
    /// begins it anew.
    pub(crate) fn count(
        &mut self,
        user: u64,
        group: Group,
        now: Millis,
    ) -> Result<Vec<(&'static str, String)>, Reply> {
        let window = self.window;
        let bucket = self.buckets.entry((user, group)).or_default();
        if now - bucket.since >= window {
            bucket.since = now;
            bucket.used = 0;
        }
        let is_penalty = bucket.penalty.is_some_and(|until| now < until);
        let seconds = (window + 999) / 1000;
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
            bucket.penalty = Some(now + window);
            // The first refusal in a storm comes out of the blue.
            self.violations += u64::from(is_penalty || !is_storm);
            let mut refused =
                Reply::error(429, "CMN-301", "Request rate exceeded").with("retry-after", seconds);
            refused.headers.extend(headers(0));
            return Err(refused);
        }
        if bucket.penalty.take().is_some() {
            *bucket = Bucket { since: now, ..Bucket::default() };
        }
        bucket.used += 1;
        Ok(headers(group.limit() - bucket.used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_during_a_penalty_begins_it_anew() {
        let mut limits = Limits::new(60_000);
        let mut ask = |now| limits.count(7, Group::Heavy, now).is_ok();
        assert!((0..10).all(&mut ask));
        assert!(!ask(1_000));
        assert!(!ask(60_999));
        assert!(!ask(100_000));
        assert!(ask(160_000));
        assert_eq!(limits.violations, 3);
    }

    #[test]
    fn in_a_storm_only_who_goes_on_asking_is_to_blame() {
        let mut limits = Limits::new(60_000);
        limits.storm_until = 90_000;
        let mut ask = |now| limits.count(7, Group::Light, now).is_ok();
        assert!(!ask(1_000) && !ask(62_000) && ask(122_001));
        assert_eq!(limits.violations, 0);
        limits.storm_until = 200_000;
        assert!(
            limits.count(7, Group::Light, 130_000).is_err()
                && limits.count(7, Group::Light, 140_000).is_err()
        );
        assert_eq!(limits.violations, 1);
    }

    #[test]
    fn users_and_groups_have_budgets_of_their_own() {
        let mut limits = Limits::new(60_000);
        for user in [1, 2] {
            assert!((0..10).all(|now| limits.count(user, Group::Heavy, now).is_ok()));
            assert!(limits.count(user, Group::Light, 10).is_ok());
        }
        assert!((60_000..60_010).all(|now| limits.count(1, Group::Heavy, now).is_ok()));
    }
}
