//! Calls to services: star codes, the caller's own mailbox, announcements, mailboxes without a user, park
//! locations; and calls that a machine passes on.
//!
//! None of these shapes is published except the legs of a mailbox; they are guesses.

use compact_str::format_compact;

use super::{LegId, Pbx, Service, State};
use crate::{
    account::{ServiceExtension, User},
    id::ParticipantRef,
    log::Outcome,
    notification::{Code, Contact, Origin, QueueInfo},
};

impl Pbx<'_> {
    /// A user dials a star code that is served without a further leg. Returns the user's leg.
    pub(crate) fn dial_service(&mut self, user: User, code: &str) -> LegId {
        let leg = self.dial(user, code);
        let session = self.legs[leg].session;
        self.log.mark_service(session);
        self.pass(60..150);
        self.legs[leg].state = State::Up;
        let machine = self.new_leg(session, None, false, None, Contact::number(code.into()));
        self.legs[machine].is_published = false;
        self.legs[machine].state = State::Serving;
        self.legs[machine].service = Some(Service::Announcement);
        self.publish(leg, Code::Answered);
        leg
    }

    /// A user listens to their own mailbox by calling their own extension. Returns the mailbox's leg.
    pub(crate) fn open_own_mailbox(&mut self, caller: LegId, user: User) -> LegId {
        let session = self.legs[caller].session;
        self.log.mark_service(session);
        let leg = self.reach(session, user);
        self.pass(50..200);
        self.legs[leg].state = State::Serving;
        self.legs[leg].service = Some(Service::Mailbox);
        self.publish(leg, Code::Voicemail);
        leg
    }

    /// An announcement takes a call and plays: its leg is `Answered`.
    pub(crate) fn announce(&mut self, caller: LegId, machine: ServiceExtension) -> LegId {
        let session = self.legs[caller].session;
        self.log.mark_service(session);
        let leg = self.machine(session, machine, Service::Announcement);
        self.pass(60..150);
        self.publish(leg, Code::Answered);
        leg
    }

    /// A mailbox without a user takes a message.
    pub(crate) fn message_only(&mut self, caller: LegId, machine: ServiceExtension) -> LegId {
        let leg = self.machine(self.legs[caller].session, machine, Service::Mailbox);
        self.pass(60..150);
        self.take_message(leg)
    }

    fn machine(&mut self, session: usize, machine: ServiceExtension, service: Service) -> LegId {
        let number = self.sessions[session].number.clone();
        self.pass(20..90);
        self.serve(session, machine.extension, Contact::number(number).named(machine.name), service)
    }

    /// An announcement or menu ends: the caller is disconnected.
    pub(crate) fn finish_service(&mut self, machine: LegId) {
        let session = self.legs[machine].session;
        self.release(machine, Some("CallFinished"));
        self.pass(50..150);
        self.release_unused(self.sessions[session].mixer);
    }

    /// The account's announcement.
    pub(crate) fn announcement(&self, account: usize) -> ServiceExtension {
        self.world.accounts[account].announcement
    }

    /// The account's mailbox without a user.
    pub(crate) fn mailbox(&self, account: usize) -> ServiceExtension {
        self.world.accounts[account].mailbox
    }

    /// The person of a leg transfers their call to a menu. Returns the menu's leg.
    pub(crate) fn transfer_to_menu(&mut self, leg: LegId) -> LegId {
        let session = self.legs[leg].session;
        let menu = self.world.accounts[self.sessions[session].account].menu;
        if let Some(by) = self.legs[leg].who {
            let (target, moved) = (ParticipantRef::Extension(menu.extension), self.people_with(leg));
            self.log.record_move(session, "BlindTransfer", self.now, by, Some(target), moved);
        }
        self.release(leg, Some("BlindTransfer"));
        self.enter_menu(session)
    }

    /// A user sends a ringing call to their own mailbox: not a move, because the call stays with them.
    /// Returns the mailbox's leg.
    pub(crate) fn send_to_own_mailbox(&mut self, leg: LegId, user: User) -> LegId {
        let session = self.legs[leg].session;
        self.stop_ringing(leg, Outcome::Redirected, Some("BlindTransfer"));
        let mailbox = self.reach(session, user);
        self.pass(50..200);
        self.take_message(mailbox)
    }

    /// A user listens to a message while it is recorded.
    pub(crate) fn screen_message(&mut self, leg: LegId) {
        let session = self.legs[leg].session;
        self.log.end_ring(leg, Outcome::Message, self.now);
        self.legs[leg].state = State::Serving;
        self.legs[leg].service = Some(Service::Mailbox);
        self.log.record_mailbox(session, self.now);
        self.publish(leg, Code::VoiceMailScreening);
    }

    /// The caller leaves a service by pressing a key.
    pub(crate) fn leave_by_key(&mut self, leg: LegId) {
        if let Some(visit) = self.legs[leg].visit {
            self.log.end_visit(visit, "Left", None);
        }
        self.release(leg, Some("CallerInputRedirect"));
    }

    /// A call to a number without an extension goes to an outside number. Returns the leg that rings there.
    pub(crate) fn send_outside(&mut self, caller: LegId, number: u64) -> LegId {
        let session = self.legs[caller].session;
        self.log.record_no_extension(session);
        self.pass(50..120);
        self.legs[caller].state = State::Up;
        self.publish(caller, Code::Answered);
        self.pass(200..600);
        self.ring_outside(session, number)
    }

    /// A queue calls a customer back. Returns the queue's leg and the ringing one.
    pub(crate) fn call_back(&mut self, account: usize, queue: usize, number: u64) -> (LegId, LegId) {
        let called = format_compact!("+{number}");
        let session = self.open_session(account, Origin::CallOut, &called);
        let queue = self.queue(session, queue);
        let who = ParticipantRef::Extension(queue.extension);
        let from = Contact {
            extension_id: Some(queue.extension),
            ..Contact::number(format_compact!("+{}", queue.direct_number))
                .named(&format!("{} queue", queue.name))
        };
        let leg = self.new_leg(session, Some(who), true, Some(from.clone()), Contact::number(called));
        self.legs[leg].service = Some(Service::Queue);
        self.originate_machine(leg, who);
        self.pass(50..150);
        let far = self.new_leg(
            session,
            Some(ParticipantRef::Number(number)),
            false,
            Some(from),
            Contact::outside(number),
        );
        self.legs[far].state = State::Ringing;
        self.rings(far);
        self.publish(far, Code::Proceeding);
        (leg, far)
    }

    /// The customer answers the call back, and waits in the queue.
    pub(crate) fn answer_call_back(&mut self, queue_leg: LegId, called: LegId) {
        self.answer(called);
        self.pass(10..40);
        self.legs[queue_leg].state = State::Serving;
        self.publish(queue_leg, Code::Answered);
    }

    /// A member takes the called-back customer's call; the queue's leg stays open without serving.
    pub(crate) fn take_call_back(&mut self, queue_leg: LegId, agent: LegId) {
        self.answer(agent);
        self.legs[queue_leg].state = State::Silent;
    }

    /// A queue that called a customer back offers the call to a member. Returns the member's ringing leg.
    pub(crate) fn offer_call_back(&mut self, queue_leg: LegId, called: LegId, user: User) -> LegId {
        let session = self.legs[queue_leg].session;
        let queue = self.legs[queue_leg].from.clone();
        let name = queue.as_ref().and_then(|queue| queue.name.clone()).unwrap_or_default();
        let customer = self.legs[called].to.clone();
        let shown = customer.phone_number.clone();
        let from = customer.named(&format!("{name} - WIRELESS CALLER"));
        let to = queue.unwrap_or_else(|| Contact::number(shown.clone()));
        let leg =
            self.new_leg(session, Some(ParticipantRef::Extension(user.extension)), false, Some(from), to);
        self.legs[leg].queue = Some(QueueInfo { name, caller: shown });
        self.legs[leg].state = State::Ringing;
        self.rings(leg);
        self.publish(leg, Code::Proceeding);
        leg
    }

    /// Parks a call by sending it to a park location, which has a leg. Returns the location's leg.
    pub(crate) fn send_to_park_location(&mut self, leg: LegId) -> Option<LegId> {
        let waiting = self.others(leg).into_iter().next()?;
        let session = self.legs[leg].session;
        let place = self.world.accounts[self.sessions[session].account].park_location();
        if let Some(by) = self.legs[leg].who {
            self.log.record_move(session, "Park", self.now, by, None, Vec::new());
        }
        self.legs[waiting].awaits_retrieval = true;
        self.release(leg, Some("ParkLocation"));
        self.pass(30..60);
        let from = self.shown(waiting);
        let who = ParticipantRef::Extension(place.extension);
        let to = Contact {
            extension_id: Some(place.extension),
            ..Contact::number(format_compact!("prk{}", place.extension)).named(place.name)
        };
        let location = self.new_leg(session, Some(who), false, from, to);
        self.log.add_ignorable(session, who);
        self.legs[location].service = Some(Service::ParkLocation);
        self.legs[location].state = State::Serving;
        self.publish(location, Code::Setup);
        self.pass(30..60);
        self.log.start_parking(session, waiting, self.now);
        self.publish_with_reason(location, Code::Parked, "ParkLocation");
        Some(location)
    }

    /// A user retrieves a call from a park location's leg. Returns their leg.
    pub(crate) fn retrieve_from_location(&mut self, user: User, location: LegId) -> Option<LegId> {
        let session = self.legs[location].session;
        let waiting = self.others(location).into_iter().next()?;
        let who = ParticipantRef::Extension(user.extension);
        self.log.record_move(session, "Retrieve", self.now, who, Some(who), Vec::new());
        self.end_parking_in(session);
        self.release(location, Some("Pickup"));
        self.pass(10..30);
        Some(self.take_in_session(waiting, user))
    }
}
