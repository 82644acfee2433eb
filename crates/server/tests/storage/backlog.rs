//! Notifications that wait to be assembled, when the service starts or while it is behind.

use std::fs;

use serde_json::Value;
use wholecall_record::Time;
use wholecall_server::check::check;
use wholecall_store::{ChangeKind, Position, Store, TenantSettings};

use crate::{
    retention::now_ms,
    service::{HOUR, Service, append, traffic},
};

fn example(name: &str) -> Vec<String> {
    let path = format!("{}/../../examples/{name}.ndjson", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_backlog_of_hours_is_assembled_as_if_the_service_had_run() {
    let service = Service::start();
    let tenant = service.tenant.id;
    let mut call = example("direct");
    let late = call.remove(3);
    let long_ago = now_ms() - 3 * HOUR;
    let service = service.restart_after(|store| {
        append(store, tenant, long_ago, call.iter().map(String::as_str));
        // The first call is closed and evicted by then, and must have been written before.
        append(store, tenant, long_ago + HOUR, example("queue").iter().map(String::as_str));
        append(store, tenant, long_ago + HOUR, [late.as_str()]);
    });
    service.settle();
    assert_eq!(service.records().len(), 2);
    let first: Value = serde_json::from_str(&late).unwrap();
    let id = first["body"]["telephonySessionId"].as_str().unwrap();
    let view = service.store.of(tenant);
    assert_eq!(view.notifications(id).unwrap().unwrap().len(), call.len() + 1);
    let changes = view.changes_after(Position(0), 1_000).unwrap();
    assert_eq!(changes.iter().filter(|change| change.kind == ChangeKind::Started).count(), 2);
    assert_eq!(check(&service.store, false, |_| {}).unwrap().findings, []);
}

#[test]
fn a_backlog_is_in_a_backup_and_is_assembled_from_there() {
    let service = Service::start();
    let tenant = service.tenant.id;
    let bodies = traffic(6, 5);
    let (first, rest) = bodies.split_at(bodies.len() / 2);
    service.receive(first.iter().map(String::as_str));
    service.settle();
    let copy = tempfile::tempdir().unwrap();
    let service = service.restart_after(|store| {
        append(store, tenant, now_ms(), rest.iter().map(String::as_str));
        store.backup(&copy.path().join(wholecall_store::FILE_NAME), 1).unwrap();
    });
    service.settle();
    let backup = Store::open_existing(copy.path()).unwrap();
    let entries = backup.journal_after(Position(0), usize::MAX >> 1).unwrap();
    let entries: Vec<_> = entries.into_iter().map(|entry| entry.body).collect();
    assert_eq!(entries, bodies);
    assert!(backup.checkpoint().unwrap().0 < bodies.len() as i64);
}

#[test]
fn a_backlog_makes_live_updates_rarer_and_leaves_out_nothing_else() {
    let service = Service::start();
    let tenant = service.tenant.id;
    service.store.set_tenant_settings(tenant, TenantSettings::default()).unwrap();
    let call = example("direct");
    let begun = now_ms() - 60_000;
    let service = service.restart_after(|store| {
        for (body, seconds) in call.iter().zip((0..).step_by(2)) {
            append(store, tenant, begun + 1_000 * seconds, [body.as_str()]);
        }
    });
    service.settle();
    let changes = service.store.of(tenant).changes_after(Position(0), 1_000).unwrap();
    let kinds: Vec<ChangeKind> = changes.iter().map(|change| change.kind).collect();
    // One version in ten seconds instead of one in a second.
    assert_eq!(kinds, [ChangeKind::Started, ChangeKind::Updated, ChangeKind::Completed]);
    assert_eq!(check(&service.store, false, |_| {}).unwrap().findings, []);
}

/// A notification with another event time.
fn with_time(body: &str, ms: i64) -> String {
    let mut value: Value = serde_json::from_str(body).unwrap();
    let time = serde_json::to_value(Time::from_millis(ms)).unwrap();
    value["timestamp"] = time.clone();
    value["body"]["eventTime"] = time;
    value.to_string()
}

/// By the arrival times an hour passes without a notification; a call in which people may still talk stays live.
#[test]
fn a_conversation_of_which_one_side_is_seen_stays_live_for_an_hour() {
    let began = now_ms() - HOUR;
    let of_now = example("queue").into_iter().take(1).map(|body| with_time(&body, now_ms()));
    let of_now: Vec<String> = of_now.collect();
    let session = |body: &String| -> String {
        let value: Value = serde_json::from_str(body).unwrap();
        value["body"]["telephonySessionId"].as_str().unwrap().to_owned()
    };
    let state_after = |bodies: &[String]| {
        let service = Service::start();
        let tenant = service.tenant.id;
        service.store.set_tenant_settings(tenant, TenantSettings::default()).unwrap();
        let service = service.restart_after(|store| {
            for (body, seconds) in bodies.iter().zip(0..) {
                append(store, tenant, began + 1_000 * seconds, [body.as_str()]);
            }
            // When this is assembled, the hour has passed for the call before it.
            append(store, tenant, now_ms(), of_now.iter().map(String::as_str));
        });
        service.wait(|| service.records().len() == 2);
        let of_call = |record: &Value| record["id"] == session(&bodies[0]);
        service.records().into_iter().find(of_call).unwrap()["state"].clone()
    };
    let mut call = example("direct");
    call.iter_mut().zip(0..).for_each(|(body, seconds)| *body = with_time(body, began + 1_000 * seconds));
    let answered = &call[..5];
    // The notifications that the called person's own subscription receives.
    let own: Vec<String> = answered.iter().filter(|body| body.contains("Inbound")).cloned().collect();
    assert_eq!(own.len(), 3);
    assert_eq!(state_after(&own), "live");
    // With both sides seen, the caller hangs up, and the last notification is lost.
    assert_eq!(state_after(&call[..call.len() - 1]), "incomplete");
}
