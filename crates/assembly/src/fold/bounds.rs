//! What is known from lookup answers only: how it appears in the record, and which of its times are bounds.
//!
//! An answer is given at one moment. What it shows had happened by then, at an unknown time. So a time that rests on
//! an answer alone is a bound, and a duration between two such times is unknown.

use wholecall_notification::Code;
use wholecall_record::{
    Call,
    call::{Conversation, Durations, EndState, EvidenceKind, LookupFact, Outcome, Repaired},
};

use super::{
    completeness::evidence_of,
    ids::{LegIdx, ParticipantIdx, SessionIdx},
    legs::{Change, Room},
    pipeline::Fold,
};

impl Fold<'_> {
    /// Removes from a record what lookup answers alone do not prove.
    pub(super) fn respect_bounds(&self, call: &mut Call) {
        if self.is_only_known_to_have_ended() {
            return without_lengths(call);
        }
        let callees = self.answered_by_the_log();
        if callees.is_empty() {
            return;
        }
        let callees: Vec<_> = callees.iter().map(|&person| self.people[person].id.clone()).collect();
        let is_logged = |talk: &Conversation| talk.participants.iter().any(|id| callees.contains(id));
        for at in 0..call.conversations.len() {
            let talk = &mut call.conversations[at];
            if is_logged(talk) {
                talk.inferred = true;
                let people =
                    call.participants.iter_mut().filter(|person| talk.participants.contains(&person.id));
                people.for_each(|person| person.inferred = true);
            }
        }
        if call.conversations.first().is_some_and(is_logged) {
            // It was answered at an unknown time before the end.
            call.answer_time = None;
            call.durations.wait_ms = 0;
        }
    }

    /// Whether nothing is known of the call but that it existed and has ended.
    fn is_only_known_to_have_ended(&self) -> bool {
        let mut seen = self.rooms.iter().filter(|room| room.start.is_some());
        seen.all(|room| room.session.is_only_known_to_have_ended())
    }

    /// Participants whose answer only the call log shows.
    fn answered_by_the_log(&self) -> Vec<ParticipantIdx> {
        let is_logged = |leg: &LegIdx| {
            let answer = self.changes_of(*leg).iter().find(|change| change.is_answer());
            answer.is_some_and(|answer| answer.event.kind == Some(EvidenceKind::CallLog))
        };
        self.legs.indices().filter(is_logged).filter_map(|leg| self.owners[leg]).collect()
    }

    /// The facts that only lookup answers show.
    pub(super) fn repaired(&self) -> Vec<Repaired> {
        let mut repaired = Vec::new();
        for room in self.rooms.iter() {
            if !room.session.lookups().is_empty() {
                repaired.extend(self.repaired_start(room));
                room.legs.clone().for_each(|leg| self.repaired_of(leg, &mut repaired));
            }
        }
        repaired
    }

    /// The start of a session, if a lookup answer has an earlier one than its legs.
    fn repaired_start(&self, room: &Room<'_>) -> Option<Repaired> {
        let start = room.start?;
        let first = room.legs.clone().min_by_key(|&leg| self.legs[leg].start)?;
        let first = &self.legs[first];
        // A leg that an answer showed has an entry of its own.
        let is_shown =
            self.changes.get(first.changes.start()).is_some_and(|change| change.event.kind.is_none());
        if !is_shown || start >= first.start {
            return None;
        }
        let lookup_start = room.session.lookups().start()?;
        Some(Repaired {
            telephony_session_id: room.session.id.clone(),
            party_id: first.party.clone(),
            what: LookupFact::Start,
            time: Some(start),
            at_or_before: lookup_start.is_bound,
            evidence: evidence_of(room.session, room.session.lookups().start_evidence()?),
        })
    }

    fn repaired_of(&self, index: LegIdx, repaired: &mut Vec<Repaired>) {
        let (leg, states) = (&self.legs[index], &self.states[index]);
        let session = self.rooms[leg.room].session;
        let mut add = |what, time, at_or_before, event| {
            repaired.push(Repaired {
                telephony_session_id: session.id.clone(),
                party_id: leg.party.clone(),
                what,
                time,
                at_or_before,
                evidence: evidence_of(session, event),
            });
        };
        let changes = &self.changes[&leg.changes];
        let is_from_lookup = changes.first().is_some_and(|change| change.event.kind.is_none());
        if is_from_lookup && let Some(described_by) = session.describing_lookup(&leg.party) {
            add(LookupFact::Description, None, false, described_by);
        }
        for (at, change) in changes.iter().enumerate().filter(|(_, change)| change.event.kind.is_some()) {
            let code = change.event.status.code;
            let is_logged_answer =
                code == Some(Code::Answered) && change.event.kind == Some(EvidenceKind::CallLog);
            let what = match code {
                _ if at == 0 => LookupFact::Leg,
                Some(Code::Gone) => LookupFact::Link,
                // A leg that left by a link had ended.
                Some(Code::Disconnected) if states.end != Some(change.time) => continue,
                Some(Code::Disconnected) => LookupFact::End,
                _ if is_logged_answer => continue,
                _ => LookupFact::State,
            };
            if at > 0 || !leg.is_start_known {
                add(what, Some(change.time), is_bound(change), change.event);
                continue;
            }
            let is_start_bound = is_bound(change) && self.is_start_bound(leg.room);
            add(what, Some(leg.start), is_start_bound, change.event);
            // The leg began with its session; its state at the time of the answer is another fact.
            let became = match code {
                Some(Code::Gone | Code::Setup) => None,
                Some(Code::Disconnected) => Some(LookupFact::End).filter(|_| states.end == Some(change.time)),
                _ => Some(LookupFact::State),
            };
            if let Some(became) = became.filter(|_| change.time != leg.start) {
                add(became, Some(change.time), is_bound(change), change.event);
            }
        }
        let logged_answer = changes
            .iter()
            .find(|change| change.is_answer() && change.event.kind == Some(EvidenceKind::CallLog));
        if let Some(answer) = logged_answer {
            add(LookupFact::State, Some(states.end.unwrap_or(answer.time)), true, answer.event);
        }
    }

    fn is_start_bound(&self, room: SessionIdx) -> bool {
        self.rooms[room].session.lookups().start().is_none_or(|lookup_start| lookup_start.is_bound)
    }
}

/// Whether a change took effect no later than it was shown, and possibly earlier.
fn is_bound(change: &Change<'_>) -> bool {
    change.event.kind == Some(EvidenceKind::Snapshot) && change.time >= change.event.status.time
}

/// Neither the result nor any duration is known.
fn without_lengths(call: &mut Call) {
    call.result = Outcome::Unknown;
    call.durations = Durations::default();
    call.answer_time = None;
    call.conversations.clear();
    (call.answered_by, call.end_state) = (None, call.end_state.map(|_| EndState::Nothing));
    [&mut call.last_with, &mut call.users, &mut call.missed_by].into_iter().for_each(Vec::clear);
    for visit in &mut call.queues {
        (visit.wait_ms, visit.outcome, visit.answered_by) = (0, None, None);
    }
    for leg in &mut call.legs {
        (leg.ring_ms, leg.talk_ms, leg.hold_ms) = (0, 0, 0);
    }
    for person in &mut call.participants {
        (person.ring_ms, person.talk_ms, person.hold_ms) = (0, 0, 0);
    }
}
