//! One user of one app: sends requests within the rate limits, and logs in when needed.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use base64::{Engine, prelude::BASE64_STANDARD};
use http_body_util::Full;
use hyper::{HeaderMap, Method, Request, Uri, body::Bytes, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    budget::{Budget, Group, RateLimitHeaders},
    error::{Error, Refusal, Result},
    http::{Answer, Http},
    token::{Token, TokenAction, TokenResponse},
};

/// Returns the time, in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Receives by how many milliseconds RingCentral's clock is ahead of ours, after each answer that states the time.
pub type ClockObserver = Arc<dyn Fn(i64) + Send + Sync>;

/// The credentials of an app and a user. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// The server's URL: `https://platform.ringcentral.com`, a sandbox, or a simulated platform.
    pub server: String,
    /// The app's client id.
    pub client_id: String,
    /// The app's client secret.
    pub client_secret: String,
    /// The user's JWT credential, from RingCentral's console.
    pub jwt: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("server", &self.server).finish_non_exhaustive()
    }
}

/// A user of an app. All code that uses the same user and app must share one `Client`: RingCentral allows few
/// logins per user and app, a refresh token can be used once, and the limits are counted together.
pub struct Client {
    pub(crate) http: Http,
    credentials: Credentials,
    clock: Clock,
    /// Locked while a token is obtained, so that only one task refreshes it.
    token: tokio::sync::Mutex<Option<Token>>,
    budget: Mutex<Budget>,
    /// How far RingCentral's clock is ahead of ours, from its last answer.
    clock_ahead_ms: AtomicI64,
    observer: Option<ClockObserver>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.credentials.server).finish_non_exhaustive()
    }
}

impl Client {
    /// Creates a client; it sends nothing yet.
    pub fn new(http: Http, credentials: Credentials, clock: Clock) -> Result<Self> {
        let server = credentials.server.trim_end_matches('/').to_owned();
        let is_address = server.parse::<Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && uri.path() == "/"
        });
        if !is_address {
            return Err(Error::Address(server));
        }
        let credentials = Credentials { server, ..credentials };
        Ok(Self {
            http,
            credentials,
            clock,
            token: Default::default(),
            budget: Mutex::default(),
            clock_ahead_ms: AtomicI64::new(0),
            observer: None,
        })
    }

    /// Reports RingCentral's clock to an observer.
    pub fn observed_by(self, observer: ClockObserver) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// The time by the client's clock, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// The time by RingCentral's clock, to a second; milliseconds since 1970.
    pub fn server_now_ms(&self) -> i64 {
        self.now_ms() + self.clock_ahead_ms.load(Ordering::Relaxed)
    }

    /// Sets RingCentral's clock from a `Date` header. It has no fractions, so half a second is added.
    fn set_clock(&self, date: &str) {
        if let Ok(date) = jiff::fmt::rfc2822::parse(date) {
            let clock_ahead_ms = date.timestamp().as_millisecond() + 500 - self.now_ms();
            self.clock_ahead_ms.store(clock_ahead_ms, Ordering::Relaxed);
            self.observer.iter().for_each(|observer| observer(clock_ahead_ms));
        }
    }

    /// Logs in, and returns the permissions that the app was granted (OAuth's scope).
    pub async fn log_in(&self) -> Result<Vec<String>> {
        let mut current = self.token.lock().await;
        let jwt = self.credentials.jwt.as_str();
        let granted = self.grant(&[("grant_type", JWT_BEARER), ("assertion", jwt)]).await?;
        let scope = granted.scope.split_whitespace().map(str::to_owned).collect();
        *current = Some(Token::new(granted, self.now_ms()));
        Ok(scope)
    }

    /// Revokes the access token, if there is one.
    pub async fn log_out(&self) -> Result<()> {
        let Some(token) = self.token.lock().await.take() else { return Ok(()) };
        let form = form(&[("token", token.access())]);
        self.send(Group::Auth, self.oauth("/restapi/oauth/revoke", form)?).await.map(drop)
    }

    /// Requests a JSON document of type `T`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, group: Group, path: &str) -> Result<T> {
        read(&self.request(group, Method::GET, path, None).await?)
    }

    /// Sends a request to a path of the server and returns the body. A refused access token is replaced once.
    pub(crate) async fn request(
        &self,
        group: Group,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Bytes> {
        let mut has_new_token = false;
        loop {
            let access = self.access_token().await?;
            let mut message = Request::new(Full::from(body.map(Value::to_string).unwrap_or_default()));
            *message.method_mut() = method.clone();
            *message.uri_mut() = self.uri(path)?;
            insert(message.headers_mut(), header::AUTHORIZATION, format!("Bearer {access}"));
            if body.is_some() {
                insert(message.headers_mut(), header::CONTENT_TYPE, "application/json".to_owned());
            }
            match self.send(group, message).await {
                Err(Error::Refused(refusal)) if refusal.is_invalid_token() && !has_new_token => {
                    has_new_token = true;
                    self.token.lock().await.iter_mut().for_each(|token| token.reject(&access));
                }
                other => return other,
            }
        }
    }

    /// A valid access token: the current one, or a new one.
    async fn access_token(&self) -> Result<String> {
        let mut current = self.token.lock().await;
        let action = current.as_ref().map_or(TokenAction::LogIn, |token| token.action(self.now_ms()));
        let granted = match action {
            TokenAction::Use(access) => return Ok(access.to_owned()),
            TokenAction::LogIn => None,
            TokenAction::Refresh(token) => {
                match self.grant(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await {
                    Ok(granted) => Some(granted),
                    // The refresh token was used before, or ended by too many logins elsewhere: log in.
                    Err(Error::Login(_)) => None,
                    Err(error) => return Err(error),
                }
            }
        };
        let granted = match granted {
            Some(granted) => granted,
            None => {
                *current = None;
                let jwt = self.credentials.jwt.as_str();
                self.grant(&[("grant_type", JWT_BEARER), ("assertion", jwt)]).await?
            }
        };
        let token = Token::new(granted, self.now_ms());
        let access = token.access().to_owned();
        *current = Some(token);
        Ok(access)
    }

    async fn grant(&self, fields: &[(&str, &str)]) -> Result<TokenResponse> {
        match self.send(Group::Auth, self.oauth("/restapi/oauth/token", form(fields))?).await {
            // The body may contain a token, so the error does not quote it.
            Ok(body) => serde_json::from_slice(&body)
                .map_err(|_| Error::Unreadable("the login was answered without a token".to_owned())),
            Err(Error::Refused(refusal)) if !refusal.is_outage() && !refusal.is_unknown() => {
                Err(Error::Login(refusal))
            }
            Err(error) => Err(error),
        }
    }

    fn oauth(&self, path: &str, form: String) -> Result<Request<Full<Bytes>>> {
        let Credentials { client_id, client_secret, .. } = &self.credentials;
        let basic = BASE64_STANDARD.encode(format!("{client_id}:{client_secret}"));
        let mut request = Request::new(Full::from(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri(path)?;
        insert(request.headers_mut(), header::AUTHORIZATION, format!("Basic {basic}"));
        let kind = "application/x-www-form-urlencoded".to_owned();
        insert(request.headers_mut(), header::CONTENT_TYPE, kind);
        Ok(request)
    }

    /// Sends a request within the rate limits; returns the body of a successful answer.
    async fn send(&self, group: Group, mut request: Request<Full<Bytes>>) -> Result<Bytes> {
        self.take(group)?;
        insert(request.headers_mut(), header::ACCEPT, "application/json".to_owned());
        insert(
            request.headers_mut(),
            header::USER_AGENT,
            concat!("wholecall/", env!("CARGO_PKG_VERSION")).to_owned(),
        );
        let Answer { status, headers, body } = self.http.send(request).await?;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        header("date").inspect(|date| self.set_clock(date));
        self.apply_limits(group, status.as_u16(), header)?;
        match status.is_success() {
            true => Ok(body),
            false => {
                let error_body = serde_json::from_slice(&body).unwrap_or_default();
                Err(Error::Refused(Refusal::read(status.as_u16(), &error_body)))
            }
        }
    }

    /// Takes one request out of the budget.
    pub(crate) fn take(&self, group: Group) -> Result<()> {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.take(group, self.now_ms()).map_err(|until_ms| Error::RateLimited { group, until_ms })
    }

    /// Checks that half of a group's budget is left, for requests that can wait.
    pub(crate) fn reserve_half(&self, group: Group) -> Result<()> {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.check_half(group, self.now_ms()).map_err(|until_ms| Error::RateLimited { group, until_ms })
    }

    /// Applies the rate-limit headers of an answer. A refusal (status 429) is an error.
    pub(crate) fn apply_limits<'h>(
        &self,
        group: Group,
        status: u16,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Result<()> {
        let limits = RateLimitHeaders {
            group: header("x-rate-limit-group").and_then(Group::named),
            limit: header("x-rate-limit-limit").and_then(|text| text.parse().ok()),
            remaining: header("x-rate-limit-remaining").and_then(|text| text.parse().ok()),
            window_s: header("x-rate-limit-window").and_then(|text| text.parse().ok()),
            retry_after_s: (status == 429).then(|| header("retry-after").and_then(|text| text.parse().ok())),
        };
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        match budget.apply(group, &limits, self.now_ms()) {
            Some(until_ms) => Err(Error::RateLimited { group: limits.group.unwrap_or(group), until_ms }),
            None => Ok(()),
        }
    }

    fn uri(&self, path: &str) -> Result<Uri> {
        format!("{}{path}", self.credentials.server).parse().map_err(|_| Error::Address(path.to_owned()))
    }
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Parses JSON as a `T`.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| Error::Unreadable(error.to_string()))
}

/// Sets a header. A value that is not valid in one (a credential with a line break) is left out; the server
/// refuses the request.
fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: String) {
    if let Ok(mut value) = header::HeaderValue::try_from(value) {
        value.set_sensitive(name == header::AUTHORIZATION);
        headers.insert(name, value);
    }
}

/// `application/x-www-form-urlencoded`, with everything escaped that may need it.
fn form(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String {
        let escaped = text.bytes().map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        });
        escaped.collect()
    };
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_escaped() {
        assert_eq!(form(&[("a", "x y&=ü"), ("b", "c.d-e_f")]), "a=x%20y%26%3D%C3%BC&b=c.d-e_f");
    }

    #[test]
    fn credentials_are_not_printed() {
        let credentials = Credentials {
            server: "https://platform.ringcentral.com".to_owned(),
            client_id: "the-id".to_owned(),
            client_secret: "the-secret".to_owned(),
            jwt: "the-jwt".to_owned(),
        };
        assert_eq!(
            format!("{credentials:?}"),
            "Credentials { server: \"https://platform.ringcentral.com\", .. }"
        );
    }
}
