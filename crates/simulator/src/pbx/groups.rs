//! Numbers that ring several users: ring groups, shared lines, delegates, paging groups.
//!
//! Each user who is rung has a leg, which is addressed to the group or to the owner of the line. Groups with
//! and without a leg of their own occur, and none of these shapes is published: they are guesses.

use super::{LegId, Pbx, State};
use crate::{
    account::{Group, User},
    id::ParticipantRef,
    log::Outcome,
    notification::{Code, Contact},
};

impl Pbx<'_> {
    /// The account's ring group.
    pub(crate) fn group(&self, account: usize) -> Group {
        self.world.accounts[account].group
    }

    /// A group without a leg of its own takes a call: the caller's leg names it.
    pub(crate) fn reach_group(&mut self, caller: LegId, group: Group) {
        let session = self.legs[caller].session;
        let to = self.group_at(session, group);
        self.address(caller, ParticipantRef::Extension(group.extension), to);
    }

    /// A group with a leg of its own takes a call. Returns that leg.
    pub(crate) fn enter_group(&mut self, caller: LegId, group: Group) -> LegId {
        let session = self.legs[caller].session;
        let to = self.group_at(session, group);
        self.pass(20..90);
        let who = ParticipantRef::Extension(group.extension);
        let from = self.caller_of(session);
        let leg = self.new_leg(session, Some(who), false, from, to);
        self.log.record_target(session, who);
        self.log.add_ignorable(session, who);
        self.publish(leg, Code::Setup);
        self.platform_takes(leg);
        leg
    }

    fn group_at(&self, session: usize, group: Group) -> Contact {
        let number = self.sessions[session].number.clone();
        Contact { extension_id: Some(group.extension), ..Contact::number(number).named(group.name) }
    }

    /// A user whose line others answer is reached: the caller's leg names the user, who is not rung.
    pub(crate) fn reach_line_of(&mut self, caller: LegId, owner: User) {
        let number = self.sessions[self.legs[caller].session].number.clone();
        self.address(caller, ParticipantRef::Extension(owner.extension), owner.reached_at(number));
    }

    fn address(&mut self, caller: LegId, who: ParticipantRef, to: Contact) {
        let session = self.legs[caller].session;
        self.log.record_target(session, who);
        self.log.add_ignorable(session, who);
        self.pass(40..120);
        self.legs[caller].to = to;
        self.legs[caller].state = State::Up;
        self.publish(caller, Code::Answered);
    }

    /// A member's telephone rings for the addressee of the caller's leg. Returns the member's leg.
    pub(crate) fn ring_for(&mut self, caller: LegId, member: User) -> LegId {
        let session = self.legs[caller].session;
        let to = self.legs[caller].to.clone();
        let from = self.caller_of(session);
        self.pass(5..40);
        let who = ParticipantRef::Extension(member.extension);
        let leg = self.new_leg(session, Some(who), false, from, Contact { device_id: None, ..to });
        self.legs[leg].state = State::Ringing;
        self.rings(leg);
        self.publish(leg, Code::Proceeding);
        leg
    }

    /// A telephone stops ringing; that is published later.
    pub(crate) fn stop_ringing_unpublished(&mut self, leg: LegId) {
        self.log.end_ring(leg, Outcome::Cancelled, self.now);
        self.legs[leg].missed = true;
        self.legs[leg].state = State::Silent;
    }

    /// A member of a paging group hears the page at once, without ringing. Returns their leg.
    pub(crate) fn join_page(&mut self, caller: LegId, member: User) -> LegId {
        let session = self.legs[caller].session;
        let number = self.legs[caller].to.phone_number.clone();
        let from = self.caller_of(session);
        self.pass(5..20);
        let who = ParticipantRef::Extension(member.extension);
        let leg = self.new_leg(session, Some(who), false, from, member.reached_at(number));
        self.legs[leg].state = State::Up;
        self.log.record_join(session, leg, who, self.now);
        self.audio.plug(leg, who, self.sessions[session].mixer);
        self.publish(leg, Code::Answered);
        leg
    }
}
