//! `wholecall listen`: follows a tenant's feed from wherever it is run, and posts each event to a local program, as it is
//! in the feed and as the service would. Nothing has to be reachable from outside, and nothing is kept.

use std::time::Duration;

use hyper::{
    HeaderMap, Uri,
    header::{self, HeaderValue},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use wholecall_record::Time;
use wholecall_store::{ChangeKind, Signing};

use super::{
    connect::system_resolver,
    judge::Judge,
    sender::Sender,
    sign::{EndpointSecret, Signer},
    target::{base_headers, parse_url, signed},
};
use crate::clock;

/// The service answers at the latest after this, whether something happened or not.
const WAIT_S: u64 = 30;
const ANSWER_WITHIN: Duration = Duration::from_secs(WAIT_S + 15);

/// Why nothing can be forwarded.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// An address that cannot be used.
    #[error("{0}")]
    Address(String),
    /// No random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The service does not want to tell.
    #[error("{server} answers {status}: {detail}")]
    Refused {
        /// Which service.
        server: String,
        /// With which status.
        status: u16,
        /// Its words.
        detail: String,
    },
    /// The service does not answer.
    #[error("{0} does not answer: {1}")]
    Silent(String, String),
}

/// An event that was forwarded.
#[derive(Debug)]
pub struct Forwarded {
    /// When, as RFC 3339.
    pub time: String,
    /// Its type.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// The call's id, or how many calls it lists.
    pub of: String,
    /// The status of the answer, or why there was none.
    pub answer: Result<u16, String>,
    /// How long it took.
    pub took: Duration,
}

/// A temporary endpoint, with a secret of its own.
pub struct Relay {
    sender: Sender,
    server: String,
    api_key: HeaderValue,
    forward_to: Uri,
    events: Vec<String>,
    secret: String,
    signer: Signer,
}

impl Relay {
    /// Between a service, known by its address, and a program; `events` are the types that are wanted. Those that go to
    /// every endpoint are forwarded in any case.
    pub fn new(
        server: &str,
        api_key: &str,
        forward_to: &str,
        events: Vec<String>,
    ) -> Result<Self, RelayError> {
        let server = server.trim_end_matches('/').to_owned();
        parse_url(&server).map_err(RelayError::Address)?;
        let secret = EndpointSecret::generate(Signing::Hmac)?;
        let everything = Judge { allow_all: true, ..Judge::default() };
        Ok(Self {
            sender: Sender::new(everything, system_resolver()),
            api_key: HeaderValue::try_from(format!("Bearer {api_key}"))
                .map_err(|_| RelayError::Address("the API key is no visible text".to_owned()))?,
            forward_to: parse_url(forward_to).map_err(RelayError::Address)?,
            events,
            secret: secret.for_receiver().unwrap_or_default(),
            signer: Signer::new(&[secret]),
            server,
        })
    }

    /// What the program verifies with.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Forwards what happens from now on, until the service refuses. `ready` is called when it has begun, `tell` with
    /// what was forwarded.
    pub async fn run(
        self,
        ready: impl FnOnce(&Self),
        mut tell: impl FnMut(&Forwarded),
    ) -> Result<(), RelayError> {
        let mut after = self.changes("now", 0).await?.next;
        ready(&self);
        loop {
            match self.changes(&after, WAIT_S).await {
                Ok(page) => {
                    for event in page.changes {
                        if let Some(forwarded) = self.forward(&event).await {
                            tell(&forwarded);
                        }
                    }
                    after = page.next;
                }
                Err(error @ RelayError::Refused { .. }) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "it will be asked again in a second");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// What happened after a cursor, and the cursor after that.
    async fn changes(&self, after: &str, wait_s: u64) -> Result<Page, RelayError> {
        let url = format!("{}/v1/changes?after={after}&wait={wait_s}&limit=100", self.server);
        let url = parse_url(&url).map_err(RelayError::Address)?;
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, self.api_key.clone())]);
        let silent = |problem: String| RelayError::Silent(self.server.clone(), problem);
        let (status, body) = self.sender.get(url, headers, ANSWER_WITHIN).await.map_err(silent)?;
        if (400..500).contains(&status) {
            let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
            let detail = refusal.detail.unwrap_or_else(|| "it gives no reason".to_owned());
            return Err(RelayError::Refused { server: self.server.clone(), status, detail });
        }
        match serde_json::from_slice(&body) {
            Ok(page) if status == 200 => Ok(page),
            Ok(_) | Err(_) => Err(silent(format!("status {status}"))),
        }
    }

    async fn forward(&self, event: &RawValue) -> Option<Forwarded> {
        let Head { id, kind, data } = serde_json::from_str(event.get()).ok()?;
        let is_for_everybody = ChangeKind::from_word(&kind).is_some_and(ChangeKind::is_of_many);
        if !is_for_everybody && !self.events.contains(&kind) {
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

/// A problem document.
#[derive(Default, Deserialize)]
struct Refusal {
    detail: Option<String>,
}

/// What is looked at of an event.
#[derive(Deserialize)]
struct Head {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    call: Option<Named>,
    id: Option<String>,
    calls: Option<Vec<Named>>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

impl Data {
    /// The call that an event is of, or how many.
    fn of(self) -> String {
        let one = self.call.map(|call| call.id).or(self.id);
        one.unwrap_or_else(|| format!("{} calls", self.calls.map_or(0, |calls| calls.len())))
    }
}
