//! The reader accepts what serde_json accepts, and nothing else.

use serde::de::IgnoredAny;
use serde_json::Value;
use wholecall_notification::{Document, JsonError, JsonProblem, ParseError};

/// Reads any bytes as a document and compares.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let document = Document::parse(text);
    // Classifying a document must not panic.
    if let Ok(document) = &document {
        let _ = document.message();
    }
    if !text.trim_ascii().starts_with('{') {
        let is_empty = text.trim_ascii().is_empty();
        assert_eq!(document.is_ok(), is_empty, "{text:?}");
        return;
    }
    let ours = match &document {
        Ok(_) => Ok(()),
        Err(ParseError::Json(error)) => Err(*error),
        Err(other) => panic!("{other}: {text:?}"),
    };
    compare(text, ours);
    if let (Ok(document), Ok(value)) = (&document, serde_json::from_str::<Value>(text)) {
        compare_fields(text, document, &value);
    }
}

fn compare(text: &str, ours: Result<(), JsonError>) {
    let too_deep = ours.is_err_and(|error| error.problem == JsonProblem::Depth);
    match (serde_json::from_str::<Value>(text), serde_json::from_str::<IgnoredAny>(text)) {
        (Ok(_), _) => assert_eq!(ours, Ok(()), "refused: {text:?}"),
        (Err(error), Err(_)) => assert!(ours.is_err(), "accepted in spite of {error}: {text:?}"),
        // What serde_json can skip but not represent: numbers beyond f64, half surrogate pairs, deep nesting.
        (Err(error), Ok(_)) => match error.to_string() {
            reason if reason.starts_with("number out of range") => {
                let escape = ours.is_err_and(|error| error.problem == JsonProblem::Escape);
                assert!(ours.is_ok() || escape || too_deep, "{ours:?}: {text:?}");
            }
            // The reader accepts one level more.
            reason if reason.starts_with("recursion limit") => {}
            reason => assert!(ours.is_err(), "accepted in spite of {reason}: {text:?}"),
        },
    }
}

/// String fields whose key occurs once have the same value.
fn compare_fields(text: &str, document: &Document<'_>, value: &Value) {
    for (key, field) in [("subscriptionId", &document.subscription_id), ("ownerId", &document.owner_id)] {
        let is_sole = text.matches(key).count() == 1 && !text.contains("\\u") && !text.contains("pn_apns");
        if is_sole && let Some(expected) = value[key].as_str() {
            assert_eq!(field.as_deref(), Some(expected), "{key} of {text:?}");
        }
    }
    for (key, raw) in &document.unknown {
        let parsed: Value =
            serde_json::from_str(raw).unwrap_or_else(|error| panic!("{error}: {key}: {raw:?}"));
        drop(parsed);
    }
}
