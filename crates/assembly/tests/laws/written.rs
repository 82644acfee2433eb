//! Accepted notifications make records that can be written and read back unchanged.

use serde_json::{Value, json};
use wholecall_assembly::{Assembler, Change, Collection, Settings};
use wholecall_notification::{Document, Message, Notification};
use wholecall_record::{Call, Time, WriteJson};

use crate::stream::{BEGIN, Recipe};

/// Maximum number of steps; more are only slower.
const MOST_STEPS: usize = 24;

/// Values of unexpected types.
fn odd_values() -> Vec<Value> {
    let texts = [
        "9999-12-31T23:59:59.999Z",
        "9999-12-30T22:00:01Z",
        "0000-01-01T00:00:00.000Z",
        "-009999-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999Z",
        "2026-05-30T12:00:00.0009+14:00",
        "",
        "\u{0}",
        "\u{7f}\u{9b}\u{202e}\u{2028}\u{feff}",
        "\\u002b14045550101",
        "\"}],",
        "\u{1f469}\u{200d}\u{1f4bb}",
        "s-0",
        "p-0-1",
        "62001",
        "Conference",
    ];
    let mut values: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    values.push(json!("x".repeat(70_000)));
    values.extend([json!(null), json!(true), json!(i64::MAX), json!(i64::MIN), json!(u64::MAX), json!(-1)]);
    values.extend([json!(0.1), json!(1e300), json!([]), json!({}), json!([[{"a": [1]}]])]);
    values
}

/// The leaf with that number, modulo the number of leaves.
fn leaf(value: &mut Value, number: usize) -> &mut Value {
    fn count(value: &Value) -> usize {
        match value {
            Value::Array(values) => values.iter().map(count).sum(),
            Value::Object(members) => members.values().map(count).sum(),
            _ => 1,
        }
    }
    fn find(value: &mut Value, mut number: usize) -> &mut Value {
        let is_within = |part: &Value, number: &mut usize| {
            let leaves = count(part);
            let within = *number < leaves;
            *number -= if within { 0 } else { leaves };
            within
        };
        let place = match &*value {
            Value::Array(values) => values.iter().position(|part| is_within(part, &mut number)),
            Value::Object(members) => members.values().position(|part| is_within(part, &mut number)),
            _ => None,
        };
        match (place, value) {
            (Some(place), Value::Array(values)) => find(&mut values[place], number),
            (Some(place), Value::Object(members)) => {
                find(members.values_mut().nth(place).expect("it was counted"), number)
            }
            (_, value) => value,
        }
    }
    let leaves = count(value).max(1);
    find(value, number % leaves)
}

/// Makes notifications from bytes, puts odd values into them, and reads the written records back. Bytes that are text
/// are also read as notifications, one per line.
pub(crate) fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        read_back(text.lines().map(str::to_owned));
    }
    let Some((cast, rest)) = data.split_first_chunk() else { return };
    let (steps, mutations) = rest.split_at(rest.len() / 4 * 3);
    let steps = steps.as_chunks().0.iter().take(MOST_STEPS).copied().collect();
    let notes = Recipe { cast: *cast, steps }.stream().notes;
    let mut bodies: Vec<Value> =
        notes.iter().map(|note| serde_json::from_str(&note.json()).expect("it is JSON")).collect();
    let values = odd_values();
    for [which, place, value] in mutations.as_chunks().0 {
        let count = bodies.len().max(1);
        let Some(body) = bodies.get_mut(usize::from(*which) % count) else { break };
        *leaf(body, usize::from(*place)) = values[usize::from(*value) % values.len()].clone();
    }
    read_back(bodies.iter().map(Value::to_string));
}

fn read_back(bodies: impl Iterator<Item = String>) {
    let mut collection = Collection::default();
    let mut assembler = Assembler::new(Settings::default());
    let mut now = Time::from_millis(BEGIN);
    for body in bodies {
        now = now + 1_000;
        with_accepted(&body, |notification| {
            collection.add(notification);
            let changes = assembler.receive(now, notification);
            changes.iter().filter_map(record).for_each(reads_back);
        });
    }
    while let Some(due) = assembler.next_due() {
        now = now.max(due);
        assembler.tick(now).iter().filter_map(record).for_each(reads_back);
    }
    collection.finish().records().for_each(|call| reads_back(&call));
}

/// Skips documents that are not notifications.
fn with_accepted(body: &str, use_it: impl FnOnce(&Notification<'_, '_>)) {
    if let Ok(document) = Document::parse(body)
        && let Ok(Message::Session(notification)) = document.message()
    {
        use_it(&notification);
    }
}

fn record(change: &Change) -> Option<&Call> {
    match change {
        Change::Started(call) | Change::Updated(call) | Change::Completed(call) => Some(call),
        Change::Revised { call, .. } => Some(call),
        Change::Merged { .. } => None,
    }
}

fn reads_back(call: &Call) {
    let written = |call: &Call| {
        let mut text = Vec::new();
        call.write_json(&mut text);
        text
    };
    let text = written(call);
    let read: Call = serde_json::from_slice(&text)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&text)));
    let again = written(&read);
    assert!(text == again, "{}\n{}", String::from_utf8_lossy(&text), String::from_utf8_lossy(&again));
}

#[cfg(test)]
#[test]
fn whatever_is_accepted_can_be_written_and_read_back() {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    for round in 0..2_000 {
        let length = 40 + 12 * (round % 30);
        check(&(0..length).map(|_| byte()).collect::<Vec<u8>>());
    }
}

#[cfg(test)]
#[test]
fn lines_of_text_are_taken_as_notifications() {
    let body = r#"{"event":"/restapi/v1.0/account/8/telephony/sessions","body":{"telephonySessionId":"s-1",
        "sequence":2,"eventTime":"9999-12-31T23:59:59.999Z","parties":[{"id":"p-1-1","direction":"Inbound",
        "status":{"code":"Setup"}}]}}"#
        .replace('\n', " ");
    let mut accepted = 0;
    with_accepted(&body, |_| accepted += 1);
    assert_eq!(accepted, 1, "the assembler has no clock: it takes any time");
    check(format!("{body}\nno notification\n").as_bytes());
}
