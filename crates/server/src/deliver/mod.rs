//! Webhooks: every version of a call that an endpoint wants, signed, in order per call, until it is taken.
//!
//! The feed of changes is the outbox. Each endpoint has a lane of its own (`lane`), which reads the feed as fast as
//! the endpoint takes what is in it; so one that is slow or down holds up nobody else. What is due when is decided
//! without a clock of its own (`schedule`, `queue`).

mod attempt;
mod connect;
mod health;
mod judge;
mod lane;
mod message;
mod on_the_way;
mod queue;
mod race;
pub mod relay;
mod schedule;
mod seal;
mod sender;
mod sign;
mod target;
mod window;

use std::{collections::HashMap, pin::Pin, sync::Arc};

use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use wholecall_ringcentral::Proxies;
use wholecall_store::{Endpoint, EndpointId, Store, StoreError};

use self::{
    connect::system_resolver,
    sender::{Outcome, Post, Sender},
    target::Target,
};
pub use self::{
    judge::Judge,
    seal::{SealError, SecretKey},
};
pub(crate) use self::{
    on_the_way::OnTheWay,
    sign::EndpointSecret,
    target::{Sealed, is_own_header, parse_filter, parse_url},
};
use crate::{
    clock::{self, Clock},
    metrics::Metrics,
    tenants::Tenants,
};

type Posted = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What all lanes share.
pub(crate) struct Context {
    store: Store,
    tenants: Arc<Tenants>,
    metrics: Metrics,
    pub(crate) on_the_way: OnTheWay,
    post: Box<dyn Fn(Post) -> Posted + Send + Sync>,
    clock: Clock,
    /// Under which address others reach the service.
    public_url: Option<String>,
}

impl Context {
    /// Sends through proxies.
    pub(crate) fn through(self, judge: Judge, proxies: Proxies) -> Self {
        Self { post: posting(Sender::through(judge, system_resolver(), proxies)), ..self }
    }

    /// With links in events that lead to an address.
    pub(crate) fn at(self, public_url: Option<String>) -> Self {
        Self { public_url, ..self }
    }

    pub(crate) fn new(store: Store, tenants: Arc<Tenants>, metrics: Metrics, judge: Judge) -> Self {
        Self {
            store,
            tenants,
            metrics,
            on_the_way: OnTheWay::default(),
            post: posting(Sender::new(judge, system_resolver())),
            clock: Clock::machines(),
            public_url: None,
        }
    }
}

fn posting(sender: Sender) -> Box<dyn Fn(Post) -> Posted + Send + Sync> {
    Box::new(move |post| {
        let sender = sender.clone();
        Box::pin(async move { sender.post(post, clock::now().as_millis()).await })
    })
}

impl Context {
    fn now_ms(&self) -> i64 {
        self.clock.now().as_millis()
    }

    fn open(&self, key: &SecretKey, endpoint: Endpoint) -> Result<Target, String> {
        Target::open(&self.store, &self.tenants, key, self.public_url.as_deref(), endpoint)
    }
}

#[cfg(test)]
fn sealed_for_tests(secret: EndpointSecret) -> Sealed {
    Sealed { secrets: vec![secret], ..Sealed::default() }
}

/// Delivers until `stop` turns true.
pub(crate) fn start(context: Context, key: SecretKey, stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(follow_endpoints(Arc::new(context), key, stop))
}

/// A lane, and what it is to deliver to.
struct Running {
    endpoint: Endpoint,
    target: watch::Sender<Option<Arc<Target>>>,
}

/// Begins, changes and ends lanes as endpoints come, change and go, whichever process changed them.
async fn follow_endpoints(context: Arc<Context>, key: SecretKey, mut stop: watch::Receiver<bool>) {
    let mut version = context.tenants.watch();
    let mut running: HashMap<EndpointId, Running> = HashMap::new();
    let mut lanes = JoinSet::new();
    loop {
        version.borrow_and_update();
        let store = context.store.clone();
        match blocking(move || store.endpoints()).await {
            Ok(endpoints) => {
                running.retain(|id, _| endpoints.iter().any(|endpoint| endpoint.number == *id));
                for endpoint in endpoints {
                    follow(&context, &key, endpoint, &mut running, &mut lanes, &stop).await;
                }
            }
            Err(error) => tracing::error!(%error, "the endpoints cannot be read"),
        }
        while lanes.try_join_next().is_some() {}
        tokio::select! {
            _ = version.changed() => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    drop(running);
    while lanes.join_next().await.is_some() {}
}

async fn follow(
    context: &Arc<Context>,
    key: &SecretKey,
    endpoint: Endpoint,
    running: &mut HashMap<EndpointId, Running>,
    lanes: &mut JoinSet<()>,
    stop: &watch::Receiver<bool>,
) {
    let known = running.get(&endpoint.number);
    let is_same = |known: &Running| {
        known.endpoint.settings == endpoint.settings
            && known.endpoint.sealed == endpoint.sealed
            && known.endpoint.disabled == endpoint.disabled
    };
    if known.is_some_and(is_same) {
        return;
    }
    let target = match endpoint.disabled {
        Some(_) => None,
        None => match open(context, key, &endpoint).await {
            Ok(target) => Some(Arc::new(target)),
            Err(problem) => {
                tracing::error!(endpoint = endpoint.id, %problem, "nothing can be delivered");
                None
            }
        },
    };
    match running.get_mut(&endpoint.number) {
        Some(known) => {
            known.endpoint = endpoint;
            known.target.send_replace(target);
        }
        None => {
            let (sender, wanted) = watch::channel(target);
            lanes.spawn(lane::run(context.clone(), wanted, stop.clone()));
            running.insert(endpoint.number, Running { endpoint, target: sender });
        }
    }
}

async fn open(context: &Arc<Context>, key: &SecretKey, endpoint: &Endpoint) -> Result<Target, String> {
    let (context, key, endpoint) = (context.clone(), key.clone(), endpoint.clone());
    let opened = blocking(move || Ok(context.open(&key, endpoint)));
    opened.await.map_err(|error| error.to_string())?
}

/// Asks the store where waiting for a disk holds up nobody else.
async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let asked = tokio::task::spawn_blocking(ask).await;
    asked.unwrap_or_else(|error| Err(StoreError::Failed(format!("a query ended by a panic: {error}"))))
}
