//! Webhooks: delivers every version of a call that an endpoint subscribes to, signed, in order per call, until the
//! endpoint accepts it.
//!
//! The feed of changes is the outbox. Each endpoint has a worker of its own ([`endpoint_worker`]), which reads the feed as
//! fast as the endpoint accepts events, so that an endpoint that is slow or down delays no other. The rules of when to send
//! and when to retry ([`queue`], [`retry`], [`endpoint_health`], [`rate_limiter`]) take the time as an argument.

mod attempt;
mod connector;
mod context;
mod delivery_target;
mod endpoint_health;
mod endpoint_worker;
mod happy_eyeballs;
mod in_flight;
mod message;
mod queue;
mod rate_limiter;
mod request_window;
mod retry;
mod sender;
mod sign;

use std::{collections::HashMap, sync::Arc};

use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tracing::Instrument as _;
use wholecall_store::{Endpoint, EndpointId};

use self::delivery_target::DeliveryTarget;
pub(crate) use self::{
    connector::system_resolver,
    context::Context,
    delivery_target::{SecretSettings, base_headers, is_reserved_header, parse_filter, parse_url, signed},
    in_flight::InFlight,
    sender::Sender,
    sign::{EndpointSecret, Signer},
};
use crate::{
    blocking::{blocking, run_blocking},
    security::SecretKey,
};

/// Delivers until `stop` becomes true.
pub(crate) fn start(context: Context, key: SecretKey, stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(supervise(Arc::new(context), key, stop))
}

/// An endpoint with a running worker.
struct RunningWorker {
    endpoint: Endpoint,
    /// `None` while nothing can be delivered to the endpoint.
    target: watch::Sender<Option<Arc<DeliveryTarget>>>,
}

/// Starts, updates and ends workers as endpoints are added, changed and removed, by this process or another.
async fn supervise(context: Arc<Context>, key: SecretKey, mut stop: watch::Receiver<bool>) {
    let mut version = context.tenants.watch();
    let mut running: HashMap<EndpointId, RunningWorker> = HashMap::new();
    let mut workers = JoinSet::new();
    loop {
        version.borrow_and_update();
        let store = context.store.clone();
        match blocking(move || store.endpoints()).await {
            Ok(endpoints) => {
                running.retain(|id, _| endpoints.iter().any(|endpoint| endpoint.number == *id));
                for endpoint in endpoints {
                    start_or_update(&context, &key, endpoint, &mut running, &mut workers, &stop).await;
                }
            }
            Err(error) => tracing::error!(%error, "the endpoints cannot be read"),
        }
        while workers.try_join_next().is_some() {}
        tokio::select! {
            _ = version.changed() => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    drop(running);
    while workers.join_next().await.is_some() {}
}

async fn start_or_update(
    context: &Arc<Context>,
    key: &SecretKey,
    endpoint: Endpoint,
    running: &mut HashMap<EndpointId, RunningWorker>,
    workers: &mut JoinSet<()>,
    stop: &watch::Receiver<bool>,
) {
    let is_unchanged = |worker: &RunningWorker| {
        worker.endpoint.settings == endpoint.settings
            && worker.endpoint.sealed == endpoint.sealed
            && worker.endpoint.disabled == endpoint.disabled
    };
    if running.get(&endpoint.number).is_some_and(is_unchanged) {
        return;
    }
    let target = match endpoint.disabled {
        Some(_) => None,
        None => match open(context, key, &endpoint).await {
            Ok(target) => Some(Arc::new(target)),
            Err(problem) => {
                tracing::error!(endpoint = endpoint.id, %problem, "nothing can be delivered to the endpoint");
                None
            }
        },
    };
    match running.get_mut(&endpoint.number) {
        Some(worker) => {
            worker.endpoint = endpoint;
            worker.target.send_replace(target);
        }
        None => {
            let (sender, target) = watch::channel(target);
            let tenant = context.tenants.with_id(endpoint.tenant);
            let tenant = tenant.as_ref().map(|tenant| tenant.name.as_str());
            let span = tracing::error_span!("endpoint", tenant, endpoint = endpoint.id);
            workers.spawn(endpoint_worker::run(context.clone(), target, stop.clone()).instrument(span));
            running.insert(endpoint.number, RunningWorker { endpoint, target: sender });
        }
    }
}

async fn open(
    context: &Arc<Context>,
    key: &SecretKey,
    endpoint: &Endpoint,
) -> Result<DeliveryTarget, String> {
    let (context, key, endpoint) = (context.clone(), key.clone(), endpoint.clone());
    run_blocking(move || context.open(&key, endpoint)).await.map_err(|error| error.to_string())?
}
