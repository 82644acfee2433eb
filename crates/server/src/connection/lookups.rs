//! Looks up sessions at RingCentral of which notifications seem to be missing, and appends the answers to the journal,
//! where they are evidence like any notification. A session that is over is looked up in the call log too
//! (`call_log_lookups`).
//!
//! No caller waits for an answer. A lookup that cannot be made is dropped; the assembler requests it again if it is still
//! needed.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};
use tracing::Instrument as _;
use wholecall_record::display::escape_control;
use wholecall_ringcentral::{Backoff, Client, Error, Session, is_requestable, session_path};
use wholecall_store::{StoreError, TenantId};

use super::{ConnectionContext, blocking, call_log_lookups, envelope::envelope};
use crate::{pipeline::lookup::LookupRequest, receive};

/// Maximum number of requests to RingCentral at once.
const MAX_CONCURRENT_LOOKUPS: usize = 32;

/// Maximum number of attempts, after which a lookup is dropped.
const MAX_ATTEMPTS: u32 = 6;

/// Maximum delay after the first failure that may pass, and after any.
const FIRST_BACKOFF_MS: i64 = 2_000;
const MAX_BACKOFF_MS: i64 = 60_000;

/// Makes lookups until `stop` turns true.
pub(super) async fn run(
    context: Arc<ConnectionContext>,
    mut requests: mpsc::Receiver<LookupRequest>,
    mut stop: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(MAX_CONCURRENT_LOOKUPS));
    let in_flight: Arc<Mutex<HashSet<(TenantId, String)>>> = Arc::default();
    let mut tasks = JoinSet::new();
    loop {
        let request = tokio::select! {
            Some(request) = requests.recv() => request,
            Some(_) = tasks.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        // The sender of a notification chooses its ids, and the request is made with the administrator's permissions.
        if !is_requestable(&request.session) {
            tracing::info!(session = %escape_control(&request.session), "a session was not looked up: its id is not safe in a path");
            continue;
        }
        let Some(client) = context.account_client(request.tenant, &request.account) else { continue };
        let key = (request.tenant, request.session.clone());
        if !in_flight.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone()) {
            continue;
        }
        let span = context.span(request.tenant, &request.account);
        let (context, permits, in_flight) = (context.clone(), permits.clone(), in_flight.clone());
        let task = async move {
            if let Some(answer) = look_up(&client, &request, &permits).await
                && let Err(error) = ingest_answer(&context, &client, &request, answer).await
            {
                tracing::warn!(%error, session = request.session, "the answer to a lookup could not be stored");
            }
            in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        };
        tasks.spawn(task.instrument(span));
    }
}

/// The answer to a lookup, in the journal's form.
enum Answer {
    /// The session as it is now.
    Open(String),
    /// All parties have left. The answer has neither the time of that, nor what happened before.
    Over(String),
    /// The call log's record of a session that RingCentral does not know any more.
    CallLogRecord(String),
}

/// Ingests an answer. A session that is over is looked up in the call log too, which has the time of its end. If nothing
/// else is known of the session, the answer is ingested only if the log has no record.
async fn ingest_answer(
    context: &Arc<ConnectionContext>,
    client: &Arc<Client>,
    request: &LookupRequest,
    answer: Answer,
) -> Result<(), StoreError> {
    let (Answer::Open(body) | Answer::Over(body) | Answer::CallLogRecord(body)) = &answer;
    let (tenant, session) = (request.tenant, request.session.clone());
    if matches!(answer, Answer::Over(_)) {
        let known = vec![session.clone()];
        let unknown = blocking(context, move |context| context.store.of(tenant).unknown_sessions(known));
        let is_unknown = !unknown.await?.is_empty();
        let fallback = is_unknown.then(|| body.clone());
        call_log_lookups::await_record(context, client, request, fallback);
        if is_unknown {
            return Ok(());
        }
    }
    receive::ingest(&context.store, &context.tenants, tenant, body).await
}

/// Asks RingCentral, waiting for its rate limits. `None` if it does not answer.
async fn look_up(client: &Client, request: &LookupRequest, permits: &Semaphore) -> Option<Answer> {
    let LookupRequest { account, session, logged, started_ms, .. } = request;
    let (mut backoff, mut rng) = (Backoff::new(FIRST_BACKOFF_MS, MAX_BACKOFF_MS), fastrand::Rng::new());
    for _ in 0..MAX_ATTEMPTS {
        let answered = {
            let _permit = permits.acquire().await.ok()?;
            client.session(account, session).await
        };
        let wait_ms = match answered {
            Ok(Some(answer)) => {
                let body = snapshot(account, session, Some(&answer), answer.at_ms, *started_ms);
                return Some(if answer.has_ended() { Answer::Over(body) } else { Answer::Open(body) });
            }
            Ok(None) => {
                let unknown = || snapshot(account, session, None, client.server_now_ms(), *started_ms);
                return Some(logged.clone().map_or_else(|| Answer::Over(unknown()), Answer::CallLogRecord));
            }
            // Spread, since other lookups wait for the same limit.
            Err(Error::RateLimited { until_ms, .. }) => until_ms - client.now_ms() + rng.i64(0..1_000),
            Err(error) if error.is_transient() => backoff.fail(&mut rng),
            Err(error) => {
                tracing::info!(%error, session, "a lookup failed");
                return None;
            }
        };
        tokio::time::sleep(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0))).await;
    }
    None
}

/// A snapshot in the journal's form: the requested path, the time, and the answer, which is `None` if RingCentral does not
/// know the session.
fn snapshot(
    account: &str,
    session: &str,
    answer: Option<&Session>,
    at_ms: i64,
    started_ms: Option<i64>,
) -> String {
    let uuid = format!("snapshot-{session}-{at_ms}");
    let body = answer.map_or("null", |answer| &answer.json);
    envelope(&uuid, &session_path(account, session), at_ms, started_ms, body)
}

#[cfg(test)]
mod tests {
    use wholecall_notification::{Document, Message, Source};
    use wholecall_ringcentral::CallLogRecord;

    use super::*;
    use crate::connection::envelope::log_record;

    fn source(json: &str) -> Source {
        match Document::parse(json).unwrap().message().unwrap() {
            Message::Session(notification) => notification.source(),
            other => panic!("{}", other.kind()),
        }
    }

    #[test]
    fn answers_are_parsed_as_snapshots_and_records_of_the_call_log() {
        let party = r#"{"id":"p-1","status":{"code":"Answered"}}"#;
        let answer = Session { json: format!(r#"{{"id":"s-1","parties":[{party}]}}"#).into(), at_ms: 1_000 };
        let body = snapshot("8", "s-1", Some(&answer), 1_000, None);
        assert_eq!(source(&body), Source::Snapshot);
        assert!(body.contains(r#""timestamp":"1970-01-01T00:00:01.000Z""#), "{body}");
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
