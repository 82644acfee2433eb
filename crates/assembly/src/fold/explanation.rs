//! The explanation of a call: what each notification reports and what follows from it.

use wholecall_notification::{Code, Reason};
use wholecall_record::ShortText;
use wholecall_record::{
    Call, ParticipantId,
    call::{Kind, LegOutcome, LinkKind, MoveKind},
    explanation::{Explanation, Fact, LegChange, RuleId, SessionRef, Step},
};

use super::{
    ids::{ChangeIdx, LegIdx, SessionIdx},
    input::RecordStatus,
    legs::Change,
    pipeline::Fold,
};
use crate::index::{Idx, IdxRange};

/// The order of steps at one time: first the notifications, then what follows from them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Notification,
    Move,
    Conversation,
}

impl Fold<'_> {
    /// The explanation of the call.
    pub(crate) fn explanation(&self, status: RecordStatus) -> Explanation {
        let call = self.record(status);
        let mut steps: Vec<(Rank, usize, Step)> = Vec::new();
        let mut order: Vec<ChangeIdx> = self.changes.indices().collect();
        order.sort_by(|x, y| self.order_of_changes(*x, *y));
        for (place, at) in order.into_iter().enumerate() {
            steps.push((Rank::Notification, place, self.change_step(&call, at)));
        }
        for (place, (step, record)) in self.moves.iter().zip(&call.moves).enumerate() {
            let step = Step {
                time: step.time,
                fact: Fact::Move(place),
                rule: Some(rule_of_move(record.kind)),
                inferred: false,
                evidence: record.evidence.clone(),
            };
            steps.push((Rank::Move, place, step));
        }
        for (place, talk) in call.conversations.iter().enumerate() {
            let step = Step {
                time: talk.start_time,
                fact: Fact::Conversation(place),
                rule: Some(RuleId::ConnectedPartiesHearEachOther),
                inferred: true,
                evidence: Vec::new(),
            };
            steps.push((Rank::Conversation, place, step));
        }
        steps.sort_by_key(|(rank, place, step)| (step.time, *rank, *place));
        Explanation {
            steps: steps.into_iter().map(|(.., step)| step).collect(),
            conclusions: self.conclusions(&call),
            call,
        }
    }

    /// The step for one change of one leg.
    fn change_step(&self, call: &Call, at: ChangeIdx) -> Step {
        let leg = self.leg_of_change(at);
        let (change, rule) = self.leg_change(call, leg, at);
        Step {
            time: self.changes[at].time,
            fact: Fact::LegChanged { participant: self.participant_of(call, leg), change },
            rule,
            inferred: false,
            evidence: self.evidence(&[at]),
        }
    }

    fn leg_change(&self, call: &Call, leg: LegIdx, at: ChangeIdx) -> (LegChange, Option<RuleId>) {
        let status = &self.changes[at].event.status;
        let change = match status.code {
            None | Some(Code::Other) => {
                let code = status.code_word().map(ShortText::from);
                return (LegChange::UnknownCode { code }, Some(RuleId::UnknownCode));
            }
            Some(Code::Setup) => self.leg_setup(leg),
            Some(Code::Proceeding) => match self.offering_queue(leg) {
                Some(queue) => {
                    LegChange::Rings { offered_by: Some(call.participants[queue.get()].id.clone()) }
                }
                None if self.rooms[self.legs[leg].room].originator == Some(leg) => LegChange::WaitsForFarEnd,
                None => LegChange::Rings { offered_by: None },
            },
            Some(Code::Answered) => return self.answered(leg, at),
            Some(Code::Hold) => LegChange::PutsOthersOnHold,
            Some(Code::Parked) => LegChange::Parked { location: status.park().map(ShortText::from) },
            Some(Code::Voicemail) => LegChange::VoicemailTakesCall,
            Some(Code::VoicemailScreening) => LegChange::ScreensVoicemail,
            Some(Code::FaxReceive) => LegChange::ReceivesFax,
            Some(Code::Gone) => return self.gone(leg, at),
            Some(Code::Disconnected) => return self.disconnected(leg, at),
        };
        (change, None)
    }

    /// The participant of a leg; `None` for a conference bridge's own leg.
    pub(super) fn participant_of(&self, call: &Call, leg: LegIdx) -> Option<ParticipantId> {
        self.owners[leg].map(|person| call.participants[person.get()].id.clone())
    }

    fn leg_setup(&self, leg: LegIdx) -> LegChange {
        let room = &self.rooms[self.legs[leg].room];
        let number = || self.legs[leg].description.to.number.map(ShortText::from);
        let is_originator = room.originator == Some(leg);
        match self.kinds[leg] {
            Kind::Supervisor => LegChange::DialsInToListen,
            Kind::Proxy => LegChange::BridgeLegCreated,
            Kind::Queue => LegChange::EntersQueue,
            Kind::Menu => LegChange::MenuTakesCall,
            Kind::Router => LegChange::RouterTakesCall,
            _ if is_originator && self.legs[leg].room == self.root => LegChange::Calls { number: number() },
            _ if is_originator => LegChange::DialsInOwnSession { number: number() },
            _ if room.is_conference => LegChange::OpensConference,
            _ if self.legs[leg].is_inbound() => LegChange::CallArrives,
            _ => LegChange::JoinsWithoutOrigin,
        }
    }

    fn before(&self, leg: LegIdx, at: ChangeIdx) -> Option<&Change<'_>> {
        let earlier = &self.changes[&IdxRange::new(self.legs[leg].changes.start(), at)];
        earlier.iter().rfind(|change| !matches!(change.event.status.code, None | Some(Code::Other)))
    }

    fn answered(&self, leg: LegIdx, at: ChangeIdx) -> (LegChange, Option<RuleId>) {
        let room = &self.rooms[self.legs[leg].room];
        let before = self.before(leg, at).and_then(|change| change.event.status.code);
        let is_first = self.first_answer(leg) == Some(self.changes[at].time);
        let is_originator = room.originator == Some(leg);
        match before {
            Some(Code::Hold) => (LegChange::TakesOthersOffHold, None),
            Some(Code::Parked) => (LegChange::RetrievedFromPark, None),
            Some(Code::Gone) => (LegChange::ReturnsToSession, Some(RuleId::GoneIsNotTheEnd)),
            _ if self.kinds[leg] == Kind::Supervisor => (LegChange::ListensInSession, None),
            Some(Code::Answered) => (LegChange::ConnectedAgain, Some(RuleId::RepeatedAnswered)),
            _ if is_originator && is_first && self.others_answered(leg, at) => {
                (LegChange::ConnectedToo, None)
            }
            _ if is_originator && is_first => (LegChange::PlatformTookCall, Some(RuleId::CallersOwnAnswered)),
            _ if room.is_conference => (LegChange::EntersBridge, None),
            _ => (LegChange::Answers, None),
        }
    }

    /// Whether another leg of the session was answered before.
    fn others_answered(&self, leg: LegIdx, at: ChangeIdx) -> bool {
        let time = self.changes[at].time;
        let mut others =
            self.legs.indices().filter(|&other| other != leg && self.legs[other].room == self.legs[leg].room);
        others.any(|other| self.first_answer(other).is_some_and(|answered| answered <= time))
    }

    fn gone(&self, leg: LegIdx, at: ChangeIdx) -> (LegChange, Option<RuleId>) {
        let Some(link) = self.links.iter().find(|link| link.proof.contains(&at)) else {
            return (LegChange::LeavesForUnnamedSession, Some(RuleId::GoneWithoutPeer));
        };
        let (near, far) = if link.a.leg == Some(leg) { (&link.a, &link.b) } else { (&link.b, &link.a) };
        let (here, there) = (self.session_ref(near.room), self.session_ref(far.room));
        match link.kind {
            LinkKind::AttendedTransfer | LinkKind::Transfer => {
                (LegChange::JoinsSessionsAndLeaves { here, there }, Some(RuleId::GoneNamesOtherLeg))
            }
            LinkKind::Conference => {
                let change = match self.bridge_of(link).room == far.room {
                    true => LegChange::JoinsSessionToBridge { here, bridge: there },
                    false => LegChange::BridgeJoinedTo { there },
                };
                (change, Some(RuleId::ConferenceBridge))
            }
            LinkKind::Pickup => (LegChange::ComesIntoSession { there }, Some(RuleId::PickupComesIn)),
            LinkKind::Supervising => {
                (LegChange::ListensToSession { there }, Some(RuleId::SupervisorJoinsNothing))
            }
            LinkKind::TakeOver => (LegChange::TakesOverInSession { there }, None),
        }
    }

    pub(super) fn session_ref(&self, room: SessionIdx) -> SessionRef {
        let room = &self.rooms[room];
        SessionRef { id: room.session.id.clone(), is_seen: room.start.is_some() }
    }

    fn disconnected(&self, leg: LegIdx, at: ChangeIdx) -> (LegChange, Option<RuleId>) {
        let status = &self.changes[at].event.status;
        let before = self.before(leg, at).and_then(|change| change.event.status.code);
        if self.states[leg].end.is_some_and(|end| end < self.changes[at].time)
            || before == Some(Code::Disconnected)
        {
            return (LegChange::ClosedAfterLeaving, None);
        }
        let reason = status.reason_word().map(ShortText::from);
        let is_handed_on = || self.leg_outcome(leg, None) == Some(LegOutcome::Routed);
        let change = match (self.kinds[leg], status.reason) {
            (Kind::Router | Kind::Menu | Kind::Queue, Some(Reason::CallerDropped)) => {
                LegChange::CallEndsMeanwhile { reason }
            }
            (Kind::Router | Kind::Menu | Kind::Queue, _) if is_handed_on() => {
                return (LegChange::HandsCallOn { reason }, Some(RuleId::HandedOn));
            }
            (_, Some(Reason::BlindTransfer | Reason::RccTransfer | Reason::DtmfTransfer)) => {
                LegChange::SendsCallOn { reason }
            }
            (Kind::Supervisor, _) => LegChange::StopsListening { reason },
            (Kind::Proxy, _) => LegChange::BridgeLegEnds,
            _ if before == Some(Code::Proceeding) => LegChange::StopsRinging { reason },
            _ => LegChange::Leaves { reason },
        };
        (change, None)
    }
}

fn rule_of_move(kind: MoveKind) -> RuleId {
    match kind {
        MoveKind::AttendedTransfer => RuleId::AttendedTransfer,
        MoveKind::BlindTransfer => RuleId::BlindTransfer,
        MoveKind::Transfer => RuleId::Transfer,
        MoveKind::Conference => RuleId::Conference,
        MoveKind::Park => RuleId::Park,
        MoveKind::Retrieve => RuleId::Retrieve,
        MoveKind::Pickup => RuleId::Pickup,
        MoveKind::Forward => RuleId::Forward,
        MoveKind::Switch => RuleId::Switch,
        MoveKind::Flip => RuleId::Flip,
        MoveKind::TakeOver => RuleId::TakeOver,
    }
}
