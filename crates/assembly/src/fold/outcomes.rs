//! The outcomes of legs.

use wholecall_notification::{Code, Reason};
use wholecall_record::call::{Kind, LegOutcome};

use super::{
    ids::{LegIdx, ParticipantIdx},
    spans::TimedCall,
};

impl TimedCall<'_> {
    /// The outcome of a leg. `None` while it is open.
    pub(super) fn leg_outcome(&self, index: LegIdx, caller: Option<ParticipantIdx>) -> Option<LegOutcome> {
        self.states[index].end?;
        let (leg, owner) = (&self.legs[index], self.owners[index]);
        let room = &self.rooms[leg.room];
        let asked_for_it = room.session.is_ring_out() && owner.is_some() && owner == caller;
        // Only a connected leg can hold the others, or leave by a link.
        let answered = [Code::Answered, Code::Hold, Code::Gone].iter().any(|code| leg.codes.has(*code))
            || self.links.iter().any(|link| link.removes_both_legs() && link.names(index));
        Some(match self.kinds[index] {
            Kind::Supervisor => LegOutcome::Monitoring,
            Kind::Proxy => LegOutcome::Routed,
            _ if room.originator == Some(index) || asked_for_it => LegOutcome::Originated,
            _ if leg.codes.has(Code::FaxReceive) => LegOutcome::Fax,
            _ if self.took_message(index) => LegOutcome::Voicemail,
            Kind::Queue | Kind::Menu | Kind::Router | Kind::Group | Kind::Machine
                if self.handed_on(index) =>
            {
                LegOutcome::Routed
            }
            Kind::Queue | Kind::Menu | Kind::Router | Kind::Group | Kind::Machine => {
                self.unanswered(index).unwrap_or(LegOutcome::Cancelled)
            }
            _ if answered => LegOutcome::Answered,
            _ => self.unanswered(index).unwrap_or(LegOutcome::Missed),
        })
    }

    /// Whether the leg ended in voicemail and not with a person.
    fn took_message(&self, leg: LegIdx) -> bool {
        let codes = self.legs[leg].codes;
        let taken = codes.has(Code::Voicemail) || codes.has(Code::VoicemailScreening);
        taken && !codes.has(Code::Answered) || self.end_reason(leg) == Some(Reason::Voicemail)
    }

    /// Whether a menu, a queue or a rule sent the call on, and was not hung up on.
    fn handed_on(&self, index: LegIdx) -> bool {
        let leg = &self.legs[index];
        let Some(at) = self.states[index].ended_by else { return true };
        let sequence = self.changes[at].event.sequence;
        let next = |other: LegIdx| other != index && self.legs[other].first_sequence >= sequence;
        match self.end_reason(index) {
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

    /// The outcome of a leg that was not answered, by its end reason or another leg's answer. `None` if neither shows
    /// it.
    fn unanswered(&self, index: LegIdx) -> Option<LegOutcome> {
        Some(match self.end_reason(index) {
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
            Some(Reason::AgentAnswered | Reason::AnsweredElsewhere) => LegOutcome::AnsweredElsewhere,
            _ if self.answered_elsewhere(index) => LegOutcome::AnsweredElsewhere,
            Some(Reason::Cancelled) => LegOutcome::Cancelled,
            None | Some(Reason::CallerDropped) if self.kinds[index] == Kind::External => {
                LegOutcome::Cancelled
            }
            _ => return None,
        })
    }

    /// Whether it was ringing when another leg of the session was first answered.
    fn answered_elsewhere(&self, index: LegIdx) -> bool {
        let leg = &self.legs[index];
        let answers = &self.answers[leg.room];
        let since = answers.partition_point(|(time, _)| *time < leg.start);
        let while_ringing = answers[since..]
            .iter()
            .take_while(|(time, _)| self.states[index].end.is_some_and(|end| *time <= end));
        while_ringing.into_iter().any(|(_, other)| *other != index)
    }
}
