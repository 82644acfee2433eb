//! The OpenAPI document's part on connections to RingCentral and what they tell of the accounts.

use serde_json::{Map, Value, json};

use super::openapi::{answer, date_time, list_of, open_words as words, operation, text};

pub(super) fn paths() -> Map<String, Value> {
    let directory = operation(
        "getDirectory",
        "Who and what is in the tenant's connected accounts: what extensions are called in calls from now on",
        vec![],
        json!({ "200": answer("The newest directory of each account.", list_of("accounts", directory())) }),
    );
    Map::from_iter([("/v1/directory".to_owned(), json!({ "get": directory }))])
}

fn directory() -> Value {
    let strings = json!({ "type": "array", "items": text() });
    let kinds = [
        "user",
        "queue",
        "group",
        "menu",
        "announcement",
        "messageOnly",
        "parkLocation",
        "pagingGroup",
        "site",
        "other",
    ];
    json!({
        "type": "object",
        "properties": {
            "accountId": text(),
            "version": { "type": "integer", "description": "What records name it by: `directoryVersion`." },
            "readAt": date_time(),
            "extensions": { "type": "array", "items": {
                "type": "object",
                "properties": {
                    "id": text(),
                    "kind": words(kinds.into_iter()),
                    "name": { "type": ["string", "null"] },
                    "number": { "type": ["string", "null"], "description": "The extension number." },
                    "phoneNumbers": strings,
                    "forwardingNumbers": {
                        "type": "array", "items": text(),
                        "description": "Numbers at which it is also reached: forwarding numbers, lines of devices.",
                    },
                },
                "required": ["id", "kind", "name", "number", "phoneNumbers", "forwardingNumbers"],
            } },
            "learntNames": {
                "type": "object", "additionalProperties": text(),
                "description": "Names that only notifications gave, by extension id.",
            },
            "queues": { "type": "array", "items": {
                "type": "object",
                "properties": { "id": text(), "members": strings },
                "required": ["id", "members"],
            } },
            "missing": missing_parts(),
        },
        "required": ["accountId", "version", "readAt", "extensions", "learntNames", "queues", "missing"],
    })
}

/// What RingCentral does not tell of an account.
fn missing_parts() -> Value {
    json!({ "type": "array", "items": {
        "type": "object",
        "properties": {
            "part": words(["queues", "phoneNumbers", "devices", "forwardingNumbers"].into_iter()),
            "permission": { "type": ["string", "null"] },
            "reason": text(),
        },
        "required": ["part", "permission", "reason"],
    } })
}

/// A connection as `wholecall connection status` tells it.
pub(super) fn connection() -> Value {
    let time = || json!({ "type": ["string", "null"], "format": "date-time" });
    let some = || json!({ "type": ["string", "null"] });
    json!({
        "type": "object",
        "properties": {
            "tenant": text(),
            "account": text(),
            "status": words(["connecting", "live", "failing", "refused", "loginRefused"].into_iter()),
            "since": date_time(),
            "problem": some(),
            "connectedAt": date_time(),
            "heardUntil": date_time(),
            "subscription": { "type": ["object", "null"], "properties": {
                "id": text(),
                "transport": words(["webhook", "webSocket"].into_iter()),
                "address": some(),
                "renewsAt": date_time(),
                "expiresAt": date_time(),
            } },
            "comparedUntil": time(),
            "timesBlacklisted": { "type": "integer" },
            "timesUndelivered": { "type": "integer" },
            "callLogDifferences": { "type": "integer" },
            "directory": { "type": "object", "properties": {
                "version": { "type": ["integer", "null"] },
                "readAt": time(),
                "missing": missing_parts(),
                "problem": some(),
            } },
            "gaps": { "type": "array", "items": { "type": "object", "properties": {
                "from": date_time(),
                "until": date_time(),
                "reason": text(),
                "comparedAt": time(),
                "callLogSessions": { "type": "integer" },
                "missingSessions": { "type": "array", "items": text() },
            } } },
        },
        "required": ["account", "status", "since", "directory", "gaps"],
    })
}
