//! What was missed: times of which notifications may be missing are noted, then compared with RingCentral's call log.
//! Everything else is compared with it too, a few times a day: an outage of minutes may pass unnoticed.
//!
//! Calls that go on are asked for at once, while RingCentral still knows their sessions; what only the log has is
//! taken from there.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use wholecall_record::{Call, Time, call::State};
use wholecall_ringcentral::{Error, Logged};
use wholecall_store::{Filter, StoreError, TenantView};

use super::{
    Context,
    account::{Account, Trouble},
    blocking,
    repair::{Asking, log_record},
};
use crate::receive;

/// A call is in the call log some time after its end; a time is compared when it is so long ago.
const LOGGED_AFTER_MS: i64 = 600_000;

/// Calls that began so long before a time may have gone on into it.
const BEFORE_MS: i64 = 3_600_000;

/// How often everything is compared.
const COMPARE_EVERY_MS: i64 = 6 * 3_600_000;

/// More pages of a log than this are not read at once: each costs a tenth of a minute's heavy requests.
const MOST_PAGES: usize = 40;

/// Live calls are read so many at a time.
const LIVE_AT_ONCE: usize = 500;

/// Reported before, as far as one looks back.
const GAPS_REMEMBERED: usize = 1_000;

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
        let active = self.pages(&List::Active).await?;
        sessions.extend(active.into_iter().flatten().filter_map(|call| call.session));
        for session in sessions {
            let (tenant, account) = (self.tenant, self.account.clone());
            self.context.asker.ask(Asking { tenant, account, session, logged: None });
        }
        self.must_sweep = false;
        Ok(())
    }

    /// All pages of a list; none where it may not be read.
    async fn pages(&self, list: &List<'_>) -> Result<Option<Vec<Logged>>, Trouble> {
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let (records, is_more) = match self.page(list, page).await {
                Ok(found) => found,
                // Calls are told all the same.
                Err(Error::Refused(refusal)) if !refusal.is_outage() => {
                    tracing::info!(tenant = self.name, %refusal, "the call log may not be read");
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            };
            all.extend(records);
            if !is_more {
                return Ok(Some(all));
            }
        }
        let (tenant, account, calls) = (&self.name, &self.account, all.len());
        tracing::warn!(tenant, account, calls, "the call log is longer than is read at once");
        Ok(Some(all))
    }

    /// Reads a page, the first one only if there is room for it in the budget; a list that was begun is read to its end.
    async fn page(&self, list: &List<'_>, page: usize) -> Result<(Vec<Logged>, bool), Error> {
        loop {
            let read = match list {
                List::Active => self.client.active_calls(page).await,
                List::Logged { from, until } => self.client.logged_calls(from, until, page).await,
            };
            match read {
                Err(Error::Later { until_ms, .. }) if page > 1 => {
                    let wait = u64::try_from(until_ms - self.client.now_ms()).unwrap_or(0).max(10);
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
                other => return other,
            }
        }
    }

    /// Compares the oldest gap that is due with the call log, or else what was heard since the last comparison: which
    /// sessions of that time were never heard of?
    pub(super) async fn examine(&mut self) -> Result<(), Trouble> {
        self.sweep().await?;
        let (tenant, account) = (self.tenant, self.account.clone());
        let now = self.client.now_ms();
        let until_ms = now - LOGGED_AFTER_MS;
        let due = blocking(&self.context, move |context| {
            context.store.of(tenant).gap_to_examine(&account, until_ms)
        });
        if let Some(gap) = due.await? {
            let Some(Compared { logged, missing }) = self.compare(gap.from_ms, gap.until_ms).await? else {
                return Ok(());
            };
            let examined =
                move |context: &Context| context.store.examined_gap(gap.number, now, logged, missing);
            return Ok(blocking(&self.context, examined).await?);
        }
        let since_ms = *self.state.compared_ms.get_or_insert(until_ms);
        if until_ms - since_ms < COMPARE_EVERY_MS {
            return Ok(());
        }
        let Some(compared) = self.compare(since_ms, until_ms).await? else { return Ok(()) };
        let account = self.account.clone();
        let found =
            move |context: &Context| report(context, tenant, account, (since_ms, until_ms), now, compared);
        blocking(&self.context, found).await?;
        self.state.compared_ms = Some(until_ms);
        Ok(())
    }

    /// What the call log has of a time; none where it may not be read.
    async fn compare(&self, from_ms: i64, until_ms: i64) -> Result<Option<Compared>, Trouble> {
        let from = Time::from_millis(from_ms - BEFORE_MS).to_string();
        let until = Time::from_millis(until_ms).to_string();
        let Some(records) = self.pages(&List::Logged { from: &from, until: &until }).await? else {
            return Ok(None);
        };
        let by_session = records.into_iter().filter_map(|record| Some((record.session.clone()?, record)));
        let mut logged: BTreeMap<String, Logged> = by_session.collect();
        let count = logged.len() as u64;
        let (tenant, ids) = (self.tenant, logged.keys().cloned().collect::<Vec<_>>());
        let sorted = blocking(&self.context, move |context| {
            let view = context.store.of(tenant);
            Ok((view.unknown_sessions(ids.clone())?, view.unended_sessions(ids)?))
        });
        let (missing, unended) = sorted.await?;
        if !missing.is_empty() {
            let (tenant, account) = (&self.name, &self.account);
            tracing::warn!(tenant, account, from, until, sessions = missing.len(), "calls were missed");
        }
        let is_over = |record: &Logged| record.is_over;
        for record in missing.iter().filter_map(|session| logged.remove(session)).filter(is_over) {
            let body = log_record(&self.account, &record);
            receive::take_in(&self.context.store, &self.context.tenants, self.tenant, &body).await?;
        }
        // The log may know of an end too early: whether the session is gone is asked first.
        for record in unended.iter().filter_map(|session| logged.remove(session)).filter(is_over) {
            let (tenant, account) = (self.tenant, self.account.clone());
            let logged = Some(log_record(&account, &record));
            let session = record.session.unwrap_or_default();
            self.context.asker.ask(Asking { tenant, account, session, logged });
        }
        Ok(Some(Compared { logged: count, missing }))
    }
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

/// A list of calls that RingCentral gives page by page.
enum List<'a> {
    Active,
    /// Those that began within a time.
    Logged {
        from: &'a str,
        until: &'a str,
    },
}

/// What the call log has of a time.
struct Compared {
    logged: u64,
    /// Sessions that were never heard of.
    missing: Vec<String>,
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
    context.store.examined_gap(gap, now, compared.logged, missing)
}
