//! Whether what happens is told: silence is no proof that nothing happens. With each look at the subscription the calls
//! that go on, and those that have just ended, are compared with the sessions that are known. One that has lasted a
//! while and was never named shows that the way by which notifications come is dead, whatever the subscription says.

use wholecall_record::Time;
use wholecall_ringcentral::CallLogRecord;

use super::{
    account::{Account, Trouble},
    blocking,
    pages::{self, List},
};

/// What tells of a call takes less than this.
const TOLD_WITHIN_MS: i64 = 30_000;

/// So far back calls are looked at that have begun: they go on, or are in the call log by now.
const LOOKED_BACK_MS: i64 = 900_000;

/// A subscription that was made anew for this is not made anew once more for so long: some calls are of a kind that is
/// never told.
const MADE_ANEW_EVERY_MS: i64 = 900_000;

impl Account {
    /// Whether calls go on, or have just ended, that no notification named, so that the subscription is to be made anew.
    /// The gap is noted.
    pub(super) async fn is_undelivered(&mut self) -> Result<bool, Trouble> {
        let now = self.client.now_ms();
        let Some(lasted) = self.lasting_calls().await? else { return Ok(false) };
        let sessions = lasted.iter().filter_map(|call| call.session.clone()).collect();
        let tenant = self.tenant;
        let unknown =
            blocking(&self.context, move |context| context.store.of(tenant).unknown_sessions(sessions))
                .await?;
        self.told_from_ms = self.told_from_ms.max(now - LOOKED_BACK_MS);
        if unknown.is_empty() {
            return Ok(false);
        }
        let ahead_ms = self.client.server_now_ms() - now;
        let is_unknown =
            |call: &&CallLogRecord| call.session.as_ref().is_some_and(|session| unknown.contains(session));
        let began = lasted.iter().filter(is_unknown).filter_map(|call| call.started_ms).min();
        let from_ms = began.map_or(self.heard_ms, |began| self.heard_ms.min(began - ahead_ms));
        self.missed(from_ms, now, "calls went on that no notification named").await;
        self.told_from_ms = now;
        let is_to_be_made_anew = now - self.made_anew_ms >= MADE_ANEW_EVERY_MS;
        if is_to_be_made_anew {
            self.state.undelivered += 1;
            self.made_anew_ms = now;
        }
        Ok(is_to_be_made_anew)
    }

    /// Calls that have lasted so long by now that they must have been told of; none if nobody may know.
    async fn lasting_calls(&self) -> Result<Option<Vec<CallLogRecord>>, Trouble> {
        let server_now = self.client.server_now_ms();
        // What began before was missed, or is asked for, for another reason.
        let since_ms = self.told_from_ms + (server_now - self.client.now_ms());
        if server_now - since_ms < TOLD_WITHIN_MS {
            return Ok(None);
        }
        let Some(active) = pages::read(&self.client, &List::Active).await? else { return Ok(None) };
        let (from, until) =
            (Time::from_millis(since_ms).to_string(), Time::from_millis(server_now).to_string());
        let ended = pages::read(&self.client, &List::Logged { from: &from, until: &until }).await?;
        let all = active.records.into_iter().chain(ended.into_iter().flat_map(|listed| listed.records));
        let has_lasted = |call: &CallLogRecord| {
            let ended_ms = call.ended_ms().unwrap_or(server_now).min(server_now);
            let began = call.started_ms.filter(|began| *began >= since_ms);
            call.is_voice && began.is_some_and(|began| ended_ms - began >= TOLD_WITHIN_MS)
        };
        Ok(Some(all.filter(has_lasted).collect()))
    }
}
