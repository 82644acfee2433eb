//! The scenario: a store is created, receives, assembles, delivers, rejects, erases, removes, and is stopped and
//! started again. Operations that fail are retried as a service would, and then given up.

use std::{path::Path, sync::LazyLock};

use serde_json::{Value, json};
use wholecall_record::Call;
use wholecall_store::{
    Arrival, Attempt, AttemptResult, ChangeContent, ChangeKind, CommitBatch, Disposition, Endpoint,
    EndpointSettings, Erasure, Expiry, NewChange, NewEndpoint, NewRejected, NewTenant, Position, Result,
    Store, TenantId, TenantSettings,
};

use crate::ledger::{Ledger, note};

/// The person who is erased.
pub(crate) const PERSON: &str = "Erin Cooper";

pub(crate) const TENANTS: [&str; 2] = ["acme", "bob"];

const NOW_MS: i64 = 1_796_000_000_000;
const MAX_ATTEMPTS: usize = 3;

static RECORD: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../server/src/deliver/endpoint_worker/call.json")).unwrap()
});

fn retry<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let mut result = attempt();
    for _ in 1..MAX_ATTEMPTS {
        if result.is_ok() {
            break;
        }
        result = attempt();
    }
    result
}

/// Runs the scenario; the names of its sessions end with `end`.
pub(crate) fn run(folder: &Path, ledger: &mut Ledger, end: &str) {
    if let Ok(store) =
        retry(|| Store::open(folder).and_then(|store| store.acquire_instance_lock().map(|()| store)))
    {
        add_tenants(&store, ledger);
        receive(&store, ledger, &format!("early{end}"));
        let _ = assemble(&store);
        deliver(&store, ledger);
        reject(&store, ledger, end);
        receive(&store, ledger, &format!("late{end}"));
        let _ = assemble(&store);
        if end.is_empty() {
            erase(&store, ledger);
            remove(&store, ledger);
        }
        // Not assembled when the store is closed.
        receive_one(&store, ledger, "acme", &format!("s-acme-waiting{end}"), 1);
    }
    if let Ok(store) =
        retry(|| Store::open(folder).and_then(|store| store.acquire_instance_lock().map(|()| store)))
    {
        receive(&store, ledger, &format!("again{end}"));
        let _ = assemble(&store);
    }
}

/// Only receives: nothing is assembled.
pub(crate) fn receive_only(folder: &Path, ledger: &mut Ledger) {
    receive_until(folder, ledger, || {});
}

/// The same; calls `happens` before the store is closed.
pub(crate) fn receive_until(folder: &Path, ledger: &mut Ledger, happens: impl FnOnce()) {
    let store = Store::open(folder).unwrap();
    add_tenants(&store, ledger);
    receive(&store, ledger, "only");
    happens();
}

pub(crate) fn tenant(store: &Store, name: &str) -> Option<TenantId> {
    let tenants = retry(|| store.tenants()).ok()?;
    tenants.iter().find(|tenant| tenant.name == name).map(|tenant| tenant.id)
}

fn add_tenants(store: &Store, ledger: &mut Ledger) {
    for name in TENANTS {
        let new = || NewTenant {
            name: name.to_owned(),
            created_ms: NOW_MS,
            accounts: vec![format!("account of {name}")],
            secrets: Vec::new(),
            settings: TenantSettings::default(),
            pseudonym_salt: [0; 32],
        };
        for _ in 0..MAX_ATTEMPTS {
            if tenant(store, name).is_some() {
                break;
            }
            note(&mut ledger.tenants, name.to_owned(), store.add_tenant(new()).is_ok());
        }
    }
}

/// Sessions of each tenant, of three notifications each: those of the first two sessions are appended one by one, the
/// others together.
fn receive(store: &Store, ledger: &mut Ledger, when: &str) {
    for name in TENANTS {
        for number in 0..2 {
            let session = format!("s-{name}-{when}-{number}");
            (1..=3).for_each(|place| receive_one(store, ledger, name, &session, place));
        }
    }
    for name in TENANTS {
        let Some(tenant) = tenant(store, name) else { continue };
        let keys: Vec<(String, u64)> = (2..8)
            .flat_map(|number| (1..=3).map(move |place| (format!("s-{name}-{when}-{number}"), place)))
            .collect();
        let arrivals = keys.iter().map(|(session, place)| arrival(tenant, name, session, *place)).collect();
        let is_stored = append(store, arrivals);
        keys.into_iter().for_each(|key| note(&mut ledger.notifications, key, is_stored));
    }
}

fn receive_one(store: &Store, ledger: &mut Ledger, name: &str, session: &str, place: u64) {
    if let Some(tenant) = tenant(store, name) {
        let is_stored = append(store, vec![arrival(tenant, name, session, place)]);
        note(&mut ledger.notifications, (session.to_owned(), place), is_stored);
    }
}

fn arrival(tenant: TenantId, name: &str, session: &str, place: u64) -> Arrival {
    // Text that compresses badly, so that pages fill.
    let mut rng = fastrand::Rng::with_seed(place + session.bytes().map(u64::from).sum::<u64>());
    let noise: String = (0..600).map(|_| rng.alphanumeric()).collect();
    let body =
        json!({ "tenant": name, "session": session, "place": place, "person": PERSON, "noise": noise });
    let arrived_ms = NOW_MS + place as i64;
    Arrival { tenant, arrived_ms, session: session.into(), body: body.to_string().into() }
}

fn append(store: &Store, arrivals: Vec<Arrival>) -> bool {
    store.append(arrivals).is_ok_and(|result| matches!(result.blocking_recv(), Ok(Ok(()))))
}

/// The session and the number of a notification.
pub(crate) fn key(body: &str) -> Option<(String, u64)> {
    let body: Value = serde_json::from_str(body).ok()?;
    Some((body["session"].as_str()?.to_owned(), body["place"].as_u64()?))
}

/// Commits a version for each notification that is not assembled yet.
pub(crate) fn assemble(store: &Store) -> Result<()> {
    loop {
        let assembled = retry(|| {
            let entries = store.journal_after(store.checkpoint()?, 16)?;
            let Some(last) = entries.last() else { return Ok(false) };
            let checkpoint = last.position;
            let made = entries.iter().filter_map(|entry| {
                let (session, place) = key(&entry.body)?;
                let kind = match place {
                    1 => ChangeKind::Started,
                    2 => ChangeKind::Updated,
                    _ => ChangeKind::Completed,
                };
                let call = Box::new(record(&session, place));
                let what = ChangeContent::Version { kind, call };
                Some(NewChange { tenant: entry.tenant, at_ms: NOW_MS, position: entry.position, what })
            });
            let made = made.collect();
            store.commit(CommitBatch { checkpoint, changes: made }).map(|()| true)
        })?;
        if !assembled {
            return Ok(());
        }
    }
}

fn record(session: &str, place: u64) -> Call {
    let mut record = RECORD.clone();
    record["id"] = json!(session);
    record["version"] = json!(place);
    record["sessions"][0]["telephonySessionId"] = json!(session);
    if place < 3 {
        record["state"] = json!("live");
    }
    if session == REMOVED {
        record["startTime"] = json!("2026-11-15T14:02:11.214Z");
        record["endTime"] = json!("2026-11-15T14:05:02.664Z");
    }
    serde_json::from_value(record).unwrap()
}

/// 2026-11-16T00:00:00Z: all calls but one start later.
const REMOVED_BEFORE_MS: i64 = 1_794_787_200_000;
const REMOVED: &str = "s-bob-early-0";
const ERASED: &str = "s-acme-early-1";

fn deliver(store: &Store, ledger: &mut Ledger) {
    let Some(tenant) = tenant(store, "acme") else { return };
    let settings: EndpointSettings = serde_json::from_value(json!({
        "url": "https://example.com/hook", "events": ["call.started", "call.completed"],
    }))
    .unwrap();
    let new = NewEndpoint { id: "ep_1".to_owned(), created_ms: NOW_MS, settings, sealed: vec![1, 2, 3] };
    for _ in 0..MAX_ATTEMPTS {
        if endpoint(store, tenant).is_some() {
            break;
        }
        let added = store.of(tenant).add_endpoint(new.clone());
        note(&mut ledger.endpoints, new.id.clone(), matches!(added, Ok(true)));
    }
    let Some(endpoint) = endpoint(store, tenant) else { return };
    let Ok(fed) = retry(|| store.feed(&endpoint, Default::default(), 8)) else { return };
    for event in fed.events {
        let key = (event.call_id.clone(), event.version);
        let attempt =
            Attempt { started_ms: NOW_MS, duration_ms: 7, status: Some(200), problem: None, answer: None };
        let tried = vec![AttemptResult { event, verdict: Disposition::Delivered }];
        let recorded = store.record(endpoint.number, attempt, tried, *store.watch_data_epoch().borrow());
        let is_recorded = recorded.is_ok_and(|recorded| matches!(recorded.blocking_recv(), Ok(Ok(()))));
        note(&mut ledger.deliveries, key, is_recorded);
    }
}

fn endpoint(store: &Store, tenant: TenantId) -> Option<Endpoint> {
    retry(|| store.of(tenant).endpoint("ep_1")).ok()?
}

fn reject(store: &Store, ledger: &mut Ledger, end: &str) {
    let Some(tenant) = tenant(store, "bob") else { return };
    for number in 0..3 {
        let body = format!("not a notification, number {number}{end}");
        let refusal =
            NewRejected::new(tenant, NOW_MS, "not a notification".to_owned(), body.as_bytes()).unwrap();
        let result = store.reject(refusal);
        let is_stored = result.is_ok_and(|result| matches!(result.blocking_recv(), Ok(Ok(()))));
        note(&mut ledger.rejected, body, is_stored);
    }
}

fn erase(store: &Store, ledger: &mut Ledger) {
    let Some(tenant) = tenant(store, "acme") else { return };
    // As in the service, arrivals are assembled first.
    let mut is_erased = assemble(store).is_ok();
    let has_session = |body: &str| body.contains(ERASED);
    let calls = retry(|| store.of(tenant).calls_of_notifications(Position(0), has_session));
    let calls = calls.map(|(calls, _)| calls).unwrap_or_default();
    is_erased &= !calls.is_empty();
    for call in calls {
        let rewritten = store.rewrite_call(tenant, call, |history| {
            for entry in &mut history.entries {
                entry.body = entry.body.replace(PERSON, "erased");
            }
        });
        is_erased &= rewritten.is_ok_and(|rewritten| rewritten.unreadable == 0);
    }
    let erasure =
        Erasure { tenant, erased_ms: NOW_MS, pseudonym: "erased-1".to_owned(), ..Erasure::default() };
    is_erased &= store.log_erasure(erasure).is_ok();
    note(&mut ledger.erased, ERASED.to_owned(), is_erased);
}

fn remove(store: &Store, ledger: &mut Ledger) {
    let Some(tenant) = tenant(store, "bob") else { return };
    let expiry = Expiry { tenant, before_ms: REMOVED_BEFORE_MS, quiet_since_ms: i64::MAX };
    let removed = store.remove_calls(expiry, 10);
    note(&mut ledger.removed, REMOVED.to_owned(), matches!(removed, Ok(1)));
}
