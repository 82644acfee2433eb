//! `assemble --stream`: writes calls as they settle, with the notifications' timestamps as the clock.

use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::run::{CALLS, Ran, pipe, wholecall};

const START: &str = "2026-03-09T14:";

/// A notification of extension 700101's outgoing call; times are `mm:ss.mmm`.
fn note(session: &str, sequence: u32, sent: &str, at: &str, code: &str) -> Value {
    json!({
        "uuid": format!("{sequence}-{session}"),
        "event": "/restapi/v1.0/account/700100200/telephony/sessions",
        "timestamp": format!("{START}{sent}Z"),
        "body": {
            "sequence": sequence, "sessionId": "1", "telephonySessionId": session,
            "eventTime": format!("{START}{at}Z"), "origin": {"type": "Call"},
            "parties": [{
                "id": "p-1", "extensionId": "700101", "direction": "Outbound", "status": {"code": code},
                "from": {"phoneNumber": "101", "extensionId": "700101"}, "to": {"phoneNumber": "+12025550143"},
            }],
        },
    })
}

fn stream(arguments: &str, notes: &[Value]) -> Ran {
    let input: String = notes.iter().map(|note| format!("{note}\n")).collect();
    pipe(&format!("assemble --stream {arguments}"), input)
}

/// Id, version and state of each line.
fn versions(ran: &Ran) -> Vec<(String, u64, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let version = |call: &Value| (text(&call["id"]), call["version"].as_u64().unwrap(), text(&call["state"]));
    ran.lines().iter().map(version).collect()
}

/// A call of a minute, from its first to its last notification.
fn short_call(session: &str) -> Vec<Value> {
    vec![
        note(session, 2, "00:00.100", "00:00.000", "Setup"),
        note(session, 3, "00:05.100", "00:05.000", "Answered"),
        note(session, 4, "01:00.100", "01:00.000", "Disconnected"),
    ]
}

#[test]
fn the_last_versions_equal_the_records_of_the_whole_input() {
    let stripped = |ran: &Ran| -> Vec<Value> {
        let mut calls = ran.lines();
        for call in &mut calls {
            call.as_object_mut().unwrap().retain(|field, _| field != "version" && field != "updatedAt");
        }
        calls
    };
    let live = pipe("assemble --stream", CALLS);
    assert_eq!(stripped(live.assert_clean()), stripped(&pipe("assemble", CALLS)));
}

#[test]
fn a_call_is_written_when_it_has_settled_not_when_the_input_ends() {
    let mut child = wholecall().args(["assemble", "--stream"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for note in short_call("s-1") {
        writeln!(stdin, "{note}").unwrap();
    }
    // Another call's first notification, after the settle time, moves the clock.
    writeln!(stdin, "{}", note("s-2", 2, "01:02.000", "01:01.900", "Setup")).unwrap();
    stdin.flush().unwrap();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&first["id"], &first["state"]), (&json!("s-1"), &json!("complete")));
    // Only now does the input end.
    drop(stdin);
    let second: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&second["id"], &second["state"]), (&json!("s-2"), &json!("incomplete")));
    assert_eq!(second["completeness"]["reason"], "endOfInput");
    assert!(lines.next().is_none());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_late_notification_writes_the_call_again() {
    let mut notes = short_call("s-1");
    let late = notes.remove(1);
    notes.push(note("s-2", 2, "02:00.000", "02:00.000", "Setup"));
    notes.push(late);
    notes.push(note("s-2", 3, "02:10.000", "02:10.000", "Answered"));
    let ran = stream("", &notes);
    let versions = versions(ran.assert_clean());
    assert_eq!(versions.len(), 3, "{versions:?}");
    assert_eq!((versions[0].0.as_str(), versions[1].0.as_str()), ("s-1", "s-1"));
    assert!(versions[1].1 > versions[0].1, "{versions:?}");
    let [before, after, _] = &ran.lines()[..] else { panic!("three lines") };
    assert_eq!((&before["result"], &after["result"]), (&json!("Cancelled"), &json!("Answered")));
    assert_eq!(before["completeness"]["missingSequences"][0]["from"], 3);
    assert_eq!(after["completeness"]["missingSequences"], json!([]));
}

#[test]
fn merged_calls_are_reported() {
    let mut notes = short_call("s-1");
    notes.extend(short_call("s-2").into_iter().map(|mut note| {
        note["body"]["eventTime"] =
            json!(note["body"]["eventTime"].as_str().unwrap().replace(".000", ".500"));
        note
    }));
    notes.push(note("s-3", 2, "02:00.000", "02:00.000", "Setup"));
    let mut link = note("s-2", 5, "02:01.000", "01:00.600", "Gone");
    link["body"]["parties"][0]["status"]["peerId"] = json!({"telephonySessionId": "s-1", "partyId": "p-1"});
    notes.push(link);
    notes.push(note("s-3", 3, "02:10.000", "02:10.000", "Disconnected"));
    let ran = stream("", &notes);
    let lines = ran.lines();
    let merged = lines.iter().position(|line| line["schema"] == "wholecall.merged/1").expect("a merged line");
    assert_eq!(lines[merged], json!({"schema": "wholecall.merged/1", "id": "s-2", "into": "s-1"}));
    let survivor = &lines[merged + 1];
    assert_eq!((&survivor["id"], survivor["sessions"].as_array().unwrap().len()), (&json!("s-1"), 2));
    let before = lines[..merged].iter().filter_map(|line| line["version"].as_u64()).max();
    assert!(survivor["version"].as_u64() > before);
    // The other formats have no line for it, so it goes to standard error.
    let input: String = notes.iter().map(|note| format!("{note}\n")).collect();
    let csv = pipe("assemble --stream --format csv", input);
    assert_eq!(csv.code, 0);
    assert!(csv.err.contains("call s-2 turned out to be part of s-1"), "{}", csv.err);
}

#[test]
fn a_notification_after_the_late_window_starts_a_record_with_late_for() {
    let mut notes = short_call("s-1");
    notes.push(note("s-2", 2, "05:00.000", "05:00.000", "Setup"));
    notes.push(note("s-1", 5, "06:00.000", "01:00.100", "Disconnected"));
    let ran = stream("--late-window 2m", &notes);
    let late = ran.lines().into_iter().rfind(|call| call["id"] == "s-1").unwrap();
    assert_eq!(late["completeness"]["lateFor"], "s-1");
    assert!(ran.lines()[0]["completeness"]["lateFor"].is_null());
    let within = stream("--late-window 1h", &notes);
    assert!(within.lines().iter().all(|call| call["completeness"]["lateFor"].is_null()));
}

#[test]
fn the_idle_timeout_closes_a_call() {
    let mut notes = short_call("s-1");
    notes.truncate(2);
    notes.push(note("s-2", 2, "20:00.000", "20:00.000", "Setup"));
    let ran = stream("--idle-timeout 10m", &notes);
    assert_eq!(versions(&ran)[0].2, "incomplete");
    assert_eq!(ran.lines()[0]["completeness"]["reason"], "silent");
}

#[test]
fn a_wrong_timestamp_does_not_close_all_calls() {
    let mut notes = short_call("s-1");
    let mut wrong = note("s-2", 2, "00:10.000", "00:10.000", "Setup");
    wrong["timestamp"] = json!("2031-01-01T00:00:00.000Z");
    notes.insert(2, wrong);
    let ran = stream("", &notes);
    assert_eq!(ran.code, 2);
    assert!(ran.err.starts_with("<stdin>:3: "), "{}", ran.err);
    assert!(ran.err.contains("hours ahead of those before and after"), "{}", ran.err);
    let states: Vec<(String, String)> =
        versions(&ran).into_iter().map(|(id, _, state)| (id, state)).collect();
    let expected = [("s-1", "complete"), ("s-2", "incomplete")];
    assert_eq!(states, expected.map(|(id, state)| (id.to_owned(), state.to_owned())));
}

#[test]
fn notifications_hours_behind_the_first_are_assembled() {
    // All timestamps are hours before the first: nothing is lost, and the calls are written at the end.
    let mut notes = vec![note("s-9", 2, "00:00.000", "00:00.000", "Setup")];
    notes[0]["timestamp"] = json!("2026-03-10T14:00:00.000Z");
    notes.extend(short_call("s-1"));
    let ran = stream("", &notes);
    assert_eq!(versions(&ran).len(), 2);
    assert_eq!(ran.code, 0);
}

#[test]
fn a_stream_as_a_table_is_refused() {
    let ran = stream("--format table", &short_call("s-1"));
    assert_eq!((ran.code, ran.out.len()), (1, 0));
    assert!(ran.err.contains("a table needs all calls at once"), "{}", ran.err);
}
