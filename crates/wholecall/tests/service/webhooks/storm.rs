//! `kill -9` during many deliveries: no event is lost, versions stay in order, and ids do not change.

use std::{
    collections::{BTreeMap, HashMap},
    thread,
    time::Duration,
};

use fastrand::Rng;
use serde_json::json;

use super::{
    endpoint,
    receiver::{Answer, Receiver},
    restarted, started,
};
use crate::{
    harness::{SOON, eventually},
    traffic::{ACCOUNT, another, example, expect_settled},
};

const ROUNDS: usize = 5;
const CALLS_PER_ROUND: usize = 40;

#[test]
fn killed_during_deliveries_it_loses_no_event_and_preserves_the_order() {
    let (installation, server, tenant) = started(ACCOUNT);
    // The ends of some calls never arrive.
    let set = ["tenant", "set", "acme", "--last-leg-idle-timeout", "500ms", "--idle-timeout", "500ms"];
    installation.command_json(&set);
    let receivers = [Receiver::start(Answer::status(200)), Receiver::start(Answer::status(200))];
    for receiver in &receivers {
        let events = ["call.started", "call.completed", "call.revised", "call.merged"];
        endpoint(&server.client(), &tenant, &json!({ "url": receiver.url(), "events": events }));
    }
    let mut server = Some(server);
    let mut rng = Rng::with_seed(8);
    let call = example("direct");
    for round in 0..ROUNDS {
        let running = server.get_or_insert_with(|| restarted(&installation));
        let client = running.client();
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..CALLS_PER_ROUND {
                    for line in another(&call, round * CALLS_PER_ROUND + number) {
                        // Another test covers notifications that are not acknowledged.
                        let _ = client.try_notify(&tenant, &line);
                    }
                }
            });
            thread::sleep(Duration::from_millis(rng.u64(100..900)));
            server.take().unwrap().kill();
        });
    }
    let server = restarted(&installation);
    let client = server.client();
    expect_settled(&client, &tenant);
    let changes = client.changes(&tenant);
    let expected: BTreeMap<String, &str> = changes
        .iter()
        .filter(|change| change["type"] != "call.updated")
        .map(|change| (change["id"].as_str().unwrap().to_owned(), change["type"].as_str().unwrap()))
        .collect();
    assert!(expected.len() > 2 * CALLS_PER_ROUND, "{}", expected.len());
    for receiver in &receivers {
        let missing = || -> Vec<String> {
            let requests = receiver.requests();
            expected
                .keys()
                .filter(|id| !requests.iter().any(|request| request.id() == id.as_str()))
                .cloned()
                .collect()
        };
        let all = eventually(SOON, || missing().is_empty().then_some(()));
        assert!(all.is_some(), "never delivered: {:?}", missing());
        let mut versions: HashMap<String, u64> = HashMap::new();
        let mut bodies: HashMap<String, String> = HashMap::new();
        for request in receiver.requests() {
            assert_eq!(expected.get(request.id()).copied(), Some(request.kind()));
            let body = bodies.entry(request.id().to_owned()).or_insert_with(|| request.body.to_string());
            assert_eq!(*body, request.body.to_string(), "one id, one event");
            let (call, version) = request.version();
            let last = versions.entry(call.clone()).or_default();
            assert!(version >= *last, "{call}: {version} after {last}");
            *last = version;
        }
    }
    server.stop();
}
