//! How table, drawings, CSV and vCon render the fields that state who answered, whose telephone rang for
//! whom, and what the caller was doing last.

#![allow(clippy::unwrap_used, reason = "a test fails without it")]

use serde_json::{Value, json};
use wholecall_record::Call;
use wholecall_render::{
    csv::CsvWriter, drawing::draw, svg::Drawing, table::Table, terminal::Screen, vcon::vcon,
};

fn time(second: u32) -> String {
    format!("2026-11-16T15:00:{second:02}.000Z")
}

fn participant(id: &str, kind: &str, name: Option<&str>, number: Option<&str>) -> Value {
    let extension = id.strip_prefix("ext:");
    json!({
        "id": id, "kind": kind, "phoneNumber": number, "extensionId": extension, "name": name,
        "displayName": name.or(number).unwrap_or("Anonymous"), "observed": true, "roles": [], "legs": [], "ringMs": 0,
        "talkMs": 0, "holdMs": 0,
    })
}

/// A customer calls Ann through a queue; a mobile that rings for Ben answers.
fn record() -> Value {
    let mut mobile = participant("tel:+19175550166", "external", None, Some("+19175550166"));
    mobile["onBehalfOf"] = "ext:102".into();
    mobile["inferred"] = true.into();
    let side = |id: &str, number: &str, name: Option<&str>| {
        json!({ "participant": id, "phoneNumber": number, "name": name, "displayName": name.unwrap_or(number),
            "extensionId": id.strip_prefix("ext:") })
    };
    let transfer = json!({ "kind": "BlindTransfer", "time": time(9), "by": "ext:101", "target": "ext:102",
        "answered": true, "evidence": [] });
    json!({
        "schema": "wholecall.call/1", "id": "s-1", "accountId": "1", "version": 3, "updatedAt": time(42),
        "state": "complete", "direction": "Inbound", "view": "account", "result": "Answered",
        "from": side("tel:+12125550147", "+12125550147", Some("=MILLER")), "to": side("ext:9", "+14155550100", None),
        "answeredBy": "tel:+19175550166", "lastWith": ["tel:+19175550166"], "customer": "tel:+12125550147",
        "users": ["ext:102"], "endState": "onHold", "activity": null, "transfer": transfer, "missedBy": ["ext:101"],
        "startTime": time(0), "answerTime": time(12), "endTime": time(40),
        "durations": { "totalMs": 40000, "waitMs": 12000, "talkMs": 20000, "holdMs": 8000, "parkedMs": 0,
            "voicemailMs": 0 },
        "participants": [participant("ext:101", "user", Some("Ann Avery"), None),
            participant("ext:102", "user", Some("Ben Booth"), None),
            participant("ext:9", "queue", Some("Sales Queue"), Some("+14155550100")),
            participant("tel:+12125550147", "external", Some("=MILLER"), Some("+12125550147")), mobile],
        "legs": [], "links": [], "moves": [transfer],
        "conversations": [{ "startTime": time(12), "endTime": time(32), "inferred": true,
            "participants": ["tel:+12125550147", "tel:+19175550166"] }],
        "queues": [{ "participant": "ext:9", "name": "Sales Queue", "enterTime": time(1), "leaveTime": time(12),
            "waitMs": 11000, "outcome": "Answered", "offers": 2, "answeredBy": "tel:+19175550166" },
            { "participant": "ext:9", "name": "Sales Queue", "enterTime": time(1), "leaveTime": time(12),
            "waitMs": 11000, "outcome": null, "offers": 0, "answeredBy": null }],
        "monitors": [], "recordings": [], "sessions": [], "related": [],
        "completeness": { "missingSequences": [], "unseenSessions": [], "unlinkedGone": [], "reason": null },
    })
}

fn call() -> Call {
    serde_json::from_value(record()).unwrap()
}

/// The call with other values of some fields.
fn changed(fields: &Value) -> Call {
    let mut record = record();
    for (name, value) in fields.as_object().unwrap() {
        record[name] = value.clone();
    }
    serde_json::from_value(record).unwrap()
}

fn row(call: &Call) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut writer = CsvWriter::new(&mut out).unwrap();
    writer.write(call).unwrap();
    writer.flush().unwrap();
    drop(writer);
    let mut reader = csv::Reader::from_reader(&*out);
    let names = reader.headers().unwrap().clone();
    let row = reader.records().next().unwrap().unwrap();
    names.iter().map(str::to_owned).zip(row.iter().map(str::to_owned)).collect()
}

#[test]
fn a_csv_row_needs_no_look_up() {
    let row = row(&call());
    let cell = |name: &str| row.iter().find(|(column, _)| column == name).unwrap().1.as_str();
    for (column, expected) in [
        ("endState", "onHold"),
        ("view", "account"),
        ("fromName", "'=MILLER"),
        ("fromNumber", "+12125550147"),
        ("toName", "Sales Queue"),
        ("toNumber", "+14155550100"),
        ("answeredBy", "tel:+19175550166"),
        ("answeredByName", ""),
        ("answeredByNumber", "+19175550166"),
        ("lastWithNames", "+19175550166"),
        ("customerName", "'=MILLER"),
        ("customerNumber", "+12125550147"),
        ("users", "ext:102"),
        ("userNames", "Ben Booth"),
        ("onBehalfOf", "ext:102"),
        ("onBehalfOfNames", "Ben Booth"),
        ("missedByNames", "Ann Avery"),
        ("transfer", "BlindTransfer"),
        ("transferByName", "Ann Avery"),
        ("transferTargetName", "Ben Booth"),
        ("queueNames", "Sales Queue; Sales Queue"),
        ("queueOutcomes", "Answered; -"),
    ] {
        assert_eq!(cell(column), expected, "{column}");
    }
}

#[test]
fn a_drawing_says_who_answered_for_whom_and_the_last_state() {
    for text in [Drawing::default().svg(&call()), draw(&call(), Screen::PLAIN)] {
        assert!(text.contains("+19175550166 (for Ben Booth)"), "{text}");
        assert!(text.contains("rings for Ben Booth (inferred)"), "{text}");
        assert!(text.contains("at most 20.0 s"), "{text}");
    }
    let svg = Drawing::default().svg(&call());
    assert!(svg.contains("Ended at 15:00:40 UTC. Last state of =MILLER: on hold."), "{svg}");
    assert!(draw(&call(), Screen::PLAIN).contains("last state of =MILLER: on hold"));
}

#[test]
fn a_drawing_says_no_more_than_the_fields() {
    let svg = |fields: Value| Drawing::default().svg(&changed(&fields));
    let partial = svg(json!({ "view": "extension", "endState": null }));
    assert!(
        partial.contains("The last leg that was seen ended at 15:00:40 UTC.")
            && !partial.contains("Last state")
    );
    let live = svg(json!({ "state": "live", "endTime": null, "endState": null, "activity": "queued" }));
    assert!(
        live.contains("In progress: =MILLER is waiting in a queue.") && !live.contains("nded at"),
        "{live}"
    );
    for (result, sentence) in [
        ("Service", "A service took the call."),
        ("AnsweredElsewhere", "Answered elsewhere, by a person who was not seen."),
        ("Forwarded", "Handed on to where the notifications do not show."),
        ("Unknown", "The notifications do not show how it came out."),
        ("Missed", "Not answered: missed."),
    ] {
        let none = json!({ "result": result, "answerTime": null, "answeredBy": null, "conversations": [] });
        assert!(svg(none).contains(sentence), "{result}");
    }
}

#[test]
fn a_table_shows_who_answered_and_the_last_state() {
    let mut table = Table::new(Screen { width: 160, ..Screen::PLAIN });
    table.add(&call());
    let text = table.text();
    for words in ["answered by", "+19175550166 (for Ben Booth)", "last state", "on hold", "≤0:20"] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
}

#[test]
fn a_vcon_has_no_inferred_duration_and_no_shared_number() {
    let vcon = vcon(&changed(&json!({ "participants": [
        participant("ext:9", "queue", Some("Sales Queue"), Some("+14155550100")),
        participant("ext:101", "user", Some("Ann Avery"), Some("+14155550100")),
        participant("tel:+12125550147", "external", Some("(212) 555-0147"), Some("+12125550147")),
    ] })));
    assert_eq!(vcon["dialog"][0]["type"], "recording");
    assert_eq!(vcon["dialog"][0].get("duration"), None);
    let parties = vcon["parties"].as_array().unwrap();
    assert_eq!(parties[0]["tel"], "+14155550100");
    assert_eq!((parties[1].get("tel"), &parties[1]["name"]), (None, &json!("Ann Avery")));
    assert_eq!((&parties[2]["tel"], parties[2].get("name")), (&json!("+12125550147"), None));
    let voicemail =
        json!({ "result": "Voicemail", "answerTime": null, "answeredBy": null, "conversations": [] });
    let dialogs = wholecall_render::vcon::vcon(&changed(&voicemail))["dialog"].clone();
    assert_eq!((&dialogs[0]["type"], &dialogs[0]["recordings"]), (&json!("recording-set"), &json!([])));
}
