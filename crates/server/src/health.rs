//! How well notifications come in, for each tenant: since the service began, and over the last ones.

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

/// Delays are told of so many notifications, and doubles and disorder are noticed among so many.
const REMEMBERED: usize = 20_000;

/// The rate is that of the last so many milliseconds.
const RATE_OVER_MS: i64 = 60_000;

/// A reason is shown up to this length: it may repeat what was posted.
const MAX_REASON_CHARS: usize = 300;

/// Why requests to a hook were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RefusalKind {
    /// Not a token of the tenant: answered 401.
    WrongToken,
    /// More than a body may have.
    TooLong,
    /// Not all of it came in time.
    TooSlow,
    /// Packed in a way that could not be undone.
    Packed,
    /// Not a notification, or not the tenant's.
    NotTaken,
}

impl RefusalKind {
    /// As pages name it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::WrongToken => "without the right token",
            Self::TooLong => "too large",
            Self::TooSlow => "too slow",
            Self::Packed => "not to be unpacked",
            Self::NotTaken => "not a notification of the tenant",
        }
    }

    /// As the API names it.
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

/// The refusals of a kind: how many there were, and the last of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Refusals {
    pub(crate) count: u64,
    /// When the last was, milliseconds since 1970.
    pub(crate) last_ms: i64,
    /// Why the last was.
    pub(crate) last_reason: String,
}

/// What was noticed, by tenant.
#[derive(Debug, Default)]
pub(crate) struct Health {
    pub(crate) assembling: Assembling,
    of: Mutex<HashMap<TenantId, Noticed>>,
    hashes: DefaultHashBuilder,
}

/// How the one who assembles does.
#[derive(Debug, Default)]
pub(crate) struct Assembling(Mutex<(Option<Instant>, Option<String>)>);

impl Assembling {
    /// A step was made, or failed.
    pub(crate) fn step(&self, failed: Option<&StoreError>) {
        let failed = failed.map(ToString::to_string);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (Some(Instant::now()), failed);
    }

    /// Why nothing is assembled, where something waits to be; nothing if it is.
    pub(crate) fn problem(&self, waits: bool, patience: Duration) -> Option<String> {
        let of = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, failed) = &*of;
        let stands_still = || last.is_some_and(|last| last.elapsed() > patience);
        match failed {
            Some(failed) => Some(format!("nothing is assembled: {failed}")),
            None if waits && stands_still() => {
                Some("nothing is assembled, though something waits".to_owned())
            }
            None => None,
        }
    }
}

/// What was noticed of one tenant's notifications.
#[derive(Debug, Default)]
struct Noticed {
    figures: Figures,
    /// When the last ones arrived, and how long after what they tell of.
    arrivals: VecDeque<(i64, i64)>,
    /// The changes told by the last ones, hashed, in the order in which they came.
    order: VecDeque<u64>,
    told: HashSet<u64>,
    /// The highest sequence of each of the last sessions, by its hash.
    highest: HashMap<u64, u32>,
}

/// The figures of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// When the last notification arrived, milliseconds since 1970.
    pub(crate) last_ms: Option<i64>,
    /// Since the service began.
    pub(crate) notifications: u64,
    /// That told what another had told.
    pub(crate) duplicates: u64,
    /// That came after a later one of their session.
    pub(crate) disordered: u64,
    /// Calls that were closed.
    pub(crate) closed: u64,
    /// Of these, with gaps in what is known of them.
    pub(crate) with_gaps: u64,
    /// Records that contradicted themselves and were published with what remained true.
    pub(crate) contradictions: u64,
    /// Requests to the hook that were not taken. Each kind has its last reason: many of one kind hide none of another.
    pub(crate) refusals: BTreeMap<RefusalKind, Refusals>,
    /// In the last minute.
    pub(crate) last_minute: u64,
    /// Between event and arrival, in milliseconds: of 50 and of 99 in a hundred at most so much.
    pub(crate) delay_median_ms: Option<i64>,
    pub(crate) delay_p99_ms: Option<i64>,
}

impl Health {
    /// A notification has arrived.
    pub(crate) fn arrived(&self, tenant: TenantId, arrived: Time, notification: &Notification<'_, '_>) {
        // What RingCentral answered when it was asked has neither a delay nor a place.
        let Some(sequence) = notification.sequence() else { return };
        let session = self.hashes.hash_one(notification.session_id());
        let parties: Vec<&str> = notification.body().parties.iter().map(|party| party.id()).collect();
        let change = self.hashes.hash_one((session, sequence, parties));
        let delay_ms = arrived.as_millis() - notification.event_time().as_millis();
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        of.entry(tenant).or_default().arrived(arrived.as_millis(), delay_ms, change, (session, sequence));
    }

    /// A call was closed.
    pub(crate) fn closed(&self, tenant: TenantId, call: &Call) {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = &mut of.entry(tenant).or_default().figures;
        figures.closed += 1;
        figures.with_gaps += u64::from(!call.completeness.missing_sequences.is_empty());
    }

    /// Records contradicted themselves.
    pub(crate) fn contradicted(&self, tenant: TenantId, records: u64) {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        of.entry(tenant).or_default().figures.contradictions += records;
    }

    /// A request to a tenant's hook was not taken.
    pub(crate) fn refused(&self, tenant: TenantId, kind: RefusalKind, now_ms: i64, reason: &str) {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let refusals = of.entry(tenant).or_default().figures.refusals.entry(kind).or_default();
        refusals.count += 1;
        refusals.last_ms = now_ms;
        refusals.last_reason = reason.chars().take(MAX_REASON_CHARS).collect();
    }

    /// A tenant's figures at a time.
    pub(crate) fn figures(&self, tenant: TenantId, now: Time) -> Figures {
        let of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(noticed) = of.get(&tenant) else { return Figures::default() };
        let since = now.as_millis() - RATE_OVER_MS;
        let last_minute = noticed.arrivals.iter().rev().take_while(|(arrived, _)| *arrived > since).count();
        let mut delays: Vec<i64> = noticed.arrivals.iter().map(|(_, delay)| *delay).collect();
        delays.sort_unstable();
        let rank = |percent: usize| delays.get((delays.len() * percent).div_ceil(100).max(1) - 1).copied();
        Figures {
            last_minute: last_minute as u64,
            delay_median_ms: rank(50),
            delay_p99_ms: rank(99),
            ..noticed.figures.clone()
        }
    }
}

impl Noticed {
    fn arrived(&mut self, arrived_ms: i64, delay_ms: i64, change: u64, (session, sequence): (u64, u32)) {
        let figures = &mut self.figures;
        figures.notifications += 1;
        figures.last_ms = Some(arrived_ms);
        self.arrivals.push_back((arrived_ms, delay_ms));
        if self.arrivals.len() > REMEMBERED {
            self.arrivals.pop_front();
        }
        if !self.told.insert(change) {
            figures.duplicates += 1;
            return;
        }
        self.order.push_back(change);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.told.remove(&oldest);
        }
        if self.highest.len() > REMEMBERED {
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
    fn doubles_disorder_and_delay_are_noticed() {
        let mut noticed = Noticed::default();
        for (index, sequence) in [2, 3, 5, 4, 4].into_iter().enumerate() {
            let arrived_ms = 1_000 * index as i64;
            noticed.arrived(arrived_ms, 100 * index as i64, u64::from(sequence), (7, sequence));
        }
        let Figures { notifications, duplicates, disordered, last_ms, .. } = noticed.figures.clone();
        assert_eq!((notifications, duplicates, disordered, last_ms), (5, 1, 1, Some(4_000)));
        let health = Health::default();
        let store = tempfile::tempdir().unwrap();
        let store = wholecall_store::Store::open(store.path()).unwrap();
        crate::admin::add_tenant(&store, "acme", &["1".to_owned()], None).unwrap();
        let tenant = store.tenants().unwrap()[0].id;
        health.of.lock().unwrap().insert(tenant, noticed);
        let figures = health.figures(tenant, Time::from_millis(61_500));
        assert_eq!(
            (figures.last_minute, figures.delay_median_ms, figures.delay_p99_ms),
            (3, Some(200), Some(400))
        );
    }
}
