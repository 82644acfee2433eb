//! The OpenAPI document's part on what was rejected.

use serde_json::{Map, Value, json};

use super::openapi::{answer, count, date_time, operation, parameter, path_parameter, problem_answer, text};

pub(super) fn paths() -> Map<String, Value> {
    let id = || path_parameter("id", "The id that the list gives.");
    let unknown = || problem_answer("Nothing rejected has that id.");
    let list = operation(
        "listRejected",
        "What was posted to the hook with the right token and not taken, newest first; it is kept for 30 days, and up to 32 MiB",
        vec![
            parameter("limit", "How many at most, up to 1,000.", count(50)),
            parameter("before", "The `next` of the page before.", text()),
        ],
        json!({ "200": answer("A page.", json!({
            "type": "object",
            "properties": {
                "count": { "type": "integer", "description": "How many there are in all." },
                "rejected": { "type": "array", "items": rejected(&[]) },
                "next": { "type": ["string", "null"] },
            },
            "required": ["count", "rejected", "next"],
        })) }),
    );
    let one = operation(
        "getRejected",
        "One of them, with its body and what can be done about it",
        vec![id()],
        json!({
            "200": answer("What is kept of it.", rejected(&[
                ("advice", json!({ "type": "string", "description": "What can be done about it." })),
                ("postedBytes", json!({ "type": "integer" })),
                ("body", json!({ "type": "string", "description": "Where it is UTF-8." })),
                ("bodyBase64", json!({ "type": "string", "description": "Where it is not." })),
            ])),
            "404": unknown(),
        }),
    );
    let remove = operation(
        "removeRejected",
        "Remove one of them",
        vec![id()],
        json!({
            "204": { "description": "It is gone." },
            "404": unknown(),
        }),
    );
    let retry = operation(
        "retryRejected",
        "Judge one of them again, for instance after the tenant was given its account",
        vec![id()],
        json!({
            "200": answer("What came of it.", json!({
                "type": "object",
                "properties": {
                    "id": text(),
                    "accepted": { "type": "boolean" },
                    "reason": { "type": ["string", "null"], "description": "Why it is still not taken." },
                },
                "required": ["id", "accepted", "reason"],
            })),
            "404": unknown(),
        }),
    );
    let retry_all = operation(
        "retryAllRejected",
        "Have all of them judged again",
        vec![],
        json!({
            "202": answer("They are judged one after the other.", json!({
                "type": "object",
                "properties": { "marked": { "type": "integer", "description": "How many were not marked yet." } },
                "required": ["marked"],
            })),
        }),
    );
    Map::from_iter([
        ("/v1/rejected".to_owned(), json!({ "get": list })),
        ("/v1/rejected/retry".to_owned(), json!({ "post": retry_all })),
        ("/v1/rejected/{id}".to_owned(), json!({ "get": one, "delete": remove })),
        ("/v1/rejected/{id}/retry".to_owned(), json!({ "post": retry })),
    ])
}

fn rejected(more: &[(&str, Value)]) -> Value {
    let mut properties = json!({
        "id": text(),
        "arrivedAt": date_time(),
        "reason": text(),
        "isWhole": { "type": "boolean", "description": "Whether all of it is kept, not only its beginning." },
        "isToBeRetried": { "type": "boolean" },
    });
    more.iter().for_each(|(name, schema)| properties[*name] = schema.clone());
    json!({
        "type": "object",
        "properties": properties,
        "required": ["id", "arrivedAt", "reason", "isWhole", "isToBeRetried"],
    })
}
