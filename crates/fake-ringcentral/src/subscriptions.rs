//! Subscriptions: who wants to be told what, and where.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use wholecall_simulator::{Code, Iso, Millis, Notification};

use crate::{
    reply::{Reply, query_of},
    webhook::{Refusal, Webhook},
};

/// So many subscriptions a user may have with one app.
pub(crate) const MOST: usize = 30;

/// How long a subscription lasts if nothing is said of it, in seconds; and at most.
const USUAL_SECONDS: i64 = 604_799;
const MOST_SECONDS: i64 = 315_360_000;
const WEB_SOCKET_SECONDS: i64 = 86_399;

/// So many notifications are on their way to one webhook at once.
const AT_ONCE: usize = 16;

/// Where notifications go.
#[derive(Debug, Clone)]
pub(crate) enum Transport {
    WebHook {
        webhook: Box<Webhook>,
        address: String,
        room: Arc<Semaphore>,
    },
    /// A session of the WebSocket gateway, by its token.
    WebSocket(String),
}

impl Transport {
    pub(crate) fn webhook(webhook: Webhook, address: &str) -> Self {
        Self::WebHook {
            webhook: Box::new(webhook),
            address: address.to_owned(),
            room: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Filter {
    /// Sessions of an account, or of one extension, that have what the query asks for.
    Sessions { extension: Option<u64>, query: Vec<(String, String)> },
    /// Changes of the account's extensions.
    Extensions,
    /// To be reminded `threshold` seconds before the end, every `interval` seconds.
    Reminder { threshold: i64, interval: i64 },
    /// Something that never happens here.
    Other,
}

/// A subscription.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) number: u64,
    pub(crate) owner: u64,
    /// Its company's place.
    pub(crate) company: usize,
    texts: Vec<String>,
    filters: Vec<Filter>,
    pub(crate) transport: Transport,
    created: Millis,
    seconds: i64,
    pub(crate) expires: Millis,
    blacklisted: Option<(Millis, String)>,
    failing_since: Option<Millis>,
    reminded: Millis,
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
                Some(Self::Reminder { threshold: seconds("threshold")?, interval: seconds("interval")? })
            }
            ["restapi", "v1.0", _, ..] => Some(Self::Other),
            _ => None,
        }
    }

    /// Whether a notification is wanted. Values of one name are alternatives.
    fn wants(&self, told: &Notification) -> bool {
        let Self::Sessions { extension, query } = self else { return false };
        let party = &told.body.party;
        let code = match party.status.code {
            Code::Voicemail => "VoiceMail".to_owned(),
            code => format!("{code:?}"),
        };
        let direction = if party.outbound { "Outbound" } else { "Inbound" };
        let has = |name: &str, actual: &str| {
            let mut wanted = query.iter().filter(|(other, _)| other == name).peekable();
            wanted.peek().is_none() || wanted.any(|(_, value)| value.eq_ignore_ascii_case(actual))
        };
        extension.is_none_or(|extension| party.extension == Some(extension))
            && has("direction", direction)
            && has("statusCode", &code)
            && has("missedCall", if party.missed { "true" } else { "false" })
    }
}

/// The filters of a request, with the caller's own ids in the place of `~`.
fn filters(body: &Value, account: u64, owner: u64) -> Result<(Vec<String>, Vec<Filter>), Reply> {
    let wanted = body["eventFilters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let own = |text: &str| {
        text.replace("/account/~", &format!("/account/{account}"))
            .replace("/extension/~", &format!("/extension/{owner}"))
    };
    let texts: Vec<String> = wanted.iter().filter_map(Value::as_str).map(own).collect();
    let read: Option<Vec<Filter>> = texts.iter().map(|text| Filter::parse(text)).collect();
    match read {
        Some(filters) if !filters.is_empty() => Ok((texts, filters)),
        _ => Err(Reply::error(400, "SUB-508", "Event filters are invalid or not supplied")),
    }
}

fn check_reminders(filters: &[Filter], seconds: i64) -> Result<(), Reply> {
    let is_fine = filters.iter().all(|filter| match filter {
        Filter::Reminder { threshold, interval } => {
            *interval >= 1 && *threshold <= seconds / 2 && *interval <= threshold / 2
        }
        _ => true,
    });
    let refusal = || Reply::error(400, "SUB-516", "Threshold or interval of the reminder filter is invalid");
    is_fine.then_some(()).ok_or_else(refusal)
}

/// What a subscription is to be, apart from its number.
pub(crate) struct Wanted {
    pub(crate) company: usize,
    pub(crate) account: u64,
    pub(crate) owner: u64,
    pub(crate) transport: Transport,
}

impl Subscription {
    pub(crate) fn new(number: u64, wanted: Wanted, body: &Value, now: Millis) -> Result<Self, Reply> {
        let (texts, filters) = filters(body, wanted.account, wanted.owner)?;
        let seconds = match wanted.transport {
            Transport::WebSocket(_) => WEB_SOCKET_SECONDS,
            Transport::WebHook { .. } => {
                body["expiresIn"].as_i64().unwrap_or(USUAL_SECONDS).clamp(1, MOST_SECONDS)
            }
        };
        check_reminders(&filters, seconds)?;
        Ok(Self {
            number,
            owner: wanted.owner,
            company: wanted.company,
            texts,
            filters,
            transport: wanted.transport,
            created: now,
            seconds,
            expires: now + 1000 * seconds,
            blacklisted: None,
            failing_since: None,
            reminded: now,
        })
    }

    /// Its id as it is written.
    pub(crate) fn id(&self) -> String {
        wholecall_simulator::Subscription { number: self.number, owner: self.owner }.id()
    }

    pub(crate) fn is_alive(&self, now: Millis) -> bool {
        now < self.expires
    }

    pub(crate) fn is_active(&self, now: Millis) -> bool {
        self.is_alive(now) && self.blacklisted.is_none()
    }

    pub(crate) fn wants(&self, told: &Notification) -> bool {
        self.filters.iter().any(|filter| filter.wants(told))
    }

    pub(crate) fn wants_extensions(&self) -> bool {
        self.filters.contains(&Filter::Extensions)
    }

    /// `PUT`: other filters, another lifetime; nothing else can be changed.
    pub(crate) fn update(&mut self, body: &Value, account: u64, now: Millis) -> Result<(), Reply> {
        let seconds = body["expiresIn"].as_i64().map_or(self.seconds, |given| given.clamp(1, MOST_SECONDS));
        if body["eventFilters"].is_array() {
            let (texts, filters) = filters(body, account, self.owner)?;
            check_reminders(&filters, seconds)?;
            (self.texts, self.filters) = (texts, filters);
        }
        self.seconds = seconds;
        self.renew(now);
        Ok(())
    }

    /// `POST …/renew`.
    pub(crate) fn renew(&mut self, now: Millis) {
        self.expires = now + 1000 * self.seconds;
        self.reminded = now;
    }

    /// Takes note of how a delivery went; too long a series of failures, and there are no more.
    pub(crate) fn delivered(&mut self, result: Result<(), Refusal>, now: Millis, patience: Millis) {
        match result {
            Ok(()) => self.failing_since = None,
            Err(refusal) => {
                let since = *self.failing_since.get_or_insert(now);
                if now - since >= patience {
                    self.blacklist(refusal.to_string(), now);
                }
            }
        }
    }

    pub(crate) fn blacklist(&mut self, reason: String, now: Millis) {
        self.blacklisted.get_or_insert((now, reason));
    }

    /// The reminder that is due, if one is.
    pub(crate) fn reminder(&mut self, uuid: u64, now: Millis) -> Option<String> {
        let due = self.filters.iter().zip(&self.texts).find(|(filter, _)| match filter {
            Filter::Reminder { threshold, interval } => {
                self.expires - now <= 1000 * threshold && now - self.reminded >= 1000 * interval
            }
            _ => false,
        });
        let event = due.map(|(_, text)| text.clone())?;
        self.reminded = now;
        let reminder = json!({
            "uuid": uuid.to_string(), "event": event, "timestamp": Iso(now).to_string(),
            "subscriptionId": self.id(), "ownerId": self.owner.to_string(),
            "body": self.to_json("", now),
        });
        Some(reminder.to_string())
    }

    pub(crate) fn to_json(&self, base: &str, now: Millis) -> Value {
        let id = self.id();
        let mut value = json!({
            "uri": format!("{base}/restapi/v1.0/subscription/{id}"), "id": id,
            "creationTime": Iso(self.created).to_string(),
            "status": if self.blacklisted.is_some() { "Blacklisted" } else { "Active" },
            "eventFilters": self.texts, "disabledFilters": [],
            "expirationTime": Iso(self.expires).to_string(),
            "expiresIn": ((self.expires - now) / 1000 - 1).max(0),
            "deliveryMode": match &self.transport {
                Transport::WebHook { address, .. } => {
                    json!({ "transportType": "WebHook", "encryption": false, "address": address })
                }
                Transport::WebSocket(_) => json!({ "transportType": "WebSocket", "encryption": false }),
            },
        });
        if let Some((at, reason)) = &self.blacklisted {
            value["blacklistedData"] = json!({ "reason": reason, "blacklistedAt": Iso(*at).to_string() });
        }
        value
    }
}

impl Subscriptions {
    /// A subscription of a user that is not over.
    pub(crate) fn of(&mut self, owner: u64, id: &str, now: Millis) -> Result<&mut Subscription, Reply> {
        let found = self.0.values_mut().find(|subscription| {
            subscription.owner == owner && subscription.is_alive(now) && subscription.id() == id
        });
        found.ok_or_else(|| Reply::error(404, "SUB-507", "Subscription is not found or has expired"))
    }

    /// Those of a user that are not over.
    pub(crate) fn all_of(&self, owner: u64, now: Millis) -> impl Iterator<Item = &Subscription> {
        self.0.values().filter(move |one| one.owner == owner && one.is_alive(now))
    }
}
