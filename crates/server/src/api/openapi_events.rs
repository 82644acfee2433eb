//! The part of the OpenAPI document that is about events: their one shape, and the requests that carry them.

use serde_json::{Map, Value, json};
use wholecall_record::schema::ADDED_LATER;
use wholecall_store::{ChangeKind, kind};

use super::openapi::{date_time, list_of, operation, reference, text};
use crate::event_type::EventType;

/// Whatever carries events carries any of these.
pub(super) fn schemas() -> Map<String, Value> {
    let calls = [ChangeKind::Started, ChangeKind::Updated, ChangeKind::Completed].map(ChangeKind::as_str);
    let shapes = [
        ("CallEvent", of(&calls, "A version of a call.", data(json!({ "call": reference("Call") })))),
        ("CallRevised", of(&[ChangeKind::Revised.as_str()], "A call that was over has changed.", revised())),
        (
            "CallMerged",
            of(
                &[ChangeKind::Merged.as_str()],
                "A published call is part of another: forget `id`, and keep what is published for `into`.",
                reference("Merged"),
            ),
        ),
        (
            "CallsErased",
            of(
                &[ChangeKind::Erased.as_str()],
                "A person was erased from these calls, in every version of them: replace each copy by the call as it is \
                 now. Goes to every endpoint, whatever it asks for.",
                calls_of(json!({ "id": text(), "version": version("The call's current version.") })),
            ),
        ),
        (
            "CallsDeleted",
            of(
                &[ChangeKind::Deleted.as_str()],
                "These calls are no longer kept. Goes to every endpoint, whatever it asks for.",
                calls_of(json!({ "id": text() })),
            ),
        ),
        (
            "EndpointDisabled",
            of(
                &[kind::ENDPOINT_DISABLED],
                "An endpoint of the tenant gets nothing more. Goes to the others; it is not in the feed.",
                data(
                    json!({ "endpoint": text(), "reason": text(), "failingSince": { "type": ["string", "null"] } }),
                ),
            ),
        ),
        (
            "EndpointTest",
            of(
                &[kind::ENDPOINT_TEST],
                "A test that was asked for; it is not in the feed.",
                data(json!({ "endpoint": text() })),
            ),
        ),
    ];
    let mut any: Vec<Value> = shapes.iter().map(|(name, _)| reference(name)).collect();
    let mut other = reference("OtherEvent");
    other[ADDED_LATER] = json!(true);
    any.push(other);
    let about = "An event, the same by webhook, in the feed, in the stream and within a batch, but for an endpoint's own \
                 masking. `type` says which one. Ignore an event whose type you do not know.";
    let mut schemas = Map::from_iter(shapes.map(|(name, shape)| (name.to_owned(), shape)));
    schemas.insert("Event".to_owned(), json!({ "description": about, "anyOf": any }));
    schemas.insert(
        "OtherEvent".to_owned(),
        shape(text(), "An event of a type that is added later.", json!({ "type": "object" })),
    );
    schemas.insert("Batch".to_owned(), batch());
    schemas
}

/// An event of one of some types.
fn of(types: &[&str], about: &str, data: Value) -> Value {
    shape(json!({ "type": "string", "enum": types }), about, data)
}

fn shape(kind: Value, about: &str, data: Value) -> Value {
    let described = |mut schema: Value, about: &str| {
        schema["description"] = json!(about);
        schema
    };
    json!({
        "type": "object",
        "description": about,
        "properties": {
            "id": described(text(), "The event's id, as in `webhook-id`: the same for every reader and attempt. Opaque."),
            "type": kind,
            "timestamp": described(date_time(), "When the event was made."),
            "tenant": described(text(), "The tenant's name."),
            "cursor": {
                "type": ["string", "null"],
                "description": "The event's place in the feed, to go on from with `after`. Opaque. Null where it is not in the feed.",
            },
            "data": data,
        },
        "required": ["id", "type", "timestamp", "tenant", "cursor", "data"],
    })
}

fn data(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

fn version(about: &str) -> Value {
    json!({ "type": "integer", "description": about })
}

fn revised() -> Value {
    let mut data = data(json!({
        "call": reference("Call"),
        "fromVersion": {
            "type": ["integer", "null"],
            "description": "The version that was published before; null while retention is removing that.",
        },
        "changed": {
            "type": ["array", "null"],
            "items": { "type": "object" },
            "description": "What changed since `fromVersion`, as a JSON Patch (RFC 6902).",
        },
    }));
    data["description"] = json!("The record as it is now, and what changed in it.");
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
        "description": "Several events in one request, for an endpoint with `batch`. Its `webhook-id` stands for all of them.",
        "properties": {
            "type": { "type": "string", "enum": ["batch"] },
            "timestamp": date_time(),
            "data": { "type": "array", "items": reference("Event") },
        },
        "required": ["type", "timestamp", "data"],
    })
}

/// The requests that endpoints get.
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
    let header = |name: &str, about: &str| json!({ "name": name, "in": "header", "required": true, "description": about, "schema": text() });
    let headers = vec![
        header("webhook-id", "The id of the event or of the batch: the same for every attempt."),
        header("webhook-timestamp", "When this attempt was made, in seconds since 1970."),
        header("webhook-signature", "Signatures by Standard Webhooks 1.0, separated by blanks."),
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
            "410": { "description": "Send nothing more: the endpoint is disabled." },
            "default": { "description": "Not delivered: it is sent again, for 75 hours." },
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
    fn every_type_of_event_has_its_shape() {
        let schemas = schemas();
        let webhooks = webhooks();
        for kind in EventType::all().map(EventType::as_str) {
            let shape = &schemas[schema_of(kind)];
            assert!(shape["properties"]["type"]["enum"].as_array().unwrap().contains(&json!(kind)), "{kind}");
            assert!(webhooks.contains_key(kind), "{kind}");
        }
    }
}
