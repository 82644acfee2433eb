//! The live connection to RingCentral: an account is connected once, and stays connected.
//!
//! `account` looks after one account, by webhook where others can reach this service, by `socket` where not;
//! `gaps` finds out what was missed meanwhile, `repair` asks for it; `directory` reads who is in the account; `connect`
//! takes the credentials in. A task per account sleeps until
//! there is something to do; all share one way to RingCentral, and whoever logs in as the same user of the same app
//! shares one client.

mod account;
mod connect;
mod differences;
mod directory;
mod gaps;
mod pages;
mod readings;
mod repair;
mod socket;
mod state;
#[cfg(test)]
mod tests;
mod undelivered;
mod waiting;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
};
use wholecall_ringcentral::{Client, Clock, Credentials, Http, Proxies};
use wholecall_store::{ConnectedAccount, Store, StoreError, TenantId};

use self::{
    account::Account,
    directory::{Reader, Standing},
    state::State,
};
pub(crate) use self::{
    connect::statuses_of,
    repair::{Asker, Asking},
};
pub use self::{
    connect::{Checked, ConnectError, Disconnected, Missing, check, connect, disconnect, statuses},
    state::Status,
};
use crate::{
    clock::{self, comparison::Comparison},
    pipeline,
    receive::Signal,
    security::SecretKey,
    tenants::Tenants,
};

/// How often an account is looked at when nothing is to be done.
const LOOK_EVERY: Duration = Duration::from_secs(300);

/// How often it is written down up to when everything was heard.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Accounts are begun one after the other, so far apart, when there are many.
const APART: Duration = Duration::from_millis(20);

/// What all accounts share.
pub(crate) struct Context {
    store: Store,
    tenants: Arc<Tenants>,
    key: SecretKey,
    /// Under which address RingCentral reaches the hooks; none: notifications come by WebSocket.
    public_url: Option<String>,
    clock: Clock,
    look_every_ms: i64,
    http: Http,
    clients: Mutex<HashMap<Credentials, Weak<Client>>>,
    /// By whom accounts are asked.
    clients_of: Mutex<HashMap<(TenantId, String), Weak<Client>>>,
    asker: Asker,
    /// Up to when everything of an account was heard, as far as is known, since that was last written down.
    heard: Mutex<HashMap<(TenantId, String), i64>>,
    /// Sessions that wait for what the call log says of them.
    waiting: Mutex<waiting::Waiting>,
    /// To those who look after a tenant's accounts.
    wakers: Mutex<HashMap<TenantId, Arc<Notify>>>,
    /// To those who read an account's directory.
    extensions: Mutex<HashMap<(TenantId, String), Arc<Notify>>>,
    /// Where RingCentral's clock is compared with ours.
    comparison: Arc<Comparison>,
    /// To who assembles.
    assembler: mpsc::UnboundedSender<pipeline::Request>,
}

/// Where to bring what RingCentral tells that is of no call.
#[derive(Clone)]
pub(crate) struct Signals(Arc<Context>);

impl Signals {
    pub(crate) fn hear(&self, tenant: TenantId, signal: &Signal) {
        self.0.signal(tenant, signal);
    }
}

impl Context {
    pub(crate) fn new(
        store: Store,
        tenants: Arc<Tenants>,
        key: SecretKey,
        public_url: Option<String>,
        asker: Asker,
        assembler: mpsc::UnboundedSender<pipeline::Request>,
    ) -> Result<Self, wholecall_ringcentral::Error> {
        Ok(Self {
            store,
            tenants,
            key,
            public_url,
            clock: Arc::new(|| clock::now().as_millis()),
            look_every_ms: LOOK_EVERY.as_millis() as i64,
            http: Http::new()?,
            clients: Mutex::default(),
            clients_of: Mutex::default(),
            asker,
            heard: Mutex::default(),
            waiting: Mutex::default(),
            wakers: Mutex::default(),
            extensions: Mutex::default(),
            comparison: Arc::default(),
            assembler,
        })
    }

    /// Asks RingCentral through proxies.
    pub(crate) fn through(self, proxies: Proxies) -> Result<Self, wholecall_ringcentral::Error> {
        Ok(Self { http: Http::through(proxies)?, ..self })
    }

    /// Compares RingCentral's clock with ours there.
    pub(crate) fn comparing(self, comparison: Arc<Comparison>) -> Self {
        Self { comparison, ..self }
    }

    /// The client of a user of an app: one, whoever asks.
    fn client(&self, credentials: Credentials) -> Result<Arc<Client>, wholecall_ringcentral::Error> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&credentials).and_then(Weak::upgrade) {
            return Ok(client);
        }
        clients.retain(|_, client| client.strong_count() > 0);
        let (comparison, server) = (self.comparison.clone(), credentials.server.clone());
        let client = Client::new(self.http.clone(), credentials.clone(), self.clock.clone())?
            .observed_by(Arc::new(move |ahead_ms| comparison.ringcentral(&server, ahead_ms)));
        let client = Arc::new(client);
        clients.insert(credentials, Arc::downgrade(&client));
        Ok(client)
    }

    /// An account is asked with a client from now on.
    fn asks_with(&self, tenant: TenantId, account: &str, client: &Arc<Client>) {
        let mut clients = self.clients_of.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|_, client| client.strong_count() > 0);
        clients.insert((tenant, account.to_owned()), Arc::downgrade(client));
    }

    /// The client that an account is listened to with, while it is.
    fn client_of(&self, tenant: TenantId, account: &str) -> Option<Arc<Client>> {
        let clients = self.clients_of.lock().unwrap_or_else(PoisonError::into_inner);
        clients.get(&(tenant, account.to_owned())).and_then(Weak::upgrade)
    }

    fn waker(&self, tenant: TenantId) -> Arc<Notify> {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.entry(tenant).or_default().clone()
    }

    /// Told whenever extensions of an account have changed.
    fn extensions(&self, tenant: TenantId, account: &str) -> Arc<Notify> {
        let mut extensions = self.extensions.lock().unwrap_or_else(PoisonError::into_inner);
        extensions.entry((tenant, account.to_owned())).or_default().clone()
    }

    /// Wakes those whom a signal is for.
    fn signal(&self, tenant: TenantId, signal: &Signal) {
        match signal {
            Signal::Renew => {
                let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
                wakers.get(&tenant).inspect(|waker| waker.notify_waiters());
            }
            Signal::Extensions { account } => {
                let extensions = self.extensions.lock().unwrap_or_else(PoisonError::into_inner);
                let is_meant = |(of, own): &(TenantId, String)| {
                    *of == tenant && account.as_ref().is_none_or(|account| account == own)
                };
                let meant = extensions.iter().filter(|(key, _)| is_meant(key));
                meant.for_each(|(_, changed)| changed.notify_one());
            }
        }
    }

    /// Everything of an account was heard up to a time.
    fn heard(&self, tenant: TenantId, account: &str, at_ms: i64) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.insert((tenant, account.to_owned()), at_ms);
    }

    /// Writes down up to when everything was heard.
    fn note_heard(&self) -> Result<(), StoreError> {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        if heard.is_empty() {
            return Ok(());
        }
        let heard = heard.into_iter().map(|((tenant, account), at_ms)| (tenant, account, at_ms)).collect();
        self.store.connections_heard(heard)
    }
}

/// Looks after all connected accounts until `stop` turns true.
pub(crate) fn start(
    context: Arc<Context>,
    questions: mpsc::Receiver<Asking>,
    stop: watch::Receiver<bool>,
) -> (Signals, JoinHandle<()>) {
    let repairs = repair::run(context.clone(), questions, stop.clone());
    let accounts = run(context.clone(), stop);
    let both = async {
        tokio::join!(accounts, repairs);
    };
    (Signals(context), tokio::spawn(both))
}

async fn run(context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    let mut changed = context.tenants.watch();
    let mut note = tokio::time::interval(NOTE_EVERY);
    let mut running: HashMap<(TenantId, String), (ConnectedAccount, JoinHandle<()>)> = HashMap::new();
    loop {
        changed.mark_unchanged();
        match blocking(&context, connections_of_known_tenants).await {
            Ok(wanted) => follow(&context, &mut running, wanted, &stop),
            Err(error) => tracing::warn!(%error, "the connected accounts could not be read"),
        }
        let is_over = tokio::select! {
            _ = changed.changed() => false,
            _ = note.tick() => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        if is_over {
            for (_, (_, task)) in running.drain() {
                // What panicked has been told of.
                let _ = task.await;
            }
        }
        if let Err(error) = blocking(&context, Context::note_heard).await {
            tracing::warn!(%error, "up to when everything was heard could not be written down");
        }
        if is_over {
            return;
        }
    }
}

/// Begins what is wanted and ends what is not.
fn follow(
    context: &Arc<Context>,
    running: &mut HashMap<(TenantId, String), (ConnectedAccount, JoinHandle<()>)>,
    wanted: Vec<ConnectedAccount>,
    stop: &watch::Receiver<bool>,
) {
    running.retain(|key, (begun, task)| {
        let is_wanted = wanted.iter().any(|connection| {
            (connection.tenant, &connection.account) == (key.0, &key.1)
                && connection.credentials == begun.credentials
        });
        if !is_wanted {
            task.abort();
        }
        is_wanted
    });
    let new = wanted.into_iter().filter(|one| !running.contains_key(&(one.tenant, one.account.clone())));
    let mut wait = Duration::ZERO;
    for connection in new.collect::<Vec<_>>() {
        let (context, begun, stop) = (context.clone(), connection.clone(), stop.clone());
        let key = (connection.tenant, connection.account.clone());
        let task = tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let standing = Standing::of(&connection);
            match Account::new(&context, connection) {
                Ok(account) => {
                    let reader = Reader::new(&account, standing).run(account.is_live(), stop.clone());
                    tokio::join!(account.run(stop), reader);
                }
                Err(problem) => tracing::error!(problem, "an account cannot be listened to"),
            }
        });
        running.insert(key, (begun, task));
        wait += APART;
    }
}

/// The connections there are; their tenants are in memory then.
fn connections_of_known_tenants(context: &Context) -> Result<Vec<ConnectedAccount>, StoreError> {
    let connections = context.store.connections()?;
    context.tenants.refresh()?;
    Ok(connections)
}

/// Does something with the store where waiting for a disk holds up nobody else.
async fn blocking<T: Send + 'static>(
    context: &Arc<Context>,
    work: impl FnOnce(&Context) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let context = context.clone();
    crate::blocking::blocking(move || work(&context)).await
}

/// Reads what was kept of an account.
fn state_of(connection: &ConnectedAccount) -> State {
    // What an earlier version has left and cannot be read is found out anew.
    serde_json::from_str(&connection.state).unwrap_or_default()
}
