//! RingCentral's webhooks. A 200 means that the notification survives whatever happens to this machine short
//! of losing its disk. RingCentral stops sending to a hook that answers with errors: with a right token, whatever is wrong
//! with a body is answered 200, and the body is kept as rejected.

mod body;
mod state;

use axum::{
    BoxError,
    extract::{self, Path, State},
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use hyper::body::Body;
use wholecall_notification::{Document, Message, Notification};
use wholecall_record::Time;
use wholecall_store::{Arrival, Refusal, Store, StoreError, TenantId};

use self::body::{DEADLINE, KEPT_BYTES, Unread};
pub(crate) use self::{body::MAX_BODY_BYTES, state::HookState};
use crate::{
    clock,
    health::RefusalKind,
    metrics::Outcome,
    plausible::implausible_time,
    problem::Problem,
    tenants::{Tenant, Tenants},
};

/// RingCentral wants head and body of the answer within 1,024 bytes; the token comes back as it was.
const MAX_TOKEN_BYTES: usize = 512;

/// An id has some ten characters to forty.
const MAX_ID_BYTES: usize = 256;

/// `POST /hooks/{tenant}`.
pub(crate) async fn receive(
    State(service): State<HookState>,
    Path(name): Path<String>,
    request: extract::Request,
) -> Response {
    answer(&service, &name, request).await
}

/// Which tenant's hook a request is for, where that is plain to see.
pub(crate) fn hook<B>(request: &Request<B>) -> Option<&str> {
    let name = request.uri().path().strip_prefix(PATH).filter(|_| request.method() == Method::POST)?;
    let name = name.strip_suffix('/').unwrap_or(name);
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)).then_some(name)
}

const PATH: &str = "/hooks/";

/// Answers a request to a tenant's hook.
pub(crate) async fn answer<B>(service: &HookState, name: &str, request: Request<B>) -> Response
where
    B: Body<Error: Into<BoxError>>,
{
    let (Parts { headers, .. }, body) = request.into_parts();
    let validation = headers.get("validation-token").filter(|token| token.len() <= MAX_TOKEN_BYTES);
    let result = match verified(service, name, &headers).await {
        Ok(Some(tenant)) => take(service, &tenant, &headers, body).await,
        // RingCentral asks before a subscription, and so its token, is there.
        Ok(None) if validation.is_some() && body::is_empty(body).await => return accepted(validation),
        Ok(None) => return unverified(service, name, &headers),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => accepted(validation),
        Err(error) => {
            service.metrics.received(Outcome::Failed);
            tracing::warn!(tenant = name, %error, "a notification was not taken");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the notification could not be kept; send it again")
                .into_response()
        }
    }
}

/// The tenant whose hook it is, if the request has its verification token.
async fn verified(
    service: &HookState,
    name: &str,
    headers: &HeaderMap,
) -> Result<Option<std::sync::Arc<Tenant>>, StoreError> {
    let token = headers.get("verification-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
    service.tenants.verified(name, token).await
}

/// The answer to a request without a token of the tenant; who reads the tenant's health learns of it.
fn unverified(service: &HookState, name: &str, headers: &HeaderMap) -> Response {
    service.metrics.received(Outcome::Unverified);
    if let Some(tenant) = service.tenants.now().by_name.get(name) {
        let reason = match headers.contains_key("verification-token") {
            true => "the verification token is not one of the tenant's",
            false => "there was no verification token",
        };
        let now_ms = clock::now().as_millis();
        service.metrics.health.refused(tenant.id, RefusalKind::WrongToken, now_ms, reason);
    }
    let detail = "no hook of that name takes notifications with this verification token";
    Problem::new(StatusCode::UNAUTHORIZED, detail).into_response()
}

/// Takes what the tenant's own RingCentral posts, whatever it is.
async fn take<B>(service: &HookState, tenant: &Tenant, headers: &HeaderMap, body: B) -> Result<(), StoreError>
where
    B: Body<Error: Into<BoxError>>,
{
    let body = match body::read(headers, body).await {
        Ok(body) => body,
        Err(unread) => return keep_unread(service, tenant, unread).await,
    };
    if body.is_empty() && headers.contains_key("validation-token") {
        return Ok(());
    }
    let started = std::time::Instant::now();
    let judged = judge(tenant, clock::now(), &body);
    if judged.is_err()
        && let Some(signal) = Signal::of(&body)
    {
        service.connections.hear(tenant.id, &signal);
        return Ok(());
    }
    if let Err(reason) = &judged {
        let now_ms = clock::now().as_millis();
        service.metrics.health.refused(tenant.id, RefusalKind::NotTaken, now_ms, reason);
    }
    let outcome = keep(&service.store, tenant, &body, judged).await?;
    service.metrics.received(outcome);
    service.metrics.acknowledged(started.elapsed());
    Ok(())
}

/// Keeps the beginning of a body that could not be read.
async fn keep_unread(service: &HookState, tenant: &Tenant, unread: Unread) -> Result<(), StoreError> {
    let Unread { outcome, reason, kept, posted_bytes } = unread;
    let kind = match outcome {
        Outcome::TooLarge => RefusalKind::TooLong,
        Outcome::Undecodable => RefusalKind::Packed,
        _ => RefusalKind::TooSlow,
    };
    let now_ms = clock::now().as_millis();
    service.metrics.received(outcome);
    service.metrics.health.refused(tenant.id, kind, now_ms, &reason);
    tracing::info!(tenant = tenant.name, reason, posted_bytes, "a body was rejected");
    let refusal = Refusal::new(tenant.id, now_ms, reason, &kept)?.cut_from(posted_bytes);
    durable(service.store.quarantine(refusal)?).await
}

/// An empty answer in the shape RingCentral wants.
fn accepted(validation: Option<&HeaderValue>) -> Response {
    let mut response = StatusCode::OK.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(token) = validation {
        response.headers_mut().insert("validation-token", token.clone());
    }
    response
}

/// Takes in what a WebSocket tells a tenant: the same journal, whichever way it comes.
pub(crate) async fn take_in(
    store: &Store,
    tenants: &Tenants,
    tenant: TenantId,
    body: &str,
) -> Result<(), StoreError> {
    match tenants.with_id(tenant) {
        Some(tenant) => {
            let body = body.as_bytes();
            keep(store, &tenant, body, judge(&tenant, clock::now(), body)).await.map(drop)
        }
        None => Ok(()),
    }
}

/// What RingCentral tells of an account that is of no call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// A subscription is to be renewed.
    Renew,
    /// Extensions have changed: of an account or, where none is named, of the one whose it is told.
    Extensions { account: Option<String> },
}

impl Signal {
    /// The signal that a body is, if it is one.
    pub(crate) fn of(body: &[u8]) -> Option<Self> {
        let document = Document::parse(std::str::from_utf8(body).ok()?).ok()?;
        match document.message() {
            Ok(Message::Reminder { .. }) => Some(Self::Renew),
            Ok(Message::Other { event }) => {
                let account = event.trim_end_matches('/').strip_suffix("/extension")?.rsplit('/').next()?;
                let is_named = account.bytes().all(|byte| byte.is_ascii_digit());
                Some(Self::Extensions { account: is_named.then(|| account.to_owned()) })
            }
            _ => None,
        }
    }
}

/// Keeps a body; what is no notification of the tenant is kept apart, with the reason. RingCentral gets a 200 for
/// either: it stops sending to whoever answers with errors.
async fn keep(
    store: &Store,
    tenant: &Tenant,
    body: &[u8],
    judged: Result<Arrival, String>,
) -> Result<Outcome, StoreError> {
    let (durable, outcome) = match judged {
        Ok(arrival) => (store.append(vec![arrival])?, Outcome::Stored),
        Err(reason) => {
            tracing::info!(tenant = tenant.name, reason, "a body was put into quarantine");
            let refusal = refusal(tenant, reason, body)?;
            (store.quarantine(refusal)?, Outcome::Rejected)
        }
    };
    self::durable(durable).await.map(|()| outcome)
}

/// What is kept of a body that is not taken: of one that is too long, as a WebSocket may bring it, the beginning.
fn refusal(tenant: &Tenant, reason: String, body: &[u8]) -> Result<Refusal, StoreError> {
    let now_ms = clock::now().as_millis();
    match body.len() > MAX_BODY_BYTES {
        true => Ok(Refusal::new(tenant.id, now_ms, reason, &body[..KEPT_BYTES])?.cut_from(body.len())),
        false => Refusal::new(tenant.id, now_ms, reason, body),
    }
}

/// Waits until it is durable, as long as RingCentral would.
pub(crate) async fn durable(
    kept: tokio::sync::oneshot::Receiver<Result<(), StoreError>>,
) -> Result<(), StoreError> {
    match tokio::time::timeout(DEADLINE, kept).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(StoreError::Closed),
        Err(_) => Err(StoreError::Overloaded),
    }
}

/// A body as a notification that arrives now, or why it is none of the tenant's.
pub(crate) fn judge(tenant: &Tenant, now: Time, body: &[u8]) -> Result<Arrival, String> {
    if body.len() > MAX_BODY_BYTES {
        return Err(too_long_reason());
    }
    let text = std::str::from_utf8(body).map_err(|error| format!("not UTF-8: {error}"))?;
    let document = Document::parse(text).map_err(|problem| problem.to_string())?;
    match document.message().map_err(|problem| problem.to_string())? {
        Message::Session(notification) => {
            has_plausible_ids(&notification)?;
            implausible_time(&notification, now).map_or(Ok(()), Err)?;
            match notification.account_id() {
                Some(account) if !tenant.accounts.contains(account) => {
                    Err(format!("account {account} is not one of the tenant's"))
                }
                _ => Ok(Arrival {
                    tenant: tenant.id,
                    arrived_ms: now.as_millis(),
                    session: notification.session_id().into(),
                    body: text.into(),
                }),
            }
        }
        other => Err(format!("{}, not a telephony session notification", other.kind())),
    }
}

/// Ids are part of addresses, indexes and messages, so their length has a limit.
fn has_plausible_ids(notification: &Notification<'_, '_>) -> Result<(), String> {
    let body = notification.body();
    let parties = body.parties.iter().map(|party| ("a party's id", party.id()));
    let ids = [("telephonySessionId", notification.session_id())];
    let account = notification.account_id().map(|account| ("the account's id", account));
    match ids.into_iter().chain(account).chain(parties).find(|(_, id)| id.len() > MAX_ID_BYTES) {
        Some((what, id)) => Err(format!("{what} has {} bytes, of {MAX_ID_BYTES} at most", id.len())),
        None => Ok(()),
    }
}

pub(crate) fn too_long_reason() -> String {
    format!("longer than {} KiB", MAX_BODY_BYTES / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_and_changed_extensions_are_told_from_calls_and_from_what_is_none() {
        let reminder = br#"{"uuid":"1","event":"/restapi/v1.0/subscription/~?threshold=60&interval=15",
            "subscriptionId":"a","body":{"id":"a","expiresIn":59}}"#;
        let extension =
            br#"{"uuid":"1","event":"/restapi/v1.0/account/8/extension","body":{"extensions":[]}}"#;
        let call =
            br#"{"event":"/restapi/v1.0/account/8/telephony/sessions","body":{"telephonySessionId":"s-1",
            "sequence":2,"eventTime":"2026-05-30T12:31:12.509Z","parties":[{"id":"p-1-1"}]}}"#;
        assert_eq!(Signal::of(reminder), Some(Signal::Renew));
        assert_eq!(Signal::of(extension), Some(Signal::Extensions { account: Some("8".to_owned()) }));
        let of_own = br#"{"event":"/restapi/v1.0/account/~/extension","body":{}}"#;
        assert_eq!(Signal::of(of_own), Some(Signal::Extensions { account: None }));
        let voicemail = br#"{"event":"/restapi/v1.0/account/8/extension/9/voicemail","body":{}}"#;
        for other in [&call[..], b"{}", b"", b"\xff", voicemail] {
            assert_eq!(Signal::of(other), None);
        }
    }
}
