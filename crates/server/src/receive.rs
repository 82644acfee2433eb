//! RingCentral's webhooks. A 200 means that the notification survives whatever happens to this machine short
//! of losing its disk.

use std::time::Duration;

use axum::{
    BoxError,
    extract::{self, Path, State},
    http::{HeaderValue, Method, Request, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use wholecall_notification::{Document, Message};
use wholecall_record::Time;
use wholecall_store::{Arrival, Refusal, Store, StoreError, TenantId};

use crate::{
    Service, clock,
    metrics::Outcome,
    problem::Problem,
    tenants::{Tenant, Tenants},
};

/// RingCentral's notifications have a few KB.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// A notification has at most so many bytes, whichever way it comes in.
pub(crate) const MAX_NOTIFICATION_BYTES: usize = MAX_BODY_BYTES;

/// So much is kept of a body that is no notification.
const QUARANTINED_BYTES: usize = 64 * 1024;

/// RingCentral gives up after three seconds, and then sends the same again.
const DEADLINE: Duration = Duration::from_millis(2_500);

/// RingCentral wants head and body of the answer within 1,024 bytes; the token comes back as it was.
const MAX_TOKEN_BYTES: usize = 512;

/// `POST /hooks/{tenant}`.
pub(crate) async fn receive(
    State(service): State<Service>,
    Path(name): Path<String>,
    request: extract::Request,
) -> Response {
    answer(&service, &name, request).await
}

/// Which tenant's hook a request is for, where that is plain to see.
pub(crate) fn hook<B>(request: &Request<B>) -> Option<&str> {
    let name = request.uri().path().strip_prefix(PATH).filter(|_| request.method() == Method::POST)?;
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)).then_some(name)
}

const PATH: &str = "/hooks/";

/// Answers a request to a tenant's hook.
pub(crate) async fn answer<B>(service: &Service, name: &str, request: Request<B>) -> Response
where
    B: Body<Error: Into<BoxError>>,
{
    let (Parts { headers, .. }, body) = request.into_parts();
    let validation = headers.get("validation-token").filter(|token| token.len() <= MAX_TOKEN_BYTES);
    let body = match tokio::time::timeout(DEADLINE, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            service.metrics.received(Outcome::TooLong);
            let detail = format!("a body may have {MAX_BODY_BYTES} bytes");
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response();
        }
        Ok(Err(_)) => return Problem::bad_request("the body broke off").into_response(),
        Err(_) => {
            return Problem::new(StatusCode::REQUEST_TIMEOUT, "the body came too slowly").into_response();
        }
    };
    if body.is_empty()
        && let Some(token) = validation
    {
        return accepted(Some(token));
    }
    let token = headers.get("verification-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
    let started = std::time::Instant::now();
    let result = match service.tenants.verified(name, token).await {
        Ok(Some(tenant)) => {
            let judged = judge(&tenant, clock::now(), &body);
            if judged.is_err()
                && let Some(signal) = Signal::of(&body)
            {
                service.connections.hear(tenant.id, &signal);
                return accepted(validation);
            }
            keep(&service.store, &tenant, &body, judged).await
        }
        Ok(None) => {
            service.metrics.received(Outcome::Unverified);
            let detail = "no hook of that name takes notifications with this verification token";
            return Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(outcome) => {
            service.metrics.received(outcome);
            service.metrics.acknowledged(started.elapsed());
            accepted(validation)
        }
        Err(error) => {
            service.metrics.received(Outcome::Failed);
            tracing::warn!(tenant = name, %error, "a notification was not taken");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the notification could not be kept; send it again")
                .into_response()
        }
    }
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
        Ok(arrival) => (store.append(vec![arrival])?, Outcome::Kept),
        Err(reason) => {
            tracing::info!(tenant = tenant.name, reason, "a body was put into quarantine");
            let refusal = Refusal::new(
                tenant.id,
                clock::now().as_millis(),
                reason,
                &body[..body.len().min(QUARANTINED_BYTES)],
            )?;
            (store.quarantine(refusal)?, Outcome::Quarantined)
        }
    };
    match tokio::time::timeout(DEADLINE, durable).await {
        Ok(Ok(result)) => result.map(|()| outcome),
        Ok(Err(_)) => Err(StoreError::Closed),
        Err(_) => Err(StoreError::Overloaded),
    }
}

/// A body as a notification that arrives now, or why it is none of the tenant's.
pub(crate) fn judge(tenant: &Tenant, now: Time, body: &[u8]) -> Result<Arrival, String> {
    if body.len() > MAX_NOTIFICATION_BYTES {
        return Err(too_long_reason());
    }
    let text = std::str::from_utf8(body).map_err(|error| format!("not UTF-8: {error}"))?;
    let document = Document::parse(text).map_err(|problem| problem.to_string())?;
    match document.message().map_err(|problem| problem.to_string())? {
        Message::Session(notification) => match notification.account_id() {
            Some(account) if !tenant.accounts.contains(account) => {
                Err(format!("account {account} is not one of the tenant's"))
            }
            _ => Ok(Arrival {
                tenant: tenant.id,
                arrived_ms: now.as_millis(),
                session: notification.session_id().into(),
                body: text.into(),
            }),
        },
        other => Err(format!("{}, not a telephony session notification", other.kind())),
    }
}

pub(crate) fn too_long_reason() -> String {
    format!("longer than {} KiB", MAX_NOTIFICATION_BYTES / 1024)
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
