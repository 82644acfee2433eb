//! Posts to webhooks as RingCentral does (its guide to webhooks): the handshake, and notifications.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, Uri, header},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::error::{InvalidWebhook, Refusal};

/// Maximum time for a webhook to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum size of an answer after which the connection is reused.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A client that posts to one webhook as RingCentral does. Clones share their connections.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use wholecall_fake_ringcentral::Webhook;
///
/// let webhook = Webhook::new("http://127.0.0.1:8080/hooks/acme", Some("verification-token"))?;
/// webhook.validate("validation-token").await?;
/// webhook.deliver(r#"{"uuid":"1"}"#.to_owned()).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Webhook {
    client: Client<HttpConnector, Body>,
    address: Uri,
    verification_token: Option<HeaderValue>,
}

impl Webhook {
    /// A webhook at an address. The verification token is sent with every request.
    pub fn new(address: &str, verification_token: Option<&str>) -> Result<Self, InvalidWebhook> {
        let uri: Uri = address.parse().map_err(|_| InvalidWebhook::Address(address.to_owned()))?;
        match uri.scheme_str() {
            Some("http") if uri.host().is_some() => {}
            Some("https") => return Err(InvalidWebhook::Scheme(address.to_owned())),
            _ => return Err(InvalidWebhook::Address(address.to_owned())),
        }
        let token = verification_token.map(HeaderValue::from_str).transpose();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            address: uri,
            verification_token: token.map_err(|_| InvalidWebhook::Token)?,
        })
    }

    /// Makes the handshake: sends an empty request, whose `Validation-Token` the webhook must return.
    pub async fn validate(&self, validation_token: &str) -> Result<(), Refusal> {
        let reply = self.post(Body::empty(), Some(validation_token)).await?;
        match reply.headers().get("validation-token") {
            Some(token) if token.as_bytes() == validation_token.as_bytes() => Ok(()),
            _ => Err(Refusal::NoToken),
        }
    }

    /// Posts a notification once: RingCentral does not document a second attempt.
    pub async fn deliver(&self, notification: String) -> Result<(), Refusal> {
        self.post(notification.into(), None).await.map(drop)
    }

    async fn post(&self, body: Body, validation_token: Option<&str>) -> Result<Response<()>, Refusal> {
        let unreachable = |error: &dyn std::fmt::Display| Refusal::Unreachable(error.to_string());
        let mut request = Request::post(self.address.clone())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json; charset=UTF-8")
            .header(header::USER_AGENT, "RingCentral-Webhook/8.3");
        if let Some(token) = &self.verification_token {
            request = request.header("verification-token", token);
        }
        if let Some(token) = validation_token {
            request = request.header("validation-token", token);
        }
        let request = request.body(body).map_err(|error| unreachable(&error))?;
        let reply = match tokio::time::timeout(ANSWER_TIMEOUT, self.client.request(request)).await {
            Err(_) => return Err(Refusal::TooSlow),
            Ok(Err(error)) => return Err(unreachable(&error)),
            Ok(Ok(reply)) => reply,
        };
        let status = reply.status();
        if !status.is_success() {
            return Err(Refusal::Status(status.as_u16(), status.canonical_reason().unwrap_or("Unknown")));
        }
        // The body is read so that the connection can be reused.
        let (head, body) = reply.into_parts();
        let _ignored = axum::body::to_bytes(Body::new(body), MAX_ANSWER_BYTES).await;
        Ok(Response::from_parts(head, ()))
    }
}
