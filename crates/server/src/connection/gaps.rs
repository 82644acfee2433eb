//! What was missed: times of which notifications may be missing are noted, then compared with RingCentral's call log.
//! Everything else is compared with it too, a few times a day: an outage of minutes may pass unnoticed.

use std::collections::BTreeSet;

use wholecall_record::Time;
use wholecall_ringcentral::Error;
use wholecall_store::StoreError;

use super::{
    Context,
    account::{Account, Trouble},
    blocking,
};

/// A call is in the call log some time after its end; a time is compared when it is so long ago.
const LOGGED_AFTER_MS: i64 = 600_000;

/// Calls that began so long before a time may have gone on into it.
const BEFORE_MS: i64 = 3_600_000;

/// How often everything is compared.
const COMPARE_EVERY_MS: i64 = 6 * 3_600_000;

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
    }

    /// Compares the oldest gap that is due with the call log, or else what was heard since the last comparison: which
    /// sessions of that time were never heard of?
    pub(super) async fn examine(&mut self) -> Result<(), Trouble> {
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
        let mut logged = match self.client.logged_sessions(&from, &until).await {
            Ok(logged) => logged,
            // Calls are told all the same.
            Err(Error::Refused(refusal)) if !refusal.is_outage() => {
                tracing::info!(tenant = self.name, %refusal, "the call log may not be read");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        logged.sort();
        logged.dedup();
        let (tenant, count) = (self.tenant, logged.len() as u64);
        let missing =
            blocking(&self.context, move |context| context.store.of(tenant).unknown_sessions(logged)).await?;
        if !missing.is_empty() {
            let (tenant, account) = (&self.name, &self.account);
            tracing::warn!(tenant, account, from, until, sessions = missing.len(), "calls were missed");
        }
        Ok(Some(Compared { logged: count, missing }))
    }
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
