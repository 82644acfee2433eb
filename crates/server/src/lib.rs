//! The service: receives and stores notifications, assembles calls as they happen, answers queries, delivers events.
//!
//! The data goes one way: `receive` → the store's journal → `pipeline` → the store's calls and changes → `api` and
//! `deliver`. All state in memory can be rebuilt from the store.

pub mod admin;
mod api;
pub mod audit;
mod blocking;
pub mod check;
mod clock;
pub mod connection;
mod deliver;
mod detail;
mod directories;
pub mod endpoints;
mod event;
mod event_type;
mod feeds;
mod headers;
mod ingest_stats;
mod learned_names;
mod listen;
pub mod local_forwarder;
mod metrics;
mod pages;
mod pipeline;
mod plausible;
mod privacy;
mod problem;
mod quotas;
mod reassemble;
mod receive;
pub mod rejected;
mod request_id;
mod retention;
mod router;
pub mod security;
mod stored_record;
mod tenants;
mod unpack;
mod work_pool;
mod zone;

use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};
use wholecall_ringcentral::Proxies;
use wholecall_store::{Damage, Store, StoreError};

use self::{
    blocking::{blocking, run_blocking},
    metrics::Metrics,
    pipeline::{Pipeline, lookup::LookupQueue},
    security::{EgressPolicy, SealError, SecretKey},
    tenants::Tenants,
    work_pool::{PICTURE_LIMITS, QUERY_LIMITS, WorkPool},
};
pub use api::openapi::document as openapi_document;
pub use listen::{ConnectionLimits, Tls, TlsError};

/// The settings of a service.
#[derive(Debug)]
pub struct Settings {
    /// The address to listen at.
    pub listen: SocketAddr,
    /// The certificate. `None` if the service speaks plain HTTP, as behind a proxy that has the certificate.
    pub tls: Option<Tls>,
    /// The SHA-256 of the operator's key. `None` if operators may not use the API.
    pub admin_key: Option<[u8; 32]>,
    /// The address at which RingCentral and browsers reach the service: `https://calls.example.com`.
    pub public_url: Option<String>,
    /// The key that the secrets of webhooks and the credentials of connections are sealed with.
    pub secret_key: SecretKey,
    /// Decides where webhooks may be sent.
    pub egress_policy: EgressPolicy,
    /// The proxies for webhooks and for requests to RingCentral.
    pub proxies: Proxies,
    /// Limits of client connections.
    pub connections: ConnectionLimits,
    /// Proxies that name the client's address in `X-Forwarded-For`.
    pub trusted_proxies: Vec<ipnet::IpNet>,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The service cannot listen at the address.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The client for RingCentral cannot be created.
    #[error(transparent)]
    RingCentral(#[from] wholecall_ringcentral::Error),
    /// The key is not the one that secrets were sealed with.
    #[error(transparent)]
    Key(#[from] SealError),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// What all parts of the HTTP interface share. The state of each part is its own, and composed in [`start`].
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) store: Store,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) metrics: Metrics,
    pub(crate) settings: Arc<Settings>,
    /// The address that the service listens at.
    pub(crate) address: SocketAddr,
    /// The SHA-256 of the operator's key, which may be replaced.
    pub(crate) admin_key: watch::Receiver<Option<[u8; 32]>>,
    pub(crate) audit: Arc<audit::AuditLog>,
    pub(crate) feeds: Arc<feeds::Feeds>,
    pub(crate) queries: WorkPool,
    pub(crate) pictures: WorkPool,
    /// Turns true when the service is to stop.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Service {
    /// The address at which clients reach the service.
    pub(crate) fn base_url(&self) -> String {
        let scheme = if self.settings.tls.is_some() { "https" } else { "http" };
        self.settings.public_url.clone().unwrap_or_else(|| format!("{scheme}://{}", self.address))
    }

    /// Whether browsers use HTTPS, to this service or to a proxy before it.
    pub(crate) fn is_secure(&self) -> bool {
        let is_public = self.settings.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
        is_public || self.settings.tls.is_some()
    }
}

/// A running service.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    /// Turns true when no notifications are accepted any more.
    drained: watch::Sender<bool>,
    tls: watch::Sender<Option<Tls>>,
    admin_key: watch::Sender<Option<[u8; 32]>>,
    server: JoinHandle<()>,
    refresh: JoinHandle<()>,
    retries: JoinHandle<()>,
    retention: JoinHandle<()>,
    audit: JoinHandle<()>,
    deliverer: JoinHandle<()>,
    connections: JoinHandle<()>,
    assembler: thread::JoinHandle<()>,
}

/// Starts the service.
pub async fn start(store: Store, settings: Settings) -> Result<Running, StartError> {
    let (claimed, key) = (store.clone(), settings.secret_key.clone());
    run_blocking(move || claim(&claimed, &key)).await??;
    let address = settings.listen;
    let listener =
        TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
    let address = listener.local_addr().unwrap_or(address);
    let opening = store.clone();
    let tenants = Arc::new(blocking(move || Tenants::open(opening)).await?);
    let metrics = Metrics::new();
    let (stop, stopped) = watch::channel(false);
    let (drained, is_drained) = watch::channel(false);
    let (lookups, lookup_requests) = LookupQueue::new();
    let pipeline = Pipeline::new(store.clone(), tenants.clone(), metrics.clone(), lookups.clone());
    let (to_assembler, requests) = mpsc::unbounded_channel();
    let assembler = pipeline.start(is_drained, requests).map_err(StartError::Thread)?;
    let refresh = tokio::spawn(follow_tenants(store.clone(), tenants.clone()));
    let retries = tokio::spawn(rejected::run_retries(store.clone(), tenants.clone()));
    let retention = tokio::spawn(retention::run(store.clone(), tenants.clone()));
    let audit_log: Arc<audit::AuditLog> = Arc::default();
    let audit = audit::run_writer(store.clone(), audit_log.clone(), tenants.clone(), drained.subscribe());
    let audit = tokio::spawn(audit);
    let context = deliver::Context::new(
        store.clone(),
        tenants.clone(),
        metrics.clone(),
        settings.egress_policy.clone(),
    )
    .at(settings.public_url.clone())
    .through(settings.egress_policy.clone(), settings.proxies.clone());
    let in_flight = context.in_flight.clone();
    let deliverer = deliver::start(context, settings.secret_key.clone(), stopped.clone());
    let key = settings.secret_key.clone();
    let connections = connection::ConnectionContext::new(
        store.clone(),
        tenants.clone(),
        key,
        settings.public_url.clone(),
        lookups,
        to_assembler.clone(),
    )?
    .through(settings.proxies.clone())?
    .comparing(metrics.clock.clone());
    let (connection_handle, connections) =
        connection::start(Arc::new(connections), lookup_requests, stopped.clone());
    let (tls, admin_key) = (watch::Sender::new(settings.tls.clone()), watch::Sender::new(settings.admin_key));
    let feed_store = store.clone();
    let service = Service {
        store,
        tenants,
        metrics,
        address,
        admin_key: admin_key.subscribe(),
        settings: Arc::new(settings),
        audit: audit_log,
        feeds: feeds::Feeds::start(feed_store, stopped.clone()),
        queries: WorkPool::start("queries", QUERY_LIMITS).map_err(StartError::Thread)?,
        pictures: WorkPool::start("pictures", PICTURE_LIMITS).map_err(StartError::Thread)?,
        stop: stopped.clone(),
    };
    let hook = receive::HookState::new(
        &service,
        Arc::new(move |tenant, event| connection_handle.notify(tenant, event)),
    );
    let api = api::ApiState::new(service.clone(), hook.clone(), to_assembler, in_flight);
    let pages = pages::PagesState::new(service.clone());
    let session_key = pages.clone();
    let app = listen::HttpApp::new(
        service,
        hook,
        Arc::new(move |headers| session_key.session_key(headers)),
        router::router(api, pages),
    );
    let server = tokio::spawn(listen::serve(listener, tls.subscribe(), app, stopped));
    Ok(Running {
        address,
        stop,
        drained,
        tls,
        admin_key,
        server,
        refresh,
        retries,
        retention,
        audit,
        deliverer,
        connections,
        assembler,
    })
}

/// Claims the store, so that no other process writes to it, checks the key, and reports what was lost. Blocks.
fn claim(store: &Store, key: &SecretKey) -> Result<(), StartError> {
    store.acquire_instance_lock()?;
    key.adopt(store)?;
    for loss in store.losses()? {
        tracing::error!(
            loss,
            "something that was durable is missing; cursors of the feed are refused from now on"
        );
    }
    Ok(())
}

impl Running {
    /// The address that the service listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the certificate for new connections, and the operator's key. Returns false if TLS would be switched on or
    /// off, which needs a restart.
    pub fn reload(&self, tls: Option<Tls>, admin_key: Option<[u8; 32]>) -> bool {
        let is_same_protocol = self.tls.borrow().is_some() == tls.is_some();
        if is_same_protocol {
            self.tls.send_replace(tls);
        }
        self.admin_key.send_replace(admin_key);
        is_same_protocol
    }

    /// Stops the service: requests in flight are answered, and accepted notifications are assembled and written.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.refresh.abort();
        self.retries.abort();
        self.retention.abort();
        if self.server.await.is_err() {
            tracing::error!("the listener panicked");
        }
        if self.deliverer.await.is_err() {
            tracing::error!("the deliveries panicked");
        }
        if self.connections.await.is_err() {
            tracing::error!("the connections panicked");
        }
        // The journal is complete now.
        self.drained.send_replace(true);
        if self.audit.await.is_err() {
            tracing::error!("the audit log panicked");
        }
        let joined = tokio::task::spawn_blocking(|| self.assembler.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the assembler panicked");
        }
    }
}

/// Interval at which changes of tenants by other processes are noticed: a removed key or tenant loses access, and its
/// streams end, within a second.
const TENANT_REFRESH_INTERVAL: Duration = Duration::from_millis(500);

/// Follows changes of tenants by other processes. Additions are also found when they are first used; this is for
/// removals. Logs the rows that could not be read meanwhile.
async fn follow_tenants(store: Store, tenants: Arc<Tenants>) {
    let mut ticks = tokio::time::interval(TENANT_REFRESH_INTERVAL);
    loop {
        ticks.tick().await;
        let refreshed = tenants.clone();
        if let Err(error) = blocking(move || refreshed.refresh()).await {
            tracing::warn!(%error, "tenants could not be read");
        }
        for Damage { tenant, place, problem } in store.take_unreported_damage() {
            let tenant = tenant.and_then(|id| tenants.with_id(id)).map(|tenant| tenant.name.clone());
            tracing::error!(
                tenant,
                place,
                problem,
                "a row cannot be read and was skipped; run `wholecall check`"
            );
        }
    }
}
