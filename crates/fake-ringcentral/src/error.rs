//! Errors of webhooks.

/// Why a webhook cannot be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhook {
    /// The address is not a URL.
    #[error("{0:?} is not a URL like http://127.0.0.1:8080/hooks/acme")]
    Address(String),
    /// The address is not plain HTTP.
    #[error("{0:?}: only plain http:// is supported; for https put a proxy in front of your receiver")]
    Scheme(String),
    /// The verification token is not a valid header value.
    #[error("the verification token has characters that a header cannot carry")]
    Token,
}

/// Why a webhook did not accept a request. The texts are those that RingCentral shows for a blacklisted
/// subscription.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It answered with a status other than 2xx.
    #[error("Webhook responses with code: [{0}], reason: [{1}]")]
    Status(u16, &'static str),
    /// It did not answer in time.
    #[error("I/O operation is failed. Details: [Read timed out]")]
    TooSlow,
    /// There is no connection to it.
    #[error("I/O operation is failed. Details: [{0}]")]
    Unreachable(String),
    /// It did not return the validation token.
    #[error("Webhook does not return the Validation-Token header")]
    NoToken,
}
