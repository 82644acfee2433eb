//! Names of extensions that are learned from notifications: stored in directory versions, used after a restart, erased.

use serde_json::{Value, json};
use wholecall_server::check::check;

use crate::{
    erase::everything,
    service::{Service, tamper},
};

const ACCOUNT: &str = "400131426008";
const NUMBER: &str = "+16505550104";

/// A complete call to extension 104, whose leg has the name.
fn call(session: &str, name: Option<&str>) -> Vec<String> {
    let at = |second: u32| format!("2026-06-01T09:00:{second:02}.000Z");
    let to = json!({ "phoneNumber": NUMBER, "extensionId": "104", "name": name });
    let leg = |sequence: u32, part: u32, extension: Option<&str>, code: &str| {
        let to = if extension.is_some() { to.clone() } else { json!({ "phoneNumber": NUMBER }) };
        json!({
            "uuid": format!("{session}-{sequence}"),
            "event": format!("/restapi/v1.0/account/{ACCOUNT}/telephony/sessions"),
            "timestamp": at(sequence),
            "body": {
                "telephonySessionId": format!("s-{session}"), "sequence": sequence,
                "eventTime": at(sequence), "origin": { "type": "Call" },
                "parties": [{
                    "id": format!("p-{session}-{part}"), "accountId": ACCOUNT, "extensionId": extension,
                    "direction": if extension.is_some() { "Inbound" } else { "Outbound" },
                    "from": { "phoneNumber": "+14045550123" }, "to": to,
                    "status": { "code": code },
                }],
            },
        })
        .to_string()
    };
    vec![
        leg(2, 1, None, "Setup"),
        leg(3, 2, Some("104"), "Proceeding"),
        leg(4, 2, Some("104"), "Answered"),
        leg(5, 1, None, "Answered"),
        leg(6, 2, Some("104"), "Disconnected"),
        leg(7, 1, None, "Disconnected"),
    ]
}

fn receive_call(service: &Service, session: &str, name: Option<&str>) {
    service.receive(call(session, name).iter().map(String::as_str));
    service.settle();
}

fn version(service: &Service) -> Option<u64> {
    let newest = service.store.of(service.tenant.id).newest_directory(ACCOUNT).unwrap();
    newest.map(|stored| stored.version)
}

/// The name of extension 104 in the record of a session, and the version of the directory that it was made with.
fn name_in_record(service: &Service, session: &str) -> (Value, Value) {
    let records = service.records();
    let record = records.iter().find(|record| record["id"] == format!("s-{session}")).unwrap();
    let participants = record["participants"].as_array().unwrap();
    let user = participants.iter().find(|one| one["extensionId"] == "104").unwrap();
    (user["name"].clone(), record["directoryVersion"].clone())
}

#[test]
fn a_learned_name_is_in_later_calls_and_closed_calls_stay_as_they_were() {
    let service = Service::start();
    receive_call(&service, "aa", None);
    assert_eq!(name_in_record(&service, "aa"), (Value::Null, Value::Null), "no name is known yet");
    receive_call(&service, "bb", Some("Ada"));
    service.wait(|| version(&service) == Some(1));
    receive_call(&service, "cc", None);
    assert_eq!(name_in_record(&service, "cc"), ("Ada".into(), 1.into()));
    assert_eq!(name_in_record(&service, "aa"), (Value::Null, Value::Null), "it was closed before");

    let service = service.restart();
    receive_call(&service, "dd", None);
    assert_eq!(name_in_record(&service, "dd"), ("Ada".into(), 1.into()), "the name is known after a restart");
    assert_eq!(check(&service.store, false, |_| {}).unwrap().findings, []);

    let listed = service.get("/v1/directory");
    assert_eq!(listed["accounts"][0]["learnedNames"], json!({ "104": "Ada" }));
    assert_eq!(listed["accounts"][0]["extensions"], json!([]), "RingCentral has listed no extensions");
}

#[test]
fn a_name_that_ringcentral_lists_takes_precedence() {
    let service = Service::start();
    let listed = json!({ "extensions": [
        { "id": "104", "extensionNumber": "104", "name": "Ada Moreno", "type": "User" },
        { "id": "105", "extensionNumber": "105", "type": "User" },
    ] });
    let contents = listed.to_string();
    let added = service.store.add_directory(service.tenant.id, ACCOUNT.to_owned(), 0, |_| Ok(contents));
    assert_eq!(added.unwrap(), (1, true));
    let service = service.restart();
    receive_call(&service, "aa", Some("Ada"));
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    receive_call(&service, "bb", None);
    assert_eq!(
        name_in_record(&service, "bb"),
        ("Ada Moreno".into(), 1.into()),
        "the learned name makes no version"
    );
    // An extension that RingCentral lists without a name gets the learned one.
    let nameless = call("cc", Some("Ben")).into_iter().map(|body| body.replace("\"104\"", "\"105\""));
    let nameless: Vec<String> = nameless.collect();
    service.receive(nameless.iter().map(String::as_str));
    service.wait(|| version(&service) == Some(2));
    let stored = service.store.of(service.tenant.id).newest_directory(ACCOUNT).unwrap().unwrap();
    assert!(stored.contents.contains("Ada Moreno") && stored.contents.contains("Ben"), "{}", stored.contents);
    service.settle();
    assert_eq!(check(&service.store, false, |_| {}).unwrap().findings, []);
}

#[test]
fn a_learned_name_that_was_not_stored_is_learned_again_after_a_restart() {
    let service = Service::start();
    service.receive(call("aa", Some("Ada")).iter().take(3).map(String::as_str));
    service.wait(|| !service.records().is_empty());
    let service = service.restart();
    service.wait(|| version(&service) == Some(1));
    service.settle();
    assert_eq!(check(&service.store, false, |_| {}).unwrap().findings, []);
}

#[test]
fn erasing_a_number_erases_the_learned_name_beside_it() {
    let service = Service::start();
    receive_call(&service, "aa", Some("Zora Quill"));
    service.wait(|| version(&service) == Some(1));
    // A call whose name is from the directory only.
    let nameless: Vec<String> =
        call("bb", None).into_iter().map(|body| body.replace(NUMBER, "+18005550100")).collect();
    service.receive(nameless.iter().map(String::as_str));
    service.settle();
    assert_eq!(name_in_record(&service, "bb").0, "Zora Quill");
    let (status, answer) = service.request("DELETE", &format!("/v1/numbers/{NUMBER}"));
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(!everything(&service).contains("Zora Quill"));
    let view = service.store.of(service.tenant.id);
    view.for_each_directory_version(|contents| assert!(!contents.contains("Zora"), "{contents}")).unwrap();
    assert_eq!(name_in_record(&service, "bb").0, answer["pseudonym"]);
    assert_eq!(check(&service.store, false, |_| {}).unwrap().findings, []);
    receive_call(&service, "cc", None);
    assert_ne!(name_in_record(&service, "cc").0, "Zora Quill", "it is not in memory either");
    assert_eq!(tamper(service.folder.path(), "DELETE FROM directories WHERE version > 9"), 0);
}
