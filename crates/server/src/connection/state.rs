//! The state of a connected account: stored, and shown by the API.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wholecall_record::Time;
use wholecall_ringcentral::Error;
use wholecall_store::{ConnectedAccount, Gap};

use super::directory::DirectorySyncState;

/// The status of a connected account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConnectionStatus {
    /// It has not been connected yet; a running service connects it.
    #[default]
    Connecting,
    /// Notifications of its calls arrive.
    Live,
    /// An error that may pass by itself.
    Failing,
    /// RingCentral refuses requests until something is changed there.
    Refused,
    /// RingCentral refuses the credentials.
    LoginRefused,
}

impl ConnectionStatus {
    /// The status after an error.
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Login(_) => Self::LoginRefused,
            error if error.is_transient() => Self::Failing,
            _ => Self::Refused,
        }
    }
}

/// The stored state of an account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ConnectionState {
    pub(super) status: ConnectionStatus,
    /// The time of the last change of the status, milliseconds since 1970.
    pub(super) since_ms: i64,
    /// What is wrong, and what to do.
    pub(super) problem: Option<String>,
    /// The current subscription.
    pub(super) subscription: Option<StoredSubscription>,
    /// Replaced subscriptions, which stay until none of their notifications can be in flight.
    pub(super) retiring: Vec<StoredSubscription>,
    /// Up to when stored calls were compared with the call log.
    pub(super) compared_ms: Option<i64>,
    /// How often the webhook was blacklisted.
    pub(super) blacklisted: u32,
    /// How often a subscription was replaced that delivered nothing of live calls.
    pub(super) undelivered: u32,
    /// How many records of the call log differed from the stored call.
    pub(super) differing: u32,
}

/// A subscription of this service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredSubscription {
    pub(super) id: String,
    /// The hook that it posts to. `None` if it delivers through a WebSocket.
    pub(super) address: Option<String>,
    /// The number of its verification token.
    pub(super) secret: Option<i64>,
    /// When it was created, or replaced; milliseconds since 1970, as all times here.
    pub(super) at_ms: i64,
    pub(super) renew_ms: i64,
    pub(super) expires_ms: i64,
}

impl StoredSubscription {
    /// Whether it is to be renewed: before half of its lifetime is over, or if the clock shows a time before the last
    /// renewal, since it was set back then by an unknown length.
    pub(super) fn needs_renewal(&self, now_ms: i64) -> bool {
        let renewed_ms = 2 * self.renew_ms - self.expires_ms;
        now_ms >= self.renew_ms || now_ms < renewed_ms
    }
}

/// An account as the API shows it, without secrets.
pub(super) fn describe(
    tenant: &str,
    connection: &ConnectedAccount,
    state: &ConnectionState,
    gaps: &[Gap],
) -> Value {
    let time = |ms: i64| Time::from_millis(ms).to_string();
    let subscription = state.subscription.as_ref().map(|subscription| {
        json!({
            "id": subscription.id,
            "transport": if subscription.address.is_some() { "webhook" } else { "webSocket" },
            "address": subscription.address,
            "renewsAt": time(subscription.renew_ms),
            "expiresAt": time(subscription.expires_ms),
        })
    });
    let gaps: Vec<Value> = gaps
        .iter()
        .map(|gap| {
            json!({
                "from": time(gap.from_ms),
                "until": time(gap.until_ms),
                "reason": gap.reason,
                "reconciledAt": gap.reconciled_ms.map(time),
                "callLogSessions": gap.logged,
                "missingSessions": gap.missing,
            })
        })
        .collect();
    json!({
        "tenant": tenant,
        "account": connection.account,
        "status": state.status,
        "since": time(if state.since_ms == 0 { connection.connected_ms } else { state.since_ms }),
        "problem": state.problem,
        "connectedAt": time(connection.connected_ms),
        "completeUntil": time(connection.complete_until_ms),
        "subscription": subscription,
        "reconciledUntil": state.compared_ms.map(time),
        "blacklistCount": state.blacklisted,
        "undeliveredCount": state.undelivered,
        "callLogDifferences": state.differing,
        "directory": DirectorySyncState::of(connection).describe(),
        "gaps": gaps,
    })
}
