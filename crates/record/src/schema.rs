//! The record's shape as JSON Schema, made from the same list of names as its types.
//!
//! It is open: within one version of the format, objects may get further members and enumerations further values. What this
//! version writes is described by [`close`]d schemas.

use compact_str::CompactString;
use serde_json::{Map, Value, json};

use crate::{
    Call,
    id::{AccountId, LegId, ParticipantId, PartyId, SessionId},
    time::Time,
};

/// Shapes by name.
pub type Definitions = Map<String, Value>;

/// What has a shape in JSON.
pub trait Schema {
    /// The shape; named parts of it are entered in the definitions.
    fn schema(definitions: &mut Definitions) -> Value;
}

/// The shapes that a record consists of; the record's own is `Call`. They refer to each other as
/// `#/components/schemas/…`, as an OpenAPI document wants it.
pub fn definitions() -> Definitions {
    let mut definitions = Definitions::new();
    Call::schema(&mut definitions);
    definitions
}

/// Marks an alternative that stands for what a later version may add.
pub const ADDED_LATER: &str = "x-added-later";

/// One of these words, or one that is added later.
pub fn open_words(words: &[&str]) -> Value {
    json!({
        "anyOf": [{ "type": "string", "enum": words }, { "type": "string", ADDED_LATER: true }],
        "description": "Further values may be added.",
    })
}

/// Makes a schema say what this version writes and nothing else: for tests of what is written.
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

/// Enters a shape under its name, once, and refers to it.
pub(crate) fn define(
    definitions: &mut Definitions,
    name: &str,
    shape: impl FnOnce(&mut Definitions) -> Value,
) -> Value {
    if !definitions.contains_key(name) {
        definitions.insert(name.to_owned(), Value::Null);
        let shape = shape(definitions);
        definitions.insert(name.to_owned(), shape);
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

/// A doc comment as plain text: its lines begin with a blank, and it may link to code.
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

macro_rules! plain_shapes {
    ($( $type:ty => $shape:tt, )*) => { $(
        impl Schema for $type {
            fn schema(_: &mut Definitions) -> Value {
                json!($shape)
            }
        }
    )* };
}

plain_shapes! {
    CompactString => { "type": "string" },
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
    fn the_shape_is_open_and_closed_where_that_is_wanted() {
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
    fn every_reference_leads_somewhere() {
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
