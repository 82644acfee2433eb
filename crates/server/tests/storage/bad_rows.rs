//! A row that cannot be read affects what it holds and nothing else.

use serde_json::{Value, json};
use wholecall_server::{admin, check::check};
use wholecall_store::{Store, Tenant, TenantSettings};

use crate::service::{Service, append, count, tamper, traffic};

/// A notification of a session, with an event time.
fn notification(session: &str, time: &str) -> String {
    json!({
        "uuid": format!("u-{session}"),
        "event": "/restapi/v1.0/account/400131426008/telephony/sessions",
        "timestamp": "2026-06-01T10:00:00.000Z",
        "body": {
            "sequence": 2, "sessionId": "7001", "telephonySessionId": session, "eventTime": time,
            "parties": [{
                "id": format!("p-{session}-1"), "accountId": "400131426008", "extensionId": "62001",
                "direction": "Inbound", "from": { "phoneNumber": "+14045550101", "name": "Erin" },
                "to": { "phoneNumber": "+14045550102", "extensionId": "62001", "name": "Ada" },
                "status": { "code": "Disconnected" }
            }]
        }
    })
    .to_string()
}

fn bystander(service: &Service) -> Tenant {
    admin::add_tenant(&service.store, "bystander", &["900000000001".to_owned()], None).unwrap();
    let tenant = admin::find(&service.store, "bystander").unwrap();
    let soon = TenantSettings {
        settle_ms: Some(50),
        gap_settle_ms: Some(50),
        last_leg_stale_ms: Some(100),
        stale_ms: Some(200),
        retention_days: None,
    };
    service.store.set_tenant_settings(tenant.id, soon).unwrap();
    tenant
}

/// Expects that new calls of both tenants are assembled.
fn expect_assembly(service: &Service, bystander: &Tenant, number: usize) {
    let (own, other) = (format!("s-own-{number}"), format!("s-other-{number}"));
    let time = "2026-06-01T10:00:00.000Z";
    service.receive([&*notification(&own, time)]);
    let body = notification(&other, time).replace("400131426008", "900000000001");
    append(&service.store, bystander.id, 1_796_000_000_000, [&*body]);
    service.wait(|| {
        let is_there =
            |tenant: &Tenant, id: &str| service.store.of(tenant.id).call(id, None).unwrap().is_some();
        is_there(&service.tenant, &own) && is_there(bystander, &other)
    });
}

/// Expects that every kind of query is answered.
fn expect_answers(service: &Service) {
    let (mut after, mut events) = ("0".to_owned(), 0);
    loop {
        let page = service.get(&format!("/v1/changes?limit=500&after={after}"));
        let changes = page["changes"].as_array().unwrap().len();
        if changes == 0 {
            break;
        }
        events += changes;
        page["next"].as_str().unwrap().clone_into(&mut after);
    }
    assert!(events > 50, "{events} events");
    for path in ["/v1/calls?limit=1000", "/v1/calls?limit=1000&name=erin", "/v1/directory", "/v1/endpoints"] {
        service.get(path);
    }
    let (status, body) = service.request("GET", "/v1/calls?format=csv&limit=1000");
    assert_eq!(status, 200, "{body}");
    assert_eq!(service.request("GET", "/readyz").0, 200);
}

#[test]
fn implausible_times_are_refused_with_their_reason() {
    let service = Service::start();
    let line: Value = serde_json::from_str(&notification("s-never", "9999-12-31T23:59:59.999Z")).unwrap();
    let answer = service.post("/v1/notifications", &line);
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(0), &json!(1)));
    let reason = answer["refusals"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("9999-12-31T23:59:59.999Z is implausible"), "{reason}");
    assert_eq!(service.records(), [] as [Value; 0]);
}

#[test]
fn implausible_times_stored_by_an_earlier_version_block_nothing() {
    let service = Service::start();
    let bystander = bystander(&service);
    for (number, time) in ["9999-12-31T23:59:59.999Z", "9999-12-30T22:00:01.000Z"].iter().enumerate() {
        service.receive([&*notification(&format!("s-never-{number}"), time)]);
    }
    service.wait(|| service.records().len() == 2);
    let service = service.restart();
    expect_assembly(&service, &bystander, 1);
    for path in ["/v1/calls", "/v1/calls?as_of=2199-01-01T00:00:00Z", "/v1/calls?format=csv", "/v1/changes"] {
        let (status, body) = service.request("GET", path);
        assert_eq!(status, 200, "{path}: {body}");
    }
    let (status, body) = service.request("DELETE", "/v1/numbers/%2B14045550101");
    assert_eq!(status, 200, "{body}");
    expect_assembly(&service, &bystander, 2);
    let (_folder, store) = service.reopen();
    assert_eq!(check(&store, false, |_| {}).unwrap().findings, []);
}

#[test]
fn a_damaged_row_of_any_kind_is_reported_and_blocks_nothing() {
    let mut service = Service::start();
    let bystander = bystander(&service);
    service.post("/v1/endpoints", &json!({ "url": "http://127.0.0.1:9/hook" }));
    let bodies = traffic(10, 11);
    for portion in bodies.chunks(bodies.len() / 3 + 1) {
        service.receive(portion.iter().map(String::as_str));
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
    service.settle();
    let rank = |rank: usize| {
        format!("(SELECT call FROM calls WHERE tenant = 1 ORDER BY call LIMIT 1 OFFSET {rank})")
    };
    let last = |at: usize| {
        let call = rank(at);
        format!("UPDATE changes SET record = x'01ff' WHERE call = {call} AND version > 0")
    };
    let damages = [
        ("UPDATE journal SET body = x'01ff' WHERE position = 11".to_owned(), "notification 11"),
        ("UPDATE journal SET body = x'' WHERE position = (SELECT max(position) FROM journal)".to_owned(), "notification"),
        (last(3), "change"),
        (
            "UPDATE changes SET record = x'04' WHERE cursor = (SELECT min(cursor) FROM changes WHERE kind = 'call.started')"
                .to_owned(),
            "change",
        ),
        ("UPDATE changes SET kind = 'call.odd' WHERE cursor = 15".to_owned(), "change 15"),
        (format!("UPDATE calls SET terms = x'ffffffffffffffffffff' WHERE call = {}", rank(4)), "call"),
        (
            "INSERT INTO directories VALUES (900, 1, '400131426008', 900, 1, x'0400')".to_owned(),
            "directory",
        ),
        ("UPDATE deliveries SET state = 'odd' WHERE event = (SELECT max(event) FROM deliveries)".to_owned(), "delivery"),
        ("UPDATE tenants SET settings = '{' WHERE tenant = 2".to_owned(), "tenant"),
        ("UPDATE endpoints SET settings = '{'".to_owned(), "endpoint"),
        ("INSERT INTO rejected (id, tenant, arrived_ms, reason, body) VALUES (900, 1, unixepoch() * 1000, 'x', x'0400')".to_owned(), "rejected body 900"),
    ];
    for (number, (sql, place)) in damages.iter().enumerate() {
        service = service.restart_after(|store: &Store| {
            assert!(tamper(store.path().parent().unwrap(), sql) > 0, "{sql}");
        });
        expect_assembly(&service, &bystander, number);
        expect_answers(&service);
        let found = check(&service.store, false, |_| {}).unwrap();
        let named = |place: &str| found.findings.iter().any(|finding| finding.place.contains(place));
        assert!(named(place), "{sql}: {:?}", found.findings);
    }
    let unreadable = service.get("/v1/health")["unreadable"].clone();
    assert!(unreadable.as_array().is_some_and(|rows| !rows.is_empty()), "{unreadable}");
    assert!(service.store.damage_count() > 0);
}

#[test]
fn a_call_whose_last_record_is_lost_is_complete_again_after_its_next_version() {
    let service = Service::start();
    service.receive([&*notification("s-1", "2026-06-01T10:00:00.000Z")]);
    service.wait(|| service.records().len() == 1);
    service.settle();
    let more = notification("s-1", "2026-06-01T10:00:05.000Z")
        .replace("u-s-1", "u-2")
        .replace("\"sequence\":2", "\"sequence\":3");
    service.receive([&*more]);
    let version =
        |service: &Service| service.records().first().map_or(0, |record| record["version"].as_i64().unwrap());
    service.wait(|| version(&service) > 1);
    service.settle();
    let before = version(&service);
    let service = service.restart_after(|store| {
        let sql = "UPDATE changes SET record = x'01ff' WHERE cursor = (SELECT cursor FROM calls)";
        tamper(store.path().parent().unwrap(), sql);
    });
    let again = more
        .replace("u-2", "u-3")
        .replace("\"sequence\":3", "\"sequence\":4")
        .replace(":05.000Z", ":09.000Z");
    service.receive([&*again]);
    service.wait(|| {
        service.records().first().is_some_and(|record| record["version"].as_i64().unwrap() > before)
    });
    assert_eq!(service.records().len(), 1);
}

#[test]
fn repair_reports_what_it_could_not_repair() {
    let service = Service::start();
    service.receive([
        &*notification("s-1", "2026-06-01T10:00:00.000Z"),
        &*notification("s-2", "2026-06-01T10:00:00.000Z"),
    ]);
    service.wait(|| service.records().len() == 2);
    service.settle();
    let (folder, store) = service.reopen();
    let versions = || count(folder.path(), "SELECT count(*) FROM changes");
    let before = versions();
    tamper(folder.path(), "UPDATE journal SET body = x'01ff' WHERE position = 1");
    let repaired = check(&store, true, |_| {}).unwrap();
    assert!(!repaired.findings.is_empty());
    assert!(repaired.findings.iter().all(|finding| !finding.repaired), "{:?}", repaired.findings);
    let again = check(&store, false, |_| {}).unwrap();
    assert_eq!(again.findings.len(), repaired.findings.len());
    assert_eq!(versions(), before, "a record is not replaced by one with less content");
}
