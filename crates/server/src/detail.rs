//! The level of detail of events that an endpoint is sent: whole records, records without their legs, or ids and a link.

use serde_json::{Value, json};
use wholecall_store::{ChangeKind, Payload};

/// Levels of detail, from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Whole records.
    Full,
    /// Records without `legs`.
    WithoutLegs,
    /// The id and version of a record, and a link to it.
    Thin,
    /// Also lists of ids are replaced by their length and a link.
    Link,
}

impl From<Payload> for Detail {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Full => Self::Full,
            Payload::WithoutLegs => Self::WithoutLegs,
            Payload::Thin => Self::Thin,
        }
    }
}

impl Detail {
    /// The next lower level; `None` if there is none.
    pub(crate) fn reduced(self) -> Option<Self> {
        match self {
            Self::Full => Some(Self::WithoutLegs),
            Self::WithoutLegs => Some(Self::Thin),
            Self::Thin => Some(Self::Link),
            Self::Link => None,
        }
    }
}

/// Removes the legs from a record.
pub(crate) fn without_legs(record: &mut Value) {
    if let Some(members) = record.as_object_mut() {
        members.remove("legs");
    }
}

/// The replacement of a record. `base_url` is the address of the service; empty if it is not configured.
pub(crate) fn thin_call(record: &Value, base_url: &str) -> Value {
    let id = record["id"].as_str().unwrap_or_default();
    let link = format!("{base_url}/v1/calls/{}", percent_encoded(id));
    json!({ "call": { "id": id, "version": record["version"] }, "link": link })
}

/// The replacement of a list of calls; `None` for events without a list. The link leads to the whole event; `before` is
/// the cursor before it.
pub(crate) fn link_to_list(kind: ChangeKind, data: &Value, base_url: &str, before: &str) -> Option<Value> {
    let count = data["calls"].as_array().filter(|_| kind.lists_many_calls())?.len();
    let link = format!("{base_url}/v1/changes?after={before}&limit=1");
    Some(json!({ "calls": [], "count": count, "link": link }))
}

fn percent_encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_escape_the_id_of_the_call() {
        let thin =
            thin_call(&json!({ "id": "s-1/../é?", "version": 3, "legs": [1] }), "https://calls.example");
        let link = "https://calls.example/v1/calls/s-1%2F..%2F%C3%A9%3F";
        assert_eq!(thin, json!({ "call": { "id": "s-1/../é?", "version": 3 }, "link": link }));
    }
}
