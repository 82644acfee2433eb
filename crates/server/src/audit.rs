//! What goes into the audit log and changes nothing in the store: signing in, exports, keys and tokens that were refused.
//!
//! It is gathered in memory and written by the second, so that no request waits for it. What is the same becomes one entry
//! with a count; of what is refused, an address has one entry a minute, and only a limited number of addresses have one of their own.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::watch;
use wholecall_record::Time;
use wholecall_store::{Actor, AuditEntry, NewAuditEntry, Store, TenantId, What, Who};

use crate::{clock, listen::network, tenants::Tenants};

const WRITTEN_EVERY: Duration = Duration::from_secs(1);
/// When keys were used last is written this often.
const USES_WRITTEN_EVERY: Duration = Duration::from_secs(20);

/// What is refused once more within this time is counted, and written when it is over.
const REFUSED_WITHIN: Duration = Duration::from_secs(60);

/// The number of different refusals with an entry of their own within that time; the rest share one for each kind.
const MOST_REFUSED: usize = 100;
/// The number of different entries that may wait to be written; the rest share one for each kind.
const MOST_WAITING: usize = 5_000;

/// Something that happened, as far as it is the same when it happens again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Happened {
    tenant: Option<TenantId>,
    who: Who,
    what: What,
    object: String,
    is_refused: bool,
}

#[derive(Debug)]
struct Times {
    at_ms: i64,
    last_ms: i64,
    count: u64,
    /// When it is to be written.
    due: Instant,
}

#[derive(Debug, Default)]
struct Waiting {
    waiting: HashMap<Happened, Times>,
    /// Refusals that have an entry, and until when those alike are counted for the next.
    refused: HashMap<Happened, Instant>,
}

/// What waits to be written.
#[derive(Debug, Default)]
pub(crate) struct AuditLog(Mutex<Waiting>);

impl AuditLog {
    /// Takes note of what was done.
    pub(crate) fn done(&self, tenant: Option<TenantId>, who: Who, what: What, object: impl Into<String>) {
        self.note(Happened { tenant, who, what, object: object.into(), is_refused: false }, Instant::now());
    }

    /// Takes note of what was refused.
    pub(crate) fn refused(&self, tenant: Option<TenantId>, who: Who, what: What, object: impl Into<String>) {
        self.note(Happened { tenant, who, what, object: object.into(), is_refused: true }, Instant::now());
    }

    /// Takes note of what was refused to an address without a valid key. An IPv6 network counts as one address.
    pub(crate) fn refused_to(&self, address: IpAddr, tenant: Option<TenantId>, what: What, object: &str) {
        let who = Who { actor: Actor::Unknown, address: Some(network(address)) };
        self.refused(tenant, who, what, object);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, happened: Happened, now: Instant) {
        let now_ms = clock::now().as_millis();
        let mut all = self.lock();
        let Waiting { waiting, refused } = &mut *all;
        let is_known = waiting.contains_key(&happened) || refused.contains_key(&happened);
        let is_full = waiting.len() >= MOST_WAITING || (happened.is_refused && refused.len() >= MOST_REFUSED);
        let happened = match !is_known && is_full {
            true => of_all_others(happened),
            false => happened,
        };
        let due = match refused.get(&happened) {
            Some(until) => *until,
            None => now + WRITTEN_EVERY,
        };
        if happened.is_refused {
            refused.entry(happened.clone()).or_insert(now + REFUSED_WITHIN);
        }
        let times =
            waiting.entry(happened).or_insert(Times { at_ms: now_ms, last_ms: now_ms, count: 0, due });
        times.count += 1;
        times.last_ms = now_ms;
    }

    /// What is due, or everything.
    fn take(&self, now: Instant, all: bool) -> Vec<NewAuditEntry> {
        let mut waiting = self.lock();
        waiting.refused.retain(|_, until| *until > now);
        let due = waiting.waiting.extract_if(|_, times| all || times.due <= now);
        let due: Vec<(Happened, Times)> = due.collect();
        // From the time of an entry on, what is alike is counted for the next.
        let refused = due.iter().filter(|(happened, _)| happened.is_refused);
        let counted = refused.map(|(happened, _)| (happened.clone(), now + REFUSED_WITHIN));
        waiting.refused.extend(counted);
        let mut due: Vec<NewAuditEntry> =
            due.into_iter().map(|(happened, times)| entry(happened, &times)).collect();
        due.sort_by_key(|entry| entry.at_ms);
        due
    }

    /// Those that could not be written wait for the next time.
    fn give_back(&self, entries: Vec<NewAuditEntry>) {
        let now = Instant::now();
        let mut waiting = self.lock();
        for entry in entries {
            let NewAuditEntry { at_ms, last_ms, tenant, who, what, object, is_refused, count } = entry;
            let mut happened = Happened { tenant, who, what, object, is_refused };
            if waiting.waiting.len() >= MOST_WAITING && !waiting.waiting.contains_key(&happened) {
                happened = of_all_others(happened);
            }
            let new = Times { at_ms, last_ms, count: 0, due: now + WRITTEN_EVERY };
            let times = waiting.waiting.entry(happened).or_insert(new);
            times.at_ms = times.at_ms.min(at_ms);
            times.last_ms = times.last_ms.max(last_ms);
            times.count += count;
        }
    }
}

/// What many have in common.
fn of_all_others(happened: Happened) -> Happened {
    let who = Who { actor: Actor::Unknown, address: None };
    Happened { tenant: None, who, object: "others, counted together".to_owned(), ..happened }
}

fn entry(happened: Happened, times: &Times) -> NewAuditEntry {
    let Happened { tenant, who, what, object, is_refused } = happened;
    let Times { at_ms, last_ms, count, .. } = *times;
    NewAuditEntry { at_ms, last_ms, tenant, who, what, object, is_refused, count }
}

/// Writes what waits, until the service has ended; then the rest.
pub(crate) async fn keep_writing(
    store: Store,
    log: Arc<AuditLog>,
    tenants: Arc<Tenants>,
    mut end: watch::Receiver<bool>,
) {
    let mut uses_written = Instant::now();
    loop {
        let is_over = tokio::select! {
            () = tokio::time::sleep(WRITTEN_EVERY) => false,
            _ = end.wait_for(|end| *end) => true,
        };
        write(&store, &log, is_over).await;
        if is_over || uses_written.elapsed() >= USES_WRITTEN_EVERY {
            uses_written = Instant::now();
            tenants.write_uses(is_over).await;
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
        tracing::warn!(%error, "the audit log could not be written; it will be tried again");
        log.give_back(entries);
    }
}

/// An entry, as operators see it.
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
        let who = Who { actor: Actor::Unknown, address: Some(IpAddr::from(number.to_be_bytes())) };
        let what = What::KeyUse;
        let happened = Happened { tenant: None, who, what, object: "api".to_owned(), is_refused: true };
        log.note(happened, now);
    }

    #[test]
    fn a_flood_of_refusals_becomes_few_entries_and_none_is_lost() {
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
        assert_eq!(count, 180 * 2_000, "each is counted");
        assert!(entries <= 4 * (MOST_REFUSED + 1) && entries > MOST_REFUSED, "{entries}");
    }

    #[test]
    fn what_could_not_be_written_is_not_lost() {
        let log = AuditLog::default();
        let now = Instant::now();
        refused_from(&log, 1, now);
        let taken = log.take(now, true);
        log.give_back(taken);
        refused_from(&log, 1, now);
        let [only] = &log.take(now, true)[..] else { panic!("not one") };
        assert_eq!(only.count, 2);
    }
}
