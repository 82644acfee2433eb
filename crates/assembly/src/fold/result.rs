//! The result of the call.

use smallvec::SmallVec;
use wholecall_notification::{Code, Reason};
use wholecall_record::{
    Time,
    call::{Direction, Kind, LegState, Outcome, QueueOutcome, State},
    phone::is_star_code,
};

use super::{
    caller::{Caller, Dialled},
    ids::LegIdx,
    legs::Leg,
    pipeline::Fold,
    sides::may_be_ours,
    spans::LegStates,
};
use crate::{directory::ExtensionKind, numbers::star_code_carries_more};

/// What decides the result of a call.
pub(super) struct OutcomeInput<'f, 'a> {
    pub(super) state: State,
    pub(super) caller: &'f Caller<'a>,
    pub(super) dialled: &'f Dialled<'a>,
    pub(super) direction: Direction,
}

/// Where a caller waits: one leg, or one visit to a queue.
struct Stop {
    start: Time,
    end: Option<Time>,
    kind: StopKind,
}

enum StopKind {
    Mailbox,
    Fax,
    /// A visit in which an agent was rung, and its outcome.
    Queue(Option<QueueOutcome>),
    /// The leg of a person who was rung directly, or could not be.
    Person(LegIdx),
}

impl Fold<'_> {
    /// The result of the call: the first rule that applies.
    pub(super) fn outcome(&self, input: &OutcomeInput<'_, '_>) -> Outcome {
        let OutcomeInput { state, caller, direction, .. } = *input;
        if self.conversations(state).next().is_some() || self.answered_oneself(caller) {
            return Outcome::Answered;
        }
        if state == State::Live {
            return Outcome::InProgress;
        }
        if let Some(outcome) = self.outcome_of_service(input) {
            return outcome;
        }
        if self.was_taken_by_others() {
            return Outcome::AnsweredElsewhere;
        }
        if self.was_handed_on() {
            return Outcome::Forwarded;
        }
        if self.is_answer_unseen(input) {
            return Outcome::Unknown;
        }
        match direction {
            Direction::Outbound => self.outcome_by_failure(),
            Direction::Inbound | Direction::Internal => self.outcome_of_last_stop(input),
        }
    }

    /// A call to oneself is answered when its Inbound leg is.
    fn answered_oneself(&self, caller: &Caller<'_>) -> bool {
        let room = &self.rooms[self.root];
        let Some(originator) = room.originator else { return false };
        let mut inbound =
            room.legs.clone().filter(|&leg| leg != originator && self.legs[leg].is_inbound()).peekable();
        let all_own = inbound.peek().is_some()
            && inbound.clone().all(|leg| self.owners[leg].is_some() && self.owners[leg] == caller.person);
        all_own && inbound.any(|leg| self.first_answer(leg).is_some())
    }

    /// A star code, the caller's own mailbox or an announcement was called, and no person was rung.
    fn outcome_of_service(&self, input: &OutcomeInput<'_, '_>) -> Option<Outcome> {
        let is_rung = |(index, leg): (LegIdx, &Leg<'_>)| {
            leg.is_inbound() && self.kinds[index].is_person() && leg.rang()
        };
        if self.legs.iter_enumerated().any(is_rung) {
            return None;
        }
        if let Some(code) = input.dialled.number.filter(|number| is_star_code(number)) {
            let leads_to_unseen_leg = self.rooms.iter().any(|room| room.start.is_none());
            let is_service = !star_code_carries_more(code) && !leads_to_unseen_leg;
            return Some(if is_service { Outcome::Service } else { Outcome::Unknown });
        }
        let is_announcement = input.dialled.person.is_some_and(|person| {
            let extension = self.people[person].extension.as_deref();
            extension.and_then(|extension| self.listed_kind(extension)) == Some(ExtensionKind::Announcement)
        });
        let is_service = is_announcement || self.is_own_mailbox(input.caller);
        is_service.then_some(Outcome::Service)
    }

    /// Whether the caller called themselves, and their mailbox answered at once.
    fn is_own_mailbox(&self, caller: &Caller<'_>) -> bool {
        let room = &self.rooms[self.root];
        let Some(originator) = room.originator else { return false };
        let mut inbound = room.legs.clone().filter(|&leg| leg != originator && self.legs[leg].is_inbound());
        let is_mailbox = |index: LegIdx| {
            let leg = &self.legs[index];
            self.owners[index] == caller.person && leg.codes.has(Code::Voicemail) && !leg.rang()
        };
        inbound.clone().next().is_some() && inbound.all(is_mailbox)
    }

    /// Whether a party that was not observed took a call that rang at an observed person.
    fn was_taken_by_others(&self) -> bool {
        self.legs.iter_enumerated().any(|(index, leg)| {
            let reason = self.end_reason(index);
            let taken =
                matches!(reason, Some(Reason::AgentAnswered | Reason::Pickup | Reason::AnsweredElsewhere));
            taken && leg.is_inbound() && self.kinds[index].is_person()
        })
    }

    /// Whether a person handed the call on, and no later leg of the session shows to whom.
    fn was_handed_on(&self) -> bool {
        self.legs.iter_enumerated().any(|(index, leg)| {
            let Some(at) = self.states[index].ended_by else { return false };
            let status = &self.changes[at].event.status;
            let is_forward = status.reason_word().is_some_and(|word| word.starts_with("Forward"));
            let hands_on = match status.reason {
                Some(Reason::BlindTransfer | Reason::RccTransfer | Reason::DtmfTransfer) => true,
                reason => reason == Some(Reason::CallRedirected) || is_forward,
            };
            let is_persons = self.kinds[index].is_person() || self.kinds[index] == Kind::Router;
            let sequence = self.changes[at].event.sequence;
            let continues = self.rooms[leg.room]
                .legs
                .clone()
                .any(|other| self.legs[other].first_sequence >= sequence && !self.legs[other].supervises);
            hands_on && is_persons && leg.is_inbound() && !continues
        })
    }

    /// Whether the caller is connected with the platform, and the leg of the called extension was not observed; or
    /// whether only the initiator's leg of a RingOut was observed, or only a supervisor's leg of a call.
    fn is_answer_unseen(&self, input: &OutcomeInput<'_, '_>) -> bool {
        let room = &self.rooms[self.root];
        if room.legs.clone().all(|leg| self.legs[leg].supervises) {
            return true;
        }
        let answered = |leg: LegIdx| self.first_answer(leg).is_some();
        if room.session.is_ring_out() {
            let mut others = room.legs.clone().filter(|&leg| self.owners[leg] != input.caller.person);
            return others.next().is_none() && room.legs.clone().any(answered);
        }
        let Some(originator) = room.originator else { return false };
        let is_callee = |leg: LegIdx| self.legs[leg].is_inbound() && !self.legs[leg].supervises;
        let side = self.legs[originator].description.to;
        answered(originator) && !room.legs.clone().any(is_callee) && may_be_ours(side, self.input.directory)
    }

    /// The result by the caller's last stop.
    fn outcome_of_last_stop(&self, input: &OutcomeInput<'_, '_>) -> Outcome {
        let last = self.last_stop(input);
        let people = || {
            last.iter().filter_map(|stop| match stop.kind {
                StopKind::Person(leg) if !self.on_behalf.includes(self.owners[leg]) => Some(leg),
                _ => None,
            })
        };
        let every_one = |reason| {
            let mut ended = people().map(|leg| self.end_reason(leg) == Some(reason)).peekable();
            ended.peek().is_some() && ended.all(|is_so| is_so)
        };
        let has = |is: &dyn Fn(&StopKind) -> bool| last.iter().any(|stop| is(&stop.kind));
        let queue = last.iter().rev().find_map(|stop| match stop.kind {
            StopKind::Queue(outcome) => Some(outcome),
            _ => None,
        });
        match () {
            () if last.is_empty() => Outcome::Abandoned,
            () if has(&|kind| matches!(kind, StopKind::Mailbox)) => Outcome::Voicemail,
            () if has(&|kind| matches!(kind, StopKind::Fax)) => Outcome::Fax,
            () if queue == Some(Some(QueueOutcome::Abandoned)) => Outcome::Abandoned,
            () if queue.is_some() => Outcome::Missed,
            () if every_one(Reason::Rejected) => Outcome::Rejected,
            () if every_one(Reason::TargetBusy) => Outcome::Busy,
            () => Outcome::Missed,
        }
    }

    /// The last stop: of the places where the caller waited, the last ones that overlap.
    fn last_stop(&self, input: &OutcomeInput<'_, '_>) -> SmallVec<[Stop; 4]> {
        let mut stops = self.stops(input);
        stops.sort_by_key(|stop| stop.start);
        // The first of the last group of overlapping stops.
        let mut first = 0;
        let mut until: Option<Time> = Some(Time::from_millis(i64::MIN));
        for (at, stop) in stops.iter().enumerate() {
            if until.is_some_and(|until| until <= stop.start) {
                (first, until) = (at, stop.end);
            } else {
                until = until.zip(stop.end).map(|(until, end)| until.max(end));
            }
        }
        stops.drain(..first);
        stops
    }

    fn stops(&self, input: &OutcomeInput<'_, '_>) -> SmallVec<[Stop; 4]> {
        let mut stops = SmallVec::new();
        for (index, leg) in self.legs.iter_enumerated().filter(|(_, leg)| leg.is_inbound()) {
            let LegStates { spans, end, .. } = &self.states[index];
            let owner = self.owners[index];
            let mailbox = spans.iter().find(|span| span.state == LegState::Voicemail);
            let fax = spans.iter().find(|span| span.state == LegState::Fax);
            stops.extend(mailbox.map(|span| Stop { start: span.start, end: *end, kind: StopKind::Mailbox }));
            stops.extend(fax.map(|span| Stop { start: span.start, end: *end, kind: StopKind::Fax }));
            let is_offer = self.visits.iter().any(|visit| visit.offered.contains(&index));
            let is_callers = owner.is_some() && owner == input.caller.person && !leg.rang()
                || self.rooms[leg.room].session.is_ring_out() && owner == input.caller.person;
            if self.kinds[index].is_person() && !is_offer && !is_callers && self.was_to_be_rung(index) {
                let end = mailbox.or(fax).map(|span| span.start).or(*end);
                stops.push(Stop { start: leg.start, end, kind: StopKind::Person(index) });
            }
        }
        for visit in &self.visits {
            if visit.offered.iter().any(|&leg| self.legs[leg].rang()) {
                let kind = StopKind::Queue(visit.outcome);
                stops.push(Stop { start: visit.enter, end: visit.leave, kind });
            }
        }
        stops
    }

    /// Whether a person was rung by a leg, or could not be: their phones are off, busy, or set to do not disturb.
    fn was_to_be_rung(&self, index: LegIdx) -> bool {
        let leg = &self.legs[index];
        if leg.rang() || leg.codes.has(Code::Answered) {
            return true;
        }
        let failed = matches!(
            self.end_reason(index),
            Some(
                Reason::NoAnswer
                    | Reason::Timeout
                    | Reason::TargetBusy
                    | Reason::Rejected
                    | Reason::InternalError
                    | Reason::NoSuchUser
            )
        );
        leg.missed || failed
    }

    /// The failure reason of the root's Inbound leg that ended last with one; else that of the caller's own leg.
    fn outcome_by_failure(&self) -> Outcome {
        let room = &self.rooms[self.root];
        let failure = |leg: LegIdx| outcome_of_failure(self.end_reason(leg)?);
        let failed = room.legs.clone().filter(|&leg| self.legs[leg].is_inbound() && failure(leg).is_some());
        let last = failed.max_by_key(|&leg| (self.states[leg].end, self.legs[leg].first_sequence));
        let by_callee = last.and_then(failure);
        let by_caller = || room.originator.and_then(failure);
        by_callee.or_else(by_caller).unwrap_or(Outcome::Cancelled)
    }
}

fn outcome_of_failure(reason: Reason) -> Option<Outcome> {
    Some(match reason {
        Reason::TargetBusy => Outcome::Busy,
        Reason::NoAnswer | Reason::Timeout => Outcome::NoAnswer,
        Reason::Rejected => Outcome::Rejected,
        Reason::InvalidNumber | Reason::NoSuchUser | Reason::InternalError => Outcome::Failed,
        Reason::InternationalDisabled | Reason::DestinationBlocked | Reason::NotEnoughFunds => {
            Outcome::Blocked
        }
        _ => return None,
    })
}
