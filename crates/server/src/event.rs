//! Writes events: `{"id","type","timestamp","tenant","cursor","data"}`, with the same text in webhooks, batches, the feed and
//! the stream.

use serde::de::Error as _;
use serde_json::{Value, json};
use wholecall_record::Time;
use wholecall_store::{ChangeKind, EventId, Outgoing, Position, PublishedVersion, StoredChange, TenantView};

use crate::{
    detail::{self, Detail},
    event_type::EventType,
    privacy::{masking, pseudonym::PseudonymKey},
};

/// A stored change or notice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredEvent<'a> {
    id: EventId,
    event_type: EventType,
    created_ms: i64,
    data: &'a str,
    before: Option<&'a PublishedVersion>,
}

impl<'a> TryFrom<&'a Outgoing> for StoredEvent<'a> {
    type Error = serde_json::Error;

    fn try_from(event: &'a Outgoing) -> Result<Self, serde_json::Error> {
        let Outgoing { id, kind, created_ms, data, before, .. } = event;
        let unknown = || serde_json::Error::custom(format!("unknown event type {kind:?}"));
        let event_type = EventType::from_word(kind).ok_or_else(unknown)?;
        Ok(Self { id: *id, event_type, created_ms: *created_ms, data, before: before.as_deref() })
    }
}

impl<'a> From<&'a StoredChange> for StoredEvent<'a> {
    fn from(change: &'a StoredChange) -> Self {
        let StoredChange { cursor, kind, created_ms, record, before, .. } = change;
        let id = EventId::of_change(*cursor);
        let event_type = EventType::Change(*kind);
        Self { id, event_type, created_ms: *created_ms, data: record, before: before.as_deref() }
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
            event.event_type.as_str(),
            Time::from_millis(event.created_ms),
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
        match (detail, event.event_type) {
            (
                Detail::Thin | Detail::Link,
                EventType::Change(kind @ (Started | Updated | Completed | Revised)),
            ) => {
                let mut thin = detail::thin_call(&serde_json::from_str(event.data)?, &self.base_url);
                if kind == Revised {
                    thin["fromVersion"] = json!(event.before.map(|before| before.version));
                    thin["changed"] = Value::Null;
                }
                Ok(thin.to_string())
            }
            (Detail::Link, EventType::Change(kind @ (Erased | Deleted))) => {
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
    match event.event_type {
        EventType::Change(ChangeKind::Started | ChangeKind::Updated | ChangeKind::Completed) => {
            Ok(format!(r#"{{"call":{}}}"#, stored(event.data)?))
        }
        EventType::Change(ChangeKind::Revised) => {
            let (version, changed) = match event.before {
                None => (Value::Null, Value::Null),
                Some(before) => {
                    let (old, new) = (read(&before.record)?, read(event.data)?);
                    (json!(before.version), json!(json_patch::diff(&old, &new)))
                }
            };
            Ok(format!(r#"{{"call":{},"fromVersion":{version},"changed":{changed}}}"#, stored(event.data)?))
        }
        // Lists of ids, and notices, which only name endpoints.
        EventType::Change(ChangeKind::Merged | ChangeKind::Erased | ChangeKind::Deleted)
        | EventType::EndpointDisabled
        | EventType::EndpointTest => stored(event.data),
    }
}

fn read_masked(text: &str, mask: Option<&PseudonymKey>) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::from_str(text)?;
    if let Some(key) = mask {
        masking::mask(&mut value, key);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use wholecall_store::{
        ChangeKind::{Completed, Revised, Started, Updated},
        Store,
    };

    use super::*;

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

    fn stored(kind: ChangeKind, data: &str) -> StoredEvent<'_> {
        let id = EventId::of_change(Position(9));
        StoredEvent {
            id,
            event_type: EventType::Change(kind),
            created_ms: 1_780_272_000_000,
            data,
            before: None,
        }
    }

    #[test]
    fn every_event_has_the_same_members() {
        for event_type in EventType::all() {
            with_writer(|writer| {
                let event = StoredEvent { event_type, ..stored(Completed, r#"{"id":"s-1"}"#) };
                let text = writer.write(event, None).unwrap();
                let value: Value = serde_json::from_str(&text).unwrap();
                let members: Vec<&String> = value.as_object().unwrap().keys().collect();
                assert_eq!(
                    members,
                    ["cursor", "data", "id", "tenant", "timestamp", "type"],
                    "{event_type:?}"
                );
                assert_eq!((&value["type"], &value["tenant"]), (&json!(event_type.as_str()), &json!("acme")));
                assert_eq!(value["timestamp"], "2026-06-01T00:00:00.000Z");
                assert_eq!(value["id"], writer.id(event.id));
                let cursor = value["cursor"].as_str().unwrap();
                assert_eq!(writer.view.parse_cursor(cursor), Ok(Position(9)));
            });
        }
        let call = json!({ "call": { "id": "s-1" } });
        for kind in [Started, Updated, Completed] {
            assert_eq!(written(stored(kind, r#"{"id":"s-1"}"#), None)["data"], call);
        }
    }

    #[test]
    fn the_patch_of_a_revision_applies_to_the_version_published_before() {
        let (old, new) = (
            json!({ "id": "s-1", "moves": [], "result": "Missed" }).to_string(),
            json!({ "id": "s-1", "moves": [1] }).to_string(),
        );
        let before = PublishedVersion { version: 2, record: old.clone() };
        let revised = StoredEvent { before: Some(&before), ..stored(Revised, &new) };
        let data = &written(revised, None)["data"];
        assert_eq!((&data["call"].to_string(), &data["fromVersion"]), (&new, &json!(2)));
        let patch: json_patch::Patch = serde_json::from_value(data["changed"].clone()).unwrap();
        let mut patched: Value = serde_json::from_str(&old).unwrap();
        json_patch::patch(&mut patched, &patch).unwrap();
        assert_eq!(patched, data["call"]);
        // The version before was removed by retention.
        let alone = &written(stored(Revised, &new), None)["data"];
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
        let before = PublishedVersion { version: 1, record: record.clone() };
        for kind in [Completed, Revised] {
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
