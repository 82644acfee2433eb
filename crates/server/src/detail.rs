//! How much of its events an endpoint is sent: whole records, records without their legs, or ids and a link.

use serde_json::{Value, json};
use wholecall_store::{ChangeKind, Payload};

/// From most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Everything.
    Full,
    /// Records have no `legs`.
    WithoutLegs,
    /// In place of a record its id, its version and a link to it.
    Thin,
    /// In place of many ids their number and a link to them.
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
    /// The next smaller one.
    pub(crate) fn less(self) -> Option<Self> {
        match self {
            Self::Full => Some(Self::WithoutLegs),
            Self::WithoutLegs => Some(Self::Thin),
            Self::Thin => Some(Self::Link),
            Self::Link => None,
        }
    }
}

/// Takes the legs out of a record.
pub(crate) fn without_legs(record: &mut Value) {
    if let Some(members) = record.as_object_mut() {
        members.remove("legs");
    }
}

/// What a record is replaced by. `base` is the address of the service, as far as it is known.
pub(crate) fn thin_call(record: &Value, base: &str) -> Value {
    let id = record["id"].as_str().unwrap_or_default();
    let link = format!("{base}/v1/calls/{}", percent_encoded(id));
    json!({ "call": { "id": id, "version": record["version"] }, "link": link })
}

/// What a list of calls is replaced by: the link leads to the event with the list in it. `before` is the cursor before.
pub(crate) fn link_to_list(kind: ChangeKind, data: &Value, base: &str, before: &str) -> Option<Value> {
    let count = data["calls"].as_array().filter(|_| kind.is_of_many())?.len();
    let link = format!("{base}/v1/changes?after={before}&limit=1");
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
    fn links_lead_to_the_call_whatever_its_id() {
        let thin =
            thin_call(&json!({ "id": "s-1/../é?", "version": 3, "legs": [1] }), "https://calls.example");
        let link = "https://calls.example/v1/calls/s-1%2F..%2F%C3%A9%3F";
        assert_eq!(thin, json!({ "call": { "id": "s-1/../é?", "version": 3 }, "link": link }));
    }
}
