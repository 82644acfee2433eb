//! Compares a record with the expectation of a case, as described in `golden/README.md`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::program::millis;

/// Maximum difference of a call's end: it is open which of several last `Disconnected` counts.
const END_TOLERANCE_MS: i64 = 100;

/// The differences between a record and the expectation.
pub(crate) fn differences(expected: &Value, record: &Value) -> Vec<String> {
    let expected = expected.as_object().expect("an expectation is an object");
    let mut found: Vec<String> = expected
        .iter()
        .filter_map(|(member, expected_value)| {
            let actual = actual(member, expected_value, expected, record);
            (actual != *expected_value)
                .then(|| format!("{member}: {expected_value} expected, {actual} found"))
        })
        .collect();
    found.extend(
        unresolved(record).into_iter().map(|id| format!("{id} is named, but not a participant (R11)")),
    );
    found
}

/// The record's value for a member of the expectation, in the same format.
fn actual(member: &str, expected_value: &Value, expected: &Map<String, Value>, record: &Value) -> Value {
    match member {
        "id" | "state" | "view" | "direction" | "result" | "startTime" | "answerTime" | "answeredBy"
        | "customer" | "users" | "endState" | "activity" | "monitors" => field(record, member),
        "lastWith" | "missedBy" => in_any_order(expected_value, &field(record, member)),
        "endTime" => within_tolerance(expected_value, &record[member]),
        "caller" => field(&record["from"], "participant"),
        "to" => field(&record["to"], "participant"),
        "totalMs" | "waitMs" | "holdMs" | "parkedMs" | "voicemailMs" => field(&record["durations"], member),
        "sessions" => in_any_order(expected_value, &seen_sessions(record)),
        "participants" => in_any_order(expected_value, &participants(record, &expected["ignorable"])),
        // Lists what `participants` omits.
        "ignorable" => expected_value.clone(),
        "talkMs" => of_each(expected_value, &record["participants"], "talkMs"),
        "kinds" => of_each(expected_value, &record["participants"], "kind"),
        "names" => of_each(expected_value, &record["participants"], "displayName"),
        "outcomes" => of_each(expected_value, &record["legs"], "outcome"),
        "onBehalfOf" => behalf(record),
        "unobserved" => in_any_order(expected_value, &ids_with(record, "observed", false)),
        "inferred" => in_any_order(expected_value, &ids_with(record, "inferred", true)),
        "conversations" | "moves" | "transfer" => like(expected_value, &field(record, member)),
        "queues" => rows(&record["queues"], &["participant", "outcome", "answeredBy"]),
        "related" => in_any_order(expected_value, &rows(&record["related"], &["kind", "id"])),
        "complete" | "reason" => field(&record["completeness"], member),
        // Compared while the notifications arrive.
        "neverGivenUp" => true.into(),
        _ => match member.split_once('.') {
            Some((side @ ("from" | "to"), rest)) => field(&record[side], rest),
            _ => format!("not a member of a case: {member}").into(),
        },
    }
}

/// A field, or a text that no expectation equals.
fn field(object: &Value, name: &str) -> Value {
    object.get(name).cloned().unwrap_or_else(|| format!("no field {name}").into())
}

/// The list in the expected order, if it has the same members.
fn in_any_order(expected_value: &Value, actual: &Value) -> Value {
    let sorted = |list: &Value| {
        let mut texts: Vec<String> = list.as_array().into_iter().flatten().map(Value::to_string).collect();
        texts.sort();
        texts
    };
    if actual.is_array() && sorted(expected_value) == sorted(actual) {
        expected_value.clone()
    } else {
        actual.clone()
    }
}

fn within_tolerance(expected_value: &Value, actual: &Value) -> Value {
    let is_near = expected_value.is_string()
        && actual.is_string()
        && (millis(expected_value) - millis(actual)).abs() <= END_TOLERANCE_MS;
    if is_near { expected_value.clone() } else { actual.clone() }
}

/// Only the expected members of objects; of lists, by index.
fn like(expected_value: &Value, actual: &Value) -> Value {
    match (expected_value, actual) {
        (Value::Array(expected_value), Value::Array(actual)) => {
            let each = |(place, actual)| like(expected_value.get(place).unwrap_or(&Value::Null), actual);
            actual.iter().enumerate().map(each).collect()
        }
        (Value::Object(expected_value), Value::Object(actual)) => {
            let mut members = actual.clone();
            members.retain(|member, _| expected_value.contains_key(member));
            Value::Object(members)
        }
        _ => actual.clone(),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// One field of each object, by the expected ids.
fn of_each(expected_value: &Value, objects: &Value, name: &str) -> Value {
    let ids = expected_value.as_object().expect("an object by ids").keys();
    let found = ids.map(|id| {
        let object = list(objects).find(|object| object["id"] == **id);
        (id.clone(), object.map_or_else(|| format!("no {id}").into(), |object| field(object, name)))
    });
    found.collect::<Map<_, _>>().into()
}

fn rows(objects: &Value, columns: &[&str]) -> Value {
    let row = |object: &Value| columns.iter().map(|column| field(object, column)).collect::<Value>();
    list(objects).map(row).collect()
}

fn seen_sessions(record: &Value) -> Value {
    let seen = list(&record["sessions"]).filter(|session| session["seen"] == true);
    seen.map(|session| session["telephonySessionId"].clone()).collect()
}

fn participants(record: &Value, ignorable: &Value) -> Value {
    let ids = list(&record["participants"]).map(|participant| &participant["id"]);
    ids.filter(|id| !list(ignorable).any(|ignorable| ignorable == *id)).cloned().collect()
}

fn ids_with(record: &Value, name: &str, value: bool) -> Value {
    let with = list(&record["participants"]).filter(|participant| field(participant, name) == value);
    with.map(|participant| participant["id"].clone()).collect()
}

fn behalf(record: &Value) -> Value {
    let pairs = list(&record["participants"]).filter_map(|participant| {
        let user = participant.get("onBehalfOf").filter(|user| !user.is_null())?;
        Some((participant["id"].as_str()?.to_owned(), user.clone()))
    });
    json!(pairs.collect::<BTreeMap<_, _>>())
}

/// Participant ids that a record names without having the participant.
fn unresolved(record: &Value) -> BTreeSet<String> {
    let mut named: Vec<&Value> = vec![
        &record["from"]["participant"],
        &record["to"]["participant"],
        &record["answeredBy"],
        &record["customer"],
        &record["transfer"]["by"],
        &record["transfer"]["target"],
    ];
    for member in ["lastWith", "users", "missedBy", "monitors"] {
        named.extend(list(&record[member]));
    }
    named.extend(list(&record["moves"]).flat_map(|step| [&step["by"], &step["target"]]));
    named.extend(list(&record["conversations"]).flat_map(|talk| list(&talk["participants"])));
    named.extend(list(&record["queues"]).flat_map(|visit| [&visit["participant"], &visit["answeredBy"]]));
    named.extend(list(&record["legs"]).flat_map(|leg| [&leg["participant"], &leg["queue"]]));
    named.extend(list(&record["participants"]).map(|participant| &participant["onBehalfOf"]));
    let known: BTreeSet<&str> =
        list(&record["participants"]).filter_map(|participant| participant["id"].as_str()).collect();
    named.into_iter().filter_map(Value::as_str).filter(|id| !known.contains(id)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Value {
        json!({
            "id": "s-1", "result": "Missed", "endTime": "2026-10-05T14:00:29.000Z", "users": ["ext:1"],
            "from": {"participant": "tel:+12125550145"}, "to": {"participant": "ext:1"},
            "durations": {"waitMs": 29_000}, "lastWith": ["ext:1", "ext:2"],
            "participants": [
                {"id": "ext:1", "kind": "user", "observed": true, "talkMs": 0, "onBehalfOf": null},
                {"id": "ext:2", "kind": "queue", "observed": false, "talkMs": 5, "onBehalfOf": null},
                {"id": "tel:+12125550145", "kind": "external", "observed": true, "talkMs": 0},
            ],
            "moves": [{"kind": "Park", "by": "ext:1", "target": null, "time": "2026-10-05T14:00:09.000Z"}],
            "queues": [{"participant": "ext:2", "outcome": "Left", "answeredBy": null, "offers": 1}],
        })
    }

    #[test]
    fn an_expected_record_has_no_differences() {
        let expected = json!({
            "id": "s-1", "result": "Missed", "endTime": "2026-10-05T14:00:29.099Z", "users": ["ext:1"],
            "caller": "tel:+12125550145", "to": "ext:1", "waitMs": 29_000, "lastWith": ["ext:2", "ext:1"],
            "participants": ["tel:+12125550145", "ext:1"], "ignorable": ["ext:2"], "talkMs": {"ext:2": 5},
            "unobserved": ["ext:2"], "onBehalfOf": {}, "moves": [{"kind": "Park", "by": "ext:1"}],
            "queues": [["ext:2", "Left", null]],
        });
        assert_eq!(differences(&expected, &record()), Vec::<String>::new());
    }

    #[test]
    fn every_different_member_is_found() {
        let wrong = json!({
            "result": "Answered", "endTime": "2026-10-05T14:00:29.101Z", "users": ["ext:2"],
            "caller": "ext:1", "to": null, "waitMs": 0, "lastWith": ["ext:2"], "talkMs": {"ext:1": 5, "ext:9": 0},
            "unobserved": [], "onBehalfOf": {"ext:1": "ext:2"}, "moves": [], "queues": [["ext:2", null, null]],
            "kinds": {"ext:2": "group"}, "endState": null, "no such member": null, "from.name": null,
        });
        for (member, value) in wrong.as_object().unwrap() {
            let expected = json!({ member.as_str(): value });
            assert_eq!(differences(&expected, &record()).len(), 1, "{member}");
        }
        let expected = json!({"participants": ["ext:1"], "ignorable": []});
        assert_eq!(differences(&expected, &record()).len(), 1);
    }

    #[test]
    fn an_id_without_a_participant_is_found() {
        let mut record = record();
        record["monitors"] = json!(["ext:3"]);
        assert_eq!(differences(&json!({}), &record), ["ext:3 is named, but not a participant (R11)"]);
    }
}
