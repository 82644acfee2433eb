//! Live calls continue after a restart, and late notifications reopen closed ones.

use std::{thread, time::Duration};

use crate::{
    crash::expect_sound,
    harness::{Client, Installation, SOON, Tenant, eventually},
    traffic::{ACCOUNT, assembled, example, expect_calls, expect_settled},
};

/// The attended transfer: the notifications without links, and those that link its two sessions.
fn in_two_parts() -> (Vec<String>, Vec<String>) {
    let (links, rest): (Vec<String>, Vec<String>) =
        example("warm-transfer").into_iter().partition(|notification| notification.contains("peerId"));
    assert!(!links.is_empty());
    (rest, links)
}

fn types(client: &Client, tenant: &Tenant) -> Vec<String> {
    let changes = client.changes(tenant);
    changes.iter().map(|change| change["type"].as_str().unwrap().to_owned()).collect()
}

/// Late links join two ended calls.
fn expect_joined(client: &Client, tenant: &Tenant, links: &[String]) {
    let before = client.calls(tenant, "", 10);
    assert_eq!(before.len(), 2, "{before:?}");
    let published = types(client, tenant).len();
    links.iter().for_each(|notification| client.notify(tenant, notification));
    let whole = example("warm-transfer");
    expect_calls(client, tenant, &assembled(&whole));
    let changes = client.changes(tenant);
    expect_sound(&changes);
    let new: Vec<&str> = changes[published..].iter().map(|change| change["type"].as_str().unwrap()).collect();
    assert!(new.contains(&"call.merged") && new.contains(&"call.revised"), "{new:?}");
    let survivor = client.calls(tenant, "", 10)[0]["id"].clone();
    let gone = before.iter().map(|call| &call["id"]).find(|id| **id != survivor).unwrap().as_str().unwrap();
    let moved = client.try_get(tenant, &format!("/v1/calls/{gone}"), &[]).unwrap();
    let survivor = survivor.as_str().unwrap();
    assert_eq!(moved.status, 301);
    assert_eq!(moved.header("location"), Some(format!("/v1/calls/{survivor}").as_str()));
    assert_eq!(moved.json(), serde_json::json!({ "id": gone, "into": survivor }));
}

#[test]
fn a_live_call_continues_after_a_restart() {
    let notifications = example("direct");
    for at in 1..notifications.len() {
        let installation = Installation::new();
        let tenant = installation.tenant("acme", [ACCOUNT]);
        let server = installation.start();
        let client = server.client();
        notifications[..at].iter().for_each(|notification| client.notify(&tenant, notification));
        let is_published =
            eventually(SOON, || (!client.calls(&tenant, "state=live", 10).is_empty()).then_some(()));
        assert!(is_published.is_some());
        if at % 2 == 0 {
            server.kill()
        } else {
            server.stop()
        }
        let server = installation.start();
        let client = server.client();
        assert_eq!(client.calls(&tenant, "state=live", 10).len(), 1);
        notifications[at..].iter().for_each(|notification| client.notify(&tenant, notification));
        expect_calls(&client, &tenant, &assembled(&notifications));
        expect_sound(&client.changes(&tenant));
        let types = types(&client, &tenant);
        assert_eq!(types.first().map(String::as_str), Some("call.started"), "{types:?}");
        assert_eq!(types.last().map(String::as_str), Some("call.completed"), "{types:?}");
        server.stop();
    }
}

#[test]
fn a_late_link_after_a_restart_reopens_a_closed_call() {
    let (rest, links) = in_two_parts();
    for hours in [0_i64, 1, 1_000] {
        let installation = Installation::new();
        let [tenant, other] = ["acme", "other"].map(|name| tenant_with_short_timeout(&installation, name));
        let server = installation.start();
        let client = server.client();
        rest.iter().for_each(|notification| client.notify(&tenant, notification));
        expect_settled_twice(&client, &tenant);
        server.stop();
        // Move everything into the past.
        let ago = hours * 3_600_000;
        installation
            .database()
            .execute_batch(&format!(
                "UPDATE journal SET arrived_ms = arrived_ms - {ago}; UPDATE changes SET created_ms = created_ms - {ago};"
            ))
            .unwrap();
        // Calls that ended long before the last arrival are not loaded by the next start.
        let server = installation.start();
        example("direct").iter().for_each(|notification| server.client().notify(&other, notification));
        server.stop();
        let server = installation.start();
        expect_joined(&server.client(), &tenant, &links);
        server.stop();
    }
}

/// A tenant whose calls are closed soon if their ends do not arrive.
fn tenant_with_short_timeout(installation: &Installation, name: &str) -> Tenant {
    let tenant = installation.tenant(name, [ACCOUNT]);
    installation.command_json(&["tenant", "set", name, "--last-leg-idle-timeout", "2s"]);
    tenant
}

/// Waits until both calls are published and closed.
fn expect_settled_twice(client: &Client, tenant: &Tenant) {
    let published = eventually(SOON, || (client.calls(tenant, "", 10).len() == 2).then_some(()));
    assert!(published.is_some());
    expect_settled(client, tenant);
}

#[test]
fn a_late_link_reopens_an_evicted_call() {
    let (rest, links) = in_two_parts();
    let installation = Installation::new();
    let tenant = tenant_with_short_timeout(&installation, "acme");
    let server = installation.start();
    let client = server.client();
    rest.iter().for_each(|notification| client.notify(&tenant, notification));
    expect_settled_twice(&client, &tenant);
    // A closed call stays in memory for 75 seconds.
    thread::sleep(Duration::from_secs(80));
    expect_joined(&server.client(), &tenant, &links);
    server.stop();
}
