//! When a call is over although nobody said so.

use wholecall_notification::Reason;
use wholecall_record::{
    SessionId,
    call::{Kind, LegState, MoveKind},
};

use super::{
    Fold,
    implied::Implied,
    legs::{Leg, Room},
};

/// How long a live call may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// One leg of several is left: its end was probably lost.
    Short,
    /// People may talk for hours without a notification.
    Long,
}

impl Fold<'_> {
    /// How long the call may be silent before it is given up.
    pub(crate) fn patience(&self) -> Patience {
        let is_there = |leg: &Leg<'_>| self.rooms[leg.room].session.is_seen_alive(&leg.party);
        match self.left_alone() {
            Some(last) if !is_there(&self.legs[last]) => Patience::Short,
            _ => Patience::Long,
        }
    }

    /// The only leg of several that has not ended, where nothing it could be waiting for is known.
    fn left_alone(&self) -> Option<usize> {
        let mut open = self.open_legs().map(|(index, _)| index);
        let (Some(last), None) = (open.next(), open.next()) else { return None };
        let several = self.legs.iter().filter(|leg| leg.kind != Kind::Proxy).count() > 1;
        // An implied person on the line is somebody to talk to.
        let talks = self.implied.iter().any(Implied::is_there_still) || self.is_one_sided(last);
        let waits = talks || self.is_in_a_machine(last) || self.leads_to_the_unseen();
        (several && !waits).then_some(last)
    }

    /// Whether of a leg's session only its owner's legs were seen, and no link shows more: whoever they talk to may be
    /// there as long as they are.
    fn is_one_sided(&self, leg: usize) -> bool {
        let (room, owner) = (self.legs[leg].room, self.legs[leg].person);
        let is_linked = self.links.iter().any(|link| link.ends().iter().any(|end| end.room == room));
        !is_linked && self.rooms[room].legs.clone().all(|other| self.legs[other].person == owner)
    }

    /// Whether the call waits in a menu, a queue, voicemail or park.
    fn is_in_a_machine(&self, last: usize) -> bool {
        let leg = &self.legs[last];
        let state = leg.spans.last().map(|span| span.state);
        if !leg.kind.is_person() && leg.talks_from.is_none() && leg.kind != Kind::Supervisor {
            return true;
        }
        if matches!(state, Some(LegState::Voicemail | LegState::Parked)) {
            return true;
        }
        // The machine that had the caller last has ended: it sent the call on to somebody not seen yet.
        let others =
            self.rooms[leg.room].legs.clone().filter(|&other| other != last && !self.legs[other].supervises);
        let latest =
            others.max_by_key(|&other| self.legs[other].ended_by.map(|at| self.changes[at].event.sequence));
        latest.is_some_and(|other| {
            let kind = self.legs[other].kind;
            let machine =
                matches!(kind, Kind::Menu | Kind::Queue | Kind::Router | Kind::Group | Kind::Machine);
            machine && self.end_reason(&self.legs[other]) != Some(Reason::CallerDropped)
        })
    }

    /// Whether a link or a move leads to a leg that was never seen.
    fn leads_to_the_unseen(&self) -> bool {
        let by_link =
            self.links.iter().any(|link| link.joins() && link.ends().iter().any(|end| end.leg.is_none()));
        let moved_on = |kind| {
            matches!(
                kind,
                MoveKind::BlindTransfer
                    | MoveKind::Forward
                    | MoveKind::AttendedTransfer
                    | MoveKind::Transfer
                    | MoveKind::Pickup
                    | MoveKind::Flip
            )
        };
        by_link || self.find_moves().iter().any(|step| moved_on(step.kind) && step.target.is_none())
    }

    /// Whether something of the call may still be on its way: a gap in a session's order, or a session that
    /// only a link names.
    pub(crate) fn has_gaps(&self) -> bool {
        self.rooms.iter().any(Room::has_gap)
    }

    /// Sessions of a call that has been silent for a while of which notifications seem to be lost: those with a gap, and
    /// the one whose last leg has not ended.
    pub(crate) fn seem_lost(&self) -> Vec<SessionId> {
        let last = self.left_alone().map(|leg| self.legs[leg].room);
        let rooms = self.rooms.iter().enumerate().filter(|(index, room)| {
            // Once there is an answer, asking again tells no more of a gap.
            let has_gap = room.session.reports().is_empty() && room.has_gap();
            has_gap || last == Some(*index)
        });
        rooms.map(|(_, room)| room.session.id.clone()).collect()
    }
}

impl Room<'_> {
    /// Whether a session's order has a gap, or only a link names the session.
    fn has_gap(&self) -> bool {
        let mut last = 1;
        let mut gap = self.start.is_none();
        for event in self.session.events() {
            gap |= event.sequence > last + 1;
            last = last.max(event.sequence);
        }
        gap
    }
}
