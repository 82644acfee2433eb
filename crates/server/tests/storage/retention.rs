//! Expired calls are removed, others stay as they are. Changed settings apply to live calls.

use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use wholecall_server::check::check;
use wholecall_simulator::Scenario;
use wholecall_store::{Expiry, Filter, TenantSettings};

use crate::erase::events;
use crate::service::{HOUR, MIDNIGHT, Service, tamper, traffic};

pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

#[test]
fn expired_calls_are_removed_with_all_their_rows() {
    let service = Service::start();
    let bodies = traffic(20, 12);
    service.receive(bodies.iter().map(String::as_str));
    service.settle();
    let all = service.records();
    // Half of them are over by then.
    let mut ends: Vec<i64> = all
        .iter()
        .map(|record| {
            let end = record["endTime"].as_str().unwrap_or_else(|| record["startTime"].as_str().unwrap());
            end.parse::<jiff::Timestamp>().unwrap().as_millisecond()
        })
        .collect();
    ends.sort_unstable();
    let before_ms = ends[ends.len() / 2];
    assert!(before_ms > MIDNIGHT && before_ms < MIDNIGHT + 24 * HOUR);
    let tenant = service.tenant.id;
    let (notifications, _) = service.store.counts().unwrap();
    // Calls that were changed recently stay.
    let careful = Expiry { tenant, before_ms, quiet_since_ms: now_ms() - HOUR };
    assert_eq!(service.store.remove_calls(careful, 1_000).unwrap(), 0);
    let expiry = Expiry { tenant, before_ms, quiet_since_ms: now_ms() + HOUR };
    let mut removed = 0;
    while let count @ 1.. = service.store.remove_calls(expiry, 7).unwrap() {
        assert!(count <= 7);
        removed += count;
    }
    assert!(removed > all.len() / 3, "{removed} of {}", all.len());
    let left = service.records();
    assert_eq!(left.len(), all.len() - removed);
    // The feed lists the removed calls.
    assert_eq!(service.store.announce(tenant, now_ms()).unwrap(), 1);
    let deleted = events(&service, "call.deleted").remove(0);
    let listed: Vec<&Value> = deleted["data"]["calls"].as_array().unwrap().iter().collect();
    let is_left = |record: &&Value| left.iter().any(|other| other["id"] == record["id"]);
    let gone: BTreeSet<String> =
        all.iter().filter(|record| !is_left(record)).map(|record| record["id"].to_string()).collect();
    assert_eq!(listed.iter().map(|call| call["id"].to_string()).collect::<BTreeSet<_>>(), gone);
    assert!(listed.iter().all(|call| call.as_object().unwrap().len() == 1));
    assert!(service.store.counts().unwrap().0 < notifications * 3 / 4);
    service.store.remove_detached_rows(expiry, 1_000).unwrap();
    let checked = check(&service.store, false, |_| {}).unwrap();
    assert_eq!(checked.findings, []);
    // A notification of another call is not assigned to a removed one.
    service.receive(bodies.iter().rev().take(1).map(String::as_str));
    service.settle();
    // In the end every row is removed, those of the search index too.
    let expiry = Expiry { tenant, before_ms: now_ms() + HOUR, quiet_since_ms: now_ms() + HOUR };
    while service.store.remove_calls(expiry, 100).unwrap() > 0 {}
    while service.store.remove_unassigned(expiry, 100).unwrap() > 0 {}
    while service.store.remove_detached_rows(expiry, 100).unwrap() > 0 {}
    assert_eq!(service.store.counts().unwrap(), (0, 0));
    let checked = check(&service.store, false, |_| {}).unwrap();
    assert_eq!(checked.findings, []);
    for table in ["terms", "call_terms", "changes", "sessions", "merged"] {
        let left = tamper(service.folder.path(), &format!("DELETE FROM {table} WHERE 1"));
        assert_eq!(left, 0, "{table}");
    }
}

#[test]
fn changed_settings_apply_to_live_calls() {
    let service = Service::start();
    let patient = TenantSettings {
        stale_ms: Some(3_600_000),
        last_leg_stale_ms: Some(3_600_000),
        ..TenantSettings::default()
    };
    service.store.set_tenant_settings(service.tenant.id, patient).unwrap();
    // The service notices changes within a second.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let play = Scenario::named("attended").unwrap().play(3);
    let first: Vec<String> = play.notifications.iter().take(3).map(|one| one.to_json()).collect();
    service.receive(first.iter().map(String::as_str));
    let live = Filter { state: Some(wholecall_record::call::State::Live), ..Filter::default() };
    let count_live =
        || service.store.of(service.tenant.id).calls(&live, None, None, 10).unwrap().records.len();
    service.wait(|| count_live() == 1);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(count_live(), 1);
    let hasty =
        TenantSettings { stale_ms: Some(200), last_leg_stale_ms: Some(200), ..TenantSettings::default() };
    service.store.set_tenant_settings(service.tenant.id, hasty).unwrap();
    service.settle();
    assert_eq!(service.records()[0]["state"], "incomplete");
}
