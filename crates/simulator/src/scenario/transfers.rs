//! Moved calls: transfers of every kind, forwards, switches, pickups, parks.

use super::Scenario;
use crate::{
    log::Outcome,
    pbx::{LegId, Pbx, Target},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("blind", "A user transfers a call blind to a colleague.", blind),
    Scenario::new("blind_by_caller", "The caller transfers the call blind.", blind_by_caller),
    Scenario::new("blind_outside", "A user transfers a customer blind to an outside number.", blind_outside),
    Scenario::new(
        "blind_unanswered",
        "The target of a blind transfer does not answer; it rings back.",
        blind_unanswered,
    ),
    Scenario::new(
        "blind_to_voicemail",
        "A user transfers a customer to a colleague's mailbox.",
        blind_to_voicemail,
    ),
    Scenario::new("blind_to_queue", "A user transfers a customer into a queue.", blind_to_queue),
    Scenario::new("attended", "A user consults a colleague, then connects the customer with them.", attended),
    Scenario::new(
        "attended_by_caller",
        "The caller consults a colleague and transfers the call.",
        attended_by_caller,
    ),
    Scenario::new(
        "attended_outside",
        "A user consults an outside party and transfers the customer there.",
        attended_outside,
    ),
    Scenario::new(
        "attended_undefined",
        "A transfer is published with an unknown reason.",
        attended_undefined,
    ),
    Scenario::new(
        "semi_attended",
        "The transfer is completed while the consulted colleague still rings.",
        semi_attended,
    ),
    Scenario::new(
        "semi_attended_unanswered",
        "The transfer is completed while the colleague still rings, who never answers.",
        semi_attended_unanswered,
    ),
    Scenario::new(
        "consult_abandoned",
        "A user consults a colleague and returns to the customer: two calls.",
        consult_abandoned,
    ),
    Scenario::new(
        "consult_failed_then_transferred",
        "The first consulted colleague declines, the second takes the call.",
        consult_failed,
    ),
    Scenario::new(
        "hung_up_during_consult",
        "The customer hangs up while the user consults: the consultation continues.",
        hung_up_during_consult,
    ),
    Scenario::new("chain", "One call goes through four users, blind and attended.", chain),
    Scenario::new(
        "transfer_while_recording",
        "A call is transferred while its recording is paused.",
        transfer_while_recording,
    ),
    Scenario::new("forwarded", "A user's rule forwards every call to an outside number.", forwarded),
    Scenario::new(
        "forwarded_unanswered",
        "A user does not answer; the call is forwarded to an outside number.",
        forwarded_unanswered,
    ),
    Scenario::new("pickup", "A colleague takes a ringing call by a key.", pickup),
    Scenario::new("pickup_dialled", "A colleague takes a ringing call by dialling a code.", pickup_dialled),
    Scenario::new("switched", "A user continues on another device: the new leg is Outbound.", switched),
    Scenario::new("switched_by_caller", "The caller continues on another device.", switched_by_caller),
    Scenario::new("flipped", "A user flips the call to the mobile number.", flipped),
    Scenario::new("parked", "A call is parked, and a colleague retrieves it from the slot.", parked),
    Scenario::new(
        "parked_twice",
        "A parked call is retrieved, parked again, and retrieved by a third user.",
        parked_twice,
    ),
    Scenario::new(
        "parked_at_location",
        "A call is parked at a location: no slot, no link.",
        parked_at_location,
    ),
    Scenario::new("park_abandoned", "The parked customer hangs up.", park_abandoned),
    Scenario::new(
        "park_reverted",
        "A parked call is not retrieved: it rings back at the user who parked it.",
        park_reverted,
    ),
];

fn blind(x: &mut Pbx<'_>) -> Option<()> {
    let (user, other) = x.some_call()?;
    send_blind(x, user, other)
}

fn send_blind(x: &mut Pbx<'_>, user: LegId, other: LegId) -> Option<()> {
    let colleague = x.user(0)?;
    let target = x.transfer_blind(user, Target::User(colleague));
    x.wait(2..10);
    x.answer(target);
    x.talk_and_end(other);
    Some(())
}

fn blind_by_caller(x: &mut Pbx<'_>) -> Option<()> {
    let talking = if x.chance(50) { x.user_calls_customer()? } else { x.colleagues_talk()? };
    send_blind(x, talking.caller, talking.callee)
}

fn blind_outside(x: &mut Pbx<'_>) -> Option<()> {
    let (user, other) = x.some_call()?;
    let number = x.external_number();
    let target = x.transfer_blind(user, Target::Outside(number));
    x.wait(3..15);
    x.answer(target);
    x.talk_and_end(other);
    Some(())
}

fn blind_unanswered(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let (user, colleague) = (x.user_of(talking.callee)?, x.user(0)?);
    let target = x.transfer_blind(talking.callee, Target::User(colleague));
    x.wait(10..25);
    x.stop_ringing(target, Outcome::NoAnswer, Some("NoAnswer"));
    let back = x.ring(x.session_of(talking.caller), user);
    x.wait(2..9);
    x.answer(back);
    x.talk_and_end(talking.caller);
    Some(())
}

fn blind_to_voicemail(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let colleague = x.user(0)?;
    x.transfer_blind(talking.callee, Target::Mailbox(colleague));
    x.wait(4..40);
    x.hang_up(talking.caller);
    Some(())
}

fn blind_to_queue(x: &mut Pbx<'_>) -> Option<()> {
    let (user, other) = x.some_call()?;
    let queue_leg = x.transfer_blind(user, Target::Queue(1));
    x.wait(2..9);
    let missed = x.member(0, 1)?;
    let missed = x.offer(queue_leg, missed);
    x.wait(8..15);
    x.stop_ringing(missed, Outcome::NoAnswer, Some("AgentDropped"));
    x.pass(20..200);
    let agent = x.member(0, 1)?;
    let agent = x.offer(queue_leg, agent);
    x.wait(2..9);
    x.take_from_queue(queue_leg, agent);
    x.talk_and_end(other);
    Some(())
}

fn attended(x: &mut Pbx<'_>) -> Option<()> {
    let (user, other) = x.some_call()?;
    hand_over(x, user)?;
    x.talk_and_end(other);
    Some(())
}

/// A user consults a colleague and transfers the call to them. Returns the colleague's leg.
fn hand_over(x: &mut Pbx<'_>, user: LegId) -> Option<LegId> {
    let consultation = x.consult(user)?;
    if x.chance(40) {
        x.hold(consultation.caller);
        x.pass(100..2000);
    }
    x.transfer_attended(user, consultation.caller, Some("AttendedTransfer"));
    Some(consultation.callee)
}

fn attended_by_caller(x: &mut Pbx<'_>) -> Option<()> {
    let talking = if x.chance(50) { x.user_calls_customer()? } else { x.colleagues_talk()? };
    hand_over(x, talking.caller)?;
    x.talk_and_end(talking.callee);
    Some(())
}

fn attended_outside(x: &mut Pbx<'_>) -> Option<()> {
    let (user, other) = x.some_call()?;
    let consultation = x.consult_outside(user)?;
    x.transfer_attended(user, consultation.caller, Some("AttendedTransfer"));
    x.talk_and_end(other);
    Some(())
}

fn attended_undefined(x: &mut Pbx<'_>) -> Option<()> {
    let (user, other) = x.some_call()?;
    let consultation = x.consult(user)?;
    let reason = x.rng.choice([Some("Undefined"), None]).flatten();
    x.transfer_attended(user, consultation.caller, reason);
    x.talk_and_end(other);
    Some(())
}

fn semi_attended(x: &mut Pbx<'_>) -> Option<()> {
    let (user, other) = x.some_call()?;
    if x.chance(70) {
        let consultation = x.consult_rings(user)?;
        x.wait(1..6);
        x.transfer_attended(user, consultation.caller, Some("AttendedTransfer"));
        x.wait(1..9);
        x.answer(consultation.callee);
    } else {
        // Before anything rings.
        let (own, colleague) = (x.user_of(user)?, x.user(0)?);
        x.hold(user);
        x.pass(400..3000);
        let caller = x.dial(own, &colleague.number.to_string());
        let callee = x.reach(x.session_of(caller), colleague);
        x.pass(10..40);
        x.transfer_attended(user, caller, Some("AttendedTransfer"));
        x.pass(5..30);
        x.ring_on(callee);
        x.wait(1..9);
        x.answer(callee);
    }
    x.talk_and_end(other);
    Some(())
}

fn semi_attended_unanswered(x: &mut Pbx<'_>) -> Option<()> {
    let (user, other) = x.some_call()?;
    let consultation = x.consult_rings(user)?;
    x.wait(1..6);
    x.transfer_attended(user, consultation.caller, Some("AttendedTransfer"));
    x.wait(8..20);
    if x.chance(50) {
        x.hang_up(other);
    } else {
        x.fail(consultation.callee, Outcome::NoAnswer, Some("NoAnswer"));
    }
    Some(())
}

fn consult_abandoned(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let consultation =
        if x.chance(60) { x.consult(talking.callee)? } else { x.consult_rings(talking.callee)? };
    x.wait(1..5);
    x.hang_up(consultation.caller);
    x.pass(200..1500);
    x.resume(talking.callee);
    x.talk_and_end(talking.callee);
    Some(())
}

fn consult_failed(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let first = x.consult_rings(talking.callee)?;
    x.wait(2..6);
    x.fail(first.callee, Outcome::Rejected, Some("Rejected"));
    x.pass(200..1500);
    x.resume(talking.callee);
    x.wait(2..10);
    hand_over(x, talking.callee)?;
    x.talk_and_end(talking.caller);
    Some(())
}

fn hung_up_during_consult(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let consultation = x.consult(talking.callee)?;
    x.hang_up(talking.caller);
    x.talk_and_end(consultation.caller);
    Some(())
}

fn chain(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let mut holder = talking.callee;
    for _ in 0..x.rng.usize(3..5) {
        holder = if x.chance(50) {
            hand_over(x, holder)?
        } else {
            let colleague = x.user(0)?;
            let target = x.transfer_blind(holder, Target::User(colleague));
            x.wait(2..10);
            x.answer(target);
            target
        };
        x.wait(4..40);
    }
    x.talk_and_end(talking.caller);
    Some(())
}

fn transfer_while_recording(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    x.record(talking.callee);
    x.wait(5..20);
    x.record(talking.callee);
    x.wait(1..5);
    hand_over(x, talking.callee)?;
    x.talk_and_end(talking.caller);
    Some(())
}

fn forwarded(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let customer = x.external_number();
    let caller = x.dial_in(0, Some(customer), user.direct_number);
    let rules = x.reach(x.session_of(caller), user);
    x.pass(30..120);
    forward_outside(x, rules, caller)
}

fn forwarded_unanswered(x: &mut Pbx<'_>) -> Option<()> {
    let talking = if x.chance(50) { x.customer_rings()? } else { x.colleague_rings()? };
    x.wait(8..20);
    forward_outside(x, talking.callee, talking.caller)
}

fn forward_outside(x: &mut Pbx<'_>, leg: LegId, caller: LegId) -> Option<()> {
    let number = x.external_number();
    let next = x.forward(leg, number);
    x.wait(3..15);
    if x.chance(75) {
        x.answer(next);
        x.talk_and_end(caller);
    } else {
        x.hang_up(caller);
    }
    Some(())
}

fn pickup(x: &mut Pbx<'_>) -> Option<()> {
    let talking = if x.chance(60) { x.customer_rings()? } else { x.colleague_rings()? };
    let colleague = x.user(0)?;
    x.wait(2..9);
    x.pick_up(colleague, talking.callee)?;
    x.talk_and_end(talking.caller);
    Some(())
}

fn pickup_dialled(x: &mut Pbx<'_>) -> Option<()> {
    let talking = if x.chance(60) { x.customer_rings()? } else { x.colleague_rings()? };
    let colleague = x.user(0)?;
    x.wait(2..9);
    x.dial_pick_up(colleague, talking.callee);
    x.talk_and_end(talking.caller);
    Some(())
}

fn switched(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let mut leg = talking.callee;
    for _ in 0..x.rng.usize(1..4) {
        leg = x.switch(leg)?;
        x.wait(5..30);
    }
    x.hold(leg);
    x.wait(2..9);
    x.resume(leg);
    x.talk_and_end(leg);
    Some(())
}

fn switched_by_caller(x: &mut Pbx<'_>) -> Option<()> {
    let talking = if x.chance(60) { x.user_calls_customer()? } else { x.colleagues_talk()? };
    let leg = x.switch(talking.caller)?;
    x.talk_and_end(leg);
    Some(())
}

fn flipped(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let leg = x.flip(talking.callee)?;
    x.talk_and_end(leg);
    Some(())
}

fn parked(x: &mut Pbx<'_>) -> Option<()> {
    let (user, other) = x.some_call()?;
    let parked = x.park(user)?;
    x.wait(5..60);
    let colleague = x.user(0)?;
    x.retrieve(colleague, parked);
    x.talk_and_end(other);
    Some(())
}

fn parked_twice(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let mut holder = talking.callee;
    for _ in 0..2 {
        let parked = x.park(holder)?;
        x.wait(5..60);
        let colleague = x.user(0)?;
        holder = x.retrieve(colleague, parked);
        x.wait(5..60);
    }
    x.talk_and_end(holder);
    Some(())
}

fn parked_at_location(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let parked = x.park_at_location(talking.callee)?;
    x.wait(5..60);
    let colleague = x.user(0)?;
    x.retrieve_at_location(colleague, parked);
    x.talk_and_end(parked);
    Some(())
}

fn park_abandoned(x: &mut Pbx<'_>) -> Option<()> {
    let (user, _) = x.some_call()?;
    let parked = x.park(user)?;
    x.wait(5..60);
    x.hang_up(parked);
    Some(())
}

fn park_reverted(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let user = x.user_of(talking.callee)?;
    let parked = x.park(talking.callee)?;
    x.wait(30..60);
    x.ring_back(user, parked);
    x.talk_and_end(parked);
    Some(())
}
