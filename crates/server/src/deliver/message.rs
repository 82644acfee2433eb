//! What receivers get: `{"type", "timestamp", "data"}`, as Standard Webhooks 1.0 recommends.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wholecall_record::Time;
use wholecall_store::{ChangeKind, Outgoing};

use crate::erase;

/// With which numbers are replaced where they are to be masked.
pub(crate) type Pseudonyms = Vec<u8>;

/// An event as a message. `before` is the last version that its receiver acknowledged; `redact` masks who took part.
///
/// The same event gives the same bytes, whenever it is sent, unless an earlier one gets through in between.
pub(crate) fn message(
    event: &Outgoing,
    before: Option<&(u64, String)>,
    redact: Option<&Pseudonyms>,
) -> Result<String, serde_json::Error> {
    let timestamp = Time::from_millis(event.made_ms);
    let kind = &event.kind;
    let is_revision = *kind == ChangeKind::Revised.as_str();
    if !is_revision && redact.is_none() {
        // What the store has is JSON as it is to be sent.
        return Ok(format!(r#"{{"type":"{kind}","timestamp":"{timestamp}","data":{}}}"#, event.data));
    }
    let read = |text: &str| -> Result<Value, serde_json::Error> {
        let mut value = serde_json::from_str(text)?;
        if let Some(key) = redact {
            mask(&mut value, None, key);
        }
        Ok(value)
    };
    let call = read(&event.data)?;
    let data = match (is_revision, before) {
        (false, _) => call,
        (true, None) => json!({ "call": call, "fromVersion": null, "changed": null }),
        (true, Some((version, record))) => {
            let changed = json_patch::diff(&read(record)?, &call);
            json!({ "call": call, "fromVersion": version, "changed": changed })
        }
    };
    Ok(json!({ "type": kind, "timestamp": timestamp.to_string(), "data": data }).to_string())
}

/// Several events in one message, each with its own id, in order.
pub(crate) fn batch<'a>(messages: impl IntoIterator<Item = (&'a Outgoing, &'a str)>, now: Time) -> String {
    // Each message is an object; its id goes first.
    let events: Vec<String> = messages
        .into_iter()
        .map(|(event, message)| format!(r#"{{"id":"{}",{}"#, event.id, message.trim_start_matches('{')))
        .collect();
    format!(r#"{{"type":"batch","timestamp":"{now}","data":[{}]}}"#, events.join(","))
}

/// What a message is known by: the event's id, or one of the ids of all events in it.
pub(crate) fn id(events: &[Outgoing]) -> String {
    match events {
        [event] => event.id.to_string(),
        events => {
            let mut hash = Sha256::new();
            events.iter().for_each(|event| hash.update(event.id.to_string() + "\n"));
            let hash: String = hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
            format!("batch_{hash}")
        }
    }
}

/// Masks numbers and drops names, wherever they stand.
fn mask(value: &mut Value, member: Option<&str>, key: &Pseudonyms) {
    match value {
        Value::String(_) if member == Some("name") => *value = Value::Null,
        Value::String(text) => {
            let masked = match text.strip_prefix("tel:") {
                Some(number) => format!("tel:{}", masked(number, key)),
                None if member == Some("phoneNumber") => masked(text, key),
                None => without_numbers(text, key),
            };
            *text = masked;
        }
        Value::Array(values) => values.iter_mut().for_each(|value| mask(value, member, key)),
        Value::Object(members) => {
            members.iter_mut().for_each(|(name, value)| mask(value, Some(name), key));
        }
        _ => {}
    }
}

/// The number's pseudonym; short ones are extensions, which are nobody's number.
fn masked(number: &str, key: &Pseudonyms) -> String {
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    match digits {
        0..=6 => number.to_owned(),
        _ => erase::pseudonym(key, number).unwrap_or_default(),
    }
}

/// A text in which each full number is masked.
fn without_numbers(text: &str, key: &Pseudonyms) -> String {
    let mut parts = text.split('+');
    let mut new = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let (digits, rest) = part.split_at(end);
        match digits.len() {
            8..=15 => new.push_str(&masked(&format!("+{digits}"), key)),
            _ => new.extend(["+", digits]),
        }
        new.push_str(rest);
    }
    new
}

#[cfg(test)]
mod tests {
    use wholecall_store::{EventId, Position};

    use super::*;

    fn event(kind: ChangeKind, data: &Value) -> Outgoing {
        Outgoing {
            id: EventId::of_change(Position(9)),
            kind: kind.as_str().to_owned(),
            version: 3,
            made_ms: 1_780_272_000_000,
            call_id: "s-1".to_owned(),
            into_id: None,
            data: data.to_string(),
            step: 0,
            due_ms: None,
        }
    }

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_message_is_the_record_in_its_frame() {
        let told = message(&event(ChangeKind::Completed, &json!({ "id": "s-1" })), None, None).unwrap();
        let expected =
            r#"{"type":"call.completed","timestamp":"2026-06-01T00:00:00.000Z","data":{"id":"s-1"}}"#;
        assert_eq!(told, expected);
    }

    #[test]
    fn a_revision_leads_from_what_was_acknowledged_to_what_is() {
        let (old, new) =
            (json!({ "id": "s-1", "moves": [], "result": "Missed" }), json!({ "id": "s-1", "moves": [1] }));
        let revised = event(ChangeKind::Revised, &new);
        let told = value(&message(&revised, Some(&(2, old.to_string())), None).unwrap());
        assert_eq!((&told["data"]["call"], &told["data"]["fromVersion"]), (&new, &json!(2)));
        let patch: json_patch::Patch = serde_json::from_value(told["data"]["changed"].clone()).unwrap();
        let mut patched = old;
        json_patch::patch(&mut patched, &patch).unwrap();
        assert_eq!(patched, new);
        let first = value(&message(&revised, None, None).unwrap());
        assert_eq!((&first["data"]["fromVersion"], &first["data"]["changed"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn redacted_records_have_no_names_and_no_numbers_but_tell_people_apart() {
        let data = json!({
            "id": "s-a0d7811c0e05c4d5z19f3ea24153cz000000010000",
            "from": { "participant": "tel:+14045550145", "phoneNumber": "+14045550145", "name": "Ada" },
            "to": { "participant": "tel:+14045550146", "phoneNumber": "104", "name": null },
            "related": [{ "why": "dialled +14045550145, from 4" }],
        });
        let told = message(&event(ChangeKind::Completed, &data), None, Some(&vec![7; 32])).unwrap();
        assert!(!told.contains("404555") && !told.contains("Ada"), "{told}");
        let told = &value(&told)["data"];
        assert_eq!(told["id"], data["id"]);
        assert_eq!(told["to"]["phoneNumber"], "104");
        let number = told["from"]["phoneNumber"].as_str().unwrap();
        assert_eq!(told["from"]["participant"], format!("tel:{number}"));
        assert_ne!(told["from"]["participant"], told["to"]["participant"]);
        assert_eq!(told["related"][0]["why"], format!("dialled {number}, from 4"));
    }

    #[test]
    fn a_batch_names_each_event_and_is_known_by_all_of_them() {
        let one = event(ChangeKind::Started, &json!({}));
        let other = Outgoing { id: EventId::of_change(Position(10)), ..one.clone() };
        let told = message(&one, None, None).unwrap();
        let batch = value(&batch([(&one, told.as_str()), (&other, &told)], Time::from_millis(0)));
        assert_eq!(batch["data"][1]["id"], "msg_10");
        assert_eq!(batch["data"][0]["type"], "call.started");
        let both = [one.clone(), other];
        assert_eq!(id(&both), id(&both));
        assert_ne!(id(&both), id(&both[..1]));
    }
}
