//! What only a lookup answer shows has a bound for its time and no invented duration.

use serde_json::{Value, json};
use wholecall_assembly::Collection;
use wholecall_notification::{Document, Message};
use wholecall_record::{
    Call, Time,
    call::{Direction, LookupFact, Outcome},
};

const OUTSIDE: &str = "+14045550145";
const OWN: &str = "+16505550100";

/// A time of the tests' minute.
fn at(seconds: f64) -> String {
    time(seconds).to_string()
}

fn time(seconds: f64) -> Time {
    let begin: i64 = 1_796_106_960_000;
    Time::from_millis(begin + (seconds * 1_000.0) as i64)
}

fn party(number: u32, code: &str) -> Value {
    let extension = (number > 1).then_some("62000002016");
    json!({
        "id": format!("p-1-{number}"), "accountId": "800000016", "extensionId": extension,
        "direction": if number == 1 { "Outbound" } else { "Inbound" },
        "from": { "phoneNumber": OUTSIDE }, "to": { "phoneNumber": OWN, "extensionId": extension },
        "status": { "code": code },
    })
}

fn snapshot(lookups: f64, created: Option<f64>, codes: [&str; 2]) -> Value {
    let mut body = json!({ "id": "s-1", "origin": { "type": "Call" },
        "parties": [party(1, codes[0]), party(2, codes[1])] });
    if let Some(created) = created {
        body["creationTime"] = at(created).into();
    }
    json!({ "uuid": format!("snapshot-{lookups}"), "timestamp": at(lookups), "body": body,
        "event": "/restapi/v1.0/account/800000016/telephony/sessions/s-1" })
}

fn change(sequence: u32, when: f64, number: u32, code: &str) -> Value {
    json!({ "uuid": sequence.to_string(), "timestamp": at(when),
        "event": "/restapi/v1.0/account/800000016/telephony/sessions",
        "body": { "sequence": sequence, "telephonySessionId": "s-1", "eventTime": at(when),
            "origin": { "type": "Call" }, "parties": [party(number, code)] } })
}

fn logged(read: f64, begun: f64, length: f64, more: Value) -> Value {
    let mut body = json!({ "id": "r", "telephonySessionId": "s-1", "startTime": at(begun), "type": "Voice",
        "durationMs": (length * 1_000.0) as i64, "direction": "Inbound", "action": "Phone Call",
        "from": { "phoneNumber": OUTSIDE }, "to": { "phoneNumber": OWN } });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "uuid": "call-log-r", "timestamp": at(read), "body": body,
        "event": "/restapi/v1.0/account/800000016/call-log/r" })
}

/// The call of these answers and notifications, which must be the same in the other order.
fn call(answers: &[Value]) -> Call {
    let collect = |answers: &mut dyn Iterator<Item = &Value>| {
        let mut collection = Collection::default();
        for value in answers {
            let json = value.to_string();
            let document = Document::parse(&json).unwrap();
            let Message::Session(notification) = document.message().unwrap() else { panic!("{json}") };
            collection.add(&notification);
        }
        let calls = collection.finish();
        let all: Vec<Call> = calls.records().collect();
        assert_eq!(calls.take_contradictions(), []);
        assert_eq!(all.len(), 1);
        all.into_iter().next().unwrap()
    };
    let call = collect(&mut answers.iter());
    let reversed = collect(&mut answers.iter().rev());
    let same = Call { updated_at: call.updated_at, ..reversed };
    assert_eq!(call, same, "the order does not matter");
    assert_eq!(call.violations(), [""; 0]);
    call
}

fn has_bound(call: &Call, what: LookupFact, seconds: f64) -> bool {
    let facts = &call.completeness.repaired;
    facts.iter().any(|fact| fact.what == what && fact.at_or_before && fact.time == Some(time(seconds)))
}

#[test]
fn a_call_whose_beginning_was_lost_began_when_its_session_was_made() {
    let rest =
        [change(7, 49.0, 2, "Hold"), change(8, 70.0, 2, "Disconnected"), change(9, 70.1, 1, "Disconnected")];
    let answers = |created| [&[snapshot(35.5, created, ["Answered", "Answered"])], &rest[..]].concat();
    let known = call(&answers(Some(5.05)));
    assert_eq!(known.start_time, time(5.05));
    assert_eq!(known.answer_time, Some(time(35.5)));
    assert!(known.legs.iter().all(|leg| leg.start_time == Some(time(5.05))));
    assert!(has_bound(&known, LookupFact::Leg, 5.05) && has_bound(&known, LookupFact::State, 35.5));
    let unknown = call(&answers(None));
    assert_eq!(unknown.start_time, time(35.5));
    assert!(unknown.legs.iter().all(|leg| leg.start_time.is_none()));
    assert!(has_bound(&unknown, LookupFact::Leg, 35.5));
    for call in [known, unknown] {
        assert_eq!((call.result, call.durations.talk_ms), (Outcome::Answered, 13_500));
    }
}

#[test]
fn a_session_that_was_made_after_what_is_known_of_it_began_before() {
    // RingCentral's reference calls `creationTime` the time of the latest update.
    let call = call(&[
        snapshot(35.5, Some(40.0), ["Answered", "Answered"]),
        change(7, 38.0, 2, "Hold"),
        change(8, 70.0, 2, "Disconnected"),
        change(9, 70.1, 1, "Disconnected"),
    ]);
    assert_eq!(call.start_time, time(35.5));
}

#[test]
fn an_answer_that_shows_nothing_new_still_knows_the_start() {
    let call = call(&[
        change(7, 30.0, 2, "Hold"),
        change(8, 31.0, 1, "Answered"),
        snapshot(35.5, Some(5.0), ["Answered", "Hold"]),
        change(9, 70.0, 2, "Disconnected"),
        change(10, 70.1, 1, "Disconnected"),
    ]);
    assert_eq!(call.start_time, time(5.0));
    assert!(has_bound(&call, LookupFact::Start, 5.0));
}

#[test]
fn of_a_session_that_was_over_when_it_was_first_seen_nothing_is_made_up() {
    let over = snapshot(75.0, Some(2.0), ["Disconnected", "Disconnected"]);
    let unknown = call(std::slice::from_ref(&over));
    assert_eq!((unknown.result, unknown.durations), (Outcome::Unknown, Default::default()));
    assert_eq!((unknown.start_time, unknown.answer_time), (time(2.0), None));
    assert!(unknown.conversations.is_empty() && has_bound(&unknown, LookupFact::Leg, 2.0));
    let notified =
        call(&[over, logged(95.0, 2.0, 55.165, json!({ "result": "Accepted", "finished": true }))]);
    assert_eq!((notified.result, notified.durations.total_ms), (Outcome::Answered, 55_165));
    assert_eq!((notified.start_time, notified.end_time), (time(2.0), Some(time(57.165))));
    // The log does not have the time of the answer.
    assert_eq!((notified.answer_time, notified.durations.wait_ms), (None, 0));
    assert!(notified.conversations.iter().all(|talk| talk.inferred));
    assert!(has_bound(&notified, LookupFact::State, 57.165));
}

#[test]
fn the_log_s_last_word_counts_and_not_its_first() {
    let early = json!({ "direction": "Outbound", "action": "VoIP Call", "result": "Stopped",
        "to": { "extensionNumber": "104", "extensionId": "62000002016" } });
    let first = logged(40.0, 12.0, 10.0, early);
    let last = logged(90.0, 2.0, 48.0, json!({ "result": "Accepted", "finished": true }));
    let call = call(&[first, last]);
    assert_eq!(
        (call.direction, call.result, call.durations.total_ms),
        (Direction::Inbound, Outcome::Answered, 48_000)
    );
    assert_eq!(
        (call.from.phone_number.as_deref(), call.to.phone_number.as_deref()),
        (Some(OUTSIDE), Some(OWN))
    );
    assert_eq!(call.to.extension_id, None);
}

#[test]
fn an_end_that_only_a_snapshot_shows_is_a_bound_until_the_log_knows_it() {
    let notified =
        [change(2, 0.0, 1, "Setup"), change(3, 0.1, 2, "Proceeding"), change(4, 9.0, 2, "Answered")];
    let over = snapshot(80.0, Some(0.0), ["Disconnected", "Disconnected"]);
    let bounded = call(&[&notified[..], std::slice::from_ref(&over)].concat());
    assert!(has_bound(&bounded, LookupFact::End, 80.0));
    let record = logged(120.0, 0.0, 55.0, json!({ "result": "Accepted", "finished": true }));
    let known = call(&[&notified[..], &[over, record]].concat());
    assert_eq!((known.end_time, known.answer_time), (Some(time(55.0)), Some(time(9.0))));
}

#[test]
fn an_answer_that_was_lost_is_known_by_the_log() {
    let notified = [change(2, 0.0, 1, "Setup"), change(3, 0.1, 2, "Proceeding")];
    let record = logged(120.0, 0.0, 55.0, json!({ "result": "Accepted", "finished": true }));
    let call = call(&[&notified[..], &[record]].concat());
    assert_eq!((call.result, call.answer_time), (Outcome::Answered, None));
    assert_eq!((call.end_time, call.durations.total_ms), (Some(time(55.0)), 55_000));
    assert!(call.conversations[0].inferred && has_bound(&call, LookupFact::State, 55.0));
}
