//! Builds the parts of an OpenAPI document.

use serde_json::{Map, Value, json};
use wholecall_record::schema;

pub(super) fn operation(id: &str, summary: &str, parameters: Vec<Value>, responses: Value) -> Value {
    json!({ "operationId": id, "summary": summary, "parameters": parameters, "responses": responses })
}

fn with_member(mut operation: Value, name: &str, value: Value) -> Value {
    if let Some(members) = operation.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
    operation
}

pub(super) fn with_body(operation: Value, content_type: &str, schema: Value) -> Value {
    let content = Map::from_iter([(content_type.to_owned(), json!({ "schema": schema }))]);
    with_member(operation, "requestBody", json!({ "required": true, "content": content }))
}

/// An operation that requires no key.
pub(super) fn without_key(operation: Value) -> Value {
    with_member(operation, "security", json!([]))
}

/// The members of a JSON object; none if the value is not an object.
pub(super) fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

pub(super) fn parameter(name: &str, description: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

pub(super) fn path_parameter(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": description, "schema": text() })
}

pub(super) fn call_id() -> Value {
    path_parameter("id", "The call's id: the `telephonySessionId` of its root session.")
}

pub(super) fn limit(default: u32, max: &str) -> Value {
    parameter("limit", &format!("Maximum number of items in the page, up to {max}."), count(default))
}

pub(super) fn response(description: &str, schema: Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

pub(super) fn problem_response(description: &str) -> Value {
    json!({
        "description": description,
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    })
}

pub(super) fn unknown_call() -> Value {
    problem_response("The call does not exist.")
}

pub(super) fn invalid_query() -> Value {
    problem_response("A query parameter is invalid.")
}

pub(super) fn invalid_body() -> Value {
    problem_response("A value in the body is invalid; `detail` has the reason.")
}

pub(super) fn list_of(name: &str, items: Value) -> Value {
    let properties = Map::from_iter([(name.to_owned(), json!({ "type": "array", "items": items }))]);
    json!({ "type": "object", "properties": properties, "required": [name] })
}

/// A page of a list, with `next` to continue.
pub(super) fn page_of(name: &str, items: Value) -> Value {
    let mut page = list_of(name, items);
    page["properties"]["next"] = nullable_text();
    page["required"] = json!([name, "next"]);
    page
}

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(super) fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn nullable_text() -> Value {
    json!({ "type": ["string", "null"] })
}

pub(super) fn date_time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

pub(super) fn nullable_date_time() -> Value {
    json!({ "type": ["string", "null"], "format": "date-time" })
}

pub(super) fn integer() -> Value {
    json!({ "type": "integer" })
}

pub(super) fn count(default: u32) -> Value {
    json!({ "type": "integer", "minimum": 0, "default": default })
}

/// Words that a response may contain; later versions may add words.
pub(super) fn open_words(words: impl Iterator<Item = &'static str>) -> Value {
    schema::open_words(&words.collect::<Vec<_>>())
}

/// Words that a request may contain.
pub(super) fn words(words: impl Iterator<Item = &'static str>) -> Value {
    json!({ "type": "string", "enum": words.collect::<Vec<_>>() })
}
