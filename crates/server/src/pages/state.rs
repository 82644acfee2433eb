//! What the pages share.

use std::sync::Arc;

use axum::{extract::FromRef, http::HeaderMap};

use super::{live_view::LiveViews, session::Sessions};
use crate::Service;

/// The pages' state.
#[derive(Clone)]
pub(crate) struct PagesState {
    pub(super) service: Service,
    pub(super) sessions: Arc<Sessions>,
    pub(super) live_views: Arc<LiveViews>,
}

impl PagesState {
    pub(crate) fn new(service: Service) -> Self {
        Self { service, sessions: Arc::default(), live_views: Arc::default() }
    }

    /// The hash of the key that opened the session of a request; `None` if it has no open session.
    pub(crate) fn session_key(&self, headers: &HeaderMap) -> Option<[u8; 32]> {
        self.sessions.key_of(&self.service, headers)
    }
}

impl FromRef<PagesState> for Service {
    fn from_ref(state: &PagesState) -> Self {
        state.service.clone()
    }
}
