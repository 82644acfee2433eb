//! Misbehaving receivers do not delay others, and receive their events in the end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    endpoint, path,
    receiver::{Answer, Receiver},
    started, to,
};
use crate::{
    harness::{Client, SOON, Tenant, eventually},
    traffic::{ACCOUNT, another, example},
};

fn deliveries(client: &Client, tenant: &Tenant, endpoint: &Value) -> Vec<Value> {
    client.get(tenant, &path(endpoint, "/deliveries"))["deliveries"].as_array().unwrap().clone()
}

#[test]
fn a_misbehaving_receiver_does_not_delay_others() {
    let (_installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    let good = Receiver::start(Answer::status(200));
    let elsewhere = Receiver::start(Answer::status(200));
    let redirect = format!("location: {}\r\n", elsewhere.url());
    let misbehaving = [
        Answer::Hang,
        Answer::Reset,
        Answer::status(500),
        Answer::with_headers(302, &redirect),
        Answer::Bytes("what?\r\n\r\n".to_owned()),
    ]
    .map(Receiver::start);
    let endpoints: Vec<Value> =
        misbehaving.iter().map(|receiver| endpoint(&client, &tenant, &to(&receiver.url()))).collect();
    let drips = Receiver::start(Answer::Drip);
    let dripping = endpoint(&client, &tenant, &to(&drips.url()));
    endpoint(&client, &tenant, &to(&good.url()));
    let call = example("direct");
    for number in 0..20 {
        another(&call, number).iter().for_each(|line| client.notify(&tenant, line));
    }
    let last = Instant::now();
    let requests = good.expect(20);
    // No delivery has waited for the receiver that hangs, which takes 15 seconds per call.
    assert!(requests[19].at.duration_since(last) < Duration::from_secs(14));
    misbehaving.iter().for_each(|receiver| drop(receiver.expect(1)));
    let problems: Vec<String> = endpoints[1..]
        .iter()
        .map(|endpoint| {
            let found = eventually(SOON, || {
                let all = deliveries(&client, &tenant, endpoint);
                let one = all.iter().find(|one| one["attempts"][0]["problem"].is_string())?;
                assert_eq!(one["state"], "pending");
                Some(one["attempts"][0]["problem"].as_str().unwrap().to_owned())
            });
            found.expect("an attempt that failed is listed")
        })
        .collect();
    assert!(problems[1].contains("500") && problems[2].contains("redirects"), "{problems:?}");
    assert!(elsewhere.requests().is_empty());
    // A status is an answer, however slow the body is.
    let dripped = eventually(SOON, || {
        deliveries(&client, &tenant, &dripping).iter().any(|one| one["state"] == "delivered").then_some(())
    });
    assert!(dripped.is_some());
    server.stop();
}

#[test]
fn a_failed_delivery_is_retried_before_later_events_of_its_call() {
    let (_installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    let receiver = Receiver::start(Answer::status(503));
    let settings = json!({ "url": receiver.url(), "events": ["call.started", "call.completed"] });
    let added = endpoint(&client, &tenant, &settings);
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    let first = receiver.expect(1).remove(0);
    receiver.now_answers(Answer::status(200));
    let requests = receiver.expect(3);
    let after = requests[1].at.duration_since(first.at).as_millis();
    assert!(after >= 4_400, "the second attempt comes after 5 s, not {after} ms");
    let kinds: Vec<&str> = requests.iter().map(|request| request.kind()).collect();
    assert_eq!(kinds, ["call.started", "call.started", "call.completed"]);
    assert_eq!(requests[1].id(), first.id());
    let listed = eventually(SOON, || {
        let listed = deliveries(&client, &tenant, &added);
        listed.iter().all(|one| one["state"] == "delivered").then_some(listed)
    });
    assert_eq!(listed.expect("both are delivered")[1]["attempts"].as_array().unwrap().len(), 2);
    server.stop();
}

#[test]
fn an_endpoint_that_answers_gone_is_disabled_and_the_others_are_notified() {
    let (_installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    let (gone, other) = (Receiver::start(Answer::status(410)), Receiver::start(Answer::status(200)));
    let added = endpoint(&client, &tenant, &to(&gone.url()));
    endpoint(&client, &tenant, &to(&other.url()));
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    let requests = other.expect(2);
    let notice = requests.iter().find(|request| request.kind() == "endpoint.disabled").unwrap();
    assert_eq!(
        (&notice.body["data"]["endpoint"], &notice.body["data"]["reason"]),
        (&added["id"], &json!("gone"))
    );
    assert_eq!(client.get(&tenant, &path(&added, ""))["disabledReason"], "gone");
    server.stop();
}

#[test]
fn a_busy_endpoint_gets_no_requests_until_its_retry_after() {
    let (_installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    let receiver = Receiver::start(Answer::with_headers(429, "retry-after: 7\r\n"));
    endpoint(&client, &tenant, &to(&receiver.url()));
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    let first = receiver.expect(1).remove(0);
    receiver.now_answers(Answer::status(200));
    let second = receiver.expect(2).remove(1);
    let after = second.at.duration_since(first.at).as_millis();
    assert!(after >= 6_900, "{after} ms");
    server.stop();
}
