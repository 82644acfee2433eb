//! Queries over HTTP.

pub(crate) mod access;
mod audit;
pub(crate) mod calls;
mod changes;
mod directory;
mod docs;
pub(crate) mod drawing;
mod endpoints;
mod health;
mod import;
mod keys;
mod numbers;
pub(crate) mod openapi;
mod openapi_connections;
mod openapi_endpoints;
mod openapi_events;
mod openapi_keys;
mod openapi_rejected;
pub(crate) mod parameters;
mod ready;
mod rejected;
mod routes;
pub(crate) mod stats;
pub(crate) mod story;
mod tenants;

use std::{ops::Deref, sync::Arc};

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use wholecall_store::{Scope, Store, StoreError, TenantId, TenantView, What, Who};

use self::access::Needs;
use crate::{Service, audit::AuditLog, pages, problem::Problem, tenants::Tenants, work_pool::WorkPool};

pub(crate) fn router(service: Service) -> Router {
    Router::new()
        .merge(routes::router())
        .route("/openapi.json", get(openapi::openapi))
        .route("/docs", get(docs::docs))
        .route("/healthz", get(healthz))
        .route("/readyz", get(ready::readyz))
        .merge(pages::routes())
        .route("/metrics", get(metrics).layer(Extension(Needs::Operator)))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(1024 * 1024))
        .with_state(service)
}

/// The process runs.
async fn healthz() -> &'static str {
    "ok\n"
}

async fn metrics(_: access::Watcher, State(service): State<Service>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], service.metrics.text())
}

async fn nothing_here() -> Problem {
    Problem::not_found("there is nothing at this address; /docs tells what there is")
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this address is asked with another method")
}

/// A tenant's data, for the holder of a key, and the threads that read it, fold it and draw it.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    view: TenantView,
    store: Store,
    queries: WorkPool,
    pictures: WorkPool,
    tenants: Arc<Tenants>,
    audit: Arc<AuditLog>,
    /// The hash of the key that was shown.
    key: [u8; 32],
    scope: Scope,
    who: Who,
}

impl Reader {
    /// For whoever has shown a key.
    pub(crate) fn new(service: &Service, tenant: TenantId, key: [u8; 32], scope: Scope, who: Who) -> Self {
        let store = service.store.acting_as(who.clone());
        Self {
            view: store.of(tenant),
            store,
            queries: service.queries.clone(),
            pictures: service.pictures.clone(),
            tenants: service.tenants.clone(),
            audit: service.audit.clone(),
            key,
            scope,
            who,
        }
    }

    /// The tenant's data; changes of it are entered into the audit log as made with the key.
    pub(crate) fn view(&self) -> TenantView {
        self.view.clone()
    }

    /// The store; the same holds for changes there.
    pub(crate) fn store(&self) -> Store {
        self.store.clone()
    }

    pub(crate) fn who(&self) -> Who {
        self.who.clone()
    }

    /// Data goes out in the form of another program, which is entered into the audit log; or it may not.
    pub(crate) fn export(&self, what: &str) -> Result<(), Problem> {
        let tenant = Some(self.tenant());
        if self.scope < Scope::Export {
            self.audit.refused(tenant, self.who(), What::KeyUse, "needs export");
            return Err(Problem::needs_scope(Scope::Export, self.scope));
        }
        self.audit.done(tenant, self.who(), What::Export, what);
        Ok(())
    }

    /// Takes note of what was done where the store does not.
    pub(crate) fn note(&self, what: What, object: impl Into<String>) {
        self.audit.done(Some(self.tenant()), self.who(), what, object);
    }

    /// The hash of the key.
    pub(crate) fn key(&self) -> [u8; 32] {
        self.key
    }

    /// Returns once the key is no longer one of the tenant's.
    pub(crate) async fn revoked(&self) {
        self.tenants.key_removed(&self.key).await;
    }
}

impl Deref for Reader {
    type Target = TenantView;

    fn deref(&self) -> &TenantView {
        &self.view
    }
}

/// Reads from the store, on one of the threads for queries.
pub(crate) async fn read<T: Send + 'static>(
    reader: Reader,
    read: impl FnOnce(&TenantView) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    compute(reader, move |view| Ok(read(view)?)).await
}

/// Reads and computes what is to be answered, on one of the threads for queries.
pub(crate) async fn compute<T: Send + 'static>(
    reader: Reader,
    compute: impl FnOnce(&TenantView) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let Reader { view, queries, .. } = reader;
    queries.run(view.tenant(), move || compute(&view)).await
}

/// The same for pictures, of which few are drawn at once.
pub(crate) async fn draw<T: Send + 'static>(
    reader: Reader,
    draw: impl FnOnce(&TenantView) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let Reader { view, pictures, .. } = reader;
    pictures.run(view.tenant(), move || draw(&view)).await
}

/// JSON that is text already.
fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
}
