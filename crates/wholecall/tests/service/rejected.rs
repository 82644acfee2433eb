//! A request with the right token is never answered with an error: its body is accepted, or stored as rejected, and can be
//! listed, explained and retried.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::{
    harness::{Client, Installation, Reply, SOON, Tenant, eventually},
    pages::cookie,
    traffic::{ACCOUNT, assembled, example, expect_calls},
};

type Headers = &'static [(&'static str, &'static str)];

const OTHER_ACCOUNT: &str = "400131426009";

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn post(client: &Client, tenant: &Tenant, path: &str, more: &[(&str, &str)], body: &[u8]) -> Reply {
    let token = [("Verification-Token", tenant.token.as_str())];
    client.post(path, &[&token, more].concat(), body)
}

fn rejected(client: &Client, tenant: &Tenant) -> Vec<Value> {
    client.get(tenant, "/v1/rejected")["rejected"].as_array().unwrap().clone()
}

#[test]
fn no_body_with_the_right_token_is_answered_with_an_error() {
    let (_installation, server, tenant) = Installation::running(ACCOUNT);
    let client = server.client();
    let large = format!("{{\"pad\":\"{}\"}}", "x".repeat(300 * 1_024));
    let bomb = gzip(&" ".repeat(64 << 20));
    let bodies: [(Headers, &[u8]); 6] = [
        (&[], large.as_bytes()),
        (&[], &vec![b'y'; 4 << 20]),
        (&[("Content-Encoding", "gzip")], b"{\"not\":\"packed\"}"),
        (&[("Content-Encoding", "br")], b"whatever"),
        (&[("Content-Encoding", "gzip")], &bomb),
        (&[], b"\xff\xfe"),
    ];
    for (headers, body) in bodies {
        let reply = post(&client, &tenant, "/hooks/acme", headers, body);
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let listed = rejected(&client, &tenant);
    assert_eq!(listed.len(), bodies.len());
    let refusals = client.get(&tenant, "/v1/health")["refusals"].clone();
    let count = |kind: &str| refusals[kind]["count"].as_u64().unwrap_or(0);
    assert_eq!((count("tooLarge"), count("undecodable"), count("notAccepted")), (3, 2, 1), "{refusals}");
    // Of a body that is too large, the start is stored.
    let oldest = listed.last().unwrap()["id"].as_str().unwrap();
    let first = client.get(&tenant, &format!("/v1/rejected/{oldest}"));
    assert_eq!((&first["isComplete"], &first["postedBytes"]), (&json!(false), &json!(large.len())));
    assert_eq!(first["body"].as_str().unwrap(), &large[..64 * 1_024]);
    assert!(first["advice"].as_str().unwrap().contains("65536"), "{first}");
    // A request without the right token stores nothing.
    let wrong = [("Verification-Token", "wrong-token")];
    client.post("/hooks/acme", &wrong, &large.as_bytes()[..1_000]).problem(401);
    assert_eq!(rejected(&client, &tenant).len(), bodies.len());
    let refusals = client.get(&tenant, "/v1/health")["refusals"].clone();
    assert_eq!(refusals["wrongToken"]["count"], 1, "{refusals}");
    let page = client.try_get(&tenant, "/health", &[("Cookie", &cookie(&client, &tenant))]).unwrap();
    for text in [
        "1 without the right token",
        "3 too large",
        "the verification token is not one of the tenant",
        "the body has more than",
    ] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    server.stop();
}

#[test]
fn compressed_bodies_are_decompressed_and_a_trailing_slash_is_accepted() {
    let (_installation, server, tenant) = Installation::running(ACCOUNT);
    let client = server.client();
    let notifications = example("direct");
    let (first, rest) = notifications.split_at(2);
    for notification in first {
        let encoding = [("Content-Encoding", "gzip")];
        assert_eq!(post(&client, &tenant, "/hooks/acme/", &encoding, &gzip(notification)).status, 200);
    }
    let headers =
        [("Authorization", format!("Bearer {}", tenant.api_key)), ("Content-Encoding", "gzip".to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let imported = client.post("/v1/notifications", &headers, &gzip(&rest.join("\n")));
    assert_eq!(imported.json()["accepted"], rest.len(), "{imported:?}");
    let unsupported = [headers[0], ("Content-Encoding", "br")];
    client.post("/v1/notifications", &unsupported, b"whatever").problem(415);
    expect_calls(&client, &tenant, &assembled(&notifications));
    server.stop();
}

#[test]
fn after_the_account_is_corrected_its_rejected_notifications_are_accepted() {
    let (installation, server, tenant) = Installation::running(OTHER_ACCOUNT);
    let client = server.client();
    let notifications = example("direct");
    for notification in &notifications {
        client.notify(&tenant, notification);
    }
    let listed = installation.command_json(&["rejected", "list", "acme", "--limit", "2"]);
    assert_eq!(listed["count"], notifications.len());
    assert_eq!(listed["rejected"].as_array().unwrap().len(), 2);
    let newest = listed["rejected"][0]["id"].as_str().unwrap();
    let shown = installation.command_json(&["rejected", "show", "acme", newest]);
    assert!(shown["advice"].as_str().unwrap().contains(&format!("--account {ACCOUNT}")), "{shown}");
    assert_eq!(shown["body"].as_str(), notifications.last().map(String::as_str));
    // A retry before that is rejected with the reason.
    let retry =
        |id: &str| client.send(&tenant, "POST", &format!("/v1/rejected/{id}/retry"), &json!({})).unwrap();
    let early = retry(newest).json();
    assert_eq!(early["accepted"], false);
    assert!(early["reason"].as_str().unwrap().contains(ACCOUNT), "{early}");

    let accounts = ["--account", OTHER_ACCOUNT, "--account", ACCOUNT];
    let set = installation.command_json(&[&["tenant", "set", "acme"], &accounts[..]].concat());
    assert_eq!(set["accounts"], json!([ACCOUNT, OTHER_ACCOUNT]));
    let accepted = eventually(SOON, || (retry(newest).json()["accepted"] == true).then_some(()));
    assert!(accepted.is_some(), "a running service applies the change");
    retry(newest).problem(404);
    let marked = installation.command_json(&["rejected", "retry", "acme", "--all"]);
    assert_eq!(marked["queued"], notifications.len() - 1);
    expect_calls(&client, &tenant, &assembled(&notifications));
    let is_empty = eventually(SOON, || rejected(&client, &tenant).is_empty().then_some(()));
    assert!(is_empty.is_some(), "{:?}", rejected(&client, &tenant));
    server.stop();
}

#[test]
fn notifications_marked_for_retry_are_checked_at_the_next_start() {
    let (installation, server, tenant) = Installation::running(OTHER_ACCOUNT);
    let client = server.client();
    let notifications = example("direct");
    notifications.iter().for_each(|notification| client.notify(&tenant, notification));
    let mut ids: Vec<String> = Vec::new();
    let mut before = String::new();
    loop {
        let page = client.get(&tenant, &format!("/v1/rejected?limit=2{before}"));
        let listed = page["rejected"].as_array().unwrap();
        ids.extend(listed.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    assert_eq!(ids.len(), notifications.len());
    assert!(ids.is_sorted_by(|a, b| a.parse::<i64>().unwrap() > b.parse::<i64>().unwrap()), "{ids:?}");
    let oldest = ids.last().unwrap();
    let removed = client.send(&tenant, "DELETE", &format!("/v1/rejected/{oldest}"), &json!({})).unwrap();
    assert_eq!(removed.status, 204);
    server.stop();
    installation.command_json(&["tenant", "set", "acme", "--account", ACCOUNT]);
    let rest = &ids[..ids.len() - 1];
    let arguments: Vec<&str> =
        ["rejected", "retry", "acme"].into_iter().chain(rest.iter().map(String::as_str)).collect();
    assert_eq!(installation.command_json(&arguments)["queued"], rest.len());
    let server = installation.start();
    expect_calls(&server.client(), &tenant, &assembled(&notifications[1..]));
    server.stop();
}

#[test]
fn rejected_notifications_are_isolated_by_tenant() {
    let (installation, server, tenant) = Installation::running(OTHER_ACCOUNT);
    let other = installation.tenant("bob", ["500000000001"]);
    let client = server.client();
    client.notify(&tenant, &example("direct")[0]);
    let id = rejected(&client, &tenant)[0]["id"].as_str().unwrap().to_owned();
    assert!(rejected(&client, &other).is_empty());
    client.try_get(&other, &format!("/v1/rejected/{id}"), &[]).unwrap().problem(404);
    for (method, path) in
        [("POST", format!("/v1/rejected/{id}/retry")), ("DELETE", format!("/v1/rejected/{id}"))]
    {
        client.send(&other, method, &path, &json!({})).unwrap().problem(404);
    }
    assert_eq!(rejected(&client, &tenant).len(), 1);
    server.stop();
}

#[test]
fn overlong_ids_are_neither_accepted_nor_repeated() {
    let (_installation, server, tenant) = Installation::running(ACCOUNT);
    let client = server.client();
    let first = example("direct").remove(0);
    let session = serde_json::from_str::<Value>(&first).unwrap()["body"]["telephonySessionId"].clone();
    let long = "s".repeat(100_000);
    client.notify(&tenant, &first.replace(session.as_str().unwrap(), &long));
    client.notify(&tenant, &first.replace(ACCOUNT, &"4".repeat(100_000)));
    let listed = client.try_get(&tenant, "/v1/rejected", &[]).unwrap();
    assert_eq!(listed.json()["count"], 2, "{listed:?}");
    assert!(listed.body.len() < 2_000, "{} bytes", listed.body.len());
    server.stop();
}
