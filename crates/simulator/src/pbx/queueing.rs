//! Menus, queues, mailboxes and fax machines.
//!
//! A menu's leg ends without a reason in the same millisecond in which the next leg starts
//! (dibyenduroy/csn-data). A queue's agents have no `Setup`; their `to` is the queue, and the caller's name
//! includes its name (tylerlong/rc-call-queue-or-direct). The legs of agents who lost the race end with
//! `AgentAnswered`, those of agents who did not answer with `AgentDropped`.

use compact_str::format_compact;

use crate::{
    account::{Queue, User, e164},
    id::ParticipantRef,
    log::Outcome,
    notification::{Code, Contact, QueueInfo},
};

use super::{LegId, Pbx, Service, State};

impl Pbx<'_> {
    pub(super) fn queue(&self, session: usize, queue: usize) -> Queue {
        self.world.accounts[self.sessions[session].account].queues[queue].clone()
    }

    /// A call enters a queue. Returns the queue's leg.
    pub(crate) fn enter_queue(&mut self, session: usize, queue: usize) -> LegId {
        let queue = self.queue(session, queue);
        self.pass(20..120);
        let number = self.sessions[session].number.clone();
        let visit = self.log.enter_queue(session, ParticipantRef::Extension(queue.extension), self.now);
        let to = Contact::number(number).named(&format!("{} queue", queue.name));
        let leg = self.serve(session, queue.extension, to, Service::Queue);
        self.legs[leg].visit = Some(visit);
        leg
    }

    /// A user dials a queue of their account. Returns the queue's leg.
    pub(crate) fn dial_queue(&mut self, user: User, queue: usize) -> LegId {
        let number = self.world.accounts[self.account_of(user)].queues[queue].number;
        let caller = self.dial(user, &number.to_string());
        self.enter_queue(self.session_of(caller), queue)
    }

    /// A call reaches the account's menu. Returns the menu's leg.
    pub(crate) fn enter_menu(&mut self, session: usize) -> LegId {
        let menu = self.world.accounts[self.sessions[session].account].menu;
        self.pass(20..120);
        let number = self.sessions[session].number.clone();
        self.serve(
            session,
            menu.extension,
            Contact::number(number).named(&format!("IVR Menu {}", menu.number)),
            Service::Menu,
        )
    }

    pub(super) fn serve(&mut self, session: usize, extension: u64, to: Contact, service: Service) -> LegId {
        let who = ParticipantRef::Extension(extension);
        let from = self.caller_of(session);
        let leg =
            self.new_leg(session, Some(who), false, from, Contact { extension_id: Some(extension), ..to });
        self.legs[leg].state = State::Serving;
        self.legs[leg].service = Some(service);
        self.log.record_target(session, who);
        self.log.add_ignorable(session, who);
        self.publish(leg, Code::Setup);
        self.platform_takes(leg);
        leg
    }

    /// A menu or queue passes the call on.
    pub(crate) fn pass_on(&mut self, leg: LegId, reason: Option<&'static str>) {
        self.release(leg, reason);
    }

    /// A queue offers the call to a member. Returns the member's ringing leg.
    pub(crate) fn offer(&mut self, queue_leg: LegId, user: User) -> LegId {
        let session = self.legs[queue_leg].session;
        let who = ParticipantRef::Extension(user.extension);
        let queue = self.legs[queue_leg].to.clone();
        let name = queue.name.clone().unwrap_or_default();
        let caller = self.waiting_in(queue_leg);
        let shown = caller.as_ref().map(|caller| caller.phone_number.clone()).unwrap_or_default();
        let from = caller
            .map(|caller| Contact { name: Some(format_compact!("{name} - WIRELESS CALLER")), ..caller });
        let leg = self.new_leg(session, Some(who), false, from, queue);
        self.legs[leg].queue = Some(QueueInfo { name, caller: shown });
        self.legs[leg].state = State::Ringing;
        self.legs[leg].visit = self.legs[queue_leg].visit;
        self.rings(leg);
        self.publish(leg, Code::Proceeding);
        leg
    }

    /// The person waiting in a queue, as its members are shown them: the caller, or a party that was
    /// transferred to it.
    fn waiting_in(&mut self, queue_leg: LegId) -> Option<Contact> {
        let session = self.legs[queue_leg].session;
        let is_there = self.sessions[session].originator.is_some_and(|caller| self.audio.is_plugged(caller));
        match self.others(queue_leg).first() {
            Some(&other) if !is_there => self.shown(other),
            _ => self.caller_of(session),
        }
    }

    /// A free member of a queue.
    pub(crate) fn member(&mut self, account: usize, queue: usize) -> Option<User> {
        let members = self.world.accounts[account].queues[queue].members.clone();
        self.user_among(account, members)
    }

    /// An agent takes a call from a queue; the legs of the queue and of the other agents end.
    pub(crate) fn take_from_queue(&mut self, queue_leg: LegId, agent: LegId) {
        self.answer(agent);
        self.pass(4..14);
        let session = self.legs[queue_leg].session;
        self.release(queue_leg, Some("AgentAnswered"));
        for other in self.waiting(self.sessions[session].mixer) {
            self.stop_ringing(other, Outcome::Cancelled, Some("AgentAnswered"));
        }
    }

    /// A leg takes a message, after ringing or without.
    pub(crate) fn take_message(&mut self, leg: LegId) -> LegId {
        let session = self.legs[leg].session;
        if self.legs[leg].state == State::Ringing {
            self.log.end_ring(leg, Outcome::Message, self.now);
        }
        self.legs[leg].state = State::Serving;
        self.legs[leg].service = Some(Service::Mailbox);
        self.log.record_mailbox(session, self.now);
        let code = if self.chance(50) { Code::Voicemail } else { Code::VoiceMail };
        self.publish(leg, code);
        leg
    }

    /// A fax machine takes the call.
    pub(crate) fn take_fax(&mut self, leg: LegId) {
        self.legs[leg].state = State::Serving;
        self.legs[leg].service = Some(Service::Fax);
        self.log.record_fax(self.legs[leg].session, self.now);
        self.publish(leg, Code::FaxReceive);
    }

    /// The direct number of a queue.
    pub(crate) fn queue_number(&self, account: usize, queue: usize) -> u64 {
        self.world.accounts[account].queues[queue].direct_number
    }

    /// The number of an account's menu.
    pub(crate) fn main_number(&self, account: usize) -> u64 {
        self.world.accounts[account].main_number
    }

    /// A user's direct number as a caller dials it.
    pub(crate) fn direct(user: User) -> compact_str::CompactString {
        e164(user.direct_number)
    }
}
