//! The differences between two versions of a record.

use serde_json::Value;

/// A member that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// A path like `legs[2].endTime`.
    pub(super) path: String,
    /// `None` if the member was added.
    pub(super) before: Option<String>,
    /// `None` if the member was removed.
    pub(super) after: Option<String>,
}

/// All differences in the order of the record, except `version` and `updatedAt`, which differ always.
pub(super) fn between(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), before, after, &mut found);
    found.retain(|difference| difference.path != "version" && difference.path != "updatedAt");
    found
}

fn compare(path: String, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                member(path, a.get(key), b.get(key), found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for index in 0..a.len().max(b.len()) {
                member(format!("{path}[{index}]"), a.get(index), b.get(index), found);
            }
        }
        _ => member(path, Some(before), Some(after), found),
    }
}

fn member(path: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        (Some(a), Some(b)) if a == b => {}
        (Some(a), Some(b)) if a.is_object() && b.is_object() || a.is_array() && b.is_array() => {
            compare(path, a, b, found);
        }
        (a, b) => found.push(Difference { path, before: a.map(shortened), after: b.map(shortened) }),
    }
}

fn shortened(value: &Value) -> String {
    const MAX_CHARACTERS: usize = 120;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_has_the_path_of_the_member() {
        let before = json!({ "version": 1, "state": "live", "legs": [{ "endTime": null, "ringMs": 5 }] });
        let after =
            json!({ "version": 2, "state": "complete", "legs": [{ "endTime": "12:00", "ringMs": 5 }, {}] });
        let found: Vec<String> = between(&before, &after)
            .into_iter()
            .map(|difference| format!("{} {:?} {:?}", difference.path, difference.before, difference.after))
            .collect();
        assert_eq!(
            found,
            [
                r#"legs[0].endTime Some("null") Some("12:00")"#,
                r#"legs[1] None Some("{}")"#,
                r#"state Some("live") Some("complete")"#,
            ]
        );
        assert!(between(&after, &after).is_empty());
    }
}
