//! How many requests may still be made: RingCentral's rate limits, kept from this side.
//!
//! RingCentral counts requests per minute, for each group and for each user of each app, and answers the first one
//! too many with a penalty of a minute that every further request begins anew. Whether its minute slides is not
//! documented, so ours does: what fits into every sliding minute fits into any.

use std::{collections::VecDeque, fmt};

/// How much a request weighs (RingCentral's guide to rate limits).
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
    /// All there are.
    const ALL: [Self; 4] = [Self::Light, Self::Medium, Self::Heavy, Self::Auth];

    /// What is allowed in a minute until an answer says otherwise.
    fn usual_limit(self) -> usize {
        match self {
            Self::Light => 50,
            Self::Medium => 40,
            Self::Heavy => 10,
            Self::Auth => 5,
        }
    }

    /// The group of this name, in any case.
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

const USUAL_WINDOW_MS: i64 = 60_000;

/// A request takes a moment to arrive, and the window begins there.
const MARGIN_MS: i64 = 1_000;

/// What is waited where a refusal does not say how long.
const USUAL_PENALTY_MS: i64 = 30_000;

/// What is waited at most, whatever was asked for.
const LONGEST_PENALTY_S: i64 = 3_600;
const LONGEST_PENALTY_MS: i64 = LONGEST_PENALTY_S * 1_000 + MARGIN_MS;

/// What an answer tells of the limits, by its headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// `X-Rate-Limit-Group`.
    pub(crate) group: Option<Group>,
    /// `X-Rate-Limit-Limit`.
    pub(crate) limit: Option<usize>,
    /// `X-Rate-Limit-Remaining`.
    pub(crate) remaining: Option<usize>,
    /// `X-Rate-Limit-Window`, in seconds.
    pub(crate) window_s: Option<i64>,
    /// Seconds to wait, of a refusal (status 429): what `Retry-After` says, if it is there.
    pub(crate) refused: Option<Option<i64>>,
}

/// What one user of one app may still ask.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    groups: [Bucket; 4],
}

#[derive(Debug, Default)]
struct Bucket {
    /// When the requests of the last window were made.
    made: VecDeque<i64>,
    limit: Option<usize>,
    window_ms: Option<i64>,
    /// Nothing before then.
    closed_until: i64,
}

impl Budget {
    /// Takes one request out of the budget; or when there is one again.
    pub(crate) fn take(&mut self, group: Group, now_ms: i64) -> Result<(), i64> {
        self.room(group, now_ms, 1)?;
        self.groups[group as usize].made.push_back(now_ms);
        Ok(())
    }

    /// Whether half of the budget is left; or when it is again. For what can wait: what cannot wait finds room then.
    pub(crate) fn is_half_left(&mut self, group: Group, now_ms: i64) -> Result<(), i64> {
        self.room(group, now_ms, 2)
    }

    /// Whether there is room in a half (2) or all (1) of the limit; or when there is.
    fn room(&mut self, group: Group, now_ms: i64, share: usize) -> Result<(), i64> {
        let bucket = &mut self.groups[group as usize];
        let window = bucket.window_ms.unwrap_or(USUAL_WINDOW_MS) + MARGIN_MS;
        // A clock that was set back must not close anything for longer than a window.
        bucket.made.retain(|made| (now_ms - window < *made) && *made <= now_ms);
        bucket.closed_until = bucket.closed_until.min(now_ms + LONGEST_PENALTY_MS);
        if now_ms < bucket.closed_until {
            return Err(bucket.closed_until);
        }
        let limit = (bucket.limit.unwrap_or(group.usual_limit()) / share).max(1);
        match bucket.made.len().checked_sub(limit) {
            None => Ok(()),
            Some(oldest) => Err(bucket.made.get(oldest).map_or(now_ms, |oldest| oldest + window)),
        }
    }

    /// Takes note of what an answer told; `asked` is the group the request was thought to be of. When a refusal
    /// lets one ask again.
    pub(crate) fn hear(&mut self, asked: Group, told: &Told, now_ms: i64) -> Option<i64> {
        let bucket = &mut self.groups[told.group.unwrap_or(asked) as usize];
        bucket.limit = told.limit.filter(|limit| *limit > 0).or(bucket.limit);
        let window =
            told.window_s.filter(|seconds| (1..=3_600).contains(seconds)).map(|seconds| seconds * 1_000);
        bucket.window_ms = window.or(bucket.window_ms);
        let window = bucket.window_ms.unwrap_or(USUAL_WINDOW_MS) + MARGIN_MS;
        if let Some(after_s) = told.refused {
            let wait = after_s
                .map_or(USUAL_PENALTY_MS, |seconds| seconds.clamp(1, LONGEST_PENALTY_S) * 1_000)
                + MARGIN_MS;
            bucket.closed_until = bucket.closed_until.max(now_ms + wait);
            return Some(bucket.closed_until);
        }
        // Others who are the same user of the same app use the budget too; only these headers tell.
        if told.remaining == Some(0) {
            bucket.closed_until = bucket.closed_until.max(now_ms + window);
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
        let made: Vec<i64> =
            (0..600_000).step_by(500).filter(|now| budget.take(Group::Heavy, *now).is_ok()).collect();
        assert!(made.windows(11).all(|eleven| eleven[10] - eleven[0] >= 60_000), "{made:?}");
        assert!(made.len() > 95, "the budget is used: {}", made.len());
    }

    #[test]
    fn who_comes_too_early_hears_when_to_come_again() {
        let mut budget = Budget::default();
        assert_eq!(taken(&mut budget, Group::Auth, 0..5), 5);
        assert_eq!(budget.take(Group::Auth, 10), Err(61_000));
        assert_eq!(budget.take(Group::Light, 10), Ok(()));
        assert_eq!(budget.take(Group::Auth, 61_000), Ok(()));
    }

    #[test]
    fn what_can_wait_leaves_half_to_what_cannot() {
        let mut budget = Budget::default();
        let made = (0..100).filter(|now| {
            budget.is_half_left(Group::Heavy, *now).is_ok() && budget.take(Group::Heavy, *now).is_ok()
        });
        assert_eq!(made.count(), 5);
        assert_eq!(budget.is_half_left(Group::Heavy, 100), Err(61_000));
        assert_eq!(taken(&mut budget, Group::Heavy, 100..200), 5);
        assert_eq!(budget.is_half_left(Group::Heavy, 61_000), Err(61_100), "others count too");
        assert_eq!(budget.is_half_left(Group::Medium, 100), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_closes_nothing_for_longer_than_the_longest_penalty() {
        const DAY: i64 = 86_400_000;
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..200 {
            let mut budget = Budget::default();
            let mut offset_ms = 90 * DAY;
            for second in 0..200_i64 {
                let now_ms = offset_ms + second * 1_000;
                if budget.take(Group::Heavy, now_ms).is_err_and(|until_ms| {
                    assert!(until_ms - now_ms <= LONGEST_PENALTY_MS, "{} ms", until_ms - now_ms);
                    rng.u32(0..10) == 0
                }) {
                    offset_ms += rng.i64(-30 * DAY..30 * DAY);
                }
                if rng.u32(0..50) == 0 {
                    let refused = Some(Some(rng.i64(1..100_000)));
                    budget.hear(
                        Group::Heavy,
                        &Told { refused, ..Told::default() },
                        offset_ms + second * 1_000,
                    );
                }
            }
        }
    }

    #[test]
    fn a_penalty_is_never_prolonged() {
        let mut budget = Budget::default();
        let refused = Told { refused: Some(Some(60)), ..Told::default() };
        assert_eq!(budget.take(Group::Heavy, 0), Ok(()));
        assert_eq!(budget.hear(Group::Heavy, &refused, 0), Some(61_000));
        assert!((1..61_000).step_by(777).all(|now| budget.take(Group::Heavy, now) == Err(61_000)));
        assert_eq!(budget.take(Group::Heavy, 61_000), Ok(()));
        assert_eq!(
            budget.hear(Group::Heavy, &Told { refused: Some(None), ..Told::default() }, 61_000),
            Some(92_000)
        );
    }

    #[test]
    fn what_others_used_is_learnt_from_the_headers() {
        let mut budget = Budget::default();
        let told = Told { limit: Some(20), remaining: Some(0), window_s: Some(30), ..Told::default() };
        assert_eq!(budget.take(Group::Light, 0), Ok(()));
        assert_eq!(budget.hear(Group::Light, &told, 0), None);
        assert_eq!(budget.take(Group::Light, 1), Err(31_000));
        assert_eq!(taken(&mut budget, Group::Light, 31_000..31_100), 20);
        let of_other_group = Told { group: Group::named("HEAVY"), ..told };
        budget.hear(Group::Light, &of_other_group, 40_000);
        assert_eq!(budget.take(Group::Heavy, 40_001), Err(71_000));
    }

    #[test]
    fn a_clock_that_is_set_back_closes_nothing_for_long() {
        let mut budget = Budget::default();
        assert_eq!(taken(&mut budget, Group::Heavy, 1_000_000..1_000_010), 10);
        assert_eq!(budget.take(Group::Heavy, 5_000), Ok(()));
    }
}
