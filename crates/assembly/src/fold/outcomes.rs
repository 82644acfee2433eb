//! How the legs and the call came out.

use wholecall_notification::{Code, Reason};
use wholecall_record::call::{Direction, Kind, LegOutcome, Outcome, State};

use super::{
    Fold,
    legs::Leg,
    people::{Caller, own_side},
};
use crate::description::Side;

/// What was dialled.
pub(super) struct Dialled<'a> {
    pub(super) side: Side<'a>,
    pub(super) person: Option<usize>,
    pub(super) is_internal: bool,
}

impl<'a> Fold<'a> {
    /// How a leg came out; none while it lives.
    pub(super) fn leg_outcome(&self, index: usize, caller: Option<usize>) -> Option<LegOutcome> {
        let leg = &self.legs[index];
        leg.end?;
        let room = &self.rooms[leg.room];
        let asked_for_it = room.session.is_ring_out() && leg.person.is_some() && leg.person == caller;
        // Only who was on the line can hold the others, or leave by a door.
        let answered = [Code::Answered, Code::Hold, Code::Gone].iter().any(|code| leg.codes.has(*code))
            || self.links.iter().any(|link| link.empties_its_ends() && link.names(index));
        Some(match leg.kind {
            Kind::Supervisor => LegOutcome::Monitoring,
            Kind::Proxy => LegOutcome::Routed,
            _ if room.originator == Some(index) || asked_for_it => LegOutcome::Originated,
            _ if leg.codes.has(Code::FaxReceive) => LegOutcome::Fax,
            _ if self.took_message(leg) => LegOutcome::Voicemail,
            Kind::Queue | Kind::Menu | Kind::Router if self.handed_on(index) => LegOutcome::Routed,
            Kind::Queue | Kind::Menu | Kind::Router => {
                self.unanswered(index).unwrap_or(LegOutcome::Cancelled)
            }
            _ if answered => LegOutcome::Answered,
            _ => self.unanswered(index).unwrap_or(LegOutcome::Missed),
        })
    }

    /// Whether voicemail had the last word, not a person.
    fn took_message(&self, leg: &Leg<'_>) -> bool {
        let taken = leg.codes.has(Code::Voicemail) || leg.codes.has(Code::VoicemailScreening);
        taken && !leg.codes.has(Code::Answered) || self.end_reason(leg) == Some(Reason::Voicemail)
    }

    /// Whether a menu, queue or rule sent the call on rather than being hung up on.
    fn handed_on(&self, index: usize) -> bool {
        let leg = &self.legs[index];
        let Some(at) = leg.ended_by else { return true };
        let sequence = self.changes[at].event.sequence;
        let next = |other: usize| other != index && self.legs[other].first_sequence >= sequence;
        match self.end_reason(leg) {
            Some(Reason::CallerDropped) => false,
            Some(
                Reason::AgentAnswered
                | Reason::BlindTransfer
                | Reason::CallerInputRedirect
                | Reason::CallRedirected,
            ) => true,
            _ => self.rooms[leg.room].legs.clone().any(next) || self.answered_elsewhere(index),
        }
    }

    /// How a leg came out that was never answered, as far as its end or another leg's answer tells.
    fn unanswered(&self, index: usize) -> Option<LegOutcome> {
        let leg = &self.legs[index];
        Some(match self.end_reason(leg) {
            Some(Reason::Rejected) => LegOutcome::Rejected,
            Some(Reason::TargetBusy) => LegOutcome::Busy,
            Some(Reason::Pickup) => LegOutcome::PickedUp,
            Some(
                Reason::CallRedirected
                | Reason::BlindTransfer
                | Reason::RccTransfer
                | Reason::DtmfTransfer
                | Reason::CallerInputRedirect,
            ) => LegOutcome::Routed,
            Some(
                Reason::InvalidNumber
                | Reason::NoSuchUser
                | Reason::InternalError
                | Reason::InternationalDisabled
                | Reason::DestinationBlocked
                | Reason::NotEnoughFunds,
            ) => LegOutcome::Failed,
            Some(Reason::AgentAnswered) => LegOutcome::AnsweredElsewhere,
            _ if self.answered_elsewhere(index) => LegOutcome::AnsweredElsewhere,
            Some(Reason::Cancelled) => LegOutcome::Cancelled,
            None | Some(Reason::CallerDropped) if leg.kind == Kind::External => LegOutcome::Cancelled,
            _ => return None,
        })
    }

    /// Still ringing when another leg of the session was first answered.
    fn answered_elsewhere(&self, index: usize) -> bool {
        let leg = &self.legs[index];
        let answers = &self.rooms[leg.room].answers;
        let since = answers.partition_point(|(time, _)| *time < leg.start);
        let while_ringing =
            answers[since..].iter().take_while(|(time, _)| leg.end.is_some_and(|end| *time <= end));
        while_ringing.into_iter().any(|(_, other)| *other != index)
    }

    /// The reason a leg ended with.
    pub(super) fn end_reason(&self, leg: &Leg<'_>) -> Option<Reason> {
        self.changes[leg.ended_by?].event.said.reason
    }

    /// What was dialled: the first Inbound leg that is not the caller's, else the caller's `to`.
    pub(super) fn dialled(&self, caller: &Caller<'_>) -> Dialled<'a> {
        let room = &self.rooms[self.root];
        let callee = room.legs.clone().find(|&leg| {
            let leg = &self.legs[leg];
            leg.is_inbound() && !leg.supervises && leg.kind != Kind::Proxy && leg.person != caller.person
        });
        if let Some(index) = callee {
            let leg = &self.legs[index];
            let person = self.offering_queue(index).or(leg.person);
            let by_number = own_side(leg).is_some_and(|side| side.is_internal());
            let is_internal =
                person.is_some_and(|person| self.people[person].extension.is_some()) || by_number;
            return Dialled { side: leg.description.to, person, is_internal };
        }
        let callers_leg = room.originator.unwrap_or(room.legs.start);
        let description = &self.legs[callers_leg].description;
        // Whoever asked for a RingOut is rung as if called by the number to be dialled.
        let turned = room.session.is_ring_out() && self.legs[callers_leg].is_inbound();
        let side = if turned { description.from } else { description.to };
        let implied = self.implied.iter().find(|side| side.room == self.root && !side.is_caller);
        // A call to oneself has nobody else in it.
        let own = || {
            let mut inbound =
                room.legs.clone().filter(|&leg| self.legs[leg].is_inbound() && leg != callers_leg);
            inbound.next().and_then(|leg| self.legs[leg].person)
        };
        let by_number = || self.person_with_extension(side.extension?);
        let person = implied.map(|implied| implied.person).or_else(own).or_else(by_number);
        Dialled { side, person, is_internal: side.is_internal() || side.is_bridge() }
    }

    /// The call's direction, as the account sees it.
    pub(super) fn direction(&self, caller: &Caller<'_>, dialled: &Dialled<'_>) -> Direction {
        match caller.id.extension_id() {
            None => Direction::Inbound,
            Some(_) if dialled.is_internal => Direction::Internal,
            Some(_) => Direction::Outbound,
        }
    }

    /// How the call came out.
    pub(super) fn outcome(&self, state: State, caller: &Caller<'_>, direction: Direction) -> Outcome {
        if self.talks(state).next().is_some() || self.answered_oneself(caller) {
            return Outcome::Answered;
        }
        if state == State::Live {
            return Outcome::InProgress;
        }
        let some_leg = |code| self.legs.iter().any(|leg| leg.codes.has(code));
        if some_leg(Code::Voicemail) || some_leg(Code::VoicemailScreening) {
            return Outcome::Voicemail;
        }
        if some_leg(Code::FaxReceive) {
            return Outcome::Fax;
        }
        match direction {
            Direction::Outbound => self.outcome_outside(),
            Direction::Inbound | Direction::Internal => self.outcome_inside(caller),
        }
    }

    /// A call to oneself is answered when its Inbound leg is.
    fn answered_oneself(&self, caller: &Caller<'_>) -> bool {
        let room = &self.rooms[self.root];
        let Some(originator) = room.originator else { return false };
        let mut inbound =
            room.legs.clone().filter(|&leg| leg != originator && self.legs[leg].is_inbound()).peekable();
        let all_own = inbound.peek().is_some()
            && inbound
                .clone()
                .all(|leg| self.legs[leg].person.is_some() && self.legs[leg].person == caller.person);
        all_own && inbound.any(|leg| self.first_answer(leg).is_some())
    }

    fn outcome_inside(&self, caller: &Caller<'_>) -> Outcome {
        let rung = || {
            self.legs.iter().enumerate().filter(|(index, leg)| {
                let room = &self.rooms[leg.room];
                let initiator = room.session.is_ring_out() && leg.person == caller.person;
                leg.rang() && self.is_person(leg.person) && room.originator != Some(*index) && !initiator
            })
        };
        let every_one = |reason| rung().all(|(_, leg)| self.end_reason(leg) == Some(reason));
        match () {
            () if rung().next().is_none() => Outcome::Abandoned,
            () if every_one(Reason::Rejected) => Outcome::Rejected,
            () if every_one(Reason::TargetBusy) => Outcome::Busy,
            () => Outcome::Missed,
        }
    }

    fn outcome_outside(&self) -> Outcome {
        let legs = self.rooms[self.root].legs.clone().map(|leg| &self.legs[leg]);
        let ended = legs.filter(|leg| leg.is_inbound() && self.end_reason(leg).is_some());
        match ended.max_by_key(|leg| (leg.end, leg.first_sequence)).and_then(|leg| self.end_reason(leg)) {
            Some(Reason::TargetBusy) => Outcome::Busy,
            Some(Reason::NoAnswer | Reason::Timeout) => Outcome::NoAnswer,
            Some(Reason::Rejected) => Outcome::Rejected,
            Some(Reason::InvalidNumber | Reason::NoSuchUser | Reason::InternalError) => Outcome::Failed,
            Some(Reason::InternationalDisabled | Reason::DestinationBlocked | Reason::NotEnoughFunds) => {
                Outcome::Blocked
            }
            _ => Outcome::Cancelled,
        }
    }
}
