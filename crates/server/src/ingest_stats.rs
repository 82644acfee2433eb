//! Statistics of incoming notifications for each tenant: since the service started, and over recent ones.

use std::{
    collections::{BTreeMap, VecDeque},
    hash::BuildHasher,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use hashbrown::{DefaultHashBuilder, HashMap, HashSet};
use wholecall_notification::Notification;
use wholecall_record::{Call, Time};
use wholecall_store::{StoreError, TenantId};

/// Maximum number of recent notifications from which delays are computed, and among which duplicates and wrong order are
/// detected.
const MAX_RECENT: usize = 20_000;

/// Interval over which the rate is counted.
const RATE_INTERVAL_MS: i64 = 60_000;

/// Maximum length of a shown reason, which may quote what was posted.
const MAX_REASON_CHARS: usize = 300;

/// Why a request to a hook was refused, or its body rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RefusalKind {
    /// Not a token of the tenant: answered 401.
    WrongToken,
    /// The body is longer than the maximum.
    TooLong,
    /// The body did not arrive in time.
    TooSlow,
    /// The body could not be decompressed.
    Packed,
    /// Not a notification, or not the tenant's.
    NotTaken,
}

impl RefusalKind {
    /// Its name on pages.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::WrongToken => "without the right token",
            Self::TooLong => "too large",
            Self::TooSlow => "too slow",
            Self::Packed => "not to be unpacked",
            Self::NotTaken => "not a notification of the tenant",
        }
    }

    /// Its name in the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::WrongToken => "wrongToken",
            Self::TooLong => "tooLarge",
            Self::TooSlow => "tooSlow",
            Self::Packed => "undecodable",
            Self::NotTaken => "notAccepted",
        }
    }
}

/// The refused requests of a kind: their number, and the last one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Refusals {
    pub(crate) count: u64,
    /// The time of the last one, milliseconds since 1970.
    pub(crate) last_ms: i64,
    /// The reason of the last one.
    pub(crate) last_reason: String,
}

/// The statistics of all tenants, and the state of assembling.
#[derive(Debug, Default)]
pub(crate) struct IngestStats {
    pub(crate) assembling: AssemblerState,
    tenants: Mutex<HashMap<TenantId, TenantCounters>>,
    hashes: DefaultHashBuilder,
}

/// The last step of the assembler: its time, and its error if it failed.
#[derive(Debug, Default)]
pub(crate) struct AssemblerState(Mutex<(Option<Instant>, Option<String>)>);

impl AssemblerState {
    pub(crate) fn record_step(&self, error: Option<&StoreError>) {
        let error = error.map(ToString::to_string);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (Some(Instant::now()), error);
    }

    /// Why nothing is assembled: the last step failed, or notifications wait and there was no step within an interval.
    /// `None` if assembling works.
    pub(crate) fn problem(&self, has_backlog: bool, max_interval: Duration) -> Option<String> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, error) = &*state;
        let is_stuck = || last.is_some_and(|last| last.elapsed() > max_interval);
        match error {
            Some(error) => Some(format!("nothing is assembled: {error}")),
            None if has_backlog && is_stuck() => {
                Some("nothing is assembled, though notifications wait".to_owned())
            }
            None => None,
        }
    }
}

/// The counters of a tenant.
#[derive(Debug, Default)]
struct TenantCounters {
    figures: IngestFigures,
    /// The arrival times of recent notifications, each with its delay.
    arrivals: VecDeque<(i64, i64)>,
    /// Hashes of the changes in recent notifications, in order of arrival, and the same as a set.
    change_order: VecDeque<u64>,
    changes: HashSet<u64>,
    /// The highest sequence number of each recent session, by the session's hash.
    highest: HashMap<u64, u32>,
}

/// The figures of a tenant, since the service started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IngestFigures {
    /// When the last notification arrived, milliseconds since 1970.
    pub(crate) last_ms: Option<i64>,
    pub(crate) notifications: u64,
    /// Notifications of a change that another had reported.
    pub(crate) duplicates: u64,
    /// Notifications that arrived after a later one of their session.
    pub(crate) disordered: u64,
    /// Calls that were closed.
    pub(crate) closed: u64,
    /// Of these, calls with missing notifications.
    pub(crate) with_gaps: u64,
    /// Records that contradicted themselves.
    pub(crate) contradictions: u64,
    /// Refused requests to the hook by kind, so that a frequent kind does not hide the last reason of a rare one.
    pub(crate) refusals: BTreeMap<RefusalKind, Refusals>,
    /// Notifications in the last minute.
    pub(crate) last_minute: u64,
    /// Percentiles of the delay between event and arrival.
    pub(crate) delay_median_ms: Option<i64>,
    pub(crate) delay_p99_ms: Option<i64>,
}

impl IngestStats {
    /// Counts a notification.
    pub(crate) fn count_arrival(&self, tenant: TenantId, arrived: Time, notification: &Notification<'_, '_>) {
        // The answer to a lookup has neither a delay nor a place in the sequence.
        let Some(sequence) = notification.sequence() else { return };
        let session = self.hashes.hash_one(notification.session_id());
        let parties: Vec<&str> = notification.body().parties.iter().map(|party| party.id()).collect();
        let change = self.hashes.hash_one((session, sequence, parties));
        let delay_ms = arrived.as_millis() - notification.event_time().as_millis();
        self.counters(tenant, |counters| {
            counters.count_arrival(arrived.as_millis(), delay_ms, change, (session, sequence));
        });
    }

    /// Counts a call that was closed.
    pub(crate) fn count_closed(&self, tenant: TenantId, call: &Call) {
        self.counters(tenant, |counters| {
            counters.figures.closed += 1;
            counters.figures.with_gaps += u64::from(!call.completeness.missing_sequences.is_empty());
        });
    }

    /// Counts records that contradicted themselves.
    pub(crate) fn count_contradictions(&self, tenant: TenantId, records: u64) {
        self.counters(tenant, |counters| counters.figures.contradictions += records);
    }

    /// Counts a request to a tenant's hook that was refused or rejected.
    pub(crate) fn count_refusal(&self, tenant: TenantId, kind: RefusalKind, now_ms: i64, reason: &str) {
        self.counters(tenant, |counters| {
            let refusals = counters.figures.refusals.entry(kind).or_default();
            refusals.count += 1;
            refusals.last_ms = now_ms;
            refusals.last_reason = reason.chars().take(MAX_REASON_CHARS).collect();
        });
    }

    fn counters(&self, tenant: TenantId, update: impl FnOnce(&mut TenantCounters)) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        update(tenants.entry(tenant).or_default());
    }

    /// A tenant's figures at a time.
    pub(crate) fn figures(&self, tenant: TenantId, now: Time) -> IngestFigures {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(counters) = tenants.get(&tenant) else { return IngestFigures::default() };
        let since = now.as_millis() - RATE_INTERVAL_MS;
        let last_minute = counters.arrivals.iter().rev().take_while(|(arrived, _)| *arrived > since).count();
        let mut delays: Vec<i64> = counters.arrivals.iter().map(|(_, delay)| *delay).collect();
        delays.sort_unstable();
        let rank = |percent: usize| delays.get((delays.len() * percent).div_ceil(100).max(1) - 1).copied();
        IngestFigures {
            last_minute: last_minute as u64,
            delay_median_ms: rank(50),
            delay_p99_ms: rank(99),
            ..counters.figures.clone()
        }
    }
}

impl TenantCounters {
    fn count_arrival(
        &mut self,
        arrived_ms: i64,
        delay_ms: i64,
        change: u64,
        (session, sequence): (u64, u32),
    ) {
        let figures = &mut self.figures;
        figures.notifications += 1;
        figures.last_ms = Some(arrived_ms);
        self.arrivals.push_back((arrived_ms, delay_ms));
        if self.arrivals.len() > MAX_RECENT {
            self.arrivals.pop_front();
        }
        if !self.changes.insert(change) {
            figures.duplicates += 1;
            return;
        }
        self.change_order.push_back(change);
        if self.change_order.len() > MAX_RECENT
            && let Some(oldest) = self.change_order.pop_front()
        {
            self.changes.remove(&oldest);
        }
        if self.highest.len() > MAX_RECENT {
            self.highest.clear();
        }
        let highest = self.highest.entry(session).or_insert(sequence);
        figures.disordered += u64::from(sequence < *highest);
        *highest = sequence.max(*highest);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn duplicates_wrong_order_and_delays_are_counted() {
        let mut counters = TenantCounters::default();
        for (index, sequence) in [2, 3, 5, 4, 4].into_iter().enumerate() {
            let arrived_ms = 1_000 * index as i64;
            counters.count_arrival(arrived_ms, 100 * index as i64, u64::from(sequence), (7, sequence));
        }
        let IngestFigures { notifications, duplicates, disordered, last_ms, .. } = counters.figures.clone();
        assert_eq!((notifications, duplicates, disordered, last_ms), (5, 1, 1, Some(4_000)));
        let stats = IngestStats::default();
        let store = tempfile::tempdir().unwrap();
        let store = wholecall_store::Store::open(store.path()).unwrap();
        crate::admin::add_tenant(&store, "acme", &["1".to_owned()], None).unwrap();
        let tenant = store.tenants().unwrap()[0].id;
        stats.tenants.lock().unwrap().insert(tenant, counters);
        let figures = stats.figures(tenant, Time::from_millis(61_500));
        assert_eq!(
            (figures.last_minute, figures.delay_median_ms, figures.delay_p99_ms),
            (3, Some(200), Some(400))
        );
    }
}
