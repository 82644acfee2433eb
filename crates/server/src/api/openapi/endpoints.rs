//! The OpenAPI document: endpoints and deliveries.

use serde_json::{Map, Value, json};
use wholecall_record::call::{Direction, EndState, Outcome};
use wholecall_store::{ChangeKind, DeliveryState};

use super::build::{
    call_id, date_time, described, integer, invalid_body, limit, list_of, members, nullable_text, open_words,
    operation, page_of, parameter, path_parameter, problem_response, reference, response, text, unknown_call,
    with_body, words,
};
use crate::endpoints::EVENTS;

pub(super) fn paths() -> Map<String, Value> {
    let id = || path_parameter("id", "The endpoint's id, `ep_…`.");
    let unknown = || problem_response("The endpoint does not exist.");
    let accepted = |description: &str, member: &str, schema: Value| {
        let properties = Map::from_iter([(member.to_owned(), schema)]);
        response(description, json!({ "type": "object", "properties": properties, "required": [member] }))
    };
    members(json!({
        "/v1/endpoints": {
            "get": operation("listEndpoints", "The tenant's endpoints: addresses to which events are delivered", vec![],
                json!({ "200": response("All endpoints.", list_of("endpoints", reference("WebhookEndpoint"))) })),
            "post": with_body(operation("addEndpoint",
                "Adds an endpoint. No other response contains its secret", vec![], json!({
                    "201": response("The endpoint with its `secret`.", reference("WebhookEndpoint")),
                    "400": invalid_body(),
                })), "application/json", reference("EndpointSettings")),
        },
        "/v1/endpoints/{id}": {
            "get": operation("getEndpoint", "One endpoint", vec![id()], json!({
                "200": response("The endpoint.", reference("WebhookEndpoint")), "404": unknown(),
            })),
            "patch": with_body(operation("changeEndpoint", "Changes the settings that the body contains (RFC 7396)",
                vec![id()], json!({
                    "200": response("The changed endpoint.", reference("WebhookEndpoint")),
                    "400": invalid_body(), "404": unknown(),
                })), "application/json", reference("EndpointSettings")),
            "delete": operation("removeEndpoint", "Removes an endpoint and its deliveries",
                vec![id()], json!({ "204": { "description": "The endpoint is removed." }, "404": unknown() })),
        },
        "/v1/endpoints/{id}/rotate": { "post": with_body(operation("rotateSecret",
            "Replaces an endpoint's secret. For a day, deliveries are signed with the previous one as well",
            vec![id()], json!({
                "200": response("The new secret, or the public key of the new key pair.", json!({
                    "type": "object",
                    "properties": {
                        "id": text(), "secret": text(), "publicKey": text(),
                        "previousSecretExpiresAt": date_time(),
                    },
                })), "400": invalid_body(), "404": unknown(),
            })), "application/json", json!({
                "type": "object",
                "properties": { "signing": words(["v1", "v1a"].into_iter()), "secret": text() },
            })) },
        "/v1/endpoints/{id}/test": { "post": operation("testEndpoint", "Sends an `endpoint.test` event", vec![id()],
            json!({ "202": accepted("The event is queued.", "id", text()), "404": unknown() })) },
        "/v1/endpoints/{id}/replay": { "post": with_body(operation("replay",
            "Delivers again the events that failed, or those of a period that match a filter", vec![id()],
            json!({
                "202": accepted("The number of queued deliveries.", "deliveries", integer()),
                "400": invalid_body(), "404": unknown(),
            })), "application/json", json!({
                "type": "object",
                "properties": {
                    "since": date_time(), "until": date_time(), "filter": filter(), "failed": { "type": "boolean" },
                },
            })) },
        "/v1/endpoints/{id}/deliveries": { "get": operation("listDeliveries",
            "An endpoint's deliveries with their attempts, newest events first", vec![
                id(),
                parameter("state", "Only deliveries in this state.", states()),
                parameter("before", "The `next` of the previous page.", text()),
                limit(50, "500"),
            ], json!({
                "200": response("A page of deliveries; `next` is the `before` of the next page, null after the last.",
                    page_of("deliveries", reference("Delivery"))),
                "404": unknown(),
            })) },
        "/v1/endpoints/{id}/deliveries/{message}/resend": { "post": operation("resend", "Requests a redelivery",
            vec![id(), path_parameter("message", "The event's id, `msg_…`.")], json!({
                "202": accepted("The redelivery is queued.", "id", text()),
                "404": problem_response("The endpoint does not exist, or the event was never sent to it."),
            })) },
        "/v1/calls/{id}/deliveries": { "get": operation("listDeliveriesOfCall",
            "The deliveries of a call's events to any endpoint, newest first", vec![call_id()], json!({
                "200": response("The deliveries.", list_of("deliveries", reference("Delivery"))),
                "404": unknown_call(),
            })) },
    }))
}

fn states() -> Value {
    words(DeliveryState::ALL.into_iter().map(DeliveryState::as_str))
}

fn filter() -> Value {
    json!({
        "type": "object",
        "description": "Only calls that match all members; a null member matches any call.",
        "properties": {
            "direction": word_or_null(Direction::ALL.iter().map(|word| word.as_str())),
            "result": word_or_null(Outcome::ALL.iter().map(|word| word.as_str())),
            "extension": nullable_text(), "queue": nullable_text(), "number": nullable_text(),
            "customer": nullable_text(), "answeredBy": nullable_text(), "user": nullable_text(),
            "endState": word_or_null(EndState::ALL.iter().map(|word| word.as_str())),
        },
    })
}

fn word_or_null(words: impl Iterator<Item = &'static str>) -> Value {
    let values: Vec<Value> = words.map(Value::from).chain([Value::Null]).collect();
    json!({ "enum": values })
}

fn settings() -> Map<String, Value> {
    let nullable_integer = || json!({ "type": ["integer", "null"] });
    members(json!({
        "url": described(text(), "The address: http or https. Redirects are not followed."),
        "events": {
            "type": "array",
            "items": words(EVENTS.map(ChangeKind::as_str).into_iter()),
            "description": "The types of the events to deliver; by default the first three. `call.erased` and `call.deleted` are always delivered.",
        },
        "filter": filter(),
        "description": described(text(), "A text for people."),
        "signing": described(words(["v1", "v1a"].into_iter()), "HMAC-SHA256 with a shared secret, or Ed25519."),
        "rateLimit": described(nullable_integer(), "Maximum number of requests per second."),
        "batch": described(nullable_integer(), "Maximum number of events in a request, up to 100."),
        "redact": described(json!({ "type": "boolean" }), "Mask numbers and omit names."),
        "payload": described(
            words(["full", "withoutLegs", "thin"].into_iter()),
            "The part of a call's record to send: all, all but `legs`, or its `id`, its `version` and a `link`.",
        ),
        "maxBytes": described(
            nullable_integer(),
            "Maximum length of a body. A longer one is reduced: first without `legs`, then to ids and a `link`.",
        ),
    }))
}

pub(super) fn schemas() -> Map<String, Value> {
    let mut requested = settings();
    requested.extend(members(json!({
        "headers": { "type": "object", "description": "Sent with each request; stored encrypted." },
        "secret": described(text(), "When adding only: `whsec_…`."),
        "enabled": described(
            json!({ "type": "boolean" }),
            "An endpoint that is enabled again receives the events that it missed.",
        ),
    })));
    let mut returned = settings();
    returned.extend(members(json!({
        "id": text(),
        "createdAt": date_time(),
        "enabled": { "type": "boolean" },
        "disabledReason": described(nullable_text(), "`owner`, `gone` (it returned 410), `failing`, `erased` (its URL contained an erased person's number)."),
        "failingSince": described(nullable_text(), "The first failure after the last success."),
        "headers": { "type": "array", "items": text(), "description": "The names of the headers." },
        "publicKey": described(text(), "`whpk_…`, verifies `v1a`."),
        "secret": described(text(), "`whsec_…`, verifies `v1`; only returned when adding."),
    })));
    let attempt = json!({
        "type": "object",
        "properties": {
            "time": date_time(), "durationMs": integer(), "status": { "type": ["integer", "null"] },
            "problem": nullable_text(),
            "response": described(nullable_text(), "The first 1,024 bytes of the response's body."),
        },
        "required": ["time", "durationMs", "status", "problem", "response"],
    });
    let delivery = json!({
        "type": "object",
        "properties": {
            "id": described(text(), "As in `webhook-id`."),
            "endpoint": text(),
            "type": text(),
            "callId": nullable_text(),
            "version": { "type": ["integer", "null"] },
            "timestamp": date_time(),
            "state": open_words(DeliveryState::ALL.into_iter().map(DeliveryState::as_str)),
            "nextAttemptAt": nullable_text(),
            "attempts": { "type": "array", "items": reference("Attempt") },
        },
        "required": ["id", "endpoint", "type", "timestamp", "state", "attempts"],
    });
    members(json!({
        "EndpointSettings": { "type": "object", "properties": requested },
        "WebhookEndpoint": {
            "type": "object", "properties": returned,
            "required": ["id", "url", "events", "createdAt", "enabled"],
        },
        "Attempt": attempt,
        "Delivery": delivery,
    }))
}
