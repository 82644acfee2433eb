//! `wholecall forward`: follows a tenant's feed over HTTP and posts each event to a local program, unchanged and signed as
//! the service would sign it. Nothing has to be reachable from outside, and nothing is stored.

use std::time::Duration;

use hyper::{
    HeaderMap, Uri,
    header::{self, HeaderValue},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use wholecall_record::Time;
use wholecall_store::Signing;

use crate::{
    clock,
    deliver::{EndpointSecret, Sender, Signer, base_headers, parse_url, signed, system_resolver},
    event_type::EventType,
    security::EgressPolicy,
};

/// Maximum time that the service waits for an event before it answers, in seconds.
const LONG_POLL_S: u64 = 30;
/// Maximum time to wait for an answer of the service.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(LONG_POLL_S + 15);
/// Delay before the service is asked again after it did not answer.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Why events cannot be forwarded.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// An address or the API key is invalid.
    #[error("{0}")]
    Address(String),
    /// The system's random number generator failed.
    #[error("the system returned no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The service refused the request.
    #[error("{server} answers {status}: {detail}")]
    Refused {
        /// The service's address.
        server: String,
        /// The status of its answer.
        status: u16,
        /// The reason that it gives.
        detail: String,
    },
    /// The service does not answer: its address, and the problem.
    #[error("{0} does not answer: {1}")]
    Unavailable(String, String),
}

/// An event that was forwarded.
#[derive(Debug)]
pub struct Forwarded {
    /// When it was forwarded, as RFC 3339.
    pub time: String,
    /// The event's type.
    pub kind: String,
    /// The event's id.
    pub id: String,
    /// The call's id, or the number of calls that the event lists.
    pub of: String,
    /// The status of the program's answer, or why there is none.
    pub answer: Result<u16, String>,
    /// The time until the answer.
    pub took: Duration,
}

/// Forwards events to a local program, as an endpoint with a temporary secret.
pub struct LocalForwarder {
    sender: Sender,
    server: String,
    api_key: HeaderValue,
    forward_to: Uri,
    events: Vec<String>,
    secret: String,
    signer: Signer,
}

impl LocalForwarder {
    /// `server` is the address of the service, `forward_to` that of the program, `events` the types of events to forward.
    /// Types that are sent to every endpoint are always forwarded.
    pub fn new(
        server: &str,
        api_key: &str,
        forward_to: &str,
        events: Vec<String>,
    ) -> Result<Self, ForwardError> {
        let server = server.trim_end_matches('/').to_owned();
        parse_url(&server).map_err(ForwardError::Address)?;
        let secret = EndpointSecret::generate(Signing::Hmac)?;
        let allow_all = EgressPolicy { allow_all: true, ..EgressPolicy::default() };
        Ok(Self {
            sender: Sender::new(allow_all, system_resolver()),
            api_key: HeaderValue::try_from(format!("Bearer {api_key}"))
                .map_err(|_| ForwardError::Address("the API key contains invalid characters".to_owned()))?,
            forward_to: parse_url(forward_to).map_err(ForwardError::Address)?,
            events,
            secret: secret.for_receiver().unwrap_or_default(),
            signer: Signer::new(&[secret]),
            server,
        })
    }

    /// The secret that the program verifies signatures with.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Forwards events from now on, until the service refuses a request. Calls `ready` when it has started, and
    /// `forwarded` after each event.
    pub async fn run(
        self,
        ready: impl FnOnce(&Self),
        mut forwarded: impl FnMut(&Forwarded),
    ) -> Result<(), ForwardError> {
        let mut after = self.changes("now", 0).await?.next;
        ready(&self);
        loop {
            match self.changes(&after, LONG_POLL_S).await {
                Ok(page) => {
                    for event in page.changes {
                        if let Some(event) = self.forward(&event).await {
                            forwarded(&event);
                        }
                    }
                    after = page.next;
                }
                Err(error @ ForwardError::Refused { .. }) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "the service will be asked again in a second");
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        }
    }

    /// Reads the changes after a cursor. The service waits up to `wait_s` seconds for the first one.
    async fn changes(&self, after: &str, wait_s: u64) -> Result<Page, ForwardError> {
        let url = format!("{}/v1/changes?after={after}&wait={wait_s}&limit=100", self.server);
        let url = parse_url(&url).map_err(ForwardError::Address)?;
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, self.api_key.clone())]);
        let unavailable = |problem: String| ForwardError::Unavailable(self.server.clone(), problem);
        let (status, body) = self.sender.get(url, headers, ANSWER_TIMEOUT).await.map_err(unavailable)?;
        if (400..500).contains(&status) {
            let refusal: ProblemDocument = serde_json::from_slice(&body).unwrap_or_default();
            let detail = refusal.detail.unwrap_or_else(|| "no reason given".to_owned());
            return Err(ForwardError::Refused { server: self.server.clone(), status, detail });
        }
        match serde_json::from_slice(&body) {
            Ok(page) if status == 200 => Ok(page),
            Ok(_) | Err(_) => Err(unavailable(format!("status {status}"))),
        }
    }

    /// Forwards an event; `None` if its type is not to be forwarded.
    async fn forward(&self, event: &RawValue) -> Option<Forwarded> {
        let EventSummary { id, kind, data } = serde_json::from_str(event.get()).ok()?;
        let is_for_every_endpoint =
            EventType::from_word(&kind).is_some_and(EventType::is_sent_to_every_endpoint);
        if !is_for_every_endpoint && !self.events.contains(&kind) {
            return None;
        }
        let (url, body, now_ms) = (self.forward_to.clone(), event.get().to_owned(), clock::now().as_millis());
        let post = signed(&self.signer, url, base_headers(), &id, body, now_ms);
        let started = std::time::Instant::now();
        let outcome = self.sender.post(post, now_ms).await;
        Some(Forwarded {
            time: Time::from_millis(now_ms).to_string(),
            kind,
            id,
            of: data.of(),
            answer: outcome.status.ok_or_else(|| outcome.problem.unwrap_or_default()),
            took: started.elapsed(),
        })
    }
}

/// A page of the feed.
#[derive(Deserialize)]
struct Page {
    changes: Vec<Box<RawValue>>,
    next: String,
}

/// The body of a refusal.
#[derive(Default, Deserialize)]
struct ProblemDocument {
    detail: Option<String>,
}

/// The parts of an event that are shown.
#[derive(Deserialize)]
struct EventSummary {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    call: Option<CallId>,
    id: Option<String>,
    calls: Option<Vec<CallId>>,
}

#[derive(Deserialize)]
struct CallId {
    id: String,
}

impl Data {
    /// The call's id, or the number of calls.
    fn of(self) -> String {
        let one = self.call.map(|call| call.id).or(self.id);
        one.unwrap_or_else(|| format!("{} calls", self.calls.map_or(0, |calls| calls.len())))
    }
}
