//! The parts of a call record that are compared.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::{
    time::Timestamp,
    truth::{Conversation, Move},
};

/// A call record, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The call's id.
    pub id: String,
    #[serde(default)]
    pub(super) version: u64,
    #[serde(default)]
    pub(super) state: String,
    pub(super) direction: String,
    pub(super) result: String,
    pub(super) from: Side,
    #[serde(default)]
    pub(super) to: Side,
    pub(super) start_time: Timestamp,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) answer_time: Option<Timestamp>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) end_time: Option<Timestamp>,
    #[serde(default)]
    pub(super) durations: Durations,
    pub(super) participants: Vec<Participant>,
    pub(super) legs: Vec<Leg>,
    pub(super) sessions: Vec<Session>,
    pub(super) conversations: Vec<Conversation>,
    pub(super) moves: Vec<Move>,
    pub(super) monitors: Vec<String>,
    #[serde(default)]
    pub(super) answered_by: Option<String>,
    #[serde(default)]
    pub(super) last_with: Vec<String>,
    #[serde(default)]
    pub(super) customer: Option<String>,
    #[serde(default)]
    pub(super) users: Vec<String>,
    #[serde(default)]
    pub(super) end_state: Option<String>,
    #[serde(default)]
    pub(super) transfer: Option<Move>,
    #[serde(default)]
    pub(super) missed_by: Vec<String>,
    #[serde(default)]
    pub(super) queues: Vec<QueueStay>,
    #[serde(default)]
    pub(super) related: Vec<Related>,
    #[serde(default)]
    pub(super) completeness: Completeness,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Side {
    pub(super) participant: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Durations {
    pub(super) wait_ms: i64,
    pub(super) parked_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Participant {
    pub(super) id: String,
    #[serde(default)]
    pub(super) observed: bool,
    #[serde(default)]
    pub(super) on_behalf_of: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueueStay {
    pub(super) participant: String,
    #[serde(default)]
    pub(super) outcome: Option<String>,
    #[serde(default)]
    pub(super) answered_by: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Related {
    pub(super) kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Leg {
    pub(super) participant: Option<String>,
    pub(super) direction: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) ring_time: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    pub(super) telephony_session_id: String,
    pub(super) seen: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Completeness {
    missing_sequences: Vec<serde_json::Value>,
    unseen_sessions: Vec<String>,
    unlinked_gone: Vec<serde_json::Value>,
    reason: Option<String>,
}

impl Record {
    /// Reads a record.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// The sessions of the call, seen or only named by a link.
    pub fn sessions(&self) -> impl Iterator<Item = &str> {
        self.sessions.iter().map(|session| session.telephony_session_id.as_str())
    }

    /// Whether the record states that something is missing.
    pub fn admits_loss(&self) -> bool {
        let Completeness { missing_sequences, unseen_sessions, unlinked_gone, reason } = &self.completeness;
        self.state == "incomplete"
            || reason.is_some()
            || !(missing_sequences.is_empty() && unseen_sessions.is_empty() && unlinked_gone.is_empty())
    }

    /// The people whose telephone rang.
    pub(super) fn rung(&self) -> Vec<&str> {
        let rang = |leg: &&Leg| leg.ring_time.is_some() && leg.direction.as_deref() == Some("Inbound");
        let rung: BTreeSet<&str> =
            self.legs.iter().filter(rang).filter_map(|leg| leg.participant.as_deref()).collect();
        rung.into_iter().collect()
    }
}
