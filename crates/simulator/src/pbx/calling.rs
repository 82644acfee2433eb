//! Dialling, ringing, answering, holding, recording.
//!
//! The order of codes is that of the public streams (dibyenduroy/csn-data). In a call to an extension, the
//! caller's leg is `Answered` as soon as the platform takes the call, before anything rings. In a call to the
//! public network, the far leg has no `Setup`, and the caller's `Answered` follows that of the far leg.

use compact_str::{CompactString, format_compact};

use crate::{
    account::{User, e164},
    id::ParticipantRef,
    log::{Outcome, Placement},
    notification::{Code, Contact, Origin, Role, Status},
};

use super::{LegId, Pbx, State};

/// Caller names that the public network provides.
const CALLER_NAMES: [&str; 6] =
    ["WIRELESS CALLER", "ATLANTA GA", "SMITH JOHN", "NEW YORK NY", "ACME CORP", "TOLL FREE CALL"];

impl Pbx<'_> {
    /// An outside caller dials a number of an account; anonymously if `caller` is `None`.
    pub(crate) fn dial_in(&mut self, account: usize, caller: Option<u64>, number: u64) -> LegId {
        let session = self.open_session(account, Origin::Call, &e164(number));
        let id = self.sessions[session].id;
        let who = caller.map_or(ParticipantRef::Anonymous(id), ParticipantRef::Number);
        let leg = self.new_leg(
            session,
            Some(who),
            true,
            caller.map(Contact::outside),
            Contact::number(e164(number)),
        );
        self.originate(leg, who)
    }

    /// The call ends at a number of the account before an extension is found for it.
    pub(crate) fn mark_no_extension(&mut self, caller: LegId, number: u64) {
        let session = self.legs[caller].session;
        self.log.add_ignorable(session, ParticipantRef::Number(number));
        let users = &self.world.accounts[self.sessions[session].account].users;
        if let Some(owner) = users.iter().find(|user| user.direct_number == number) {
            self.log.add_ignorable(session, ParticipantRef::Extension(owner.extension));
        }
    }

    /// The account refuses a call.
    pub(crate) fn refuse(&mut self, caller: LegId, reason: &'static str) {
        self.release(caller, Some(reason));
    }

    /// A far party answers of which the platform publishes nothing.
    pub(crate) fn answer_unseen(&mut self, caller: LegId, number: u64) {
        let session = self.legs[caller].session;
        let who = ParticipantRef::Number(number);
        let leg = self.new_leg(session, Some(who), false, None, Contact::outside(number));
        self.legs[leg].is_published = false;
        self.legs[leg].state = State::Up;
        self.legs[caller].state = State::Up;
        self.log.record_target(session, who);
        self.log.record_join(session, leg, who, self.now);
        self.audio.plug(leg, who, self.sessions[session].mixer);
        self.publish(caller, Code::Answered);
    }

    /// Marks two sessions as the halves of one call over the public network.
    pub(crate) fn mark_hairpin(&mut self, out: usize, back: usize) {
        self.log.record_hairpin(out, back);
    }

    /// Marks a session as ending without showing its callee.
    pub(crate) fn hide_callee(&mut self, leg: LegId) {
        self.log.mark_callee_hidden(self.legs[leg].session);
    }

    /// Gives two sessions the same legacy id. Nothing of the later one may have been published yet.
    pub(crate) fn share_legacy_id(&mut self, session: usize, other: usize) {
        self.sessions[other].legacy = self.sessions[session].legacy;
    }

    /// A user dials.
    pub(crate) fn dial(&mut self, user: User, number: &str) -> LegId {
        self.dial_from(user, number, Origin::Call)
    }

    /// A user, or a program on their behalf, places a call.
    pub(crate) fn dial_from(&mut self, user: User, number: &str, origin: Origin) -> LegId {
        let account = self.account_of(user);
        let session = self.open_session(account, origin, number);
        let device = if self.chance(50) { user.desk_phone } else { user.app };
        let from = user.outside().with_device(device);
        let who = ParticipantRef::Extension(user.extension);
        let leg = self.new_leg(session, Some(who), true, Some(from), Contact::number(number.into()));
        self.originate(leg, who)
    }

    fn originate(&mut self, leg: LegId, who: ParticipantRef) -> LegId {
        let session = self.legs[leg].session;
        self.sessions[session].originator = Some(leg);
        let account = self.world.accounts[self.sessions[session].account].id;
        let placement = if self.sessions[session].number.starts_with('+') {
            Placement::Outside
        } else {
            Placement::Inside
        };
        self.log.record_dial(self.sessions[session].id, account, who, placement, self.now);
        self.audio.plug(leg, who, self.sessions[session].mixer);
        self.publish(leg, Code::Setup);
        leg
    }

    /// A machine of the account dials: no person is on its line.
    pub(super) fn originate_machine(&mut self, leg: LegId, who: ParticipantRef) {
        let session = self.legs[leg].session;
        self.sessions[session].originator = Some(leg);
        let account = self.world.accounts[self.sessions[session].account].id;
        self.log.record_dial(self.sessions[session].id, account, who, Placement::Outside, self.now);
        self.publish(leg, Code::Setup);
    }

    pub(super) fn account_of(&self, user: User) -> usize {
        let has = |account: &crate::account::Account| account.user(user.extension).is_some();
        self.world.accounts.iter().position(has).unwrap_or(0)
    }

    pub(crate) fn session_of(&self, leg: LegId) -> usize {
        self.legs[leg].session
    }

    /// The caller of a session, as inside legs of it are shown them.
    pub(super) fn caller_of(&mut self, session: usize) -> Option<Contact> {
        let leg = self.sessions[session].originator?;
        match self.user_of(leg) {
            Some(user) => Some(user.inside()),
            None => self.legs[leg].from.clone(),
        }
    }

    /// A call rings at a user, after the platform has taken it.
    pub(crate) fn ring(&mut self, session: usize, user: User) -> LegId {
        let (from, to) = self.sides_for(session, user);
        self.ring_as(session, user, from, to)
    }

    /// What a ringing user is shown: the caller, and the dialled number.
    fn sides_for(&mut self, session: usize, user: User) -> (Option<Contact>, Contact) {
        let from = self.caller_of(session);
        let from = match from {
            Some(from) if from.extension_id.is_none() && self.chance(70) => {
                let name = self.rng.choice(CALLER_NAMES).unwrap_or("WIRELESS CALLER");
                Some(from.named(name))
            }
            from => from,
        };
        let number = self.sessions[session].number.clone();
        (from, user.reached_at(number))
    }

    pub(super) fn ring_as(
        &mut self,
        session: usize,
        user: User,
        from: Option<Contact>,
        to: Contact,
    ) -> LegId {
        let leg = self.set_up(session, user, from, to);
        self.pass(15..60);
        self.ring_on(leg)
    }

    /// A call reaches a user's rules; no telephone rings yet.
    pub(crate) fn reach(&mut self, session: usize, user: User) -> LegId {
        let (from, to) = self.sides_for(session, user);
        self.set_up(session, user, from, to)
    }

    fn set_up(&mut self, session: usize, user: User, from: Option<Contact>, to: Contact) -> LegId {
        let who = ParticipantRef::Extension(user.extension);
        self.pass(14..41);
        self.end_parking_in(session);
        let leg = self.new_leg(session, Some(who), false, from, to);
        self.log.record_target(session, who);
        self.log.add_ignorable(session, who);
        self.publish(leg, Code::Setup);
        self.platform_takes(leg);
        leg
    }

    /// A user's telephones start to ring.
    pub(crate) fn ring_on(&mut self, leg: LegId) -> LegId {
        self.legs[leg].state = State::Ringing;
        self.rings(leg);
        let is_mobile = self.legs[leg].from.as_ref().is_none_or(|from| from.extension_id.is_none());
        self.publish_status(
            leg,
            Status { code: Code::Proceeding, reason: None, peer: None, mobile_pickup: is_mobile },
        );
        leg
    }

    pub(super) fn rings(&mut self, leg: LegId) {
        let session = self.legs[leg].session;
        if let Some(who) = self.legs[leg].who {
            self.log.record_target(session, who);
            self.log.record_ring(session, leg, who, self.legs[leg].visit, self.now);
        }
    }

    /// The platform takes a call for an extension: the caller's leg is `Answered`, with what is known of the
    /// called extension.
    pub(super) fn platform_takes(&mut self, reached: LegId) {
        let session = self.legs[reached].session;
        let Some(caller) = self.sessions[session].originator else { return };
        if self.legs[caller].state != State::New {
            return;
        }
        self.pass(30..120);
        let to = &self.legs[reached].to;
        let known =
            Contact { name: to.name.clone(), extension_id: to.extension_id, ..self.legs[caller].to.clone() };
        self.legs[caller].to = known;
        self.legs[caller].state = State::Up;
        self.publish(caller, Code::Answered);
    }

    /// A call goes out to the public network, and rings there.
    pub(crate) fn ring_outside(&mut self, session: usize, number: u64) -> LegId {
        self.ring_far(session, ParticipantRef::Number(number), Contact::outside(number))
    }

    /// A call goes out to a public service with a short number.
    pub(crate) fn ring_service(&mut self, session: usize, number: u16) -> LegId {
        self.ring_far(session, ParticipantRef::Service(number), Contact::number(format_compact!("{number}")))
    }

    fn ring_far(&mut self, session: usize, who: ParticipantRef, to: Contact) -> LegId {
        self.pass(15..50);
        let from = self.caller_of(session);
        let leg = self.new_leg(session, Some(who), false, from, to);
        self.legs[leg].state = State::Ringing;
        self.rings(leg);
        self.publish(leg, Code::Proceeding);
        if let Some(caller) =
            self.sessions[session].originator.filter(|caller| self.legs[*caller].state == State::New)
        {
            self.pass(900..3500);
            self.legs[caller].state = State::Ringing;
            self.publish(caller, Code::Proceeding);
        }
        leg
    }

    /// A ringing telephone is answered.
    pub(crate) fn answer(&mut self, leg: LegId) {
        let session = self.legs[leg].session;
        self.legs[leg].state = State::Up;
        if let Some(user) = self.user_of(leg).filter(|_| self.legs[leg].queue.is_some()) {
            self.legs[leg].to.device_id = Some(user.desk_phone);
        }
        if let Some(who) = self.legs[leg].who {
            if self.legs[leg].role != Role::RingOutInitiator {
                self.log.end_ring(leg, Outcome::Answered, self.now);
            }
            self.log.record_join(session, leg, who, self.now);
            if let Some(visit) = self.legs[leg].visit {
                self.log.end_visit(visit, "Answered", Some(who));
            }
            self.audio.plug(leg, who, self.sessions[session].mixer);
        }
        self.publish(leg, Code::Answered);
        let caller = self.sessions[session].originator;
        if let Some(caller) =
            caller.filter(|&caller| self.legs[caller].state == State::Ringing && caller != leg)
        {
            self.pass(20..90);
            self.legs[caller].state = State::Up;
            self.publish(caller, Code::Answered);
        }
    }

    /// The person of a leg puts the others on hold.
    pub(crate) fn hold(&mut self, leg: LegId) {
        self.legs[leg].state = State::Held;
        self.audio.set_open(leg, false);
        self.publish(leg, Code::Hold);
    }

    /// The person of a leg resumes the call.
    pub(crate) fn resume(&mut self, leg: LegId) {
        self.legs[leg].state = State::Up;
        self.audio.set_open(leg, true);
        self.publish(leg, Code::Answered);
    }

    /// A recording starts, pauses or continues: `Answered` is published again.
    pub(crate) fn record(&mut self, leg: LegId) {
        let recording =
            self.legs[leg].recording.unwrap_or_else(|| (self.rng.u64(1_000_000_000..9_999_999_999), false));
        self.legs[leg].recording = Some((recording.0, !recording.1));
        self.publish(leg, Code::Answered);
    }

    /// A user requests that the platform calls them and then another party (RingOut). Both legs are Inbound,
    /// without `Setup`. Returns the user's ringing leg.
    pub(crate) fn ring_out(&mut self, user: User, number: CompactString, target: ParticipantRef) -> LegId {
        let account = self.account_of(user);
        let session = self.open_session(account, Origin::RingOut, &number);
        let who = ParticipantRef::Extension(user.extension);
        let leg = self.new_leg(session, Some(who), false, Some(Contact::number(number)), user.outside());
        self.legs[leg].role = Role::RingOutInitiator;
        self.legs[leg].state = State::Ringing;
        let placement = if matches!(target, ParticipantRef::Extension(_)) {
            Placement::Inside
        } else {
            Placement::Outside
        };
        let account = self.world.accounts[account].id;
        self.log.record_dial(self.sessions[session].id, account, who, placement, self.now);
        self.log.record_target(session, target);
        self.log.add_ignorable(session, target);
        self.log.record_initiator_ring(session, leg, who, self.now);
        self.publish(leg, Code::Proceeding);
        leg
    }

    /// The second leg of a RingOut, ringing.
    pub(crate) fn ring_out_target(
        &mut self,
        session: usize,
        user: User,
        target: ParticipantRef,
        to: Contact,
    ) -> LegId {
        self.pass(100..300);
        let leg = self.new_leg(session, Some(target), false, Some(user.outside()), to);
        self.legs[leg].role = Role::RingOutTarget;
        self.legs[leg].state = State::Ringing;
        self.rings(leg);
        self.publish(leg, Code::Proceeding);
        leg
    }
}
