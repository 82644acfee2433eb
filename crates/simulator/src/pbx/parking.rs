//! Parking: a caller waits in a slot until a user retrieves them, or until the slot rings back.
//!
//! A park is published by the parked party, usually the customer: `Parked` with reason `CallPark` and the
//! slot as `parkData`; the leg of the user who parked is `Disconnected`. The user who retrieves the call
//! dials the slot, and that session's leg is `Gone` with reason `Pickup` and the parked session as peer
//! (tylerlong/ringcentral-call-park-monitor). A park location has no number and no link; a new leg in the
//! same session takes the call (RingCentral's guide).

use compact_str::format_compact;

use crate::{
    account::User,
    id::ParticipantRef,
    notification::{Code, Contact},
};

use super::{LegId, Pbx, State};

impl Pbx<'_> {
    /// Parks the other person of a leg's call in a slot. Returns the parked leg.
    pub(crate) fn park(&mut self, leg: LegId) -> Option<LegId> {
        let slots = self.world.accounts[self.sessions[self.legs[leg].session].account].park_slots.clone();
        let slot = self.rng.u32(slots);
        self.park_in(leg, Some(slot), "CallPark")
    }

    /// Parks the other person of a leg's call at a location. Returns the parked leg.
    pub(crate) fn park_at_location(&mut self, leg: LegId) -> Option<LegId> {
        self.park_in(leg, None, "ParkLocation")
    }

    fn park_in(&mut self, leg: LegId, slot: Option<u32>, reason: &'static str) -> Option<LegId> {
        let parked = self.others(leg).into_iter().next()?;
        let session = self.legs[parked].session;
        if let Some(by) = self.legs[leg].who {
            self.log.record_move(session, "Park", self.now, by, None, Vec::new());
        }
        self.legs[parked].state = State::Parked;
        self.legs[parked].parked_at = slot;
        self.legs[parked].awaits_retrieval = true;
        self.log.start_parking(session, parked, self.now);
        self.audio.set_open(parked, false);
        self.publish_with_reason(parked, Code::Parked, reason);
        self.pass(8..20);
        self.release(leg, None);
        Some(parked)
    }

    /// A user retrieves a parked call by dialling its slot. Returns their leg.
    pub(crate) fn retrieve(&mut self, user: User, parked: LegId) -> LegId {
        let slot = self.legs[parked].parked_at.unwrap_or(801);
        let leg = self.dial(user, &format_compact!("*{slot}"));
        self.legs[leg].state = State::Up;
        self.pass(100..250);
        self.publish(leg, Code::Answered);
        self.pass(100..250);
        self.join_by_pickup(leg, parked, "Retrieve");
        self.unpark(parked);
        if self.chance(70) {
            self.publish(parked, Code::Answered);
        }
        leg
    }

    /// Links a person's own session to that of `peer`; the person stays on the line in their own.
    pub(super) fn join_by_pickup(&mut self, leg: LegId, peer: LegId, kind: &'static str) {
        let (own, taken) = (self.legs[leg].session, self.legs[peer].session);
        if let Some(by) = self.legs[leg].who {
            self.log.record_move(taken, kind, self.now, by, Some(by), Vec::new());
            if let Some(visit) = self.legs[peer].visit.filter(|_| kind == "Pickup") {
                self.log.end_visit(visit, "Answered", Some(by));
            }
            self.log.record_join(taken, leg, by, self.now);
        }
        // A star code was dialled, whatever its session leads to.
        self.log.record_no_extension(own);
        self.log.join_calls(taken, own);
        self.audio.connect(self.sessions[own].mixer, self.sessions[taken].mixer);
        self.publish_gone(leg, Some("Pickup"), peer);
        self.legs[leg].state = State::Up;
    }

    /// Ends the parking of the parties of a session, because the call reaches its next stop.
    pub(super) fn end_parking_in(&mut self, session: usize) {
        for leg in 0..self.legs.len() {
            if self.legs[leg].session == session && self.legs[leg].awaits_retrieval {
                self.legs[leg].awaits_retrieval = false;
                self.log.end_parking(leg, self.now);
            }
        }
    }

    fn unpark(&mut self, parked: LegId) {
        self.log.end_parking(parked, self.now);
        self.legs[parked].awaits_retrieval = false;
        self.legs[parked].state = State::Up;
        self.legs[parked].parked_at = None;
        self.audio.set_open(parked, true);
    }

    /// A user takes a call from a park location. Returns their leg. Not a `Retrieve`, which in a record needs
    /// a link.
    pub(crate) fn retrieve_at_location(&mut self, user: User, parked: LegId) -> LegId {
        let leg = self.take_in_session(parked, user);
        self.unpark(parked);
        leg
    }

    /// An unretrieved call rings back at the user who parked it, who answers. Returns their leg.
    pub(crate) fn ring_back(&mut self, user: User, parked: LegId) -> LegId {
        let session = self.legs[parked].session;
        let from = self.shown(parked);
        let leg = self.ring_as(session, user, from, user.inside());
        self.wait(2..12);
        self.unpark(parked);
        self.answer(leg);
        leg
    }

    /// Adds a leg to the session of another, answered without ringing.
    pub(super) fn take_in_session(&mut self, other: LegId, user: User) -> LegId {
        let session = self.legs[other].session;
        let from = self.shown(other);
        let who = ParticipantRef::Extension(user.extension);
        let leg = self.new_leg(session, Some(who), false, from, user.outside());
        self.legs[leg].state = State::Up;
        self.log.record_join(session, leg, who, self.now);
        self.audio.plug(leg, who, self.sessions[session].mixer);
        self.publish(leg, Code::Answered);
        leg
    }

    pub(super) fn shown(&self, leg: LegId) -> Option<Contact> {
        let leg = &self.legs[leg];
        if leg.outbound { leg.from.clone() } else { Some(leg.to.clone()) }
    }
}
