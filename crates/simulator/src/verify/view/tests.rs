use serde_json::{Value, json};

use super::*;
use crate::Scenario;

/// The truth of a queue's call that its first agent answers, as that agent's view has it, and the agent.
fn answered_out_of_queue() -> (CallTruth, String) {
    let scenario = Scenario::named("queue_together").unwrap();
    let play = scenario.play(3);
    let agent = play.truths[0].facts.as_ref().unwrap().answered_by.clone().unwrap();
    let extension = agent.trim_start_matches("ext:").parse().unwrap();
    (play.seen_by(extension).truths.remove(0), agent)
}

/// The most that a record of the agent's view can state.
fn record_of(truth: &CallTruth, agent: &str) -> Value {
    let facts = truth.facts.as_ref().unwrap();
    let time = |time: Timestamp| json!(time.to_string());
    json!({
        "id": truth.id, "direction": "Inbound", "result": "Answered", "from": {"participant": truth.caller},
        "to": {"participant": truth.dialled}, "startTime": time(truth.start_time),
        "answerTime": truth.answer_time.map(time), "endTime": time(truth.end_time), "participants": [], "legs": [],
        "sessions": [{"telephonySessionId": truth.id, "seen": true}], "conversations": truth.conversations,
        "moves": [], "monitors": [], "answeredBy": agent, "users": [agent], "customer": truth.caller,
        "endState": "talking", "lastWith": [agent],
        "queues": [{"participant": facts.queues[0].participant, "outcome": "Answered", "answeredBy": agent}],
    })
}

fn checked(truth: &CallTruth, agent: &str, record: &Value) -> ViewReport {
    let record = Record::from_json(&record.to_string()).unwrap();
    verify_view(agent, std::slice::from_ref(truth), [record], Tolerance::default())
}

#[test]
fn a_true_statement_is_not_contradicted() {
    let (truth, agent) = answered_out_of_queue();
    let report = checked(&truth, &agent, &record_of(&truth, &agent));
    assert_eq!((report.contradicted.len(), report.withheld.len()), (0, 0), "{report}");
    assert!(report.agreeing > 10, "{report}");
}

#[test]
fn each_false_statement_is_found() {
    let (truth, agent) = answered_out_of_queue();
    let falsehoods: [(&str, Value); 12] = [
        ("/direction", json!("Internal")),
        ("/from/participant", json!("tel:+1")),
        ("/to/participant", json!("ext:1")),
        ("/startTime", json!("2020-01-01T00:00:00.000Z")),
        ("/answerTime", json!("2020-01-01T00:00:00.000Z")),
        ("/result", json!("Missed")),
        ("/result", json!("AnsweredElsewhere")),
        ("/answeredBy", json!("ext:1")),
        ("/customer", json!(agent)),
        ("/conversations/0/participants/0", json!("ext:1")),
        ("/queues/0/outcome", json!("Abandoned")),
        ("/moves", json!([{"kind": "BlindTransfer", "time": null, "by": agent, "target": null}])),
    ];
    for (at, value) in falsehoods {
        let mut record = record_of(&truth, &agent);
        *record.pointer_mut(at).unwrap() = value.clone();
        let report = checked(&truth, &agent, &record);
        assert!(!report.contradicted.is_empty(), "{at} {value}");
    }
}

#[test]
fn an_open_fact_is_not_false_but_counts_if_the_view_shows_it() {
    let (truth, agent) = answered_out_of_queue();
    let mut record = record_of(&truth, &agent);
    record["result"] = json!("Unknown");
    record["from"]["participant"] = json!(null);
    record["queues"] = json!([]);
    let report = checked(&truth, &agent, &record);
    assert_eq!(report.contradicted.len(), 0, "{report}");
    assert_eq!(report.withheld.len(), 3, "{report}");
}

#[test]
fn a_record_of_a_call_that_did_not_happen_is_false() {
    let (truth, agent) = answered_out_of_queue();
    let mut record = record_of(&truth, &agent);
    record["sessions"][0]["telephonySessionId"] = json!("s-none");
    assert!(!checked(&truth, &agent, &record).contradicted.is_empty());
}
