//! The OpenAPI document: rejected bodies.

use serde_json::{Map, Value, json};

use super::build::{
    date_time, described, integer, limit, members, nullable_text, operation, page_of, parameter,
    path_parameter, problem_response, response, text,
};

pub(super) fn paths() -> Map<String, Value> {
    let id = || path_parameter("id", "The rejected body's id.");
    let unknown = || problem_response("The rejected body does not exist.");
    let mut page = page_of("rejected", rejected(&[]));
    page["properties"]["count"] = described(integer(), "Number of rejected bodies in all pages.");
    page["required"] = json!(["count", "rejected", "next"]);
    let list = operation(
        "listRejected",
        "Bodies posted to the hook with a valid token that are not notifications of the tenant, newest first; stored \
         for 30 days, and at most 32 MiB",
        vec![limit(50, "1,000"), parameter("before", "The `next` of the previous page.", text())],
        json!({ "200": response("A page of rejected bodies.", page) }),
    );
    let one = operation(
        "getRejected",
        "One rejected body with advice",
        vec![id()],
        json!({
            "200": response("The rejected body.", rejected(&[
                ("advice", described(text(), "What the operator can do about it.")),
                ("postedBytes", described(integer(), "Length of the body as it was posted.")),
                ("body", described(text(), "The body, if it is UTF-8.")),
                ("bodyBase64", described(text(), "The body, if it is not UTF-8.")),
            ])),
            "404": unknown(),
        }),
    );
    let remove = operation(
        "removeRejected",
        "Removes a rejected body",
        vec![id()],
        json!({ "204": { "description": "The rejected body is removed." }, "404": unknown() }),
    );
    let retry = operation(
        "retryRejected",
        "Classifies a rejected body again, for instance after its account was added to the tenant",
        vec![id()],
        json!({
            "200": response("The result.", json!({
                "type": "object",
                "properties": {
                    "id": text(),
                    "accepted": { "type": "boolean" },
                    "reason": described(nullable_text(), "Why it is still rejected; null if it was accepted."),
                },
                "required": ["id", "accepted", "reason"],
            })),
            "404": unknown(),
        }),
    );
    let retry_all = operation(
        "retryAllRejected",
        "Requests that all rejected bodies are classified again, in the background",
        vec![],
        json!({
            "202": response("The retries are queued.", json!({
                "type": "object",
                "properties": { "queued": described(integer(), "Number of bodies that were not queued before.") },
                "required": ["queued"],
            })),
        }),
    );
    members(json!({
        "/v1/rejected": { "get": list },
        "/v1/rejected/retry": { "post": retry_all },
        "/v1/rejected/{id}": { "get": one, "delete": remove },
        "/v1/rejected/{id}/retry": { "post": retry },
    }))
}

fn rejected(more: &[(&str, Value)]) -> Value {
    let mut properties = json!({
        "id": text(),
        "arrivedAt": date_time(),
        "reason": text(),
        "isComplete": described(json!({ "type": "boolean" }), "False if only the beginning of the body is stored."),
        "retryQueued": { "type": "boolean" },
    });
    more.iter().for_each(|(name, schema)| properties[*name] = schema.clone());
    json!({
        "type": "object",
        "properties": properties,
        "required": ["id", "arrivedAt", "reason", "isComplete", "retryQueued"],
    })
}
