//! The platform: its state, the exchange that drives it, and what is delivered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fastrand::Rng;
use serde_json::json;
use tokio::sync::Notify;
use wholecall_simulator::{
    Account, CallTruth, Company, Faults, Iso, Millis, Notification, Scenario, Told, Traffic,
};

use crate::{
    Config,
    clock::Clock,
    limits::Limits,
    oauth::OAuth,
    sessions::Session,
    sockets::Sockets,
    subscriptions::{Subscriptions, Transport},
};

/// A customer of the platform.
pub(crate) struct Customer {
    pub(crate) traffic: Traffic,
    /// By id; ids of one account rise with time, but for their first letters.
    pub(crate) sessions: BTreeMap<String, Session>,
    /// Before this time the call log was reset: older sync tokens are of no use.
    pub(crate) log_since: Millis,
    pub(crate) truths: Vec<CallTruth>,
    /// Names that extensions were given since.
    names: BTreeMap<u64, String>,
}

impl Customer {
    pub(crate) fn account(&self) -> &Account {
        &self.traffic.accounts()[0]
    }

    /// The name of an extension; `usual` if it was not renamed.
    pub(crate) fn name_of(&self, extension: u64, usual: String) -> String {
        self.names.get(&extension).cloned().unwrap_or(usual)
    }
}

/// What is out of order just now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outage {
    /// Until when nothing is delivered.
    pub(crate) delivery_until: Millis,
    /// Until when requests are answered with 503.
    pub(crate) api_until: Millis,
}

/// Everything that changes.
pub(crate) struct State {
    pub(crate) customers: Vec<Customer>,
    pub(crate) oauth: OAuth,
    pub(crate) limits: Limits,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) sockets: Sockets,
    pub(crate) outage: Outage,
    /// What may not be read, by a part of its path, and the permission that is missing.
    pub(crate) denied: BTreeMap<String, String>,
    /// How many requests there were, by method and path pattern.
    pub(crate) requests: BTreeMap<String, u64>,
    pub(crate) delivered: u64,
    /// Posts that are on their way.
    pub(crate) underway: u64,
    pub(crate) faults: Faults,
    /// The notification with which a session is over is never delivered.
    pub(crate) loses_ends: bool,
    /// Records of the call log do not say whether they are final, as before August 2026.
    pub(crate) omits_finished: bool,
    pub(crate) rng: Rng,
}

/// The platform, as everybody shares it.
pub(crate) struct Platform {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    state: Mutex<State>,
    /// Told when something may be due earlier than was thought.
    pub(crate) changed: Notify,
}

impl Platform {
    pub(crate) fn new(config: Config) -> Self {
        let clock = Clock::new(config.speed, config.behind);
        let now = clock.call_time();
        let customer = |number: usize| {
            let company =
                Company { users: config.users, calls_per_user: config.calls_per_user, number: number as u64 };
            // Longer than anybody lets it run; days begin in the morning.
            let until = now + 10 * 365 * 86_400_000;
            let traffic = Traffic::new(company, now, until, config.seed + number as u64).from_hour(10);
            Customer {
                traffic,
                sessions: BTreeMap::new(),
                log_since: now - 1,
                truths: Vec::new(),
                names: BTreeMap::new(),
            }
        };
        let state = State {
            customers: (0..config.accounts).map(customer).collect(),
            oauth: OAuth::new(
                &config.client_id,
                &config.client_secret,
                config.gives_refresh_tokens,
                config.seed,
            ),
            limits: Limits::new(config.rate_window.as_millis() as Millis),
            subscriptions: Subscriptions::default(),
            sockets: Sockets::default(),
            outage: Outage::default(),
            denied: BTreeMap::new(),
            requests: BTreeMap::new(),
            delivered: 0,
            underway: 0,
            faults: config.faults.clone(),
            loses_ends: false,
            omits_finished: false,
            rng: Rng::with_seed(config.seed ^ 0x5eed),
        };
        Self { config, clock, state: Mutex::new(state), changed: Notify::new() }
    }

    /// The state; never held while waiting.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // What panicked while it held the lock has left nothing half done that matters to a simulation.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plays calls for as long as the platform runs.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let wait = self.step();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// Lets time pass at once; what is due by then has happened when this returns.
    pub(crate) fn advance(self: &Arc<Self>, by: Millis) {
        self.clock.advance(by);
        self.step();
        self.changed.notify_one();
    }

    /// Does what is due; how long until there is more.
    fn step(self: &Arc<Self>) -> Duration {
        let now = self.clock.call_time();
        let mut state = self.state();
        for place in 0..state.customers.len() {
            while let Some(told) = state.customers[place].traffic.due(now) {
                self.take(&mut state, place, told);
            }
        }
        self.remind(&mut state);
        let due = state.customers.iter().filter_map(|customer| customer.traffic.next_due()).min();
        // Reminders are looked for every second.
        let second = Duration::from_secs(1);
        due.map_or(second, |due| self.clock.until(due).clamp(Duration::from_millis(1), second))
    }

    fn take(self: &Arc<Self>, state: &mut State, place: usize, told: Told) {
        let customer = &mut state.customers[place];
        let account = customer.account().id;
        match told {
            Told::Truth(truth) => {
                if truth.account_id == Some(account.to_string()) {
                    customer.truths.push(truth);
                }
            }
            // What the company on the other side is told goes elsewhere.
            Told::Notification(told) if told.account != account => {}
            Told::Notification(told) => {
                let id = told.body.session.to_string();
                let session = customer.sessions.entry(id).or_insert_with(|| Session::new(&told));
                session.apply(&told);
                if session.over.is_none() || !state.loses_ends {
                    self.publish(state, place, &told);
                }
            }
        }
    }

    /// Sends a notification to whoever wants it.
    fn publish(self: &Arc<Self>, state: &mut State, place: usize, told: &Notification) {
        let now = self.clock.now();
        if now < state.outage.delivery_until {
            return;
        }
        let wanting = |subscription: &crate::subscriptions::Subscription| {
            subscription.company == place && subscription.is_active(now) && subscription.wants(told)
        };
        let wanting: Vec<_> = state
            .subscriptions
            .0
            .values()
            .filter(|one| wanting(one))
            .map(|one| (one.number, one.owner))
            .collect();
        for (number, owner) in wanting {
            let uuid = state.rng.u64(1..1 << 63);
            let subscription = wholecall_simulator::Subscription { number, owner };
            let own = Notification { uuid, subscription, ..told.clone() };
            let seed = state.rng.u64(..);
            for arriving in state.faults.apply(vec![own], seed) {
                let late = (arriving.arrival - told.arrival).max(0) as f64 / self.config.speed;
                self.send(state, number, arriving.to_json(), late as u64);
            }
        }
    }

    fn remind(self: &Arc<Self>, state: &mut State) {
        let now = self.clock.now();
        let mut due = Vec::new();
        for subscription in state.subscriptions.0.values_mut().filter(|one| one.is_active(now)) {
            let uuid = state.rng.u64(1..1 << 63);
            due.extend(subscription.reminder(uuid, now).map(|reminder| (subscription.number, reminder)));
        }
        for (number, reminder) in due {
            self.send(state, number, reminder, 0);
        }
    }

    /// Sends a document to a subscription's transport, some milliseconds late.
    fn send(self: &Arc<Self>, state: &mut State, number: u64, document: String, late: u64) {
        let Some(subscription) = state.subscriptions.0.get(&number) else { return };
        let (webhook, room) = match &subscription.transport {
            Transport::WebHook { webhook, room, .. } => (webhook.clone(), room.clone()),
            Transport::WebSocket(token) => {
                let token = token.clone();
                state.delivered += 1;
                return state.sockets.notify(&token, &document, self.clock.now());
            }
        };
        state.underway += 1;
        let platform = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(late)).await;
            let Ok(_permit) = room.acquire_owned().await else { return };
            let result = webhook.deliver(document).await;
            let now = platform.clock.now();
            let patience = platform.config.blacklist_after.as_millis() as Millis;
            let mut state = platform.state();
            state.delivered += u64::from(result.is_ok());
            state.underway -= 1;
            if let Some(subscription) = state.subscriptions.0.get_mut(&number) {
                subscription.delivered(result, now, patience);
            }
        });
    }

    /// Gives an extension another name in the lists, and tells whoever wants to know. Calls go on under the name they
    /// know.
    pub(crate) fn rename(self: &Arc<Self>, account: usize, extension: u64, name: String) {
        let now = self.clock.now();
        let mut state = self.state();
        let Some(customer) = state.customers.get_mut(account) else { return };
        customer.names.insert(extension, name);
        let event = format!("/restapi/v1.0/account/{}/extension", customer.account().id);
        if now < state.outage.delivery_until {
            return;
        }
        let wanting: Vec<_> = state
            .subscriptions
            .0
            .values()
            .filter(|one| one.company == account && one.is_active(now) && one.wants_extensions())
            .map(|one| (one.number, one.id(), one.owner))
            .collect();
        for (number, subscription, owner) in wanting {
            let uuid = state.rng.u64(1..1 << 63);
            let changed = json!({
                "uuid": uuid.to_string(), "event": event, "timestamp": Iso(now).to_string(),
                "subscriptionId": subscription, "ownerId": owner.to_string(),
                "body": {
                    "extensionId": extension.to_string(), "eventType": "Update", "hints": ["ExtensionInfo"],
                },
            });
            self.send(&mut state, number, changed.to_string(), 0);
        }
    }

    /// Plays a call of an account from now on.
    pub(crate) fn play(&self, account: usize, scenario: &Scenario) -> Option<Vec<CallTruth>> {
        let now = self.clock.call_time();
        let truths = self.state().customers.get_mut(account)?.traffic.play(scenario, now);
        self.changed.notify_one();
        Some(truths)
    }
}
