//! `DELETE /v1/numbers/{number}`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use wholecall_server::check::check;
use wholecall_simulator::Scenario;

use crate::service::{Service, tamper, traffic};

/// Everything the API tells a tenant, as one text.
pub(crate) fn everything(service: &Service) -> String {
    let mut text = String::new();
    for record in service.records() {
        let id = record["id"].as_str().unwrap();
        for what in ["", "/versions", "/notifications", "/explain"] {
            text += &service.get(&format!("/v1/calls/{id}{what}")).to_string();
        }
    }
    let mut after = "0".to_owned();
    loop {
        let page = service.get(&format!("/v1/changes?limit=1000&after={after}"));
        if page["changes"].as_array().unwrap().is_empty() {
            return text;
        }
        text += &page.to_string();
        after = page["next"].as_str().unwrap().to_owned();
    }
}

/// The events of a type in the feed.
pub(crate) fn events(service: &Service, kind: &str) -> Vec<Value> {
    let (mut found, mut after) = (Vec::new(), "0".to_owned());
    loop {
        let page = service.get(&format!("/v1/changes?limit=1000&after={after}"));
        let events = page["changes"].as_array().unwrap();
        if events.is_empty() {
            return found;
        }
        found.extend(events.iter().filter(|event| event["type"] == kind).cloned());
        page["next"].as_str().unwrap().clone_into(&mut after);
    }
}

/// The number that takes part in most calls, in how many, and a name it goes by.
pub(crate) fn busiest(records: &[Value]) -> (String, usize, Option<String>) {
    let mut seen: BTreeMap<String, (BTreeSet<&str>, Option<String>)> = BTreeMap::new();
    for record in records {
        for participant in record["participants"].as_array().unwrap() {
            let number = participant["phoneNumber"].as_str().filter(|number| number.starts_with('+'));
            let Some(number) = number else { continue };
            let entry = seen.entry(number.to_owned()).or_default();
            entry.0.insert(record["id"].as_str().unwrap());
            entry.1 = entry.1.take().or(participant["name"].as_str().map(str::to_owned));
        }
    }
    let (number, (calls, name)) = seen.into_iter().max_by_key(|(_, (calls, _))| calls.len()).unwrap();
    (number, calls.len(), name)
}

/// The files of the data folder that have a text in them.
fn files_with(service: &Service, text: &str) -> Vec<String> {
    let files = std::fs::read_dir(service.folder.path()).unwrap().map(|file| file.unwrap());
    let has = |file: &std::fs::DirEntry| {
        let bytes = std::fs::read(file.path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    files.filter(has).map(|file| file.file_name().into_string().unwrap()).collect()
}

/// What is left of a record where no name or number of anybody is looked at.
fn shape(record: &Value) -> String {
    let legs = record["legs"].as_array().unwrap().iter();
    let legs: Vec<_> = legs
        .map(|leg| (&leg["id"], &leg["outcome"], &leg["talkMs"], &leg["segments"], &leg["kind"]))
        .collect();
    format!("{:?}", (&record["id"], &record["result"], &record["direction"], &record["durations"], legs))
}

#[test]
fn nothing_is_left_of_a_number_but_the_calls_are_what_they_were() {
    let service = Service::start();
    let bodies = traffic(20, 12);
    for portion in bodies.chunks(bodies.len() / 4 + 1) {
        service.hear(portion.iter().map(String::as_str));
        std::thread::sleep(std::time::Duration::from_millis(120));
    }
    service.settle();
    let before = service.records();
    let (number, count, name) = busiest(&before);
    assert!(everything(&service).contains(&number));
    // What numbers are found by is kept as it is; all else is packed.
    let digits: String = number.chars().skip(1).collect::<Vec<_>>().into_iter().rev().collect();
    assert!(files_with(&service, &digits).contains(&"wholecall.db-wal".to_owned()));
    let (status, answer) = service.request("DELETE", &format!("/v1/numbers/{number}"));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(files_with(&service, &digits), [""; 0], "nor is anything left in the files");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["calls"], count);
    assert!(answer["notifications"].as_u64().unwrap() >= count as u64);
    let pseudonym = answer["pseudonym"].as_str().unwrap();
    let text = everything(&service);
    assert!(!text.contains(&number));
    assert!(text.contains(pseudonym));
    let after = service.records();
    let shapes = |records: &[Value]| records.iter().map(shape).collect::<Vec<_>>();
    assert_eq!(shapes(&before), shapes(&after));
    let found = |query: &str| {
        service.get(&format!("/v1/calls?limit=1000&{query}"))["calls"].as_array().unwrap().len()
    };
    assert_eq!(found(&format!("number={}", &number[1..])), 0);
    assert_eq!(found(&format!("number={}", &pseudonym[1..])), count);
    let checked = check(&service.store, false, |_| {}).unwrap();
    assert_eq!(checked.findings, []);
    if let Some(name) = name {
        let whole = format!("\"{name}\"");
        let named =
            |record: &&Value| record.to_string().contains(&whole) && record.to_string().contains(pseudonym);
        assert_eq!(after.iter().filter(named).count(), 0, "{name}");
    }
    // Again: nothing is left to do, and the pseudonym is the same.
    let (_, again) = service.request("DELETE", &format!("/v1/numbers/{number}"));
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!((&again["calls"], &again["notifications"]), (&Value::from(0), &Value::from(0)));
    assert_eq!(again["pseudonym"], answer["pseudonym"]);
    // Readers of the feed are told of which calls, once, and how the calls are now.
    let erased = events(&service, "call.erased");
    assert_eq!(erased.len(), 1, "nothing is said where nothing was erased");
    let listed = erased[0]["data"]["calls"].as_array().unwrap();
    assert_eq!(listed.len(), count);
    for call in listed {
        let now = service.get(&format!("/v1/calls/{}", call["id"].as_str().unwrap()));
        assert_eq!(now["version"], call["version"]);
        assert!(now.to_string().contains(pseudonym));
    }
    let logged = "UPDATE erasures SET calls = calls WHERE pseudonym LIKE '+999%'";
    assert_eq!(tamper(service.folder.path(), logged), 2);
}

#[test]
fn a_live_call_goes_on_under_the_pseudonym() {
    let service = Service::start();
    let patient = wholecall_store::TenantSettings::default();
    service.store.set_tenant_settings(service.tenant.id, patient).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let play = Scenario::named("attended").unwrap().play(3);
    let bodies: Vec<String> = play.notifications.iter().map(|one| one.to_json()).collect();
    let (first, rest) = bodies.split_at(3);
    service.hear(first.iter().map(String::as_str));
    service.wait(|| service.records().len() == 1);
    let (number, ..) = busiest(&service.records());
    let (status, answer) = service.request("DELETE", &format!("/v1/numbers/{number}"));
    assert_eq!(status, 200, "{answer}");
    // What comes of the call afterwards without the number does not bring it back.
    let rest: Vec<String> = rest.iter().filter(|body| !body.contains(&number)).cloned().collect();
    let (version, calls) = (service.records()[0]["version"].as_u64().unwrap(), service.records().len());
    assert_eq!(calls, 1);
    service.hear(rest.iter().map(String::as_str));
    service
        .wait(|| service.records()[0]["version"].as_u64().unwrap() > version || service.records().len() > 1);
    assert!(!everything(&service).contains(&number));
    assert_eq!(check(&service.store, false, |_| {}).unwrap().findings, []);
}

#[test]
fn only_numbers_are_erased() {
    let service = Service::start();
    for wrong in ["14045550123", "+1404", "809646016", "+809x646016"] {
        assert_eq!(service.request("DELETE", &format!("/v1/numbers/{wrong}")).0, 400, "{wrong}");
    }
}
