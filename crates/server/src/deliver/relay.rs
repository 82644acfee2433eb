//! `wholecall listen`: follows a tenant's feed from wherever it is run, and posts what happens to a local program, as
//! the service would. Nothing has to be reachable from outside, and nothing is kept.

use std::{collections::HashMap, time::Duration};

use hyper::{
    HeaderMap, Uri,
    header::{self, HeaderValue},
};
use serde_json::Value;
use wholecall_record::Time;
use wholecall_store::{EventId, Outgoing, Signing};

use super::{
    connect::system_resolver,
    judge::Judge,
    message,
    sender::Sender,
    sign::{EndpointSecret, Signer},
    target::{base_headers, parse_url, signed},
};
use crate::clock;

/// The service answers at the latest after this, whether something happened or not.
const WAIT_S: u64 = 30;
const ANSWER_WITHIN: Duration = Duration::from_secs(WAIT_S + 15);

/// Of so many calls it is remembered what was forwarded, for what revisions changed.
const REMEMBERED: usize = 10_000;

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
    /// The call's id.
    pub call_id: String,
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
    forwarded: HashMap<String, (u64, String)>,
}

impl Relay {
    /// Between a service, known by its address, and a program; `events` are the types that are wanted.
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
            forwarded: HashMap::new(),
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
        mut self,
        ready: impl FnOnce(&Self),
        mut tell: impl FnMut(&Forwarded),
    ) -> Result<(), RelayError> {
        let mut after = self.changes("now", 0).await?.1;
        ready(&self);
        loop {
            match self.changes(&after, WAIT_S).await {
                Ok((changes, next)) => {
                    for change in changes {
                        if let Some(forwarded) = self.forward(&change).await {
                            tell(&forwarded);
                        }
                    }
                    after = next;
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
    async fn changes(&self, after: &str, wait_s: u64) -> Result<(Vec<Value>, String), RelayError> {
        let url = format!("{}/v1/changes?after={after}&wait={wait_s}&limit=100", self.server);
        let url = parse_url(&url).map_err(RelayError::Address)?;
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, self.api_key.clone())]);
        let silent = |problem: String| RelayError::Silent(self.server.clone(), problem);
        let (status, body) = self.sender.get(url, headers, ANSWER_WITHIN).await.map_err(silent)?;
        let mut answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        if (400..500).contains(&status) {
            let detail = answer["detail"].as_str().unwrap_or("it gives no reason").to_owned();
            return Err(RelayError::Refused { server: self.server.clone(), status, detail });
        }
        match (answer["next"].as_str().map(str::to_owned), answer["changes"].take()) {
            (Some(next), Value::Array(changes)) if status == 200 => Ok((changes, next)),
            _ => Err(silent(format!("status {status}"))),
        }
    }

    async fn forward(&mut self, change: &Value) -> Option<Forwarded> {
        let event = outgoing(change)?;
        if !self.events.contains(&event.kind) {
            return None;
        }
        let before = self.forwarded.get(&event.call_id);
        let body = message::message(&event, before, None).ok()?;
        let now_ms = clock::now().as_millis();
        let id = event.id.to_string();
        let post = signed(&self.signer, self.forward_to.clone(), base_headers(), &id, body, now_ms);
        let started = std::time::Instant::now();
        let outcome = self.sender.post(post, now_ms).await;
        if outcome.is_delivered() && event.version > 0 {
            if self.forwarded.len() >= REMEMBERED {
                self.forwarded.clear();
            }
            self.forwarded.insert(event.call_id.clone(), (event.version, event.data.clone()));
        }
        Some(Forwarded {
            time: Time::from_millis(now_ms).to_string(),
            kind: event.kind,
            id,
            call_id: event.call_id,
            answer: outcome.status.ok_or_else(|| outcome.problem.unwrap_or_default()),
            took: started.elapsed(),
        })
    }
}

/// A change as the API tells it.
fn outgoing(change: &Value) -> Option<Outgoing> {
    let data = change.get("call").or_else(|| change.get("merged"))?;
    let made = data["updatedAt"].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok());
    Some(Outgoing {
        id: EventId::parse(&format!("msg_{}", change["cursor"].as_str()?))?,
        kind: change["type"].as_str()?.to_owned(),
        version: data["version"].as_u64().unwrap_or(0),
        made_ms: made.map_or_else(|| clock::now().as_millis(), |made| made.as_millisecond()),
        call_id: data["id"].as_str()?.to_owned(),
        into_id: data["into"].as_str().map(str::to_owned),
        data: data.to_string(),
        step: 0,
        due_ms: None,
    })
}
