//! Compares the service's clock with RingCentral's and with those of webhook receivers, by the `Date` of their answers.
//!
//! RingCentral's clock is sufficient, and while it is known, receivers are ignored. Of the receivers a majority has to
//! agree, at least three in different domains, so that one wrong clock never raises an alarm. The number of remembered
//! answers is limited.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{family::Family, gauge::Gauge},
};
use wholecall_render::humanize;
use wholecall_store::TenantId;

use super::MonotonicStamp;

/// Maximum difference that raises no alarm.
const ALARM_ABOVE_MS: i64 = 60_000;
/// Maximum difference that ends an alarm. It is lower, so that an alarm does not start and end with each answer: a `Date`
/// has no fractions of a second.
const ALARM_ENDS_AT_MS: i64 = 55_000;

/// Maximum difference from the median of receivers that agree.
const MAX_AGREEING_DIFFERENCE_MS: i64 = 30_000;

/// Minimum number of receivers that have to agree.
const MIN_RECEIVERS: usize = 3;

/// Maximum age of an answer that is used.
const MAX_ANSWER_AGE: Duration = Duration::from_secs(3_600);

/// Minimum interval between equal answers of one source that are evaluated.
const MIN_EQUAL_INTERVAL: Duration = Duration::from_secs(5);
/// Maximum difference of answers that are considered equal.
const MAX_EQUAL_DIFFERENCE_MS: i64 = 2_000;

/// Maximum number of receivers of one tenant that are remembered.
const MAX_RECEIVERS_PER_TENANT: usize = 8;
/// Maximum number of sources that are remembered.
const MAX_SOURCES: usize = 256;

/// The clocks that the service's clock is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum ReferenceClock {
    RingCentral,
    Receivers,
}

impl ReferenceClock {
    /// The name in the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RingCentral => "ringcentral",
            Self::Receivers => "receivers",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ComparedWith {
    source: ReferenceClock,
}

/// By how many seconds the service's clock is ahead of each reference clock.
pub(crate) type Offsets = Family<ComparedWith, Gauge<f64, AtomicU64>>;

/// The result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ComparisonResult {
    /// By how much the service's clock is ahead.
    pub(crate) offset_ms: i64,
    pub(crate) with: ReferenceClock,
    /// Whether the difference raises an alarm.
    pub(crate) is_alarm: bool,
}

impl ComparisonResult {
    /// The problem and its solution; `None` if there is no alarm.
    pub(crate) fn problem(&self) -> Option<String> {
        let direction = if self.offset_ms > 0 { "ahead of" } else { "behind" };
        let whose = match self.with {
            ReferenceClock::RingCentral => "RingCentral's",
            ReferenceClock::Receivers => "the clocks of webhook receivers",
        };
        let length = humanize::duration(self.offset_ms.abs());
        self.is_alarm.then(|| {
            format!(
                "this machine's clock is {length} {direction} {whose}: set it, and synchronize it with NTP \
                 (`timedatectl set-ntp true`; a virtual machine may have to use its host's clock). Until then times \
                 of arrival are wrong, and receivers may refuse webhooks for their timestamp"
            )
        })
    }
}

/// The source of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Source {
    RingCentral(String),
    Receiver(TenantId, String),
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    /// By how much the service's clock was ahead.
    offset_ms: i64,
    at: MonotonicStamp,
}

/// The answers of other clocks, and the result of their comparison.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    state: Mutex<State>,
    pub(crate) offsets: Offsets,
}

#[derive(Debug, Default)]
struct State {
    answers: HashMap<Source, Answer>,
    last: Option<ComparisonResult>,
}

impl Comparison {
    /// Records an answer of RingCentral, whose clock is ahead of ours by `ahead_ms`.
    pub(crate) fn ringcentral(&self, server: &str, ahead_ms: i64) {
        self.answered(
            Source::RingCentral(server.to_owned()),
            ahead_ms.saturating_neg(),
            MonotonicStamp::now(),
        );
    }

    /// Records an answer of a tenant's receiver, whose clock is ahead of ours by `ahead_ms`.
    pub(crate) fn receiver(&self, tenant: TenantId, host: &str, ahead_ms: i64) {
        self.answered(
            Source::Receiver(tenant, domain(host)),
            ahead_ms.saturating_neg(),
            MonotonicStamp::now(),
        );
    }

    /// The last comparison; `None` before the first one.
    pub(crate) fn last(&self) -> Option<ComparisonResult> {
        self.state().last
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, source: Source, offset_ms: i64, at: MonotonicStamp) {
        let mut state = self.state();
        let counts = |answer: &Answer| answer.at.counts_at(at);
        let is_same = |last: &Answer| {
            let is_soon = at.elapsed.saturating_sub(last.at.elapsed) < MIN_EQUAL_INTERVAL;
            counts(last) && is_soon && (last.offset_ms - offset_ms).abs() <= MAX_EQUAL_DIFFERENCE_MS
        };
        if state.answers.get(&source).is_some_and(is_same) {
            return;
        }
        // Answers before the clock was set no longer count.
        state.answers.retain(|_, answer| counts(answer));
        state.make_room(&source);
        state.answers.insert(source, Answer { offset_ms, at });
        let was_alarm = state.last.is_some_and(|last| last.is_alarm);
        let [ringcentral, receivers] = [state.ringcentral(), state.receivers()];
        for (source, offset_ms) in
            [(ReferenceClock::RingCentral, ringcentral), (ReferenceClock::Receivers, receivers)]
        {
            if let Some(offset_ms) = offset_ms {
                self.offsets.get_or_create(&ComparedWith { source }).set(offset_ms as f64 / 1_000.0);
            }
        }
        let ringcentral = ringcentral.map(|offset_ms| (offset_ms, ReferenceClock::RingCentral));
        let decisive =
            ringcentral.or_else(|| receivers.map(|offset_ms| (offset_ms, ReferenceClock::Receivers)));
        // Without evidence an alarm continues.
        let Some((offset_ms, with)) = decisive else { return };
        let limit_ms = if was_alarm { ALARM_ENDS_AT_MS } else { ALARM_ABOVE_MS };
        let compared = ComparisonResult { offset_ms, with, is_alarm: offset_ms.abs() > limit_ms };
        state.last = Some(compared);
        drop(state);
        match (was_alarm, compared.problem()) {
            (false, Some(problem)) => tracing::error!(offset_ms, "{problem}"),
            (true, None) => tracing::warn!(offset_ms, "the clock is correct again"),
            _ => {}
        }
    }
}

impl State {
    /// Removes the oldest answer if the maximum is reached.
    fn make_room(&mut self, new: &Source) {
        if self.answers.contains_key(new) {
            return;
        }
        if let Source::Receiver(tenant, _) = new {
            self.forget_oldest(
                |source| matches!(source, Source::Receiver(of, _) if of == tenant),
                MAX_RECEIVERS_PER_TENANT,
            );
        }
        self.forget_oldest(|_| true, MAX_SOURCES);
    }

    fn forget_oldest(&mut self, is_candidate: impl Fn(&Source) -> bool, limit: usize) {
        let candidates = self.answers.iter().filter(|(source, _)| is_candidate(source));
        if candidates.clone().count() < limit {
            return;
        }
        let oldest = candidates.min_by_key(|(_, answer)| answer.at.elapsed).map(|(source, _)| source.clone());
        oldest.map(|oldest| self.answers.remove(&oldest));
    }

    fn ringcentral(&self) -> Option<i64> {
        let of_ringcentral =
            self.answers.iter().filter(|(source, _)| matches!(source, Source::RingCentral(_)));
        median(of_ringcentral.map(|(_, answer)| answer.offset_ms).collect())
    }

    /// The difference that a majority of receivers agrees on; `None` without a majority. Receivers of one domain count as
    /// one, also those of several tenants; their last answer is used.
    fn receivers(&self) -> Option<i64> {
        let mut domains: HashMap<&str, Answer> = HashMap::new();
        for (source, answer) in &self.answers {
            let Source::Receiver(_, domain) = source else { continue };
            let last = domains.entry(domain).or_insert(*answer);
            if last.at.elapsed < answer.at.elapsed {
                *last = *answer;
            }
        }
        let offsets: Vec<i64> = domains.values().map(|answer| answer.offset_ms).collect();
        let middle = median(offsets.clone())?;
        let agreeing =
            offsets.iter().filter(|offset| (*offset - middle).abs() <= MAX_AGREEING_DIFFERENCE_MS).count();
        (agreeing >= MIN_RECEIVERS && 2 * agreeing > offsets.len()).then_some(middle)
    }
}

/// The median; of two middle values the one nearer to zero.
fn median(mut offsets: Vec<i64>) -> Option<i64> {
    offsets.sort_unstable();
    let (low, high) = (offsets.get(offsets.len().saturating_sub(1) / 2)?, offsets.get(offsets.len() / 2)?);
    Some(if low.abs() <= high.abs() { *low } else { *high })
}

/// The domain of a host: the last two labels of a name, whose hosts probably share an owner and a clock, or the address.
fn domain(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase();
    if host.parse::<std::net::IpAddr>().is_ok() {
        return host;
    }
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at + 1);
    let start = dots.nth(1).unwrap_or(0);
    host[start..].to_owned()
}

impl MonotonicStamp {
    /// Whether an answer at this time still counts at a later one.
    fn counts_at(self, later: Self) -> bool {
        self.times_set == later.times_set && later.elapsed.saturating_sub(self.elapsed) <= MAX_ANSWER_AGE
    }
}

#[cfg(test)]
mod tests;
