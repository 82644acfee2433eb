//! Decisions about the command line that the contract leaves open (`docs/decisions.md`).

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

/// Runs `wholecall assemble` on an input.
fn assemble(arguments: &[&str], input: &[Value]) -> Output {
    let mut wholecall = Command::new(env!("CARGO_BIN_EXE_wholecall"))
        .arg("assemble")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text: String = input.iter().map(|line| format!("{line}\n")).collect();
    // Fails if the program refused its arguments and does not read.
    let _ = wholecall.stdin.take().unwrap().write_all(text.as_bytes());
    wholecall.wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn errors(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

/// A time of day.
fn at(minutes: u32) -> String {
    format!("2026-01-01T{:02}:{:02}:00Z", minutes / 60, minutes % 60)
}

/// Extension 104's outbound leg.
fn note(session: &str, sequence: u32, minutes: u32, code: &str) -> Value {
    json!({
        "uuid": format!("{session}{sequence}"), "timestamp": at(minutes),
        "event": "/restapi/v1.0/account/1/extension/104/telephony/sessions",
        "body": {
            "sequence": sequence, "telephonySessionId": session, "eventTime": at(minutes), "origin": {"type": "Call"},
            "parties": [{
                "id": format!("p-{session}-1"), "accountId": "1", "extensionId": "104", "direction": "Outbound",
                "from": {"phoneNumber": "104", "extensionId": "104"}, "to": {"phoneNumber": "+14045550106"},
                "status": {"code": code},
            }],
        },
    })
}

/// A call of ten minutes.
fn call(session: &str, minutes: u32) -> [Value; 3] {
    [
        note(session, 2, minutes, "Setup"),
        note(session, 3, minutes + 1, "Answered"),
        note(session, 4, minutes + 11, "Disconnected"),
    ]
}

#[test]
fn records_are_written_in_order_of_their_start_then_id() {
    let input = [call("s-3", 30), call("s-2", 10), call("s-1", 30)].concat();
    let records = lines(&assemble(&["--format", "ndjson"], &input));
    let ids: Vec<&str> = records.iter().map(|record| record["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["s-2", "s-1", "s-3"]);
}

#[test]
fn a_timestamp_far_ahead_is_held_until_the_next_one_confirms_it() {
    let wrong = |mut input: Vec<Value>| {
        input[1]["timestamp"] = json!(at(23 * 60));
        input
    };
    let output = assemble(&["--stream"], &wrong(call("s-1", 10).to_vec()));
    let records = lines(&output);
    assert_eq!(records.len(), 1, "the wrong timestamp closed no call");
    assert_eq!(records[0]["state"], "complete");
    assert!(errors(&output).starts_with("<stdin>:2: "), "{}", errors(&output));
    assert_eq!(output.status.code(), Some(2));
    let right = [call("s-1", 10), call("s-2", 600)].concat();
    let output = assemble(&["--stream"], &right);
    assert_eq!(
        (lines(&output).len(), output.status.code()),
        (2, Some(0)),
        "hours without a notification are no error"
    );
}

#[test]
fn a_stream_reports_merged_calls() {
    let mut gone = note("s-1", 4, 40, "Gone");
    gone["body"]["parties"][0]["status"]["peerId"] =
        json!({"telephonySessionId": "s-2", "partyId": "p-s-2-1"});
    let [setup, answered, _] = call("s-1", 10);
    let input =
        [vec![setup, answered], call("s-2", 20).to_vec(), vec![gone, note("s-3", 2, 45, "Setup")]].concat();
    let output = lines(&assemble(&["--stream"], &input));
    assert_eq!(output[0]["id"], "s-2");
    assert_eq!(output[1], json!({"schema": "wholecall.merged/1", "id": "s-2", "into": "s-1"}));
    assert_eq!(
        (&output[2]["id"], &output[2]["sessions"][1]["telephonySessionId"]),
        (&json!("s-1"), &json!("s-2"))
    );
    let csv = assemble(&["--stream", "--format", "csv"], &input);
    assert!(errors(&csv).contains("call s-2 turned out to be part of s-1"), "CSV has no line for it");
}

#[test]
fn a_stream_cannot_be_a_table() {
    let output = assemble(&["--stream", "--format", "table"], &call("s-1", 10));
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("omit --stream"));
}

#[test]
fn a_directory_without_an_account_applies_to_every_account() {
    let list = |uri: &str, name: &str| json!({"uri": uri, "records": [{"id": 104, "name": name, "extensionNumber": "104", "type": "User"}]});
    let file = std::env::temp_dir().join(format!("wholecall-directory-{}.json", std::process::id()));
    let name = |pages: &[Value]| {
        let text: String = pages.iter().map(Value::to_string).collect();
        std::fs::write(&file, text).unwrap();
        let output =
            assemble(&["--directory", file.to_str().unwrap(), "--format", "ndjson"], &call("s-1", 10));
        std::fs::remove_file(&file).unwrap();
        lines(&output)[0]["from"]["name"].clone()
    };
    let own = list("https://platform.ringcentral.com/restapi/v1.0/account/1/extension", "Ann of 1");
    let others = list("https://platform.ringcentral.com/restapi/v1.0/account/2/extension", "Ann of 2");
    let general = list("https://platform.ringcentral.com/restapi/v1.0/account/~/extension", "Ann");
    assert_eq!(name(std::slice::from_ref(&general)), "Ann");
    assert_eq!(name(&[general, own]), "Ann of 1", "an account's own directory comes first");
    assert_eq!(name(&[others]), Value::Null, "another account's directory does not apply");
}

#[test]
fn a_name_in_one_call_applies_to_the_others_of_the_input() {
    let named = call("s-2", 40).map(|mut note| {
        note["body"]["parties"][0]["from"]["name"] = json!("Ann");
        note
    });
    let input = [call("s-1", 10), named, call("s-3", 70)].concat();
    let names = |arguments: &[&str]| -> Vec<Value> {
        let records = lines(&assemble(arguments, &input)).into_iter();
        let records = records.filter(|record| record["state"] != "live");
        records.map(|record| record["from"]["name"].clone()).collect()
    };
    assert_eq!(
        names(&["--format", "ndjson"]),
        ["Ann", "Ann", "Ann"],
        "names are learned from the whole input first"
    );
    assert_eq!(names(&["--stream"]), [Value::Null, json!("Ann"), json!("Ann")], "in order of arrival");
}

#[test]
fn a_conversation_is_a_recording_dialog_without_media() {
    let vcon = &lines(&assemble(&["--format", "vcon"], &call("s-1", 10)))[0];
    let dialog = &vcon["dialog"][0];
    assert_eq!((&dialog["type"], &dialog["duration"]), (&json!("recording"), &json!(600)));
    assert_eq!((dialog.get("url"), dialog.get("body")), (None, None));
    assert_eq!(dialog["parties"], json!([0, 1]), "the caller first");
    let ids: Vec<&Value> = vcon["parties"].as_array().unwrap().iter().map(|party| &party["uuid"]).collect();
    assert_eq!(ids, ["ext:104", "tel:+14045550106"], "in the order of the record's participants");
    assert_eq!(vcon["parties"][0].get("tel"), None, "a short number is not a telephone number");
    assert_eq!(vcon["updated_at"], json!("2026-01-01T00:21:00.000Z"));
    assert_eq!(vcon["created_at"], vcon["dialog"][1]["start"], "the start of the call");
    let again = &lines(&assemble(&["--format", "vcon"], &call("s-1", 10)))[0];
    assert_eq!(vcon["uuid"], again["uuid"], "the same call has the same uuid");
    let unanswered = [note("s-1", 2, 10, "Setup"), note("s-1", 3, 11, "Disconnected")];
    let vcon = &lines(&assemble(&["--format", "vcon"], &unanswered))[0];
    assert_eq!(
        (&vcon["dialog"][0]["type"], &vcon["dialog"][0]["disposition"]),
        (&json!("incomplete"), &json!("no-answer"))
    );
}

#[test]
fn a_transfer_dialog_names_the_dialogs_before_and_after_it() {
    let party = |id: &str, extension: &str, from: &str, status: Value| {
        json!({"id": id, "extensionId": extension, "direction": "Inbound", "from": {"phoneNumber": from},
               "to": {"phoneNumber": extension, "extensionId": extension}, "status": status})
    };
    let note = |sequence: u32, minutes: u32, party: Value| {
        let mut note = note("s-1", sequence, minutes, "");
        note["body"]["parties"] = json!([party]);
        note
    };
    let input = [
        note(2, 10, party("p-2", "104", "+14045550101", json!({"code": "Answered"}))),
        note(
            3,
            12,
            party("p-2", "104", "+14045550101", json!({"code": "Disconnected", "reason": "BlindTransfer"})),
        ),
        note(4, 12, party("p-3", "106", "+14045550101", json!({"code": "Answered"}))),
        note(5, 15, party("p-3", "106", "+14045550101", json!({"code": "Disconnected"}))),
    ];
    let vcon = &lines(&assemble(&["--format", "vcon"], &input))[0];
    let transfer = &vcon["dialog"][3];
    assert_eq!(transfer["type"], "transfer");
    assert_eq!((&transfer["original"], &transfer["target_dialog"]), (&json!([0]), &json!([1])));
    let party_of = |role: &str| &vcon["parties"][transfer[role].as_u64().unwrap() as usize]["uuid"];
    assert_eq!(
        ["transferor", "transferee", "transfer_target"].map(party_of),
        ["ext:104", "tel:+14045550101", "ext:106"]
    );
}
