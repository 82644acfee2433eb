//! A user's own outside telephone: it rings on behalf of the user, in addition to the desk phone or alone.
//!
//! RingCentral has published no notifications of find-me rules that ring a mobile number. It is a guess that
//! the outside leg appears in the session while the user's own leg rings, and that the user's leg ends
//! without a reason once the mobile is answered.

use super::{LegId, Pbx, State};
use crate::{account::User, id::ParticipantRef, log::Outcome};

impl Pbx<'_> {
    /// A user's mobile rings in addition to, or instead of, their other telephones. Returns the mobile's leg.
    pub(crate) fn ring_mobile(&mut self, leg: LegId, user: User) -> LegId {
        let session = self.legs[leg].session;
        let number = ParticipantRef::Number(user.mobile);
        self.log.record_mobile(session, number, ParticipantRef::Extension(user.extension));
        self.pass(200..600);
        let from = self.legs[leg].from.clone();
        let mobile = self.new_leg(
            session,
            Some(number),
            false,
            from,
            crate::notification::Contact::outside(user.mobile),
        );
        self.legs[mobile].visit = self.legs[leg].visit;
        self.legs[mobile].state = State::Ringing;
        self.rings(mobile);
        self.publish(mobile, crate::notification::Code::Proceeding);
        mobile
    }

    /// A user answers at their mobile; their other telephones stop ringing.
    pub(crate) fn answer_at_mobile(&mut self, mobile: LegId, leg: LegId) {
        self.answer(mobile);
        self.pass(10..60);
        match self.legs[leg].state {
            State::Ringing => self.stop_ringing(leg, Outcome::Cancelled, None),
            _ => self.release(leg, None),
        }
    }

    /// None of a user's telephones can be rung; the call continues without ringing.
    pub(crate) fn mark_unreachable(&mut self, leg: LegId) {
        self.log.record_unreachable(self.legs[leg].session, self.now);
    }

    /// The PBX gives up on a user who could not be rung; the caller hears that and hangs up.
    pub(crate) fn give_up_on(&mut self, leg: LegId, reason: Option<&'static str>) {
        self.legs[leg].missed = true;
        let session = self.legs[leg].session;
        self.release(leg, reason);
        self.pass(5..30);
        self.release_unused(self.sessions[session].mixer);
    }
}
