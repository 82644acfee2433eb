//! The OpenAPI document: API keys and the audit log.

use serde_json::{Map, Value, json};
use wholecall_store::{AuditAction, Scope};

use super::build::{
    date_time, described, integer, invalid_body, invalid_query, limit, list_of, members, nullable_date_time,
    nullable_text, open_words, operation, page_of, parameter, path_parameter, problem_response, response,
    text, with_body, words,
};

pub(super) fn paths() -> Map<String, Value> {
    let name = || path_parameter("name", "The tenant's name.");
    let id = || path_parameter("id", "The key's id.");
    let list = |operation_id: &str, summary: &str, parameters| {
        let keys = list_of("keys", key(false));
        operation(
            operation_id,
            summary,
            parameters,
            json!({ "200": response("The keys without their secrets.", keys) }),
        )
    };
    let add = |operation_id: &str, summary: &str, parameters| {
        let responses = json!({
            "201": response("The key. No other response contains it.", key(true)),
            "400": invalid_body(),
            "409": problem_response("The tenant has 100 keys."),
        });
        with_body(operation(operation_id, summary, parameters, responses), "application/json", new_key())
    };
    let remove = |operation_id: &str, summary: &str, parameters| {
        let responses = json!({
            "204": { "description": "The key is removed." },
            "404": problem_response("The key does not exist."),
        });
        operation(operation_id, summary, parameters, responses)
    };
    members(json!({
        "/v1/keys": {
            "get": list("listKeys", "The tenant's API keys: scope, expiry and last use of each", vec![]),
            "post": add("addKey", "Adds an API key", vec![]),
        },
        "/v1/keys/{id}": {
            "delete": remove("removeKey", "Removes an API key; streams opened with it end within a second", vec![id()]),
        },
        "/v1/tenants/{name}/keys": {
            "get": list("listKeysOfTenant", "A tenant's API keys", vec![name()]),
            "post": add("addKeyToTenant", "Adds an API key to a tenant", vec![name()]),
        },
        "/v1/tenants/{name}/keys/{id}": {
            "delete": remove("removeKeyOfTenant", "Removes an API key of a tenant", vec![name(), id()]),
        },
        "/v1/audit": { "get": audit() },
    }))
}

fn scope() -> Value {
    words(Scope::ALL.into_iter().map(Scope::as_str))
}

fn new_key() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": described(text(), "A name for people: 1 to 64 letters, digits, spaces and . _ -"),
            "scope": scope(),
            "expiresAt": nullable_date_time(),
        },
        "required": ["name", "scope"],
    })
}

fn key(is_new: bool) -> Value {
    let mut key = json!({
        "type": "object",
        "properties": {
            "id": text(),
            "hint": described(text(), "The first characters of the key."),
            "name": text(),
            "scope": scope(),
            "createdAt": date_time(),
            "expiresAt": nullable_date_time(),
            "lastUsedAt": nullable_date_time(),
        },
        "required": ["id", "hint", "name", "scope", "createdAt", "expiresAt", "lastUsedAt"],
    });
    if is_new {
        key["properties"]["apiKey"] = text();
    }
    key
}

fn audit() -> Value {
    let entry = json!({
        "type": "object",
        "properties": {
            "id": text(),
            "at": date_time(),
            "lastAt": described(date_time(), "The time of the last of `count` equal events, which are one entry."),
            "count": integer(),
            "tenant": described(nullable_text(), "Null for actions on the installation."),
            "actor": open_words(["key", "operator", "commandLine", "unknown"].into_iter()),
            "key": { "type": ["object", "null"], "properties": { "id": text(), "hint": text(), "name": text() } },
            "address": nullable_text(),
            "action": open_words(AuditAction::ALL.iter().map(|action| action.as_str())),
            "object": text(),
            "result": open_words(["done", "refused"].into_iter()),
        },
        "required": ["id", "at", "lastAt", "count", "tenant", "actor", "key", "address", "action", "object", "result"],
    });
    operation(
        "listAudit",
        "The audit log, newest entries first: operators see all entries, a tenant's `admin` keys those of the tenant. \
         Entries are stored for 400 days, and at most 20,000 for a tenant",
        vec![
            parameter("tenant", "Only entries of this tenant; for operators.", text()),
            parameter(
                "action",
                "Only entries with this action.",
                words(AuditAction::ALL.iter().map(|action| action.as_str())),
            ),
            parameter("since", "Only entries of this time or later.", date_time()),
            parameter("until", "Only entries before this time.", date_time()),
            limit(100, "1,000"),
            parameter("cursor", "The `next` of the previous page.", text()),
        ],
        json!({ "200": response("A page of entries.", page_of("entries", entry)), "400": invalid_query() }),
    )
}
