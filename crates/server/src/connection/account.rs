//! The task of a connected account: creates its subscription, checks it, renews it, and replaces it when it is lost.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use wholecall_ringcentral::{Backoff, Client, Error, Subscription, SubscriptionHealth, assess, renew_at_ms};
use wholecall_store::{ConnectedAccount, SecretKind, StoreError, TenantId};

use super::{
    ConnectionContext, blocking, connect,
    reconcile::ReconcileState,
    state::{ConnectionState, ConnectionStatus, StoredSubscription},
    state_of,
};
use crate::security::secret;

/// Interval after which a replaced subscription is ended: its notifications may be in flight until then.
const RETIREMENT_MS: i64 = 120_000;

/// Interval before a blacklisting in which notifications may have been lost: RingCentral blacklists a webhook after
/// about ten minutes of failed deliveries.
const BLACKLISTING_GAP_MS: i64 = 900_000;

/// Maximum downtime that RingCentral's own retries cover, so that no gap is recorded.
const MAX_RETRIED_DOWNTIME_MS: i64 = 3_000;

/// Intervals between attempts after an error that may pass by itself.
const MIN_RETRY_MS: i64 = 2_000;
const MAX_RETRY_MS: i64 = 300_000;

/// Intervals between attempts after a refusal, which lasts until something is changed at RingCentral.
const MIN_REFUSED_RETRY_MS: i64 = 300_000;
const MAX_REFUSED_RETRY_MS: i64 = 6 * 3_600_000;

/// The state of a connected account's task.
pub(super) struct AccountConnection {
    pub(super) context: Arc<ConnectionContext>,
    pub(super) tenant: TenantId,
    /// The tenant's name.
    name: String,
    pub(super) account: String,
    pub(super) client: Arc<Client>,
    pub(super) state: ConnectionState,
    /// The state in the store.
    saved: ConnectionState,
    /// Up to when no notification is missing, as far as is known.
    pub(super) complete_until_ms: i64,
    /// The token that resumes a lost WebSocket.
    pub(super) recovery: Option<String>,
    /// Whether this process had a WebSocket for this account before.
    pub(super) had_socket: bool,
    /// There is a gap whose open calls have not been looked up yet.
    pub(super) must_refresh_active_calls: bool,
    /// Calls that started from then on are expected to be known from notifications.
    pub(super) expects_calls_from_ms: i64,
    /// When the subscription was last replaced because it delivered nothing.
    pub(super) replaced_as_undelivered_ms: i64,
    pub(super) reconcile: ReconcileState,
    backoff: Backoff,
    refusals: Backoff,
    pub(super) rng: fastrand::Rng,
    /// Whether the connection is live.
    live: watch::Sender<bool>,
}

/// Why a check of a connection failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error(transparent)]
    RingCentral(#[from] Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// RingCentral has disabled an event filter of the subscription.
    #[error("RingCentral sends this user no notifications of calls: {message}{}", hint(.permission.as_deref()))]
    Disabled { permission: Option<String>, message: String },
}

fn hint(permission: Option<&str>) -> String {
    permission.map_or_else(String::new, |permission| format!(" (the user's role needs {permission})"))
}

impl AccountConnection {
    pub(super) fn new(
        context: &Arc<ConnectionContext>,
        connection: ConnectedAccount,
    ) -> Result<Self, String> {
        let tenant = context.tenants.with_id(connection.tenant);
        let name = tenant.ok_or("its tenant was removed")?.name.clone();
        let credentials = connect::open(&context.key, &connection).map_err(|error| error.to_string())?;
        let state = state_of(&connection);
        let client = context.client(credentials).map_err(|error| error.to_string())?;
        context.set_account_client(connection.tenant, &connection.account, &client);
        Ok(Self {
            context: context.clone(),
            tenant: connection.tenant,
            name,
            account: connection.account,
            saved: state.clone(),
            state,
            complete_until_ms: connection.complete_until_ms,
            recovery: None,
            had_socket: false,
            must_refresh_active_calls: false,
            expects_calls_from_ms: client.now_ms(),
            replaced_as_undelivered_ms: i64::MIN / 2,
            reconcile: ReconcileState::default(),
            backoff: Backoff::new(MIN_RETRY_MS, MAX_RETRY_MS),
            refusals: Backoff::new(MIN_REFUSED_RETRY_MS, MAX_REFUSED_RETRY_MS),
            rng: fastrand::Rng::new(),
            live: watch::Sender::new(false),
            client,
        })
    }

    /// Whether the connection is live; changes can be awaited.
    pub(super) fn is_live(&self) -> watch::Receiver<bool> {
        self.live.subscribe()
    }

    /// Maintains the connection until `stop` turns true.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        self.record_downtime().await;
        let waker = self.context.waker(self.tenant);
        loop {
            let woken = waker.notified();
            let step = async {
                match self.hook_address() {
                    Some(address) => self.check(&address).await,
                    None => self.listen().await,
                }
            };
            let next_check_ms = tokio::select! {
                next_check_ms = step => next_check_ms,
                _ = stop.wait_for(|stop| *stop) => return self.shut_down(),
            };
            let wait = u64::try_from(next_check_ms - self.client.now_ms()).unwrap_or(0).max(10);
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                () = woken => {}
                _ = stop.wait_for(|stop| *stop) => return self.shut_down(),
            }
        }
    }

    /// Notes that nothing is missing up to the end of the service.
    fn shut_down(&mut self) {
        if self.state.status == ConnectionStatus::Live {
            self.mark_complete();
        }
    }

    /// Records the time in which the service did not run as a gap.
    pub(super) async fn record_downtime(&mut self) {
        let now = self.client.now_ms();
        if self.state.subscription.is_some() && now - self.complete_until_ms > MAX_RETRIED_DOWNTIME_MS {
            self.record_gap(self.complete_until_ms, now, "the service did not run").await;
        }
    }

    /// The hook that RingCentral posts to. `None` if notifications come through a WebSocket.
    fn hook_address(&self) -> Option<String> {
        let base = self.context.public_url.as_deref()?;
        Some(format!("{}/hooks/{}", base.trim_end_matches('/'), self.name))
    }

    /// Checks the subscription of a webhook; returns the time of the next check.
    pub(super) async fn check(&mut self, address: &str) -> i64 {
        let checked = self.check_subscription(address).await;
        self.finish_check(checked).await
    }

    /// Stores the result of a check; returns the time of the next one.
    pub(super) async fn finish_check(&mut self, checked: Result<(), ConnectionError>) -> i64 {
        let now = self.client.now_ms();
        let next_check_ms = match checked {
            Ok(()) => {
                self.backoff.succeed();
                self.refusals.succeed();
                self.set_status(ConnectionStatus::Live, None, now);
                let jitter = 0.9 + 0.2 * self.rng.f64();
                let check_ms = now + (self.context.check_interval_ms as f64 * jitter) as i64;
                self.state.subscription.as_ref().map_or(check_ms, |own| check_ms.min(own.renew_ms.max(now)))
            }
            // The client's rate limit was reached, which says nothing about the account.
            Err(ConnectionError::RingCentral(Error::RateLimited { until_ms, .. })) => {
                until_ms + self.rng.i64(0..1_000)
            }
            Err(error) => {
                let status = match &error {
                    ConnectionError::RingCentral(error) => ConnectionStatus::of(error),
                    ConnectionError::Disabled { .. } => ConnectionStatus::Refused,
                    ConnectionError::Store(_) | ConnectionError::Random(_) => ConnectionStatus::Failing,
                };
                self.set_status(status, Some(error.to_string()), now);
                now + match status {
                    ConnectionStatus::Failing => self.backoff.fail(&mut self.rng),
                    _ => self.refusals.fail(&mut self.rng),
                }
            }
        };
        self.save_state().await;
        next_check_ms
    }

    fn set_status(&mut self, status: ConnectionStatus, problem: Option<String>, now: i64) {
        if self.state.status != status {
            self.state.since_ms = now;
            match &problem {
                None => tracing::info!("connected to RingCentral"),
                Some(problem) => tracing::warn!(problem, "not connected to RingCentral"),
            }
        }
        (self.state.status, self.state.problem) = (status, problem);
        self.live.send_replace(status == ConnectionStatus::Live);
    }

    /// Stores the state if it has changed.
    pub(super) async fn save_state(&mut self) {
        if self.state == self.saved {
            return;
        }
        let Ok(text) = serde_json::to_string(&self.state) else { return };
        let (tenant, account) = (self.tenant, self.account.clone());
        match blocking(&self.context, move |context| {
            context.store.save_connection_state(tenant, account, text)
        })
        .await
        {
            Ok(()) => self.saved = self.state.clone(),
            Err(error) => tracing::warn!(%error, "the state of the connection could not be stored"),
        }
    }

    /// Checks the subscription, renews or replaces it, and reconciles.
    async fn check_subscription(&mut self, address: &str) -> Result<(), ConnectionError> {
        let list = self.client.subscriptions().await?;
        let was_failing = self.state.status == ConnectionStatus::Failing;
        let own = self.state.subscription.clone();
        let (renew, why) = match &own {
            None => (None, None),
            Some(own) if own.address.as_deref() != Some(address) => {
                (None, Some("the service's address has changed".to_owned()))
            }
            Some(own) => match assess(&list, &own.id) {
                SubscriptionHealth::Fine { .. } => (Some(own), None),
                SubscriptionHealth::Lost => (None, Some("the subscription was gone".to_owned())),
                SubscriptionHealth::Changed => {
                    (None, Some("another program had changed the subscription".to_owned()))
                }
                SubscriptionHealth::Disabled { permission, message } => {
                    return Err(ConnectionError::Disabled { permission, message });
                }
                SubscriptionHealth::Blacklisted(reason) => {
                    self.state.blacklisted += 1;
                    (None, Some(format!("RingCentral had blacklisted the webhook: {reason}")))
                }
            },
        };
        match renew {
            Some(own) if own.needs_renewal(self.client.now_ms()) => {
                let renewed = self.client.renew(&own.id).await?;
                let (renew_ms, expires_ms) = self.renewal_times(&renewed);
                if let Some(own) = &mut self.state.subscription {
                    (own.renew_ms, own.expires_ms) = (renew_ms, expires_ms);
                }
            }
            Some(_) => {}
            None => {
                self.replace_subscription(address, why.as_deref()).await?;
                self.expects_calls_from_ms = self.client.now_ms();
            }
        }
        if why.is_none() && own.is_some() && self.is_undelivered().await? {
            self.replace_subscription(address, None).await?;
        }
        if was_failing && why.is_none() && self.complete_until_ms > 0 && own.is_some() {
            let reason = "RingCentral could not be reached";
            self.record_gap(self.complete_until_ms, self.client.now_ms(), reason).await;
        }
        self.mark_complete();
        self.end_unused_subscriptions(&list, address).await?;
        self.reconcile_next().await
    }

    /// Notes that no notification is missing up to now.
    pub(super) fn mark_complete(&mut self) {
        self.complete_until_ms = self.client.now_ms();
        self.context.mark_complete(self.tenant, &self.account, self.complete_until_ms);
    }

    /// When to renew a subscription, and when it expires.
    pub(super) fn renewal_times(&mut self, subscription: &Subscription) -> (i64, i64) {
        let now = self.client.now_ms();
        let expires_in = subscription.expires_in;
        (renew_at_ms(now, expires_in, self.rng.f64()), now + expires_in.max(0) * 1_000)
    }

    /// Creates a subscription with a verification token of its own. The token of the replaced one stays valid until that
    /// is ended. `why` is how the replaced one was lost, `None` if it was not.
    async fn replace_subscription(
        &mut self,
        address: &str,
        why: Option<&str>,
    ) -> Result<(), ConnectionError> {
        let token = secret::generate("wcv_")?;
        let (tenant, now) = (self.tenant, self.client.now_ms());
        let stored = secret::to_store(SecretKind::Subscription, &token);
        let secret =
            blocking(&self.context, move |context| context.store.add_secret(tenant, stored, now)).await?;
        let created = match self.client.subscribe(address, &token).await {
            Ok(created) => created,
            Err(error) => {
                self.remove_secret(secret).await?;
                return Err(error.into());
            }
        };
        let (renew_ms, expires_ms) = self.renewal_times(&created);
        let new = StoredSubscription {
            id: created.id,
            address: Some(address.to_owned()),
            secret: Some(secret),
            at_ms: self.client.now_ms(),
            renew_ms,
            expires_ms,
        };
        let old = self.state.subscription.replace(new);
        self.state.retiring.extend(old.map(|old| StoredSubscription { at_ms: self.client.now_ms(), ..old }));
        if let Some(why) = why {
            // Deliveries of the lost subscription may have failed before.
            self.record_gap(self.complete_until_ms - BLACKLISTING_GAP_MS, self.client.now_ms(), why).await;
        }
        // At once: after a crash a subscription that is not stored is not recognized.
        self.save_state().await;
        Ok(())
    }

    async fn remove_secret(&self, secret: i64) -> Result<(), StoreError> {
        let tenant = self.tenant;
        blocking(&self.context, move |context| context.store.remove_secrets(tenant, vec![secret])).await?;
        Ok(())
    }

    /// Ends subscriptions that were replaced, or created just before a crash.
    async fn end_unused_subscriptions(
        &mut self,
        list: &[Subscription],
        address: &str,
    ) -> Result<(), ConnectionError> {
        self.end_retired().await?;
        let own = self.state.subscription.iter().chain(&self.state.retiring);
        let known: Vec<&str> = own.map(|subscription| subscription.id.as_str()).collect();
        // Only this service creates subscriptions to this tenant's hook as this user of this app.
        let unknown =
            list.iter().filter(|one| one.address() == Some(address) && !known.contains(&one.id.as_str()));
        for subscription in unknown {
            self.client.unsubscribe(&subscription.id).await?;
        }
        Ok(())
    }

    /// Ends replaced subscriptions once nothing of theirs can be in flight.
    pub(super) async fn end_retired(&mut self) -> Result<(), ConnectionError> {
        let now = self.client.now_ms();
        while let Some(at) = self.state.retiring.iter().position(|old| now - old.at_ms >= RETIREMENT_MS) {
            let old = self.state.retiring[at].clone();
            self.client.unsubscribe(&old.id).await?;
            if let Some(secret) = old.secret {
                self.remove_secret(secret).await?;
            }
            self.state.retiring.remove(at);
        }
        Ok(())
    }
}
