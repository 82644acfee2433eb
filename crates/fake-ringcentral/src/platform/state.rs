//! The state of the platform, and what it delivers.

use std::{collections::BTreeMap, time::Duration};

use fastrand::Rng;
use serde_json::json;
use wholecall_simulator::{
    CallTruth, Company, Faults, Notification, Scenario, Subscription as Addressee, Timestamp, TrafficEvent,
};

use super::{
    account::AccountState,
    clock::{Clock, to_ms},
    gateway::Gateway,
    limits::Limits,
    oauth::OAuth,
    sessions::TelephonySession,
    subscriptions::{Subscription, Subscriptions, Transport},
};
use crate::config::Config;

/// Interval at which reminders are checked.
const REMINDER_INTERVAL: Duration = Duration::from_secs(1);

/// Minimum wait between two polls.
const MIN_WAIT: Duration = Duration::from_millis(1);

/// A delivery that the caller must make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// Post a document to the webhook of a subscription after a delay, and report the
    /// [result](State::record_delivery).
    Post { subscription: u64, document: String, delay: Duration },
    /// Send a frame to a connection of the WebSocket gateway.
    Frame { connection: u64, frame: String },
    /// Close a connection of the WebSocket gateway.
    Close { connection: u64 },
}

/// Simulated outages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    /// Nothing is delivered until this time.
    pub(crate) delivery_until: Timestamp,
    /// Requests are answered with 503 until this time.
    pub(crate) api_until: Timestamp,
}

/// The state of the platform.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) accounts: Vec<AccountState>,
    pub(crate) oauth: OAuth,
    pub(crate) limits: Limits,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) gateway: Gateway,
    pub(crate) outage: Outage,
    /// The missing permission of each denied path segment.
    pub(crate) denied: BTreeMap<String, String>,
    /// Number of requests by method and path pattern.
    pub(crate) request_counts: BTreeMap<String, u64>,
    /// Number of successful deliveries.
    pub(crate) delivered: u64,
    /// Number of posts that have no result yet.
    pub(crate) in_flight: u64,
    pub(crate) faults: Faults,
    /// Whether the notification that ends a session is lost.
    pub(crate) loses_ends: bool,
    /// Whether call log records leave out `finished`, as before August 2026.
    pub(crate) omits_finished: bool,
    pub(crate) rng: Rng,
    outgoing: Vec<Outgoing>,
}

impl State {
    /// A platform that starts at a time.
    pub(crate) fn new(config: Config, started_at: Timestamp) -> Self {
        let account = |index: usize| {
            let company =
                Company { users: config.users, calls_per_user: config.calls_per_user, number: index as u64 };
            AccountState::new(company, started_at, config.seed + index as u64)
        };
        Self {
            clock: Clock::new(started_at, config.speed),
            accounts: (0..config.accounts).map(account).collect(),
            oauth: OAuth::new(
                &config.client_id,
                &config.client_secret,
                config.issues_refresh_tokens,
                config.seed,
            ),
            limits: Limits::new(to_ms(config.rate_window)),
            subscriptions: Subscriptions::default(),
            gateway: Gateway::default(),
            outage: Outage { delivery_until: Timestamp::MIN, api_until: Timestamp::MIN },
            denied: BTreeMap::new(),
            request_counts: BTreeMap::new(),
            delivered: 0,
            in_flight: 0,
            faults: config.faults.clone(),
            loses_ends: false,
            omits_finished: false,
            rng: Rng::with_seed(config.seed ^ 0x5eed),
            outgoing: Vec::new(),
            config,
        }
    }

    /// Takes the deliveries that the caller must make.
    pub(crate) fn take_outgoing(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.outgoing)
    }

    /// Processes everything that is due; returns the time until the next poll.
    pub(crate) fn poll(&mut self) -> Duration {
        let call_time = self.clock.call_time();
        for index in 0..self.accounts.len() {
            while let Some(event) = self.accounts[index].traffic.due(call_time) {
                self.apply(index, event);
            }
        }
        self.send_reminders();
        let next = self.accounts.iter().filter_map(|account| account.traffic.next_due()).min();
        next.map_or(REMINDER_INTERVAL, |next| self.clock.until(next).clamp(MIN_WAIT, REMINDER_INTERVAL))
    }

    fn apply(&mut self, index: usize, event: TrafficEvent) {
        let account = &mut self.accounts[index];
        let id = account.account().id;
        match event {
            TrafficEvent::Truth(truth) => {
                if truth.account_id == Some(id.to_string()) {
                    account.truths.push(truth);
                }
            }
            // The company that this one calls has another account, which is not on this platform.
            TrafficEvent::Notification(notification) if notification.account != id => {}
            TrafficEvent::Notification(notification) => {
                let session = account
                    .sessions
                    .entry(notification.body.session.to_string())
                    .or_insert_with(|| TelephonySession::new(&notification));
                session.apply(&notification);
                if session.ended_at.is_none() || !self.loses_ends {
                    self.publish(index, &notification);
                }
            }
        }
    }

    /// Sends a notification to the subscriptions that it matches.
    fn publish(&mut self, account_index: usize, notification: &Notification) {
        for (number, owner) in self.matching(account_index, |one| one.matches(notification)) {
            let uuid = self.rng.u64(1..1 << 63);
            let subscription = Addressee { number, owner };
            let addressed = Notification { uuid, subscription, ..notification.clone() };
            let seed = self.rng.u64(..);
            for arriving in self.faults.apply(vec![addressed], seed) {
                let delay_ms = (arriving.arrival - notification.arrival).max(0) as f64 / self.config.speed;
                self.send(number, arriving.to_json(), Duration::from_millis(delay_ms as u64));
            }
        }
    }

    /// Number and owner of the active subscriptions of an account that satisfy a condition; none during an outage.
    fn matching(&self, account_index: usize, condition: impl Fn(&Subscription) -> bool) -> Vec<(u64, u64)> {
        let now = self.clock.now();
        let is_out = now < self.outage.delivery_until;
        let active = self.subscriptions.0.values().filter(|one| !is_out && one.is_active(now));
        active
            .filter(|one| one.account_index == account_index && condition(one))
            .map(|one| (one.number, one.owner))
            .collect()
    }

    fn send_reminders(&mut self) {
        let now = self.clock.now();
        let mut due = Vec::new();
        for subscription in self.subscriptions.0.values_mut().filter(|one| one.is_active(now)) {
            let uuid = self.rng.u64(1..1 << 63);
            due.extend(subscription.reminder(uuid, now).map(|reminder| (subscription.number, reminder)));
        }
        for (number, reminder) in due {
            self.send(number, reminder, Duration::ZERO);
        }
    }

    /// Delivers a document to a subscription. Only posts are delayed.
    fn send(&mut self, number: u64, document: String, delay: Duration) {
        let Some(subscription) = self.subscriptions.0.get(&number) else { return };
        match &subscription.transport {
            Transport::WebHook(_) => {
                self.in_flight += 1;
                self.outgoing.push(Outgoing::Post { subscription: number, document, delay });
            }
            Transport::WebSocket(token) => {
                self.delivered += 1;
                let frame = self.gateway.notify(token, &document, self.clock.now());
                self.outgoing.extend(frame.map(|(connection, frame)| Outgoing::Frame { connection, frame }));
            }
        }
    }

    /// Records the result of a post; `Err` has RingCentral's text of the failure.
    pub(crate) fn record_delivery(&mut self, number: u64, result: Result<(), String>) {
        self.delivered += u64::from(result.is_ok());
        self.in_flight -= 1;
        let (now, blacklist_after_ms) = (self.clock.now(), to_ms(self.config.blacklist_after));
        if let Some(subscription) = self.subscriptions.0.get_mut(&number) {
            subscription.record_delivery(result, now, blacklist_after_ms);
        }
    }

    /// Closes connections of the WebSocket gateway.
    pub(crate) fn close_connections(&mut self, connections: impl IntoIterator<Item = u64>) {
        self.outgoing.extend(connections.into_iter().map(|connection| Outgoing::Close { connection }));
    }

    /// Gives an extension another name in the lists, and notifies the subscriptions to changes of extensions.
    /// Notifications of calls still have the old name.
    pub(crate) fn rename(&mut self, account_index: usize, extension: u64, name: String) {
        let Some(account) = self.accounts.get_mut(account_index) else { return };
        account.new_names.insert(extension, name);
        let event = format!("/restapi/v1.0/account/{}/extension", account.account().id);
        for (number, owner) in self.matching(account_index, Subscription::covers_extensions) {
            let uuid = self.rng.u64(1..1 << 63);
            let change = json!({
                "uuid": uuid.to_string(), "event": event, "timestamp": self.clock.now(),
                "subscriptionId": Addressee { number, owner }.id(), "ownerId": owner.to_string(),
                "body": {
                    "extensionId": extension.to_string(), "eventType": "Update", "hints": ["ExtensionInfo"],
                },
            });
            self.send(number, change.to_string(), Duration::ZERO);
        }
    }

    /// Plays a scenario in an account from now on; returns the truth about its calls, or `None` if there is no such
    /// account.
    pub(crate) fn play(&mut self, account_index: usize, scenario: &Scenario) -> Option<Vec<CallTruth>> {
        let call_time = self.clock.call_time();
        Some(self.accounts.get_mut(account_index)?.traffic.play(scenario, call_time))
    }

    /// The index of the account that a user belongs to.
    pub(crate) fn account_index_of(&self, user: u64) -> Option<usize> {
        self.accounts.iter().position(|account| account.account().user(user).is_some())
    }
}
