//! The feed: a client with a cursor receives every version once and in order.

use std::{
    io::BufRead,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    crash::expect_sound,
    harness::{Client, Installation, Tenant},
    traffic::{ACCOUNT, assembled, company_day, example, expect_calls, expect_settled, post_all},
};

/// Reads the feed with pauses until no more changes arrive.
fn read(client: &Client, tenant: &Tenant, limit: usize, pause: Duration) -> Vec<Value> {
    let (mut changes, mut after) = (Vec::new(), "0".to_owned());
    loop {
        // Longer than any call takes to settle.
        let page = client.get(tenant, &format!("/v1/changes?after={after}&limit={limit}&wait=13"));
        let found = page["changes"].as_array().unwrap();
        if found.is_empty() {
            return changes;
        }
        assert!(found.len() <= limit);
        changes.extend(found.iter().cloned());
        page["next"].as_str().unwrap().clone_into(&mut after);
        thread::sleep(pause);
    }
}

/// Reads server-sent events: id, type and data.
pub(crate) fn events(reader: impl BufRead, count: usize) -> Vec<(String, String, Value)> {
    let mut events = Vec::new();
    let (mut id, mut kind) = (String::new(), String::new());
    for line in reader.lines() {
        let line = line.unwrap();
        match line.split_once(':') {
            Some(("id", value)) => value.trim().clone_into(&mut id),
            Some(("event", value)) => value.trim().clone_into(&mut kind),
            Some(("data", value)) => {
                events.push((id.clone(), kind.clone(), serde_json::from_str(value).unwrap()));
            }
            _ => {}
        }
        if events.len() == count {
            break;
        }
    }
    events
}

#[test]
fn a_slow_reader_receives_every_version_once() {
    let day = company_day(25, 23);
    let installation = Installation::new();
    let server = installation.start();
    let tenant = installation.tenant("company", &day.accounts);
    let (fast, slow) = thread::scope(|scope| {
        let fast = scope.spawn(|| read(&server.client(), &tenant, 1_000, Duration::ZERO));
        let slow = scope.spawn(|| read(&server.client(), &tenant, 7, Duration::from_millis(2)));
        post_all(&server, &tenant, &day.notifications, 6);
        (fast.join().unwrap(), slow.join().unwrap())
    });
    let client = server.client();
    expect_settled(&client, &tenant);
    let all = client.changes(&tenant);
    expect_sound(&all);
    assert!(fast == all, "{} of {} changes", fast.len(), all.len());
    assert!(slow == all, "{} of {} changes", slow.len(), all.len());
    // Every version of a call was published.
    for call in client.calls(&tenant, "", 500).iter().take(50) {
        let id = call["id"].as_str().unwrap();
        let versions = client.get(&tenant, &format!("/v1/calls/{id}/versions"));
        let published = all.iter().map(|event| &event["data"]["call"]).filter(|call| call["id"] == id);
        assert!(versions["versions"].as_array().unwrap().iter().eq(published), "{id}");
    }
    server.stop();
}

#[test]
fn a_long_poll_is_answered_at_once() {
    let installation = Installation::new();
    let server = installation.start();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let started = Instant::now();
    let nothing = server.client().get(&tenant, "/v1/changes?wait=1");
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(nothing["changes"], serde_json::json!([]));
    let next = nothing["next"].as_str().unwrap();
    let again = server.client().get(&tenant, &format!("/v1/changes?after={next}"));
    assert_eq!(again, nothing);
    let foreign = next.replacen(next.split('-').next().unwrap(), "0123abcd", 1);
    let reply = server.client().try_get(&tenant, &format!("/v1/changes?after={foreign}"), &[]).unwrap();
    assert!(reply.problem(410).contains("another store"));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let page = server.client().get(&tenant, "/v1/changes?wait=60");
            (page, Instant::now())
        });
        thread::sleep(Duration::from_millis(300));
        let client = server.client();
        client.notify(&tenant, &example("direct")[0]);
        let posted = Instant::now();
        let (page, answered) = waiting.join().unwrap();
        assert_eq!(page["changes"][0]["type"], "call.started");
        let after = answered.saturating_duration_since(posted);
        assert!(
            after < Duration::from_secs(45),
            "{after:?}: the answer did not come before the poll's timeout"
        );
    });
    server.stop();
}

#[test]
fn a_stream_resumes_after_the_last_event() {
    let installation = Installation::new();
    let server = installation.start();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let client = server.client();
    let from_now_on = client.stream(&tenant, "/v1/stream", &[]);
    post_all(&server, &tenant, &example("warm-transfer"), 1);
    expect_calls(&client, &tenant, &assembled(&example("warm-transfer")));
    let all = client.changes(&tenant);
    let expected: Vec<(String, String, Value)> = all
        .iter()
        .map(|change| {
            let text = |name: &str| change[name].as_str().unwrap().to_owned();
            (text("cursor"), text("type"), change.clone())
        })
        .collect();
    assert!(expected.len() >= 2, "{expected:?}");
    assert_eq!(events(from_now_on, expected.len()), expected);
    for (seen, event) in expected.iter().enumerate().take(expected.len() - 1) {
        let rest = &expected[seen + 1..];
        let by_header = client.stream(&tenant, "/v1/stream", &[("Last-Event-ID", &event.0)]);
        assert_eq!(events(by_header, rest.len()), rest);
        let by_query = client.stream(&tenant, &format!("/v1/stream?after={}", event.0), &[]);
        assert_eq!(events(by_query, rest.len()), rest);
    }
    server.stop();
}
