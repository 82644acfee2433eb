//! Queries over HTTP.

mod access;
pub(crate) mod calls;
mod changes;
mod directory;
mod docs;
pub(crate) mod drawing;
mod endpoints;
mod health;
mod import;
mod numbers;
pub(crate) mod openapi;
mod openapi_connections;
mod openapi_endpoints;
mod openapi_events;
mod openapi_rejected;
pub(crate) mod parameters;
mod ready;
mod rejected;
pub(crate) mod stats;
pub(crate) mod story;
mod tenants;

use std::{ops::Deref, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, patch, post},
};
use wholecall_store::{StoreError, TenantId, TenantView};

use crate::{Service, pages, problem::Problem, receive, tenants::Tenants, work::Work};

pub(crate) fn router(service: Service) -> Router {
    Router::new()
        .route("/hooks/{tenant}", post(receive::receive))
        .route("/v1/calls", get(calls::list))
        .route("/v1/calls/{id}", get(calls::one))
        .route("/v1/calls/{id}/versions", get(calls::versions))
        .route("/v1/calls/{id}/notifications", get(calls::notifications))
        .route("/v1/calls/{id}/drawing.svg", get(drawing::svg))
        .route("/v1/calls/{id}/drawing.png", get(drawing::png))
        .route("/v1/calls/{id}/explain", get(story::explain))
        .route("/v1/calls/{id}/deliveries", get(endpoints::of_call))
        .route("/v1/endpoints", get(endpoints::list).post(endpoints::add))
        .route("/v1/endpoints/{id}", get(endpoints::one).patch(endpoints::change).delete(endpoints::remove))
        .route("/v1/endpoints/{id}/rotate", post(endpoints::rotate))
        .route("/v1/endpoints/{id}/test", post(endpoints::test))
        .route("/v1/endpoints/{id}/replay", post(endpoints::replay))
        .route("/v1/endpoints/{id}/deliveries", get(endpoints::deliveries))
        .route("/v1/endpoints/{id}/deliveries/{message}/resend", post(endpoints::resend))
        .route("/v1/changes", get(changes::changes))
        .route("/v1/stream", get(changes::stream))
        .route("/v1/notifications", post(import::import))
        .route("/v1/numbers/{number}", delete(numbers::erase))
        .route("/v1/directory", get(directory::directory))
        .route("/v1/health", get(health::health))
        .route("/v1/rejected", get(rejected::list))
        .route("/v1/rejected/retry", post(rejected::retry_all))
        .route("/v1/rejected/{id}", get(rejected::one).delete(rejected::remove))
        .route("/v1/rejected/{id}/retry", post(rejected::retry))
        .route("/v1/stats", get(stats::stats))
        .route("/v1/tenants", get(tenants::list).post(tenants::add))
        .route("/v1/tenants/{name}", patch(tenants::change))
        .route("/openapi.json", get(openapi::openapi))
        .route("/docs", get(docs::docs))
        .route("/healthz", get(healthz))
        .route("/readyz", get(ready::readyz))
        .merge(pages::routes())
        .route("/metrics", get(metrics))
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

/// A tenant's data, and the threads that read it, fold it and draw it.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    view: TenantView,
    queries: Work,
    pictures: Work,
    tenants: Arc<Tenants>,
    /// The hash of the key that was shown.
    key: [u8; 32],
}

impl Reader {
    /// For whoever has shown a key.
    pub(crate) fn new(service: &Service, tenant: TenantId, key: [u8; 32]) -> Self {
        let (queries, pictures) = (service.queries.clone(), service.pictures.clone());
        Self { view: service.store.of(tenant), queries, pictures, tenants: service.tenants.clone(), key }
    }

    /// The hash of the key.
    pub(crate) fn key(&self) -> [u8; 32] {
        self.key
    }

    /// Returns once the key is no longer one of the tenant's.
    pub(crate) async fn revoked(&self) {
        self.tenants.removed(&self.key).await;
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
