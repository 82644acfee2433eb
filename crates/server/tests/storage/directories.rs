//! Directories: versions, the records made with them, their removal.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use wholecall_server::check::check;
use wholecall_store::Store;

use crate::{
    erase::everything,
    service::{Service, tamper, traffic},
};

/// The company of all simulated traffic, and its first user.
const ACCOUNT: &str = "800000016";
const USER: &str = "62000001016";
const NUMBER: &str = "+16503000000";

const DAY: i64 = 86_400_000;

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A directory in which the first user has a name.
fn naming(name: &str) -> String {
    json!({
        "extensions": [{ "id": USER, "extensionNumber": "101", "name": name, "type": "User" }],
        "queues": [],
        "phoneNumbers": [{ "phoneNumber": NUMBER, "usageType": "DirectNumber", "extensionId": USER }],
        "missing": [],
    })
    .to_string()
}

fn add(service: &Service, fetched_ms: i64, name: &str) -> (u64, bool) {
    let contents = naming(name);
    let added = move |_: Option<&str>| Ok(contents);
    service.store.add_directory(service.tenant.id, ACCOUNT.to_owned(), fetched_ms, added).unwrap()
}

/// Traffic without names, so that none are learned from it.
fn nameless_traffic() -> Vec<String> {
    let nameless = |body: &String| {
        let mut value: Value = serde_json::from_str(body).unwrap();
        for party in value["body"]["parties"].as_array_mut().unwrap() {
            for side in ["from", "to"] {
                party[side].as_object_mut().map(|side| side.remove("name"));
            }
        }
        value.to_string()
    };
    traffic(6, 12).iter().map(nameless).collect()
}

fn versions(service: &Service) -> Vec<u64> {
    let view = service.store.of(service.tenant.id);
    (1..10).filter(|version| view.directory(ACCOUNT, *version).unwrap().is_some()).collect()
}

/// The first user's names in records, each with the version of the directory.
fn names(records: &[Value]) -> Vec<(&str, u64)> {
    let named = records.iter().flat_map(|record| {
        let participants = record["participants"].as_array().unwrap().iter();
        let own = participants.filter(|one| one["extensionId"] == USER);
        own.map(|one| (one["name"].as_str().unwrap(), record["directoryVersion"].as_u64().unwrap_or(0)))
    });
    let mut named: Vec<_> = named.collect();
    named.sort_unstable();
    named.dedup();
    named
}

fn expect_no_findings(store: &Store) {
    assert_eq!(check(store, false, |_| {}).unwrap().findings, []);
}

#[test]
fn only_a_changed_directory_makes_a_new_version() {
    let service = Service::start();
    assert_eq!(add(&service, 1_000, "Zora Quill"), (1, true));
    assert_eq!(add(&service, 2_000, "Zora Quill"), (1, false));
    assert_eq!(add(&service, 3_000, "Zora Diaz"), (2, true));
    assert_eq!(add(&service, 4_000, "Zora Quill"), (3, true), "earlier content makes a new version too");
    let view = service.store.of(service.tenant.id);
    let first = view.directory(ACCOUNT, 1).unwrap().unwrap();
    assert_eq!((first.fetched_ms, first.contents), (1_000, naming("Zora Quill")));
    assert_eq!(view.newest_directory(ACCOUNT).unwrap().unwrap().version, 3);
    assert_eq!(view.directories().unwrap().len(), 1);
    let other = service.store.add_directory(service.tenant.id, "1".to_owned(), 0, |_| Ok("{}".to_owned()));
    assert_eq!(other.unwrap(), (1, true), "each account has its own versions");
    service.store.remove_tenant(service.tenant.id).unwrap();
    assert_eq!(tamper(service.folder.path(), "DELETE FROM directories"), 0);
}

#[test]
fn records_made_with_an_older_version_stay_valid() {
    let service = Service::start();
    add(&service, now_ms(), "Zora Quill");
    let bodies = nameless_traffic();
    let (before, after) = bodies.split_at(bodies.len() / 2);
    service.receive(before.iter().map(String::as_str));
    service.settle();
    assert_eq!(names(&service.records()), [("Zora Quill", 1)]);
    let published = service.records();
    // A restarted service finds another directory.
    add(&service, now_ms(), "Zora Diaz");
    let service = service.restart();
    service.receive(after.iter().map(String::as_str));
    service.settle();
    let records = service.records();
    assert_eq!(names(&records), [("Zora Diaz", 2), ("Zora Quill", 1)]);
    let is_same = |old: &&Value| records.iter().any(|new| new["id"] == old["id"] && new["to"] == old["to"]);
    let same = published.iter().filter(is_same).count();
    assert!(same * 10 > published.len() * 9, "closed calls stay as they were");
    expect_no_findings(&service.store);
    // Duplicates of all notifications change nothing.
    service.receive(bodies.iter().map(String::as_str));
    service.settle();
    assert_eq!(service.records(), records);
    let id = records.iter().find(|record| record["directoryVersion"] == 1).unwrap()["id"].as_str().unwrap();
    let story = service.get(&format!("/v1/calls/{id}/explain")).to_string();
    assert!(!story.contains("Zora Diaz"), "{story}");
    // The check finds a record that does not match its directory.
    assert_eq!(tamper(service.folder.path(), "UPDATE directories SET version = 3 WHERE version = 1"), 1);
    let found = check(&service.store, false, |_| {}).unwrap();
    assert!(!found.findings.is_empty());
}

#[test]
fn a_person_is_erased_from_directories_and_from_records_made_with_them() {
    let service = Service::start();
    add(&service, now_ms(), "Zora Quill");
    let bodies = nameless_traffic();
    service.receive(bodies.iter().map(String::as_str));
    service.settle();
    let everywhere = || everything(&service) + &service.get("/v1/directory").to_string();
    assert!(everywhere().contains("Zora Quill") && everywhere().contains(NUMBER));
    let (status, answer) = service.request("DELETE", &format!("/v1/numbers/{NUMBER}"));
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let left = everywhere();
    assert!(!left.contains("Zora Quill") && !left.contains(NUMBER));
    assert!(left.contains(answer["pseudonym"].as_str().unwrap()));
    expect_no_findings(&service.store);
    // A name that RingCentral lists afterwards is stored again.
    assert_eq!(add(&service, now_ms(), "Zora Quill"), (2, true));
}

#[test]
fn a_version_stays_while_a_record_may_refer_to_it() {
    let service = Service::start();
    add(&service, now_ms() - 10 * DAY, "Zora Quill");
    add(&service, now_ms() - 5 * DAY, "Zora Diaz");
    let remove = || service.store.remove_directories(service.tenant.id).unwrap();
    service.receive(nameless_traffic().iter().map(String::as_str));
    service.settle();
    assert_eq!((remove(), versions(&service)), (1, vec![2]), "it was replaced before the first call");
    add(&service, now_ms(), "Zora Quill");
    assert_eq!((remove(), versions(&service)), (0, vec![2, 3]), "calls were made with it");
    expect_no_findings(&service.store);
    let older = format!("UPDATE changes SET created_ms = created_ms - {}", 2 * DAY);
    assert!(tamper(service.folder.path(), &older) > 0);
    assert_eq!(remove(), 0);
    tamper(service.folder.path(), "DELETE FROM changes");
    assert_eq!((remove(), versions(&service)), (1, vec![3]), "the newest stays");
}
