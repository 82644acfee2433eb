//! The platform by HTTP.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Query, State, WebSocketUpgrade},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header},
    routing::any,
};
use serde::Deserialize;

use crate::{
    platform::{self, Reply, Request, query_of},
    shell::Shell,
    websocket,
};

/// Maximum size of a request's body.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The routes: the WebSocket gateway, and all others.
pub(crate) fn router(shell: Arc<Shell>) -> Router {
    Router::new()
        .route("/ws", any(upgrade))
        .fallback(handle)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(shell)
}

#[derive(Deserialize)]
struct GatewayQuery {
    #[serde(default)]
    access_token: String,
    /// The token of a session to resume.
    wsc: Option<String>,
}

async fn upgrade(
    State(shell): State<Arc<Shell>>,
    Query(query): Query<GatewayQuery>,
    upgrade: WebSocketUpgrade,
) -> axum::response::Response {
    upgrade.on_upgrade(move |socket| websocket::serve(shell, socket, query.access_token, query.wsc))
}

async fn handle(
    State(shell): State<Arc<Shell>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let query = query_of(&uri.to_string());
    let in_query = query.iter().find(|(name, _)| name == "_method").map(|(_, method)| method.as_str());
    let overriding = header("x-http-method-override").or(in_query).and_then(|name| name.parse().ok());
    let request = Request {
        method: overriding.unwrap_or(method).as_str().to_owned(),
        path: uri.path().trim_end_matches('/').to_owned(),
        query,
        authorization: header("authorization").map(str::to_owned),
        accept: header("accept").unwrap_or_default().to_owned(),
        body: body.to_vec(),
        base: format!("http://{}", header("host").unwrap_or("localhost")),
    };
    let reply = match request.path.strip_prefix("/fake/") {
        Some(path) => shell.control(path, &request),
        None => shell.answer(&request).await,
    };
    response(reply)
}

fn response(reply: Reply) -> Response<Body> {
    let (kind, body) = match reply.body {
        platform::Body::None if reply.status == 204 => (None, Body::empty()),
        // Clients parse every body as JSON.
        platform::Body::None => (Some("application/json;charset=utf-8"), Body::empty()),
        platform::Body::Json(body) => (Some("application/json;charset=utf-8"), body.to_string().into()),
        platform::Body::Other(kind, bytes) => (Some(kind), bytes.into()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(kind) = kind {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}
