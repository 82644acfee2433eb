//! The OpenAPI document: connections to RingCentral, directories, health.

use serde_json::{Map, Value, json};

use super::build::{
    date_time, described, integer, list_of, members, nullable_date_time, nullable_text, open_words as words,
    operation, response, text,
};

pub(super) fn paths() -> Map<String, Value> {
    members(json!({
        "/v1/directory": { "get": operation(
            "getDirectory",
            "The extensions of the tenant's connected accounts, with the names that calls have from now on",
            vec![],
            json!({ "200": response("The newest directory of each account.", list_of("accounts", directory())) }),
        ) },
        "/v1/health": { "get": operation(
            "getHealth",
            "Statistics of received notifications since the service started, and the states of connections to \
             RingCentral; with the admin key, only the state of the installation",
            vec![],
            json!({ "200": response("The figures; delays are those of the last 20,000 notifications.", health()) }),
        ) },
    }))
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
            "version": described(integer(), "The `directoryVersion` of records."),
            "fetchedAt": date_time(),
            "extensions": { "type": "array", "items": {
                "type": "object",
                "properties": {
                    "id": text(),
                    "kind": words(kinds.into_iter()),
                    "name": nullable_text(),
                    "number": described(nullable_text(), "The extension number."),
                    "phoneNumbers": strings,
                    "forwardingNumbers": described(
                        strings.clone(),
                        "Other numbers of the extension: forwarding numbers, lines of devices.",
                    ),
                },
                "required": ["id", "kind", "name", "number", "phoneNumbers", "forwardingNumbers"],
            } },
            "learnedNames": {
                "type": "object", "additionalProperties": text(),
                "description": "Names that only notifications contain, by extension id.",
            },
            "queues": { "type": "array", "items": {
                "type": "object",
                "properties": { "id": text(), "members": strings },
                "required": ["id", "members"],
            } },
            "missing": missing_parts(),
        },
        "required": ["accountId", "version", "fetchedAt", "extensions", "learnedNames", "queues", "missing"],
    })
}

/// The parts of a directory that RingCentral did not return.
fn missing_parts() -> Value {
    json!({ "type": "array", "items": {
        "type": "object",
        "properties": {
            "part": words(["queues", "phoneNumbers", "devices", "forwardingNumbers"].into_iter()),
            "permission": nullable_text(),
            "reason": text(),
        },
        "required": ["part", "permission", "reason"],
    } })
}

fn health() -> Value {
    json!({
        "type": "object",
        "properties": {
            "lastNotificationAt": nullable_date_time(),
            "notifications": integer(),
            "notificationsLastMinute": integer(),
            "delayMedianMs": { "type": ["integer", "null"] },
            "delayP99Ms": { "type": ["integer", "null"] },
            "duplicates": integer(),
            "outOfOrder": integer(),
            "closedCalls": integer(),
            "closedCallsWithGaps": integer(),
            "contradictoryRecords": integer(),
            "rejected": described(integer(), "Number of bodies that `/v1/rejected` lists."),
            "refusals": {
                "type": "object",
                "description": "Requests to the hook whose body was not accepted, by kind.",
                "additionalProperties": {
                    "type": "object",
                    "properties": { "count": integer(), "lastAt": date_time(), "lastReason": text() },
                },
            },
            "unreadable": { "type": "array", "items": { "type": "object", "properties": {
                "place": text(), "problem": text(),
            } } },
            "connections": { "type": "array", "items": connection() },
            "clock": {
                "type": ["object", "null"],
                "description": "Only for the admin key: the machine's clock compared with RingCentral's or, without a \
                    connection, with those of webhook receivers; null before the first comparison.",
                "properties": {
                    "offsetMs": described(integer(), "How far the machine's clock is ahead."),
                    "comparedWith": { "type": "string", "enum": ["ringcentral", "receivers"] },
                    "problem": described(nullable_text(), "The problem and its remedy."),
                },
            },
        },
        "anyOf": [{ "required": ["connections"] }, { "required": ["clock"] }],
    })
}

/// A connection, as `wholecall connection status` shows it.
fn connection() -> Value {
    json!({
        "type": "object",
        "properties": {
            "tenant": text(),
            "account": text(),
            "status": words(["connecting", "live", "failing", "refused", "loginRefused"].into_iter()),
            "since": date_time(),
            "problem": nullable_text(),
            "connectedAt": date_time(),
            "completeUntil": described(date_time(), "No notification before this time is missing, except in `gaps`."),
            "subscription": { "type": ["object", "null"], "properties": {
                "id": text(),
                "transport": words(["webhook", "webSocket"].into_iter()),
                "address": nullable_text(),
                "renewsAt": date_time(),
                "expiresAt": date_time(),
            } },
            "reconciledUntil": described(nullable_date_time(), "Calls before this time were compared with the call log."),
            "blacklistCount": described(integer(), "How often RingCentral blacklisted the subscription."),
            "undeliveredCount": described(integer(), "How often RingCentral reported notifications that it could not deliver."),
            "callLogDifferences": integer(),
            "directory": { "type": "object", "properties": {
                "version": { "type": ["integer", "null"] },
                "fetchedAt": nullable_date_time(),
                "missing": missing_parts(),
                "problem": nullable_text(),
            } },
            "gaps": { "type": "array", "items": { "type": "object", "properties": {
                "from": date_time(),
                "until": date_time(),
                "reason": text(),
                "reconciledAt": nullable_date_time(),
                "callLogSessions": integer(),
                "missingSessions": { "type": "array", "items": text() },
            } } },
        },
        "required": ["account", "status", "since", "directory", "gaps"],
    })
}
