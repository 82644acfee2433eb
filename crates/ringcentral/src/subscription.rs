//! Subscriptions: made, renewed, looked after, ended.

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    budget::Group,
    client::{Client, read},
    error::{Result, permission_in},
    id::segment,
};

/// How long a webhook's subscription is asked for.
pub const WEBHOOK_SECONDS: i64 = 604_800;

/// What a whole account's calls are told by.
const SESSIONS: &str = "/restapi/v1.0/account/~/telephony/sessions";

/// To be told of changed extensions.
const EXTENSIONS: &str = "/restapi/v1.0/account/~/extension";

const SUBSCRIPTION: &str = "/restapi/v1.0/subscription";

/// How notifications come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// They are posted.
    Webhook {
        /// Where.
        address: String,
        /// What is shown with each.
        verification_token: String,
    },
    /// They come through the WebSocket by which the subscription was made.
    WebSocket,
}

/// A subscription as RingCentral tells it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// `Active`; anything else is dead.
    pub status: String,
    /// What it tells, with real ids in place of `~`.
    pub event_filters: Vec<String>,
    /// What it does not tell though it was asked for.
    #[serde(default)]
    pub disabled_filters: Vec<DisabledFilter>,
    /// How many seconds it has left.
    pub expires_in: i64,
    #[serde(default)]
    blacklisted_data: Option<Blacklisted>,
    delivery_mode: DeliveryMode,
}

/// A filter that is not in force.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DisabledFilter {
    /// The filter.
    #[serde(default)]
    pub filter: String,
    /// RingCentral's code.
    #[serde(default)]
    pub reason: String,
    /// In words.
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
    /// Where a webhook's notifications are posted to.
    pub fn address(&self) -> Option<&str> {
        self.delivery_mode.address.as_deref()
    }

    /// Whether calls of a whole account are told, all of them.
    fn tells_sessions(&self) -> bool {
        // Of `/restapi/v1.0/account/~/telephony/sessions` RingCentral shows the account's id for `~`.
        let is_wanted = |filter: &String| {
            let rest = filter.strip_prefix("/restapi/v1.0/account/").unwrap_or_default();
            rest.split_once('/').is_some_and(|(_, what)| what == "telephony/sessions")
        };
        let is_disabled = self.disabled_sessions().is_some();
        self.event_filters.iter().any(is_wanted) && !is_disabled
    }

    fn disabled_sessions(&self) -> Option<&DisabledFilter> {
        self.disabled_filters.iter().find(|disabled| disabled.filter.contains("/telephony/sessions"))
    }
}

/// How a subscription stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Health {
    /// As it should be; so many seconds are left.
    Fine {
        /// Seconds.
        expires_in: i64,
    },
    /// There is none (any more).
    Lost,
    /// RingCentral has given it up, for a reason.
    Blacklisted(String),
    /// Somebody has changed it: calls are not told any more.
    Changed,
    /// RingCentral does not let this user be told of calls.
    Disabled {
        /// The permission that is missing, where it says so.
        permission: Option<String>,
        /// What it says.
        message: String,
    },
}

/// How a subscription stands in the list of all.
pub fn judge(list: &[Subscription], id: &str) -> Health {
    let Some(own) = list.iter().find(|subscription| subscription.id == id) else { return Health::Lost };
    if !own.status.eq_ignore_ascii_case("active") {
        let reason = own.blacklisted_data.as_ref().map(|data| data.reason.clone());
        return Health::Blacklisted(reason.unwrap_or_else(|| own.status.clone()));
    }
    if let Some(disabled) = own.disabled_sessions() {
        let message = disabled.message.clone();
        return Health::Disabled { permission: permission_in(&message), message };
    }
    match own.tells_sessions() {
        true => Health::Fine { expires_in: own.expires_in },
        false => Health::Changed,
    }
}

/// When a subscription that has so many seconds left is renewed: at half of them, somewhat earlier for some than for
/// others (`jitter` from 0 to 1).
pub fn renew_at_ms(now_ms: i64, expires_in: i64, jitter: f64) -> i64 {
    let half = (expires_in.max(0) * 500) as f64;
    now_ms + (half * (1.0 - 0.2 * jitter.clamp(0.0, 1.0))) as i64
}

#[derive(Deserialize)]
struct List {
    records: Vec<Subscription>,
}

/// What to ask for: sessions, changed extensions, and a reminder while a tenth of the time is left.
pub(crate) fn wanted(transport: &Transport) -> Value {
    match transport {
        Transport::Webhook { address, verification_token } => {
            let (threshold, interval) = (WEBHOOK_SECONDS / 10, WEBHOOK_SECONDS / 40);
            let reminder = format!("{SUBSCRIPTION}/~?threshold={threshold}&interval={interval}");
            json!({
                "eventFilters": [SESSIONS, EXTENSIONS, reminder],
                "deliveryMode": {
                    "transportType": "WebHook", "address": address, "verificationToken": verification_token
                },
                "expiresIn": WEBHOOK_SECONDS,
            })
        }
        Transport::WebSocket => json!({
            "eventFilters": [SESSIONS, EXTENSIONS], "deliveryMode": { "transportType": "WebSocket" }
        }),
    }
}

impl Client {
    /// Subscribes to all calls of the user's account, by webhook. RingCentral asks the webhook before it answers.
    pub async fn subscribe(&self, address: &str, verification_token: &str) -> Result<Subscription> {
        let transport = Transport::Webhook {
            address: address.to_owned(),
            verification_token: verification_token.to_owned(),
        };
        read(&self.ask(Group::Medium, Method::POST, SUBSCRIPTION, Some(&wanted(&transport))).await?)
    }

    /// All subscriptions of this user by this app.
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>> {
        Ok(self.get::<List>(Group::Light, SUBSCRIPTION).await?.records)
    }

    /// Gives a subscription its full time again.
    pub async fn renew(&self, id: &str) -> Result<Subscription> {
        let path = format!("{SUBSCRIPTION}/{}/renew", segment(id));
        read(&self.ask(Group::Light, Method::POST, &path, None).await?)
    }

    /// Ends a subscription; that there is none is as good.
    pub async fn unsubscribe(&self, id: &str) -> Result<()> {
        let path = format!("{SUBSCRIPTION}/{}", segment(id));
        match self.ask(Group::Medium, Method::DELETE, &path, None).await {
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
    fn one_that_tells_calls_is_fine() {
        assert_eq!(judge(&[subscription(json!({}))], "a"), Health::Fine { expires_in: 604_799 });
        assert_eq!(judge(&[subscription(json!({}))], "b"), Health::Lost);
        assert_eq!(subscription(json!({})).address(), Some("https://hooks.example/hooks/acme"));
    }

    #[test]
    fn whatever_is_not_active_is_dead() {
        let suspended = subscription(json!({ "status": "Suspended" }));
        assert_eq!(judge(&[suspended], "a"), Health::Blacklisted("Suspended".to_owned()));
        let reason = "Webhook responses with code: [404], reason: [Not Found]";
        let blacklisted = subscription(json!({ "status": "Blacklisted",
            "blacklistedData": { "reason": reason, "blacklistedAt": "2026-11-22T12:00:00.000Z" } }));
        assert_eq!(judge(&[blacklisted], "a"), Health::Blacklisted(reason.to_owned()));
    }

    #[test]
    fn one_that_was_changed_or_is_not_allowed_is_told_apart() {
        let narrowed = ["/restapi/v1.0/account/8/telephony/sessions?direction=Inbound"];
        assert_eq!(judge(&[subscription(json!({ "eventFilters": narrowed }))], "a"), Health::Changed);
        let of_one = ["/restapi/v1.0/account/8/extension/9/telephony/sessions"];
        assert_eq!(judge(&[subscription(json!({ "eventFilters": of_one }))], "a"), Health::Changed);
        let disabled = json!([{ "filter": "/restapi/v1.0/account/8/telephony/sessions", "reason": "SUB-412",
            "message": "Extension permission [HUD] is missing" }]);
        let health = judge(&[subscription(json!({ "disabledFilters": disabled }))], "a");
        assert!(matches!(health, Health::Disabled { permission: Some(hud), .. } if hud == "HUD"));
    }

    #[test]
    fn renewal_comes_well_before_the_end_and_not_for_all_at_once() {
        assert_eq!(renew_at_ms(1_000, 604_800, 0.0), 1_000 + 302_400_000);
        assert_eq!(renew_at_ms(1_000, 604_800, 1.0), 1_000 + 241_920_000);
        assert_eq!(renew_at_ms(1_000, -5, 1.0), 1_000);
    }

    #[test]
    fn reminders_keep_to_what_ringcentral_allows() {
        let wanted =
            wanted(&Transport::Webhook { address: String::new(), verification_token: String::new() });
        let filter = wanted["eventFilters"][2].as_str().unwrap();
        let number = |name: &str| -> i64 {
            filter.split(['?', '&']).find_map(|part| part.strip_prefix(name)).unwrap().parse().unwrap()
        };
        let (threshold, interval) = (number("threshold="), number("interval="));
        assert!(threshold <= WEBHOOK_SECONDS / 2 && interval <= threshold / 2 && interval > 60);
    }
}
