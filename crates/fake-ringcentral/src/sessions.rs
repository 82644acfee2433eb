//! Sessions as the platform sees them just now: what its notifications have told so far.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wholecall_simulator::{Code, Iso, Millis, Notification, Origin, Party, Role};

/// A session and its parties.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) legacy: u64,
    pub(crate) origin: Origin,
    pub(crate) begun: Millis,
    pub(crate) parties: BTreeMap<u32, PartyState>,
    /// When its last party ended, if all have.
    pub(crate) over: Option<Millis>,
}

/// A party: how it was told of last, and when it did what.
#[derive(Debug, Clone)]
pub(crate) struct PartyState {
    pub(crate) party: Party,
    /// As REST shows it.
    json: Value,
    pub(crate) begun: Millis,
    pub(crate) answered: Option<Millis>,
    pub(crate) ended: Option<Millis>,
    pub(crate) was_parked: bool,
    /// The reason of a `Disconnected` or `Gone`.
    pub(crate) left_by: Option<&'static str>,
    /// The session at the other end of a `Gone`.
    pub(crate) peer: Option<String>,
    pub(crate) voicemail: bool,
    pub(crate) fax: bool,
}

impl Session {
    /// A session of which nothing has been told yet.
    pub(crate) fn new(first: &Notification) -> Self {
        Self {
            id: first.body.session.to_string(),
            legacy: first.body.legacy_session,
            origin: first.body.origin,
            begun: first.body.event_time,
            parties: BTreeMap::new(),
            over: None,
        }
    }

    /// Takes note of what a notification tells.
    pub(crate) fn apply(&mut self, told: &Notification) {
        let (party, time) = (&told.body.party, told.body.event_time);
        let json = party_json(told);
        let state = self.parties.entry(party.id.ordinal).or_insert_with(|| PartyState {
            party: party.clone(),
            json: Value::Null,
            begun: time,
            answered: None,
            ended: None,
            was_parked: false,
            left_by: None,
            peer: None,
            voicemail: false,
            fax: false,
        });
        state.party = party.clone();
        state.json = json;
        match party.status.code {
            Code::Answered => {
                state.answered.get_or_insert(time);
                // Back from where it had gone: a conference that collapses.
                state.ended = None;
                // A user who listened to the message while it was left has taken the call.
                state.voicemail = false;
            }
            Code::Disconnected | Code::Gone => {
                state.ended.get_or_insert(time);
                state.left_by = state.left_by.or(party.status.reason);
                if let Some(peer) = party.status.peer {
                    state.peer = Some(peer.party.session.to_string());
                }
            }
            Code::Parked => state.was_parked = true,
            Code::Voicemail | Code::VoiceMail | Code::VoiceMailScreening => state.voicemail = true,
            Code::FaxReceive => state.fax = true,
            Code::Setup | Code::Proceeding | Code::Hold => {}
        }
        let ends = self.parties.values().map(|state| state.ended);
        self.over = ends.collect::<Option<Vec<Millis>>>().and_then(|ends| ends.into_iter().max());
    }

    /// `GET …/telephony/sessions/{id}`.
    pub(crate) fn to_json(&self) -> Value {
        let parties: Vec<&Value> = self.parties.values().map(|state| &state.json).collect();
        json!({
            "id": self.id, "origin": { "type": self.origin }, "creationTime": Iso(self.begun).to_string(),
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
    pub(crate) fn is_router(&self) -> bool {
        self.party.extension.is_some()
            && self.party.to.name.as_deref().is_some_and(|name| {
                self.party.queue.is_none() && (name.ends_with(" queue") || name.starts_with("IVR Menu"))
            })
    }

    pub(crate) fn is_supervisor(&self) -> bool {
        self.party.status.reason == Some("Supervising") || self.left_by == Some("Supervising")
    }

    pub(crate) fn is_proxy(&self) -> bool {
        self.party.role == Role::ConferenceParticipant
    }
}

/// The party of a notification in the shape of REST.
fn party_json(told: &Notification) -> Value {
    let envelope: Value = serde_json::from_str(&told.to_json()).unwrap_or_default();
    let mut party = envelope["body"]["parties"][0].clone();
    if let Some(members) = party.as_object_mut() {
        members.remove("uiCallInfo");
        members.remove("missedCall");
        let is_queue_call = members.remove("queueCall").is_some();
        members.insert(
            "attributes".to_owned(),
            json!({ "queueCall": is_queue_call, "emergencyCallback": false }),
        );
        let mut owner = json!({ "accountId": told.account.to_string() });
        if let Some(extension) = told.body.party.extension {
            owner["extensionId"] = extension.to_string().into();
        }
        members.insert("owner".to_owned(), owner);
    }
    party
}
