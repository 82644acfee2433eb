//! In what two versions of a record differ.

use serde_json::Value;

/// A member that is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// Where: `legs[2].endTime`.
    pub(super) place: String,
    /// What it was; none where it is new.
    pub(super) before: Option<String>,
    /// What it is; none where it is gone.
    pub(super) after: Option<String>,
}

/// All differences, in the order of the record. What every version has anew (`version`, `updatedAt`) is none.
pub(super) fn between(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), before, after, &mut found);
    found.retain(|difference| difference.place != "version" && difference.place != "updatedAt");
    found
}

fn compare(place: String, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            for key in keys {
                let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                member(place, a.get(key), b.get(key), found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for index in 0..a.len().max(b.len()) {
                member(format!("{place}[{index}]"), a.get(index), b.get(index), found);
            }
        }
        _ => member(place, Some(before), Some(after), found),
    }
}

fn member(place: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        (Some(a), Some(b)) if a == b => {}
        (Some(a), Some(b)) if a.is_object() && b.is_object() || a.is_array() && b.is_array() => {
            compare(place, a, b, found);
        }
        (a, b) => found.push(Difference { place, before: a.map(short), after: b.map(short) }),
    }
}

/// A value in little room.
fn short(value: &Value) -> String {
    const ROOM: usize = 120;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(ROOM) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changed_is_named_by_its_place() {
        let before = json!({ "version": 1, "state": "live", "legs": [{ "endTime": null, "ringMs": 5 }] });
        let after =
            json!({ "version": 2, "state": "complete", "legs": [{ "endTime": "12:00", "ringMs": 5 }, {}] });
        let told: Vec<String> = between(&before, &after)
            .into_iter()
            .map(|one| format!("{} {:?} {:?}", one.place, one.before, one.after))
            .collect();
        assert_eq!(
            told,
            [
                r#"legs[0].endTime Some("null") Some("12:00")"#,
                r#"legs[1] None Some("{}")"#,
                r#"state Some("live") Some("complete")"#,
            ]
        );
        assert!(between(&after, &after).is_empty());
    }
}
