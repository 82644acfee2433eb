//! What the hook needs.

use std::sync::Arc;

use wholecall_store::{Store, TenantId};

use super::control_event::ControlEvent;
use crate::{Service, metrics::Metrics, tenants::Tenants};

/// Receives control events: a subscription is to be renewed, extensions have changed.
pub(crate) type ControlEventSink = Arc<dyn Fn(TenantId, &ControlEvent) + Send + Sync>;

/// The hook's state.
#[derive(Clone)]
pub(crate) struct HookState {
    pub(super) store: Store,
    pub(super) tenants: Arc<Tenants>,
    pub(super) metrics: Metrics,
    pub(super) control_events: ControlEventSink,
}

impl HookState {
    pub(crate) fn new(service: &Service, control_events: ControlEventSink) -> Self {
        let Service { store, tenants, metrics, .. } = service.clone();
        Self { store, tenants, metrics, control_events }
    }
}
