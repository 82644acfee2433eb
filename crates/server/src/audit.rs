//! Audit log entries of actions that do not change the store: sign-ins, exports, refused keys and tokens.
//!
//! They are collected in memory and written every second, so that no request waits for them. Equal actions become one entry
//! with a count. Refusals to one address become one entry a minute, and only a limited number of addresses have an entry
//! of their own.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::watch;
use wholecall_record::Time;
use wholecall_store::{Actor, AuditAction, AuditActor, AuditEntry, NewAuditEntry, Store, TenantId};

use crate::{clock, listen::network, tenants::Tenants};

/// Interval at which entries are written.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);
/// Interval at which the last use of each key is written.
const KEY_USES_WRITE_INTERVAL: Duration = Duration::from_secs(20);

/// Interval in which equal refusals are counted, and after which their number is written.
const REFUSAL_INTERVAL: Duration = Duration::from_secs(60);

/// Maximum number of different refusals with their own entry in that interval. The others share one entry for each kind.
const MAX_REFUSALS: usize = 100;
/// Maximum number of different entries that wait to be written. The others share one entry for each kind.
const MAX_PENDING: usize = 5_000;

/// An action, by what makes two actions equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Action {
    tenant: Option<TenantId>,
    who: AuditActor,
    what: AuditAction,
    object: String,
    is_refused: bool,
}

#[derive(Debug)]
struct Times {
    at_ms: i64,
    last_ms: i64,
    count: u64,
    /// When the entry is written.
    due: Instant,
}

#[derive(Debug, Default)]
struct Pending {
    entries: HashMap<Action, Times>,
    /// Refusals that have an entry, and the time until which equal ones are counted for the next entry.
    refused: HashMap<Action, Instant>,
}

/// The entries that are waiting to be written.
#[derive(Debug, Default)]
pub(crate) struct AuditLog(Mutex<Pending>);

impl AuditLog {
    /// Records an action.
    pub(crate) fn done(
        &self,
        tenant: Option<TenantId>,
        who: AuditActor,
        what: AuditAction,
        object: impl Into<String>,
    ) {
        self.record(Action { tenant, who, what, object: object.into(), is_refused: false }, Instant::now());
    }

    /// Records a refused action.
    pub(crate) fn refused(
        &self,
        tenant: Option<TenantId>,
        who: AuditActor,
        what: AuditAction,
        object: impl Into<String>,
    ) {
        self.record(Action { tenant, who, what, object: object.into(), is_refused: true }, Instant::now());
    }

    /// Records an action that was refused to an address without a valid key. An IPv6 network counts as one address.
    pub(crate) fn refused_to(
        &self,
        address: IpAddr,
        tenant: Option<TenantId>,
        what: AuditAction,
        object: &str,
    ) {
        let who = AuditActor { actor: Actor::Unknown, address: Some(network(address)) };
        self.refused(tenant, who, what, object);
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, action: Action, now: Instant) {
        let now_ms = clock::now().as_millis();
        let mut pending = self.lock();
        let Pending { entries, refused } = &mut *pending;
        let is_known = entries.contains_key(&action) || refused.contains_key(&action);
        let is_full = entries.len() >= MAX_PENDING || (action.is_refused && refused.len() >= MAX_REFUSALS);
        let action = match !is_known && is_full {
            true => shared(action),
            false => action,
        };
        let due = match refused.get(&action) {
            Some(until) => *until,
            None => now + WRITE_INTERVAL,
        };
        if action.is_refused {
            refused.entry(action.clone()).or_insert(now + REFUSAL_INTERVAL);
        }
        let times = entries.entry(action).or_insert(Times { at_ms: now_ms, last_ms: now_ms, count: 0, due });
        times.count += 1;
        times.last_ms = now_ms;
    }

    /// Removes and returns the entries that are due, or all.
    fn take(&self, now: Instant, all: bool) -> Vec<NewAuditEntry> {
        let mut pending = self.lock();
        pending.refused.retain(|_, until| *until > now);
        let due = pending.entries.extract_if(|_, times| all || times.due <= now);
        let due: Vec<(Action, Times)> = due.collect();
        // Refusals that equal an entry written now are counted for the next entry.
        let refused = due.iter().filter(|(action, _)| action.is_refused);
        let counted = refused.map(|(action, _)| (action.clone(), now + REFUSAL_INTERVAL));
        pending.refused.extend(counted);
        let mut due: Vec<NewAuditEntry> =
            due.into_iter().map(|(action, times)| entry(action, &times)).collect();
        due.sort_by_key(|entry| entry.at_ms);
        due
    }

    /// Adds entries again that could not be written.
    fn restore(&self, entries: Vec<NewAuditEntry>) {
        let now = Instant::now();
        let mut pending = self.lock();
        for entry in entries {
            let NewAuditEntry { at_ms, last_ms, tenant, who, what, object, is_refused, count } = entry;
            let mut action = Action { tenant, who, what, object, is_refused };
            if pending.entries.len() >= MAX_PENDING && !pending.entries.contains_key(&action) {
                action = shared(action);
            }
            let new = Times { at_ms, last_ms, count: 0, due: now + WRITE_INTERVAL };
            let times = pending.entries.entry(action).or_insert(new);
            times.at_ms = times.at_ms.min(at_ms);
            times.last_ms = times.last_ms.max(last_ms);
            times.count += count;
        }
    }
}

/// The action that stands for all others of its kind.
fn shared(action: Action) -> Action {
    let who = AuditActor { actor: Actor::Unknown, address: None };
    Action { tenant: None, who, object: "others, counted together".to_owned(), ..action }
}

fn entry(action: Action, times: &Times) -> NewAuditEntry {
    let Action { tenant, who, what, object, is_refused } = action;
    let Times { at_ms, last_ms, count, .. } = *times;
    NewAuditEntry { at_ms, last_ms, tenant, who, what, object, is_refused, count }
}

/// Writes entries until the service has ended, then the remaining ones.
pub(crate) async fn run_writer(
    store: Store,
    log: Arc<AuditLog>,
    tenants: Arc<Tenants>,
    mut end: watch::Receiver<bool>,
) {
    let mut uses_written = Instant::now();
    loop {
        let is_over = tokio::select! {
            () = tokio::time::sleep(WRITE_INTERVAL) => false,
            _ = end.wait_for(|end| *end) => true,
        };
        write(&store, &log, is_over).await;
        if is_over || uses_written.elapsed() >= KEY_USES_WRITE_INTERVAL {
            uses_written = Instant::now();
            tenants.store_key_uses(is_over).await;
        }
        if is_over {
            return;
        }
    }
}

async fn write(store: &Store, log: &AuditLog, all: bool) {
    let entries = log.take(Instant::now(), all);
    if entries.is_empty() {
        return;
    }
    let written = match store.note_audit(entries.clone()) {
        Ok(durable) => durable.await.unwrap_or(Err(wholecall_store::StoreError::Closed)),
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        tracing::warn!(%error, "the audit log could not be written; it will be retried");
        log.restore(entries);
    }
}

/// Describes an entry.
pub fn describe(entry: &AuditEntry) -> Value {
    let time = |ms: i64| Time::from_millis(ms).to_string();
    let key = entry.key.as_ref();
    json!({
        "id": entry.number.to_string(),
        "at": time(entry.at_ms),
        "lastAt": time(entry.last_ms),
        "count": entry.count,
        "tenant": entry.tenant,
        "actor": entry.actor,
        "key": key.map(|(number, hint, name)| json!({ "id": number.to_string(), "hint": hint, "name": name })),
        "address": entry.address,
        "action": entry.what,
        "object": entry.object,
        "result": entry.result,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused_from(log: &AuditLog, number: u32, now: Instant) {
        let who = AuditActor { actor: Actor::Unknown, address: Some(IpAddr::from(number.to_be_bytes())) };
        let what = AuditAction::KeyUse;
        let action = Action { tenant: None, who, what, object: "api".to_owned(), is_refused: true };
        log.record(action, now);
    }

    #[test]
    fn a_flood_of_refusals_becomes_few_entries_that_count_all_of_them() {
        let log = AuditLog::default();
        let began = Instant::now();
        let (mut entries, mut count) = (0, 0);
        for second in 0..180 {
            let now = began + Duration::from_secs(second);
            for number in 0..2_000 {
                refused_from(&log, number, now);
            }
            let written = log.take(now, false);
            entries += written.len();
            count += written.iter().map(|entry| entry.count).sum::<u64>();
        }
        count += log.take(began, true).iter().map(|entry| entry.count).sum::<u64>();
        assert_eq!(count, 180 * 2_000, "every refusal is counted");
        assert!(entries <= 4 * (MAX_REFUSALS + 1) && entries > MAX_REFUSALS, "{entries}");
    }

    #[test]
    fn entries_that_could_not_be_written_are_written_later() {
        let log = AuditLog::default();
        let now = Instant::now();
        refused_from(&log, 1, now);
        let taken = log.take(now, true);
        log.restore(taken);
        refused_from(&log, 1, now);
        let [only] = &log.take(now, true)[..] else { panic!("expected one entry") };
        assert_eq!(only.count, 2);
    }
}
