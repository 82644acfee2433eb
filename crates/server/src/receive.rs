//! RingCentral's webhooks. A 200 means that the notification is durable unless the disk is lost. RingCentral stops sending
//! to a hook that answers with errors, so every request with a valid token is answered 200; a body that is not a
//! notification is stored as rejected.

mod body;
mod classify;
mod control_event;
mod ingest;
mod state;

use axum::{
    BoxError,
    extract::{self, Path, State},
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use hyper::body::Body;
use wholecall_store::{NewRejected, StoreError};

pub(crate) use self::{
    body::MAX_BODY_BYTES,
    classify::{classify, too_long_reason},
    control_event::ControlEvent,
    ingest::{ingest, wait_until_durable},
    state::HookState,
};
use self::{body::UnreadBody, ingest::store_body};
use crate::{
    clock, ingest_stats::RefusalKind, metrics::HookOutcome, problem::Problem, request_id, tenants::Tenant,
};

/// Maximum length of a validation token, which is returned: RingCentral accepts responses with at most 1,024 bytes of
/// headers and body.
const MAX_TOKEN_BYTES: usize = 512;

const PATH: &str = "/hooks/";

/// `POST /hooks/{tenant}`.
pub(crate) async fn receive(
    State(service): State<HookState>,
    Path(name): Path<String>,
    request: extract::Request,
) -> Response {
    answer(&service, &name, request).await
}

/// The tenant whose hook a request is for. `None` for any other path, and for names that only the router can decode.
pub(crate) fn hook<B>(request: &Request<B>) -> Option<&str> {
    let name = request.uri().path().strip_prefix(PATH).filter(|_| request.method() == Method::POST)?;
    let name = name.strip_suffix('/').unwrap_or(name);
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)).then_some(name)
}

/// Answers a request to a tenant's hook.
pub(crate) async fn answer<B>(service: &HookState, name: &str, request: Request<B>) -> Response
where
    B: Body<Error: Into<BoxError>>,
{
    let (Parts { headers, .. }, body) = request.into_parts();
    let validation = headers.get("validation-token").filter(|token| token.len() <= MAX_TOKEN_BYTES);
    let result = match verified(service, name, &headers).await {
        Ok(Some(tenant)) => accept(service, &tenant, &headers, body).await,
        // RingCentral validates the address before the subscription, and so its token, exists.
        Ok(None) if validation.is_some() && body::is_empty(body).await => return accepted(validation),
        Ok(None) => return unverified(service, name, &headers),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => accepted(validation),
        Err(error) => {
            service.metrics.count_hook_request(HookOutcome::Failed);
            let request = request_id::of(&headers);
            tracing::warn!(tenant = name, request, %error, "a notification could not be stored");
            let detail = "the notification could not be stored; send it again";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
        }
    }
}

/// The tenant of a hook. `None` if the request does not have its verification token.
async fn verified(
    service: &HookState,
    name: &str,
    headers: &HeaderMap,
) -> Result<Option<std::sync::Arc<Tenant>>, StoreError> {
    let token = headers.get("verification-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
    service.tenants.verified(name, token).await
}

/// The answer to a request without a valid verification token, which is counted in the tenant's statistics.
fn unverified(service: &HookState, name: &str, headers: &HeaderMap) -> Response {
    service.metrics.count_hook_request(HookOutcome::Unverified);
    if let Some(tenant) = service.tenants.snapshot().by_name.get(name) {
        let reason = match headers.contains_key("verification-token") {
            true => "the verification token is not one of the tenant's",
            false => "there was no verification token",
        };
        let now_ms = clock::now().as_millis();
        service.metrics.ingest.count_refusal(tenant.id, RefusalKind::WrongToken, now_ms, reason);
    }
    let detail = "no hook of that name accepts this verification token";
    Problem::new(StatusCode::UNAUTHORIZED, detail).into_response()
}

/// Accepts a request with a valid verification token, whatever its body is.
async fn accept<B>(
    service: &HookState,
    tenant: &Tenant,
    headers: &HeaderMap,
    body: B,
) -> Result<(), StoreError>
where
    B: Body<Error: Into<BoxError>>,
{
    let body = match body::read(headers, body).await {
        Ok(body) => body,
        Err(unread) => return reject_unread(service, tenant, unread).await,
    };
    if body.is_empty() && headers.contains_key("validation-token") {
        return Ok(());
    }
    let started = std::time::Instant::now();
    let classified = classify(tenant, clock::now(), &body);
    if classified.is_err()
        && let Some(event) = ControlEvent::of(&body)
    {
        (service.control_events)(tenant.id, &event);
        return Ok(());
    }
    if let Err(reason) = &classified {
        let now_ms = clock::now().as_millis();
        service.metrics.ingest.count_refusal(tenant.id, RefusalKind::NotTaken, now_ms, reason);
    }
    let outcome = store_body(&service.store, tenant, &body, classified).await?;
    service.metrics.count_hook_request(outcome);
    service.metrics.observe_acknowledgement(started.elapsed());
    Ok(())
}

/// Stores the beginning of a body that could not be read.
async fn reject_unread(service: &HookState, tenant: &Tenant, unread: UnreadBody) -> Result<(), StoreError> {
    let UnreadBody { outcome, reason, beginning, posted_bytes } = unread;
    let kind = match outcome {
        HookOutcome::TooLarge => RefusalKind::TooLong,
        HookOutcome::Undecodable => RefusalKind::Packed,
        _ => RefusalKind::TooSlow,
    };
    let now_ms = clock::now().as_millis();
    service.metrics.count_hook_request(outcome);
    service.metrics.ingest.count_refusal(tenant.id, kind, now_ms, &reason);
    tracing::info!(tenant = tenant.name, reason, posted_bytes, "a body was rejected");
    let refusal = NewRejected::new(tenant.id, now_ms, reason, &beginning)?.cut_from(posted_bytes);
    wait_until_durable(service.store.reject(refusal)?).await
}

/// The empty answer that RingCentral expects.
fn accepted(validation: Option<&HeaderValue>) -> Response {
    let mut response = StatusCode::OK.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(token) = validation {
        response.headers_mut().insert("validation-token", token.clone());
    }
    response
}
