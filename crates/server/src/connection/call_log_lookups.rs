//! Waits until sessions that are over appear in the call log, which has when they started and ended, and whether people
//! talked. The log is read for all sessions of an account together, again and again until it has a final record of each,
//! or until no record is expected any more.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use tracing::Instrument as _;
use wholecall_record::Time;
use wholecall_ringcentral::{Client, Error};

use super::{
    AccountKey, ConnectionContext,
    call_lists::{self, CallList},
    envelope::log_record,
    finality::{Assessment, RecordReadings},
};
use crate::{pipeline::lookup::LookupRequest, receive};

/// Intervals between two readings of the log: the first after this, later ones less often. A record appears some time
/// after its call's end.
const MIN_READ_INTERVAL: Duration = Duration::from_secs(5);
const MAX_READ_INTERVAL: Duration = Duration::from_secs(600);

/// Maximum interval after a session is known to be over in which its record is expected.
const MAX_WAIT_MS: i64 = 4 * 3_600_000;

/// Maximum interval between a call's start and the lookup, used if the start is unknown.
const MAX_CALL_LENGTH_MS: i64 = 3_600_000;

/// Maximum interval by which a known start is later than the log's.
const START_TOLERANCE_MS: i64 = 60_000;

/// Sessions that wait for their record, by account.
pub(super) type PendingLookups = HashMap<AccountKey, HashMap<String, PendingSession>>;

/// A session that waits for its record.
#[derive(Debug, Clone)]
pub(super) struct PendingSession {
    /// Since when, by RingCentral's clock.
    since_ms: i64,
    /// The start of the part of the log that may have its record.
    log_from_ms: i64,
    /// What is ingested if the log has no record.
    fallback: Option<String>,
}

/// Ingests the call log's record of a session that is over once there is a final one, or `fallback` if there is none.
pub(super) fn await_record(
    context: &Arc<ConnectionContext>,
    client: &Arc<Client>,
    request: &LookupRequest,
    fallback: Option<String>,
) {
    let since_ms = client.server_now_ms();
    let log_from_ms =
        request.started_ms.map_or(since_ms - MAX_CALL_LENGTH_MS, |started| started - START_TOLERANCE_MS);
    let session = PendingSession { since_ms, log_from_ms, fallback };
    let key = (request.tenant, request.account.clone());
    let mut pending = context.call_log_lookups.lock().unwrap_or_else(PoisonError::into_inner);
    match pending.entry(key.clone()) {
        Entry::Occupied(mut sessions) => {
            sessions.get_mut().entry(request.session.clone()).or_insert(session);
        }
        Entry::Vacant(vacant) => {
            vacant.insert(HashMap::from([(request.session.clone(), session)]));
            let span = context.span(key.0, &key.1);
            tokio::spawn(poll_log(context.clone(), Arc::downgrade(client), key).instrument(span));
        }
    }
}

/// Reads the log until no session of the account waits, or until the account is disconnected.
async fn poll_log(context: Arc<ConnectionContext>, client: Weak<Client>, key: AccountKey) {
    let mut readings = RecordReadings::default();
    let mut interval = MIN_READ_INTERVAL;
    let mut known = 0;
    loop {
        tokio::time::sleep(interval).await;
        let sessions =
            context.call_log_lookups.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let sessions = sessions.unwrap_or_default();
        let client = client.upgrade().filter(|_| !sessions.is_empty());
        let Some(client) = client else {
            // The next session of the account starts a new task.
            context.call_log_lookups.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            return;
        };
        // A new session is looked for as soon as the first was.
        interval =
            if sessions.len() > known { MIN_READ_INTERVAL } else { (interval * 2).min(MAX_READ_INTERVAL) };
        known = sessions.len();
        match read_log(&context, &client, &key, &sessions, &mut readings).await {
            Ok(settled) => {
                let mut pending = context.call_log_lookups.lock().unwrap_or_else(PoisonError::into_inner);
                let remaining = pending.entry(key.clone()).or_default();
                settled.iter().for_each(|session| drop(remaining.remove(session)));
                known = remaining.len();
            }
            Err(Error::RateLimited { until_ms, .. }) => {
                let wait_ms = u64::try_from(until_ms - client.now_ms()).unwrap_or(0);
                interval = interval.max(Duration::from_millis(wait_ms));
            }
            Err(error) => tracing::info!(%error, "the call log could not be read"),
        }
    }
}

/// Reads the log once, and ingests what is final. Returns the sessions that need not wait any longer.
async fn read_log(
    context: &Arc<ConnectionContext>,
    client: &Client,
    (tenant, account): &AccountKey,
    sessions: &HashMap<String, PendingSession>,
    readings: &mut RecordReadings,
) -> Result<Vec<String>, Error> {
    let now = client.server_now_ms();
    let from_ms = sessions.values().map(|session| session.log_from_ms).min().unwrap_or(now);
    let (from, until) = (Time::from_millis(from_ms).to_string(), Time::from_millis(now + 1).to_string());
    let listed = call_lists::read(client, &CallList::CallLog { from: &from, until: &until }).await?;
    let mut settled = Vec::new();
    let mut bodies: Vec<String> = Vec::new();
    let mut not_final: Vec<String> = Vec::new();
    for record in listed.into_iter().flat_map(|listed| listed.records) {
        let Some(session) = record.session.clone().filter(|session| sessions.contains_key(session)) else {
            continue;
        };
        match readings.assess(&record, now) {
            Assessment::Final => {
                bodies.push(log_record(account, &record));
                settled.push(session);
            }
            Assessment::ReadAgain(_) => not_final.push(session),
            Assessment::GivenUp => {}
        }
    }
    for (id, session) in sessions {
        let has_record = settled.contains(id) || not_final.contains(id);
        if !has_record && now - session.since_ms >= MAX_WAIT_MS {
            bodies.extend(session.fallback.clone());
            settled.push(id.clone());
        }
    }
    for body in bodies {
        if let Err(error) = receive::ingest(&context.store, &context.tenants, *tenant, &body).await {
            tracing::warn!(%error, "a record of the call log could not be stored");
        }
    }
    Ok(settled)
}
