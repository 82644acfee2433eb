//! Receivers that misbehave hold up nobody else, and are told in the end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    endpoint, path,
    receiver::{Answer, Receiver},
    started, to,
};
use crate::{
    harness::{Client, Installation, SOON, Tenant, eventually},
    traffic::{ACCOUNT, another, example},
};

fn deliveries(client: &Client, tenant: &Tenant, endpoint: &Value) -> Vec<Value> {
    client.get(tenant, &path(endpoint, "/deliveries"))["deliveries"].as_array().unwrap().clone()
}

#[test]
fn whoever_misbehaves_holds_up_nobody_else() {
    let installation = Installation::new();
    let (server, tenant) = started(&installation, ACCOUNT);
    let client = server.client();
    let good = Receiver::start(Answer::status(200));
    let elsewhere = Receiver::start(Answer::status(200));
    let redirect = format!("location: {}\r\n", elsewhere.url());
    let unruly = [
        Answer::Hang,
        Answer::Reset,
        Answer::status(500),
        Answer::with_headers(302, &redirect),
        Answer::Bytes("what?\r\n\r\n".to_owned()),
    ]
    .map(Receiver::start);
    let endpoints: Vec<Value> =
        unruly.iter().map(|receiver| endpoint(&client, &tenant, &to(&receiver.url()))).collect();
    let drips = Receiver::start(Answer::Drip);
    let dripping = endpoint(&client, &tenant, &to(&drips.url()));
    endpoint(&client, &tenant, &to(&good.url()));
    let call = example("direct");
    for number in 0..20 {
        another(&call, number).iter().for_each(|line| client.notify(&tenant, line));
    }
    let last = Instant::now();
    let told = good.expect(20);
    // Nobody has waited for the one that hangs: that takes 15 seconds for each call.
    assert!(told[19].at.duration_since(last) < Duration::from_secs(14));
    unruly.iter().for_each(|receiver| drop(receiver.expect(1)));
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
    // A status is an answer, however slowly the rest comes.
    let dripped = eventually(SOON, || {
        deliveries(&client, &tenant, &dripping).iter().any(|one| one["state"] == "delivered").then_some(())
    });
    assert!(dripped.is_some());
    server.stop();
}

#[test]
fn what_fails_is_tried_again_and_its_call_waits() {
    let installation = Installation::new();
    let (server, tenant) = started(&installation, ACCOUNT);
    let client = server.client();
    let receiver = Receiver::start(Answer::status(503));
    let wanted = json!({ "url": receiver.url(), "events": ["call.started", "call.completed"] });
    let added = endpoint(&client, &tenant, &wanted);
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    let first = receiver.expect(1).remove(0);
    receiver.now_answers(Answer::status(200));
    let told = receiver.expect(3);
    let after = told[1].at.duration_since(first.at).as_millis();
    assert!(after >= 4_400, "the second attempt comes after 5 s, not {after} ms");
    let kinds: Vec<&str> = told.iter().map(|request| request.kind()).collect();
    assert_eq!(kinds, ["call.started", "call.started", "call.completed"]);
    assert_eq!(told[1].id(), first.id());
    let listed = eventually(SOON, || {
        let listed = deliveries(&client, &tenant, &added);
        listed.iter().all(|one| one["state"] == "delivered").then_some(listed)
    });
    assert_eq!(listed.expect("both are delivered")[1]["attempts"].as_array().unwrap().len(), 2);
    server.stop();
}

#[test]
fn an_endpoint_that_is_gone_is_disabled_and_the_others_are_told() {
    let installation = Installation::new();
    let (server, tenant) = started(&installation, ACCOUNT);
    let client = server.client();
    let (gone, other) = (Receiver::start(Answer::status(410)), Receiver::start(Answer::status(200)));
    let added = endpoint(&client, &tenant, &to(&gone.url()));
    endpoint(&client, &tenant, &to(&other.url()));
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    let told = other.expect(2);
    let notice = told.iter().find(|request| request.kind() == "endpoint.disabled").unwrap();
    assert_eq!(
        (&notice.body["data"]["endpoint"], &notice.body["data"]["reason"]),
        (&added["id"], &json!("gone"))
    );
    assert_eq!(client.get(&tenant, &path(&added, ""))["disabledReason"], "gone");
    server.stop();
}

#[test]
fn a_busy_endpoint_is_left_alone_for_as_long_as_it_asks() {
    let installation = Installation::new();
    let (server, tenant) = started(&installation, ACCOUNT);
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
