//! Detects a subscription that RingCentral reports as active but that delivers nothing. With each check of the
//! subscription, the live and the recently ended calls are compared with the known sessions: a call that has lasted for
//! some time without a notification shows that delivery has failed.

use wholecall_record::Time;
use wholecall_ringcentral::CallLogRecord;

use super::{
    account::{AccountConnection, ConnectionError},
    blocking,
    call_lists::{self, CallList},
};

/// Maximum delay of a call's first notification.
const MAX_NOTIFICATION_DELAY_MS: i64 = 30_000;

/// Maximum age of the calls that are compared: they are still live, or in the call log by now.
const MAX_CALL_AGE_MS: i64 = 900_000;

/// Minimum interval between two replacements of the subscription for this reason, since RingCentral never sends
/// notifications of some kinds of calls.
const MIN_REPLACEMENT_INTERVAL_MS: i64 = 900_000;

impl AccountConnection {
    /// Whether the subscription is to be replaced because calls are live, or have just ended, of which no notification
    /// arrived. Records the gap.
    pub(super) async fn is_undelivered(&mut self) -> Result<bool, ConnectionError> {
        let now = self.client.now_ms();
        let Some(expected) = self.expected_calls().await? else { return Ok(false) };
        let sessions = expected.iter().filter_map(|call| call.session.clone()).collect();
        let tenant = self.tenant;
        let unknown =
            blocking(&self.context, move |context| context.store.of(tenant).unknown_sessions(sessions))
                .await?;
        self.expects_calls_from_ms = self.expects_calls_from_ms.max(now - MAX_CALL_AGE_MS);
        if unknown.is_empty() {
            return Ok(false);
        }
        let ahead_ms = self.client.server_now_ms() - now;
        let is_unknown =
            |call: &&CallLogRecord| call.session.as_ref().is_some_and(|session| unknown.contains(session));
        let started = expected.iter().filter(is_unknown).filter_map(|call| call.started_ms).min();
        let complete_ms = self.complete_until_ms;
        let from_ms = started.map_or(complete_ms, |started| complete_ms.min(started - ahead_ms));
        self.record_gap(from_ms, now, "no notification arrived of calls that were live").await;
        self.expects_calls_from_ms = now;
        let must_replace = now - self.replaced_as_undelivered_ms >= MIN_REPLACEMENT_INTERVAL_MS;
        if must_replace {
            self.state.undelivered += 1;
            self.replaced_as_undelivered_ms = now;
        }
        Ok(must_replace)
    }

    /// Calls that have lasted long enough for a notification of them to have arrived. `None` if it is too early to say, or
    /// if the user may not read the active calls.
    async fn expected_calls(&self) -> Result<Option<Vec<CallLogRecord>>, ConnectionError> {
        let server_now = self.client.server_now_ms();
        // Calls that started before are covered by another gap or lookup.
        let since_ms = self.expects_calls_from_ms + (server_now - self.client.now_ms());
        if server_now - since_ms < MAX_NOTIFICATION_DELAY_MS {
            return Ok(None);
        }
        let Some(active) = call_lists::read(&self.client, &CallList::Active).await? else {
            return Ok(None);
        };
        let (from, until) =
            (Time::from_millis(since_ms).to_string(), Time::from_millis(server_now).to_string());
        let ended = call_lists::read(&self.client, &CallList::CallLog { from: &from, until: &until }).await?;
        let all = active.records.into_iter().chain(ended.into_iter().flat_map(|listed| listed.records));
        let has_lasted = |call: &CallLogRecord| {
            let ended_ms = call.ended_ms().unwrap_or(server_now).min(server_now);
            let started = call.started_ms.filter(|started| *started >= since_ms);
            call.is_voice && started.is_some_and(|started| ended_ms - started >= MAX_NOTIFICATION_DELAY_MS)
        };
        Ok(Some(all.filter(has_lasted).collect()))
    }
}
