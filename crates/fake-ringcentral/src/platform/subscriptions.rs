//! Subscriptions: their event filters, transports, lifetimes and states.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wholecall_simulator::{Code, Notification, Timestamp};

use super::{reply::Reply, request::query_of};

/// Maximum number of subscriptions of a user.
pub(crate) const MAX_SUBSCRIPTIONS_PER_USER: usize = 30;

/// Default lifetime of a webhook's subscription.
const WEBHOOK_LIFETIME_S: i64 = 604_799;

/// Maximum lifetime of a webhook's subscription.
const MAX_WEBHOOK_LIFETIME_S: i64 = 315_360_000;

/// Lifetime of a WebSocket's subscription.
const WEB_SOCKET_LIFETIME_S: i64 = 86_399;

/// How notifications are delivered.
#[derive(Debug, Clone)]
pub(crate) enum Transport {
    /// To a webhook, at its address.
    WebHook(String),
    /// Through a session of the WebSocket gateway, by its token.
    WebSocket(String),
}

/// An event filter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Filter {
    /// State changes of sessions of the account, or of one extension, that match a query.
    Sessions { extension: Option<u64>, query: Vec<(String, String)> },
    /// Changes of the account's extensions.
    Extensions,
    /// Reminders from `threshold_s` before the end, every `interval_s`.
    Reminder { threshold_s: i64, interval_s: i64 },
    /// Events that never happen on this platform.
    Other,
}

/// A subscription.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) number: u64,
    pub(crate) owner: u64,
    /// The index of its account.
    pub(crate) account_index: usize,
    /// The event filters as text, with ids in place of `~`.
    texts: Vec<String>,
    filters: Vec<Filter>,
    pub(crate) transport: Transport,
    created_at: Timestamp,
    lifetime_s: i64,
    expires_at: Timestamp,
    /// When and why it was blacklisted.
    blacklisted: Option<(Timestamp, String)>,
    /// The first of the failures since the last successful delivery.
    failing_since: Option<Timestamp>,
    /// The last reminder, renewal or change.
    reminded_at: Timestamp,
}

/// All subscriptions, by their number.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(pub(crate) BTreeMap<u64, Subscription>);

impl Filter {
    fn parse(text: &str) -> Option<Self> {
        let path = text.split('?').next().unwrap_or_default().trim_end_matches('/');
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let query = query_of(text);
        let seconds = |name: &str| {
            let value = query.iter().find(|(other, _)| other == name)?;
            value.1.parse().ok()
        };
        match segments[..] {
            ["restapi", "v1.0", "account", _, "telephony", "sessions"] => {
                Some(Self::Sessions { extension: None, query })
            }
            ["restapi", "v1.0", "account", _, "extension", extension, "telephony", "sessions"] => {
                Some(Self::Sessions { extension: Some(extension.parse().ok()?), query })
            }
            ["restapi", "v1.0", "account", _, "extension"] => Some(Self::Extensions),
            ["restapi", "v1.0", "subscription", "~"] => {
                Some(Self::Reminder { threshold_s: seconds("threshold")?, interval_s: seconds("interval")? })
            }
            ["restapi", "v1.0", _, ..] => Some(Self::Other),
            _ => None,
        }
    }

    /// Whether a notification matches. Several values of one parameter are alternatives.
    fn matches(&self, notification: &Notification) -> bool {
        let Self::Sessions { extension, query } = self else { return false };
        let party = &notification.body.party;
        let code = match party.status.code {
            Code::Voicemail => "VoiceMail".to_owned(),
            code => format!("{code:?}"),
        };
        let direction = if party.outbound { "Outbound" } else { "Inbound" };
        let has = |name: &str, actual: &str| {
            let mut allowed = query.iter().filter(|(other, _)| other == name).peekable();
            allowed.peek().is_none() || allowed.any(|(_, value)| value.eq_ignore_ascii_case(actual))
        };
        extension.is_none_or(|extension| party.extension == Some(extension))
            && has("direction", direction)
            && has("statusCode", &code)
            && has("missedCall", if party.missed { "true" } else { "false" })
    }
}

/// The event filters of a request, with the caller's ids in place of `~`.
fn parse_filters(body: &Value, account: u64, owner: u64) -> Result<(Vec<String>, Vec<Filter>), Reply> {
    let requested = body["eventFilters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let with_ids = |text: &str| {
        text.replace("/account/~", &format!("/account/{account}"))
            .replace("/extension/~", &format!("/extension/{owner}"))
    };
    let texts: Vec<String> = requested.iter().filter_map(Value::as_str).map(with_ids).collect();
    let parsed: Option<Vec<Filter>> = texts.iter().map(|text| Filter::parse(text)).collect();
    match parsed {
        Some(filters) if !filters.is_empty() => Ok((texts, filters)),
        _ => Err(Reply::error(400, "SUB-508", "Event filters are invalid or not supplied")),
    }
}

fn check_reminders(filters: &[Filter], lifetime_s: i64) -> Result<(), Reply> {
    let are_valid = filters.iter().all(|filter| match filter {
        Filter::Reminder { threshold_s, interval_s } => {
            *interval_s >= 1 && *threshold_s <= lifetime_s / 2 && *interval_s <= threshold_s / 2
        }
        _ => true,
    });
    let refusal = || Reply::error(400, "SUB-516", "Threshold or interval of the reminder filter is invalid");
    are_valid.then_some(()).ok_or_else(refusal)
}

/// Who creates a subscription, and how it is delivered.
pub(crate) struct Subscriber {
    pub(crate) account_index: usize,
    pub(crate) account_id: u64,
    /// The extension of the user.
    pub(crate) owner: u64,
    pub(crate) transport: Transport,
}

impl Subscription {
    /// Creates a subscription from the body of a request.
    pub(crate) fn new(
        number: u64,
        subscriber: Subscriber,
        body: &Value,
        now: Timestamp,
    ) -> Result<Self, Reply> {
        let (texts, filters) = parse_filters(body, subscriber.account_id, subscriber.owner)?;
        let lifetime_s = match subscriber.transport {
            Transport::WebSocket(_) => WEB_SOCKET_LIFETIME_S,
            Transport::WebHook(_) => {
                body["expiresIn"].as_i64().unwrap_or(WEBHOOK_LIFETIME_S).clamp(1, MAX_WEBHOOK_LIFETIME_S)
            }
        };
        check_reminders(&filters, lifetime_s)?;
        Ok(Self {
            number,
            owner: subscriber.owner,
            account_index: subscriber.account_index,
            texts,
            filters,
            transport: subscriber.transport,
            created_at: now,
            lifetime_s,
            expires_at: now + 1000 * lifetime_s,
            blacklisted: None,
            failing_since: None,
            reminded_at: now,
        })
    }

    /// Its id.
    pub(crate) fn id(&self) -> String {
        wholecall_simulator::Subscription { number: self.number, owner: self.owner }.id()
    }

    /// Whether it has not expired.
    pub(crate) fn is_alive(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// Whether it is delivered.
    pub(crate) fn is_active(&self, now: Timestamp) -> bool {
        self.is_alive(now) && self.blacklisted.is_none()
    }

    /// Whether a notification matches one of its filters.
    pub(crate) fn matches(&self, notification: &Notification) -> bool {
        self.filters.iter().any(|filter| filter.matches(notification))
    }

    /// Whether it covers changes of extensions.
    pub(crate) fn covers_extensions(&self) -> bool {
        self.filters.contains(&Filter::Extensions)
    }

    /// `PUT`: changes filters and lifetime; nothing else can be changed.
    pub(crate) fn update(&mut self, body: &Value, account: u64, now: Timestamp) -> Result<(), Reply> {
        let requested_s = body["expiresIn"].as_i64().map(|given| given.clamp(1, MAX_WEBHOOK_LIFETIME_S));
        let lifetime_s = requested_s.unwrap_or(self.lifetime_s);
        if body["eventFilters"].is_array() {
            let (texts, filters) = parse_filters(body, account, self.owner)?;
            check_reminders(&filters, lifetime_s)?;
            (self.texts, self.filters) = (texts, filters);
        }
        self.lifetime_s = lifetime_s;
        self.renew(now);
        Ok(())
    }

    /// `POST …/renew`.
    pub(crate) fn renew(&mut self, now: Timestamp) {
        self.expires_at = now + 1000 * self.lifetime_s;
        self.reminded_at = now;
    }

    /// Records the result of a delivery; `Err` has RingCentral's text of the failure. Failures for
    /// `blacklist_after_ms` blacklist the subscription.
    pub(crate) fn record_delivery(
        &mut self,
        result: Result<(), String>,
        now: Timestamp,
        blacklist_after_ms: i64,
    ) {
        match result {
            Ok(()) => self.failing_since = None,
            Err(reason) => {
                let since = *self.failing_since.get_or_insert(now);
                if now - since >= blacklist_after_ms {
                    self.blacklist(reason, now);
                }
            }
        }
    }

    /// Ends its deliveries; the first reason counts.
    pub(crate) fn blacklist(&mut self, reason: String, now: Timestamp) {
        self.blacklisted.get_or_insert((now, reason));
    }

    /// The reminder that is due; `None` if none is due.
    pub(crate) fn reminder(&mut self, uuid: u64, now: Timestamp) -> Option<String> {
        let due = self.filters.iter().zip(&self.texts).find(|(filter, _)| match filter {
            Filter::Reminder { threshold_s, interval_s } => {
                self.expires_at - now <= 1000 * threshold_s && now - self.reminded_at >= 1000 * interval_s
            }
            _ => false,
        });
        let event = due.map(|(_, text)| text.clone())?;
        self.reminded_at = now;
        let reminder = json!({
            "uuid": uuid.to_string(), "event": event, "timestamp": now,
            "subscriptionId": self.id(), "ownerId": self.owner.to_string(),
            "body": self.to_json("", now),
        });
        Some(reminder.to_string())
    }

    /// The subscription in RingCentral's format.
    pub(crate) fn to_json(&self, base: &str, now: Timestamp) -> Value {
        let id = self.id();
        let mut value = json!({
            "uri": format!("{base}/restapi/v1.0/subscription/{id}"), "id": id,
            "creationTime": self.created_at,
            "status": if self.blacklisted.is_some() { "Blacklisted" } else { "Active" },
            "eventFilters": self.texts, "disabledFilters": [],
            "expirationTime": self.expires_at,
            "expiresIn": ((self.expires_at - now) / 1000 - 1).max(0),
            "deliveryMode": match &self.transport {
                Transport::WebHook(address) => {
                    json!({ "transportType": "WebHook", "encryption": false, "address": address })
                }
                Transport::WebSocket(_) => json!({ "transportType": "WebSocket", "encryption": false }),
            },
        });
        if let Some((at, reason)) = &self.blacklisted {
            value["blacklistedData"] = json!({ "reason": reason, "blacklistedAt": at });
        }
        value
    }
}

impl Subscriptions {
    /// A subscription of a user that has not expired.
    pub(crate) fn of(&mut self, owner: u64, id: &str, now: Timestamp) -> Result<&mut Subscription, Reply> {
        let found = self.0.values_mut().find(|subscription| {
            subscription.owner == owner && subscription.is_alive(now) && subscription.id() == id
        });
        found.ok_or_else(|| Reply::error(404, "SUB-507", "Subscription is not found or has expired"))
    }

    /// The subscriptions of a user that have not expired.
    pub(crate) fn all_of(&self, owner: u64, now: Timestamp) -> impl Iterator<Item = &Subscription> {
        self.0.values().filter(move |one| one.owner == owner && one.is_alive(now))
    }
}
