//! Errors of requests. No text contains a credential or a token.

use std::fmt;

use serde_json::Value;

use crate::budget::Group;

/// Result of a request.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The server's address is not a URL of a server.
    #[error("{0:?} is not the address of a RingCentral server, for example https://platform.ringcentral.com")]
    Address(String),
    /// No connection, a connection that broke, or no answer in time.
    #[error("RingCentral cannot be reached: {0}")]
    Unreachable(String),
    /// The rate limits do not allow it yet.
    #[error("RingCentral's limit for {group} requests is used up; the next one is allowed in about a minute")]
    RateLimited {
        /// The group whose limit is used up.
        group: Group,
        /// When the request is allowed again, by the client's clock; milliseconds since 1970.
        until_ms: i64,
    },
    /// RingCentral refuses the credentials.
    #[error("RingCentral refuses the login: {0}")]
    Login(Refusal),
    /// The request was refused.
    #[error("RingCentral refuses: {0}")]
    Refused(Refusal),
    /// The answer is not what RingCentral documents.
    #[error("RingCentral's answer cannot be read: {0}")]
    Unreadable(String),
}

/// A refusal in RingCentral's words.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// RingCentral's code: `CMN-401`, `SUB-521`.
    pub code: String,
    /// RingCentral's message.
    pub message: String,
    /// The permission that is missing; `None` if that is not the reason.
    pub permission: Option<String>,
}

impl Refusal {
    /// Reads the body of an error: the first of RingCentral's list of errors, or OAuth's form (RFC 6749).
    pub(crate) fn read(status: u16, body: &Value) -> Self {
        let first = &body["errors"][0];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let code =
            text(&first["errorCode"]).or_else(|| text(&body["errorCode"])).or_else(|| text(&body["error"]));
        let message = text(&first["message"])
            .or_else(|| text(&body["message"]))
            .or_else(|| text(&body["error_description"]));
        let permission = text(&first["permissionName"]).or_else(|| text(&body["permissionName"]));
        let message = message.unwrap_or_default();
        let permission = permission.or_else(|| permission_in(&message));
        Self { status, code: code.unwrap_or_default(), message, permission }
    }

    /// Whether the access token is expired, revoked or invalid.
    pub(crate) fn is_invalid_token(&self) -> bool {
        self.status == 401
    }

    /// Whether RingCentral has an outage, which is transient.
    pub fn is_outage(&self) -> bool {
        self.status >= 500
    }

    /// Whether the requested object does not exist (any more).
    pub fn is_unknown(&self) -> bool {
        self.status == 404
    }
}

/// The permission in `… needs to have [ReadCallLog] permission`, `Extension permission [HUD] is missing`.
pub(crate) fn permission_in(message: &str) -> Option<String> {
    let (_, rest) = message.contains("permission").then(|| message.split_once('['))??;
    let (name, _) = rest.split_once(']')?;
    Some(name.to_owned())
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, code, message, .. } = self;
        match (code.as_str(), message.as_str()) {
            ("", "") => write!(f, "status {status}"),
            ("", message) => write!(f, "{message} (status {status})"),
            (code, message) => write!(f, "{message} ({code}, status {status})"),
        }
    }
}

impl Error {
    /// RingCentral's refusal; `None` if the error is another one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) | Self::Login(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether the requested object does not exist (any more).
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.is_unknown())
    }

    /// Whether the error is transient, so that a retry can succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::RateLimited { .. } | Self::Unreadable(_) => true,
            Self::Refused(refusal) => refusal.is_outage(),
            Self::Address(_) | Self::Login(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn refusals_are_read_in_all_their_shapes() {
        let missing =
            "In order to call this API endpoint, application needs to have [ReadCallLog] permission";
        let body = json!({ "errorCode": "InsufficientPermissions", "message": missing,
            "errors": [{ "errorCode": "CMN-401", "message": missing, "permissionName": "ReadCallLog" }] });
        let refusal = Refusal::read(403, &body);
        assert_eq!((refusal.code.as_str(), refusal.permission.as_deref()), ("CMN-401", Some("ReadCallLog")));
        let oauth =
            json!({ "error": "invalid_grant", "error_description": "Invalid resource owner credentials." });
        assert_eq!(
            Refusal::read(400, &oauth).to_string(),
            "Invalid resource owner credentials. (invalid_grant, status 400)"
        );
        assert_eq!(Refusal::read(502, &Value::Null).to_string(), "status 502");
        let hud = json!({ "message": "Extension permission [HUD] is missing" });
        assert_eq!(Refusal::read(403, &hud).permission.as_deref(), Some("HUD"));
        assert_eq!(permission_in("Parameter [page] is invalid"), None);
    }
}
