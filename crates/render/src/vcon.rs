//! A call as a vCon, the IETF's container for conversations (draft-ietf-vcon-vcon-core-03, syntax 0.4.0).
//!
//! Every conversation of the record is a `recording` dialog without media. One `recording-set` dialog
//! contains them all, with everybody who took part and when. A call that ended before a conversation is an
//! `incomplete` dialog if one of the draft's dispositions applies. A transfer is a `transfer` dialog with
//! transferor, transferee and target, and the dialogs before, during and after it.

mod history;
mod parties;

use serde_json::{Value, json};

use self::history::{history_of_call, history_of_talk};
use wholecall_record::{
    ParticipantId,
    call::{Call, Conversation, LegOutcome, Move, MoveKind, Outcome, State},
};

/// RingCentral's recordings are MP3. Libraries for the draft require a media type for every recording, even
/// if the vCon does not contain it.
const MEDIA_TYPE: &str = "audio/x-mp3";

/// The call as an unsigned vCon.
pub fn vcon(call: &Call) -> Value {
    let mut builder = Builder { call, parties: parties::of(call), dialogs: Vec::new() };
    builder.add_conversations();
    for step in &call.moves {
        builder.add_transfer(step);
    }
    let subject = format!(
        "{} call from {} to {}",
        call.direction.as_str(),
        call.side_in_full(&call.from),
        call.side_in_full(&call.to)
    );
    json!({
        "vcon": "0.4.0",
        "uuid": uuid_of(call),
        "created_at": call.start_time,
        "updated_at": call.updated_at,
        "subject": subject,
        "parties": builder.parties,
        "dialog": builder.dialogs,
        "analysis": [],
        "attachments": [],
    })
}

/// A version 8 UUID of the call's start and id: the same for every vCon of the call.
fn uuid_of(call: &Call) -> String {
    let account = call.account_id.as_deref().unwrap_or_default();
    let name = format!("ringcentral:{account}/{}", call.id);
    let mut bytes = *uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).as_bytes();
    let millis = call.start_time.as_millis().max(0) as u64;
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    uuid::Uuid::new_v8(bytes).to_string()
}

struct Builder<'c> {
    call: &'c Call,
    parties: Vec<Value>,
    dialogs: Vec<Value>,
}

impl Builder<'_> {
    fn index(&self, id: &ParticipantId) -> Option<usize> {
        self.call.participants.iter().position(|participant| participant.id == *id)
    }

    /// Adds the conversations and the set of them, or one dialog that states why there was none.
    fn add_conversations(&mut self) {
        let call = self.call;
        let set = call.conversations.len();
        self.dialogs = call.conversations.iter().map(|talk| self.talk(talk, set)).collect();
        let dialog = match (set, call.state) {
            // The result is not known yet.
            (0, State::Live) => return,
            (0, _) => disposition(call.result).map_or_else(|| self.set(), |reason| self.incomplete(reason)),
            _ => self.set(),
        };
        self.dialogs.push(dialog);
    }

    fn talk(&self, talk: &Conversation, set: usize) -> Value {
        let people = talk.participants.iter().filter_map(|id| self.index(id)).collect();
        let mut dialog = json!({
            "type": "recording",
            "start": talk.start_time,
            "parties": self.originator_first(people),
            "party_history": history_of_talk(self.call, talk, |id| self.index(id)),
            "mediatype": MEDIA_TYPE,
            "application": "RingCentral",
            "recording_set": set,
        });
        // The duration of an inferred conversation is only an upper bound.
        if let Some(end) = talk.end_time.filter(|_| !talk.inferred) {
            dialog["duration"] = seconds(end - talk.start_time);
        }
        dialog
    }

    /// The whole call: everybody who took part, and when they were in a conversation.
    fn set(&self) -> Value {
        let call = self.call;
        let everybody = (0..call.participants.len()).collect();
        let mut dialog = json!({
            "type": "recording-set",
            "start": call.start_time,
            "parties": self.originator_first(everybody),
            "recordings": (0..call.conversations.len()).collect::<Vec<usize>>(),
            "party_history": history_of_call(call, |id| self.index(id)),
            "application": "RingCentral",
        });
        if call.state != State::Live {
            dialog["duration"] = seconds(call.durations.total_ms);
        }
        dialog
    }

    fn incomplete(&self, disposition: &str) -> Value {
        let call = self.call;
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

    /// Sorts the caller first, if they take part: the first party of a dialog is its originator.
    fn originator_first(&self, mut people: Vec<usize>) -> Vec<usize> {
        let caller = self.call.from.participant.as_ref().and_then(|id| self.index(id));
        people.sort_by_key(|person| Some(*person) != caller);
        people
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
        let original = self.dialogs_or_new(original, json!({}));
        let target_dialog = match (after.first(), self.unanswered(step)) {
            (None, Some(unanswered)) => self.dialogs_or_new(Vec::new(), unanswered),
            _ => self.dialogs_or_new(after.into_iter().take(1).collect(), json!({})),
        };
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

    /// The index of a participant; a new, empty party if it is not known.
    fn party_or_new(&mut self, id: Option<&ParticipantId>) -> usize {
        id.and_then(|id| self.index(id)).unwrap_or_else(|| {
            self.parties.push(json!({}));
            self.parties.len() - 1
        })
    }

    /// The dialogs, or a new one if there are none.
    fn dialogs_or_new(&mut self, mut dialogs: Vec<usize>, new: Value) -> Vec<usize> {
        if dialogs.is_empty() {
            self.dialogs.push(new);
            dialogs.push(self.dialogs.len() - 1);
        }
        dialogs
    }

    /// The dialog of a transfer's target that was rung and did not answer; `None` if its leg does not say so.
    fn unanswered(&self, step: &Move) -> Option<Value> {
        let target = step.target.as_ref()?;
        let legs = self.call.legs.iter().filter(|leg| leg.participant.as_ref() == Some(target));
        let rung = legs.filter(|leg| leg.start_time.is_some_and(|start| start >= step.time));
        let first = rung.min_by_key(|leg| leg.start_time)?;
        let disposition = match first.outcome? {
            LegOutcome::Missed | LegOutcome::Rejected => "no-answer",
            LegOutcome::Busy => "busy",
            _ => return None,
        };
        Some(json!({
            "type": "incomplete",
            "start": first.start_time,
            "parties": [self.index(target)?],
            "disposition": disposition,
            "application": "RingCentral",
        }))
    }
}

/// The draft's disposition for a call without a conversation; `None` if none applies. The record does not say
/// who hung up, or whether a message was left.
fn disposition(result: Outcome) -> Option<&'static str> {
    match result {
        Outcome::Missed | Outcome::NoAnswer | Outcome::Abandoned | Outcome::Cancelled | Outcome::Rejected => {
            Some("no-answer")
        }
        Outcome::Busy => Some("busy"),
        Outcome::Failed | Outcome::Blocked => Some("failed"),
        Outcome::InProgress
        | Outcome::Answered
        | Outcome::Voicemail
        | Outcome::Fax
        | Outcome::Service
        | Outcome::AnsweredElsewhere
        | Outcome::Forwarded
        | Outcome::Unknown => None,
    }
}

/// Milliseconds as seconds; whole seconds without a fraction.
fn seconds(millis: i64) -> Value {
    let millis = millis.max(0);
    if millis % 1_000 == 0 { json!(millis / 1_000) } else { json!(millis as f64 / 1_000.0) }
}
