//! The OpenAPI document's part on API keys and the audit log.

use serde_json::{Map, Value, json};
use wholecall_store::{Scope, What};

use super::openapi::{
    answer, count, date_time, list_of, operation, parameter, path_parameter, problem_answer, text, with_body,
    words,
};

pub(super) fn paths() -> Map<String, Value> {
    let name = || path_parameter("name", "The tenant's name.");
    let id = || path_parameter("id", "The key's id, as the list gives it.");
    let list = |operation_id: &str, about: &str, parameters| {
        let keys = list_of("keys", key(false));
        operation(
            operation_id,
            about,
            parameters,
            json!({ "200": answer("Without the keys themselves.", keys) }),
        )
    };
    let add = |operation_id: &str, about: &str, parameters| {
        let answers = json!({
            "201": answer("The key, shown once.", key(true)),
            "400": problem_answer("What cannot be so, and why."),
            "409": problem_answer("The tenant has 100 keys."),
        });
        with_body(operation(operation_id, about, parameters, answers), "application/json", new_key())
    };
    let remove = |operation_id: &str, about: &str, parameters| {
        let answers = json!({ "204": { "description": "It is gone." }, "404": problem_answer("There is no such key.") });
        operation(operation_id, about, parameters, answers)
    };
    let paths = json!({
        "/v1/keys": {
            "get": list("listKeys", "The tenant's API keys: what each may do, until when, and when it was used last", vec![]),
            "post": add("addKey", "Add an API key", vec![]),
        },
        "/v1/keys/{id}": {
            "delete": remove("removeKey", "Remove an API key; what is open with it ends within a second", vec![id()]),
        },
        "/v1/tenants/{name}/keys": {
            "get": list("listKeysOfTenant", "A tenant's API keys", vec![name()]),
            "post": add("addKeyToTenant", "Add an API key to a tenant", vec![name()]),
        },
        "/v1/tenants/{name}/keys/{id}": {
            "delete": remove("removeKeyOfTenant", "Remove an API key of a tenant", vec![name(), id()]),
        },
        "/v1/audit": { "get": audit() },
    });
    match paths {
        Value::Object(paths) => paths,
        _ => Map::new(),
    }
}

fn scope() -> Value {
    words(Scope::ALL.into_iter().map(Scope::as_str))
}

fn new_key() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "description": "For people: 1 to 64 letters, digits, spaces and . _ -" },
            "scope": scope(),
            "expiresAt": { "type": ["string", "null"], "format": "date-time" },
        },
        "required": ["name", "scope"],
    })
}

fn key(is_new: bool) -> Value {
    let time = || json!({ "type": ["string", "null"], "format": "date-time" });
    let mut key = json!({
        "type": "object",
        "properties": {
            "id": text(),
            "hint": { "type": "string", "description": "How it begins." },
            "name": text(),
            "scope": scope(),
            "createdAt": date_time(),
            "expiresAt": time(),
            "lastUsedAt": time(),
        },
        "required": ["id", "hint", "name", "scope", "createdAt", "expiresAt", "lastUsedAt"],
    });
    if is_new {
        key["properties"]["apiKey"] = text();
    }
    key
}

fn audit() -> Value {
    let some_text = || json!({ "type": ["string", "null"] });
    let entry = json!({
        "type": "object",
        "properties": {
            "id": text(),
            "at": date_time(),
            "lastAt": { "type": "string", "format": "date-time", "description": "What is the same is one entry: when last." },
            "count": { "type": "integer", "description": "And how often." },
            "tenant": { "type": ["string", "null"], "description": "Null for what is the installation's." },
            "actor": super::openapi::open_words(["key", "operator", "commandLine", "unknown"].into_iter()),
            "key": { "type": ["object", "null"], "properties": { "id": text(), "hint": text(), "name": text() } },
            "address": some_text(),
            "what": super::openapi::open_words(What::ALL.iter().map(|what| what.as_str())),
            "object": text(),
            "result": super::openapi::open_words(["done", "refused"].into_iter()),
        },
        "required": ["id", "at", "lastAt", "count", "tenant", "actor", "key", "address", "what", "object", "result"],
    });
    operation(
        "listAudit",
        "Who did what, the latest first: all of it for operators, for a tenant's `admin` keys what concerns the tenant. \
         Kept for 400 days, and up to 20,000 entries of a tenant",
        vec![
            parameter("tenant", "Only of this tenant: for operators.", text()),
            parameter("what", "Only of this.", words(What::ALL.iter().map(|what| what.as_str()))),
            parameter("since", "Only of this time or later.", date_time()),
            parameter("until", "Only of before this time.", date_time()),
            parameter("limit", "How many at most, up to 1,000.", count(100)),
            parameter("cursor", "The `next` of the page before.", text()),
        ],
        json!({
            "200": answer("A page.", json!({
                "type": "object",
                "properties": {
                    "entries": { "type": "array", "items": entry },
                    "next": { "type": ["string", "null"] },
                },
                "required": ["entries", "next"],
            })),
            "400": problem_answer("Something in the query is not understood."),
        }),
    )
}
