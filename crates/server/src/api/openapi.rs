//! The OpenAPI document. The record's shape in it is generated from the record's types; tests hold the rest to
//! what the running service does.

use axum::response::Response;
use serde_json::{Map, Value, json};
use wholecall_record::{
    call::{Direction, EndState, MoveKind, Outcome, State},
    schema,
};
use wholecall_store::Scope;

use super::{access::Needs, json as respond};

/// `GET /openapi.json`.
pub(super) async fn openapi() -> Response {
    respond(document().to_string())
}

/// The document.
pub fn document() -> Value {
    let mut schemas = schema::definitions();
    schemas.insert("Problem".to_owned(), problem());
    schemas.extend(super::openapi_events::schemas());
    schemas.extend(super::openapi_endpoints::schemas());
    schemas.insert("Merged".to_owned(), merged());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Wholecall",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Whole calls from RingCentral's telephony session notifications. \
                Times are RFC 3339 in UTC, lengths are milliseconds. Errors are problem documents (RFC 9457). \
                Within `wholecall.call/1` types of events, members of objects and values of enumerations may be added: \
                ignore those that you do not know.",
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "security": [{ "apiKey": [] }],
        "paths": guarded(paths()),
        "webhooks": super::openapi_events::webhooks(),
        "components": {
            "securitySchemes": {
                "apiKey": { "type": "http", "scheme": "bearer", "description":
                    "A tenant's API key, `wck_…`, with the scope that each operation names: `read`, `export`, `write` or \
                    `admin`, of which each includes those before it. CSV and vCon need `export`." },
                "adminKey": { "type": "http", "scheme": "bearer", "description": "The installation's admin key." },
            },
            "schemas": schemas,
        },
    })
}

fn paths() -> Value {
    let mut paths = calls_and_changes();
    if let Some(paths) = paths.as_object_mut() {
        paths.extend(super::openapi_endpoints::paths());
        paths.extend(super::openapi_connections::paths());
        paths.extend(super::openapi_rejected::paths());
        paths.extend(super::openapi_keys::paths());
    }
    paths
}

/// Says of each operation which key it needs, as its route does.
fn guarded(mut paths: Value) -> Value {
    for route in super::routes::routes() {
        let Some(operation) = paths.get_mut(route.path).and_then(|path| path.get_mut(route.method)) else {
            continue;
        };
        let (security, unauthorized, forbidden) = match route.needs {
            Needs::Nothing => {
                operation["security"] = json!([]);
                continue;
            }
            Needs::Operator => (
                json!([{ "adminKey": [] }]),
                "That is not the admin key.".to_owned(),
                "This installation has no admin key.".to_owned(),
            ),
            Needs::Key(scope) => (json!([{ "apiKey": [scope.as_str()] }]), no_key(), too_narrow(scope)),
            Needs::OperatorOrKey(scope) => {
                (json!([{ "apiKey": [scope.as_str()] }, { "adminKey": [] }]), no_key(), too_narrow(scope))
            }
        };
        operation["security"] = security;
        operation["responses"]["401"] = problem_answer(&unauthorized);
        operation["responses"]["403"] = problem_answer(&forbidden);
    }
    paths
}

fn no_key() -> String {
    "No key was shown, or none that is good.".to_owned()
}

fn too_narrow(scope: Scope) -> String {
    format!(
        "The key's scope is not enough: this needs `{}`, or more where CSV or vCon is asked for.",
        scope.as_str()
    )
}

fn calls_and_changes() -> Value {
    json!({
        "/v1/calls": { "get": operation("listCalls", "Calls, newest first", call_parameters(), json!({
            "200": records("A page of calls; `next` is the `cursor` of the next, or null.", json!({
                "type": "object",
                "properties": {
                    "calls": { "type": "array", "items": reference("Call") },
                    "next": { "type": ["string", "null"] },
                },
                "required": ["calls", "next"],
            })),
        })) },
        "/v1/calls/{id}": { "get": operation("getCall", "One call", vec![
            call_id(),
            parameter("as_of", "The call as it was known then.", date_time()),
            format_parameter(),
        ], json!({
            "200": records("The call.", reference("Call")),
            "301": answer("It is part of another call: `Location` leads there.", reference("Merged")),
            "404": problem_answer("There is no such call."),
        })) },
        "/v1/calls/{id}/versions": { "get": operation("getVersions", "Every version of a call, oldest first",
            vec![call_id()], json!({
                "200": answer("The versions.", list_of("versions", reference("Call"))),
                "404": problem_answer("There is no such call."),
            })) },
        "/v1/calls/{id}/notifications": { "get": operation("getNotifications",
            "The notifications behind a call, in order of arrival", vec![call_id()], json!({
                "200": answer("The notifications as they were posted.", list_of("notifications", json!({
                    "type": "object",
                    "properties": {
                        "position": { "type": "integer" },
                        "arrivedAt": date_time(),
                        "notification": { "type": "object" },
                    },
                    "required": ["position", "arrivedAt", "notification"],
                }))),
                "404": problem_answer("There is no such call."),
            })) },
        "/v1/calls/{id}/explain": { "get": operation("explainCall",
            "The story of a call in sentences, each with its proof", vec![call_id()], json!({
                "200": {
                    "description": "The story, as JSON or as text.",
                    "content": { "application/json": { "schema": { "type": "object" } }, "text/plain": {} },
                },
                "404": problem_answer("There is no such call."),
            })) },
        "/v1/calls/{id}/drawing.svg": { "get": operation("drawCall",
            "A call drawn: a lane for each participant, who talks with whom, moves as crossings", vec![call_id()], json!({
                "200": { "description": "The drawing.", "content": { "image/svg+xml": {} } },
                "404": problem_answer("There is no such call."),
            })) },
        "/v1/calls/{id}/drawing.png": { "get": operation("drawCallAsPng", "The same as PNG", vec![call_id()], json!({
                "200": { "description": "The drawing.", "content": { "image/png": {} } },
                "404": problem_answer("There is no such call."),
            })) },
        "/v1/changes": { "get": operation("listChanges",
            "The events of all calls in the order in which they were made; keep `next` and none is ever missed", vec![
                parameter("after", "The cursor to go on from, or `now`; without it or with `0`, from the beginning.", text()),
                parameter("limit", "How many at most, up to 1,000.", count(100)),
                parameter("wait", "How many seconds to wait for the first, up to 60.", count(0)),
            ], json!({
                "200": answer("The events.", json!({
                    "type": "object",
                    "properties": { "changes": { "type": "array", "items": reference("Event") }, "next": text() },
                    "required": ["changes", "next"],
                })),
                "410": foreign_cursor(),
            })) },
        "/v1/stream": { "get": operation("streamChanges",
            "The events of `/v1/changes` as server-sent events: `id` is the cursor, `event` the type, `data` the event", vec![
                parameter("after", "The cursor to go on from; without it, from now on. `Last-Event-ID` takes precedence.", text()),
            ], json!({
                "200": { "description": "Events without end.", "content": { "text/event-stream": {} } },
                "410": foreign_cursor(),
            })) },
        "/v1/health": { "get": operation("getHealth",
            "How well notifications come in, since the service began, and how connections to RingCentral stand; with the \
             admin key, only what concerns the installation",
            vec![], json!({
                "200": answer("The figures; delays are those of the last 20,000 notifications.", json!({
                    "type": "object",
                    "properties": {
                        "lastNotificationAt": { "type": ["string", "null"], "format": "date-time" },
                        "notifications": { "type": "integer" },
                        "notificationsLastMinute": { "type": "integer" },
                        "delayMedianMs": { "type": ["integer", "null"] },
                        "delayP99Ms": { "type": ["integer", "null"] },
                        "duplicates": { "type": "integer" },
                        "outOfOrder": { "type": "integer" },
                        "closedCalls": { "type": "integer" },
                        "closedCallsWithGaps": { "type": "integer" },
                        "contradictoryRecords": { "type": "integer" },
                        "quarantined": { "type": "integer", "description": "What `/v1/rejected` lists." },
                        "refusals": {
                            "type": "object",
                            "description": "Requests to the hook that were not taken, by kind, and the last of each.",
                            "additionalProperties": {
                                "type": "object",
                                "properties": {
                                    "count": { "type": "integer" }, "lastAt": date_time(), "lastReason": text(),
                                },
                            },
                        },
                        "unreadable": { "type": "array", "items": { "type": "object", "properties": {
                            "place": { "type": "string" }, "problem": { "type": "string" } } } },
                        "connections": { "type": "array", "items": super::openapi_connections::connection() },
                        "clock": {
                            "type": ["object", "null"],
                            "description": "Only for the admin key: the machine's clock compared with RingCentral's or, \
                                without a connection, with those of receivers of webhooks; null before it was compared.",
                            "properties": {
                                "offsetMs": { "type": "integer", "description": "By how much the machine's clock is ahead." },
                                "comparedWith": { "type": "string", "enum": ["ringcentral", "receivers"] },
                                "problem": { "type": ["string", "null"], "description": "What is wrong, and what to do." },
                            },
                        },
                    },
                    "anyOf": [{ "required": ["connections"] }, { "required": ["clock"] }],
                })),
            })) },
        "/v1/notifications": { "post": with_body(operation("importNotifications",
            "Many notifications at once, one per line: history, or what another program received", vec![], json!({
                "200": answer("All accepted lines are durable.", json!({
                    "type": "object",
                    "properties": {
                        "accepted": { "type": "integer" },
                        "refused": { "type": "integer" },
                        "refusals": { "type": "array", "items": {
                            "type": "object",
                            "properties": { "line": { "type": "integer" }, "reason": text() },
                        } },
                    },
                    "required": ["accepted", "refused", "refusals"],
                })),
            })), "application/x-ndjson", json!({ "type": "string" })) },
        "/v1/stats": { "get": operation("getStats", "Figures of calls that are over by time or extension, and of all visits to queues",
            vec![
                parameter("by", "What for.", words(["day", "hour", "extension", "queue"].into_iter())),
                parameter("from", "Of calls that started at this time or later: a time, or a day in the zone.", text()),
                parameter("to", "Of calls that started before this time, or this day.", text()),
                parameter("zone", "Whose clock tells days and hours: an IANA name like `America/New_York`; UTC if not given.", text()),
                parameter("format", "The form.", words(["json", "csv"].into_iter())),
            ], json!({
                "200": {
                    "description": "The figures, in order.",
                    "content": { "application/json": { "schema": stats() }, "text/csv": {} },
                },
                "400": problem_answer("Something in the query is not understood."),
            })) },
        "/v1/numbers/{number}": { "delete": operation("eraseNumber",
            "Erase a person: number and names become a pseudonym in all that is kept. It cannot be undone",
            vec![path_parameter("number", "The number, as +14045550123.")], json!({
                "200": answer("It is done.", json!({
                    "type": "object",
                    "properties": {
                        "calls": { "type": "integer" }, "notifications": { "type": "integer" }, "pseudonym": text(),
                        "endpoints": {
                            "type": "array", "items": text(),
                            "description": "Those in whose settings the number stood. One whose address named it is disabled.",
                        },
                    },
                    "required": ["calls", "notifications", "pseudonym", "endpoints"],
                })),
                "400": problem_answer("That is no number."),
            })) },
        "/hooks/{tenant}": { "post": with_body(operation("receive",
            "RingCentral's webhook: with `Verification-Token`; a `Validation-Token` with an empty body comes back", vec![
                path_parameter("tenant", "The tenant's name."),
            ], json!({
                "200": { "description": "The notification is durable; or, with a right token, what was posted is kept as rejected: \
                    see `/v1/rejected`. `Content-Encoding` may be gzip or deflate." },
                "401": problem_answer("No such tenant, or not its token."),
                "503": problem_answer("It could not be kept; send it again."),
            })), "application/json", json!({ "type": "object" })) },
        "/v1/tenants": {
            "get": operation("listTenants", "All tenants", vec![], json!({
                "200": answer("Without their secrets.", list_of("tenants", json!({ "type": "object" }))),
            })),
            "post": with_body(operation("addTenant", "Add a tenant", vec![], json!({
                "201": answer("Its secrets, shown once.", json!({
                    "type": "object",
                    "properties": {
                        "tenant": text(), "hookUrl": text(), "apiKey": text(), "verificationToken": text(),
                        "warning": { "type": "string", "description": "What is wrong with a token that was chosen." },
                    },
                })),
                "409": problem_answer("There is one of that name."),
            })), "application/json", json!({
                "type": "object",
                "properties": {
                    "name": text(),
                    "accounts": { "type": "array", "items": text() },
                    "verificationToken": { "type": ["string", "null"] },
                },
                "required": ["name", "accounts"],
            })),
        },
        "/v1/tenants/{name}": { "patch": with_body(operation("changeTenant",
            "Give a tenant other accounts; what was rejected for them can be retried then",
            vec![path_parameter("name", "The tenant's name.")], json!({
                "200": answer("The tenant, without its secrets.", json!({ "type": "object" })),
                "404": problem_answer("There is no such tenant."),
                "409": problem_answer("A connected account has to stay."),
            })), "application/json", json!({
                "type": "object",
                "properties": { "accounts": { "type": "array", "items": text() } },
                "required": ["accounts"],
            })) },
        "/healthz": { "get": open(operation("health", "The process runs", vec![], plain_text())) },
        "/readyz": { "get": open(operation("readiness", "Notifications are taken and queries answered", vec![], plain_text())) },
        "/metrics": { "get": open(operation("metrics", "For Prometheus", vec![], json!({
            "200": { "description": "OpenMetrics.", "content": { "application/openmetrics-text": {} } },
            "401": problem_answer("Where there is an admin key, it is needed."),
        }))) },
    })
}

fn call_parameters() -> Vec<Value> {
    vec![
        parameter(
            "number",
            "A participant's number in any spelling, or at least its last seven digits.",
            text(),
        ),
        parameter("extension", "A participant's extension id.", text()),
        parameter("name", "A part of a participant's name, in any case.", text()),
        parameter("queue", "A queue's extension id.", text()),
        parameter("move", "A kind of move.", words(MoveKind::ALL.iter().map(|word| word.as_str()))),
        parameter("direction", "The direction.", words(Direction::ALL.iter().map(|word| word.as_str()))),
        parameter("result", "The result.", words(Outcome::ALL.iter().map(|word| word.as_str()))),
        parameter("state", "The state.", words(State::ALL.iter().map(|word| word.as_str()))),
        parameter("customer", "The customer: the number in any spelling, or the participant id.", text()),
        parameter(
            "answeredBy",
            "Who first talked with the caller: an extension id, a participant id or a number.",
            text(),
        ),
        parameter(
            "user",
            "A person of the account who talked: an extension id, a participant id or a number.",
            text(),
        ),
        parameter(
            "endState",
            "How the customer was left: in a queue (`queued`), while a telephone rang, in a menu, and so on.",
            words(EndState::ALL.iter().map(|word| word.as_str())),
        ),
        parameter("from", "Started at this time or later.", date_time()),
        parameter("to", "Started before this time.", date_time()),
        parameter("as_of", "Calls as they were known then.", date_time()),
        parameter("limit", "How many at most, up to 1,000.", count(50)),
        parameter("cursor", "The `next` of the page before.", text()),
        format_parameter(),
    ]
}

pub(super) fn operation(id: &str, summary: &str, parameters: Vec<Value>, responses: Value) -> Value {
    json!({ "operationId": id, "summary": summary, "parameters": parameters, "responses": responses })
}

fn with_member(mut operation: Value, name: &str, value: Value) -> Value {
    if let Some(members) = operation.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
    operation
}

pub(super) fn with_body(operation: Value, kind: &str, schema: Value) -> Value {
    let content = Map::from_iter([(kind.to_owned(), json!({ "schema": schema }))]);
    with_member(operation, "requestBody", json!({ "required": true, "content": content }))
}

/// Nobody has to say who they are.
fn open(operation: Value) -> Value {
    with_member(operation, "security", json!([]))
}

pub(super) fn parameter(name: &str, about: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "description": about, "schema": schema })
}

pub(super) fn path_parameter(name: &str, about: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": about, "schema": text() })
}

pub(super) fn call_id() -> Value {
    path_parameter("id", "The call's id: the `telephonySessionId` of its root session.")
}

fn format_parameter() -> Value {
    parameter("format", "Instead of `Accept`.", words(["json", "ndjson", "csv", "vcon"].into_iter()))
}

pub(super) fn answer(about: &str, schema: Value) -> Value {
    json!({ "description": about, "content": { "application/json": { "schema": schema } } })
}

/// Calls, which come in four forms.
fn records(about: &str, schema: Value) -> Value {
    json!({
        "description": about,
        "content": {
            "application/json": { "schema": schema },
            "application/x-ndjson": {},
            "text/csv": {},
            "application/vcon+json": {},
        },
    })
}

pub(super) fn problem_answer(about: &str) -> Value {
    json!({
        "description": about,
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    })
}

fn plain_text() -> Value {
    json!({ "200": { "description": "Text.", "content": { "text/plain": {} } } })
}

pub(super) fn list_of(name: &str, items: Value) -> Value {
    let properties = Map::from_iter([(name.to_owned(), json!({ "type": "array", "items": items }))]);
    json!({ "type": "object", "properties": properties, "required": [name] })
}

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn date_time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

pub(super) fn count(usual: u32) -> Value {
    json!({ "type": "integer", "minimum": 0, "default": usual })
}

/// Words that an answer may have; later versions may have more.
pub(super) fn open_words(words: impl Iterator<Item = &'static str>) -> Value {
    schema::open_words(&words.collect::<Vec<_>>())
}

fn foreign_cursor() -> Value {
    problem_answer(
        "The cursor is another store's, after everything that there is, or before changes that were removed: list the calls, then go on from `now`.",
    )
}

/// Words that may be asked for.
pub(super) fn words(words: impl Iterator<Item = &'static str>) -> Value {
    json!({ "type": "string", "enum": words.collect::<Vec<_>>() })
}

fn stats() -> Value {
    let length = || json!({ "type": "integer", "description": "Milliseconds." });
    let wait =
        || json!({ "type": ["integer", "null"], "description": "Milliseconds; null where nobody waited." });
    let count = |about: &str| json!({ "type": "integer", "description": about });
    let waits = || ["waitMedianMs", "waitP90Ms"].map(|name| (name.to_owned(), wait()));
    let figures = ["calls", "answered", "missed", "abandoned", "voicemail", "transfers"];
    let mut of_calls = Map::from_iter(figures.map(|name| (name.to_owned(), json!({ "type": "integer" }))));
    of_calls.extend(["talkMs", "holdMs"].map(|name| (name.to_owned(), length())));
    of_calls.extend(waits());
    let mut of_queue = Map::from_iter(
        [
            ("calls", count("Calls that visited the queue.")),
            ("offered", count("Visits: the sum of the following columns.")),
            ("answered", count("Visits that were answered.")),
            ("left", count("Visits that the caller left by a key.")),
            ("overflowed", count("Visits after which the queue sent the call elsewhere.")),
            ("abandoned", count("Visits in which the caller hung up.")),
            ("unknown", count("Visits of closed calls of which it is not known how they came out.")),
            ("open", count("Visits of live calls that have not come out yet.")),
        ]
        .map(|(name, schema)| (name.to_owned(), schema)),
    );
    of_queue.extend(waits());
    let named = |about: &str, name: &str, figures: Map<String, Value>| {
        let mut properties = figures;
        properties.insert(name.to_owned(), text());
        let required: Vec<String> = properties.keys().cloned().collect();
        json!({ "type": "object", "description": about, "properties": properties, "required": required })
    };
    let buckets = [
        named("A day or an hour.", "start", of_calls.clone()),
        named("An extension's part in calls.", "extension", of_calls),
        named("Visits to a queue.", "queue", of_queue),
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

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "properties": { "type": text(), "title": text(), "status": { "type": "integer" }, "detail": text() },
        "required": ["type", "title", "status", "detail"],
    })
}

fn merged() -> Value {
    json!({
        "type": "object",
        "description": "The id that is gone and the one that stays.",
        "properties": { "id": text(), "into": text() },
        "required": ["id", "into"],
    })
}
