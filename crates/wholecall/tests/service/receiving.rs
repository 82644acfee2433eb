//! Requests to a hook: accepted, rejected or refused.

use std::{
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use wholecall_store::{Position, Store};

use crate::{
    harness::{Client, Installation, Reply, SOON, Server, Tenant, eventually},
    traffic::{ACCOUNT, assembled, example, expect_calls},
};

fn count(installation: &Installation, table: &str) -> i64 {
    installation.database().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

fn reasons(installation: &Installation) -> Vec<String> {
    let database = installation.database();
    let mut statement = database.prepare("SELECT reason FROM rejected ORDER BY id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Number of stored notifications, assembled or not.
fn stored_count(installation: &Installation) -> usize {
    let store = Store::open(&installation.data()).unwrap();
    store.journal_after(Position(0), usize::MAX >> 1).unwrap().len()
}

#[test]
fn the_handshake_is_answered_as_ringcentral_requires() {
    let (installation, server, _) = Installation::running(ACCOUNT);
    let token = "2f8c9d5e-5a3b-4c7d-9a40-7ab3a1f0cc11".repeat(10);
    for hook in ["acme", "not-there-yet"] {
        let answer = server.exchange(&format!(
            "POST /hooks/{hook} HTTP/1.1\r\nHost: calls\r\nValidation-Token: {token}\r\n\
                 Content-Type: application/json\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200 "), "{answer}");
        assert!(head.contains(&format!("\r\nvalidation-token: {token}")), "{answer}");
        assert!(head.contains("\r\ncontent-type: application/json"), "{answer}");
        assert!(answer.len() < 1_024, "{} bytes", answer.len());
        assert_eq!(body, "");
    }
    assert_eq!((stored_count(&installation), count(&installation, "rejected")), (0, 0));
    server.stop();
}

#[test]
fn a_hook_requires_a_valid_token() {
    let (installation, server, tenant) = Installation::running(ACCOUNT);
    let client = server.client();
    let [first, ..] = &example("direct")[..] else { panic!("an example is empty") };
    let refused = |name: &str, token: Option<&str>| -> (String, String) {
        let headers: Vec<(&str, &str)> =
            token.map(|token| ("Verification-Token", token)).into_iter().collect();
        let reply = client.post(&format!("/hooks/{name}"), &headers, first.as_bytes());
        (reply.problem(401), format!("{:?}", shape(&reply)))
    };
    let wrong = refused("acme", Some("not-the-token"));
    assert_eq!(wrong, refused("acme", None));
    assert_eq!(wrong, refused("acme", Some("")));
    // The answer does not reveal which tenants exist.
    assert_eq!(wrong, refused("unknown", Some(&tenant.token)));
    assert_eq!(wrong, refused("acme", Some(&tenant.api_key)));
    assert_eq!((stored_count(&installation), count(&installation, "rejected")), (0, 0));
    client.notify(&tenant, first);
    assert_eq!(stored_count(&installation), 1);
    server.stop();
}

/// Status and headers without the date.
fn shape(reply: &Reply) -> (u16, Vec<&(String, String)>) {
    (
        reply.status,
        reply.headers.iter().filter(|(name, _)| !["date", "x-request-id"].contains(&&**name)).collect(),
    )
}

#[test]
fn tokens_are_rotated_without_a_gap() {
    let (installation, server, old) = Installation::running(ACCOUNT);
    let client = server.client();
    let notifications = example("direct");
    client.notify(&old, &notifications[0]);
    let rotated = installation.command_json(&["tenant", "rotate", "acme", "verification-token"]);
    let new = Tenant { token: rotated["verificationToken"].as_str().unwrap().to_owned(), ..old.clone() };
    client.notify(&new, &notifications[1]);
    client.notify(&old, &notifications[2]);
    let finished = installation.command_json(&["tenant", "rotate", "acme", "verification-token", "--finish"]);
    assert_eq!(finished["removed"], 1);
    client.notify(&new, &notifications[3]);
    let is_refused = eventually(SOON, || {
        (client.try_notify(&old, &notifications[4]).unwrap().status == 401).then_some(())
    });
    assert!(is_refused.is_some(), "the old token still works");
    server.stop();
}

#[test]
fn a_body_has_at_most_256_kib() {
    let (installation, server, tenant) = Installation::running(ACCOUNT);
    let client = server.client();
    let of_length = |length: usize| {
        let mut body = example("direct").remove(0);
        body.insert_str(body.len() - 1, &" ".repeat(length - body.len()));
        body
    };
    client.notify(&tenant, &of_length(256 * 1_024));
    client.notify(&tenant, &of_length(256 * 1_024 + 1));
    let [reason] = &reasons(&installation)[..] else { panic!("one rejected notification") };
    assert!(reason.contains("262144"), "{reason}");
    assert_eq!(stored_count(&installation), 1);
    server.stop();
}

#[test]
fn bodies_that_are_not_the_tenants_notifications_are_rejected() {
    let (installation, server, tenant) = Installation::running(ACCOUNT);
    let client = server.client();
    let foreign = example("direct").remove(0).replace(ACCOUNT, "500131426008");
    let bodies = [
        ("not JSON at all", "not JSON"),
        (r#"{"a":1}"#, ""),
        ("", ""),
        (r#"{"uuid":"1","event":"/restapi/v1.0/account/1/extension/2/presence","body":{}}"#, ""),
        (foreign.as_str(), "account 500131426008 is not one of the tenant's"),
    ];
    for (body, _) in bodies {
        client.notify(&tenant, body);
    }
    let reply = client.post("/hooks/acme", &[("Verification-Token", &tenant.token)], &[0xff, 0xfe, 0]);
    assert_eq!(reply.status, 200);
    let reasons = reasons(&installation);
    assert_eq!(reasons.len(), bodies.len() + 1, "{reasons:?}");
    assert!(reasons.iter().all(|reason| !reason.is_empty()), "{reasons:?}");
    assert_eq!(reasons[4], bodies[4].1);
    assert!(reasons[5].starts_with("not UTF-8"), "{reasons:?}");
    assert_eq!(stored_count(&installation), 0);
    assert_eq!(client.calls(&tenant, "", 10).len(), 0);
    server.stop();
}

#[test]
fn duplicates_count_once() {
    let (installation, server, tenant) = Installation::running(ACCOUNT);
    let client = server.client();
    let notifications = example("warm-transfer");
    let both_subscriptions = notifications.iter().map(|notification| {
        let mut again: serde_json::Value = serde_json::from_str(notification).unwrap();
        again["uuid"] = format!("9{}", again["uuid"].as_str().unwrap()).into();
        again.to_string()
    });
    let copies: Vec<String> = notifications
        .iter()
        .cloned()
        .chain(notifications.iter().cloned())
        .chain(both_subscriptions)
        .collect();
    for notification in &copies {
        client.notify(&tenant, notification);
    }
    expect_calls(&client, &tenant, &assembled(&notifications));
    let completed = client.changes(&tenant).into_iter().filter(|change| change["type"] == "call.completed");
    assert_eq!(completed.count(), 1);
    drop(installation);
    server.stop();
}

#[test]
fn an_oversized_head_is_refused() {
    let (_installation, server, tenant) = Installation::running(ACCOUNT);
    let padding = "x".repeat(1_024 * 1_024);
    let answer = server.exchange(&format!(
        "POST /hooks/acme HTTP/1.1\r\nHost: calls\r\nVerification-Token: {}\r\nX-Padding: {padding}\r\n\
             Content-Length: 2\r\n\r\n{{}}",
        tenant.token
    ));
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(server.client().calls(&tenant, "", 10).len(), 0);
    server.stop();
}

#[test]
fn slow_clients_do_not_delay_others() {
    let (_installation, server, tenant) = Installation::running(ACCOUNT);
    let head =
        format!("POST /hooks/acme HTTP/1.1\r\nHost: calls\r\nVerification-Token: {}\r\n", tenant.token);
    let open = |bytes: &str| {
        let mut stream = server.connect();
        stream.write_all(bytes.as_bytes()).unwrap();
        stream
    };
    let silent: Vec<_> = (0..50).map(|_| open("")).collect();
    let half_heads: Vec<_> = (0..50).map(|_| open(&head[..40])).collect();
    let mut slow_bodies: Vec<_> =
        (0..50).map(|_| open(&format!("{head}Content-Length: 1000\r\n\r\n{{"))).collect();
    let started = Instant::now();
    let notifications = example("direct");
    let client = server.client();
    for notification in &notifications {
        client.notify(&tenant, notification);
    }
    // Handled one after the other, the slow clients would take two minutes.
    assert!(started.elapsed() < Duration::from_secs(45), "{:?}", started.elapsed());
    expect_calls(&client, &tenant, &assembled(&notifications));
    // RingCentral counts errors against the hook, so a slow client with the right token is not answered with one.
    let mut answer = [0; 12];
    let mut slow = slow_bodies.remove(0);
    slow.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    // A connection without a complete head is closed.
    let mut half = half_heads.into_iter().next().unwrap();
    half.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut rest = Vec::new();
    half.read_to_end(&mut rest).unwrap();
    drop(silent);
    server.stop();
}

#[test]
fn a_slow_body_that_arrives_in_time_is_accepted() {
    let (installation, server, tenant) = Installation::running(ACCOUNT);
    let body = example("direct").remove(0);
    let mut stream = server.connect();
    let head = format!(
        "POST /hooks/acme HTTP/1.1\r\nHost: calls\r\nVerification-Token: {}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        tenant.token,
        body.len()
    );
    for piece in head.as_bytes().chunks(40).chain(body.as_bytes().chunks(200)) {
        stream.write_all(piece).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(stored_count(&installation), 1);
    server.stop();
}

#[test]
fn many_notifications_are_imported_as_lines() {
    let (installation, server, tenant) = Installation::running(ACCOUNT);
    let client = server.client();
    let notifications = crate::traffic::examples();
    let mut lines = notifications.join("\n");
    lines.push_str("\n\n  \nnot JSON\n");
    let import = |client: &Client, key: &str| {
        let authorization = format!("Bearer {key}");
        client.post("/v1/notifications", &[("Authorization", &authorization)], lines.as_bytes())
    };
    let answer = import(&client, &tenant.api_key).json();
    assert_eq!((&answer["accepted"], &answer["refused"]), (&notifications.len().into(), &1.into()));
    assert_eq!(answer["refusals"][0]["line"], notifications.len() + 3);
    assert_eq!(stored_count(&installation), notifications.len());
    import(&client, "wck_wrong").problem(401);
    expect_calls(&client, &tenant, &assembled(&notifications));
    server.stop();
}

/// If there is not enough processor time for both, RingCentral is answered first and calls are assembled later.
#[cfg(target_os = "linux")]
#[test]
fn receiving_has_priority_over_assembling() {
    let installation = Installation::new();
    let server = installation.start();
    // Names of threads are cut off after 15 characters.
    let found = eventually(SOON, || {
        let normal = niceness(&server, "store-arrivals")?;
        let lower = ["assembler", "store-writer", "store-checkpoin"].map(|name| niceness(&server, name));
        let is_lower = |nice: &Option<i32>| nice.is_some_and(|nice| nice > normal);
        (lower.iter().all(is_lower) && niceness(&server, "tokio-rt-worker")? == normal).then_some(())
    });
    assert!(found.is_some());
}

/// The niceness of a thread.
#[cfg(target_os = "linux")]
fn niceness(server: &Server, name: &str) -> Option<i32> {
    use std::fs::{read_dir, read_to_string};
    let threads = read_dir(format!("/proc/{}/task", server.pid().as_raw_pid())).ok()?;
    let mut stats = threads.filter_map(|thread| read_to_string(thread.ok()?.path().join("stat")).ok());
    let stat = stats.find(|stat| stat.contains(&format!("({name})")))?;
    // After the name, the 17th field.
    stat.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse().ok()
}
