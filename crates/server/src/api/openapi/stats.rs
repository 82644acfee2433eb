//! The OpenAPI document: figures.

use serde_json::{Map, Value, json};

use super::build::{described, integer, invalid_query, members, operation, parameter, text, words};

pub(super) fn paths() -> Map<String, Value> {
    members(json!({
        "/v1/stats": { "get": operation("getStats",
            "Figures of ended calls by time or extension, and of all visits to queues",
            vec![
                parameter("by", "What to group by.", words(["day", "hour", "extension", "queue"].into_iter())),
                parameter("from", "Include calls that started at this time or later: a time, or a day in the zone.", text()),
                parameter("to", "Include calls that started before this time, or before this day.", text()),
                parameter("zone", "The time zone of days and hours: an IANA name like `America/New_York`. Default: UTC.", text()),
                parameter("format", "The format.", words(["json", "csv"].into_iter())),
            ], json!({
                "200": {
                    "description": "The figures, in order.",
                    "content": { "application/json": { "schema": stats() }, "text/csv": {} },
                },
                "400": invalid_query(),
            })) },
    }))
}

fn stats() -> Value {
    let duration = || described(integer(), "Milliseconds.");
    let wait =
        || json!({ "type": ["integer", "null"], "description": "Milliseconds; null if no caller waited." });
    let waits = || ["waitMedianMs", "waitP90Ms"].map(|name| (name.to_owned(), wait()));
    let figures = ["calls", "answered", "missed", "abandoned", "voicemail", "transfers"];
    let mut of_calls = Map::from_iter(figures.map(|name| (name.to_owned(), integer())));
    of_calls.extend(["talkMs", "holdMs"].map(|name| (name.to_owned(), duration())));
    of_calls.extend(waits());
    let mut of_queue = Map::from_iter(
        [
            ("calls", "Calls that visited the queue."),
            ("offered", "Visits: the sum of the following columns."),
            ("answered", "Visits that an agent answered."),
            ("left", "Visits that the caller left by pressing a key."),
            ("overflowed", "Visits after which the queue sent the call elsewhere."),
            ("abandoned", "Visits in which the caller hung up."),
            ("unknown", "Visits of closed calls whose outcome is unknown."),
            ("open", "Visits of live calls without an outcome yet."),
        ]
        .map(|(name, description)| (name.to_owned(), described(integer(), description))),
    );
    of_queue.extend(waits());
    let row = |description: &str, key: &str, figures: Map<String, Value>| {
        let mut properties = figures;
        properties.insert(key.to_owned(), text());
        let required: Vec<String> = properties.keys().cloned().collect();
        json!({ "type": "object", "description": description, "properties": properties, "required": required })
    };
    let buckets = [
        row("A day or an hour.", "start", of_calls.clone()),
        row("An extension's part in calls.", "extension", of_calls),
        row("Visits to a queue.", "queue", of_queue),
    ];
    json!({
        "type": "object",
        "properties": {
            "zone": text(),
            "buckets": { "type": "array", "items": { "anyOf": buckets } },
        },
        "required": ["zone", "buckets"],
    })
}
