//! What was missed: times of which notifications may be missing are noted, then compared with RingCentral's call log.
//! Everything else is compared with it too, a few times a day: an outage of minutes may pass unnoticed.
//!
//! Calls that go on are asked for at once, while RingCentral still knows their sessions; what only the log has is
//! taken from there, once its word is final. A call that is known is compared with what the log says of it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

use wholecall_record::{Call, Time, call::State};
use wholecall_ringcentral::CallLogRecord;
use wholecall_store::{Filter, Found, StoreError, TenantView};

use super::{
    Context,
    account::{Account, Trouble},
    blocking,
    differences::differences,
    pages::{self, List},
    readings::{Readings, Worth},
    repair::{Asking, log_record},
};
use crate::receive;

/// A call is in the call log some time after its end; a time is compared when it is so long ago.
const LOGGED_AFTER_MS: i64 = 600_000;

/// Calls that began so long before a time may have gone on into it.
const BEFORE_MS: i64 = 3_600_000;

/// How often everything is compared.
const COMPARE_EVERY_MS: i64 = 6 * 3_600_000;

/// Live calls are read so many at a time.
const LIVE_AT_ONCE: usize = 500;

/// Reported before, as far as one looks back.
const GAPS_REMEMBERED: usize = 1_000;

/// So many gaps are looked at for one that is due.
const GAPS_AT_ONCE: usize = 100;

/// So many records are remembered to have been given to the assembler.
const GIVEN_REMEMBERED: usize = 50_000;

/// What is remembered of comparisons with the call log.
#[derive(Default)]
pub(super) struct Comparisons {
    readings: Readings,
    /// What was left of a gap, by its number.
    left: HashMap<i64, Left>,
    /// Records of known calls that were given to the assembler, as they were then.
    given: HashMap<String, u64>,
}

/// What was left of a gap when it was compared last.
#[derive(Debug, Clone, Copy)]
struct Left {
    /// Up to when it is to be compared still.
    until_ms: i64,
    /// Not before this time.
    not_before_ms: i64,
}

impl Account {
    /// Notifications of a time may be missing.
    pub(super) async fn missed(&mut self, from_ms: i64, until_ms: i64, reason: &str) {
        let (tenant, account, reason) = (self.tenant, self.account.clone(), reason.to_owned());
        let (from, until) = (Time::from_millis(from_ms), Time::from_millis(until_ms));
        tracing::warn!(tenant = self.name, account, %from, %until, reason, "notifications may be missing");
        let noted = blocking(&self.context, move |context| {
            context.store.add_gap(tenant, account, from_ms, until_ms, reason)
        });
        if let Err(error) = noted.await {
            tracing::error!(%error, "that notifications may be missing could not be written down");
        }
        self.must_sweep = true;
    }

    /// After something was missed: has every call that goes on asked for, those that are known and those that RingCentral
    /// knows of.
    pub(super) async fn sweep(&mut self) -> Result<(), Trouble> {
        if !self.must_sweep {
            return Ok(());
        }
        let (tenant, account) = (self.tenant, self.account.clone());
        let known =
            blocking(&self.context, move |context| live_sessions(&context.store.of(tenant), &account));
        let mut sessions: BTreeSet<String> = known.await?.into_iter().collect();
        let active = pages::read(&self.client, &List::Active).await?;
        let active = active.into_iter().flat_map(|listed| listed.records);
        let mut begun: HashMap<String, i64> = HashMap::new();
        for call in active {
            let Some(session) = call.session else { continue };
            begun.extend(call.started_ms.map(|started| (session.clone(), started)));
            sessions.insert(session);
        }
        for session in sessions {
            let (tenant, account) = (self.tenant, self.account.clone());
            let begun_ms = begun.get(&session).copied();
            self.context.asker.ask(Asking { tenant, account, session, logged: None, begun_ms });
        }
        self.must_sweep = false;
        Ok(())
    }

    /// Compares the oldest gap that is due with the call log, or else what was heard since the last comparison: which
    /// sessions of that time were never heard of, and which calls are otherwise in the log?
    pub(super) async fn examine(&mut self) -> Result<(), Trouble> {
        self.sweep().await?;
        let (tenant, account) = (self.tenant, self.account.clone());
        let now = self.client.now_ms();
        let until_ms = now - LOGGED_AFTER_MS;
        let gaps = blocking(&self.context, move |context| {
            context.store.of(tenant).gaps_to_examine(&account, until_ms, GAPS_AT_ONCE)
        });
        let is_due = |left: Option<&Left>| left.is_none_or(|left| left.not_before_ms <= now);
        let gaps = gaps.await?;
        if let Some(gap) = gaps.into_iter().find(|gap| is_due(self.comparisons.left.get(&gap.number))) {
            let until_ms = self.comparisons.left.get(&gap.number).map_or(gap.until_ms, |left| left.until_ms);
            let Some(compared) = self.compare(gap.from_ms, until_ms).await? else { return Ok(()) };
            let mut missing = gap.missing;
            missing.extend(compared.missing.iter().cloned());
            missing.sort_unstable();
            missing.dedup();
            let (number, logged) = (gap.number, gap.logged.max(compared.logged));
            let at_ms = match compared.left(until_ms) {
                Some(left) => {
                    self.comparisons.left.insert(number, left);
                    None
                }
                None => {
                    self.comparisons.left.remove(&number);
                    Some(now)
                }
            };
            let examined =
                move |context: &Context| context.store.examined_gap(number, at_ms, logged, missing);
            return Ok(blocking(&self.context, examined).await?);
        }
        let since_ms = *self.state.compared_ms.get_or_insert(until_ms);
        if until_ms - since_ms < COMPARE_EVERY_MS {
            return Ok(());
        }
        let Some(compared) = self.compare(since_ms, until_ms).await? else { return Ok(()) };
        let (account, open_from_ms) = (self.account.clone(), compared.open_from_ms);
        if let Some(unread_until_ms) = compared.unread_until_ms {
            self.missed(since_ms, unread_until_ms, "the call log is longer than is compared at once").await;
        }
        let found =
            move |context: &Context| report(context, tenant, account, (since_ms, until_ms), now, compared);
        blocking(&self.context, found).await?;
        // What is not final is compared again.
        let compared_ms = open_from_ms.map_or(until_ms, |open_ms| open_ms.clamp(since_ms, until_ms));
        self.state.compared_ms = Some(compared_ms);
        Ok(())
    }

    /// Compares with what the call log has of a time, and takes over what is final; none where it may not be read.
    async fn compare(&mut self, from_ms: i64, until_ms: i64) -> Result<Option<Compared>, Trouble> {
        let from = Time::from_millis(from_ms - BEFORE_MS).to_string();
        let until = Time::from_millis(until_ms).to_string();
        let list = List::Logged { from: &from, until: &until };
        let Some(listed) = pages::read(&self.client, &list).await? else { return Ok(None) };
        let now = self.client.server_now_ms();
        let ahead_ms = now - self.client.now_ms();
        let mut compared = Compared::default();
        if !listed.is_whole {
            let oldest = listed.records.iter().filter_map(|record| record.started_ms).min();
            compared.unread_until_ms = oldest.map(|oldest| oldest + 1);
        }
        let mut logged: BTreeMap<String, CallLogRecord> = BTreeMap::new();
        let mut ids: Vec<String> = Vec::new();
        for record in listed.records {
            let Some(session) = record.session.clone() else { continue };
            ids.push(session.clone());
            match self.comparisons.readings.judge(&record, now) {
                Worth::Final => drop(logged.insert(session, record)),
                Worth::Again(at_ms) => compared.open(record.started_ms, at_ms - ahead_ms),
                Worth::GivenUp => {}
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
            let (tenant, account) = (&self.name, &self.account);
            tracing::warn!(
                tenant,
                account,
                from,
                until,
                sessions = compared.missing.len(),
                "calls were missed"
            );
        }
        for record in compared.missing.iter().filter_map(|session| logged.remove(session)) {
            self.take_in(&record).await?;
        }
        // Whether the session is gone is asked first: it may have gone on.
        for record in unended.iter().filter_map(|session| logged.remove(session)) {
            let (tenant, account) = (self.tenant, self.account.clone());
            let body = Some(log_record(&account, &record));
            let (session, begun_ms) = (record.session.unwrap_or_default(), record.started_ms);
            self.context.asker.ask(Asking { tenant, account, session, logged: body, begun_ms });
        }
        self.repair_known(logged.into_values().collect()).await?;
        Ok(Some(compared))
    }

    /// Takes over final records of known calls that say something else than these do.
    async fn repair_known(&mut self, records: Vec<CallLogRecord>) -> Result<(), Trouble> {
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
            if self.comparisons.given.len() >= GIVEN_REMEMBERED {
                self.comparisons.given.clear();
            }
            if self.comparisons.given.insert(record.id.clone(), digest) == Some(digest) {
                continue;
            }
            let (tenant, account, session) = (&self.name, &self.account, record.session.as_deref());
            let fields = fields.join(", ");
            tracing::warn!(tenant, account, session, fields, "a call is otherwise in the call log");
            self.state.differing += 1;
            self.take_in(&record).await?;
        }
        Ok(())
    }

    async fn take_in(&self, record: &CallLogRecord) -> Result<(), StoreError> {
        let body = log_record(&self.account, record);
        receive::take_in(&self.context.store, &self.context.tenants, self.tenant, &body).await.map(drop)
    }
}

/// The call that a session is part of, unless it goes on.
fn call_of(view: &TenantView, session: &str) -> Result<Option<Call>, StoreError> {
    /// A call was not merged into another more often than this.
    const MOST_MERGES: usize = 8;
    let mut id = session.to_owned();
    for _ in 0..MOST_MERGES {
        match view.call(&id, None)? {
            Some(Found::Merged(into)) => id = into,
            Some(Found::Call(version)) => {
                let call = serde_json::from_str::<Call>(&version.record).ok();
                return Ok(call.filter(|call| call.state != State::Live));
            }
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// The sessions of an account's calls that go on, as far as is known, and that have not ended themselves.
fn live_sessions(view: &TenantView, account: &str) -> Result<Vec<String>, StoreError> {
    let live = Filter { state: Some(State::Live), ..Filter::default() };
    let (mut sessions, mut after) = (Vec::new(), None);
    loop {
        let page = view.calls(&live, None, after, LIVE_AT_ONCE)?;
        let calls = page.records.iter().filter_map(|record| serde_json::from_str::<Call>(record).ok());
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

/// What the call log has of a time.
#[derive(Default)]
struct Compared {
    logged: u64,
    /// Sessions that were never heard of.
    missing: Vec<String>,
    /// Up to when there is more of it than was read.
    unread_until_ms: Option<i64>,
    /// When the first of its calls began whose record is not final, or was not read.
    open_from_ms: Option<i64>,
    /// When it is worth reading again.
    again_ms: Option<i64>,
}

impl Compared {
    /// A record is not final, and is worth reading again from a time on.
    fn open(&mut self, started_ms: Option<i64>, again_ms: i64) {
        let earliest = |known: Option<i64>, new: i64| Some(known.map_or(new, |known| known.min(new)));
        self.open_from_ms = earliest(self.open_from_ms, started_ms.unwrap_or(i64::MIN));
        self.again_ms = earliest(self.again_ms, again_ms);
    }

    /// What is left to compare of a time; none if every record of it was read, and was final.
    fn left(&self, until_ms: i64) -> Option<Left> {
        match (self.again_ms, self.unread_until_ms) {
            (Some(not_before_ms), _) => Some(Left { until_ms, not_before_ms }),
            (None, Some(until_ms)) => Some(Left { until_ms, not_before_ms: i64::MIN }),
            (None, None) => None,
        }
    }
}

/// Reports what is missing and was not reported before.
fn report(
    context: &Context,
    tenant: wholecall_store::TenantId,
    account: String,
    (from_ms, until_ms): (i64, i64),
    now: i64,
    compared: Compared,
) -> Result<(), StoreError> {
    let gaps = context.store.of(tenant).gaps(&account, GAPS_REMEMBERED)?;
    let reported: BTreeSet<&str> = gaps.iter().flat_map(|gap| &gap.missing).map(String::as_str).collect();
    let mut missing = compared.missing;
    missing.retain(|session| !reported.contains(session.as_str()));
    if missing.is_empty() {
        return Ok(());
    }
    let reason = "calls of the call log were never told of".to_owned();
    let gap = context.store.add_gap(tenant, account, from_ms, until_ms, reason)?;
    context.store.examined_gap(gap, Some(now), compared.logged, missing)
}
