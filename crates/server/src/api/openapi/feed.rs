//! The OpenAPI document: the feed of events, by polling and as a stream.

use serde_json::{Map, Value, json};

use super::build::{
    count, limit, members, operation, parameter, problem_response, reference, response, text,
};

pub(super) fn paths() -> Map<String, Value> {
    members(json!({
        "/v1/changes": { "get": operation("listChanges",
            "The events of all calls in the order of the feed. A client that stores `next` misses none", vec![
                parameter("after", "The cursor to continue from, or `now`. Without it or with `0`: from the beginning.", text()),
                limit(100, "1,000"),
                parameter("wait", "Seconds to wait for the first event, up to 60.", count(0)),
            ], json!({
                "200": response("The events.", json!({
                    "type": "object",
                    "properties": { "changes": { "type": "array", "items": reference("Event") }, "next": text() },
                    "required": ["changes", "next"],
                })),
                "410": invalid_cursor(),
            })) },
        "/v1/stream": { "get": operation("streamChanges",
            "The events of `/v1/changes` as server-sent events: `id` is the cursor, `event` the type, `data` the event", vec![
                parameter("after", "The cursor to continue from; without it, from now on. `Last-Event-ID` takes precedence.", text()),
            ], json!({
                "200": { "description": "An unlimited stream of events.", "content": { "text/event-stream": {} } },
                "410": invalid_cursor(),
            })) },
    }))
}

fn invalid_cursor() -> Value {
    problem_response(
        "The cursor is of another store or beyond the end of the feed, or changes after it were removed: list the calls, then continue from `now`.",
    )
}
