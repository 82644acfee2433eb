//! Sessions that are over and of which the call log has to tell the rest: when they began and ended, and whether people
//! talked. The log is read for all sessions of an account together, again and again until it has its last word on each,
//! or until it is plain that it has none.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, PoisonError},
    time::Duration,
};

use wholecall_record::Time;
use wholecall_ringcentral::{Client, Error};
use wholecall_store::TenantId;

use super::{
    Context,
    pages::{self, List},
    readings::{Readings, Worth},
    repair::{Asking, log_record},
};
use crate::receive;

/// A record appears some time after its call's end; it is looked for so soon, then ever more seldom.
const FIRST_LOOK: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// A call that the log has not got so long after it was known to be over is not in it.
const HORIZON_MS: i64 = 4 * 3_600_000;

/// A call that is over may have begun so long before it was asked for.
const BEFORE_MS: i64 = 3_600_000;

/// A start that is known may be so much later than the log's.
const START_TOLERANCE_MS: i64 = 60_000;

/// Sessions that wait for the call log, by account.
pub(super) type Waiting = HashMap<(TenantId, String), HashMap<String, Session>>;

/// A session that waits.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Since when, by RingCentral's clock.
    since_ms: i64,
    /// From when on the log is to be read.
    from_ms: i64,
    /// What is known without the log, should it have nothing.
    otherwise: Option<String>,
}

/// Has the call log tell of a session that is over. `otherwise`: what is taken in if it has nothing.
pub(super) fn wait_for_log(
    context: &Arc<Context>,
    client: &Arc<Client>,
    asking: &Asking,
    otherwise: Option<String>,
) {
    let since_ms = client.server_now_ms();
    let from_ms = asking.begun_ms.map_or(since_ms - BEFORE_MS, |begun| begun - START_TOLERANCE_MS);
    let session = Session { since_ms, from_ms, otherwise };
    let key = (asking.tenant, asking.account.clone());
    let mut waiting = context.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    match waiting.entry(key.clone()) {
        Entry::Occupied(mut sessions) => {
            sessions.get_mut().entry(asking.session.clone()).or_insert(session);
        }
        Entry::Vacant(place) => {
            place.insert(HashMap::from([(asking.session.clone(), session)]));
            tokio::spawn(ask_the_log(context.clone(), Arc::downgrade(client), key));
        }
    }
}

/// Reads the log until no session of the account waits, or until nobody listens to the account.
async fn ask_the_log(context: Arc<Context>, client: std::sync::Weak<Client>, key: (TenantId, String)) {
    let mut readings = Readings::default();
    let mut pause = FIRST_LOOK;
    let mut known = 0;
    loop {
        tokio::time::sleep(pause).await;
        let sessions = context.waiting.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let sessions = sessions.unwrap_or_default();
        let client = client.upgrade().filter(|_| !sessions.is_empty());
        let Some(client) = client else {
            // Whoever begins to wait from now on begins to ask anew.
            context.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            return;
        };
        // For those that are new one looks as soon as for the first.
        pause = if sessions.len() > known { FIRST_LOOK } else { (pause * 2).min(LONGEST_PAUSE) };
        known = sessions.len();
        match look(&context, &client, &key, &sessions, &mut readings).await {
            Ok(settled) => {
                let mut waiting = context.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let left = waiting.entry(key.clone()).or_default();
                settled.iter().for_each(|session| drop(left.remove(session)));
                known = left.len();
            }
            Err(Error::RateLimited { until_ms, .. }) => {
                let wait_ms = u64::try_from(until_ms - client.now_ms()).unwrap_or(0);
                pause = pause.max(Duration::from_millis(wait_ms));
            }
            Err(error) => tracing::info!(%error, "the call log could not be asked"),
        }
    }
}

/// Reads the log once; the sessions that wait no more.
async fn look(
    context: &Arc<Context>,
    client: &Client,
    (tenant, account): &(TenantId, String),
    sessions: &HashMap<String, Session>,
    readings: &mut Readings,
) -> Result<Vec<String>, Error> {
    let now = client.server_now_ms();
    let from_ms = sessions.values().map(|session| session.from_ms).min().unwrap_or(now);
    let (from, until) = (Time::from_millis(from_ms).to_string(), Time::from_millis(now + 1).to_string());
    let listed = pages::read(client, &List::Logged { from: &from, until: &until }).await?;
    let mut settled = Vec::new();
    let mut told: Vec<String> = Vec::new();
    let mut in_the_log: Vec<String> = Vec::new();
    for record in listed.into_iter().flat_map(|listed| listed.records) {
        let Some(session) = record.session.clone().filter(|session| sessions.contains_key(session)) else {
            continue;
        };
        match readings.judge(&record, now) {
            Worth::Final => {
                told.push(log_record(account, &record));
                settled.push(session);
            }
            Worth::Again(_) => in_the_log.push(session),
            Worth::GivenUp => {}
        }
    }
    for (id, session) in sessions {
        let is_told = settled.contains(id) || in_the_log.contains(id);
        if !is_told && now - session.since_ms >= HORIZON_MS {
            told.extend(session.otherwise.clone());
            settled.push(id.clone());
        }
    }
    for body in told {
        if let Err(error) = receive::take_in(&context.store, &context.tenants, *tenant, &body).await {
            tracing::warn!(%error, account, "a record of the call log could not be kept");
        }
    }
    Ok(settled)
}
