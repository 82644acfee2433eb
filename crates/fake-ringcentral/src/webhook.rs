//! Posting to a webhook as RingCentral does: the handshake, and deliveries (RingCentral's guide to webhooks).

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, Uri, header},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// So long a receiver may take to answer.
const DEADLINE: Duration = Duration::from_secs(3);

/// Somebody's webhook. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Webhook {
    client: Client<HttpConnector, Body>,
    address: Uri,
    verification_token: Option<HeaderValue>,
}

/// An address or a token that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWebhook {
    /// The address is none.
    #[error("{0:?} is no address; it looks like http://127.0.0.1:8080/hooks/acme")]
    Address(String),
    /// It is not plain HTTP.
    #[error("{0:?}: only plain http:// is spoken here; for https put a proxy in front of your receiver")]
    Scheme(String),
    /// The token cannot stand in a header.
    #[error("the verification token has characters that a header cannot carry")]
    Token,
}

/// Why a webhook did not take something; the words are those RingCentral shows for a blacklisted subscription.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It answered with another status than 2xx.
    #[error("Webhook responses with code: [{0}], reason: [{1}]")]
    Status(u16, &'static str),
    /// It did not answer in time.
    #[error("I/O operation is failed. Details: [Read timed out]")]
    TooSlow,
    /// It cannot be reached.
    #[error("I/O operation is failed. Details: [{0}]")]
    Unreachable(String),
    /// It did not return the validation token.
    #[error("Webhook does not return the Validation-Token header")]
    NoToken,
}

impl Webhook {
    /// A webhook at an address; the token is shown with everything that is posted.
    pub fn new(address: &str, verification_token: Option<&str>) -> Result<Self, BadWebhook> {
        let uri: Uri = address.parse().map_err(|_| BadWebhook::Address(address.to_owned()))?;
        match uri.scheme_str() {
            Some("http") if uri.host().is_some() => {}
            Some("https") => return Err(BadWebhook::Scheme(address.to_owned())),
            _ => return Err(BadWebhook::Address(address.to_owned())),
        }
        let token = verification_token.map(HeaderValue::from_str).transpose();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            address: uri,
            verification_token: token.map_err(|_| BadWebhook::Token)?,
        })
    }

    /// The handshake: an empty request whose `Validation-Token` must come back.
    pub async fn validate(&self, validation_token: &str) -> Result<(), Refusal> {
        let reply = self.post(Body::empty(), Some(validation_token)).await?;
        match reply.headers().get("validation-token") {
            Some(token) if token.as_bytes() == validation_token.as_bytes() => Ok(()),
            _ => Err(Refusal::NoToken),
        }
    }

    /// Posts one notification. RingCentral promises no second attempt, and there is none.
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
        let reply = match tokio::time::timeout(DEADLINE, self.client.request(request)).await {
            Err(_) => return Err(Refusal::TooSlow),
            Ok(Err(error)) => return Err(unreachable(&error)),
            Ok(Ok(reply)) => reply,
        };
        let status = reply.status();
        if !status.is_success() {
            return Err(Refusal::Status(status.as_u16(), status.canonical_reason().unwrap_or("Unknown")));
        }
        // The answer has no say in anything; reading it lets the connection be used again.
        let (head, body) = reply.into_parts();
        let _ignored = axum::body::to_bytes(Body::new(body), 64 * 1024).await;
        Ok(Response::from_parts(head, ()))
    }
}
