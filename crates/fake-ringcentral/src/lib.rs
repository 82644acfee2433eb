//! A RingCentral to develop against: OAuth, subscriptions by webhook and WebSocket, telephony sessions, the call log
//! and its limits, over companies whose calls are simulated.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use wholecall_fake_ringcentral::{Config, Fake};
//!
//! let fake = Fake::start(Config { calls_per_user: 0.0, ..Config::default() }).await?;
//! println!("RingCentral is at {}; log in with {}", fake.url(), fake.jwt(0).unwrap_or_default());
//! # Ok(()) }
//! ```
//!
//! What it answers follows RingCentral's guides and OpenAPI specification and what its official clients need; nobody
//! here could compare it with the platform itself. What a test wants beside that, it asks for under `/fake/…`
//! (`docs/fake-ringcentral.md`).
//!
//! Calls may happen faster than in life; tokens, subscriptions and limits go by the clock on the wall, so that
//! clients who count seconds themselves are right.

mod api;
mod call_log;
mod clock;
mod control;
mod directory;
mod limits;
mod logs;
mod oauth;
mod platform;
mod recordings;
mod reply;
mod sessions;
mod sockets;
mod subscribing;
mod subscriptions;
mod webhook;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle};
use wholecall_simulator::{CallTruth, Faults, Millis, Scenario};

pub use webhook::{BadWebhook, Refusal, Webhook};

use crate::{oauth::OAuth, platform::Platform};

/// How the platform is to be.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 is any that is free.
    pub listen: SocketAddr,
    /// How many accounts it has.
    pub accounts: usize,
    /// How many users each account has.
    pub users: usize,
    /// How many calls a day each user makes by themselves; 0: only those that are [played](Fake::play).
    pub calls_per_user: f64,
    /// How far its clock is behind.
    pub behind: Duration,
    /// How many times as fast as in life calls happen.
    pub speed: f64,
    /// Decides about everything that may vary.
    pub seed: u64,
    /// The app that may log in.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Whether a login gives a refresh token.
    pub gives_refresh_tokens: bool,
    /// How long a window of the rate limits lasts, and a penalty.
    pub rate_window: Duration,
    /// How long after a call's end its record is in the call log, in the time of calls.
    pub call_log_delay: Duration,
    /// How long after its begin a call is among the active ones, in the time of calls.
    pub active_calls_lag: Duration,
    /// How long after its end a session can be asked for, in the time of calls.
    pub session_tail: Duration,
    /// How long deliveries must fail before a subscription is blacklisted.
    pub blacklist_after: Duration,
    /// What goes wrong with each delivery: reorder, delay, duplicate, drop.
    pub faults: Faults,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            accounts: 1,
            users: 50,
            calls_per_user: 12.0,
            behind: Duration::ZERO,
            speed: 1.0,
            seed: 1,
            client_id: "fake-client".to_owned(),
            client_secret: "fake-secret".to_owned(),
            gives_refresh_tokens: true,
            rate_window: Duration::from_secs(60),
            call_log_delay: Duration::from_secs(20),
            active_calls_lag: Duration::from_secs(5),
            session_tail: Duration::from_secs(60),
            blacklist_after: Duration::from_secs(600),
            faults: Faults::default(),
        }
    }
}

/// A running platform. It ends when it is dropped.
pub struct Fake {
    address: SocketAddr,
    platform: Arc<Platform>,
    tasks: [JoinHandle<()>; 2],
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fake").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Fake {
    /// Starts it.
    pub async fn start(config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let platform = Arc::new(Platform::new(config));
        let router = api::router(platform.clone());
        let serve = tokio::spawn(async move {
            // It never ends by itself.
            let _ended = axum::serve(listener, router).await;
        });
        let play = tokio::spawn(platform.clone().run());
        Ok(Self { address, platform, tasks: [serve, play] })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a client wants it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The id of the account at a place.
    pub fn account_id(&self, place: usize) -> Option<u64> {
        self.platform.state().customers.get(place).map(|customer| customer.account().id)
    }

    /// The JWT credential of the administrator of the account at a place.
    pub fn jwt(&self, place: usize) -> Option<String> {
        let state = self.platform.state();
        let admin = state.customers.get(place)?.account().users.first()?;
        Some(OAuth::jwt(admin.extension))
    }

    /// Plays a scenario in the account at a place, from now on. The truth about its calls; none if there is no such
    /// account.
    pub fn play(&self, place: usize, scenario: &Scenario) -> Option<Vec<CallTruth>> {
        self.platform.play(place, scenario)
    }

    /// Lets time pass at once; what is due by then has happened when this returns. Inside the runtime only.
    pub fn advance(&self, by: Duration) {
        self.platform.advance(Millis::try_from(by.as_millis()).unwrap_or(Millis::MAX / 4));
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
