//! Switching between devices of a user, and calls that ring at one user and are taken by another.
//!
//! A switch ends the leg with `CallSwitch`; the user's next leg is `Outbound` even in an inbound call
//! (ringcentral-js-widgets). A flip goes to another number. A pickup ends the ringing leg with `Pickup`
//! (RingCentral's guide); a user who dials a pickup code has a session of their own.

use compact_str::format_compact;

use crate::{
    account::User,
    id::ParticipantRef,
    log::Outcome,
    notification::{Code, Contact},
};

use super::{LegId, Pbx, State};

impl Pbx<'_> {
    /// A user continues on another device. Returns the new leg.
    pub(crate) fn switch(&mut self, leg: LegId) -> Option<LegId> {
        let user = self.user_of(leg)?;
        let session = self.legs[leg].session;
        let who = ParticipantRef::Extension(user.extension);
        let remote = match self.legs[leg].outbound {
            true => self.legs[leg].to.clone(),
            false => self.legs[leg].from.clone().unwrap_or(Contact::number("anonymous".into())),
        };
        self.log.record_move(session, "Switch", self.now, who, Some(who), Vec::new());
        self.release(leg, Some("CallSwitch"));
        self.pass(10..30);
        let from = user.outside().with_device(user.app);
        let next = self.new_leg(session, Some(who), true, Some(from), remote);
        self.legs[next].state = State::Up;
        self.log.record_join(session, next, who, self.now);
        self.audio.plug(next, who, self.sessions[session].mixer);
        self.publish(next, Code::Answered);
        Some(next)
    }

    /// A user flips the call to their mobile number. Returns the new leg.
    pub(crate) fn flip(&mut self, leg: LegId) -> Option<LegId> {
        let user = self.user_of(leg)?;
        let session = self.legs[leg].session;
        self.hold(leg);
        self.log.record_mobile(
            session,
            ParticipantRef::Number(user.mobile),
            ParticipantRef::Extension(user.extension),
        );
        let next = self.ring_outside(session, user.mobile);
        self.legs[next].from = self.others(leg).first().and_then(|&other| self.shown(other));
        self.wait(2..8);
        self.answer(next);
        self.pass(200..2500);
        let target = ParticipantRef::Number(user.mobile);
        let who = ParticipantRef::Extension(user.extension);
        self.log.record_move(session, "Flip", self.now, who, Some(target), Vec::new());
        self.release(leg, Some("CallFlip"));
        Some(next)
    }

    /// A user picks up a call that rings at another, by a key. Returns their leg.
    pub(crate) fn pick_up(&mut self, user: User, ringing: LegId) -> Option<LegId> {
        let session = self.legs[ringing].session;
        let caller = self.sessions[session].originator?;
        let who = ParticipantRef::Extension(user.extension);
        self.log.record_move(session, "Pickup", self.now, who, Some(who), Vec::new());
        if let Some(visit) = self.legs[ringing].visit {
            self.log.end_visit(visit, "Answered", Some(who));
        }
        self.stop_ringing(ringing, Outcome::PickedUp, Some("Pickup"));
        self.pass(10..25);
        Some(self.take_in_session(caller, user))
    }

    /// A user picks up a call that rings at another, by dialling a code. Returns their leg.
    pub(crate) fn dial_pick_up(&mut self, user: User, ringing: LegId) -> LegId {
        let number = self.user_of(ringing).map_or(101, |user| user.number);
        let leg = self.dial(user, &format_compact!("*3{number}"));
        self.legs[leg].state = State::Up;
        self.pass(60..150);
        self.publish(leg, Code::Answered);
        self.pass(60..150);
        self.join_by_pickup(leg, ringing, "Pickup");
        self.stop_ringing(ringing, Outcome::PickedUp, Some("Pickup"));
        leg
    }

    /// A user's rule forwards a call to an outside number. Returns the leg that rings there.
    pub(crate) fn forward(&mut self, leg: LegId, number: u64) -> LegId {
        let session = self.legs[leg].session;
        if let Some(by) = self.legs[leg].who {
            let moved = self.people_with(leg);
            self.log.record_move(
                session,
                "Forward",
                self.now,
                by,
                Some(ParticipantRef::Number(number)),
                moved,
            );
        }
        match self.legs[leg].state {
            State::Ringing => self.stop_ringing(leg, Outcome::Redirected, Some("CallRedirected")),
            _ => self.release(leg, Some("CallRedirected")),
        }
        self.pass(3..20);
        self.ring_outside(session, number)
    }

    /// Marks that a user answered their own call.
    pub(crate) fn mark_self_answer(&mut self, leg: LegId) {
        self.log.record_self_answer(self.legs[leg].session);
    }
}
