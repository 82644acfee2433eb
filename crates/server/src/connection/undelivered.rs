//! Whether what happens is told: silence is no proof that nothing happens. With each look at the subscription the calls
//! that go on, and those that have just ended, are compared with the sessions that are known. One that has lasted a
//! while and was never named shows that the way by which notifications come is dead, whatever the subscription says.

use wholecall_record::Time;
use wholecall_ringcentral::Logged;

use super::{
    account::{Account, Trouble},
    blocking,
    pages::{self, List},
};

/// What tells of a call takes less than this.
const TOLD_WITHIN_MS: i64 = 30_000;

impl Account {
    /// Whether calls go on, or have just ended, that no notification named; then the gap is noted.
    pub(super) async fn is_undelivered(&mut self) -> Result<bool, Trouble> {
        let (now, server_now) = (self.client.now_ms(), self.client.server_now_ms());
        let ahead_ms = server_now - now;
        // What began before was missed, or is asked for, for another reason.
        let since_ms = self.told_from_ms + ahead_ms;
        let Some(active) = pages::read(&self.client, &List::Active).await? else { return Ok(false) };
        let (from, until) =
            (Time::from_millis(since_ms).to_string(), Time::from_millis(server_now).to_string());
        let ended = pages::read(&self.client, &List::Logged { from: &from, until: &until }).await?;
        let ended = ended.map(|listed| listed.records).unwrap_or_default();
        let has_lasted = |call: &&Logged| {
            let until_ms = call.ended_ms().unwrap_or(server_now);
            let began = call.started_ms.filter(|started| *started >= since_ms);
            let is_told_by_now = |started: i64| server_now - started >= TOLD_WITHIN_MS;
            call.is_voice
                && began
                    .is_some_and(|started| until_ms - started >= TOLD_WITHIN_MS && is_told_by_now(started))
        };
        let lasted = active.records.iter().chain(&ended).filter(has_lasted);
        let sessions: Vec<String> = lasted.filter_map(|call| call.session.clone()).collect();
        self.told_from_ms = self.told_from_ms.max(now - LOOKED_BACK_MS);
        if sessions.is_empty() {
            return Ok(false);
        }
        let tenant = self.tenant;
        let unknown =
            blocking(&self.context, move |context| context.store.of(tenant).unknown_sessions(sessions))
                .await?;
        if unknown.is_empty() {
            return Ok(false);
        }
        self.state.undelivered += 1;
        let from_ms = self.heard_ms.min(now - TOLD_WITHIN_MS);
        self.missed(from_ms, now, "calls went on that no notification named").await;
        self.told_from_ms = now;
        Ok(true)
    }
}

/// So far back calls are looked at that have begun: they go on, or are in the call log by now.
const LOOKED_BACK_MS: i64 = 900_000;
