//! When a call is over without a notification that says so.

use wholecall_notification::Reason;
use wholecall_record::{
    SessionId,
    call::{Kind, LegState, MoveKind},
};

use super::{
    ids::LegIdx,
    inferred_presence::InferredPresence,
    legs::{Leg, Room},
    pipeline::Fold,
};

/// How long a live call may be idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdleTimeout {
    /// One of several legs is open: the notification of its end was probably lost.
    Short,
    /// People may talk for hours without a notification.
    Long,
}

impl Fold<'_> {
    /// How long the call may be idle before it is closed as incomplete.
    pub(crate) fn idle_timeout(&self) -> IdleTimeout {
        let is_there = |leg: &Leg<'_>| self.rooms[leg.room].session.is_seen_connected(&leg.party);
        match self.sole_open_leg() {
            Some(last) if !is_there(&self.legs[last]) => IdleTimeout::Short,
            _ => IdleTimeout::Long,
        }
    }

    /// The only open leg of several, if nothing is known that it could wait for.
    fn sole_open_leg(&self) -> Option<LegIdx> {
        let mut open = self.open_legs();
        let (Some(last), None) = (open.next(), open.next()) else { return None };
        let several = self.kinds.iter().filter(|kind| **kind != Kind::Proxy).count() > 1;
        // An inferred party that is connected can be talked to.
        let has_partner =
            self.inferred_presences.iter().any(InferredPresence::is_still_present) || self.is_one_sided(last);
        let waits = has_partner || self.waits_in_service(last) || self.leads_to_unseen_leg();
        (several && !waits).then_some(last)
    }

    /// Whether only the owner's legs of a leg's session were observed, and no link shows more: the other party may be
    /// there as long as they are.
    fn is_one_sided(&self, leg: LegIdx) -> bool {
        let (room, owner) = (self.legs[leg].room, self.owners[leg]);
        !self.is_linked(room) && self.rooms[room].legs.clone().all(|other| self.owners[other] == owner)
    }

    /// Whether the call waits in a menu, a queue, voicemail or park.
    fn waits_in_service(&self, last: LegIdx) -> bool {
        let (leg, kind) = (&self.legs[last], self.kinds[last]);
        let state = self.states[last].spans.last().map(|span| span.state);
        if !kind.is_person() && self.talks_from(last).is_none() && kind != Kind::Supervisor {
            return true;
        }
        if matches!(state, Some(LegState::Voicemail | LegState::Parked)) {
            return true;
        }
        // The machine that had the caller last has ended: it sent the call on to a leg that was not observed yet.
        let others =
            self.rooms[leg.room].legs.clone().filter(|&other| other != last && !self.legs[other].supervises);
        let latest =
            others.max_by_key(|&other| self.states[other].ended_by.map(|at| self.changes[at].event.sequence));
        latest.is_some_and(|other| {
            let kind = self.kinds[other];
            let machine =
                matches!(kind, Kind::Menu | Kind::Queue | Kind::Router | Kind::Group | Kind::Machine);
            machine && self.end_reason(other) != Some(Reason::CallerDropped)
        })
    }

    /// Whether a link or a move leads to a leg that was not observed.
    fn leads_to_unseen_leg(&self) -> bool {
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
        by_link || self.moves.iter().any(|found| moved_on(found.kind) && found.target.is_none())
    }

    /// Whether a notification of the call may be outstanding: a session has a gap in its sequence, or is known only
    /// from a link.
    pub(crate) fn has_gaps(&self) -> bool {
        self.rooms.iter().any(Room::has_gap)
    }

    /// Sessions of an idle call that seem to lack notifications: those with a gap, and the one with the only open
    /// leg.
    pub(crate) fn sessions_with_missing_events(&self) -> Vec<SessionId> {
        let last = self.sole_open_leg().map(|leg| self.legs[leg].room);
        let rooms = self.rooms.iter_enumerated().filter(|(index, room)| {
            // After an answer, another lookup adds nothing about a gap.
            let has_gap = room.session.lookups().is_empty() && room.has_gap();
            has_gap || last == Some(*index)
        });
        rooms.map(|(_, room)| room.session.id.clone()).collect()
    }
}

impl Room<'_> {
    /// Whether the session has a gap in its sequence, or is known only from a link.
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
