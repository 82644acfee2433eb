//! Composes the HTTP interface: the routes of the API and of the pages, each with its own state.

use axum::{Router, extract::DefaultBodyLimit, http::StatusCode};

use crate::{
    api::{self, ApiState},
    pages::{self, PagesState},
    problem::Problem,
};

/// Maximum size of a request's body where its route sets no other limit.
const MAX_BODY_BYTES: usize = 1 << 20;

pub(crate) fn router(api: ApiState, pages: PagesState) -> Router {
    api::router()
        .with_state(api)
        .merge(pages::router().with_state(pages))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

async fn not_found() -> Problem {
    Problem::not_found("this address does not exist; /docs lists those that do")
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not support the method")
}
