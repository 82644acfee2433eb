//! Events have one format for all readers.

use serde_json::{Value, json};

use super::{
    endpoint,
    receiver::{Answer, Receiver},
    send, started, to,
};
use crate::{
    changes::events,
    harness::{Client, SOON, Tenant, eventually},
    traffic::{ACCOUNT, example, expect_settled},
};

const ALL: [&str; 5] = ["call.started", "call.updated", "call.completed", "call.revised", "call.merged"];

/// The event of a type in the feed.
fn in_feed(client: &Client, tenant: &Tenant, kind: &str) -> Value {
    client.changes(tenant).into_iter().find(|event| event["type"] == kind).expect("it is in the feed")
}

#[test]
fn webhook_batch_stream_and_feed_contain_the_same_object() {
    let (plain, batched) = (Receiver::start(Answer::status(200)), Receiver::start(Answer::status(200)));
    let (_installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    endpoint(&client, &tenant, &json!({ "url": plain.url(), "events": ALL }));
    endpoint(&client, &tenant, &json!({ "url": batched.url(), "events": ALL, "batch": 100 }));
    let stream = client.stream(&tenant, "/v1/stream", &[]);
    example("warm-transfer").iter().for_each(|line| client.notify(&tenant, line));
    expect_settled(&client, &tenant);
    let feed = client.changes(&tenant);
    assert!(feed.iter().any(|event| event["type"] == "call.merged"), "{feed:?}");
    for event in &feed {
        let members: Vec<&String> = event.as_object().unwrap().keys().collect();
        assert_eq!(members, ["cursor", "data", "id", "tenant", "timestamp", "type"]);
        assert_eq!(event["tenant"], "acme");
    }
    // A live version may have been replaced by a later one.
    let needed = |event: &&Value| event["type"] != "call.updated";
    let expect_same = |delivered: &dyn Fn() -> Vec<Value>| {
        let is_delivered = |event: &Value| delivered().iter().any(|other| other["id"] == event["id"]);
        eventually(SOON, || feed.iter().filter(needed).all(is_delivered).then_some(()))
            .expect("all events are delivered");
        for event in delivered() {
            assert!(feed.contains(&event), "{event}");
        }
    };
    expect_same(&|| {
        let requests = plain.requests();
        requests
            .into_iter()
            .inspect(|request| assert_eq!(request.body["id"], request.id()))
            .map(|request| request.body)
            .collect()
    });
    expect_same(&|| {
        let requests = batched.requests();
        requests.iter().flat_map(|request| request.body["data"].as_array().unwrap().clone()).collect()
    });
    for ((id, kind, data), event) in events(stream, feed.len()).into_iter().zip(&feed) {
        assert_eq!((&json!(id), &json!(kind), &data), (&event["cursor"], &event["type"], event));
    }
    server.stop();
}

#[test]
fn a_revision_has_the_changes_from_the_previous_version_for_every_endpoint() {
    let (first, later) = (Receiver::start(Answer::status(200)), Receiver::start(Answer::status(200)));
    let (_installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    endpoint(&client, &tenant, &to(&first.url()));
    // One notification arrives late.
    let mut call = example("direct");
    let late = call.remove(call.len() / 2);
    call.iter().for_each(|line| client.notify(&tenant, line));
    let completed = first.expect(1).remove(0);
    assert_eq!(completed.kind(), "call.completed");
    endpoint(&client, &tenant, &to(&later.url()));
    client.notify(&tenant, &late);
    let revised = first.expect(2).remove(1);
    assert_eq!(revised.kind(), "call.revised");
    assert_eq!(later.expect(1)[0].text, revised.text, "it has not received the previous version");
    assert_eq!(in_feed(&client, &tenant, "call.revised"), revised.body);
    let data = &revised.body["data"];
    let mut patched = completed.body["data"]["call"].clone();
    assert_eq!(data["fromVersion"], patched["version"]);
    let patch: json_patch::Patch = serde_json::from_value(data["changed"].clone()).unwrap();
    json_patch::patch(&mut patched, &patch).unwrap();
    assert_eq!(patched, data["call"]);
    server.stop();
}

#[test]
fn every_endpoint_receives_erasures_whatever_its_filter() {
    let receiver = Receiver::start(Answer::status(200));
    let (_installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    let narrow = json!({ "url": receiver.url(), "events": ["call.merged"], "filter": { "result": "Busy" } });
    endpoint(&client, &tenant, &narrow);
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    let call = eventually(SOON, || client.calls(&tenant, "state=complete", 10).pop()).unwrap();
    let number = call["from"]["phoneNumber"].as_str().unwrap();
    let erased = send(&client, &tenant, "DELETE", &format!("/v1/numbers/{number}"), &json!({}));
    assert_eq!(erased.status, 200, "{erased:?}");
    let event = receiver.expect(1).remove(0);
    assert_eq!(event.kind(), "call.erased");
    assert_eq!(event.body, in_feed(&client, &tenant, "call.erased"));
    let expected = json!({ "calls": [{ "id": call["id"], "version": call["version"] }] });
    assert_eq!(event.body["data"], expected);
    server.stop();
}
