//! The part of the OpenAPI document that is about endpoints.

use serde_json::{Map, Value, json};
use wholecall_record::call::{Direction, EndState, Outcome};
use wholecall_store::{ChangeKind, DeliveryState};

use super::openapi::{
    answer, call_id, count, date_time, list_of, open_words, operation, parameter, path_parameter,
    problem_answer, reference, text, with_body, words,
};
use crate::endpoints::EVENTS;

pub(super) fn paths() -> Map<String, Value> {
    let id = || path_parameter("id", "The endpoint's id, `ep_…`.");
    let unknown = || problem_answer("There is no such endpoint.");
    let unfit = || problem_answer("What cannot be so, and why.");
    let accepted = |about: &str, member: &str, schema: Value| {
        let properties = Map::from_iter([(member.to_owned(), schema)]);
        answer(about, json!({ "type": "object", "properties": properties, "required": [member] }))
    };
    let deliveries = || list_of("deliveries", reference("Delivery"));
    let paths = json!({
        "/v1/endpoints": {
            "get": operation("listEndpoints", "Where the tenant wants to be told of its calls", vec![], json!({
                "200": answer("All endpoints.", list_of("endpoints", reference("WebhookEndpoint"))),
            })),
            "post": with_body(operation("addEndpoint",
                "Add an endpoint; its secret is in the answer and never shown again", vec![], json!({
                    "201": answer("The endpoint, with its `secret`.", reference("WebhookEndpoint")),
                    "400": unfit(),
                })), "application/json", reference("EndpointSettings")),
        },
        "/v1/endpoints/{id}": {
            "get": operation("getEndpoint", "One endpoint", vec![id()], json!({
                "200": answer("The endpoint.", reference("WebhookEndpoint")), "404": unknown(),
            })),
            "patch": with_body(operation("changeEndpoint", "Change what is named, leave the rest (RFC 7396)",
                vec![id()], json!({
                    "200": answer("The endpoint as it is now.", reference("WebhookEndpoint")),
                    "400": unfit(), "404": unknown(),
                })), "application/json", reference("EndpointSettings")),
            "delete": operation("removeEndpoint", "Remove an endpoint with what is known of its deliveries",
                vec![id()], json!({ "204": { "description": "It is gone." }, "404": unknown() })),
        },
        "/v1/endpoints/{id}/rotate": { "post": with_body(operation("rotateSecret",
            "Give an endpoint a new secret; for a day, the old one signs too", vec![id()], json!({
                "200": answer("What to verify with from now on.", json!({
                    "type": "object",
                    "properties": {
                        "id": text(), "secret": text(), "publicKey": text(), "previousSignsUntil": date_time(),
                    },
                })), "400": unfit(), "404": unknown(),
            })), "application/json", json!({
                "type": "object",
                "properties": { "signing": words(["v1", "v1a"].into_iter()), "secret": text() },
            })) },
        "/v1/endpoints/{id}/test": { "post": operation("testEndpoint", "Send an `endpoint.test` event", vec![id()],
            json!({ "202": accepted("It is on its way.", "id", text()), "404": unknown() })) },
        "/v1/endpoints/{id}/replay": { "post": with_body(operation("replay",
            "Send once more what failed, or what was made in a stretch of time and passes a filter", vec![id()],
            json!({
                "202": accepted("So many deliveries are on their way.", "deliveries", json!({ "type": "integer" })),
                "400": unfit(), "404": unknown(),
            })), "application/json", json!({
                "type": "object",
                "properties": {
                    "since": date_time(), "until": date_time(), "filter": filter(), "failed": { "type": "boolean" },
                },
            })) },
        "/v1/endpoints/{id}/deliveries": { "get": operation("listDeliveries",
            "What was sent, with every attempt; the latest events first", vec![
                id(),
                parameter("state", "Only those in this state.", states()),
                parameter("before", "The `next` of the page before.", text()),
                parameter("limit", "How many at most, up to 500.", count(50)),
            ], json!({
                "200": answer("A page of deliveries; `next` goes on with the one before, or is null.", json!({
                    "type": "object",
                    "properties": {
                        "deliveries": { "type": "array", "items": reference("Delivery") },
                        "next": { "type": ["string", "null"] },
                    },
                    "required": ["deliveries", "next"],
                })), "404": unknown(),
            })) },
        "/v1/endpoints/{id}/deliveries/{message}/resend": { "post": operation("resend", "Send an event once more",
            vec![id(), path_parameter("message", "The event's id, `msg_…`.")], json!({
                "202": accepted("It is on its way.", "id", text()),
                "404": problem_answer("There is no such endpoint, or it was never sent that."),
            })) },
        "/v1/calls/{id}/deliveries": { "get": operation("listDeliveriesOfCall",
            "What any endpoint was told of a call, the latest first", vec![call_id()], json!({
                "200": answer("The deliveries.", deliveries()),
                "404": problem_answer("There is no such call."),
            })) },
    });
    match paths {
        Value::Object(paths) => paths,
        _ => Map::new(),
    }
}

fn states() -> Value {
    words(DeliveryState::ALL.into_iter().map(DeliveryState::as_str))
}

fn filter() -> Value {
    let text = || json!({ "type": ["string", "null"] });
    json!({
        "type": "object",
        "description": "Only calls like this; null: like any.",
        "properties": {
            "direction": word_or_null(Direction::ALL.iter().map(|word| word.as_str())),
            "result": word_or_null(Outcome::ALL.iter().map(|word| word.as_str())),
            "extension": text(), "queue": text(), "number": text(),
            "customer": text(), "answeredBy": text(), "user": text(),
            "endState": word_or_null(EndState::ALL.iter().map(|word| word.as_str())),
        },
    })
}

fn word_or_null(words: impl Iterator<Item = &'static str>) -> Value {
    let values: Vec<Value> = words.map(Value::from).chain([Value::Null]).collect();
    json!({ "enum": values })
}

fn settings() -> Map<String, Value> {
    let kinds = EVENTS.map(ChangeKind::as_str);
    let about = |mut schema: Value, about: &str| {
        schema["description"] = json!(about);
        schema
    };
    Map::from_iter(
        [
            ("url", about(text(), "Where to post: http or https. Redirects are not followed.")),
            (
                "events",
                json!({
                    "type": "array",
                    "items": words(kinds.into_iter()),
                    "description": "The types of events that are wanted; without it, the first three. `call.erased` and `call.deleted` are sent in any case.",
                }),
            ),
            ("filter", filter()),
            ("description", about(text(), "For people.")),
            (
                "signing",
                about(words(["v1", "v1a"].into_iter()), "HMAC-SHA256 with a shared secret, or Ed25519."),
            ),
            (
                "rateLimit",
                about(json!({ "type": ["integer", "null"] }), "At most so many requests a second."),
            ),
            (
                "batch",
                about(
                    json!({ "type": ["integer", "null"] }),
                    "Up to so many events in one request, 100 at most.",
                ),
            ),
            ("redact", about(json!({ "type": "boolean" }), "Mask numbers and drop names.")),
            (
                "payload",
                about(
                    words(["full", "withoutLegs", "thin"].into_iter()),
                    "How much of a call's record is sent: all, all but `legs`, or its `id`, its `version` and a `link`.",
                ),
            ),
            (
                "maxBytes",
                about(
                    json!({ "type": ["integer", "null"] }),
                    "What would be a longer body is sent with less detail: without `legs`, then with ids and a `link` only.",
                ),
            ),
        ]
        .map(|(name, schema)| (name.to_owned(), schema)),
    )
}

pub(super) fn schemas() -> Map<String, Value> {
    let mut asked = settings();
    asked.insert(
        "headers".to_owned(),
        json!({ "type": "object", "description": "Sent with each request; kept sealed." }),
    );
    asked.insert(
        "secret".to_owned(),
        json!({ "type": "string", "description": "When adding only: `whsec_…`." }),
    );
    asked.insert(
        "enabled".to_owned(),
        json!({ "type": "boolean", "description": "Enabled again, it is told what it has missed." }),
    );
    let mut shown = settings();
    let more = json!({
        "id": text(),
        "createdAt": date_time(),
        "enabled": { "type": "boolean" },
        "disabledBecause": { "type": ["string", "null"], "description": "`owner`, `gone` (it answered 410), `failing`, `erased` (its address named a person who was)." },
        "failingSince": { "type": ["string", "null"], "description": "The first failure since the last success." },
        "headers": { "type": "array", "items": text(), "description": "Their names." },
        "publicKey": { "type": "string", "description": "`whpk_…`, to verify `v1a` with." },
        "secret": { "type": "string", "description": "`whsec_…`, to verify `v1` with; shown once." },
    });
    shown.extend(more.as_object().cloned().unwrap_or_default());
    let attempt = json!({
        "type": "object",
        "properties": {
            "time": date_time(), "durationMs": { "type": "integer" }, "status": { "type": ["integer", "null"] },
            "problem": { "type": ["string", "null"] },
            "answer": { "type": ["string", "null"], "description": "Its first 1,024 bytes." },
        },
        "required": ["time", "durationMs", "status", "problem", "answer"],
    });
    Map::from_iter(
        [
            ("EndpointSettings", json!({ "type": "object", "properties": asked })),
            (
                "WebhookEndpoint",
                json!({
                    "type": "object", "properties": shown,
                    "required": ["id", "url", "events", "createdAt", "enabled"],
                }),
            ),
            ("Attempt", attempt),
            (
                "Delivery",
                json!({
                    "type": "object",
                    "properties": {
                        "id": { "type": "string", "description": "As in `webhook-id`." },
                        "endpoint": text(),
                        "type": text(),
                        "callId": { "type": ["string", "null"] },
                        "version": { "type": ["integer", "null"] },
                        "timestamp": date_time(),
                        "state": open_words(DeliveryState::ALL.into_iter().map(DeliveryState::as_str)),
                        "nextAttemptAt": { "type": ["string", "null"] },
                        "attempts": { "type": "array", "items": reference("Attempt") },
                    },
                    "required": ["id", "endpoint", "type", "timestamp", "state", "attempts"],
                }),
            ),
        ]
        .map(|(name, schema)| (name.to_owned(), schema)),
    )
}
