//! The OpenAPI document: events, and the webhook requests that contain them.

use serde_json::{Map, Value, json};
use wholecall_record::schema::ADDED_LATER;
use wholecall_store::{ChangeKind, kind};

use super::build::{date_time, described, integer, list_of, nullable_text, operation, reference, text};
use crate::event_type::EventType;

/// The schemas of all events.
pub(super) fn schemas() -> Map<String, Value> {
    let calls = [ChangeKind::Started, ChangeKind::Updated, ChangeKind::Completed].map(ChangeKind::as_str);
    let events = [
        ("CallEvent", of_types(&calls, "A version of a call.", data(json!({ "call": reference("Call") })))),
        (
            "CallRevised",
            of_types(&[ChangeKind::Revised.as_str()], "A completed call has changed.", revised()),
        ),
        (
            "CallMerged",
            of_types(
                &[ChangeKind::Merged.as_str()],
                "A published call is now part of another: remove `id`, and use the events of `into`.",
                reference("Merged"),
            ),
        ),
        (
            "CallsErased",
            of_types(
                &[ChangeKind::Erased.as_str()],
                "A person was erased from all versions of these calls: replace each copy by the current version. \
                 Delivered to every endpoint, whatever its settings.",
                calls_of(
                    json!({ "id": text(), "version": described(integer(), "The call's current version.") }),
                ),
            ),
        ),
        (
            "CallsDeleted",
            of_types(
                &[ChangeKind::Deleted.as_str()],
                "These calls are no longer stored. Delivered to every endpoint, whatever its settings.",
                calls_of(json!({ "id": text() })),
            ),
        ),
        (
            "EndpointDisabled",
            of_types(
                &[kind::ENDPOINT_DISABLED],
                "An endpoint of the tenant was disabled. Delivered to the others; not in the feed.",
                data(json!({ "endpoint": text(), "reason": text(), "failingSince": nullable_text() })),
            ),
        ),
        (
            "EndpointTest",
            of_types(
                &[kind::ENDPOINT_TEST],
                "A test that a client requested; not in the feed.",
                data(json!({ "endpoint": text() })),
            ),
        ),
    ];
    let mut any: Vec<Value> = events.iter().map(|(name, _)| reference(name)).collect();
    let mut other = reference("OtherEvent");
    other[ADDED_LATER] = json!(true);
    any.push(other);
    let description = "An event. It is the same in a webhook request, in a batch, in the feed and in the stream, except \
                       that an endpoint's settings may reduce or mask it. Ignore events whose `type` you do not know.";
    let mut schemas = Map::from_iter(events.map(|(name, event)| (name.to_owned(), event)));
    schemas.insert("Event".to_owned(), json!({ "description": description, "anyOf": any }));
    schemas.insert(
        "OtherEvent".to_owned(),
        event(text(), "An event of a type that a later version adds.", json!({ "type": "object" })),
    );
    schemas.insert("Batch".to_owned(), batch());
    schemas
}

fn of_types(types: &[&str], description: &str, data: Value) -> Value {
    event(json!({ "type": "string", "enum": types }), description, data)
}

fn event(kind: Value, description: &str, data: Value) -> Value {
    json!({
        "type": "object",
        "description": description,
        "properties": {
            "id": described(text(), "The event's id, as in `webhook-id`: the same for every client and attempt. Opaque."),
            "type": kind,
            "timestamp": described(date_time(), "When the event was created."),
            "tenant": described(text(), "The tenant's name."),
            "cursor": described(
                nullable_text(),
                "The event's position in the feed, to continue from with `after`. Opaque. Null if it is not in the feed.",
            ),
            "data": data,
        },
        "required": ["id", "type", "timestamp", "tenant", "cursor", "data"],
    })
}

fn data(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

fn revised() -> Value {
    let mut data = data(json!({
        "call": reference("Call"),
        "fromVersion": {
            "type": ["integer", "null"],
            "description": "The version published before; null if retention has removed it.",
        },
        "changed": {
            "type": ["array", "null"],
            "items": { "type": "object" },
            "description": "The changes since `fromVersion`, as a JSON Patch (RFC 6902).",
        },
    }));
    data["description"] = json!("The current record and what changed in it.");
    data
}

fn calls_of(call: Value) -> Value {
    let mut calls = list_of("calls", data(call));
    calls["properties"]["calls"]["maxItems"] = json!(1_000);
    calls
}

fn batch() -> Value {
    json!({
        "type": "object",
        "description": "Several events in one request, for an endpoint with `batch`. They share its `webhook-id`.",
        "properties": {
            "type": { "type": "string", "enum": ["batch"] },
            "timestamp": date_time(),
            "data": { "type": "array", "items": reference("Event") },
        },
        "required": ["type", "timestamp", "data"],
    })
}

/// The requests that endpoints receive.
pub(super) fn webhooks() -> Map<String, Value> {
    let of_type = EventType::all().map(EventType::as_str).map(|kind| (kind, schema_of(kind)));
    let all = of_type.chain([("batch", "Batch")]);
    all.map(|(kind, schema)| (kind.to_owned(), json!({ "post": webhook(kind, schema) }))).collect()
}

fn schema_of(kind: &str) -> &'static str {
    match ChangeKind::from_word(kind) {
        Some(ChangeKind::Started | ChangeKind::Updated | ChangeKind::Completed) => "CallEvent",
        Some(ChangeKind::Revised) => "CallRevised",
        Some(ChangeKind::Merged) => "CallMerged",
        Some(ChangeKind::Erased) => "CallsErased",
        Some(ChangeKind::Deleted) => "CallsDeleted",
        None if kind == kind::ENDPOINT_DISABLED => "EndpointDisabled",
        None => "EndpointTest",
    }
}

fn webhook(kind: &str, schema: &str) -> Value {
    let header = |name: &str, description: &str| json!({ "name": name, "in": "header", "required": true, "description": description, "schema": text() });
    let headers = vec![
        header("webhook-id", "The id of the event or of the batch: the same for every attempt."),
        header("webhook-timestamp", "The time of this attempt, in seconds since 1970."),
        header("webhook-signature", "Signatures by Standard Webhooks 1.0, separated by spaces."),
    ];
    let summary = match kind {
        "batch" => "Several events".to_owned(),
        kind => format!("A `{kind}` event"),
    };
    let mut operation = operation(
        &format!("on.{kind}"),
        &summary,
        headers,
        json!({
            "2XX": { "description": "Delivered." },
            "410": { "description": "The endpoint is disabled, and receives nothing more." },
            "default": { "description": "Not delivered: attempts are repeated for 75 hours." },
        }),
    );
    operation["security"] = json!([]);
    operation["requestBody"] =
        json!({ "required": true, "content": { "application/json": { "schema": reference(schema) } } });
    operation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_type_has_a_schema_and_a_webhook() {
        let schemas = schemas();
        let webhooks = webhooks();
        for kind in EventType::all().map(EventType::as_str) {
            let schema = &schemas[schema_of(kind)];
            assert!(
                schema["properties"]["type"]["enum"].as_array().unwrap().contains(&json!(kind)),
                "{kind}"
            );
            assert!(webhooks.contains_key(kind), "{kind}");
        }
    }
}
