//! Subscriptions by webhook.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::harness::{Platform, eventually, quiet};

const SESSIONS: &str = "/restapi/v1.0/account/~/telephony/sessions";

#[test]
fn a_subscription_counts_down_is_renewed_and_expires() {
    let platform = Platform::start(quiet());
    let (user, receiver) = (platform.log_in(0), platform.webhook());
    let created = user.subscribe(&receiver, &[SESSIONS], 100).body;
    assert_eq!((&created["status"], &created["expiresIn"]), (&"Active".into(), &99.into()));
    let path = format!("/restapi/v1.0/subscription/{}", created["id"].as_str().unwrap());
    platform.advance(60.0);
    assert!(user.get(&path)["expiresIn"].as_i64().unwrap() < 40);
    assert_eq!(user.post(&format!("{path}/renew"), &Value::Null).body["expiresIn"], 99);
    platform.advance(60.0);
    let changed = user
        .put(&path, &json!({ "eventFilters": ["/restapi/v1.0/account/~/extension/~/telephony/sessions"] }));
    assert_ne!(changed.body["eventFilters"], created["eventFilters"]);
    assert_eq!(user.get("/restapi/v1.0/subscription")["records"].as_array().unwrap().len(), 1);
    platform.advance(101.0);
    assert_eq!(user.try_get(&path).error(), (404, "SUB-507"));
    assert_eq!(user.get("/restapi/v1.0/subscription")["records"], json!([]));
    platform.play("inbound");
    platform.advance(300.0);
    assert!(receiver.events().is_empty());
}

#[test]
fn an_invalid_subscription_is_refused_with_its_code() {
    let platform = Platform::start(quiet());
    let (user, receiver) = (platform.log_in(0), platform.webhook());
    assert_eq!(user.subscribe(&receiver, &["nonsense"], 100).error(), (400, "SUB-508"));
    let reminder = "/restapi/v1.0/subscription/~?threshold=80&interval=10";
    assert_eq!(user.subscribe(&receiver, &[SESSIONS, reminder], 100).error(), (400, "SUB-516"));
    receiver.status.store(500, Ordering::Relaxed);
    assert_eq!(user.subscribe(&receiver, &[SESSIONS], 100).error(), (400, "SUB-525"));
    receiver.status.store(200, Ordering::Relaxed);
    let statuses: Vec<u16> = (0..31).map(|_| user.subscribe(&receiver, &[SESSIONS], 100).status).collect();
    assert_eq!((statuses[29], statuses[30]), (200, 403));
    let all = user.get("/restapi/v1.0/subscription");
    let path = format!("/restapi/v1.0/subscription/{}", all["records"][0]["id"].as_str().unwrap());
    assert_eq!((user.delete(&path).status, user.delete(&path).status), (204, 404));
}

#[test]
fn a_webhook_that_fails_for_ten_minutes_is_blacklisted() {
    let platform = Platform::start(quiet());
    let (user, receiver) = (platform.log_in(0), platform.webhook());
    let created = user.subscribe(&receiver, &[SESSIONS], 100_000).body;
    let path = format!("/restapi/v1.0/subscription/{}", created["id"].as_str().unwrap());
    receiver.status.store(404, Ordering::Relaxed);
    for _ in 0..2 {
        let before = receiver.events().len();
        platform.play("missed");
        platform.advance(605.0);
        eventually("a delivery is attempted", || receiver.events().len() > before);
    }
    eventually("it is blacklisted", || user.get(&path)["status"] == "Blacklisted");
    let reason = user.get(&path)["blacklistedData"]["reason"].clone();
    assert_eq!(reason, "Webhook responses with code: [404], reason: [Not Found]");
    receiver.status.store(200, Ordering::Relaxed);
    std::thread::sleep(std::time::Duration::from_millis(100));
    let before = receiver.events().len();
    platform.play("missed");
    platform.advance(605.0);
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(receiver.events().len(), before);
}

#[test]
fn reminders_are_sent_before_a_subscription_expires() {
    let platform = Platform::start(quiet());
    let (user, receiver) = (platform.log_in(0), platform.webhook());
    let reminder = "/restapi/v1.0/subscription/~?threshold=50&interval=20";
    let created = user.subscribe(&receiver, &[SESSIONS, reminder], 100).body;
    platform.advance(30.0);
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(receiver.events().is_empty());
    platform.advance(25.0);
    eventually("a reminder", || receiver.events().len() == 1);
    let event = &receiver.events()[0];
    assert_eq!((&event["event"], &event["subscriptionId"]), (&reminder.into(), &created["id"]));
    assert!(event["body"]["expiresIn"].as_i64().unwrap() < 50);
}

#[test]
fn a_subscription_of_an_extension_covers_only_its_own_legs() {
    let platform = Platform::start(quiet());
    let (user, receiver) = (platform.log_in(0), platform.webhook());
    user.subscribe(&receiver, &[SESSIONS], 10_000);
    let truth = platform.play("inbound");
    platform.advance(600.0);
    let callee = truth[0]["rung"][0].as_str().unwrap().trim_start_matches("ext:").to_owned();
    let of_extension = |events: &[Value]| {
        events.iter().filter(|event| event["body"]["parties"][0]["extensionId"] == *callee).count()
    };
    eventually("the notifications of the call", || receiver.events().len() >= 8);
    let all = receiver.events();
    let own = of_extension(&all);
    assert!(own > 0 && own < all.len());
    let narrow = platform.webhook();
    let filter = format!("/restapi/v1.0/account/~/extension/{callee}/telephony/sessions?direction=Inbound");
    user.subscribe(&narrow, &[&filter], 10_000);
    for _ in 0..20 {
        platform.play("internal");
        platform.advance(200.0);
    }
    eventually("the notifications of all calls", || receiver.events().len() >= all.len() + 20 * 6);
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(narrow.events().iter().all(|event| {
        let party = &event["body"]["parties"][0];
        party["extensionId"] == *callee && party["direction"] == "Inbound"
    }));
}

#[test]
fn a_session_can_be_looked_up_during_an_outage_of_deliveries() {
    let platform = Platform::start(quiet());
    let (user, receiver) = (platform.log_in(0), platform.webhook());
    user.subscribe(&receiver, &[SESSIONS], 100_000);
    platform.control("outage", json!({ "of": "delivery", "seconds": 5 }));
    let truth = platform.play("inbound");
    platform.advance(2.0);
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(receiver.events().is_empty());
    let session = user.get(&format!("{SESSIONS}/{}", truth[0]["id"].as_str().unwrap()));
    assert!(session["parties"].as_array().unwrap().len() == 2, "{session}");
    let party = &session["parties"][1];
    assert_eq!(party["status"]["code"], "Proceeding");
    let alone = user.get(&format!(
        "{SESSIONS}/{}/parties/{}",
        truth[0]["id"].as_str().unwrap(),
        party["id"].as_str().unwrap()
    ));
    assert_eq!(&alone, party);
    platform.advance(600.0);
    eventually("notifications after the outage", || !receiver.events().is_empty());
    let gone = user.try_get(&format!("{SESSIONS}/{}", truth[0]["id"].as_str().unwrap()));
    assert_eq!(gone.status, 404);
}

#[test]
fn changes_of_extensions_are_published_to_their_subscribers() {
    let platform = Platform::start(quiet());
    let (user, subscriber, other) = (platform.log_in(0), platform.webhook(), platform.webhook());
    user.subscribe(&subscriber, &[SESSIONS, "/restapi/v1.0/account/~/extension"], 10_000);
    user.subscribe(&other, &[SESSIONS], 10_000);
    let renamed = platform.control("rename", json!({ "extensionNumber": "9001", "name": "Help desk" }));
    eventually("the change", || subscriber.events().len() == 1);
    let event = &subscriber.events()[0];
    let account = platform.fake.account_id(0).unwrap();
    assert_eq!(event["event"], format!("/restapi/v1.0/account/{account}/extension"));
    assert_eq!(
        (&event["body"]["extensionId"], &event["body"]["eventType"]),
        (&renamed["extensionId"], &"Update".into())
    );
    let path = format!("/restapi/v1.0/account/~/extension/{}", renamed["extensionId"].as_str().unwrap());
    assert_eq!(user.get(&path)["name"], "Help desk");
    let queues = user.get("/restapi/v1.0/account/~/call-queues");
    assert_eq!(queues["records"][0]["name"], "Help desk");
    assert!(other.events().is_empty());
}

#[test]
fn a_denied_request_names_the_missing_permission() {
    let platform = Platform::start(quiet());
    let user = platform.log_in(0);
    platform.control("deny", json!({ "path": "phone-number", "permission": "ReadAccounts" }));
    let refused = user.try_get("/restapi/v1.0/account/~/phone-number");
    assert_eq!(refused.error(), (403, "CMN-401"));
    assert_eq!(refused.body["errors"][0]["permissionName"], "ReadAccounts");
    assert_eq!(user.try_get("/restapi/v1.0/account/~/extension").status, 200);
    platform.control("deny", json!({}));
    assert_eq!(user.try_get("/restapi/v1.0/account/~/phone-number").status, 200);
}
