//! The OpenAPI document: the hook, the import and the erasure of stored data, and the probes.

use serde_json::{Map, Value, json};

use super::build::{
    date_time, described, integer, members, operation, path_parameter, problem_response, response, text,
    with_body, without_key,
};

pub(super) fn paths() -> Map<String, Value> {
    members(json!({
        "/hooks/{tenant}": { "post": with_body(operation("receive",
            "RingCentral's webhook: requires `Verification-Token`; returns the `Validation-Token` of a request without a body",
            vec![path_parameter("tenant", "The tenant's name.")], json!({
                "200": { "description": "The notification is durable. A body that is not a notification of the tenant \
                    is stored as rejected, see `/v1/rejected`. `Content-Encoding` may be gzip or deflate." },
                "401": problem_response("The tenant does not exist, or the token is not one of its tokens."),
                "503": problem_response("The notification could not be stored; send it again."),
            })), "application/json", json!({ "type": "object" })) },
        "/v1/notifications": { "post": with_body(operation("importNotifications",
            "Imports notifications, one per line: history, or what another program received", vec![], json!({
                "200": response("All accepted lines are durable.", json!({
                    "type": "object",
                    "properties": {
                        "accepted": integer(),
                        "refused": integer(),
                        "refusals": { "type": "array", "items": {
                            "type": "object",
                            "properties": { "line": integer(), "reason": text() },
                        } },
                    },
                    "required": ["accepted", "refused", "refusals"],
                })),
            })), "application/x-ndjson", text()) },
        "/v1/numbers/{number}": { "delete": operation("eraseNumber",
            "Erases a person: replaces number and names by a pseudonym in everything that is stored. Irreversible",
            vec![path_parameter("number", "The telephone number, as +14045550123.")], json!({
                "200": response("The person is erased.", json!({
                    "type": "object",
                    "properties": {
                        "calls": integer(), "notifications": integer(), "pseudonym": text(),
                        "endpoints": {
                            "type": "array", "items": text(),
                            "description": "Endpoints whose settings contained the number. Those whose URL contained it are disabled.",
                        },
                        "unreadable": described(integer(), "Rows that could not be read, and therefore not rewritten."),
                        "remaining": described(integer(), "Places where the number is part of an id, and remains."),
                        "backups": {
                            "type": "array",
                            "description": "Backups that still contain the person.",
                            "items": { "type": "object", "properties": {
                                "file": text(), "createdAt": date_time(),
                            } },
                        },
                    },
                    "required": ["calls", "notifications", "pseudonym", "endpoints"],
                })),
                "400": problem_response("The path does not contain a telephone number."),
            })) },
        "/healthz": { "get": without_key(operation("health", "The process runs", vec![], plain_text())) },
        "/readyz": { "get": without_key(operation("readiness",
            "The service stores notifications and answers queries", vec![], plain_text())) },
        "/metrics": { "get": without_key(operation("metrics", "Metrics for Prometheus", vec![], json!({
            "200": { "description": "OpenMetrics.", "content": { "application/openmetrics-text": {} } },
            "401": problem_response("The installation has an admin key, and the request does not contain it."),
        }))) },
    }))
}

fn plain_text() -> Value {
    json!({ "200": { "description": "Text.", "content": { "text/plain": {} } } })
}
