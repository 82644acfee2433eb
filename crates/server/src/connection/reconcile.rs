//! Reconciles stored calls with RingCentral's call log. Gaps, in which notifications may be missing, are recorded and
//! then compared with the log. All other time is compared too, a few times a day, since a short outage may stay
//! undetected.
//!
//! Open calls are looked up at once, while RingCentral still has their sessions. Sessions that only the log has are taken
//! from there once their record is final; a known call is repaired where the log contradicts it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

use wholecall_record::{Call, Time, call::State};
use wholecall_ringcentral::CallLogRecord;
use wholecall_store::{CallLookup, Filter, Gap, StoreError, TenantView};

use super::{
    AccountKey, ConnectionContext,
    account::{AccountConnection, ConnectionError},
    blocking,
    call_lists::{self, CallList},
    differences::differences,
    envelope::log_record,
    finality::{Assessment, RecordReadings},
};
use crate::{pipeline::lookup::LookupRequest, receive, stored_record::parse_or_skip};

/// Interval before a time is compared: a call appears in the call log some time after its end.
const LOG_DELAY_MS: i64 = 600_000;

/// Maximum time before a window in which a call may have started that continues into the window.
const MAX_CALL_LENGTH_MS: i64 = 3_600_000;

/// Interval between two comparisons of the time outside of gaps.
const COMPARE_INTERVAL_MS: i64 = 6 * 3_600_000;

/// Maximum number of live calls read from the store at once.
const MAX_LIVE_PAGE: usize = 500;

/// Maximum number of gaps searched for sessions that were reported before.
const MAX_REPORTED_GAPS: usize = 1_000;

/// Maximum number of gaps among which the next one to compare is searched.
const MAX_CANDIDATE_GAPS: usize = 100;

/// Maximum number of records remembered as ingested; beyond it all are forgotten, and may be ingested again.
const MAX_REMEMBERED_RECORDS: usize = 50_000;

/// The state of comparisons with the call log, lost at a restart.
#[derive(Default)]
pub(super) struct ReconcileState {
    readings: RecordReadings,
    /// What remains to compare of a gap, by its number.
    remainders: HashMap<i64, Remainder>,
    /// Digests of records of known calls that were ingested, by the record's id.
    ingested: HashMap<String, u64>,
}

/// What remains to compare of a gap.
#[derive(Debug, Clone, Copy)]
struct Remainder {
    /// The end of the remainder; it starts with the gap.
    until_ms: i64,
    /// The earliest time at which comparing it is worthwhile.
    not_before_ms: i64,
}

impl AccountConnection {
    /// Records a gap: a time of which notifications may be missing.
    pub(super) async fn record_gap(&mut self, from_ms: i64, until_ms: i64, reason: &str) {
        let (tenant, account, reason) = (self.tenant, self.account.clone(), reason.to_owned());
        let (from, until) = (Time::from_millis(from_ms), Time::from_millis(until_ms));
        tracing::warn!(%from, %until, reason, "notifications may be missing");
        let recorded = blocking(&self.context, move |context| {
            context.store.add_gap(tenant, account, from_ms, until_ms, reason)
        });
        if let Err(error) = recorded.await {
            tracing::error!(%error, "a gap could not be stored");
        }
        self.must_refresh_active_calls = true;
    }

    /// After a gap: queues a lookup for every open session, both those that are known here and those in RingCentral's
    /// list of active calls.
    pub(super) async fn refresh_active_calls(&mut self) -> Result<(), ConnectionError> {
        if !self.must_refresh_active_calls {
            return Ok(());
        }
        let (tenant, account) = (self.tenant, self.account.clone());
        let known =
            blocking(&self.context, move |context| live_sessions(&context.store.of(tenant), &account));
        let mut sessions: BTreeSet<String> = known.await?.into_iter().collect();
        let active = call_lists::read(&self.client, &CallList::Active).await?;
        let active = active.into_iter().flat_map(|listed| listed.records);
        let mut started: HashMap<String, i64> = HashMap::new();
        for call in active {
            let Some(session) = call.session else { continue };
            started.extend(call.started_ms.map(|started_ms| (session.clone(), started_ms)));
            sessions.insert(session);
        }
        for session in sessions {
            let (tenant, account) = (self.tenant, self.account.clone());
            let started_ms = started.get(&session).copied();
            self.context.lookups.push(LookupRequest { tenant, account, session, logged: None, started_ms });
        }
        self.must_refresh_active_calls = false;
        Ok(())
    }

    /// Compares one window with the call log: the oldest gap that is due, else the time since the last comparison. Sessions
    /// that only the log has are missing; known calls that differ are repaired.
    pub(super) async fn reconcile_next(&mut self) -> Result<(), ConnectionError> {
        self.refresh_active_calls().await?;
        let (tenant, account) = (self.tenant, self.account.clone());
        let now = self.client.now_ms();
        let until_ms = now - LOG_DELAY_MS;
        let gaps = blocking(&self.context, move |context| {
            context.store.of(tenant).gaps_to_reconcile(&account, until_ms, MAX_CANDIDATE_GAPS)
        });
        let is_due = |remainder: Option<&Remainder>| remainder.is_none_or(|rest| rest.not_before_ms <= now);
        let gaps = gaps.await?;
        if let Some(gap) = gaps.into_iter().find(|gap| is_due(self.reconcile.remainders.get(&gap.number))) {
            return self.compare_gap(gap, now).await;
        }
        let since_ms = *self.state.compared_ms.get_or_insert(until_ms);
        if until_ms - since_ms < COMPARE_INTERVAL_MS {
            return Ok(());
        }
        let Some(compared) = self.compare_window(since_ms, until_ms).await? else { return Ok(()) };
        let open_from_ms = compared.open_from_ms;
        if let Some(unread_until_ms) = compared.unread_until_ms {
            let reason = "the call log is longer than is compared at once";
            self.record_gap(since_ms, unread_until_ms, reason).await;
        }
        let (key, window) = ((tenant, self.account.clone()), (since_ms, until_ms));
        let reported = move |context: &ConnectionContext| {
            report_missing(context, key, window, now, compared.missing, compared.logged)
        };
        blocking(&self.context, reported).await?;
        // The time from the first record that is not final on is compared again.
        let compared_ms = open_from_ms.map_or(until_ms, |open_ms| open_ms.clamp(since_ms, until_ms));
        self.state.compared_ms = Some(compared_ms);
        Ok(())
    }

    /// Compares what remains of a gap with the call log, and stores the result.
    async fn compare_gap(&mut self, gap: Gap, now: i64) -> Result<(), ConnectionError> {
        let remainder = self.reconcile.remainders.get(&gap.number);
        let until_ms = remainder.map_or(gap.until_ms, |remainder| remainder.until_ms);
        let Some(compared) = self.compare_window(gap.from_ms, until_ms).await? else { return Ok(()) };
        let (number, logged) = (gap.number, gap.logged.max(compared.logged));
        let at_ms = match compared.remainder(until_ms) {
            Some(remainder) => {
                self.reconcile.remainders.insert(number, remainder);
                None
            }
            None => {
                self.reconcile.remainders.remove(&number);
                Some(now)
            }
        };
        let mut missing = gap.missing;
        missing.extend(compared.missing);
        missing.sort_unstable();
        missing.dedup();
        let store_result = move |context: &ConnectionContext| {
            context.store.mark_gap_reconciled(number, at_ms, logged, missing)
        };
        Ok(blocking(&self.context, store_result).await?)
    }

    /// Compares a window with the call log, and ingests final records that are missing or differ. `None` if the log may not
    /// be read.
    async fn compare_window(
        &mut self,
        from_ms: i64,
        until_ms: i64,
    ) -> Result<Option<WindowComparison>, ConnectionError> {
        let from = Time::from_millis(from_ms - MAX_CALL_LENGTH_MS).to_string();
        let until = Time::from_millis(until_ms).to_string();
        let list = CallList::CallLog { from: &from, until: &until };
        let Some(listed) = call_lists::read(&self.client, &list).await? else { return Ok(None) };
        let now = self.client.server_now_ms();
        let ahead_ms = now - self.client.now_ms();
        let mut compared = WindowComparison::default();
        if !listed.is_complete {
            let oldest = listed.records.iter().filter_map(|record| record.started_ms).min();
            compared.unread_until_ms = oldest.map(|oldest| oldest + 1);
        }
        let mut logged: BTreeMap<String, CallLogRecord> = BTreeMap::new();
        let mut ids: Vec<String> = Vec::new();
        for record in listed.records {
            let Some(session) = record.session.clone() else { continue };
            ids.push(session.clone());
            match self.reconcile.readings.assess(&record, now) {
                Assessment::Final => drop(logged.insert(session, record)),
                Assessment::ReadAgain(at_ms) => compared.note_open(record.started_ms, at_ms - ahead_ms),
                Assessment::GivenUp => {}
            }
        }
        ids.sort_unstable();
        ids.dedup();
        compared.logged = ids.len() as u64;
        let tenant = self.tenant;
        let sorted = blocking(&self.context, move |context| {
            let view = context.store.of(tenant);
            Ok((view.unknown_sessions(ids.clone())?, view.unended_sessions(ids)?))
        });
        let unended;
        (compared.missing, unended) = sorted.await?;
        if !compared.missing.is_empty() {
            tracing::warn!(
                from,
                until,
                sessions = compared.missing.len(),
                "notifications of calls were missed"
            );
        }
        for record in compared.missing.iter().filter_map(|session| logged.remove(session)) {
            self.ingest(&record).await?;
        }
        // RingCentral is asked for the session first: it may continue after the record.
        for record in unended.iter().filter_map(|session| logged.remove(session)) {
            let (tenant, account) = (self.tenant, self.account.clone());
            let body = Some(log_record(&account, &record));
            let (session, started_ms) = (record.session.unwrap_or_default(), record.started_ms);
            self.context.lookups.push(LookupRequest { tenant, account, session, logged: body, started_ms });
        }
        self.repair_known(logged.into_values().collect()).await?;
        Ok(Some(compared))
    }

    /// Ingests final records of known calls that differ from what is stored.
    async fn repair_known(&mut self, records: Vec<CallLogRecord>) -> Result<(), ConnectionError> {
        let tenant = self.tenant;
        let differing = blocking(&self.context, move |context| {
            let view = context.store.of(tenant);
            let mut differing = Vec::new();
            for record in records {
                let Some(call) = call_of(&view, record.session.as_deref().unwrap_or_default())? else {
                    continue;
                };
                let fields = differences(&call, &record);
                if !fields.is_empty() {
                    differing.push((record, fields));
                }
            }
            Ok(differing)
        });
        for (record, fields) in differing.await? {
            let mut hasher = DefaultHasher::new();
            record.json.hash(&mut hasher);
            let digest = hasher.finish();
            let ingested = &mut self.reconcile.ingested;
            if ingested.len() >= MAX_REMEMBERED_RECORDS {
                ingested.clear();
            }
            if ingested.insert(record.id.clone(), digest) == Some(digest) {
                continue;
            }
            let (session, fields) = (record.session.as_deref(), fields.join(", "));
            tracing::warn!(session, fields, "a call differs from its record in the call log");
            self.state.differing += 1;
            self.ingest(&record).await?;
        }
        Ok(())
    }

    async fn ingest(&self, record: &CallLogRecord) -> Result<(), StoreError> {
        let body = log_record(&self.account, record);
        receive::ingest(&self.context.store, &self.context.tenants, self.tenant, &body).await
    }
}

/// The closed call that a session is part of. `None` if the call is live or unknown.
fn call_of(view: &TenantView, session: &str) -> Result<Option<Call>, StoreError> {
    /// Maximum number of merges that are followed from a session to its call.
    const MAX_MERGES: usize = 8;
    let mut id = session.to_owned();
    for _ in 0..MAX_MERGES {
        match view.call(&id, None)? {
            Some(CallLookup::Merged(into)) => id = into,
            Some(CallLookup::Call(version)) => {
                let call = parse_or_skip(&version.record);
                return Ok(call.filter(|call| call.state != State::Live));
            }
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// The open sessions of an account's live calls.
fn live_sessions(view: &TenantView, account: &str) -> Result<Vec<String>, StoreError> {
    let live = Filter { state: Some(State::Live), ..Filter::default() };
    let (mut sessions, mut after) = (Vec::new(), None);
    loop {
        let page = view.calls(&live, None, after, MAX_LIVE_PAGE)?;
        let calls = page.records.iter().filter_map(|record| parse_or_skip(record));
        for call in calls.filter(|call| call.account_id.as_deref() == Some(account)) {
            let open = call.sessions.iter().filter(|session| session.end_time.is_none());
            sessions.extend(open.map(|session| session.telephony_session_id.to_string()));
        }
        after = page.next;
        if after.is_none() {
            return Ok(sessions);
        }
    }
}

/// The result of comparing a window with the call log.
#[derive(Default)]
struct WindowComparison {
    /// The number of sessions in the log.
    logged: u64,
    /// Sessions that are in the log and unknown here.
    missing: Vec<String>,
    /// The end of the part that was not read. `None` if everything was.
    unread_until_ms: Option<i64>,
    /// The start of the first call whose record is not final.
    open_from_ms: Option<i64>,
    /// When a record that is not final is to be read again.
    read_again_ms: Option<i64>,
}

impl WindowComparison {
    /// Notes a record that is not final, and is to be read again at a time.
    fn note_open(&mut self, started_ms: Option<i64>, read_again_ms: i64) {
        let earliest = |known: Option<i64>, new: i64| Some(known.map_or(new, |known| known.min(new)));
        self.open_from_ms = earliest(self.open_from_ms, started_ms.unwrap_or(i64::MIN));
        self.read_again_ms = earliest(self.read_again_ms, read_again_ms);
    }

    /// What remains to compare. `None` if every record was read and was final.
    fn remainder(&self, until_ms: i64) -> Option<Remainder> {
        match (self.read_again_ms, self.unread_until_ms) {
            (Some(not_before_ms), _) => Some(Remainder { until_ms, not_before_ms }),
            (None, Some(until_ms)) => Some(Remainder { until_ms, not_before_ms: i64::MIN }),
            (None, None) => None,
        }
    }
}

/// Adds a gap with those missing sessions that no gap names yet.
fn report_missing(
    context: &ConnectionContext,
    (tenant, account): AccountKey,
    (from_ms, until_ms): (i64, i64),
    now: i64,
    mut missing: Vec<String>,
    logged: u64,
) -> Result<(), StoreError> {
    let gaps = context.store.of(tenant).gaps(&account, MAX_REPORTED_GAPS)?;
    let reported: BTreeSet<&str> = gaps.iter().flat_map(|gap| &gap.missing).map(String::as_str).collect();
    missing.retain(|session| !reported.contains(session.as_str()));
    if missing.is_empty() {
        return Ok(());
    }
    let reason = "no notification arrived of calls that are in the call log".to_owned();
    let gap = context.store.add_gap(tenant, account, from_ms, until_ms, reason)?;
    context.store.mark_gap_reconciled(gap, Some(now), logged, missing)
}
