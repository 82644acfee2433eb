//! What the hook needs.

use std::sync::Arc;

use crate::{Service, connection::Signals, metrics::Metrics, tenants::Tenants};
use wholecall_store::Store;

/// The hook's state.
#[derive(Clone)]
pub(crate) struct HookState {
    pub(super) store: Store,
    pub(super) tenants: Arc<Tenants>,
    pub(super) metrics: Metrics,
    /// Receives control messages: a subscription is to be renewed, extensions have changed.
    pub(super) connections: Signals,
}

impl HookState {
    pub(crate) fn new(service: &Service, connections: Signals) -> Self {
        let Service { store, tenants, metrics, .. } = service.clone();
        Self { store, tenants, metrics, connections }
    }
}
