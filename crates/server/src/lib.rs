//! The service: receives notifications and keeps them, assembles calls as they happen, answers queries.
//!
//! The data goes one way: `receive` → the store's journal → `pipeline` → the store's calls and changes →
//! `api`. Nothing here knows anything that is not in the store, or could not be made from it again.

pub mod admin;
mod api;
pub mod audit;
pub mod check;
mod clock;
pub mod connection;
pub mod deliver;
mod detail;
mod directories;
pub mod endpoints;
mod erase;
mod event;
mod feeds;
mod headers;
mod health;
mod listen;
mod metrics;
mod names;
mod pages;
mod pipeline;
mod plausible;
mod problem;
mod receive;
pub mod rejected;
mod retention;
mod router;
pub mod secret;
mod share;
mod tenants;
mod unpack;
mod work;
mod zone;

use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};
use wholecall_ringcentral::Proxies;
use wholecall_store::{Damage, Store, StoreError, TenantId};

use self::{
    deliver::{Judge, SecretKey},
    metrics::Metrics,
    pipeline::Pipeline,
    tenants::Tenants,
    work::Work,
};
pub use api::openapi::document as openapi_document;
pub use listen::{ConnectionLimits, Tls, TlsError};

/// How to run.
#[derive(Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The certificate to serve with; none behind a proxy that has it, or on a laptop.
    pub tls: Option<Tls>,
    /// The SHA-256 of the key for operators; none: no operator comes in over HTTP.
    pub admin_key: Option<[u8; 32]>,
    /// Under which address others reach the hooks: `https://calls.example.com`.
    pub public_url: Option<String>,
    /// The key that the secrets of webhooks and the credentials of connections are sealed with.
    pub secret_key: SecretKey,
    /// Where webhooks may be sent.
    pub judge: Judge,
    /// Through which proxies webhooks and requests to RingCentral go.
    pub proxies: Proxies,
    /// How many connections there may be.
    pub connections: ConnectionLimits,
    /// Proxies that name the client's address in `X-Forwarded-For`.
    pub trusted_proxies: Vec<ipnet::IpNet>,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no way to RingCentral.
    #[error(transparent)]
    RingCentral(#[from] wholecall_ringcentral::Error),
    /// The key is not the one that secrets were sealed with.
    #[error(transparent)]
    Key(#[from] deliver::SealError),
    /// There is no thread to be had.
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
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The SHA-256 of the key for operators, as it is now.
    pub(crate) admin_key: watch::Receiver<Option<[u8; 32]>>,
    pub(crate) audit: Arc<audit::AuditLog>,
    pub(crate) feeds: Arc<feeds::Feeds>,
    pub(crate) queries: Work,
    pub(crate) pictures: Work,
    /// Turns true when the service is to end.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Service {
    /// Under which address it is reached.
    pub(crate) fn base_url(&self) -> String {
        let scheme = if self.settings.tls.is_some() { "https" } else { "http" };
        self.settings.public_url.clone().unwrap_or_else(|| format!("{scheme}://{}", self.address))
    }

    /// Whether browsers come by HTTPS, to this service or to a proxy before it.
    pub(crate) fn is_secure(&self) -> bool {
        let is_public = self.settings.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
        is_public || self.settings.tls.is_some()
    }
}

/// The running service.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    /// Turns true when nothing is accepted any more.
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
    let claiming = tokio::task::spawn_blocking(move || take_over(&claimed, &key));
    claiming.await.map_err(|error| StartError::Thread(std::io::Error::other(error)))??;
    let address = settings.listen;
    let listener =
        TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
    let address = listener.local_addr().unwrap_or(address);
    let opening = store.clone();
    let opened = tokio::task::spawn_blocking(move || Tenants::open(opening));
    let tenants = Arc::new(opened.await.unwrap_or(Err(StoreError::Closed))?);
    let metrics = Metrics::new();
    let (stop, stopped) = watch::channel(false);
    let (drained, is_drained) = watch::channel(false);
    let (asker, questions) = connection::Asker::new();
    let pipeline = Pipeline::new(store.clone(), tenants.clone(), metrics.clone(), asker.clone());
    let (to_assembler, requests) = mpsc::unbounded_channel();
    let assembler = pipeline.start(is_drained, requests).map_err(StartError::Thread)?;
    let refresh = tokio::spawn(follow_tenants(store.clone(), tenants.clone()));
    let retries = tokio::spawn(rejected::follow_marks(store.clone(), tenants.clone()));
    let retention = tokio::spawn(retention::keep_removing(store.clone(), tenants.clone()));
    let audit_log: Arc<audit::AuditLog> = Arc::default();
    let audit = audit::keep_writing(store.clone(), audit_log.clone(), tenants.clone(), drained.subscribe());
    let audit = tokio::spawn(audit);
    let context =
        deliver::Context::new(store.clone(), tenants.clone(), metrics.clone(), settings.judge.clone())
            .at(settings.public_url.clone())
            .through(settings.judge.clone(), settings.proxies.clone());
    let on_the_way = context.on_the_way.clone();
    let deliverer = deliver::start(context, settings.secret_key.clone(), stopped.clone());
    let key = settings.secret_key.clone();
    let accounts = connection::Context::new(
        store.clone(),
        tenants.clone(),
        key,
        settings.public_url.clone(),
        asker,
        to_assembler.clone(),
    )?
    .through(settings.proxies.clone())?
    .comparing(metrics.clock.clone());
    let (signals, connections) = connection::start(Arc::new(accounts), questions, stopped.clone());
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
        queries: Work::start("queries", work::QUERIES).map_err(StartError::Thread)?,
        pictures: Work::start("pictures", work::PICTURES).map_err(StartError::Thread)?,
        stop: stopped.clone(),
    };
    let hook = receive::HookState::new(&service, signals);
    let api = api::ApiState::new(service.clone(), hook.clone(), to_assembler, on_the_way);
    let pages = pages::PagesState::new(service.clone());
    let session_key = pages.clone();
    let answering = listen::Answering::new(
        service,
        hook,
        Arc::new(move |headers| session_key.session_key(headers)),
        router::router(api, pages),
    );
    let server = tokio::spawn(listen::serve(listener, tls.subscribe(), answering, stopped));
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

/// Makes sure that nobody else works on the store, that the key is its own, and says what of it was lost. Blocks.
fn take_over(store: &Store, key: &SecretKey) -> Result<(), StartError> {
    store.claim()?;
    key.adopt(store)?;
    for loss in store.losses()? {
        tracing::error!(loss, "something that was durable is not there; the feed has a new name");
    }
    Ok(())
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes another certificate for connections from now on, and another key for operators. Whether it serves TLS at all stays
    /// as it is: false if anything else was asked for.
    pub fn reload(&self, tls: Option<Tls>, admin_key: Option<[u8; 32]>) -> bool {
        let keeps_kind = self.tls.borrow().is_some() == tls.is_some();
        if keeps_kind {
            self.tls.send_replace(tls);
        }
        self.admin_key.send_replace(admin_key);
        keeps_kind
    }

    /// Ends it: requests are answered, what was accepted is assembled and written.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.refresh.abort();
        self.retries.abort();
        self.retention.abort();
        if self.server.await.is_err() {
            tracing::error!("the server ended by a panic");
        }
        if self.deliverer.await.is_err() {
            tracing::error!("the deliveries ended by a panic");
        }
        if self.connections.await.is_err() {
            tracing::error!("the connections ended by a panic");
        }
        // Only now is the journal complete.
        self.drained.send_replace(true);
        if self.audit.await.is_err() {
            tracing::error!("the audit log ended by a panic");
        }
        let joined = tokio::task::spawn_blocking(|| self.assembler.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the assembler ended by a panic");
        }
    }
}

/// What was taken away ends within a second, with every stream of it.
const TENANTS_EVERY: Duration = Duration::from_millis(500);

/// Notices what other processes did to tenants. What was added is found when it is asked for; this is for what was
/// taken away. Names in the log what was passed over meanwhile.
async fn follow_tenants(store: Store, tenants: Arc<Tenants>) {
    let mut ticks = tokio::time::interval(TENANTS_EVERY);
    loop {
        ticks.tick().await;
        let tenants = tenants.clone();
        let refreshed = tokio::task::spawn_blocking(move || tenants.refresh()).await;
        if let Ok(Err(error)) = refreshed {
            tracing::warn!(%error, "tenants could not be read");
        }
        for damage in store.take_damage_news() {
            let Damage { tenant, place, problem } = damage;
            let tenant = tenant.map(TenantId::number);
            tracing::error!(
                tenant,
                place,
                problem,
                "a row cannot be read and was passed over; run `wholecall check`"
            );
        }
    }
}
