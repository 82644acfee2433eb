//! Notifications by WebSocket: for who cannot be reached from outside.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use wholecall_ringcentral::{Error, Recovery, Socket, SubscriptionHealth, assess};

use super::{
    account::{Account, Trouble},
    state::{Status, Subscribed},
};
use crate::receive::{self, Signal};

/// RingCentral ends a connection after 24 hours; a new one is made before.
const LONGEST: Duration = Duration::from_secs(23 * 3_600);

/// What was missed comes within so much time after the connection was taken up again.
const REPLAYED_WITHIN: Duration = Duration::from_secs(10);

/// What comes next.
enum Next {
    Told(Box<str>),
    Look,
    Reconnect,
}

impl Account {
    /// Connects, and takes in what is told until the connection ends; when to connect again.
    pub(super) async fn listen(&mut self) -> i64 {
        let ended = self.converse().await;
        match ended {
            // It was live until now: no reason to wait long, nor to come all at once.
            Ok(()) => self.client.now_ms() + self.rng.i64(0..500),
            Err(trouble) => {
                let was_live = self.state.status == Status::Live;
                let due_ms = self.conclude(Err(trouble)).await;
                if was_live { due_ms.min(self.client.now_ms() + self.rng.i64(100..1_500)) } else { due_ms }
            }
        }
    }

    /// One connection. It ends well where it has lasted as long as it may.
    async fn converse(&mut self) -> Result<(), Trouble> {
        let earlier = self.recovery.take();
        let (mut socket, recovery) = Socket::open(&self.client, earlier.as_deref()).await?;
        let opened = Instant::now();
        self.recovery = socket.recovery_token().map(str::to_owned);
        let is_taken_up = recovery == Recovery::Resumed && self.state.subscription.is_some();
        if !is_taken_up {
            let made = socket.subscribe(&self.client).await?;
            let (renew_ms, expires_ms) = self.times(&made);
            let new = Subscribed {
                id: made.id,
                address: None,
                secret: None,
                at_ms: self.client.now_ms(),
                renew_ms,
                expires_ms,
            };
            let old = self.state.subscription.replace(new);
            // A webhook's is ended; a WebSocket's ends with its connection.
            self.state.retiring.extend(old.filter(|old| old.address.is_some()));
            if self.is_heard {
                let now = self.client.now_ms();
                self.missed(
                    self.heard_ms,
                    now,
                    "the WebSocket was lost, and RingCentral could not take it up again",
                )
                .await;
            }
        }
        self.is_heard = true;
        self.told_from_ms = self.client.now_ms();
        // Calls that go on are not known for long after their end.
        if let Err(error) = self.sweep().await {
            tracing::info!(tenant = self.name, %error, "the calls that go on could not be asked for yet");
        }
        let mut look_ms = self.conclude(Ok(())).await;
        self.heard();
        let mut replayed = 0;
        loop {
            let look = Duration::from_millis(u64::try_from(look_ms - self.client.now_ms()).unwrap_or(0));
            let next = tokio::select! {
                told = socket.next() => Next::Told(told?),
                () = tokio::time::sleep(look) => Next::Look,
                () = sleep_until(opened + LONGEST) => Next::Reconnect,
            };
            match next {
                Next::Told(body) => {
                    if let Some(signal) = Signal::of(body.as_bytes()) {
                        self.context.signal(self.tenant, &signal);
                        self.heard();
                        continue;
                    }
                    let kept =
                        receive::take_in(&self.context.store, &self.context.tenants, self.tenant, &body)
                            .await;
                    if let Err(error) = kept {
                        let now = self.client.now_ms();
                        self.missed(self.heard_ms, now, "a notification could not be kept").await;
                        return Err(error.into());
                    }
                    self.heard();
                    replayed += usize::from(is_taken_up && opened.elapsed() < REPLAYED_WITHIN);
                    if replayed == Socket::RECOVERY_BUFFER_ITEMS {
                        let now = self.client.now_ms();
                        self.missed(
                            now - 180_000,
                            now,
                            "more came while the WebSocket was lost than RingCentral keeps",
                        )
                        .await;
                    }
                }
                Next::Look => {
                    let looked = self.look_after_socket().await;
                    let is_lost = matches!(&looked, Ok(false));
                    look_ms = self.conclude(looked.map(drop)).await;
                    if is_lost {
                        self.recovery = None;
                        socket.close().await;
                        return Ok(());
                    }
                    self.heard();
                }
                Next::Reconnect => {
                    socket.close().await;
                    return Ok(());
                }
            }
        }
    }

    /// Renews, and looks whether RingCentral still has the subscription.
    async fn look_after_socket(&mut self) -> Result<bool, Trouble> {
        let Some(own) = self.state.subscription.clone() else { return Ok(false) };
        if own.is_to_be_renewed(self.client.now_ms()) {
            match self.client.renew(&own.id).await {
                Ok(renewed) => {
                    let (renew_ms, expires_ms) = self.times(&renewed);
                    self.state.subscription = Some(Subscribed { renew_ms, expires_ms, ..own.clone() });
                }
                Err(Error::Refused(refusal)) if refusal.is_unknown() => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        match assess(&self.client.subscriptions().await?, &own.id) {
            SubscriptionHealth::Fine { .. } => {}
            SubscriptionHealth::Disabled { permission, message } => {
                return Err(Trouble::Disabled { permission, message });
            }
            SubscriptionHealth::Lost | SubscriptionHealth::Changed | SubscriptionHealth::Blacklisted(_) => {
                return Ok(false);
            }
        }
        if self.is_undelivered().await? {
            return Ok(false);
        }
        self.end_retired().await?;
        self.examine().await?;
        Ok(true)
    }
}
