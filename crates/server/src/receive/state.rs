//! What the hook needs.

use std::sync::Arc;

use wholecall_store::Store;

use crate::{Service, connection::ConnectionHandle, metrics::Metrics, tenants::Tenants};

/// The hook's state.
#[derive(Clone)]
pub(crate) struct HookState {
    pub(super) store: Store,
    pub(super) tenants: Arc<Tenants>,
    pub(super) metrics: Metrics,
    /// Receives control messages: a subscription is to be renewed, extensions have changed.
    pub(super) connections: ConnectionHandle,
}

impl HookState {
    pub(crate) fn new(service: &Service, connections: ConnectionHandle) -> Self {
        let Service { store, tenants, metrics, .. } = service.clone();
        Self { store, tenants, metrics, connections }
    }
}
