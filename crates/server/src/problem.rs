//! Errors as RFC 9457 problem documents.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use wholecall_store::{Scope, StoreError};

/// A problem document, for people and for programs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Problem {
    /// Always `about:blank`: the status says which kind it is.
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "an API key is needed: `Authorization: Bearer wck_…` (`wholecall tenant add` shows it once)",
        )
    }

    /// The answer to a key whose scope does not allow the request.
    pub(crate) fn needs_scope(needed: Scope, has: Scope) -> Self {
        let (needed, has) = (needed.as_str(), has.as_str());
        Self::new(
            StatusCode::FORBIDDEN,
            format!("this needs a key with the scope `{needed}`; the scope of this one is `{has}`"),
        )
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn title(&self) -> &'static str {
        self.title
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }
}

/// Turns the framework's plain-text answer to a request that it cannot read into a problem document.
pub(crate) async fn as_document(response: Response) -> Response {
    /// Maximum size of a text, of which the framework's have some ten words.
    const MAX_DETAIL_BYTES: usize = 4 << 10;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_plain = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !is_error || !is_plain {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let text = axum::body::to_bytes(body, MAX_DETAIL_BYTES).await.unwrap_or_default();
    let text = match text.is_empty() {
        true => status.canonical_reason().unwrap_or_default().into(),
        false => String::from_utf8_lossy(&text).into_owned(),
    };
    let mut document = Problem::new(status, text).into_response();
    head.headers.remove(header::CONTENT_TYPE);
    head.headers.remove(header::CONTENT_LENGTH);
    document.headers_mut().extend(head.headers);
    document
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Conflict(what) => Self::new(StatusCode::CONFLICT, what.clone()),
            StoreError::Cancelled => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "the query was cancelled: it took too long")
            }
            StoreError::Overloaded | StoreError::Full | StoreError::ReadOnly | StoreError::Closed => {
                tracing::warn!(%error, "the store cannot accept a request");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
            _ => {
                tracing::error!(%error, "the store failed");
                // SQLite's message may name files.
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the store failed; the log has the cause")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}
