//! The I/O around the platform: it reads the clock, polls, and makes the deliveries.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::sync::{Notify, Semaphore, mpsc};
use wholecall_simulator::Timestamp;

use crate::{
    config::Config,
    platform::{Answer, Handshake, HandshakeError, Inputs, Outgoing, Platform, Reply, Request},
    webhook::Webhook,
};

/// Maximum number of posts that are in flight to one webhook; further ones wait.
const MAX_CONCURRENT_POSTS: usize = 16;

/// The I/O around the platform.
pub(crate) struct Shell {
    started: Instant,
    shared: Mutex<Shared>,
    /// Wakes the poll loop when something may be due earlier than expected.
    wake: Notify,
}

struct Shared {
    platform: Platform,
    /// The webhook of each subscription.
    webhooks: BTreeMap<u64, Receiver>,
    /// The tasks that write to connections of the WebSocket gateway. A connection closes when its sender is dropped.
    connections: BTreeMap<u64, mpsc::UnboundedSender<String>>,
}

#[derive(Clone)]
struct Receiver {
    webhook: Webhook,
    slots: Arc<Semaphore>,
}

/// A client that is connected to the WebSocket gateway.
pub(crate) struct Connected {
    pub(crate) owner: u64,
    /// The token of its gateway session.
    pub(crate) token: String,
    /// The number of its connection.
    pub(crate) connection: u64,
    /// The first frame.
    pub(crate) details: String,
    /// The frames to send.
    pub(crate) frames: mpsc::UnboundedReceiver<String>,
}

impl Shell {
    pub(crate) fn new(config: Config) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_ms = since_1970.saturating_sub(config.behind).as_millis();
        let started_at = Timestamp::from_millis(i64::try_from(started_ms).unwrap_or(0));
        let shared = Shared {
            platform: Platform::new(config, started_at),
            webhooks: BTreeMap::new(),
            connections: BTreeMap::new(),
        };
        Self { started: Instant::now(), shared: Mutex::new(shared), wake: Notify::new() }
    }

    /// Never held across an await.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A panic in a test must not hide its cause behind a poisoned lock.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes an input to the platform, and makes the deliveries that it causes.
    pub(crate) fn input<T>(self: &Arc<Self>, input: impl FnOnce(&mut Inputs<'_>) -> T) -> T {
        let mut shared = self.lock();
        let mut inputs = shared.platform.at(self.started.elapsed());
        let result = input(&mut inputs);
        let outgoing = inputs.take_outgoing();
        self.send(&mut shared, outgoing);
        result
    }

    fn send(self: &Arc<Self>, shared: &mut Shared, outgoing: Vec<Outgoing>) {
        for delivery in outgoing {
            match delivery {
                Outgoing::Post { subscription, document, delay } => {
                    let receiver = shared.webhooks.get(&subscription).cloned();
                    if let Some(receiver) = receiver {
                        tokio::spawn(self.clone().post(subscription, receiver, document, delay));
                    }
                }
                Outgoing::Frame { connection, frame } => {
                    let frames = shared.connections.get(&connection);
                    // Without a reader, the connection is just being closed.
                    frames.into_iter().for_each(|frames| drop(frames.send(frame.clone())));
                }
                Outgoing::Close { connection } => drop(shared.connections.remove(&connection)),
            }
        }
    }

    async fn post(self: Arc<Self>, subscription: u64, receiver: Receiver, document: String, delay: Duration) {
        tokio::time::sleep(delay).await;
        // The semaphore is never closed.
        let Ok(_slot) = receiver.slots.acquire().await else { return };
        let result = receiver.webhook.deliver(document).await.map_err(|refusal| refusal.to_string());
        self.input(|platform| platform.record_delivery(subscription, result));
    }

    /// Polls the platform for as long as it runs.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let wait = self.input(|platform| platform.poll());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Polls soon.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Answers a request by HTTP.
    pub(crate) async fn answer(self: &Arc<Self>, request: &Request) -> Reply {
        let answer = self.input(|platform| platform.answer(request));
        let reply = self.complete(answer).await;
        self.input(|platform| platform.add_headers(reply))
    }

    /// Answers a request of a user, which came through a session of the WebSocket gateway.
    pub(crate) async fn answer_in_session(
        self: &Arc<Self>,
        owner: u64,
        token: &str,
        request: &Request,
    ) -> Reply {
        let answer = self.input(|platform| platform.answer_in_session(owner, token, request));
        self.complete(answer).await
    }

    /// Answers a request of the test control API.
    pub(crate) fn control(self: &Arc<Self>, path: &str, request: &Request) -> Reply {
        let reply = self.input(|platform| platform.control(path, request));
        self.wake();
        reply
    }

    async fn complete(self: &Arc<Self>, answer: Answer) -> Reply {
        match answer {
            Answer::Reply(reply) => reply,
            Answer::Handshake(handshake) => self.shake_hands(handshake).await,
        }
    }

    /// Validates a webhook, and creates its subscription.
    async fn shake_hands(self: &Arc<Self>, handshake: Handshake) -> Reply {
        let validated = validated(&handshake).await;
        let mut shared = self.lock();
        let Shared { platform, webhooks, .. } = &mut *shared;
        let mut inputs = platform.at(self.started.elapsed());
        let (webhook, result) = match validated {
            Ok(webhook) => (Some(webhook), Ok(())),
            Err(error) => (None, Err(error)),
        };
        let (number, reply) = inputs.finish_handshake(handshake, result);
        webhooks.retain(|number, _| inputs.has_subscription(*number));
        if let (Some(number), Some(webhook)) = (number, webhook) {
            let slots = Arc::new(Semaphore::new(MAX_CONCURRENT_POSTS));
            webhooks.insert(number, Receiver { webhook, slots });
        }
        reply
    }

    /// Connects a client to the WebSocket gateway; `None` if its access token is invalid.
    pub(crate) fn connect(self: &Arc<Self>, access_token: &str, resumed: Option<&str>) -> Option<Connected> {
        let (sender, frames) = mpsc::unbounded_channel();
        let mut shared = self.lock();
        let mut inputs = shared.platform.at(self.started.elapsed());
        let (owner, connection) = inputs.connect(access_token, resumed)?;
        let details = inputs.connection_details(&connection);
        let outgoing = inputs.take_outgoing();
        self.send(&mut shared, outgoing);
        shared.connections.insert(connection.number, sender);
        Some(Connected { owner, token: connection.token, connection: connection.number, details, frames })
    }

    /// Records that a connection of the WebSocket gateway was lost.
    pub(crate) fn disconnect(self: &Arc<Self>, token: &str, connection: u64) {
        self.input(|platform| platform.disconnect(token, connection));
        self.lock().connections.remove(&connection);
    }
}

/// The webhook of a handshake, after it returned the validation token.
async fn validated(handshake: &Handshake) -> Result<Webhook, HandshakeError> {
    let webhook = Webhook::new(&handshake.address, handshake.verification_token.as_deref())
        .map_err(HandshakeError::Invalid)?;
    webhook.validate(&handshake.validation_token).await.map_err(HandshakeError::Refused)?;
    Ok(webhook)
}
