//! Building blocks of scenarios: a call that is answered, a consultation, an end.

use crate::{
    account::User,
    pbx::{LegId, Pbx},
};

/// Two people who talk: the caller's leg and the callee's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Talking {
    pub(super) caller: LegId,
    pub(super) callee: LegId,
}

impl Pbx<'_> {
    /// A customer calls a user's direct number, and it rings.
    pub(super) fn customer_rings(&mut self) -> Option<Talking> {
        let user = self.user(0)?;
        let customer = self.external_number();
        let caller = self.dial_in(0, Some(customer), user.direct_number);
        let callee = self.ring(self.session_of(caller), user);
        Some(Talking { caller, callee })
    }

    /// A customer calls a user, who answers. `callee` is the user's leg.
    pub(super) fn customer_calls(&mut self) -> Option<Talking> {
        let talking = self.customer_rings()?;
        self.wait(2..15);
        self.answer(talking.callee);
        self.wait(5..60);
        Some(talking)
    }

    /// A user calls a customer, who answers. `caller` is the user's leg.
    pub(super) fn user_calls_customer(&mut self) -> Option<Talking> {
        let user = self.user(0)?;
        let customer = self.external_number();
        self.call_outside(user, customer)
    }

    pub(super) fn call_outside(&mut self, user: User, customer: u64) -> Option<Talking> {
        let caller = self.dial(user, &format!("+{customer}"));
        let callee = self.ring_outside(self.session_of(caller), customer);
        self.wait(2..15);
        self.answer(callee);
        self.wait(5..60);
        Some(Talking { caller, callee })
    }

    /// One user calls another, and it rings.
    pub(super) fn colleague_rings(&mut self) -> Option<Talking> {
        let (user, colleague) = (self.user(0)?, self.user(0)?);
        Some(self.ring_colleague(user, colleague))
    }

    pub(super) fn ring_colleague(&mut self, user: User, colleague: User) -> Talking {
        let caller = self.dial(user, &colleague.number.to_string());
        let callee = self.ring(self.session_of(caller), colleague);
        Talking { caller, callee }
    }

    /// One user calls another, who answers.
    pub(super) fn colleagues_talk(&mut self) -> Option<Talking> {
        let talking = self.colleague_rings()?;
        self.wait(2..15);
        self.answer(talking.callee);
        self.wait(5..60);
        Some(talking)
    }

    /// A random call with a user in it. Returns the user's leg and the other's.
    pub(super) fn some_call(&mut self) -> Option<(LegId, LegId)> {
        match self.rng.u32(0..4) {
            0 | 1 => self.customer_calls().map(|talking| (talking.callee, talking.caller)),
            2 => self.user_calls_customer().map(|talking| (talking.caller, talking.callee)),
            _ => self.colleagues_talk().map(|talking| match self.chance(50) {
                true => (talking.callee, talking.caller),
                false => (talking.caller, talking.callee),
            }),
        }
    }

    /// A user holds one call and rings a colleague. `caller` is the user's leg of the new call.
    pub(super) fn consult_rings(&mut self, leg: LegId) -> Option<Talking> {
        let user = self.user_of(leg)?;
        let colleague = self.user(0)?;
        self.hold(leg);
        self.pass(400..3000);
        Some(self.ring_colleague(user, colleague))
    }

    /// A user holds one call and talks to a colleague.
    pub(super) fn consult(&mut self, leg: LegId) -> Option<Talking> {
        let talking = self.consult_rings(leg)?;
        self.wait(2..10);
        self.answer(talking.callee);
        self.wait(3..30);
        Some(talking)
    }

    /// A user holds one call and talks to an outside party.
    pub(super) fn consult_outside(&mut self, leg: LegId) -> Option<Talking> {
        let user = self.user_of(leg)?;
        let other = self.external_number();
        self.hold(leg);
        self.pass(400..3000);
        self.call_outside(user, other)
    }

    /// A customer calls a queue's number. Returns the customer's leg and the queue's.
    pub(super) fn customer_queues(&mut self, queue: usize) -> (LegId, LegId) {
        let customer = self.external_number();
        let number = self.queue_number(0, queue);
        let caller = self.dial_in(0, Some(customer), number);
        let queue_leg = self.enter_queue(self.session_of(caller), queue);
        self.wait(2..8);
        (caller, queue_leg)
    }

    /// A customer calls the main number and listens to the menu. Returns the customer's leg and the menu's.
    pub(super) fn customer_at_menu(&mut self) -> (LegId, LegId) {
        let customer = self.external_number();
        let number = self.main_number(0);
        let caller = self.dial_in(0, Some(customer), number);
        let menu = self.enter_menu(self.session_of(caller));
        self.wait(3..20);
        (caller, menu)
    }

    /// They continue for a while, and all hang up.
    pub(super) fn talk_and_end(&mut self, leg: LegId) {
        self.wait(5..60);
        self.hang_up_everybody_in(leg);
    }
}
