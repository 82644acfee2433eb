//! The directory of an account: fetched from RingCentral, used in records, and versioned.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    connecting::{Platform, connect, expect_call, serve_publicly, status},
    harness::{Client, Installation, Server, Tenant, eventually},
};

/// Maximum wait for a new version: changes are collected for half a minute.
const VERSION_TIMEOUT: Duration = Duration::from_secs(90);

fn directory(client: &Client, tenant: &Tenant) -> Value {
    client.get(tenant, "/v1/directory")["accounts"][0].clone()
}

/// Waits for a version of the directory.
fn expect_version(client: &Client, tenant: &Tenant, version: u64) -> Value {
    let found = eventually(VERSION_TIMEOUT, || {
        let directory = directory(client, tenant);
        (directory["version"] == version).then_some(directory)
    });
    found.unwrap_or_else(|| panic!("version {version}: {}", directory(client, tenant)))
}

/// Plays a call through the menu and a queue to its end; returns its record.
fn call(platform: &Platform, server: &Server, tenant: &Tenant) -> Value {
    let truths = platform.play("menu_to_queue_to_menu");
    let id = expect_call(server, tenant, &truths)["id"].as_str().unwrap().to_owned();
    let ended = eventually(VERSION_TIMEOUT, || {
        let call = server.client().get(tenant, &format!("/v1/calls/{id}"));
        (call["state"] == "complete").then_some(call)
    });
    ended.expect("it ends")
}

/// The names of a record's participants of a kind.
fn names(call: &Value, kind: &str) -> Vec<String> {
    let participants = call["participants"].as_array().unwrap().iter();
    let of_kind = participants.filter(|one| one["kind"] == kind);
    of_kind.map(|one| one["name"].as_str().unwrap_or_default().to_owned()).collect()
}

fn rename(platform: &Platform, number: &str, name: &str) {
    platform.control("rename", &json!({ "extensionNumber": number, "name": name }));
}

fn expect_check_passes(installation: &Installation) {
    let checked = installation.command(&["check"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn records_use_the_directory_version_of_their_time() {
    let (installation, platform) = (Installation::new(), Platform::start());
    let server = installation.start();
    let tenant = connect(&installation, &platform, &[]);
    let listed = expect_version(&server.client(), &tenant, 1);
    assert_eq!((&listed["accountId"], &listed["missing"]), (&platform.account().into(), &json!([])));
    let extensions = listed["extensions"].as_array().unwrap();
    let of_kind = |kind: &str| extensions.iter().filter(|one| one["kind"] == kind).count();
    assert_eq!(["user", "queue", "menu", "parkLocation", "site", "other"].map(of_kind), [20, 2, 1, 1, 1, 0]);
    let support = extensions.iter().find(|one| one["name"] == "Support queue").unwrap();
    assert_eq!((&support["number"], support["phoneNumbers"].as_array().unwrap().len()), (&"9001".into(), 1));
    let queue = listed["queues"].as_array().unwrap().iter().find(|one| one["id"] == support["id"]).unwrap();
    assert!(extensions.iter().any(|one| one["id"] == queue["members"][0] && one["kind"] == "user"));

    let first = call(&platform, &server, &tenant);
    assert_eq!(first["directoryVersion"], 1);
    assert_eq!((names(&first, "menu"), names(&first, "router")), (vec!["IVR Menu 9501".to_owned()], vec![]));
    assert_eq!(names(&first, "queue").len(), 1, "{first}");

    // The WebSocket reports that something has changed.
    rename(&platform, "9501", "Greeting");
    rename(&platform, "9001", "Help desk");
    rename(&platform, "9002", "Help desk 2");
    expect_version(&server.client(), &tenant, 2);
    let is_read = || (status(&installation)["directory"]["version"] == 2).then_some(());
    eventually(VERSION_TIMEOUT, is_read).expect("the connection's status shows the second version");
    let second = call(&platform, &server, &tenant);
    assert_eq!(
        (&second["directoryVersion"], names(&second, "menu")),
        (&2.into(), vec!["Greeting".to_owned()])
    );
    assert!(names(&second, "queue")[0].starts_with("Help desk"), "{second}");
    let path = format!("/v1/calls/{}", first["id"].as_str().unwrap());
    assert_eq!(server.client().get(&tenant, &path), first, "published records do not change");
    expect_check_passes(&installation);
    server.stop();

    // Another process continues, by webhook.
    let server = Server::start(serve_publicly(&installation)).unwrap();
    let webhook = eventually(VERSION_TIMEOUT, || {
        (status(&installation)["subscription"]["transport"] == "webhook").then_some(())
    });
    webhook.expect("it subscribes by webhook");
    assert_eq!(call(&platform, &server, &tenant)["directoryVersion"], 2);
    rename(&platform, "9501", "Good evening");
    expect_version(&server.client(), &tenant, 3);
    let last = call(&platform, &server, &tenant);
    assert_eq!(
        (&last["directoryVersion"], names(&last, "menu")),
        (&3.into(), vec!["Good evening".to_owned()])
    );
    assert_eq!(server.client().get(&tenant, &path), first);
    let story = server.client().get(&tenant, &format!("{path}/explain")).to_string();
    assert!(story.contains("IVR Menu 9501") && !story.contains("Good evening"), "{story}");
    expect_check_passes(&installation);
    let health = server.client().get(&tenant, "/v1/health");
    assert_eq!(health["connections"][0]["directory"]["version"], 3);
    assert_eq!(health["connections"][0]["status"], "live");
    assert_eq!(platform.violations(), 0);
    server.stop();
}

#[test]
fn an_old_directory_is_used_while_a_new_one_cannot_be_fetched() {
    let (installation, platform) = (Installation::new(), Platform::start());
    platform.control("deny", &json!({ "path": "phone-number", "permission": "ReadAccounts" }));
    let server = installation.start();
    let tenant = connect(&installation, &platform, &[]);
    let listed = expect_version(&server.client(), &tenant, 1);
    assert_eq!(
        (&listed["missing"][0]["part"], &listed["missing"][0]["permission"]),
        (&"phoneNumbers".into(), &"ReadAccounts".into())
    );
    let printed = installation.command(&["connection", "status"]);
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(
        printed.contains("directory: version 1") && printed.contains("phoneNumbers are missing"),
        "{printed}"
    );
    platform.control("deny", &json!({ "path": "extension", "permission": "ReadAccounts" }));
    rename(&platform, "9501", "Greeting");
    let failing = eventually(VERSION_TIMEOUT, || {
        let directory = status(&installation)["directory"].clone();
        directory["problem"].is_string().then_some(directory)
    });
    assert_eq!(failing.expect("it is reported")["version"], 1);
    let call = call(&platform, &server, &tenant);
    assert_eq!(
        (&call["directoryVersion"], names(&call, "menu")),
        (&1.into(), vec!["IVR Menu 9501".to_owned()])
    );
    server.stop();
}
