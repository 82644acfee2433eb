//! What the API's handlers share.

use std::sync::Arc;

use axum::extract::FromRef;
use tokio::sync::mpsc;

use crate::{Service, deliver::InFlight, pipeline, quotas::TenantQuotas, receive::HookState};

/// The API's state.
#[derive(Clone)]
pub(crate) struct ApiState {
    pub(super) service: Service,
    /// The routes of the API include the hook.
    hook: HookState,
    /// Requests to the assembler, the only writer of assembled calls.
    pub(super) assembler: mpsc::UnboundedSender<pipeline::handle::AssemblerRequest>,
    pub(super) in_flight: InFlight,
    pub(super) quotas: Arc<TenantQuotas>,
}

impl ApiState {
    pub(crate) fn new(
        service: Service,
        hook: HookState,
        assembler: mpsc::UnboundedSender<pipeline::handle::AssemblerRequest>,
        in_flight: InFlight,
    ) -> Self {
        Self { service, hook, assembler, in_flight, quotas: Arc::default() }
    }
}

impl FromRef<ApiState> for Service {
    fn from_ref(state: &ApiState) -> Self {
        state.service.clone()
    }
}

impl FromRef<ApiState> for HookState {
    fn from_ref(state: &ApiState) -> Self {
        state.hook.clone()
    }
}
