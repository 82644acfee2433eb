//! Writes events: `{"id","type","timestamp","tenant","cursor","data"}`, with the same text in webhooks, batches, the feed and
//! the stream.

use serde_json::{Map, Value, json};
use wholecall_record::Time;
use wholecall_store::{ChangeKind, EventId, Outgoing, Position, Published, StoredChange, TenantView, kind};

use crate::{
    detail::{self, Detail},
    privacy::pseudonym::{PseudonymKey, pseudonym},
};

/// A stored change or notice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredEvent<'a> {
    id: EventId,
    kind: &'a str,
    made_ms: i64,
    data: &'a str,
    before: Option<&'a Published>,
}

impl<'a> From<&'a Outgoing> for StoredEvent<'a> {
    fn from(event: &'a Outgoing) -> Self {
        let Outgoing { id, kind, made_ms, data, before, .. } = event;
        Self { id: *id, kind, made_ms: *made_ms, data, before: before.as_deref() }
    }
}

impl<'a> From<&'a StoredChange> for StoredEvent<'a> {
    fn from(change: &'a StoredChange) -> Self {
        let StoredChange { cursor, kind, made_ms, record, before, .. } = change;
        let id = EventId::of_change(*cursor);
        Self { id, kind: kind.as_str(), made_ms: *made_ms, data: record, before: before.as_deref() }
    }
}

/// Writes the events of a tenant.
#[derive(Debug, Clone)]
pub(crate) struct EventWriter {
    view: TenantView,
    /// The tenant's name as a JSON string.
    tenant: String,
    /// The address of the service, for links; empty if it is not configured.
    base_url: String,
}

impl EventWriter {
    pub(crate) fn new(view: TenantView, tenant: &str) -> Self {
        Self { view, tenant: json!(tenant).to_string(), base_url: String::new() }
    }

    /// Sets the address that links begin with.
    pub(crate) fn at(self, public_url: Option<&str>) -> Self {
        Self { base_url: public_url.unwrap_or_default().trim_end_matches('/').to_owned(), ..self }
    }

    pub(crate) fn tenant(&self) -> wholecall_store::TenantId {
        self.view.tenant()
    }

    /// The id of an event, as in `webhook-id`.
    pub(crate) fn id(&self, event: EventId) -> String {
        self.view.event_id(event)
    }

    /// Writes an event; with `mask`, without names and numbers. An event always has the same text, unless a person is erased
    /// from its call in between.
    pub(crate) fn write(
        &self,
        event: StoredEvent<'_>,
        mask: Option<&PseudonymKey>,
    ) -> Result<String, serde_json::Error> {
        self.write_in(event, mask, Detail::Full)
    }

    /// Writes an event in a level of detail.
    pub(crate) fn write_in(
        &self,
        event: StoredEvent<'_>,
        mask: Option<&PseudonymKey>,
        detail: Detail,
    ) -> Result<String, serde_json::Error> {
        let cursor = match event.id.cursor() {
            Some(position) => format!("\"{}\"", self.view.cursor(position)),
            // Notices are not in the feed.
            None => "null".to_owned(),
        };
        Ok(format!(
            r#"{{"id":"{}","type":"{}","timestamp":"{}","tenant":{},"cursor":{cursor},"data":{}}}"#,
            self.id(event.id),
            event.kind,
            Time::from_millis(event.made_ms),
            self.tenant,
            self.data(event, mask, detail)?
        ))
    }

    fn data(
        &self,
        event: StoredEvent<'_>,
        mask: Option<&PseudonymKey>,
        detail: Detail,
    ) -> Result<String, serde_json::Error> {
        use ChangeKind::{Completed, Deleted, Erased, Revised, Started, Updated};
        match (detail, ChangeKind::from_word(event.kind)) {
            (Detail::Thin | Detail::Link, Some(kind @ (Started | Updated | Completed | Revised))) => {
                let mut thin = detail::thin_call(&serde_json::from_str(event.data)?, &self.base_url);
                if kind == Revised {
                    thin["fromVersion"] = json!(event.before.map(|before| before.version));
                    thin["changed"] = Value::Null;
                }
                Ok(thin.to_string())
            }
            (Detail::Link, Some(kind @ (Erased | Deleted))) => {
                let position = event.id.cursor().map_or(0, |cursor| cursor.0);
                let before = self.view.cursor(Position(position - 1));
                let link =
                    detail::link_to_list(kind, &serde_json::from_str(event.data)?, &self.base_url, &before);
                link.map_or_else(|| data(event, mask, detail), |link| Ok(link.to_string()))
            }
            _ => data(event, mask, detail),
        }
    }
}

fn data(
    event: StoredEvent<'_>,
    mask: Option<&PseudonymKey>,
    detail: Detail,
) -> Result<String, serde_json::Error> {
    let read = |text: &str| {
        let mut value = read_masked(text, mask)?;
        if detail == Detail::WithoutLegs {
            detail::without_legs(&mut value);
        }
        Ok::<_, serde_json::Error>(value)
    };
    // Stored JSON is sent unchanged where possible.
    let stored = |text: &str| match (mask, detail) {
        (None, Detail::Full) => Ok(text.to_owned()),
        _ => read(text).map(|value| value.to_string()),
    };
    match ChangeKind::from_word(event.kind) {
        Some(ChangeKind::Started | ChangeKind::Updated | ChangeKind::Completed) => {
            Ok(format!(r#"{{"call":{}}}"#, stored(event.data)?))
        }
        Some(ChangeKind::Revised) => {
            let (version, changed) = match event.before {
                None => (Value::Null, Value::Null),
                Some(before) => {
                    let (old, new) = (read(&before.record)?, read(event.data)?);
                    (json!(before.version), json!(json_patch::diff(&old, &new)))
                }
            };
            Ok(format!(r#"{{"call":{},"fromVersion":{version},"changed":{changed}}}"#, stored(event.data)?))
        }
        // These contain only ids; notices (`None`) only name endpoints.
        Some(ChangeKind::Merged | ChangeKind::Erased | ChangeKind::Deleted) | None => stored(event.data),
    }
}

fn read_masked(text: &str, mask: Option<&PseudonymKey>) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::from_str(text)?;
    if let Some(key) = mask {
        mask_all(&mut value, None, key);
    }
    Ok(value)
}

/// All event types: changes of calls, then notices.
pub(crate) fn types() -> impl Iterator<Item = &'static str> {
    let notices = [kind::ENDPOINT_DISABLED, kind::ENDPOINT_TEST];
    ChangeKind::ALL.into_iter().map(ChangeKind::as_str).chain(notices)
}

/// Masks all numbers and removes all names.
fn mask_all(value: &mut Value, member: Option<&str>, key: &PseudonymKey) {
    match value {
        Value::String(_) if member == Some("name") => *value = Value::Null,
        Value::String(text) => {
            let masked = match text.strip_prefix("tel:") {
                Some(number) => format!("tel:{}", masked(number, key)),
                None if member == Some("phoneNumber") => masked(text, key),
                None => without_numbers(text, key),
            };
            *text = masked;
        }
        Value::Array(values) => values.iter_mut().for_each(|value| mask_all(value, member, key)),
        Value::Object(members) => {
            members.iter_mut().for_each(|(name, value)| mask_all(value, Some(name), key));
            if members.contains_key("displayName") {
                let name = masked_display_name(members);
                members.insert("displayName".to_owned(), name.into());
            }
        }
        _ => {}
    }
}

/// The display name of a participant without a name.
fn masked_display_name(members: &Map<String, Value>) -> String {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let extension = || text("extensionNumber").or_else(|| text("extensionId"));
    match (text("phoneNumber"), extension()) {
        (Some(number), _) => number.to_owned(),
        (None, Some(extension)) => format!("Extension {extension}"),
        (None, None) => "Anonymous".to_owned(),
    }
}

/// The number's pseudonym. Short numbers are extensions, which identify no person outside, and stay.
fn masked(number: &str, key: &PseudonymKey) -> String {
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    match digits {
        0..=6 => number.to_owned(),
        _ => pseudonym(key, number).unwrap_or_default(),
    }
}

/// A text in which each complete number is masked.
fn without_numbers(text: &str, key: &PseudonymKey) -> String {
    let mut parts = text.split('+');
    let mut new = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let (digits, rest) = part.split_at(end);
        match digits.len() {
            8..=15 => new.push_str(&masked(&format!("+{digits}"), key)),
            _ => new.extend(["+", digits]),
        }
        new.push_str(rest);
    }
    new
}

#[cfg(test)]
mod tests {
    use wholecall_store::Store;

    use super::*;

    const COMPLETED: &str = "call.completed";

    fn with_writer<T>(work: impl FnOnce(&EventWriter) -> T) -> T {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        crate::admin::add_tenant(&store, "acme", &["1".to_owned()], None).unwrap();
        let view = store.of(crate::admin::find(&store, "acme").unwrap().id);
        work(&EventWriter::new(view, "acme"))
    }

    fn written(event: StoredEvent<'_>, mask: Option<&PseudonymKey>) -> Value {
        with_writer(|writer| serde_json::from_str(&writer.write(event, mask).unwrap()).unwrap())
    }

    fn stored<'a>(kind: &'a str, data: &'a str) -> StoredEvent<'a> {
        let id = EventId::of_change(Position(9));
        StoredEvent { id, kind, made_ms: 1_780_272_000_000, data, before: None }
    }

    #[test]
    fn every_event_has_the_same_members() {
        for kind in types() {
            with_writer(|writer| {
                let event = stored(kind, r#"{"id":"s-1"}"#);
                let text = writer.write(event, None).unwrap();
                let value: Value = serde_json::from_str(&text).unwrap();
                let members: Vec<&String> = value.as_object().unwrap().keys().collect();
                assert_eq!(members, ["cursor", "data", "id", "tenant", "timestamp", "type"], "{kind}");
                assert_eq!((&value["type"], &value["tenant"]), (&json!(kind), &json!("acme")));
                assert_eq!(value["timestamp"], "2026-06-01T00:00:00.000Z");
                assert_eq!(value["id"], writer.id(event.id));
                let cursor = value["cursor"].as_str().unwrap();
                assert_eq!(writer.view.parse_cursor(cursor), Ok(Position(9)));
            });
        }
        let call = json!({ "call": { "id": "s-1" } });
        for kind in ["call.started", "call.updated", COMPLETED] {
            assert_eq!(written(stored(kind, r#"{"id":"s-1"}"#), None)["data"], call);
        }
    }

    #[test]
    fn the_patch_of_a_revision_applies_to_the_version_published_before() {
        let (old, new) = (
            json!({ "id": "s-1", "moves": [], "result": "Missed" }).to_string(),
            json!({ "id": "s-1", "moves": [1] }).to_string(),
        );
        let before = Published { version: 2, record: old.clone() };
        let revised = StoredEvent { before: Some(&before), ..stored("call.revised", &new) };
        let data = &written(revised, None)["data"];
        assert_eq!((&data["call"].to_string(), &data["fromVersion"]), (&new, &json!(2)));
        let patch: json_patch::Patch = serde_json::from_value(data["changed"].clone()).unwrap();
        let mut patched: Value = serde_json::from_str(&old).unwrap();
        json_patch::patch(&mut patched, &patch).unwrap();
        assert_eq!(patched, data["call"]);
        // The version before was removed by retention.
        let alone = &written(stored("call.revised", &new), None)["data"];
        assert_eq!((&alone["fromVersion"], &alone["changed"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn redacted_records_contain_no_names_or_numbers_but_distinguish_people() {
        let data = json!({
            "id": "s-a0d7811c0e05c4d5z19f3ea24153cz000000010000",
            "from": {
                "participant": "tel:+14045550145", "phoneNumber": "+14045550145", "name": "Ada", "displayName": "Ada",
            },
            "to": { "participant": "tel:+14045550146", "phoneNumber": "104", "name": null },
            "participants": [
                { "phoneNumber": null, "extensionNumber": "104", "displayName": "Ada Okafor" },
                { "phoneNumber": null, "displayName": "(404) 555-0145" },
            ],
            "related": [{ "why": "dialled +14045550145, from 4" }],
        });
        let record = data.to_string();
        let before = Published { version: 1, record: record.clone() };
        for kind in [COMPLETED, "call.revised"] {
            let event = StoredEvent { before: Some(&before), ..stored(kind, &record) };
            let masked = written(event, Some(&vec![7; 32]));
            let text = masked.to_string();
            assert!(
                !text.contains("404555") && !text.contains("Ada") && !text.contains("555-0145"),
                "{text}"
            );
            let call = &masked["data"]["call"];
            assert_eq!(call["id"], data["id"]);
            assert_eq!(call["to"]["phoneNumber"], "104");
            let number = call["from"]["phoneNumber"].as_str().unwrap();
            assert_eq!(call["from"]["participant"], format!("tel:{number}"));
            assert_eq!(call["from"]["displayName"], number);
            assert_eq!(call["participants"][0]["displayName"], "Extension 104");
            assert_eq!(call["participants"][1]["displayName"], "Anonymous");
            assert_ne!(call["from"]["participant"], call["to"]["participant"]);
            assert_eq!(call["related"][0]["why"], format!("dialled {number}, from 4"));
        }
    }
}
