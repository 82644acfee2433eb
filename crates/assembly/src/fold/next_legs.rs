//! Which leg has the call after another.

use wholecall_notification::{Code, Reason};
use wholecall_record::{
    Time,
    call::{Kind, MoveKind},
};

use super::{
    ids::{ChangeIdx, LegIdx},
    legs::{Leg, ObservedCall},
    spans::TimedCall,
};

impl ObservedCall<'_> {
    fn answered_before(&self, leg: LegIdx, time: Time) -> bool {
        self.changes_of(leg).iter().any(|change| change.is_answer() && change.time <= time)
    }
}

impl TimedCall<'_> {
    /// How a change hands the call on: a person transfers it, or a rule forwards it.
    pub(super) fn hand_on_kind(&self, leg: LegIdx, at: ChangeIdx) -> Option<MoveKind> {
        let change = &self.changes[at];
        if change.event.status.code != Some(Code::Disconnected) {
            return None;
        }
        match change.event.status.reason? {
            Reason::BlindTransfer | Reason::RccTransfer | Reason::DtmfTransfer => {
                let is_person = self.is_person(self.owners[leg]) || self.talks_at(leg, change.time);
                is_person.then_some(MoveKind::BlindTransfer)
            }
            // A user's leg that a rule forwarded at once looks like a router's; a queue or a menu makes no move.
            Reason::CallRedirected => {
                let hands_on =
                    matches!(self.kinds[leg], Kind::Queue | Kind::Menu | Kind::Machine | Kind::Group);
                (!hands_on).then_some(MoveKind::Forward)
            }
            _ => None,
        }
    }

    /// The first leg of the session that began after a change; if there is none, the latest one that began before it
    /// and was not answered yet.
    pub(super) fn next_leg(&self, leg: LegIdx, at: ChangeIdx) -> Option<LegIdx> {
        let sequence = self.changes[at].event.sequence;
        let time = self.changes[at].time;
        let legs = self.rooms[self.legs[leg].room].legs.clone();
        // Legs are in order of their first change; one notification may end one leg and begin another.
        let is_earlier = |leg: &Leg<'_>| leg.first_sequence < sequence;
        let later = self.legs[&legs].partition_point(is_earlier);
        let counts = |&other: &LegIdx| {
            other != leg && !self.legs[other].supervises && self.kinds[other] != Kind::Proxy
        };
        let unanswered = |&other: &LegIdx| {
            let is_open = self.states[other].end.is_none_or(|end| end > time);
            self.legs[other].is_inbound() && !self.answered_before(other, time) && is_open
        };
        let (earlier, mut later) = legs.split_at(later);
        later.find(counts).or_else(|| earlier.rev().filter(counts).find(unanswered))
    }

    /// The latest leg: the one that the call was flipped to rings before the old one ends.
    pub(super) fn flipped_to(&self, leg: LegIdx, at: ChangeIdx) -> Option<LegIdx> {
        let sequence = self.changes[at].event.sequence;
        let mut earlier = self.rooms[self.legs[leg].room].legs.clone().filter(|&other| {
            let other = &self.legs[other];
            other.first_sequence < sequence && !other.supervises
        });
        earlier.next_back().filter(|&latest| latest != leg).or_else(|| self.next_leg(leg, at))
    }

    /// The leg that took a call from one that rang. It is answered without ringing, and may begin before all ringing
    /// legs have been reported.
    pub(super) fn taker(&self, leg: LegIdx, at: ChangeIdx) -> Option<LegIdx> {
        let (first, sequence) = (self.legs[leg].first_sequence, self.changes[at].event.sequence);
        let taken_already = |&index: &LegIdx| {
            let other = &self.legs[index];
            (first..sequence).contains(&other.first_sequence)
                && !other.rang()
                && !other.supervises
                && self.kinds[index].is_person()
                && self.answered_before(index, self.changes[at].time)
        };
        let legs = self.rooms[self.legs[leg].room].legs.clone();
        let next = self.next_leg(leg, at);
        let began_after = |next: &LegIdx| self.legs[*next].first_sequence >= sequence;
        next.filter(began_after).or_else(|| legs.rev().find(taken_already)).or(next)
    }

    /// The legs to which a transfer or a forward leads.
    pub(super) fn legs_moved_to(&self) -> Vec<LegIdx> {
        let mut legs = Vec::new();
        for leg in self.legs.indices() {
            for at in self.legs[leg].changes.clone() {
                if let Some(MoveKind::BlindTransfer | MoveKind::Forward) = self.hand_on_kind(leg, at) {
                    legs.extend(self.next_leg(leg, at));
                }
            }
        }
        legs
    }
}
