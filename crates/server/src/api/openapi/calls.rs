//! The OpenAPI document: calls.

use serde_json::{Map, Value, json};
use wholecall_record::call::{Direction, EndState, MoveKind, Outcome, State};

use super::build::{
    call_id, date_time, integer, limit, list_of, members, operation, page_of, parameter, reference, response,
    text, unknown_call, words,
};

pub(super) fn paths() -> Map<String, Value> {
    members(json!({
        "/v1/calls": { "get": operation("listCalls", "Calls, newest first", list_parameters(), json!({
            "200": records(
                "A page of calls; `next` is the `cursor` of the next page, null after the last.",
                page_of("calls", reference("Call")),
            ),
        })) },
        "/v1/calls/{id}": { "get": operation("getCall", "One call", vec![
            call_id(),
            parameter("as_of", "Return the version that was current at this time.", date_time()),
            format_parameter(),
        ], json!({
            "200": records("The call.", reference("Call")),
            "301": response("The call is part of another call: `Location` is its address.", reference("Merged")),
            "404": unknown_call(),
        })) },
        "/v1/calls/{id}/versions": { "get": operation("getVersions", "All versions of a call, oldest first",
            vec![call_id()], json!({
                "200": response("The versions.", list_of("versions", reference("Call"))),
                "404": unknown_call(),
            })) },
        "/v1/calls/{id}/notifications": { "get": operation("getNotifications",
            "The notifications of a call, in order of arrival", vec![call_id()], json!({
                "200": response("The notifications as RingCentral sent them.", list_of("notifications", json!({
                    "type": "object",
                    "properties": {
                        "position": integer(),
                        "arrivedAt": date_time(),
                        "notification": { "type": "object" },
                    },
                    "required": ["position", "arrivedAt", "notification"],
                }))),
                "404": unknown_call(),
            })) },
        "/v1/calls/{id}/explain": { "get": operation("explainCall",
            "Explains a call in sentences, each with its evidence", vec![call_id()], json!({
                "200": {
                    "description": "The explanation, as JSON or text.",
                    "content": { "application/json": { "schema": { "type": "object" } }, "text/plain": {} },
                },
                "404": unknown_call(),
            })) },
        "/v1/calls/{id}/drawing.svg": { "get": operation("drawCall",
            "A drawing of a call: a lane for each participant, conversations, transfers and other moves",
            vec![call_id()], json!({
                "200": { "description": "The drawing.", "content": { "image/svg+xml": {} } },
                "404": unknown_call(),
            })) },
        "/v1/calls/{id}/drawing.png": { "get": operation("drawCallAsPng", "The drawing of a call as PNG",
            vec![call_id()], json!({
                "200": { "description": "The drawing.", "content": { "image/png": {} } },
                "404": unknown_call(),
            })) },
    }))
}

fn list_parameters() -> Vec<Value> {
    vec![
        parameter(
            "number",
            "A participant's telephone number in any notation, or at least its last seven digits.",
            text(),
        ),
        parameter("extension", "A participant's extension id.", text()),
        parameter("name", "A part of a participant's name, in any case.", text()),
        parameter("queue", "A queue's extension id.", text()),
        parameter("move", "The kind of a move.", words(MoveKind::ALL.iter().map(|word| word.as_str()))),
        parameter("direction", "The direction.", words(Direction::ALL.iter().map(|word| word.as_str()))),
        parameter("result", "The result.", words(Outcome::ALL.iter().map(|word| word.as_str()))),
        parameter("state", "The state.", words(State::ALL.iter().map(|word| word.as_str()))),
        parameter("customer", "The customer: a number in any notation, or a participant id.", text()),
        parameter(
            "answeredBy",
            "The first participant who talked with the caller: an extension id, a participant id or a number.",
            text(),
        ),
        parameter(
            "user",
            "A user of the account who talked: an extension id, a participant id or a number.",
            text(),
        ),
        parameter(
            "endState",
            "The customer's state at the end: in a queue (`queued`), while a telephone rang, in a menu, and so on.",
            words(EndState::ALL.iter().map(|word| word.as_str())),
        ),
        parameter("from", "Started at this time or later.", date_time()),
        parameter("to", "Started before this time.", date_time()),
        parameter("as_of", "Return the versions that were current at this time.", date_time()),
        limit(50, "1,000"),
        parameter("cursor", "The `next` of the previous page.", text()),
        format_parameter(),
    ]
}

fn format_parameter() -> Value {
    parameter(
        "format",
        "The format; takes precedence over `Accept`.",
        words(["json", "ndjson", "csv", "vcon"].into_iter()),
    )
}

/// A response with calls in one of four formats.
fn records(description: &str, schema: Value) -> Value {
    json!({
        "description": description,
        "content": {
            "application/json": { "schema": schema },
            "application/x-ndjson": {},
            "text/csv": {},
            "application/vcon+json": {},
        },
    })
}
