//! Notifications through a WebSocket, for services that RingCentral cannot reach.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use wholecall_ringcentral::{Error, Recovery, Socket, SubscriptionHealth, assess};

use super::{
    account::{AccountConnection, ConnectionError},
    state::{ConnectionStatus, StoredSubscription},
};
use crate::receive::{self, ControlEvent};

/// Maximum age of a WebSocket: RingCentral ends it after 24 hours.
const MAX_SOCKET_AGE: Duration = Duration::from_secs(23 * 3_600);

/// Maximum interval after a WebSocket was resumed in which the notifications that RingCentral buffered arrive.
const REPLAY_INTERVAL: Duration = Duration::from_secs(10);

/// How long RingCentral buffers notifications for a lost WebSocket.
const BUFFERED_MS: i64 = 180_000;

/// Intervals before connecting again, so that not all accounts do at once: after a planned end, and after a loss.
const RECONNECT_MS: std::ops::Range<i64> = 0..500;
const LOSS_RECONNECT_MS: std::ops::Range<i64> = 100..1_500;

/// The next event of a WebSocket.
enum Next {
    Message(Box<str>),
    Check,
    Reconnect,
}

/// An open WebSocket.
struct OpenSocket {
    socket: Socket,
    opened: Instant,
    /// Whether it continues the previous WebSocket, so that RingCentral replays what it buffered.
    is_resumed: bool,
    /// How many notifications were replayed.
    replayed: usize,
}

impl AccountConnection {
    /// Connects, and receives until the WebSocket ends. Returns when to connect again.
    pub(super) async fn listen(&mut self) -> i64 {
        match self.run_socket().await {
            Ok(()) => self.client.now_ms() + self.rng.i64(RECONNECT_MS),
            Err(error) => {
                let was_live = self.state.status == ConnectionStatus::Live;
                let retry_ms = self.finish_check(Err(error)).await;
                if was_live {
                    retry_ms.min(self.client.now_ms() + self.rng.i64(LOSS_RECONNECT_MS))
                } else {
                    retry_ms
                }
            }
        }
    }

    /// One WebSocket, from opening it to its end. An error if it is lost before its maximum age.
    async fn run_socket(&mut self) -> Result<(), ConnectionError> {
        let mut open = self.open_socket().await?;
        self.had_socket = true;
        self.expects_calls_from_ms = self.client.now_ms();
        // Now, since RingCentral forgets sessions soon after their end.
        if let Err(error) = self.refresh_active_calls().await {
            tracing::info!(%error, "live calls could not be looked up yet");
        }
        let mut check_ms = self.finish_check(Ok(())).await;
        self.mark_complete();
        loop {
            let wait = Duration::from_millis(u64::try_from(check_ms - self.client.now_ms()).unwrap_or(0));
            let next = tokio::select! {
                message = open.socket.next() => Next::Message(message?),
                () = tokio::time::sleep(wait) => Next::Check,
                () = sleep_until(open.opened + MAX_SOCKET_AGE) => Next::Reconnect,
            };
            match next {
                Next::Message(body) => self.receive(&mut open, &body).await?,
                Next::Check => {
                    let checked = self.check_socket_subscription().await;
                    let is_lost = matches!(&checked, Ok(false));
                    check_ms = self.finish_check(checked.map(drop)).await;
                    if is_lost {
                        self.recovery = None;
                        open.socket.close().await;
                        return Ok(());
                    }
                    self.mark_complete();
                }
                Next::Reconnect => {
                    open.socket.close().await;
                    return Ok(());
                }
            }
        }
    }

    /// Opens a WebSocket that resumes the previous one, or else subscribes and records what was lost between the two.
    async fn open_socket(&mut self) -> Result<OpenSocket, ConnectionError> {
        let previous = self.recovery.take();
        let (mut socket, recovery) = Socket::open(&self.client, previous.as_deref()).await?;
        let opened = Instant::now();
        self.recovery = socket.recovery_token().map(str::to_owned);
        let is_resumed = recovery == Recovery::Resumed && self.state.subscription.is_some();
        if !is_resumed {
            let created = socket.subscribe(&self.client).await?;
            let (renew_ms, expires_ms) = self.renewal_times(&created);
            let new = StoredSubscription {
                id: created.id,
                address: None,
                secret: None,
                at_ms: self.client.now_ms(),
                renew_ms,
                expires_ms,
            };
            let old = self.state.subscription.replace(new);
            // A WebSocket's subscription ends with the WebSocket; a webhook's has to be ended.
            self.state.retiring.extend(old.filter(|old| old.address.is_some()));
            if self.had_socket {
                let reason = "the WebSocket was lost, and RingCentral could not resume it";
                self.record_gap(self.complete_until_ms, self.client.now_ms(), reason).await;
            }
        }
        Ok(OpenSocket { socket, opened, is_resumed, replayed: 0 })
    }

    /// Ingests a notification, or handles a control event.
    async fn receive(&mut self, open: &mut OpenSocket, body: &str) -> Result<(), ConnectionError> {
        if let Some(event) = ControlEvent::of(body.as_bytes()) {
            self.context.notify(self.tenant, &event);
            self.mark_complete();
            return Ok(());
        }
        let ingested = receive::ingest(&self.context.store, &self.context.tenants, self.tenant, body).await;
        if let Err(error) = ingested {
            let now = self.client.now_ms();
            self.record_gap(self.complete_until_ms, now, "a notification could not be stored").await;
            return Err(error.into());
        }
        self.mark_complete();
        open.replayed += usize::from(open.is_resumed && open.opened.elapsed() < REPLAY_INTERVAL);
        if open.replayed == Socket::RECOVERY_BUFFER_ITEMS {
            let now = self.client.now_ms();
            let reason = "more notifications arrived while the WebSocket was lost than RingCentral buffers";
            self.record_gap(now - BUFFERED_MS, now, reason).await;
        }
        Ok(())
    }

    /// Renews the subscription and reconciles. Returns false if RingCentral does not have the subscription any more, or
    /// delivers nothing by it.
    async fn check_socket_subscription(&mut self) -> Result<bool, ConnectionError> {
        let Some(own) = self.state.subscription.clone() else { return Ok(false) };
        if own.needs_renewal(self.client.now_ms()) {
            match self.client.renew(&own.id).await {
                Ok(renewed) => {
                    let (renew_ms, expires_ms) = self.renewal_times(&renewed);
                    self.state.subscription =
                        Some(StoredSubscription { renew_ms, expires_ms, ..own.clone() });
                }
                Err(Error::Refused(refusal)) if refusal.is_unknown() => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        match assess(&self.client.subscriptions().await?, &own.id) {
            SubscriptionHealth::Fine { .. } => {}
            SubscriptionHealth::Disabled { permission, message } => {
                return Err(ConnectionError::Disabled { permission, message });
            }
            SubscriptionHealth::Lost | SubscriptionHealth::Changed | SubscriptionHealth::Blacklisted(_) => {
                return Ok(false);
            }
        }
        if self.is_undelivered().await? {
            return Ok(false);
        }
        self.end_retired().await?;
        self.reconcile_next().await?;
        Ok(true)
    }
}
