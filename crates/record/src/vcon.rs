//! A call as a vCon, the IETF's container for conversations (draft-ietf-vcon-vcon-core, syntax 0.4.0).
//!
//! Every conversation of the record is a dialog without media; a call without one is an `incomplete` dialog;
//! a transfer is a `transfer` dialog that names who transferred whom to whom, and the dialogs before,
//! beside and after it.

use serde_json::{Map, Value, json};

use crate::{
    ParticipantId, Time,
    call::{Call, Conversation, Kind, LegState, Move, MoveKind, Outcome, Participant},
    words,
};

/// The call as an unsigned vCon.
pub fn vcon(call: &Call) -> Value {
    let mut parts = Parts { call, parties: Vec::new(), dialogs: Vec::new() };
    parts.parties.extend(call.participants.iter().map(party));
    parts.dialogs = match call.conversations.is_empty() {
        true => vec![parts.incomplete()],
        false => call.conversations.iter().map(|talk| parts.talk(talk)).collect(),
    };
    for step in &call.moves {
        parts.add_transfer(step);
    }
    let subject = format!(
        "{} call from {} to {}",
        call.direction.as_str(),
        call.name(call.from.participant.as_ref()),
        call.name(call.to.participant.as_ref())
    );
    json!({
        "vcon": "0.4.0",
        "uuid": uuid_of(call),
        "created_at": call.updated_at,
        "updated_at": call.updated_at,
        "subject": subject,
        "parties": parts.parties,
        "dialog": parts.dialogs,
        "analysis": [],
        "attachments": [],
    })
}

/// Always the same for the same call: a version 8 UUID of its start and its id.
fn uuid_of(call: &Call) -> String {
    let account = call.account_id.as_deref().unwrap_or_default();
    let name = format!("ringcentral:{account}/{}", call.id);
    let mut bytes = *uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).as_bytes();
    let millis = call.start_time.as_millis().max(0) as u64;
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    uuid::Uuid::new_v8(bytes).to_string()
}

fn party(participant: &Participant) -> Value {
    let mut party = Map::new();
    // A short number is no telephone number outside its account.
    let number = participant.phone_number.as_deref().filter(|number| number.starts_with('+'));
    if let Some(number) = number {
        party.insert("tel".into(), json!(number));
    }
    if participant.id.starts_with("anon:") {
        party.insert("name".into(), json!("anonymous"));
    } else {
        party.insert("name".into(), json!(words::name_of(participant)));
        party.insert("validation".into(), json!("none"));
    }
    party.insert("uuid".into(), json!(participant.id));
    let kind = match participant.kind {
        Kind::User | Kind::External | Kind::Supervisor | Kind::Unknown => "person",
        Kind::Queue | Kind::Group => "organization",
        Kind::Menu | Kind::Router | Kind::Proxy | Kind::Machine => "bot",
    };
    party.insert("type".into(), json!(kind));
    party.into()
}

struct Parts<'c> {
    call: &'c Call,
    parties: Vec<Value>,
    dialogs: Vec<Value>,
}

impl Parts<'_> {
    fn index(&self, id: &ParticipantId) -> Option<usize> {
        self.call.participants.iter().position(|participant| participant.id == *id)
    }

    fn talk(&self, talk: &Conversation) -> Value {
        let mut people: Vec<usize> = talk.participants.iter().filter_map(|id| self.index(id)).collect();
        // The first party is the originator: the caller, where they take part.
        let caller = self.call.from.participant.as_ref().and_then(|id| self.index(id));
        people.sort_by_key(|person| Some(*person) != caller);
        let mut dialog = json!({
            "type": "recording",
            "start": talk.start_time,
            "parties": people,
            "party_history": self.history(talk),
            "application": "RingCentral",
        });
        if let Some(end) = talk.end_time {
            dialog["duration"] = seconds(end - talk.start_time);
        }
        dialog
    }

    /// Everybody joins as the conversation starts; as it ends, those whom somebody then holds are on hold, and
    /// the others drop out of it.
    fn history(&self, talk: &Conversation) -> Vec<Value> {
        let event = |id: &ParticipantId, time: Time, event: &str| {
            self.index(id).map(|party| json!({"party": party, "time": time, "event": event}))
        };
        let mut history: Vec<Value> =
            talk.participants.iter().filter_map(|id| event(id, talk.start_time, "join")).collect();
        let Some(end) = talk.end_time else { return history };
        let holder = self.call.legs.iter().find(|leg| {
            let holds = |segment: &crate::call::Segment| {
                segment.state == LegState::Holding && segment.start_time == end
            };
            leg.segments.iter().any(holds)
        });
        let holder = holder.and_then(|leg| leg.participant.as_ref());
        history.extend(talk.participants.iter().filter_map(|id| {
            let held = holder.is_some_and(|holder| holder != id && talk.participants.contains(holder));
            event(id, end, if held { "hold" } else { "drop" })
        }));
        history
    }

    fn incomplete(&self) -> Value {
        let call = self.call;
        let disposition = match call.result {
            Outcome::Missed
            | Outcome::NoAnswer
            | Outcome::InProgress
            | Outcome::Answered
            | Outcome::Fax
            | Outcome::Service
            | Outcome::AnsweredElsewhere
            | Outcome::Forwarded
            | Outcome::Unknown => "no-answer",
            Outcome::Abandoned | Outcome::Cancelled => "hung-up",
            Outcome::Busy => "busy",
            Outcome::Rejected | Outcome::Failed | Outcome::Blocked => "failed",
            // Whether a message was left, the notifications do not tell.
            Outcome::Voicemail => "voicemail-no-message",
        };
        let ends = [&call.from.participant, &call.to.participant];
        let people: Vec<usize> = ends.into_iter().flatten().filter_map(|id| self.index(id)).collect();
        json!({
            "type": "incomplete",
            "start": call.start_time,
            "duration": seconds(call.durations.total_ms),
            "parties": people,
            "disposition": disposition,
            "application": "RingCentral",
        })
    }

    fn add_transfer(&mut self, step: &Move) {
        if !matches!(step.kind, MoveKind::AttendedTransfer | MoveKind::BlindTransfer | MoveKind::Transfer) {
            return;
        }
        let talks = || self.call.conversations.iter().enumerate();
        let names = |talk: &Conversation, id: &Option<ParticipantId>| {
            id.as_ref().is_some_and(|id| talk.participants.contains(id))
        };
        let before = |talk: &Conversation| talk.start_time < step.time;
        let of = |filter: &dyn Fn(&Conversation) -> bool| -> Vec<usize> {
            talks().filter(|(_, talk)| filter(talk)).map(|(index, _)| index).collect()
        };
        let consultation = of(&|talk| before(talk) && names(talk, &step.by) && names(talk, &step.target));
        let original = of(&|talk| before(talk) && names(talk, &step.by) && !names(talk, &step.target));
        let after = of(&|talk| !before(talk) && names(talk, &step.target) && !names(talk, &step.by));
        let first_after = after.first().map(|&index| &self.call.conversations[index]);
        let other = |talk: &Conversation| {
            talk.participants
                .iter()
                .find(|id| Some(*id) != step.by.as_ref() && Some(*id) != step.target.as_ref())
                .cloned()
        };
        let last_before = original.last().map(|&index| &self.call.conversations[index]);
        let transferee = first_after.and_then(other).or_else(|| last_before.and_then(other));
        let transferee = transferee.or_else(|| self.call.from.participant.clone());
        let transferor = self.party_or_new(step.by.as_ref());
        let transferee = self.party_or_new(transferee.as_ref());
        let target = self.party_or_new(step.target.as_ref());
        let original = self.dialogs_or_new(original);
        let target_dialog = self.dialogs_or_new(after.into_iter().take(1).collect());
        let mut transfer = json!({
            "type": "transfer",
            "start": step.time,
            "transferor": transferor,
            "transferee": transferee,
            "transfer_target": target,
            "original": original,
            "target_dialog": target_dialog,
        });
        if !consultation.is_empty() {
            transfer["consultation"] = json!(consultation);
        }
        self.dialogs.push(transfer);
    }

    /// A party nobody knows anything of has a place of its own all the same.
    fn party_or_new(&mut self, id: Option<&ParticipantId>) -> usize {
        id.and_then(|id| self.index(id)).unwrap_or_else(|| {
            self.parties.push(json!({}));
            self.parties.len() - 1
        })
    }

    /// So has a dialog.
    fn dialogs_or_new(&mut self, mut dialogs: Vec<usize>) -> Vec<usize> {
        if dialogs.is_empty() {
            self.dialogs.push(json!({}));
            dialogs.push(self.dialogs.len() - 1);
        }
        dialogs
    }
}

/// Milliseconds as seconds, whole ones without a fraction.
fn seconds(millis: i64) -> Value {
    let millis = millis.max(0);
    if millis % 1_000 == 0 { json!(millis / 1_000) } else { json!(millis as f64 / 1_000.0) }
}
