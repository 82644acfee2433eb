//! Live calls are described by their current state, and imported past calls do not stay live.

use std::time::Duration;

use serde_json::Value;
use wholecall_simulator::{Notification, Play, Scenario};

use crate::harness::{Client, Installation, Tenant, eventually};

const SOON: Duration = Duration::from_secs(20);
const DAY_MS: i64 = 86_400_000;

/// A simulated call that starts at a time, and its account.
fn played(scenario: &str, start_ms: i64) -> (Play, String) {
    let play = Scenario::named(scenario).unwrap().play_at(3, start_ms);
    let account = play.notifications[0].account.to_string();
    (play, account)
}

/// Posts the notifications up to the first conversation.
fn post_start(client: &Client, tenant: &Tenant, play: &Play) {
    let talk = play.truths[0].conversations[0].start_time;
    let early = play.notifications.iter().filter(|notification| notification.body.event_time <= talk);
    early.map(Notification::to_json).for_each(|notification| client.notify(tenant, &notification));
}

fn only_call(client: &Client, tenant: &Tenant, query: &str) -> Option<Value> {
    let found = client.get(tenant, &format!("/v1/calls?{query}"));
    found["calls"].as_array().and_then(|calls| calls.first().cloned())
}

#[test]
fn a_live_call_is_explained_as_live() {
    let (play, account) = played("attended", jiff::Timestamp::now().as_millisecond() - 60_000);
    let installation = Installation::new();
    let server = installation.start();
    let tenant = installation.tenant("acme", [account]);
    let client = server.client();
    post_start(&client, &tenant, &play);
    let live = eventually(SOON, || {
        only_call(&client, &tenant, "state=live").filter(|call| call["result"] == "Answered")
    });
    let live = live.expect("it is live and answered");
    let id = live["id"].as_str().unwrap();
    let text =
        client.try_get(&tenant, &format!("/v1/calls/{id}/explain"), &[("Accept", "text/plain")]).unwrap();
    for words in ["endOfInput", "closed because"] {
        assert!(!text.body.contains(words), "{}", text.body);
    }
    let story = client.get(&tenant, &format!("/v1/calls/{id}/explain"));
    assert_eq!(story["missing"], serde_json::json!([]), "{story:#}");
    let vcon = client.try_get(&tenant, &format!("/v1/calls/{id}?format=vcon"), &[]).unwrap();
    assert_eq!(vcon.json()["created_at"], live["startTime"]);
    for rest in play.notifications.iter().map(Notification::to_json) {
        client.notify(&tenant, &rest);
    }
    let complete = eventually(SOON, || only_call(&client, &tenant, "state=complete")).expect("it ends");
    assert_eq!(complete["id"], live["id"]);
    server.stop();
}

#[test]
fn an_imported_past_call_without_an_end_is_closed() {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let (old, old_account) = played("attended", now_ms - 30 * DAY_MS);
    let (recent, recent_account) = played("attended", now_ms - 60_000);
    let installation = Installation::new();
    let server = installation.start();
    let client = server.client();
    let importing = |name: &str, account: String, play: &Play| {
        let tenant = installation.tenant(name, [account]);
        installation.command_json(&[
            "tenant",
            "set",
            name,
            "--gap-settle",
            "500ms",
            "--last-leg-idle-timeout",
            "1h",
        ]);
        post_start(&client, &tenant, play);
        tenant
    };
    let old_tenant = importing("old", old_account, &old);
    let recent_tenant = importing("recent", recent_account, &recent);
    let closed =
        eventually(SOON, || only_call(&client, &old_tenant, "state=incomplete")).expect("it is closed");
    assert_eq!(closed["completeness"]["reason"], "silent");
    assert!(only_call(&client, &recent_tenant, "state=live").is_some(), "a current call stays live");
    for rest in old.notifications.iter().map(Notification::to_json) {
        client.notify(&old_tenant, &rest);
    }
    let complete = eventually(SOON, || only_call(&client, &old_tenant, "state=complete"));
    assert_eq!(complete.expect("later notifications complete it")["id"], closed["id"]);
    server.stop();
}
