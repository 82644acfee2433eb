//! A platform for each test, clients of its users, and webhooks.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::post,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wholecall_fake_ringcentral::{Config, Fake};

/// A platform without calls of its own and without rate limits.
pub(crate) fn quiet() -> Config {
    Config { calls_per_user: 0.0, users: 24, rate_window: Duration::ZERO, ..Config::default() }
}

pub(crate) struct Platform {
    runtime: Runtime,
    pub(crate) fake: Fake,
    agent: ureq::Agent,
}

/// An answer of the platform.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    headers: ureq::http::HeaderMap,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The status, and the code of the first error.
    pub(crate) fn error(&self) -> (u16, &str) {
        (self.status, self.body["errors"][0]["errorCode"].as_str().unwrap_or_default())
    }
}

impl Platform {
    pub(crate) fn start(config: Config) -> Self {
        let runtime = Runtime::new().unwrap();
        let fake = runtime.block_on(Fake::start(config)).unwrap();
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        Self { runtime, fake, agent: config.into() }
    }

    fn url(&self, path: &str) -> String {
        if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.fake.url()) }
    }

    fn reply(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Reply {
        let mut response = response.unwrap();
        let text = String::from_utf8_lossy(&response.body_mut().read_to_vec().unwrap()).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Reply { status: response.status().as_u16(), body, headers: response.headers().clone() }
    }

    /// Logs in as the administrator of an account.
    pub(crate) fn log_in(&self, account: usize) -> User<'_> {
        let jwt = self.fake.jwt(account).unwrap();
        let reply =
            self.token(&[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &jwt)]);
        assert_eq!(reply.status, 200, "{reply:?}");
        let text = |name: &str| reply.body[name].as_str().unwrap().to_owned();
        User { platform: self, access: text("access_token"), refresh: text("refresh_token") }
    }

    /// Requests a token.
    pub(crate) fn token(&self, form: &[(&str, &str)]) -> Reply {
        let request = self.agent.post(self.url("/restapi/oauth/token"));
        // fake-client:fake-secret
        let request = request.header("Authorization", "Basic ZmFrZS1jbGllbnQ6ZmFrZS1zZWNyZXQ=");
        Self::reply(request.send_form(form.iter().copied()))
    }

    /// Uses the test control API.
    pub(crate) fn control(&self, path: &str, body: Value) -> Value {
        let reply = Self::reply(self.agent.post(self.url(&format!("/fake/{path}"))).send(body.to_string()));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    }

    pub(crate) fn counts(&self) -> Value {
        Self::reply(self.agent.get(self.url("/fake/counts")).call()).body
    }

    pub(crate) fn advance(&self, seconds: f64) {
        self.control("advance", json!({ "seconds": seconds }));
    }

    /// Plays a scenario in the first account; returns the truth about its calls.
    pub(crate) fn play(&self, scenario: &str) -> Value {
        self.control("play", json!({ "scenario": scenario }))["truths"].take()
    }

    /// Starts a webhook, which answers with 200 until a test sets another status.
    pub(crate) fn webhook(&self) -> Receiver {
        let listener = self.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let receiver = Receiver {
            address: format!("http://{}/hook", listener.local_addr().unwrap()),
            events: Arc::default(),
            status: Arc::new(AtomicU16::new(200)),
        };
        let (events, status) = (receiver.events.clone(), receiver.status.clone());
        let receive = move |headers: HeaderMap, body: Bytes| async move {
            let status = StatusCode::from_u16(status.load(Ordering::Relaxed)).unwrap();
            match headers.get("validation-token") {
                Some(token) => (status, [("validation-token", token.clone())]).into_response(),
                None => {
                    events.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                    status.into_response()
                }
            }
        };
        let router = Router::new().route("/hook", post(receive));
        self.runtime.spawn(async move { axum::serve(listener, router).await });
        receiver
    }
}

/// A user who is logged in.
pub(crate) struct User<'a> {
    platform: &'a Platform,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl User<'_> {
    fn bearer(&self) -> String {
        format!("bearer {}", self.access)
    }

    pub(crate) fn try_get(&self, path: &str) -> Reply {
        let request = self.platform.agent.get(self.platform.url(path));
        Platform::reply(request.header("Authorization", self.bearer()).call())
    }

    /// The body of a successful answer.
    pub(crate) fn get(&self, path: &str) -> Value {
        let reply = self.try_get(path);
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        reply.body
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        let request = self.platform.agent.post(self.platform.url(path));
        Platform::reply(request.header("Authorization", self.bearer()).send(body.to_string()))
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Reply {
        let request = self.platform.agent.put(self.platform.url(path));
        Platform::reply(request.header("Authorization", self.bearer()).send(body.to_string()))
    }

    pub(crate) fn delete(&self, path: &str) -> Reply {
        let request = self.platform.agent.delete(self.platform.url(path));
        Platform::reply(request.header("Authorization", self.bearer()).call())
    }

    /// Subscribes a webhook to event filters, for some seconds.
    pub(crate) fn subscribe(&self, receiver: &Receiver, filters: &[&str], seconds: i64) -> Reply {
        let delivery = json!({
            "transportType": "WebHook", "address": receiver.address, "verificationToken": "let-me-in"
        });
        self.post(
            "/restapi/v1.0/subscription",
            &json!({ "eventFilters": filters, "deliveryMode": delivery, "expiresIn": seconds }),
        )
    }
}

/// A webhook that records the notifications it receives.
pub(crate) struct Receiver {
    pub(crate) address: String,
    pub(crate) events: Arc<Mutex<Vec<Value>>>,
    pub(crate) status: Arc<AtomicU16>,
}

impl Receiver {
    pub(crate) fn events(&self) -> Vec<Value> {
        self.events.lock().unwrap().clone()
    }
}

/// Maximum time for a condition to become true; generous, because machines may be slow.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Waits until a condition is true.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < TIMEOUT, "{what}: not within {TIMEOUT:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
