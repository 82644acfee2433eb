//! `DELETE /v1/numbers/{number}`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use wholecall_server::check::check;
use wholecall_simulator::Scenario;
use wholecall_store::{Arrival, NewRejected, Position};

use crate::service::{Service, tamper, traffic};

/// Everything that the API returns to a tenant, as one text.
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

fn participants(records: &[Value]) -> impl Iterator<Item = &Value> {
    records.iter().flat_map(|record| record["participants"].as_array().unwrap())
}

/// The number in most calls, the number of those calls, and a name that stands beside it.
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

/// The parts of a record that have no name or number.
fn shape(record: &Value) -> String {
    let legs = record["legs"].as_array().unwrap().iter();
    let legs: Vec<_> = legs
        .map(|leg| (&leg["id"], &leg["outcome"], &leg["talkMs"], &leg["segments"], &leg["kind"]))
        .collect();
    format!("{:?}", (&record["id"], &record["result"], &record["direction"], &record["durations"], legs))
}

#[test]
fn an_erasure_removes_a_number_everywhere_and_changes_nothing_else_of_calls() {
    let service = Service::start();
    let bodies = traffic(20, 12);
    for portion in bodies.chunks(bodies.len() / 4 + 1) {
        service.receive(portion.iter().map(String::as_str));
        std::thread::sleep(std::time::Duration::from_millis(120));
    }
    service.settle();
    let before = service.records();
    let (number, count, name) = busiest(&before);
    assert!(everything(&service).contains(&number));
    // The search index has numbers uncompressed, last digit first.
    let digits: String = number.chars().skip(1).collect::<Vec<_>>().into_iter().rev().collect();
    assert!(files_with(&service, &digits).contains(&"wholecall.db-wal".to_owned()));
    let (status, answer) = service.request("DELETE", &format!("/v1/numbers/{number}"));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(files_with(&service, &digits), [""; 0], "the files do not have the number either");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["unreadable"], &answer["remaining"]), (&0.into(), &0.into()));
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
    // A second erasure finds nothing, and uses the same pseudonym.
    let (_, again) = service.request("DELETE", &format!("/v1/numbers/{number}"));
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!((&again["calls"], &again["notifications"]), (&Value::from(0), &Value::from(0)));
    assert_eq!(again["pseudonym"], answer["pseudonym"]);
    // One event lists the calls with their current version.
    let erased = events(&service, "call.erased");
    assert_eq!(erased.len(), 1, "an erasure that finds nothing has no event");
    let listed = erased[0]["data"]["calls"].as_array().unwrap();
    assert_eq!(answer["calls"], listed.len());
    // They are those with the number, and those with only the person's name; no others were changed.
    let id = |record: &Value| record["id"].as_str().unwrap().to_owned();
    let is_changed = |(before, after): &(&Value, &Value)| before["participants"] != after["participants"];
    let changed: BTreeSet<String> =
        before.iter().zip(&after).filter(is_changed).map(|(record, _)| id(record)).collect();
    assert_eq!(listed.iter().map(id).collect::<BTreeSet<_>>(), changed);
    let names: BTreeSet<&str> = participants(&before)
        .filter(|one| one["phoneNumber"] == number)
        .filter_map(|one| one["name"].as_str())
        .collect();
    for record in before.iter().filter(|record| changed.contains(&id(record))) {
        let is_theirs = |one: &Value| {
            one["phoneNumber"] == number || one["name"].as_str().is_some_and(|name| names.contains(name))
        };
        let their = record["participants"].as_array().unwrap();
        assert!(their.iter().any(is_theirs), "{record}");
    }
    for call in listed {
        let now = service.get(&format!("/v1/calls/{}", call["id"].as_str().unwrap()));
        assert_eq!(now["version"], call["version"]);
        assert!(now.to_string().contains(pseudonym));
    }
    let logged = "UPDATE erasures SET calls = calls WHERE pseudonym LIKE '+999%'";
    assert_eq!(tamper(service.folder.path(), logged), 2);
}

#[test]
fn a_live_call_continues_with_the_pseudonym() {
    let service = Service::start();
    let patient = wholecall_store::TenantSettings::default();
    service.store.set_tenant_settings(service.tenant.id, patient).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let play = Scenario::named("attended").unwrap().play(3);
    let bodies: Vec<String> = play.notifications.iter().map(|one| one.to_json()).collect();
    let (first, rest) = bodies.split_at(3);
    service.receive(first.iter().map(String::as_str));
    service.wait(|| service.records().len() == 1);
    let (number, ..) = busiest(&service.records());
    let (status, answer) = service.request("DELETE", &format!("/v1/numbers/{number}"));
    assert_eq!(status, 200, "{answer}");
    // Later notifications without the number do not bring it back.
    let rest: Vec<String> = rest.iter().filter(|body| !body.contains(&number)).cloned().collect();
    let (version, calls) = (service.records()[0]["version"].as_u64().unwrap(), service.records().len());
    assert_eq!(calls, 1);
    service.receive(rest.iter().map(String::as_str));
    service
        .wait(|| service.records()[0]["version"].as_u64().unwrap() > version || service.records().len() > 1);
    assert!(!everything(&service).contains(&number));
    assert_eq!(check(&service.store, false, |_| {}).unwrap().findings, []);
}

#[test]
fn only_complete_numbers_can_be_erased() {
    let service = Service::start();
    for wrong in ["14045550123", "+1404", "809646016", "+809x646016"] {
        assert_eq!(service.request("DELETE", &format!("/v1/numbers/{wrong}")).0, 400, "{wrong}");
    }
}

/// A notification of a direct call, with its caller as JSON.
fn call_of(session: &str, side: &str) -> String {
    format!(
        r#"{{"uuid":"u-{session}","event":"/restapi/v1.0/account/400131426008/telephony/sessions",
        "timestamp":"2026-06-01T10:00:00.000Z","body":{{"sequence":2,"sessionId":"7001",
        "telephonySessionId":"{session}","eventTime":"2026-06-01T10:00:00.000Z","parties":[{{"id":"p-{session}-1",
        "accountId":"400131426008","extensionId":"62001","direction":"Inbound","from":{side},
        "to":{{"phoneNumber":"+17705550132","extensionId":"62001","name":"Ada"}},
        "status":{{"code":"Disconnected"}}}}]}}}}"#
    )
    .replace('\n', " ")
}

#[test]
fn an_erased_person_is_found_by_no_spelling_and_in_no_field() {
    let service = Service::start();
    let sides = [
        r#"{"phoneNumber":"\u002B14045550145","name":"Erin A"}"#,
        r#"{"phoneNumber":"14045550145","name":"Erin B"}"#,
        r#"{"phoneNumber":"(404) 555-0145","name":"Erin C"}"#,
        r#"{"phoneNumber":"4045550145","name":"Erin D"}"#,
        r#"{"phoneNumber":"+1 404 555 0145","name":"Erin E"}"#,
        r#"{"phoneNumber":"0014045550145","name":"Erin F"}"#,
        r#"{"phoneNumber":14045550145,"name":"Erin G"}"#,
        r#"{"phoneNumber":"+14045550145","name":"Erin H","weight":1e999}"#,
        r#"{"phoneNumber":"+12125550100","sipData":{"fromTag":"sip:14045550145@10.1.1.1"}}"#,
        r#"{"phoneNumber":"+12125550100","recordings":[{"id":"r-14045550145"}]}"#,
        r#"{"phoneNumber":"+14045550145","phoneNumber":"+14045550145","name":"Erin K"}"#,
        r#"{"phoneNumber":"+14045550145","name":"\u0045rin L","odd":"\ud800"}"#,
    ];
    for (number, side) in sides.iter().enumerate() {
        let session = format!("s-{number}x");
        let (tenant, body) = (service.tenant.id, call_of(&session, side).into());
        let arrival = Arrival { tenant, arrived_ms: 1_780_308_000_000, session: session.into(), body };
        service.store.append(vec![arrival]).unwrap().blocking_recv().unwrap().unwrap();
    }
    service.settle();
    assert!(service.records().len() > sides.len() - 3, "{} calls", service.records().len());
    // Bodies that are not notifications, one of them unreadable.
    let reason = "account 14045550145 is not one of the tenant's".to_owned();
    let refusal = NewRejected::new(service.tenant.id, 1, reason, b"call (404) 555-0145").unwrap();
    service.store.reject(refusal).unwrap().blocking_recv().unwrap().unwrap();
    tamper(
        service.folder.path(),
        "INSERT INTO rejected (id, tenant, arrived_ms, reason, body) VALUES (900, 1, 1, 'x', x'0400')",
    );
    let (status, answer) = service.request("DELETE", "/v1/numbers/%2B14045550145");
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["notifications"], sides.len(), "{answer}");
    assert_eq!((&answer["unreadable"], &answer["remaining"]), (&1.into(), &0.into()), "{answer}");
    for query in
        ["number=4045550145", "number=5550145", "number=%2B14045550145", "number=14045550145", "name=erin"]
    {
        let found = service.get(&format!("/v1/calls?limit=1000&{query}"));
        assert_eq!(found["calls"], serde_json::json!([]), "{query}");
    }
    let view = service.store.of(service.tenant.id);
    let bodies = service.store.journal_after(Position::default(), 1_000).unwrap();
    let versions = view.changes_after(Position::default(), 1_000).unwrap();
    let texts = bodies.into_iter().map(|entry| entry.body);
    let text: String = texts.chain(versions.into_iter().map(|version| version.record)).collect();
    for left in ["4045550145", "555-0145", "555 0145", "Erin", "rin L"] {
        assert!(!text.contains(left), "{left} is left: {text}");
    }
    assert!(text.contains(answer["pseudonym"].as_str().unwrap()));
    let rejected = view.rejected(None, 10).unwrap().into_iter().find(|one| one.id != 900).unwrap();
    let (_, body) = view.rejected_body(rejected.id).unwrap().unwrap();
    let digits = answer["pseudonym"].as_str().unwrap().trim_start_matches('+').to_owned();
    assert_eq!(rejected.reason, format!("account {digits} is not one of the tenant's"));
    assert_eq!(String::from_utf8(body).unwrap(), format!("call {digits}"));
    let (_folder, store) = service.reopen();
    let found = check(&store, false, |_| {}).unwrap().findings;
    let unreadable = ["rejected body 900", "notification 12"];
    assert!(found.iter().all(|finding| unreadable.contains(&finding.place.as_str())), "{found:?}");
}

#[test]
fn an_erasure_lists_older_backups_and_later_ones_lack_the_number() {
    let service = Service::start();
    service.receive([&*call_of("s-1x", r#"{"phoneNumber":"+14045550145","name":"Erin"}"#)]);
    service.wait(|| service.records().len() == 1);
    service.settle();
    let around = tempfile::TempDir::new().unwrap();
    let (older, later) = (around.path().join("older.db"), around.path().join("later.db"));
    wholecall_server::admin::backup(&service.store, &older).unwrap();
    let (_, answer) = service.request("DELETE", "/v1/numbers/%2B14045550145");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["backups"][0]["file"], older.to_str().unwrap(), "{answer}");
    wholecall_server::admin::backup(&service.store, &later).unwrap();
    let has = |file: &std::path::Path| {
        let bytes = std::fs::read(file).unwrap();
        // The number in the search index, last digit first.
        bytes.windows(11).any(|part| part == b"54105554041")
    };
    assert!(has(&older) && !has(&later));
}
