use serde_json::{Value, json};

use super::*;
use crate::Scenario;

/// A record that equals the truth.
fn record_of(truth: &CallTruth) -> Value {
    let time = |time: Timestamp| json!(time.to_string());
    let facts = truth.facts.clone().unwrap_or_default();
    let people: std::collections::BTreeSet<&String> =
        truth.participants.iter().chain(&truth.ignorable).collect();
    json!({
        "id": truth.id, "version": 3, "state": "complete", "direction": truth.direction, "result": truth.result,
        "from": {"participant": truth.caller}, "to": {"participant": truth.dialled}, "startTime": time(truth.start_time),
        "answerTime": truth.answer_time.map(time), "endTime": time(truth.end_time),
        "participants": people.into_iter().map(|id| json!({
            "id": id, "onBehalfOf": facts.on_behalf_of.get(id)
        })).collect::<Vec<_>>(),
        "legs": truth.rung.iter().flatten().map(|id| json!({
            "participant": id, "direction": "Inbound", "ringTime": time(truth.start_time)
        })).collect::<Vec<_>>(),
        "sessions": truth.sessions.iter().map(|id| json!({"telephonySessionId": id, "seen": true})).collect::<Vec<_>>(),
        "conversations": truth.conversations, "moves": truth.moves, "monitors": truth.monitors,
        "answeredBy": facts.answered_by, "lastWith": facts.last_with, "customer": facts.customer,
        "users": facts.users, "endState": facts.end_state, "missedBy": facts.missed_by, "queues": facts.queues,
        "transfer": facts.transfer, "related": facts.related.iter().map(|kind| json!({"kind": kind})).collect::<Vec<_>>(),
        "durations": {"waitMs": facts.wait_ms, "parkedMs": facts.parked_ms},
        "completeness": {"missingSequences": [], "unseenSessions": [], "unlinkedGone": [], "reason": null},
    })
}

fn checked(truth: &CallTruth, record: &Value, tolerance: i64) -> Report {
    let record = Record::from_json(&record.to_string()).unwrap();
    verify([truth.clone()], [record], Tolerance { times: tolerance, ..Tolerance::default() })
}

fn attended() -> CallTruth {
    Scenario::named("attended").unwrap().play(3).truths.remove(0)
}

#[test]
fn a_true_record_has_no_difference() {
    for scenario in Scenario::all() {
        for truth in scenario.play(5).truths {
            let report = checked(&truth, &record_of(&truth), 0);
            assert_eq!((report.exact(), report.differences()), (1, 0), "{}: {report}", scenario.name);
        }
    }
}

#[test]
fn every_falsehood_is_found_and_reported() {
    let truth = attended();
    let falsehoods: [(&str, Value, &str); 9] = [
        ("/result", json!("Missed"), "The result was Answered; the record says Missed."),
        ("/from/participant", json!("tel:+1"), "The caller was"),
        ("/answerTime", json!(null), "the record says never."),
        ("/participants/0/id", json!("tel:+1"), "The record says that tel:+1 took part; it is not so."),
        ("/sessions/0/seen", json!(false), "belongs to the call; the record does not say so."),
        ("/legs", json!([]), "was rung; the record does not say so."),
        ("/monitors", json!(["ext:1"]), "The record says that ext:1 listened; it is not so."),
        ("/conversations/0/participants/0", json!("ext:1"), "heard each other from"),
        ("/moves/0/target", json!(null), "There was a AttendedTransfer by"),
    ];
    for (at, value, sentence) in falsehoods {
        let mut record = record_of(&truth);
        *record.pointer_mut(at).unwrap() = value;
        let report = checked(&truth, &record, 0);
        assert_eq!(report.exact(), 0, "{at}");
        assert!(report.to_string().contains(sentence), "{at}: {report}");
    }
}

#[test]
fn times_may_differ_by_the_tolerance_and_no_more() {
    let truth = attended();
    let mut late = truth.clone();
    for talk in &mut late.conversations {
        talk.start_time += 7;
        talk.end_time += 7;
    }
    late.answer_time = late.answer_time.map(|time| time + 7);
    let record = record_of(&late);
    assert_eq!(checked(&truth, &record, 7).exact(), 1);
    assert_eq!(checked(&truth, &record, 6).exact(), 0);
}

#[test]
fn missing_and_invented_records_count() {
    let (truth, other) = (attended(), Scenario::named("inbound").unwrap().play(1).truths.remove(0));
    let invented = Record::from_json(&record_of(&other).to_string()).unwrap();
    let report = verify([truth], [invented], Tolerance::default());
    assert_eq!((report.calls, report.exact(), report.invented, report.wrong.len()), (1, 0, 1, 2));
    assert_eq!(report.score(), 0.0);
}

#[test]
fn the_highest_version_of_a_record_is_compared() {
    let truth = attended();
    let mut old = record_of(&truth);
    old["version"] = json!(2);
    old["result"] = json!("InProgress");
    let records = [record_of(&truth), old].map(|record| Record::from_json(&record.to_string()).unwrap());
    assert_eq!(verify([truth], records, Tolerance::default()).exact(), 1);
}
