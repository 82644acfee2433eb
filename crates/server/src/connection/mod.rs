//! The live connection to RingCentral: an account is connected once, and stays connected.
//!
//! A task per account (`account`) maintains its subscription: by webhook if RingCentral can reach this service, else
//! through a WebSocket (`socket`). `reconcile` records gaps and compares calls with RingCentral's call log (`differences`,
//! `finality`), `undelivered` detects a subscription that delivers nothing. `lookups` asks for sessions that the assembler
//! needs, `call_log_lookups` for those that are over. `directory` reads an account's extensions, `connect` takes
//! credentials. Accounts that use the same user of the same app share one client, and with it the user's rate limits.

mod account;
mod call_lists;
mod call_log_lookups;
mod connect;
mod differences;
mod directory;
mod envelope;
mod finality;
mod lookups;
mod reconcile;
mod socket;
mod state;
#[cfg(test)]
mod tests;
mod undelivered;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
};
use tracing::Instrument as _;
use wholecall_ringcentral::{Client, Clock, Credentials, Http, Proxies};
use wholecall_store::{ConnectedAccount, Store, StoreError, TenantId};

pub(crate) use self::connect::statuses_of;
use self::{
    account::AccountConnection,
    directory::{DirectoryReader, DirectorySyncState},
    state::ConnectionState,
};
pub use self::{
    connect::{
        CheckedCredentials, ConnectError, Disconnected, MissingPermission, check, connect, disconnect,
        statuses,
    },
    state::ConnectionStatus,
};
use crate::{
    clock::{self, comparison::Comparison},
    pipeline::{
        handle::AssemblerRequest,
        lookup::{LookupQueue, LookupRequest},
    },
    receive::ControlEvent,
    security::SecretKey,
    tenants::Tenants,
};

/// Maximum interval between two checks of an account's subscription.
const CHECK_INTERVAL: Duration = Duration::from_secs(300);

/// Interval at which the times up to which nothing is missing are stored.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

/// Interval between the starts of two accounts, so that many do not start at once.
const START_INTERVAL: Duration = Duration::from_millis(20);

/// What all connected accounts share.
pub(crate) struct ConnectionContext {
    store: Store,
    tenants: Arc<Tenants>,
    key: SecretKey,
    /// The address at which RingCentral reaches the hooks. `None` if notifications come through WebSockets.
    public_url: Option<String>,
    clock: Clock,
    check_interval_ms: i64,
    http: Http,
    clients: Mutex<HashMap<Credentials, Weak<Client>>>,
    account_clients: Mutex<HashMap<AccountKey, Weak<Client>>>,
    lookups: LookupQueue,
    /// Times up to which no notification of an account is missing, as far as is known, and that are not stored yet.
    complete_until: Mutex<HashMap<AccountKey, i64>>,
    /// Sessions that wait for their record in the call log.
    call_log_lookups: Mutex<call_log_lookups::PendingLookups>,
    /// Wakes the tasks of a tenant's accounts.
    wakers: Mutex<HashMap<TenantId, Arc<Notify>>>,
    /// Notified when extensions of an account have changed.
    extension_changes: Mutex<HashMap<AccountKey, Arc<Notify>>>,
    /// Compares RingCentral's clock with this machine's.
    comparison: Arc<Comparison>,
    assembler: mpsc::UnboundedSender<AssemblerRequest>,
}

/// An account of a tenant.
type AccountKey = (TenantId, String);

/// Passes control events that arrive at a hook to the connections.
#[derive(Clone)]
pub(crate) struct ConnectionHandle(Arc<ConnectionContext>);

impl ConnectionHandle {
    pub(crate) fn notify(&self, tenant: TenantId, event: &ControlEvent) {
        self.0.notify(tenant, event);
    }
}

impl ConnectionContext {
    pub(crate) fn new(
        store: Store,
        tenants: Arc<Tenants>,
        key: SecretKey,
        public_url: Option<String>,
        lookups: LookupQueue,
        assembler: mpsc::UnboundedSender<AssemblerRequest>,
    ) -> Result<Self, wholecall_ringcentral::Error> {
        Ok(Self {
            store,
            tenants,
            key,
            public_url,
            clock: Arc::new(|| clock::now().as_millis()),
            check_interval_ms: CHECK_INTERVAL.as_millis() as i64,
            http: Http::new()?,
            clients: Mutex::default(),
            account_clients: Mutex::default(),
            lookups,
            complete_until: Mutex::default(),
            call_log_lookups: Mutex::default(),
            wakers: Mutex::default(),
            extension_changes: Mutex::default(),
            comparison: Arc::default(),
            assembler,
        })
    }

    /// Sends requests to RingCentral through proxies.
    pub(crate) fn through(self, proxies: Proxies) -> Result<Self, wholecall_ringcentral::Error> {
        Ok(Self { http: Http::through(proxies)?, ..self })
    }

    /// Reports RingCentral's time to a comparison of clocks.
    pub(crate) fn comparing(self, comparison: Arc<Comparison>) -> Self {
        Self { comparison, ..self }
    }

    /// The one client of a user of an app.
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

    /// Sets the client that an account's lookups use.
    fn set_account_client(&self, tenant: TenantId, account: &str, client: &Arc<Client>) {
        let mut clients = self.account_clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|_, client| client.strong_count() > 0);
        clients.insert((tenant, account.to_owned()), Arc::downgrade(client));
    }

    /// The client of an account. `None` if the account is not connected.
    fn account_client(&self, tenant: TenantId, account: &str) -> Option<Arc<Client>> {
        let clients = self.account_clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.get(&(tenant, account.to_owned())).and_then(Weak::upgrade)
    }

    fn waker(&self, tenant: TenantId) -> Arc<Notify> {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.entry(tenant).or_default().clone()
    }

    /// Notified when extensions of an account have changed.
    fn extension_changes(&self, tenant: TenantId, account: &str) -> Arc<Notify> {
        let mut changes = self.extension_changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.entry((tenant, account.to_owned())).or_default().clone()
    }

    /// Wakes the tasks that a control event concerns.
    fn notify(&self, tenant: TenantId, event: &ControlEvent) {
        match event {
            ControlEvent::RenewSubscription => {
                let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
                wakers.get(&tenant).inspect(|waker| waker.notify_waiters());
            }
            ControlEvent::ExtensionsChanged { account } => {
                let changes = self.extension_changes.lock().unwrap_or_else(PoisonError::into_inner);
                let is_concerned = |(of, own): &AccountKey| {
                    *of == tenant && account.as_ref().is_none_or(|account| account == own)
                };
                let concerned = changes.iter().filter(|(key, _)| is_concerned(key));
                concerned.for_each(|(_, changed)| changed.notify_one());
            }
        }
    }

    /// Notes that no notification of an account is missing up to a time.
    fn mark_complete(&self, tenant: TenantId, account: &str, at_ms: i64) {
        let mut complete = self.complete_until.lock().unwrap_or_else(PoisonError::into_inner);
        complete.insert((tenant, account.to_owned()), at_ms);
    }

    /// Stores the times up to which nothing is missing.
    fn save_complete_until(&self) -> Result<(), StoreError> {
        let complete = {
            let mut complete = self.complete_until.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *complete)
        };
        if complete.is_empty() {
            return Ok(());
        }
        let complete = complete.into_iter().map(|((tenant, account), at_ms)| (tenant, account, at_ms));
        self.store.save_complete_until(complete.collect())
    }

    /// The span of an account's log lines. At the level of errors, so that lines of every level have it.
    fn span(&self, tenant: TenantId, account: &str) -> tracing::Span {
        let tenant = self.tenants.with_id(tenant).map(|tenant| tenant.name.clone());
        tracing::error_span!("connection", tenant, account)
    }
}

/// Maintains the connections of all accounts, and answers lookups, until `stop` turns true.
pub(crate) fn start(
    context: Arc<ConnectionContext>,
    requests: mpsc::Receiver<LookupRequest>,
    stop: watch::Receiver<bool>,
) -> (ConnectionHandle, JoinHandle<()>) {
    let lookups = lookups::run(context.clone(), requests, stop.clone());
    let accounts = run(context.clone(), stop);
    let both = async {
        tokio::join!(accounts, lookups);
    };
    (ConnectionHandle(context), tokio::spawn(both))
}

/// The running tasks, each with the connection that it was started for.
type AccountTasks = HashMap<AccountKey, (ConnectedAccount, JoinHandle<()>)>;

async fn run(context: Arc<ConnectionContext>, mut stop: watch::Receiver<bool>) {
    let mut changed = context.tenants.watch();
    let mut save = tokio::time::interval(SAVE_INTERVAL);
    let mut tasks = AccountTasks::new();
    loop {
        changed.mark_unchanged();
        match blocking(&context, connections_of_known_tenants).await {
            Ok(connections) => update_tasks(&context, &mut tasks, connections, &stop),
            Err(error) => tracing::warn!(%error, "the connected accounts could not be read"),
        }
        let is_stopping = tokio::select! {
            _ = changed.changed() => false,
            _ = save.tick() => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        if is_stopping {
            for (_, (_, task)) in tasks.drain() {
                // The panic hook has logged a panic.
                let _ = task.await;
            }
        }
        if let Err(error) = blocking(&context, ConnectionContext::save_complete_until).await {
            tracing::warn!(%error, "the times up to which notifications are complete could not be stored");
        }
        if is_stopping {
            return;
        }
    }
}

/// Ends the tasks of accounts that were removed or got other credentials, and starts those of new ones.
fn update_tasks(
    context: &Arc<ConnectionContext>,
    tasks: &mut AccountTasks,
    connections: Vec<ConnectedAccount>,
    stop: &watch::Receiver<bool>,
) {
    tasks.retain(|key, (started, task)| {
        let is_current = connections.iter().any(|connection| {
            (connection.tenant, &connection.account) == (key.0, &key.1)
                && connection.credentials == started.credentials
        });
        if !is_current {
            task.abort();
        }
        is_current
    });
    let new = connections.into_iter().filter(|one| !tasks.contains_key(&(one.tenant, one.account.clone())));
    let mut wait = Duration::ZERO;
    for connection in new.collect::<Vec<_>>() {
        let (context, started, stop) = (context.clone(), connection.clone(), stop.clone());
        let key = (connection.tenant, connection.account.clone());
        let span = context.span(connection.tenant, &connection.account);
        let task = async move {
            tokio::time::sleep(wait).await;
            let sync_state = DirectorySyncState::of(&connection);
            match AccountConnection::new(&context, connection) {
                Ok(account) => {
                    let reader =
                        DirectoryReader::new(&account, sync_state).run(account.is_live(), stop.clone());
                    tokio::join!(account.run(stop), reader);
                }
                Err(problem) => tracing::error!(problem, "the account cannot be connected"),
            }
        };
        tasks.insert(key, (started, tokio::spawn(task.instrument(span))));
        wait += START_INTERVAL;
    }
}

/// All connections. Their tenants are in memory afterwards.
fn connections_of_known_tenants(context: &ConnectionContext) -> Result<Vec<ConnectedAccount>, StoreError> {
    let connections = context.store.connections()?;
    context.tenants.refresh()?;
    Ok(connections)
}

/// Runs work with the store on a thread that may block.
async fn blocking<T: Send + 'static>(
    context: &Arc<ConnectionContext>,
    work: impl FnOnce(&ConnectionContext) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let context = context.clone();
    crate::blocking::blocking(move || work(&context)).await
}

/// The stored state of an account.
fn state_of(connection: &ConnectedAccount) -> ConnectionState {
    // A state of an earlier version that cannot be read is found out again.
    serde_json::from_str(&connection.state).unwrap_or_default()
}
