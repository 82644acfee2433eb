//! One connected account: its subscription is made, looked at, renewed, and made anew.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use wholecall_ringcentral::{Backoff, Client, Error, Subscription, SubscriptionHealth, assess, renew_at_ms};
use wholecall_store::{ConnectedAccount, SecretKind, StoreError, TenantId};

use super::{
    Context, blocking, connect,
    gaps::Comparisons,
    state::{State, Status, Subscribed},
    state_of,
};
use crate::secret;

/// A subscription that was replaced goes on for so long: what it has sent may be on its way.
const RETIRE_MS: i64 = 120_000;

/// Deliveries fail for about ten minutes before RingCentral blacklists; what they told is lost.
pub(super) const FAILING_MS: i64 = 900_000;

/// A service that was away for less has missed nothing that RingCentral did not try to deliver for longer.
const AWAY_MS: i64 = 3_000;

/// After a refusal that will not pass by itself.
const REFUSED_FIRST_MS: i64 = 300_000;
const REFUSED_LONGEST_MS: i64 = 6 * 3_600_000;

/// One connected account.
pub(super) struct Account {
    pub(super) context: Arc<Context>,
    pub(super) tenant: TenantId,
    /// The tenant's name.
    pub(super) name: String,
    pub(super) account: String,
    pub(super) client: Arc<Client>,
    pub(super) state: State,
    /// As it is in the store.
    kept: State,
    pub(super) heard_ms: i64,
    /// By which a WebSocket that was lost can be taken up again.
    pub(super) recovery: Option<String>,
    /// A WebSocket has told of this account before, in this process.
    pub(super) is_heard: bool,
    /// Something was missed: what goes on has to be asked for.
    pub(super) must_sweep: bool,
    /// Calls that began from then on are to be known by notifications.
    pub(super) told_from_ms: i64,
    /// When the subscription was made anew since calls were not told of.
    pub(super) made_anew_ms: i64,
    pub(super) comparisons: Comparisons,
    backoff: Backoff,
    refusals: Backoff,
    pub(super) rng: fastrand::Rng,
    /// Whether its calls are told, as that changes.
    live: watch::Sender<bool>,
}

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    RingCentral(#[from] Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// RingCentral has a filter disabled.
    #[error("RingCentral does not tell this user of calls: {message}{}", hint(.permission.as_deref()))]
    Disabled { permission: Option<String>, message: String },
}

fn hint(permission: Option<&str>) -> String {
    permission.map_or_else(String::new, |permission| format!(" (the user's role needs {permission})"))
}

impl Account {
    pub(super) fn new(context: &Arc<Context>, connection: ConnectedAccount) -> Result<Self, String> {
        let tenant = context.tenants.with_id(connection.tenant);
        let name = tenant.ok_or("its tenant is gone")?.name.clone();
        let credentials = connect::open(&context.key, &connection).map_err(|error| error.to_string())?;
        let state = state_of(&connection);
        let client = context.client(credentials).map_err(|error| error.to_string())?;
        context.asks_with(connection.tenant, &connection.account, &client);
        Ok(Self {
            context: context.clone(),
            tenant: connection.tenant,
            name,
            account: connection.account,
            kept: state.clone(),
            state,
            heard_ms: connection.heard_ms,
            recovery: None,
            is_heard: false,
            must_sweep: false,
            told_from_ms: client.now_ms(),
            made_anew_ms: i64::MIN / 2,
            comparisons: Comparisons::default(),
            backoff: Backoff::new(2_000, 300_000),
            refusals: Backoff::new(REFUSED_FIRST_MS, REFUSED_LONGEST_MS),
            rng: fastrand::Rng::new(),
            live: watch::Sender::new(false),
            client,
        })
    }

    /// Whether its calls are told, as that changes.
    pub(super) fn is_live(&self) -> watch::Receiver<bool> {
        self.live.subscribe()
    }

    /// Looks after it until `stop` turns true.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        self.begin().await;
        let waker = self.context.waker(self.tenant);
        loop {
            let woken = waker.notified();
            let step = async {
                match self.hook() {
                    Some(address) => self.step(&address).await,
                    None => self.listen().await,
                }
            };
            let due_ms = tokio::select! {
                due_ms = step => due_ms,
                _ = stop.wait_for(|stop| *stop) => return self.leave(),
            };
            let wait = u64::try_from(due_ms - self.client.now_ms()).unwrap_or(0).max(10);
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                () = woken => {}
                _ = stop.wait_for(|stop| *stop) => return self.leave(),
            }
        }
    }

    /// The service ends; what is missing is missing from now on.
    fn leave(&mut self) {
        if self.state.status == Status::Live {
            self.heard();
        }
    }

    /// What was missed while the service did not run.
    pub(super) async fn begin(&mut self) {
        let now = self.client.now_ms();
        if self.state.subscription.is_some() && now - self.heard_ms > AWAY_MS {
            self.missed(self.heard_ms, now, "the service did not run").await;
        }
    }

    /// Where RingCentral is to post; none: notifications come by WebSocket.
    fn hook(&self) -> Option<String> {
        let base = self.context.public_url.as_deref()?;
        Some(format!("{}/hooks/{}", base.trim_end_matches('/'), self.name))
    }

    /// Does what is due of a webhook's subscription; when to look again.
    pub(super) async fn step(&mut self, address: &str) -> i64 {
        let looked = self.look_after(address).await;
        self.conclude(looked).await
    }

    /// Takes note of how a look went; when to look again.
    pub(super) async fn conclude(&mut self, looked: Result<(), Trouble>) -> i64 {
        let now = self.client.now_ms();
        let due_ms = match looked {
            Ok(()) => {
                self.backoff.succeed();
                self.refusals.succeed();
                self.stand(Status::Live, None, now);
                let jitter = 0.9 + 0.2 * self.rng.f64();
                let look_ms = now + (self.context.look_every_ms as f64 * jitter) as i64;
                self.state.subscription.as_ref().map_or(look_ms, |own| look_ms.min(own.renew_ms.max(now)))
            }
            // Its turn has not come yet: that says nothing of the account.
            Err(Trouble::RingCentral(Error::RateLimited { until_ms, .. })) => {
                until_ms + self.rng.i64(0..1_000)
            }
            Err(trouble) => {
                let status = match &trouble {
                    Trouble::RingCentral(error) => Status::of(error),
                    Trouble::Disabled { .. } => Status::Refused,
                    Trouble::Store(_) | Trouble::Random(_) => Status::Failing,
                };
                self.stand(status, Some(trouble.to_string()), now);
                now + match status {
                    Status::Failing => self.backoff.fail(&mut self.rng),
                    _ => self.refusals.fail(&mut self.rng),
                }
            }
        };
        self.keep().await;
        due_ms
    }

    fn stand(&mut self, status: Status, problem: Option<String>, now: i64) {
        if self.state.status != status {
            self.state.since_ms = now;
            let (tenant, account) = (&self.name, &self.account);
            match &problem {
                None => tracing::info!(tenant, account, "connected to RingCentral"),
                Some(problem) => tracing::warn!(tenant, account, problem, "not connected to RingCentral"),
            }
        }
        (self.state.status, self.state.problem) = (status, problem);
        self.live.send_replace(status == Status::Live);
    }

    /// Writes down how it stands, if that has changed.
    pub(super) async fn keep(&mut self) {
        if self.state == self.kept {
            return;
        }
        let Ok(text) = serde_json::to_string(&self.state) else { return };
        let (tenant, account) = (self.tenant, self.account.clone());
        match blocking(&self.context, move |context| context.store.keep_connection(tenant, account, text))
            .await
        {
            Ok(()) => self.kept = self.state.clone(),
            Err(error) => tracing::warn!(%error, "how an account stands could not be written down"),
        }
    }

    /// Looks at the subscription, and does what it needs.
    async fn look_after(&mut self, address: &str) -> Result<(), Trouble> {
        let list = self.client.subscriptions().await?;
        let was_failing = self.state.status == Status::Failing;
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
                    (None, Some("somebody had changed the subscription".to_owned()))
                }
                SubscriptionHealth::Disabled { permission, message } => {
                    return Err(Trouble::Disabled { permission, message });
                }
                SubscriptionHealth::Blacklisted(reason) => {
                    self.state.blacklisted += 1;
                    (None, Some(format!("RingCentral had blacklisted the webhook: {reason}")))
                }
            },
        };
        match renew {
            Some(own) if own.is_to_be_renewed(self.client.now_ms()) => {
                let renewed = self.client.renew(&own.id).await?;
                let (renew_ms, expires_ms) = self.times(&renewed);
                if let Some(own) = &mut self.state.subscription {
                    (own.renew_ms, own.expires_ms) = (renew_ms, expires_ms);
                }
            }
            Some(_) => {}
            None => {
                self.replace(address, why.as_deref()).await?;
                self.told_from_ms = self.client.now_ms();
            }
        }
        if why.is_none() && own.is_some() && self.is_undelivered().await? {
            self.replace(address, None).await?;
        }
        if was_failing && why.is_none() && self.heard_ms > 0 && own.is_some() {
            self.missed(self.heard_ms, self.client.now_ms(), "RingCentral could not be asked").await;
        }
        self.heard();
        self.clear_away(&list, address).await?;
        self.examine().await
    }

    /// Everything up to now was heard, as far as is known.
    pub(super) fn heard(&mut self) {
        self.heard_ms = self.client.now_ms();
        self.context.heard(self.tenant, &self.account, self.heard_ms);
    }

    pub(super) fn times(&mut self, subscription: &Subscription) -> (i64, i64) {
        let now = self.client.now_ms();
        let expires_in = subscription.expires_in;
        (renew_at_ms(now, expires_in, self.rng.f64()), now + expires_in.max(0) * 1_000)
    }

    /// Makes a new subscription with a token of its own; the old one's token is still taken for a while. `why`: what
    /// became of the old one.
    async fn replace(&mut self, address: &str, why: Option<&str>) -> Result<(), Trouble> {
        let token = secret::generate("wcv_")?;
        let (tenant, now) = (self.tenant, self.client.now_ms());
        let stored = secret::to_store(SecretKind::Subscription, &token);
        let secret =
            blocking(&self.context, move |context| context.store.add_secret(tenant, stored, now)).await?;
        let made = match self.client.subscribe(address, &token).await {
            Ok(made) => made,
            Err(error) => {
                self.forget(secret).await?;
                return Err(error.into());
            }
        };
        let (renew_ms, expires_ms) = self.times(&made);
        let new = Subscribed {
            id: made.id,
            address: Some(address.to_owned()),
            secret: Some(secret),
            at_ms: self.client.now_ms(),
            renew_ms,
            expires_ms,
        };
        let old = self.state.subscription.replace(new);
        self.state.retiring.extend(old.map(|old| Subscribed { at_ms: self.client.now_ms(), ..old }));
        if let Some(why) = why {
            // What was sent to the old one failed for some time before.
            self.missed(self.heard_ms - FAILING_MS, self.client.now_ms(), why).await;
        }
        // Before anything else is asked: what is not written down is nobody's after a crash.
        self.keep().await;
        Ok(())
    }

    async fn forget(&self, secret: i64) -> Result<(), StoreError> {
        let tenant = self.tenant;
        blocking(&self.context, move |context| context.store.remove_secrets(tenant, vec![secret])).await?;
        Ok(())
    }

    /// Ends subscriptions of ours that were replaced, or made just before a crash.
    async fn clear_away(&mut self, list: &[Subscription], address: &str) -> Result<(), Trouble> {
        self.end_retired().await?;
        let own = self.state.subscription.iter().chain(&self.state.retiring);
        let known: Vec<&str> = own.map(|subscription| subscription.id.as_str()).collect();
        // Nobody else posts to this tenant's hook as this user of this app.
        let strays =
            list.iter().filter(|one| one.address() == Some(address) && !known.contains(&one.id.as_str()));
        for stray in strays {
            self.client.unsubscribe(&stray.id).await?;
        }
        Ok(())
    }

    /// Ends subscriptions that were replaced a while ago.
    pub(super) async fn end_retired(&mut self) -> Result<(), Trouble> {
        let now = self.client.now_ms();
        while let Some(at) = self.state.retiring.iter().position(|old| now - old.at_ms >= RETIRE_MS) {
            let old = self.state.retiring[at].clone();
            self.client.unsubscribe(&old.id).await?;
            if let Some(secret) = old.secret {
                self.forget(secret).await?;
            }
            self.state.retiring.remove(at);
        }
        Ok(())
    }
}
