//! How an account stands: kept in the store, told to people.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wholecall_record::Time;
use wholecall_ringcentral::Error;
use wholecall_store::{ConnectedAccount, Gap};

use super::directory::Standing;

/// How an account stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// It has not been listened to yet: the service looks at it as soon as it runs.
    #[default]
    Connecting,
    /// Its calls are told.
    Live,
    /// Something fails that may pass by itself.
    Failing,
    /// RingCentral refuses, and will until somebody changes something there.
    Refused,
    /// The credentials are not taken any more.
    LoginRefused,
}

impl Status {
    /// What an error makes of an account.
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Login(_) => Self::LoginRefused,
            error if error.is_passing() => Self::Failing,
            _ => Self::Refused,
        }
    }
}

/// What is kept of an account between two looks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct State {
    pub(super) status: Status,
    /// Since when it is so, milliseconds since 1970.
    pub(super) since_ms: i64,
    /// What is wrong, and what to do.
    pub(super) problem: Option<String>,
    /// By which notifications come now.
    pub(super) subscription: Option<Subscribed>,
    /// Those it has replaced, which go on until nothing can be on its way any more.
    pub(super) retiring: Vec<Subscribed>,
    /// Up to when what was heard was compared with the call log.
    pub(super) compared_ms: Option<i64>,
    /// How often it was blacklisted.
    pub(super) blacklisted: u32,
    /// How often calls went on that no notification named, although the subscription stood.
    pub(super) undelivered: u32,
    /// How many records of the call log said something else than the call that was known.
    pub(super) differing: u32,
}

/// A subscription of ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscribed {
    pub(super) id: String,
    /// Where it posts; none: it tells by WebSocket.
    pub(super) address: Option<String>,
    /// The number of its verification token.
    pub(super) secret: Option<i64>,
    /// When it was made, or replaced; milliseconds since 1970, as all times here.
    pub(super) at_ms: i64,
    pub(super) renew_ms: i64,
    pub(super) expires_ms: i64,
}

impl Subscribed {
    /// Whether it is time. It is renewed before half of its life is over; a clock that shows a time before it was renewed
    /// last was set back, and may have been so by any length.
    pub(super) fn is_to_be_renewed(&self, now_ms: i64) -> bool {
        let renewed_ms = 2 * self.renew_ms - self.expires_ms;
        now_ms >= self.renew_ms || now_ms < renewed_ms
    }
}

/// An account as people are told, without anything that is secret.
pub(super) fn describe(tenant: &str, connection: &ConnectedAccount, state: &State, gaps: &[Gap]) -> Value {
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
                "reconciledAt": gap.examined_ms.map(time),
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
        "completeUntil": time(connection.heard_ms),
        "subscription": subscription,
        "reconciledUntil": state.compared_ms.map(time),
        "blacklistCount": state.blacklisted,
        "undeliveredCount": state.undelivered,
        "callLogDifferences": state.differing,
        "directory": Standing::of(connection).describe(),
        "gaps": gaps,
    })
}
