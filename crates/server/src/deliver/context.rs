//! State that all endpoint workers share.

use std::{pin::Pin, sync::Arc};

use wholecall_ringcentral::Proxies;
use wholecall_store::{Endpoint, Store};

use super::{
    connector::system_resolver,
    delivery_target::DeliveryTarget,
    in_flight::InFlight,
    sender::{Outcome, Post, Sender},
};
use crate::{
    clock::{self, Clock},
    metrics::Metrics,
    security::{EgressPolicy, SecretKey},
    tenants::Tenants,
};

pub(super) type PostResult = Pin<Box<dyn Future<Output = Outcome> + Send>>;
pub(super) type PostFn = Box<dyn Fn(Post) -> PostResult + Send + Sync>;

/// State that all endpoint workers share.
pub(crate) struct Context {
    pub(super) store: Store,
    pub(super) tenants: Arc<Tenants>,
    pub(super) metrics: Metrics,
    pub(crate) in_flight: InFlight,
    /// Sends a request; simulated in tests.
    pub(super) post: PostFn,
    pub(super) clock: Clock,
    /// The address at which clients reach the service, for links in events; `None` if it is not configured.
    pub(super) public_url: Option<String>,
}

impl Context {
    pub(crate) fn new(store: Store, tenants: Arc<Tenants>, metrics: Metrics, policy: EgressPolicy) -> Self {
        Self {
            store,
            tenants,
            metrics,
            in_flight: InFlight::default(),
            post: post_with(Sender::new(policy, system_resolver())),
            clock: Clock::system(),
            public_url: None,
        }
    }

    /// Sends through proxies.
    pub(crate) fn through(self, policy: EgressPolicy, proxies: Proxies) -> Self {
        Self { post: post_with(Sender::through(policy, system_resolver(), proxies)), ..self }
    }

    /// Sets the address that links in events begin with.
    pub(crate) fn at(self, public_url: Option<String>) -> Self {
        Self { public_url, ..self }
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now().as_millis()
    }

    /// Opens an endpoint for delivery. Blocks.
    pub(super) fn open(&self, key: &SecretKey, endpoint: Endpoint) -> Result<DeliveryTarget, String> {
        DeliveryTarget::open(&self.store, &self.tenants, key, self.public_url.as_deref(), endpoint)
    }
}

fn post_with(sender: Sender) -> PostFn {
    Box::new(move |post| {
        let sender = sender.clone();
        Box::pin(async move { sender.post(post, clock::now().as_millis()).await })
    })
}
