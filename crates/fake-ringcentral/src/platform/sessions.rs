//! The state of telephony sessions, from the notifications that were published about them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wholecall_simulator::{Code, Notification, Origin, Party, Role, Timestamp};

/// A session and its parties.
#[derive(Debug, Clone)]
pub(crate) struct TelephonySession {
    pub(crate) id: String,
    /// The legacy id.
    pub(crate) legacy: u64,
    pub(crate) origin: Origin,
    pub(crate) started_at: Timestamp,
    /// The parties by ordinal; 1 is the caller.
    pub(crate) parties: BTreeMap<u32, PartyState>,
    /// When its last party ended; `None` if a party has not ended.
    pub(crate) ended_at: Option<Timestamp>,
}

/// A party: its latest published state, and its history.
#[derive(Debug, Clone)]
pub(crate) struct PartyState {
    pub(crate) party: Party,
    /// The latest state in REST's format.
    json: Value,
    pub(crate) started_at: Timestamp,
    pub(crate) answered_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) was_parked: bool,
    /// The reason of its first `Disconnected` or `Gone`.
    pub(crate) leave_reason: Option<&'static str>,
    /// The session at the other end of a `Gone`.
    pub(crate) peer_session: Option<String>,
    /// Whether its mailbox took the call.
    pub(crate) has_voicemail: bool,
    /// Whether it received a fax.
    pub(crate) has_fax: bool,
}

impl TelephonySession {
    /// The session of a notification, which is not applied yet.
    pub(crate) fn new(first: &Notification) -> Self {
        Self {
            id: first.body.session.to_string(),
            legacy: first.body.legacy_session,
            origin: first.body.origin,
            started_at: first.body.event_time,
            parties: BTreeMap::new(),
            ended_at: None,
        }
    }

    /// Applies a state change.
    pub(crate) fn apply(&mut self, notification: &Notification) {
        let (party, time) = (&notification.body.party, notification.body.event_time);
        let json = party_json(notification);
        let state = self.parties.entry(party.id.ordinal).or_insert_with(|| PartyState {
            party: party.clone(),
            json: Value::Null,
            started_at: time,
            answered_at: None,
            ended_at: None,
            was_parked: false,
            leave_reason: None,
            peer_session: None,
            has_voicemail: false,
            has_fax: false,
        });
        state.party = party.clone();
        state.json = json;
        match party.status.code {
            Code::Answered => {
                state.answered_at.get_or_insert(time);
                // A party that had left returns when its conference collapses.
                state.ended_at = None;
                // The user listened to the message while it was recorded, and took the call.
                state.has_voicemail = false;
            }
            Code::Disconnected | Code::Gone => {
                state.ended_at.get_or_insert(time);
                state.leave_reason = state.leave_reason.or(party.status.reason);
                if let Some(peer) = party.status.peer {
                    state.peer_session = Some(peer.party.session.to_string());
                }
            }
            Code::Parked => state.was_parked = true,
            Code::Voicemail | Code::VoiceMail | Code::VoiceMailScreening => state.has_voicemail = true,
            Code::FaxReceive => state.has_fax = true,
            Code::Setup | Code::Proceeding | Code::Hold => {}
        }
        let ends = self.parties.values().map(|state| state.ended_at);
        self.ended_at = ends.collect::<Option<Vec<Timestamp>>>().and_then(|ends| ends.into_iter().max());
    }

    /// `GET …/telephony/sessions/{id}`.
    pub(crate) fn to_json(&self) -> Value {
        let parties: Vec<&Value> = self.parties.values().map(|state| &state.json).collect();
        json!({
            "id": self.id, "origin": { "type": self.origin }, "creationTime": self.started_at,
            "parties": parties,
        })
    }

    /// `GET …/parties/{id}`.
    pub(crate) fn party_json(&self, id: &str) -> Option<&Value> {
        self.parties.values().map(|state| &state.json).find(|party| party["id"] == id)
    }

    /// Whether an extension takes part.
    pub(crate) fn has_extension(&self, extension: u64) -> bool {
        self.parties.values().any(|state| state.party.extension == Some(extension))
    }
}

impl PartyState {
    /// Whether it is a queue or a menu, which passes calls on.
    pub(crate) fn is_router(&self) -> bool {
        self.party.extension.is_some()
            && self.party.to.name.as_deref().is_some_and(|name| {
                self.party.queue.is_none() && (name.ends_with(" queue") || name.starts_with("IVR Menu"))
            })
    }

    /// Whether it listened to the call.
    pub(crate) fn is_supervisor(&self) -> bool {
        self.party.status.reason == Some("Supervising") || self.leave_reason == Some("Supervising")
    }

    /// Whether it stands for a member of a conference, who has a party of their own in another session.
    pub(crate) fn is_proxy(&self) -> bool {
        self.party.role == Role::ConferenceParticipant
    }
}

/// The party of a notification in REST's format.
fn party_json(notification: &Notification) -> Value {
    let envelope: Value = serde_json::from_str(&notification.to_json()).unwrap_or_default();
    let mut party = envelope["body"]["parties"][0].clone();
    if let Some(members) = party.as_object_mut() {
        members.remove("uiCallInfo");
        members.remove("missedCall");
        let is_queue_call = members.remove("queueCall").is_some();
        members.insert(
            "attributes".to_owned(),
            json!({ "queueCall": is_queue_call, "emergencyCallback": false }),
        );
        let mut owner = json!({ "accountId": notification.account.to_string() });
        if let Some(extension) = notification.body.party.extension {
            owner["extensionId"] = extension.to_string().into();
        }
        members.insert("owner".to_owned(), owner);
    }
    party
}
