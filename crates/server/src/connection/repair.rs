//! Asks RingCentral for sessions of which notifications seem to be lost, and puts the answers into the journal, where
//! they are evidence like any notification. A session that is over is asked of the call log too: `waiting` does that.
//!
//! Nobody waits for an answer: who has a question hands it over, and is told nothing. A question that cannot be asked
//! is dropped; the assembler asks again where it still wants to know.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::value::RawValue;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};
use wholecall_record::{Time, screen::harmless};
use wholecall_ringcentral::{CallLogRecord, Client, Error, Session, is_requestable, session_path};
use wholecall_store::{StoreError, TenantId};

use super::{Context, blocking, waiting};
use crate::receive;

/// So many questions may wait; the limits of RingCentral allow fifty a minute for each user.
const WAITING: usize = 10_000;

/// So many are on their way at once.
const AT_ONCE: usize = 32;

/// After so many refusals a question is dropped.
const TRIES: u32 = 6;

/// What is to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) tenant: TenantId,
    pub(crate) account: String,
    pub(crate) session: String,
    /// What the call log says, should RingCentral not know the session any more.
    pub(crate) logged: Option<String>,
    /// When its call began, as the list of active calls or the call log has it; milliseconds since 1970.
    pub(crate) begun_ms: Option<i64>,
}

/// Takes questions.
#[derive(Debug, Clone)]
pub(crate) struct Asker(mpsc::Sender<Asking>);

impl Asker {
    /// One who takes questions, and where they come out.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Asking>) {
        let (sender, questions) = mpsc::channel(WAITING);
        (Self(sender), questions)
    }

    /// Has a session asked for. Never waits.
    pub(crate) fn ask(&self, asking: Asking) {
        if self.0.try_send(asking).is_err() {
            tracing::debug!("a question for RingCentral was dropped: too many wait");
        }
    }
}

/// Asks until `stop` turns true.
pub(super) async fn run(
    context: Arc<Context>,
    mut questions: mpsc::Receiver<Asking>,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let asked: Arc<Mutex<HashSet<(TenantId, String)>>> = Arc::default();
    let mut tasks = JoinSet::new();
    loop {
        let asking = tokio::select! {
            Some(asking) = questions.recv() => asking,
            Some(_) = tasks.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        // Whoever may post a notification chooses its ids; the request would be made as the administrator.
        if !is_requestable(&asking.session) {
            tracing::info!(session = %harmless(&asking.session), "RingCentral is not asked for a session with such an id");
            continue;
        }
        let Some(client) = context.client_of(asking.tenant, &asking.account) else { continue };
        let key = (asking.tenant, asking.session.clone());
        if !asked.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone()) {
            continue;
        }
        let (context, room, asked) = (context.clone(), room.clone(), asked.clone());
        tasks.spawn(async move {
            if let Some(answer) = answer(&client, &asking, &room).await
                && let Err(error) = settle(&context, &client, &asking, answer).await
            {
                tracing::warn!(%error, session = asking.session, "an answer of RingCentral could not be kept");
            }
            asked.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        });
    }
}

/// What came of a question.
enum Answer {
    /// The session as it is, in the journal's form.
    There(String),
    /// All have left; in the journal's form. It tells neither when, nor what happened before.
    Over(String),
    /// The call log's record, in the journal's form, of a session that RingCentral does not know any more.
    Logged(String),
}

/// Keeps an answer. Of a session that is over the call log is asked too: it knows when. Where nothing else is known of
/// the session, only the log can tell what happened, and the answer waits for it.
async fn settle(
    context: &Arc<Context>,
    client: &Arc<Client>,
    asking: &Asking,
    answer: Answer,
) -> Result<(), StoreError> {
    let (Answer::There(body) | Answer::Over(body) | Answer::Logged(body)) = &answer;
    let (tenant, session) = (asking.tenant, asking.session.clone());
    if matches!(answer, Answer::Over(_)) {
        let known = vec![session.clone()];
        let unknown = blocking(context, move |context| context.store.of(tenant).unknown_sessions(known));
        let is_unknown = !unknown.await?.is_empty();
        let kept = is_unknown.then(|| body.clone());
        waiting::wait_for_log(context, client, asking, kept);
        if is_unknown {
            return Ok(());
        }
    }
    receive::take_in(&context.store, &context.tenants, tenant, body).await.map(drop)
}

/// Asks, when there is room in the budget; none if RingCentral does not answer.
async fn answer(client: &Client, asking: &Asking, room: &Semaphore) -> Option<Answer> {
    let Asking { account, session, logged, begun_ms, .. } = asking;
    for attempt in 0..TRIES {
        let answered = {
            let _room = room.acquire().await.ok()?;
            client.session(account, session).await
        };
        let wait_ms = match answered {
            Ok(Some(answer)) => {
                let body = snapshot(account, session, Some(&answer), answer.at_ms, *begun_ms);
                return Some(if answer.has_ended() { Answer::Over(body) } else { Answer::There(body) });
            }
            Ok(None) => {
                let gone = || snapshot(account, session, None, client.server_now_ms(), *begun_ms);
                return Some(logged.clone().map_or_else(|| Answer::Over(gone()), Answer::Logged));
            }
            Err(Error::RateLimited { until_ms, .. }) => until_ms - client.now_ms(),
            Err(error) if error.is_transient() => 1_000 << attempt,
            Err(error) => {
                tracing::info!(%error, session, "RingCentral does not tell of a session");
                return None;
            }
        };
        let spread_ms = fastrand::u64(0..1_000);
        let wait_ms = u64::try_from(wait_ms).unwrap_or(0) + spread_ms;
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    }
    None
}

/// A snapshot as the journal has it: the path that was asked, when, and the answer; none where there is no such session.
fn snapshot(
    account: &str,
    session: &str,
    answer: Option<&Session>,
    at_ms: i64,
    begun_ms: Option<i64>,
) -> String {
    let uuid = format!("snapshot-{session}-{at_ms}");
    let body = answer.map_or("null", |answer| &answer.json);
    envelope(&uuid, &session_path(account, session), at_ms, begun_ms, body)
}

/// A record of the call log as the journal has it. The same record is the same evidence, however often it is read.
pub(super) fn log_record(account: &str, record: &CallLogRecord) -> String {
    let path = format!("/restapi/v1.0/account/{account}/call-log/{}", record.id);
    envelope(&format!("call-log-{}", record.id), &path, crate::clock::now().as_millis(), None, &record.json)
}

fn envelope(uuid: &str, event: &str, at_ms: i64, begun_ms: Option<i64>, body: &str) -> String {
    let timestamp = Time::from_millis(at_ms).to_string();
    let start_time = begun_ms.map(|begun| Time::from_millis(begun).to_string());
    let body: &RawValue = serde_json::from_str(body).unwrap_or(RawValue::NULL);
    let envelope = Envelope { uuid, event, timestamp: &timestamp, start_time, body };
    serde_json::to_string(&envelope).unwrap_or_default()
}

/// What RingCentral said, in the shape of its notifications.
#[derive(serde::Serialize)]
struct Envelope<'a> {
    uuid: &'a str,
    event: &'a str,
    timestamp: &'a str,
    #[serde(rename = "startTime", skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    body: &'a RawValue,
}

#[cfg(test)]
mod tests {
    use wholecall_notification::{Document, Message, Source};

    use super::*;

    fn source(json: &str) -> Source {
        match Document::parse(json).unwrap().message().unwrap() {
            Message::Session(said) => said.source(),
            other => panic!("{}", other.kind()),
        }
    }

    #[test]
    fn answers_are_read_back_as_what_they_are() {
        let party = r#"{"id":"p-1","status":{"code":"Answered"}}"#;
        let answer = Session { json: format!(r#"{{"id":"s-1","parties":[{party}]}}"#).into(), at_ms: 1_000 };
        let taken = snapshot("8", "s-1", Some(&answer), 1_000, None);
        assert_eq!(source(&taken), Source::Snapshot);
        assert!(taken.contains(r#""timestamp":"1970-01-01T00:00:01.000Z""#), "{taken}");
        assert_eq!(source(&snapshot("8", "s-1", None, 1_000, Some(7))), Source::Snapshot);
        let json =
            r#"{"id":"r","telephonySessionId":"s-1","startTime":"2026-11-22T10:00:00.000Z","duration":9}"#;
        let record = CallLogRecord {
            id: "r".into(),
            session: Some("s-1".into()),
            json: json.into(),
            ..CallLogRecord::default()
        };
        assert_eq!(source(&log_record("8", &record)), Source::CallLog);
    }
}
