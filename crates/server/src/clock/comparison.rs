//! The service's clock compared with other clocks: with RingCentral's, and with those of whoever receives webhooks, by the
//! `Date` of their answers.
//!
//! RingCentral's clock counts by itself, and while it is known no other does. Of receivers a majority has to agree, and
//! at least three at different places: one whose clock is wrong never raises an alarm. What is remembered is bounded.

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

use super::Moment;

/// A larger difference raises an alarm, a smaller one than the other ends it: a `Date` has no fractions of a second.
const ALARM_ABOVE_MS: i64 = 60_000;
const ALARM_ENDS_AT_MS: i64 = 55_000;

/// Receivers agree if their clocks differ from the median by this at most.
const AGREEING_WITHIN_MS: i64 = 30_000;

/// So many have to agree.
const MIN_RECEIVERS: usize = 3;

/// An answer counts for this long.
const COUNTS_FOR: Duration = Duration::from_secs(3_600);

/// The same answer of the same source is looked at again after this at the earliest.
const SAME_EVERY: Duration = Duration::from_secs(5);
const SAME_WITHIN_MS: i64 = 2_000;

/// So many receivers of one tenant are remembered, and so many of any kind in all.
const MAX_OF_A_TENANT: usize = 8;
const MAX_SOURCES: usize = 256;

/// Whose clock the service's was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Others {
    RingCentral,
    Receivers,
}

impl Others {
    /// As the API names it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RingCentral => "ringcentral",
            Self::Receivers => "receivers",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ComparedWith {
    source: Others,
}

/// By how many seconds the service's clock is ahead, by whom it was compared with.
pub(crate) type Offsets = Family<ComparedWith, Gauge<f64, AtomicU64>>;

/// The result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compared {
    /// By how much the service's clock is ahead.
    pub(crate) offset_ms: i64,
    pub(crate) with: Others,
    /// Whether the difference is a reason for an alarm.
    pub(crate) is_alarm: bool,
}

impl Compared {
    /// What is wrong, and what to do; nothing if nothing is.
    pub(crate) fn problem(&self) -> Option<String> {
        let direction = if self.offset_ms > 0 { "ahead of" } else { "behind" };
        let whose = match self.with {
            Others::RingCentral => "RingCentral's",
            Others::Receivers => "the clocks of those who receive webhooks",
        };
        let length = humanize::duration(self.offset_ms.abs());
        self.is_alarm.then(|| {
            format!(
                "this machine's clock is {length} {direction} {whose}: set it, and keep it right with NTP \
                 (`timedatectl set-ntp true`; a virtual machine may have to take its host's time). Until then times \
                 of arrival are wrong, and receivers may refuse webhooks as too old or not yet sent"
            )
        })
    }
}

/// Where an answer came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Source {
    RingCentral(String),
    Receiver(TenantId, String),
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    /// By how much the service's clock was ahead then.
    offset_ms: i64,
    at: Moment,
}

/// What was heard of other clocks, and what follows.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    state: Mutex<State>,
    pub(crate) offsets: Offsets,
}

#[derive(Debug, Default)]
struct State {
    answers: HashMap<Source, Answer>,
    last: Option<Compared>,
}

impl Comparison {
    /// RingCentral answered, whose clock is ahead of ours by so much.
    pub(crate) fn ringcentral(&self, server: &str, ahead_ms: i64) {
        self.answered(Source::RingCentral(server.to_owned()), ahead_ms.saturating_neg(), Moment::now());
    }

    /// A tenant's receiver answered, whose clock is ahead of ours by so much.
    pub(crate) fn receiver(&self, tenant: TenantId, host: &str, ahead_ms: i64) {
        self.answered(Source::Receiver(tenant, place(host)), ahead_ms.saturating_neg(), Moment::now());
    }

    /// The last comparison; none before there was one.
    pub(crate) fn last(&self) -> Option<Compared> {
        self.state().last
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, source: Source, offset_ms: i64, at: Moment) {
        let mut state = self.state();
        let counts = |answer: &Answer| answer.at.counts_at(at);
        let is_same = |last: &Answer| {
            let is_soon = at.elapsed.saturating_sub(last.at.elapsed) < SAME_EVERY;
            counts(last) && is_soon && (last.offset_ms - offset_ms).abs() <= SAME_WITHIN_MS
        };
        if state.answers.get(&source).is_some_and(is_same) {
            return;
        }
        // Whoever set the clock has made what was compared before meaningless.
        state.answers.retain(|_, answer| counts(answer));
        state.make_room(&source);
        state.answers.insert(source, Answer { offset_ms, at });
        let was_alarm = state.last.is_some_and(|last| last.is_alarm);
        let [ringcentral, receivers] = [state.ringcentral(), state.receivers()];
        for (source, offset_ms) in [(Others::RingCentral, ringcentral), (Others::Receivers, receivers)] {
            if let Some(offset_ms) = offset_ms {
                self.offsets.get_or_create(&ComparedWith { source }).set(offset_ms as f64 / 1_000.0);
            }
        }
        let ringcentral = ringcentral.map(|offset_ms| (offset_ms, Others::RingCentral));
        let decisive = ringcentral.or_else(|| receivers.map(|offset_ms| (offset_ms, Others::Receivers)));
        // Without anything to go by an alarm goes on: silence does not set a clock right.
        let Some((offset_ms, with)) = decisive else { return };
        let limit_ms = if was_alarm { ALARM_ENDS_AT_MS } else { ALARM_ABOVE_MS };
        let compared = Compared { offset_ms, with, is_alarm: offset_ms.abs() > limit_ms };
        state.last = Some(compared);
        drop(state);
        match (was_alarm, compared.problem()) {
            (false, Some(problem)) => tracing::error!(offset_ms, "{problem}"),
            (true, None) => tracing::warn!(offset_ms, "the clock is right again"),
            _ => {}
        }
    }
}

impl State {
    /// Forgets the oldest answer where there are too many.
    fn make_room(&mut self, new: &Source) {
        if self.answers.contains_key(new) {
            return;
        }
        if let Source::Receiver(tenant, _) = new {
            self.forget_oldest(
                |source| matches!(source, Source::Receiver(of, _) if of == tenant),
                MAX_OF_A_TENANT,
            );
        }
        self.forget_oldest(|_| true, MAX_SOURCES);
    }

    fn forget_oldest(&mut self, is_meant: impl Fn(&Source) -> bool, limit: usize) {
        let meant = self.answers.iter().filter(|(source, _)| is_meant(source));
        if meant.clone().count() < limit {
            return;
        }
        let oldest = meant.min_by_key(|(_, answer)| answer.at.elapsed).map(|(source, _)| source.clone());
        oldest.map(|oldest| self.answers.remove(&oldest));
    }

    fn ringcentral(&self) -> Option<i64> {
        let of_ringcentral =
            self.answers.iter().filter(|(source, _)| matches!(source, Source::RingCentral(_)));
        median(of_ringcentral.map(|(_, answer)| answer.offset_ms).collect())
    }

    /// What a majority of receivers agrees on. Who is at one place is one, whichever tenants post there: the last answer
    /// of it counts.
    fn receivers(&self) -> Option<i64> {
        let mut places: HashMap<&str, Answer> = HashMap::new();
        for (source, answer) in &self.answers {
            let Source::Receiver(_, place) = source else { continue };
            let last = places.entry(place).or_insert(*answer);
            if last.at.elapsed < answer.at.elapsed {
                *last = *answer;
            }
        }
        let offsets: Vec<i64> = places.values().map(|answer| answer.offset_ms).collect();
        let middle = median(offsets.clone())?;
        let agreeing = offsets.iter().filter(|offset| (*offset - middle).abs() <= AGREEING_WITHIN_MS).count();
        (agreeing >= MIN_RECEIVERS && 2 * agreeing > offsets.len()).then_some(middle)
    }
}

/// The one in the middle; of two, the one nearer to zero.
fn median(mut offsets: Vec<i64>) -> Option<i64> {
    offsets.sort_unstable();
    let (low, high) = (offsets.get(offsets.len().saturating_sub(1) / 2)?, offsets.get(offsets.len() / 2)?);
    Some(if low.abs() <= high.abs() { *low } else { *high })
}

/// Who answers for a host: an address is a machine, and names that end alike are of one owner, with one clock perhaps.
fn place(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase();
    if host.parse::<std::net::IpAddr>().is_ok() {
        return host;
    }
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at + 1);
    let begins = dots.nth(1).unwrap_or(0);
    host[begins..].to_owned()
}

impl Moment {
    /// Whether what was compared at this moment says anything at a later one.
    fn counts_at(self, later: Self) -> bool {
        self.times_set == later.times_set && later.elapsed.saturating_sub(self.elapsed) <= COUNTS_FOR
    }
}

#[cfg(test)]
mod tests;
