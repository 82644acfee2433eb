//! An event that is to be sent to an endpoint.

use crate::{
    changes::{ChangeKind, PublishedVersion, StoredChange},
    error::{Result, StoreError},
    events::EventId,
};

/// An event to be sent to an endpoint.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Its id.
    pub id: EventId,
    /// Its type: `call.completed` and so on.
    pub kind: String,
    /// The record's version; 0 if it is not a version of a call.
    pub version: u64,
    /// When it was created, milliseconds since 1970.
    pub created_ms: i64,
    /// Ordering key: the call's id; empty for a notice and for an event that lists many calls.
    pub call_id: String,
    /// Of a merging, the id of the remaining call, which is an ordering key, too.
    pub into_id: Option<String>,
    /// The ids of the calls that it lists, if it lists many.
    pub listed: Vec<String>,
    /// The record, or the contents of another event, as JSON.
    pub data: String,
    /// For a revision, the version that was published before it.
    pub before: Option<Box<PublishedVersion>>,
    /// Number of attempts of the retry schedule that were made.
    pub schedule_step: u32,
    /// When its next attempt is due, if it is stored among the deliveries. `None` if it was read from the feed.
    pub due_ms: Option<i64>,
}

impl Outgoing {
    pub(super) fn of_change(change: StoredChange) -> Result<Self> {
        let ids = CallIds::parse(change.kind.as_str(), &change.record)?;
        Ok(Self {
            id: EventId(change.cursor.0),
            kind: change.kind.as_str().to_owned(),
            version: change.version,
            created_ms: change.created_ms,
            call_id: ids.id,
            into_id: ids.into,
            listed: ids.listed,
            data: change.record,
            before: change.before,
            schedule_step: 0,
            due_ms: None,
        })
    }

    /// Whether it is stored among the deliveries.
    pub fn is_persisted(&self) -> bool {
        self.due_ms.is_some()
    }

    /// The calls that it is about.
    pub fn calls(&self) -> impl Iterator<Item = &str> {
        self.own_calls().chain(self.listed.iter().map(String::as_str))
    }

    /// The calls that order it: its own, and that of a merging.
    pub(super) fn own_calls(&self) -> impl Iterator<Item = &str> {
        let call = Some(self.call_id.as_str()).filter(|id| !id.is_empty());
        call.into_iter().chain(self.into_id.as_deref())
    }

    /// Whether it goes to every endpoint, whatever its settings.
    pub fn goes_to_every_endpoint(&self) -> bool {
        ChangeKind::from_word(&self.kind).is_some_and(ChangeKind::lists_many_calls)
    }

    /// Whether it is superseded by the next version.
    pub fn is_live_version(&self) -> bool {
        self.kind == ChangeKind::Updated.as_str()
    }
}

/// The ids of the calls in a change.
#[derive(Default, serde::Deserialize)]
pub(super) struct CallIds {
    #[serde(default)]
    id: String,
    into: Option<String>,
    #[serde(skip)]
    pub(super) listed: Vec<String>,
}

impl CallIds {
    pub(super) fn parse(kind: &str, data: &str) -> Result<Self> {
        #[derive(serde::Deserialize)]
        struct Many {
            calls: Vec<CallIds>,
        }
        let damaged =
            |error: serde_json::Error| StoreError::Damaged(format!("a record cannot be read: {error}"));
        if ChangeKind::from_word(kind).is_some_and(ChangeKind::lists_many_calls) {
            let Many { calls } = serde_json::from_str(data).map_err(damaged)?;
            return Ok(Self { listed: calls.into_iter().map(|call| call.id).collect(), ..Self::default() });
        }
        serde_json::from_str(data).map_err(damaged)
    }
}
