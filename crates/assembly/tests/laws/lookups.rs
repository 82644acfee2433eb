//! Lookup answers are evidence like notifications: their order does not matter either.

use proptest::prelude::*;
use serde_json::{Value, json};
use wholecall_assembly::Collection;
use wholecall_record::{Call, Time};

use crate::{
    config,
    play::{Live, as_if_read_from_files, records_of, same, violations, with_json},
    shuffled_streams,
    stream::{BEGIN, Note, Stream},
};

/// Drops some notifications, and looks some sessions up: RingCentral answers with the dropped notification's content,
/// with an unknown session, or with a record of its call log.
fn with_answers(stream: &Stream, order: &[(usize, u8)]) -> Vec<String> {
    let answers = order.iter().map(|&(at, number)| {
        let note = &stream.notes[at];
        match number % 8 {
            0 => vec![snapshot(note, number)],
            1 => vec![note.json(), snapshot(note, number)],
            2 => vec![note.json(), answer(note, number, "telephony/sessions", Value::Null)],
            3 => vec![note.json(), logged(note, number)],
            _ => vec![note.json()],
        }
    });
    answers.flatten().collect()
}

fn moment(note: &Note, number: u8) -> Time {
    Time::from_millis(BEGIN + note.time + i64::from(number) * 97)
}

fn answer(note: &Note, number: u8, path: &str, body: Value) -> String {
    let id = note.uuid.as_deref().unwrap_or("none");
    let (account, session) = (note.account.unwrap_or("1"), &note.session);
    json!({
        "uuid": format!("{path}-{id}-{number}"),
        "event": format!("/restapi/v1.0/account/{account}/{path}/{session}"),
        "timestamp": moment(note, number).to_string(),
        "body": body,
    })
    .to_string()
}

fn snapshot(note: &Note, number: u8) -> String {
    answer(note, number, "telephony/sessions", json!({ "id": note.session, "parties": note.parties }))
}

fn logged(note: &Note, number: u8) -> String {
    let results = ["Accepted", "Missed", "Voicemail", "Call connected"];
    let body = json!({
        "id": "r", "telephonySessionId": note.session, "startTime": moment(note, 0).to_string(),
        "durationMs": i64::from(number) * 97, "result": results[usize::from(number / 8 % 4)],
        "direction": if number > 99 { "Inbound" } else { "Outbound" },
        "from": { "phoneNumber": "+14045550100" }, "to": { "phoneNumber": "+14045550101", "extensionId": "7" },
    });
    answer(note, number, "call-log", body)
}

fn collect<'j>(all: impl IntoIterator<Item = &'j String>) -> Vec<Call> {
    let mut collection = Collection::default();
    all.into_iter().for_each(|json| with_json(json, |notification| collection.add(notification)));
    records_of(collection)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn answers_come_in_any_order_and_twice((stream, order) in shuffled_streams()) {
        let all = with_answers(&stream, &order);
        let records = collect(&all);
        same(&records, &collect(all.iter().rev()))?;
        same(&records, &collect(all.iter().chain(&all)))?;
    }

    #[test]
    fn no_record_with_answers_contradicts_itself((stream, order) in shuffled_streams()) {
        prop_assert_eq!(violations(&collect(&with_answers(&stream, &order))), Vec::<String>::new());
    }

    #[test]
    fn live_records_with_answers_are_those_of_the_set((stream, order) in shuffled_streams()) {
        let all = with_answers(&stream, &order);
        let mut live = Live::with_long_memory();
        for (json, (_, delay)) in all.iter().zip(order.iter().cycle()) {
            live.wait(*delay);
            live.receive_json(json);
        }
        live.finish();
        prop_assert_eq!(&live.listener.complaints, &Vec::<String>::new());
        same(&as_if_read_from_files(live.listener.last_records()), &collect(&all))?;
    }
}
