//! The HTTP API for programs: queries, feeds, endpoints, keys, tenants.

pub(crate) mod access;
mod audit;
pub(crate) mod calls;
mod changes;
mod directory;
mod docs;
pub(crate) mod drawing;
mod endpoints;
mod erasure;
pub(crate) mod explanation;
pub(crate) mod health;
mod import;
mod keys;
pub(crate) mod openapi;
pub(crate) mod parameters;
mod reader;
mod ready;
mod rejected;
mod routes;
mod state;
pub(crate) mod stats;
mod tenants;

use axum::{
    Extension, Router,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

use self::access::Needs;
pub(crate) use self::{
    reader::{Reader, compute, draw, read},
    state::ApiState,
};
use crate::{Service, blocking::run_blocking, problem::Problem};

/// All addresses of the API, of its documents and of the probes.
pub(crate) fn router() -> Router<ApiState> {
    routes::router()
        .route("/openapi.json", get(openapi::openapi))
        .route("/docs", get(docs::docs))
        .route("/healthz", get(healthz))
        .route("/readyz", get(ready::readyz))
        .route("/metrics", get(metrics).layer(Extension(Needs::Operator)))
}

/// The process runs.
async fn healthz() -> &'static str {
    "ok\n"
}

async fn metrics(_: access::MetricsReader, State(service): State<Service>) -> impl IntoResponse {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], service.metrics.text())
}

/// A response whose body is serialized JSON.
fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
}

/// Runs work that waits for the disk on a thread where it blocks no other request.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Problem>
where
    T: Send + 'static,
    E: Into<Problem> + Send + 'static,
{
    run_blocking(work).await?.map_err(Into::into)
}
