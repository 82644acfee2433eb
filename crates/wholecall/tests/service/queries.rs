//! Queries for calls, compared with the records assembled from the notifications.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    harness::{Client, Installation, SOON, Server, Tenant, eventually},
    traffic::{
        ACCOUNT, another, assembled, by_id, collected, example, examples, expect_calls, nameless, post_all,
    },
};

type Calls = BTreeMap<String, Value>;

/// A service with the example calls.
fn service() -> (Installation, Server, Tenant, Calls) {
    let (installation, server, tenant) = Installation::running(ACCOUNT);
    post_all(&server, &tenant, &examples(), 2);
    let expected = assembled(&examples());
    expect_calls(&server.client(), &tenant, &expected);
    (installation, server, tenant, expected)
}

fn list<'c>(call: &'c Value, name: &str) -> &'c [Value] {
    call[name].as_array().unwrap()
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Expects that a query finds exactly the calls that match by their records: at least one, and not all.
fn expect_found(
    client: &Client,
    tenant: &Tenant,
    all: &Calls,
    query: &str,
    matches: impl Fn(&Value) -> bool,
) {
    let expected: Calls =
        all.iter().filter(|(_, call)| matches(call)).map(|(id, call)| (id.clone(), call.clone())).collect();
    assert!((1..all.len()).contains(&expected.len()), "{query} matches none or all: {}", expected.len());
    let expected = nameless(&expected);
    let found = |limit| nameless(&by_id(client.calls(tenant, query, limit)));
    assert_eq!(found(50), expected, "{query}");
    assert_eq!(found(1), expected, "{query}, one by one");
}

#[test]
fn every_filter_finds_exactly_its_calls() {
    let (_installation, server, tenant, all) = service();
    let client = server.client();
    let found = |query: &str, matches: &dyn Fn(&Value) -> bool| {
        expect_found(&client, &tenant, &all, query, matches);
    };
    let with_number = |number: &'static str| {
        move |call: &Value| {
            let people = list(call, "participants").iter();
            let numbers = people.flat_map(|one| [&one["phoneNumber"], &one["extensionNumber"]]);
            numbers.filter_map(Value::as_str).map(digits).any(|other| other == number)
        }
    };
    for spelling in [
        "%2B14045550145",
        "+14045550145",
        "14045550145",
        "0014045550145",
        "4045550145",
        "(404)%20555-0145",
        "404.555.0145",
        "%2B1%20404%20555%200145",
        "1-404-555-0145",
    ] {
        found(&format!("number={spelling}"), &with_number("14045550145"));
    }
    found("number=106", &with_number("106"));
    for extension in ["400131426101", "400131426107", "400131426001"] {
        found(&format!("extension={extension}"), &|call| {
            list(call, "participants").iter().any(|one| one["extensionId"] == extension)
        });
    }
    for (query, part) in [("Okafor", "okafor"), ("ADA", "ada"), ("dev%20pat", "dev pat"), ("%C3%A9", "é")] {
        let named = |call: &Value| {
            let names = list(call, "participants").iter().filter_map(|one| one["name"].as_str());
            names.map(str::to_lowercase).any(|name| name.contains(part))
        };
        if part == "é" {
            assert!(client.calls(&tenant, &format!("name={query}"), 10).is_empty());
        } else {
            found(&format!("name={query}"), &named);
        }
    }
    for kind in ["AttendedTransfer", "Park", "Retrieve", "Conference"] {
        found(&format!("move={kind}"), &|call| list(call, "moves").iter().any(|step| step["kind"] == kind));
    }
    found("direction=Outbound", &|call| call["direction"] == "Outbound");
    found("direction=inbound", &|call| call["direction"] == "Inbound");
    found("queue=400131426002", &|call| {
        list(call, "queues").iter().any(|visit| visit["participant"] == "ext:400131426002")
    });
    found("from=2026-11-16T15:31:27.214Z", &|call| {
        call["startTime"].as_str() >= Some("2026-11-16T15:31:27.214Z")
    });
    found("to=2026-11-16T15:31:27.214Z", &|call| {
        call["startTime"].as_str() < Some("2026-11-16T15:31:27.214Z")
    });
    found("from=2026-11-16T16:00:00%2B01:00&to=2026-11-16T10:40:00-06:00", &|call| {
        let start = call["startTime"].as_str();
        start >= Some("2026-11-16T15:00:00.000Z") && start < Some("2026-11-16T16:40:00.000Z")
    });
    found("extension=400131426107&move=Park&direction=Inbound", &|call| {
        list(call, "participants").iter().any(|one| one["extensionId"] == "400131426107")
            && list(call, "moves").iter().any(|step| step["kind"] == "Park")
    });
    for everything in ["", "result=Answered", "state=complete", "from=2020-01-01T00:00:00Z"] {
        assert_eq!(by_id(client.calls(&tenant, everything, 50)), all, "{everything}");
    }
    for nothing in [
        "result=Missed",
        "state=live",
        "state=incomplete",
        "number=%2B14045559999",
        "number=5550145&name=unknown",
        "extension=1",
        "customer=%2B14045559999",
        "answeredBy=1",
        "user=ext:1",
        "name=unknown",
        "queue=400131426101",
        "move=Pickup",
        "to=2020-01-01T00:00:00Z",
        "move=Park&queue=400131426002",
    ] {
        assert!(client.calls(&tenant, nothing, 50).is_empty(), "{nothing}");
    }
    server.stop();
}

#[test]
fn pages_neither_lose_nor_repeat_calls() {
    let (_installation, server, tenant) = Installation::running(ACCOUNT);
    let direct = example("direct");
    // All calls start in the same millisecond.
    let notifications: Vec<String> = (0..60).flat_map(|number| another(&direct, number)).collect();
    post_all(&server, &tenant, &notifications, 4);
    let client = server.client();
    let expected = collected(notifications.iter().map(String::as_str));
    assert_eq!(expected.len(), 60);
    expect_calls(&client, &tenant, &expected);
    let expected = nameless(&expected);
    for limit in [1, 7, 30, 59, 60, 61] {
        for query in ["", "number=7705550132", "result=Answered"] {
            let found = by_id(client.calls(&tenant, query, limit));
            assert_eq!(nameless(&found), expected, "{query} {limit}");
        }
    }
    // A client that continues reading while calls arrive finds each earlier call once.
    let first = client.get(&tenant, "/v1/calls?limit=30");
    post_all(&server, &tenant, &another(&direct, 99), 1);
    let rest = client.calls(&tenant, &format!("cursor={}", first["next"].as_str().unwrap()), 1_000);
    let both = list(&first, "calls").iter().cloned().chain(rest);
    let mut both = by_id(both);
    both.retain(|id, _| expected.contains_key(id));
    assert_eq!(nameless(&both), expected);
    server.stop();
}

#[test]
fn calls_are_listed_newest_first() {
    let (_installation, server, tenant, _) = service();
    let calls = server.client().calls(&tenant, "", 2);
    let starts: Vec<&str> = calls.iter().map(|call| call["startTime"].as_str().unwrap()).collect();
    assert!(starts.is_sorted_by(|a, b| a >= b), "{starts:?}");
    server.stop();
}

#[test]
fn as_of_shows_calls_as_known_at_a_time() {
    let (_installation, server, tenant) = Installation::running(ACCOUNT);
    let client = server.client();
    let notifications = example("direct");
    let (first, rest) = notifications.split_at(4);
    first.iter().for_each(|notification| client.notify(&tenant, notification));
    eventually(SOON, || client.calls(&tenant, "", 1).pop()).unwrap();
    // The next version is at least a second later.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    rest.iter().for_each(|notification| client.notify(&tenant, notification));
    expect_calls(&client, &tenant, &assembled(&notifications));
    let [call] = &client.calls(&tenant, "", 10)[..] else { panic!("one call") };
    let id = call["id"].as_str().unwrap();
    let versions = client.get(&tenant, &format!("/v1/calls/{id}/versions"));
    let versions = list(&versions, "versions");
    assert!(versions.len() >= 2, "{} versions", versions.len());
    assert_eq!(versions.last(), Some(call));
    for version in versions {
        let then = version["updatedAt"].as_str().unwrap();
        let known = client.get(&tenant, &format!("/v1/calls/{id}?as_of={then}"));
        assert_eq!(known["version"], version["version"]);
        assert_eq!(known, *version);
        let state = version["state"].as_str().unwrap();
        let listed = client.calls(&tenant, &format!("as_of={then}&state={state}&number=7705550132"), 10);
        assert_eq!(listed, std::slice::from_ref(version));
        let other = if state == "live" { "complete" } else { "live" };
        assert!(client.calls(&tenant, &format!("as_of={then}&state={other}"), 10).is_empty());
    }
    assert!(client.calls(&tenant, "as_of=2020-01-01T00:00:00Z", 10).is_empty());
    client.try_get(&tenant, &format!("/v1/calls/{id}?as_of=2020-01-01T00:00:00Z"), &[]).unwrap().problem(404);
    server.stop();
}

#[test]
fn a_call_has_notifications_and_an_explanation() {
    let (_installation, server, tenant, all) = service();
    let client = server.client();
    for (name, number) in [("direct", 1), ("warm-transfer", 2), ("conference", 3)] {
        let posted = example(name);
        let expected = collected(posted.iter().map(String::as_str));
        let id = expected.keys().next().unwrap();
        let call = client.get(&tenant, &format!("/v1/calls/{id}"));
        assert_eq!(by_id([call.clone()])[id], all[id]);
        assert_eq!(list(&call, "sessions").len(), number);
        let stored = client.get(&tenant, &format!("/v1/calls/{id}/notifications"));
        let sorted = |mut bodies: Vec<String>| {
            bodies.sort();
            bodies
        };
        let bodies =
            list(&stored, "notifications").iter().map(|one| one["notification"].to_string()).collect();
        let plain = |text: &String| serde_json::from_str::<Value>(text).unwrap().to_string();
        assert_eq!(sorted(bodies), sorted(posted.iter().map(plain).collect()));
        let positions: Vec<i64> =
            list(&stored, "notifications").iter().map(|one| one["position"].as_i64().unwrap()).collect();
        assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
        let path = format!("/v1/calls/{id}/explain");
        assert!(client.get(&tenant, &path).is_object());
        let text = client.try_get(&tenant, &path, &[("Accept", "text/plain")]).unwrap();
        assert!(text.header("content-type").unwrap().starts_with("text/plain"));
        assert!(text.body.lines().count() > 3 && serde_json::from_str::<Value>(&text.body).is_err());
    }
    server.stop();
}

#[test]
fn calls_in_other_formats() {
    let (_installation, server, tenant, all) = service();
    let client = server.client();
    let ask = |path: &str, accept: &str| client.try_get(&tenant, path, &[("Accept", accept)]).unwrap();
    for (format, kind) in
        [("csv", "text/csv"), ("ndjson", "application/x-ndjson"), ("vcon", "application/vcon+json")]
    {
        let by_accept = ask("/v1/calls?limit=4", kind);
        let by_format = ask(&format!("/v1/calls?limit=4&format={format}"), "application/json");
        let answered = by_accept.header("content-type").and_then(|kind| kind.split(';').next());
        assert_eq!((by_accept.status, answered), (200, Some(kind)));
        assert_eq!(by_accept.body, by_format.body);
        let next = by_accept.header("wholecall-next").unwrap();
        let rest = ask(&format!("/v1/calls?limit=4&cursor={next}"), kind);
        assert_eq!(rest.header("wholecall-next"), None);
        let head = usize::from(format == "csv");
        let lines = |text: &str| text.lines().count() - head;
        assert_eq!(lines(&by_accept.body) + lines(&rest.body), all.len(), "{format}");
    }
    let lines = ask("/v1/calls", "application/x-ndjson").body;
    assert_eq!(by_id(lines.lines().map(|line| serde_json::from_str(line).unwrap())), all);
    let id = all.keys().next().unwrap();
    let vcon: Value =
        serde_json::from_str(&ask(&format!("/v1/calls/{id}"), "application/vcon+json").body).unwrap();
    assert!(vcon["parties"].is_array(), "{vcon}");
    // A browser, a script, a client without a preference.
    for accept in ["*/*", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json"] {
        assert_eq!(ask("/v1/calls", accept).header("content-type"), Some("application/json"));
    }
    ask("/v1/calls", "image/png").problem(406);
    server.stop();
}

#[test]
fn wrong_parameters_are_answered_with_the_allowed_values() {
    let (_installation, server, tenant, _) = service();
    let client = server.client();
    for (query, hint) in [
        ("calls?direction=up", "Inbound"),
        ("calls?result=fine", "Answered"),
        ("calls?state=gone", "live"),
        ("calls?move=jump", "AttendedTransfer"),
        ("calls?from=yesterday", "2026-05-30T12:31:12Z"),
        ("calls?to=1", "to:"),
        ("calls?as_of=now", "as_of"),
        ("calls?limit=0", "limit"),
        ("calls?limit=many", "limit"),
        ("calls?cursor=xx", "cursor"),
        ("calls?number=abc", "digit"),
        ("calls?format=xml", "ndjson"),
        ("calls?colour=red", "colour"),
        ("changes?after=x", "cursor"),
        ("calls?endState=gone", "talking"),
        ("changes?after=0&limit=0", "limit"),
        ("changes?since=1", "since"),
        ("stream?after=x", "cursor"),
    ] {
        let detail = client.try_get(&tenant, &format!("/v1/{query}"), &[]).unwrap().problem(400);
        assert!(detail.contains(hint), "{query}: {detail}");
    }
    for path in
        ["/v1/calls/s-none", "/v1/calls/s-none/versions", "/v1/calls/s-none/explain", "/v1/nothing", "/no"]
    {
        client.try_get(&tenant, path, &[]).unwrap().problem(404);
    }
    client.post("/v1/calls", &[("Authorization", &format!("Bearer {}", tenant.api_key))], b"").problem(405);
    client.try_get(&tenant, "/v1/tenants", &[]).unwrap().problem(403);
    let keyless = client.post("/v1/notifications", &[], b"");
    keyless.problem(401);
    assert_eq!(keyless.header("www-authenticate"), Some("Bearer"));
    server.stop();
}
