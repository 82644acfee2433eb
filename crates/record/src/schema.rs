//! The record's JSON Schema, generated from the same declarations as its types.
//!
//! It is open: within one version of the format, objects may get further members and enumerations further
//! values. [`close`]d schemas describe exactly what this version writes.

use crate::ShortText;
use serde_json::{Map, Value, json};

use crate::{
    Call,
    id::{AccountId, LegId, ParticipantId, PartyId, SessionId},
    time::Time,
};

/// Schemas by name.
pub type Definitions = Map<String, Value>;

/// A type with a JSON Schema.
pub trait Schema {
    /// The schema; named types in it are added to the definitions.
    fn schema(definitions: &mut Definitions) -> Value;
}

/// The schemas of all types in a record; the record's own is `Call`. References have the form
/// `#/components/schemas/…`, as in an OpenAPI document.
pub fn definitions() -> Definitions {
    let mut definitions = Definitions::new();
    Call::schema(&mut definitions);
    definitions
}

/// Marks an alternative that stands for values that a later version may add.
pub const ADDED_LATER: &str = "x-added-later";

/// One of these values, or one that a later version adds.
pub fn open_words(words: &[&str]) -> Value {
    json!({
        "anyOf": [{ "type": "string", "enum": words }, { "type": "string", ADDED_LATER: true }],
        "description": "Further values may be added.",
    })
}

/// Restricts a schema to exactly what this version writes, for tests of the output.
pub fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("properties").is_some_and(Value::is_object) {
                members.entry("additionalProperties").or_insert(json!(false));
            }
            if let Some(Value::Array(alternatives)) = members.get_mut("anyOf") {
                alternatives.retain(|alternative| alternative.get(ADDED_LATER).is_none());
            }
            members.values_mut().for_each(close);
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => {}
    }
}

/// A member of an object.
pub(crate) struct Member {
    pub(crate) key: &'static str,
    pub(crate) about: &'static str,
    pub(crate) schema: Value,
    pub(crate) required: bool,
}

/// Adds a schema under its name, once, and returns a reference to it.
pub(crate) fn define(
    definitions: &mut Definitions,
    name: &str,
    schema: impl FnOnce(&mut Definitions) -> Value,
) -> Value {
    if !definitions.contains_key(name) {
        definitions.insert(name.to_owned(), Value::Null);
        let schema = schema(definitions);
        definitions.insert(name.to_owned(), schema);
    }
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(crate) fn object(about: &str, members: Vec<Member>) -> Value {
    let required: Vec<&str> =
        members.iter().filter(|member| member.required).map(|member| member.key).collect();
    let mut properties = Map::new();
    for mut member in members {
        if let Some(schema) = member.schema.as_object_mut() {
            schema.insert("description".to_owned(), json!(plain(member.about)));
        }
        properties.insert(member.key.to_owned(), member.schema);
    }
    json!({
        "type": "object",
        "description": plain(about),
        "properties": properties,
        "required": required,
    })
}

/// A doc comment as plain text: without leading blanks and links to code.
fn plain(comment: &str) -> String {
    let text = comment.split_whitespace().collect::<Vec<_>>().join(" ");
    text.replace("[`", "`").replace("`]", "`")
}

impl<T: Schema> Schema for Option<T> {
    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "anyOf": [T::schema(definitions), { "type": "null" }] })
    }
}

impl<T: Schema> Schema for Vec<T> {
    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "type": "array", "items": T::schema(definitions) })
    }
}

macro_rules! plain_schemas {
    ($( $type:ty => $schema:tt, )*) => { $(
        impl Schema for $type {
            fn schema(_: &mut Definitions) -> Value {
                json!($schema)
            }
        }
    )* };
}

plain_schemas! {
    ShortText => { "type": "string" },
    AccountId => { "type": "string" },
    SessionId => { "type": "string" },
    PartyId => { "type": "string" },
    ParticipantId => { "type": "string" },
    LegId => { "type": "string" },
    Time => { "type": "string", "format": "date-time" },
    bool => { "type": "boolean" },
    i64 => { "type": "integer" },
    u32 => { "type": "integer", "minimum": 0 },
    u64 => { "type": "integer", "minimum": 0 },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_open_until_it_is_closed() {
        let open = Value::Object(definitions());
        assert!(!open.to_string().contains("additionalProperties"));
        assert_eq!(open["Outcome"]["anyOf"][1], json!({ "type": "string", ADDED_LATER: true }));
        let mut closed = open.clone();
        close(&mut closed);
        assert_eq!(closed["Call"]["additionalProperties"], false);
        assert_eq!(closed["Outcome"]["anyOf"].as_array().unwrap().len(), 1);
        assert!(closed["Outcome"]["anyOf"][0]["enum"].as_array().unwrap().contains(&json!("Answered")));
        let answer_time = &closed["Call"]["properties"]["answerTime"]["anyOf"];
        assert_eq!(answer_time.as_array().unwrap().len(), 2, "what may be null still may");
    }

    #[test]
    fn every_reference_has_a_definition() {
        let definitions = definitions();
        let text = Value::Object(definitions.clone()).to_string();
        let references = text.split("\"#/components/schemas/").skip(1);
        let mut count = 0;
        for name in references.filter_map(|rest| rest.split('"').next()) {
            assert!(definitions.contains_key(name), "{name}");
            count += 1;
        }
        assert!(count > 20);
        assert_eq!(definitions["Call"]["properties"]["answerTime"]["anyOf"][0]["format"], "date-time");
        assert!(
            definitions["Call"]["properties"]["answerTime"]["description"]
                .as_str()
                .unwrap()
                .contains("conversation")
        );
    }
}
