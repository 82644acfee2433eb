//! The simulated platform without I/O: no sockets, no async, no system clock.
//!
//! The caller passes the real time since the start with each input ([`Platform::at`]), makes the deliveries that an
//! input causes ([`Inputs::take_outgoing`]), and polls again after the time that [`Inputs::poll`] returns.

mod account;
mod call_log;
mod call_log_requests;
mod clock;
mod control;
mod directory;
pub(crate) mod frames;
pub(crate) mod gateway;
mod limits;
mod oauth;
mod page;
mod recordings;
mod reply;
mod request;
mod routes;
mod sessions;
mod state;
mod subscription_requests;
mod subscriptions;

use std::{collections::VecDeque, time::Duration};

use jiff::fmt::rfc2822::DateTimePrinter;
use wholecall_simulator::{CallTruth, Scenario, Timestamp};

use self::{gateway::Connection, oauth::OAuth, state::State};
pub(crate) use self::{
    reply::{Body, Reply},
    request::{Request, query_of},
    state::Outgoing,
    subscription_requests::{Answer, Handshake, HandshakeError},
};
use crate::config::Config;

/// The simulated platform.
pub(crate) struct Platform {
    state: State,
}

impl Platform {
    /// A platform that starts at a time.
    pub(crate) fn new(config: Config, started_at: Timestamp) -> Self {
        Self { state: State::new(config, started_at) }
    }

    /// The platform after a real time since its start, for further inputs.
    pub(crate) fn at(&mut self, elapsed: Duration) -> Inputs<'_> {
        self.state.clock.set_elapsed(elapsed);
        Inputs { state: &mut self.state }
    }
}

/// The inputs of a platform at a time.
pub(crate) struct Inputs<'a> {
    state: &'a mut State,
}

impl Inputs<'_> {
    /// The current time of tokens, subscriptions and limits.
    pub(crate) fn now(&self) -> Timestamp {
        self.state.clock.now()
    }

    /// Processes everything that is due; returns the time until the next poll.
    pub(crate) fn poll(&mut self) -> Duration {
        self.state.poll()
    }

    /// Takes the deliveries that the caller must make.
    pub(crate) fn take_outgoing(&mut self) -> Vec<Outgoing> {
        self.state.take_outgoing()
    }

    /// Answers a request by HTTP.
    pub(crate) fn answer(&mut self, request: &Request) -> Answer {
        routes::answer(self.state, request)
    }

    /// Answers a request of a user, which came through a session of the WebSocket gateway.
    pub(crate) fn answer_in_session(&mut self, owner: u64, token: &str, request: &Request) -> Answer {
        routes::answer_user(self.state, owner, request, Some(token))
    }

    /// Answers a request of the test control API.
    pub(crate) fn control(&mut self, path: &str, request: &Request) -> Reply {
        control::answer(self.state, path, request)
    }

    /// Creates the subscription of a webhook after the handshake; returns its number and the reply.
    pub(crate) fn finish_handshake(
        &mut self,
        mut handshake: Handshake,
        result: Result<(), HandshakeError>,
    ) -> (Option<u64>, Reply) {
        let headers = std::mem::take(&mut handshake.headers);
        let (number, mut reply) = match subscription_requests::finish(self.state, handshake, result) {
            Ok((number, reply)) => (Some(number), reply),
            Err(refused) => (None, refused),
        };
        reply.headers.extend(headers);
        (number, reply)
    }

    /// Whether a subscription exists.
    pub(crate) fn has_subscription(&self, number: u64) -> bool {
        self.state.subscriptions.0.contains_key(&number)
    }

    /// Records the result of a post; `Err` has RingCentral's text of the failure.
    pub(crate) fn record_delivery(&mut self, subscription: u64, result: Result<(), String>) {
        self.state.record_delivery(subscription, result);
    }

    /// Connects a client to the WebSocket gateway, and resumes an earlier session if possible; returns its user, or
    /// `None` if the access token is invalid.
    pub(crate) fn connect(&mut self, access_token: &str, resumed: Option<&str>) -> Option<(u64, Connection)> {
        let now = self.now();
        let new_token = self.state.oauth.secret("WSC");
        let owner = self.state.oauth.web_socket_owner(access_token, now)?;
        let connection = self.state.gateway.connect(owner, resumed, new_token, now);
        self.state.close_connections(connection.replaced);
        Some((owner, connection))
    }

    /// The first frame of a connection of the WebSocket gateway.
    pub(crate) fn connection_details(&self, connection: &Connection) -> String {
        frames::connection_details(connection, self.now()).to_string()
    }

    /// Takes the frames that were buffered while the connection of a gateway session was lost.
    pub(crate) fn take_missed(&mut self, token: &str) -> VecDeque<String> {
        self.state.gateway.take_missed(token)
    }

    /// Records that a connection of the WebSocket gateway was lost.
    pub(crate) fn disconnect(&mut self, token: &str, connection: u64) {
        let now = self.now();
        self.state.gateway.disconnect(token, connection, now);
    }

    /// Skips time; what is due by then has happened when this returns.
    pub(crate) fn advance(&mut self, by: Duration) {
        self.state.clock.advance(clock::to_ms(by));
        self.poll();
    }

    /// Plays a scenario in an account from now on; returns the truth about its calls, or `None` if there is no such
    /// account.
    pub(crate) fn play(&mut self, account: usize, scenario: &Scenario) -> Option<Vec<CallTruth>> {
        self.state.play(account, scenario)
    }

    /// The id of an account.
    pub(crate) fn account_id(&self, account: usize) -> Option<u64> {
        self.state.accounts.get(account).map(|account| account.account().id)
    }

    /// The JWT credential of an account's administrator.
    pub(crate) fn jwt(&self, account: usize) -> Option<String> {
        let admin = self.state.accounts.get(account)?.account().users.first()?;
        Some(OAuth::jwt(admin.extension))
    }

    /// The headers of all replies by HTTP. Clients read the time of calls from `Date`.
    pub(crate) fn add_headers(&self, reply: Reply) -> Reply {
        let reply = reply.with("rcrequestid", "fake").with("routingkey", "FAKE01");
        let date = jiff::Timestamp::from_millisecond(self.state.clock.date().as_millis()).ok();
        let text = date.and_then(|date| DateTimePrinter::new().timestamp_to_rfc9110_string(&date).ok());
        match text {
            Some(text) => reply.with("date", text),
            None => reply,
        }
    }
}

#[cfg(test)]
mod tests;
