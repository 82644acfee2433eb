//! Subscriptions: creating, renewing, checking and ending them.

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    budget::Group,
    client::{Client, read},
    error::{Result, permission_in},
    id::segment,
};

/// Requested lifetime of a webhook's subscription, in seconds.
pub const WEBHOOK_LIFETIME_S: i64 = 604_800;

/// Event filter: state changes of all sessions of the account.
const SESSIONS_FILTER: &str = "/restapi/v1.0/account/~/telephony/sessions";

/// Event filter: changed extensions.
const EXTENSIONS_FILTER: &str = "/restapi/v1.0/account/~/extension";

const SUBSCRIPTION_PATH: &str = "/restapi/v1.0/subscription";

/// How RingCentral delivers notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// By HTTP POST.
    Webhook {
        /// The URL.
        address: String,
        /// The `Verification-Token` header of each notification.
        verification_token: String,
    },
    /// Through the WebSocket that the subscription was created on.
    WebSocket,
}

/// A subscription, as RingCentral describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// `Active`; with any other status nothing is delivered.
    pub status: String,
    /// The event filters in force, with real ids in place of `~`.
    pub event_filters: Vec<String>,
    /// Requested event filters that are not in force.
    #[serde(default)]
    pub disabled_filters: Vec<DisabledFilter>,
    /// Seconds until it expires.
    pub expires_in: i64,
    #[serde(default)]
    blacklisted_data: Option<Blacklisted>,
    delivery_mode: DeliveryMode,
}

/// An event filter that is not in force.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DisabledFilter {
    /// The filter.
    #[serde(default)]
    pub filter: String,
    /// RingCentral's code.
    #[serde(default)]
    pub reason: String,
    /// RingCentral's message.
    #[serde(default)]
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Blacklisted {
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct DeliveryMode {
    #[serde(default)]
    address: Option<String>,
}

impl Subscription {
    /// The URL of a webhook; `None` if the subscription is not a webhook's.
    pub fn address(&self) -> Option<&str> {
        self.delivery_mode.address.as_deref()
    }

    /// Whether the subscription covers all sessions of the whole account.
    fn covers_sessions(&self) -> bool {
        // In `/restapi/v1.0/account/~/telephony/sessions` RingCentral replaces `~` by the account's id.
        let is_of_all_sessions = |filter: &String| {
            let rest = filter.strip_prefix("/restapi/v1.0/account/").unwrap_or_default();
            rest.split_once('/').is_some_and(|(_, resource)| resource == "telephony/sessions")
        };
        let is_disabled = self.disabled_sessions().is_some();
        self.event_filters.iter().any(is_of_all_sessions) && !is_disabled
    }

    fn disabled_sessions(&self) -> Option<&DisabledFilter> {
        self.disabled_filters.iter().find(|disabled| disabled.filter.contains("/telephony/sessions"))
    }
}

/// The state of a subscription.
#[derive(Debug, Clone, PartialEq)]
pub enum SubscriptionHealth {
    /// In force.
    Fine {
        /// Seconds until it expires.
        expires_in: i64,
    },
    /// It does not exist (any more).
    Lost,
    /// RingCentral stopped delivering, for this reason.
    Blacklisted(String),
    /// Its event filters were changed: it does not cover all sessions any more.
    Changed,
    /// RingCentral does not let this user subscribe to sessions.
    Disabled {
        /// The permission that is missing; `None` if RingCentral does not name it.
        permission: Option<String>,
        /// RingCentral's message.
        message: String,
    },
}

/// The state of the subscription with an id, given the list of all.
pub fn assess(list: &[Subscription], id: &str) -> SubscriptionHealth {
    let Some(own) = list.iter().find(|subscription| subscription.id == id) else {
        return SubscriptionHealth::Lost;
    };
    if !own.status.eq_ignore_ascii_case("active") {
        let reason = own.blacklisted_data.as_ref().map(|data| data.reason.clone());
        return SubscriptionHealth::Blacklisted(reason.unwrap_or_else(|| own.status.clone()));
    }
    if let Some(disabled) = own.disabled_sessions() {
        let message = disabled.message.clone();
        return SubscriptionHealth::Disabled { permission: permission_in(&message), message };
    }
    match own.covers_sessions() {
        true => SubscriptionHealth::Fine { expires_in: own.expires_in },
        false => SubscriptionHealth::Changed,
    }
}

/// When to renew a subscription that expires in `expires_in` seconds: at half of them, up to a fifth earlier
/// (`jitter` from 0 to 1), so that many are not renewed at once.
pub fn renew_at_ms(now_ms: i64, expires_in: i64, jitter: f64) -> i64 {
    let half = (expires_in.max(0) * 500) as f64;
    now_ms + (half * (1.0 - 0.2 * jitter.clamp(0.0, 1.0))) as i64
}

#[derive(Deserialize)]
struct List {
    records: Vec<Subscription>,
}

/// The body of a request to subscribe: sessions, changed extensions and, for a webhook, reminders in the last
/// tenth of its lifetime.
pub(crate) fn subscription_request(transport: &Transport) -> Value {
    match transport {
        Transport::Webhook { address, verification_token } => {
            let (threshold, interval) = (WEBHOOK_LIFETIME_S / 10, WEBHOOK_LIFETIME_S / 40);
            let reminder = format!("{SUBSCRIPTION_PATH}/~?threshold={threshold}&interval={interval}");
            json!({
                "eventFilters": [SESSIONS_FILTER, EXTENSIONS_FILTER, reminder],
                "deliveryMode": {
                    "transportType": "WebHook", "address": address, "verificationToken": verification_token
                },
                "expiresIn": WEBHOOK_LIFETIME_S,
            })
        }
        Transport::WebSocket => json!({
            "eventFilters": [SESSIONS_FILTER, EXTENSIONS_FILTER], "deliveryMode": { "transportType": "WebSocket" }
        }),
    }
}

impl Client {
    /// Subscribes a webhook to all sessions of the user's account. RingCentral calls the webhook before it
    /// answers.
    pub async fn subscribe(&self, address: &str, verification_token: &str) -> Result<Subscription> {
        let transport = Transport::Webhook {
            address: address.to_owned(),
            verification_token: verification_token.to_owned(),
        };
        read(
            &self
                .request(
                    Group::Medium,
                    Method::POST,
                    SUBSCRIPTION_PATH,
                    Some(&subscription_request(&transport)),
                )
                .await?,
        )
    }

    /// All subscriptions of this user and app.
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>> {
        Ok(self.get::<List>(Group::Light, SUBSCRIPTION_PATH).await?.records)
    }

    /// Renews a subscription for its full lifetime.
    pub async fn renew(&self, id: &str) -> Result<Subscription> {
        let path = format!("{SUBSCRIPTION_PATH}/{}/renew", segment(id));
        read(&self.request(Group::Light, Method::POST, &path, None).await?)
    }

    /// Ends a subscription. One that does not exist is not an error.
    pub async fn unsubscribe(&self, id: &str) -> Result<()> {
        let path = format!("{SUBSCRIPTION_PATH}/{}", segment(id));
        match self.request(Group::Medium, Method::DELETE, &path, None).await {
            Err(error) if !error.is_unknown() => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(changes: Value) -> Subscription {
        let mut value = json!({
            "id": "a", "status": "Active", "eventFilters": ["/restapi/v1.0/account/809646016/telephony/sessions"],
            "disabledFilters": [], "expiresIn": 604_799, "expirationTime": "2026-11-29T12:00:00.000Z",
            "deliveryMode": { "transportType": "WebHook", "address": "https://hooks.example/hooks/acme" },
        });
        for (name, change) in changes.as_object().unwrap() {
            value[name] = change.clone();
        }
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_subscription_that_covers_all_sessions_is_fine() {
        assert_eq!(assess(&[subscription(json!({}))], "a"), SubscriptionHealth::Fine { expires_in: 604_799 });
        assert_eq!(assess(&[subscription(json!({}))], "b"), SubscriptionHealth::Lost);
        assert_eq!(subscription(json!({})).address(), Some("https://hooks.example/hooks/acme"));
    }

    #[test]
    fn a_subscription_that_is_not_active_is_blacklisted() {
        let suspended = subscription(json!({ "status": "Suspended" }));
        assert_eq!(assess(&[suspended], "a"), SubscriptionHealth::Blacklisted("Suspended".to_owned()));
        let reason = "Webhook responses with code: [404], reason: [Not Found]";
        let blacklisted = subscription(json!({ "status": "Blacklisted",
            "blacklistedData": { "reason": reason, "blacklistedAt": "2026-11-22T12:00:00.000Z" } }));
        assert_eq!(assess(&[blacklisted], "a"), SubscriptionHealth::Blacklisted(reason.to_owned()));
    }

    #[test]
    fn changed_and_disabled_subscriptions_are_distinguished() {
        let narrowed = ["/restapi/v1.0/account/8/telephony/sessions?direction=Inbound"];
        assert_eq!(
            assess(&[subscription(json!({ "eventFilters": narrowed }))], "a"),
            SubscriptionHealth::Changed
        );
        let of_one = ["/restapi/v1.0/account/8/extension/9/telephony/sessions"];
        assert_eq!(
            assess(&[subscription(json!({ "eventFilters": of_one }))], "a"),
            SubscriptionHealth::Changed
        );
        let disabled = json!([{ "filter": "/restapi/v1.0/account/8/telephony/sessions", "reason": "SUB-412",
            "message": "Extension permission [HUD] is missing" }]);
        let health = assess(&[subscription(json!({ "disabledFilters": disabled }))], "a");
        assert!(matches!(health, SubscriptionHealth::Disabled { permission: Some(hud), .. } if hud == "HUD"));
    }

    #[test]
    fn renewal_comes_well_before_the_end_and_not_for_all_at_once() {
        assert_eq!(renew_at_ms(1_000, 604_800, 0.0), 1_000 + 302_400_000);
        assert_eq!(renew_at_ms(1_000, 604_800, 1.0), 1_000 + 241_920_000);
        assert_eq!(renew_at_ms(1_000, -5, 1.0), 1_000);
    }

    #[test]
    fn reminders_respect_ringcentrals_minimum_interval() {
        let request = subscription_request(&Transport::Webhook {
            address: String::new(),
            verification_token: String::new(),
        });
        let filter = request["eventFilters"][2].as_str().unwrap();
        let number = |name: &str| -> i64 {
            filter.split(['?', '&']).find_map(|part| part.strip_prefix(name)).unwrap().parse().unwrap()
        };
        let (threshold, interval) = (number("threshold="), number("interval="));
        assert!(threshold <= WEBHOOK_LIFETIME_S / 2 && interval <= threshold / 2 && interval > 60);
    }
}
