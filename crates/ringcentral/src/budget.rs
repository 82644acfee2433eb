//! RingCentral's rate limits, observed by the client.
//!
//! RingCentral counts requests per minute, for each group and for each user of each app. The first request
//! beyond the limit is answered with a penalty of a minute, which every further request restarts. Whether
//! RingCentral's window slides is not documented, so ours does: what fits into every sliding minute fits into
//! any fixed one.

use std::{collections::VecDeque, fmt};

/// The group of a request in RingCentral's rate limits: each has a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Single subscriptions, sessions, extensions.
    Light,
    /// Creating, changing and deleting subscriptions; lists of extensions.
    Medium,
    /// Call logs, active calls, phone numbers.
    Heavy,
    /// Logins.
    Auth,
}

impl Group {
    /// All groups.
    const ALL: [Self; 4] = [Self::Light, Self::Medium, Self::Heavy, Self::Auth];

    /// Requests per minute, until the headers of an answer state another limit.
    fn default_limit(self) -> usize {
        match self {
            Self::Light => 50,
            Self::Medium => 40,
            Self::Heavy => 10,
            Self::Auth => 5,
        }
    }

    /// The group with this name, in any case; `None` if there is no such group.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.to_string().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Light => "light",
            Self::Medium => "medium",
            Self::Heavy => "heavy",
            Self::Auth => "auth",
        };
        f.write_str(name)
    }
}

const DEFAULT_WINDOW_MS: i64 = 60_000;

/// Added to the window, which starts when a request arrives at RingCentral: later than it was sent.
const WINDOW_MARGIN_MS: i64 = 1_000;

/// Delay after a refusal (status 429) that has no `Retry-After`.
const DEFAULT_PENALTY_MS: i64 = 30_000;

/// Maximum delay after a refusal, whatever its `Retry-After` says.
const MAX_PENALTY_S: i64 = 3_600;
const MAX_PENALTY_MS: i64 = MAX_PENALTY_S * 1_000 + WINDOW_MARGIN_MS;

/// What the headers of an answer say about the limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RateLimitHeaders {
    /// `X-Rate-Limit-Group`.
    pub(crate) group: Option<Group>,
    /// `X-Rate-Limit-Limit`.
    pub(crate) limit: Option<usize>,
    /// `X-Rate-Limit-Remaining`.
    pub(crate) remaining: Option<usize>,
    /// `X-Rate-Limit-Window`, in seconds.
    pub(crate) window_s: Option<i64>,
    /// Of a refusal (status 429): the seconds in its `Retry-After`, if it has one. `None` if the answer is
    /// not a refusal.
    pub(crate) retry_after_s: Option<Option<i64>>,
}

/// The requests that one user of one app may still send.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    groups: [Bucket; 4],
}

#[derive(Debug, Default)]
struct Bucket {
    /// When the requests of the last window were sent.
    sent_ms: VecDeque<i64>,
    limit: Option<usize>,
    window_ms: Option<i64>,
    /// No request is sent before this time.
    closed_until_ms: i64,
}

impl Budget {
    /// Takes one request out of the budget; `Err` has the time of the next free request.
    pub(crate) fn take(&mut self, group: Group, now_ms: i64) -> Result<(), i64> {
        self.check_share(group, now_ms, 1)?;
        self.groups[group as usize].sent_ms.push_back(now_ms);
        Ok(())
    }

    /// Checks that half of the budget is left; `Err` has the time when it is. For requests that can wait, so
    /// that those that cannot find budget.
    pub(crate) fn check_half(&mut self, group: Group, now_ms: i64) -> Result<(), i64> {
        self.check_share(group, now_ms, 2)
    }

    /// Checks that a request fits into all (`share` 1) or half (2) of the limit; `Err` has the time when it
    /// does.
    fn check_share(&mut self, group: Group, now_ms: i64, share: usize) -> Result<(), i64> {
        let bucket = &mut self.groups[group as usize];
        let window = bucket.window_ms.unwrap_or(DEFAULT_WINDOW_MS) + WINDOW_MARGIN_MS;
        // After the clock was set back, requests "of the future" must not block for longer than a window.
        bucket.sent_ms.retain(|sent_ms| (now_ms - window < *sent_ms) && *sent_ms <= now_ms);
        bucket.closed_until_ms = bucket.closed_until_ms.min(now_ms + MAX_PENALTY_MS);
        if now_ms < bucket.closed_until_ms {
            return Err(bucket.closed_until_ms);
        }
        let limit = (bucket.limit.unwrap_or(group.default_limit()) / share).max(1);
        match bucket.sent_ms.len().checked_sub(limit) {
            None => Ok(()),
            Some(oldest) => Err(bucket.sent_ms.get(oldest).map_or(now_ms, |oldest| oldest + window)),
        }
    }

    /// Applies the headers of an answer; `assumed` is the group that the request was counted in. Returns the
    /// time of the next allowed request if the answer is a refusal.
    pub(crate) fn apply(&mut self, assumed: Group, headers: &RateLimitHeaders, now_ms: i64) -> Option<i64> {
        let bucket = &mut self.groups[headers.group.unwrap_or(assumed) as usize];
        bucket.limit = headers.limit.filter(|limit| *limit > 0).or(bucket.limit);
        let window =
            headers.window_s.filter(|seconds| (1..=3_600).contains(seconds)).map(|seconds| seconds * 1_000);
        bucket.window_ms = window.or(bucket.window_ms);
        let window = bucket.window_ms.unwrap_or(DEFAULT_WINDOW_MS) + WINDOW_MARGIN_MS;
        if let Some(after_s) = headers.retry_after_s {
            let wait = after_s.map_or(DEFAULT_PENALTY_MS, |seconds| seconds.clamp(1, MAX_PENALTY_S) * 1_000)
                + WINDOW_MARGIN_MS;
            bucket.closed_until_ms = bucket.closed_until_ms.max(now_ms + wait);
            return Some(bucket.closed_until_ms);
        }
        // Other processes with the same user and app use the same limits; only these headers show it.
        if headers.remaining == Some(0) {
            bucket.closed_until_ms = bucket.closed_until_ms.max(now_ms + window);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budget: &mut Budget, group: Group, times: impl IntoIterator<Item = i64>) -> usize {
        times.into_iter().filter(|now| budget.take(group, *now).is_ok()).count()
    }

    #[test]
    fn no_sliding_minute_has_more_than_the_limit() {
        let mut budget = Budget::default();
        let sent_ms: Vec<i64> =
            (0..600_000).step_by(500).filter(|now| budget.take(Group::Heavy, *now).is_ok()).collect();
        assert!(sent_ms.windows(11).all(|eleven| eleven[10] - eleven[0] >= 60_000), "{sent_ms:?}");
        assert!(sent_ms.len() > 95, "the budget is used: {}", sent_ms.len());
    }

    #[test]
    fn a_request_beyond_the_limit_gets_the_time_of_the_next_free_one() {
        let mut budget = Budget::default();
        assert_eq!(taken(&mut budget, Group::Auth, 0..5), 5);
        assert_eq!(budget.take(Group::Auth, 10), Err(61_000));
        assert_eq!(budget.take(Group::Light, 10), Ok(()));
        assert_eq!(budget.take(Group::Auth, 61_000), Ok(()));
    }

    #[test]
    fn requests_that_can_wait_leave_half_to_those_that_cannot() {
        let mut budget = Budget::default();
        let sent_ms = (0..100).filter(|now| {
            budget.check_half(Group::Heavy, *now).is_ok() && budget.take(Group::Heavy, *now).is_ok()
        });
        assert_eq!(sent_ms.count(), 5);
        assert_eq!(budget.check_half(Group::Heavy, 100), Err(61_000));
        assert_eq!(taken(&mut budget, Group::Heavy, 100..200), 5);
        assert_eq!(budget.check_half(Group::Heavy, 61_000), Err(61_100), "others count too");
        assert_eq!(budget.check_half(Group::Medium, 100), Ok(()));
    }

    #[test]
    fn a_clock_that_was_set_back_blocks_for_the_maximum_penalty_at_most() {
        const DAY: i64 = 86_400_000;
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..200 {
            let mut budget = Budget::default();
            let mut offset_ms = 90 * DAY;
            for second in 0..200_i64 {
                let now_ms = offset_ms + second * 1_000;
                if budget.take(Group::Heavy, now_ms).is_err_and(|until_ms| {
                    assert!(until_ms - now_ms <= MAX_PENALTY_MS, "{} ms", until_ms - now_ms);
                    rng.u32(0..10) == 0
                }) {
                    offset_ms += rng.i64(-30 * DAY..30 * DAY);
                }
                if rng.u32(0..50) == 0 {
                    let retry_after_s = Some(Some(rng.i64(1..100_000)));
                    budget.apply(
                        Group::Heavy,
                        &RateLimitHeaders { retry_after_s, ..RateLimitHeaders::default() },
                        offset_ms + second * 1_000,
                    );
                }
            }
        }
    }

    #[test]
    fn a_penalty_is_never_prolonged() {
        let mut budget = Budget::default();
        let retry_after_s = RateLimitHeaders { retry_after_s: Some(Some(60)), ..RateLimitHeaders::default() };
        assert_eq!(budget.take(Group::Heavy, 0), Ok(()));
        assert_eq!(budget.apply(Group::Heavy, &retry_after_s, 0), Some(61_000));
        assert!((1..61_000).step_by(777).all(|now| budget.take(Group::Heavy, now) == Err(61_000)));
        assert_eq!(budget.take(Group::Heavy, 61_000), Ok(()));
        assert_eq!(
            budget.apply(
                Group::Heavy,
                &RateLimitHeaders { retry_after_s: Some(None), ..RateLimitHeaders::default() },
                61_000
            ),
            Some(92_000)
        );
    }

    #[test]
    fn what_other_processes_used_is_learned_from_the_headers() {
        let mut budget = Budget::default();
        let headers = RateLimitHeaders {
            limit: Some(20),
            remaining: Some(0),
            window_s: Some(30),
            ..RateLimitHeaders::default()
        };
        assert_eq!(budget.take(Group::Light, 0), Ok(()));
        assert_eq!(budget.apply(Group::Light, &headers, 0), None);
        assert_eq!(budget.take(Group::Light, 1), Err(31_000));
        assert_eq!(taken(&mut budget, Group::Light, 31_000..31_100), 20);
        let of_other_group = RateLimitHeaders { group: Group::named("HEAVY"), ..headers };
        budget.apply(Group::Light, &of_other_group, 40_000);
        assert_eq!(budget.take(Group::Heavy, 40_001), Err(71_000));
    }

    #[test]
    fn a_clock_that_was_set_back_blocks_for_one_window_at_most() {
        let mut budget = Budget::default();
        assert_eq!(taken(&mut budget, Group::Heavy, 1_000_000..1_000_010), 10);
        assert_eq!(budget.take(Group::Heavy, 5_000), Ok(()));
    }
}
