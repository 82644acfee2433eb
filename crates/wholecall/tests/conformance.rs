//! Played calls with known answers, and real streams, against the command line.
//!
//! They stand in a folder beside the workspace, or where `WHOLECALL_SHARED` says. Without it there is nothing to
//! compare: the tests say so and pass, unless `WHOLECALL_REQUIRE_SHARED` is set.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

use std::{
    collections::BTreeSet,
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// A folder of the shared ones; none where they are absent.
fn shared(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = env::var_os("WHOLECALL_SHARED").map_or_else(beside, PathBuf::from).join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let required =
        env::var_os("WHOLECALL_REQUIRE_SHARED").is_some_and(|value| value != "0" && !value.is_empty());
    assert!(!required, "{} is required, but absent", folder.display());
    eprintln!("skipped: {} is absent (see WHOLECALL_SHARED)", folder.display());
    None
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn assemble(input: &str) -> Output {
    let mut wholecall = Command::new(env!("CARGO_BIN_EXE_wholecall"))
        .args(["assemble", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = wholecall.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = wholecall.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// The records of an input of which everything can be read.
fn records(input: &str) -> Vec<Value> {
    let output = assemble(input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same lines in another order, always the same for a seed.
fn shuffled(input: &str, seed: u64) -> String {
    let mut state = seed;
    let mut keyed: Vec<(u64, &str)> = input
        .lines()
        .map(|line| {
            // Knuth's linear congruential generator; its upper bits are random enough.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 16, line)
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, line)| format!("{line}\n")).collect()
}

/// What a second subscription would have delivered besides: the same under other ids.
fn with_second_subscription(input: &str) -> String {
    let again = |line: &str| {
        let mut notification: Value = serde_json::from_str(line).unwrap();
        let uuid: String = notification["uuid"].as_str().unwrap().chars().rev().collect();
        notification["uuid"] = uuid.into();
        notification["subscriptionId"] = "e0f2ad1c-5d8b-4c5b-8d94-0d2f6b1f8f11".into();
        format!("{line}\n{notification}\n")
    };
    input.lines().map(again).collect()
}

fn strings(list: &Value) -> BTreeSet<&str> {
    list.as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect()
}

fn millis(time: &Value) -> i64 {
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_millisecond()
}

/// Compares what a played call says of itself; tells what differs.
fn differences(expected: &Value, record: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |field: &str, expected: Value, actual: Value| {
        if expected != actual {
            found.push(format!("{field}: {expected} expected, {actual} found"));
        }
    };
    for field in ["direction", "result", "startTime", "answerTime", "monitors", "conversations"] {
        compare(field, expected[field].clone(), record[field].clone());
    }
    compare("caller", expected["caller"].clone(), record["from"]["participant"].clone());
    let near = match (&expected["endTime"], &record["endTime"]) {
        (Value::Null, end) | (end, Value::Null) => end.is_null(),
        (expected, actual) => (millis(expected) - millis(actual)).abs() <= 100,
    };
    compare("endTime", near.into(), true.into());
    let sessions = record["sessions"].as_array().unwrap().iter().filter(|session| session["seen"] == true);
    let sessions: BTreeSet<&str> =
        sessions.map(|session| session["telephonySessionId"].as_str().unwrap()).collect();
    compare(
        "sessions",
        format!("{:?}", strings(&expected["sessions"])).into(),
        format!("{sessions:?}").into(),
    );
    let ignorable = strings(&expected["ignorable"]);
    let participants = record["participants"].as_array().unwrap();
    let ids = participants.iter().map(|participant| participant["id"].as_str().unwrap());
    let people: BTreeSet<&str> = ids.filter(|id| !ignorable.contains(id)).collect();
    compare(
        "participants",
        format!("{:?}", strings(&expected["participants"])).into(),
        format!("{people:?}").into(),
    );
    for (id, talk) in expected["talkMs"].as_object().unwrap() {
        let participant = participants.iter().find(|participant| participant["id"] == **id);
        let actual = participant.map(|participant| participant["talkMs"].clone());
        compare(&format!("talkMs of {id}"), talk.clone(), actual.unwrap_or(Value::Null));
    }
    let mut moves = record["moves"].clone();
    for step in moves.as_array_mut().unwrap() {
        step.as_object_mut().unwrap().retain(|field, _| ["kind", "by", "target"].contains(&field.as_str()));
    }
    compare("moves", expected["moves"].clone(), moves);
    found
}

#[test]
fn played_calls_come_out_as_they_were_played() {
    let Some(golden) = shared("golden") else { return };
    let mut wrong = Vec::new();
    let cases = folders(&golden);
    assert!(cases.len() >= 20, "{} holds only {} cases", golden.display(), cases.len());
    for case in cases {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let events = read(&case.join("events.ndjson"));
        let expected: Vec<Value> = serde_json::from_str(&read(&case.join("expected.json"))).unwrap();
        let doubled = format!("{events}\n{events}");
        let twice = with_second_subscription(&events);
        let mut inputs = vec![("plain".to_owned(), events.clone()), ("doubled".to_owned(), doubled)];
        inputs.push(("two subscriptions".to_owned(), twice.clone()));
        for seed in 1..=4 {
            inputs.push((format!("shuffled {seed}"), shuffled(&events, seed)));
            inputs.push((format!("two subscriptions, shuffled {seed}"), shuffled(&twice, seed)));
        }
        for (how, input) in inputs {
            let records = records(&input);
            if records.len() != expected.len() {
                wrong.push(format!("{name}, {how}: {} calls for {}", records.len(), expected.len()));
            }
            for call in &expected {
                match records.iter().find(|record| record["id"] == call["id"]) {
                    Some(record) => wrong.extend(
                        differences(call, record).iter().map(|what| format!("{name}, {how}, {what}")),
                    ),
                    None => wrong.push(format!("{name}, {how}: no call {}", call["id"])),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_recorded_call_between_two_extensions() {
    let Some(corpus) = shared("corpus") else { return };
    let records = records(&read(&corpus.join("csn-ext-ext-hold/events.json")));
    let [call] = records.as_slice() else { panic!("one call, not {}", records.len()) };
    assert_eq!(
        (&call["direction"], &call["result"], &call["state"]),
        (&"Internal".into(), &"Answered".into(), &"complete".into())
    );
    let callee = call["legs"].as_array().unwrap().iter().find(|leg| leg["direction"] == "Inbound").unwrap();
    // The caller's own "Answered" came 6.7 s before anybody took the call.
    assert_eq!(millis(&callee["answerTime"]) - millis(&callee["ringTime"]), 6_674);
    assert_eq!(call["answerTime"], callee["answerTime"]);
    assert_eq!(call["durations"]["holdMs"], 4_319);
    assert_eq!(call["durations"]["talkMs"], 3_931 + 5_717);
    assert_eq!(call["conversations"].as_array().unwrap().len(), 2);
}

#[test]
fn a_recorded_call_through_a_menu() {
    let Some(corpus) = shared("corpus") else { return };
    let records = records(&read(&corpus.join("csn-pstn-ivr-user-hold/events.json")));
    let [call] = records.as_slice() else { panic!("one call, not {}", records.len()) };
    assert_eq!(
        (&call["direction"], &call["result"], &call["state"]),
        (&"Inbound".into(), &"Answered".into(), &"complete".into())
    );
    let legs = call["legs"].as_array().unwrap();
    let outcomes: Vec<&Value> = legs.iter().map(|leg| &leg["outcome"]).collect();
    assert_eq!(outcomes, ["Originated", "Routed", "Answered"]);
    assert_eq!(call["answerTime"], "2020-06-23T01:06:00.001Z");
    assert_eq!(call["durations"]["holdMs"], 2_393);
    assert_eq!(call["moves"].as_array().unwrap().len(), 0);
    let holds = legs.iter().flat_map(|leg| leg["segments"].as_array().unwrap());
    assert_eq!(holds.filter(|segment| segment["state"] == "holding").count(), 1);
}

/// Samples out of documents are often trimmed; what such a notification lacks is said.
#[test]
fn every_recorded_notification_is_read_or_refused_with_a_reason() {
    let Some(corpus) = shared("corpus") else { return };
    let trimmed = [
        ("docs-hold-metrics-trimmed-2020", "has no id"),
        ("sipdata-filter-partial-2025", "without a readable sequence number"),
    ];
    for case in folders(&corpus) {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(events) = fs::read_to_string(case.join("events.json")) else { continue };
        let output = assemble(&events);
        let complaints = String::from_utf8(output.stderr).unwrap();
        match trimmed.iter().find(|(trimmed, _)| *trimmed == name) {
            Some((_, reason)) => {
                assert_eq!(output.status.code(), Some(2), "{name}");
                let is_explained = |line: &str| line.starts_with("<stdin>:") && line.contains(reason);
                assert!(
                    complaints.lines().count() > 0 && complaints.lines().all(is_explained),
                    "{name}: {complaints}"
                );
            }
            None => assert_eq!((output.status.code(), complaints.as_str()), (Some(0), ""), "{name}"),
        }
    }
}
