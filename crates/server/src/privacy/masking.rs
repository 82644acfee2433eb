//! Masks numbers and removes names in records for endpoints that receive redacted records.

use serde_json::{Map, Value};

use super::pseudonym::{PseudonymKey, pseudonym};

/// Masks all numbers in a record and removes all names.
pub(crate) fn mask(record: &mut Value, key: &PseudonymKey) {
    mask_member(record, None, key);
}

fn mask_member(value: &mut Value, member: Option<&str>, key: &PseudonymKey) {
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
        Value::Array(values) => values.iter_mut().for_each(|value| mask_member(value, member, key)),
        Value::Object(members) => {
            members.iter_mut().for_each(|(name, value)| mask_member(value, Some(name), key));
            if members.contains_key("displayName") {
                let name = masked_display_name(members);
                members.insert("displayName".to_owned(), name.into());
            }
        }
        _ => {}
    }
}

/// The display name of a participant without a name.
fn masked_display_name(members: &Map<String, Value>) -> String {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let extension = || text("extensionNumber").or_else(|| text("extensionId"));
    match (text("phoneNumber"), extension()) {
        (Some(number), _) => number.to_owned(),
        (None, Some(extension)) => format!("Extension {extension}"),
        (None, None) => "Anonymous".to_owned(),
    }
}

/// The number's pseudonym. Short numbers are extensions, which identify no person outside, and stay.
fn masked(number: &str, key: &PseudonymKey) -> String {
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    match digits {
        0..=6 => number.to_owned(),
        _ => pseudonym(key, number).unwrap_or_default(),
    }
}

/// A text in which each complete number is masked.
fn without_numbers(text: &str, key: &PseudonymKey) -> String {
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
