//! Times of which notifications may be missing: noted, then compared with RingCentral's call log.

use wholecall_record::Time;
use wholecall_ringcentral::Error;

use super::{
    account::{Account, Trouble},
    blocking,
};

/// A call is in the call log some time after its end; a gap is compared when it is so old.
const LOGGED_AFTER_MS: i64 = 600_000;

/// Calls that began so long before a gap may have gone on into it.
const BEFORE_MS: i64 = 3_600_000;

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

    /// Compares the oldest gap that is due with the call log: which sessions of that time were never heard of?
    pub(super) async fn examine(&mut self) -> Result<(), Trouble> {
        let (tenant, account, now) = (self.tenant, self.account.clone(), self.client.now_ms());
        let due = blocking(&self.context, move |context| {
            context.store.of(tenant).gap_to_examine(&account, now - LOGGED_AFTER_MS)
        });
        let Some(gap) = due.await? else { return Ok(()) };
        let from = Time::from_millis(gap.from_ms - BEFORE_MS).to_string();
        let until = Time::from_millis(gap.until_ms).to_string();
        let mut logged = match self.client.logged_sessions(&from, &until).await {
            Ok(logged) => logged,
            // Without that permission the gap stays as it is; calls are told all the same.
            Err(Error::Refused(refusal)) if !refusal.is_outage() => {
                tracing::info!(tenant = self.name, %refusal, "the call log may not be read");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        logged.sort();
        logged.dedup();
        let count = logged.len() as u64;
        let missing =
            blocking(&self.context, move |context| context.store.of(tenant).unknown_sessions(logged)).await?;
        if !missing.is_empty() {
            let (tenant, account) = (&self.name, &self.account);
            tracing::warn!(tenant, account, from, until, sessions = missing.len(), "calls were missed");
        }
        blocking(&self.context, move |context| context.store.examined_gap(gap.number, now, count, missing))
            .await?;
        Ok(())
    }
}
