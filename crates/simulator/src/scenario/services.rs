//! Calls served by machines: mailboxes, announcements, star codes, park locations; and calls that are merged
//! or mixed with earlier ones.

use super::Scenario;
use crate::{
    pbx::{LegId, Pbx},
    scenario::parts::Talking,
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "own_mailbox",
        "A user listens to their own mailbox by calling their own extension.",
        own_mailbox,
    ),
    Scenario::new("star_mailbox", "A user listens to their own mailbox by a star code.", star_mailbox),
    Scenario::new(
        "star_hidden",
        "A user withholds their number by a star code before the dialled number.",
        star_hidden,
    ),
    Scenario::new(
        "emergency",
        "A user calls an emergency number, which answers, or the user hangs up.",
        emergency,
    ),
    Scenario::new("announcement", "An announcement answers and plays to the caller.", announcement),
    Scenario::new("message_only", "A mailbox without a user takes a message.", message_only),
    Scenario::new(
        "sent_to_own_mailbox",
        "A user sends a ringing call to their own mailbox.",
        sent_to_own_mailbox,
    ),
    Scenario::new(
        "after_hours",
        "After hours, the main number sends its calls to an answering service outside.",
        after_hours,
    ),
    Scenario::new(
        "mailbox_left_by_key",
        "A caller leaves a mailbox by pressing a key and rings at the operator, who may answer.",
        mailbox_left_by_key,
    ),
    Scenario::new(
        "screened",
        "A user listens to a message while it is recorded, then takes the call.",
        screened,
    ),
    Scenario::new("menu_transferred_to", "A user transfers a caller to a menu, who leaves there.", to_menu),
    Scenario::new(
        "park_location_leg",
        "A call is parked at a location that has a leg of its own, and retrieved from there.",
        park_location_leg,
    ),
    Scenario::new(
        "park_reverted_to_voicemail",
        "A parked call rings back at the user who parked it, whose mailbox takes it.",
        park_reverted_to_voicemail,
    ),
    Scenario::new(
        "queue_parked",
        "A queue's agent parks the caller, and another user retrieves the call.",
        queue_parked,
    ),
    Scenario::new(
        "dialler_parked",
        "A dialler calls a customer and parks the call for an agent.",
        dialler_parked,
    ),
    Scenario::new("hairpin", "A user calls a colleague's direct number over the public network.", hairpin),
    Scenario::new(
        "merged_into_earlier",
        "A customer's call is merged into an internal call that began before it.",
        merged_into_earlier,
    ),
    Scenario::new(
        "transferred_into_earlier",
        "A customer's call is transferred to the other user of an internal call that started before it.",
        transferred_into_earlier,
    ),
    Scenario::new(
        "mixed_in_phone",
        "A user mixes two calls in the telephone: nothing links them.",
        mixed_in_phone,
    ),
];

fn own_mailbox(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let caller = x.dial(user, &user.number.to_string());
    x.open_own_mailbox(caller, user);
    x.wait(5..60);
    x.hang_up(caller);
    Some(())
}

fn star_mailbox(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let caller = x.dial_service(user, "*86");
    x.wait(5..60);
    x.hang_up(caller);
    Some(())
}

fn star_hidden(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let customer = x.external_number();
    let caller = x.dial(user, &format!("*67{customer}"));
    let callee = x.ring_outside(x.session_of(caller), customer);
    x.wait(2..15);
    x.answer(callee);
    x.talk_and_end(caller);
    Some(())
}

fn emergency(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let number = x.rng.choice([911, 112, 988]).unwrap_or(911);
    let caller = x.dial(user, &number.to_string());
    let callee = x.ring_service(x.session_of(caller), number);
    x.wait(2..9);
    if x.chance(50) {
        x.answer(callee);
        x.talk_and_end(caller);
    } else {
        x.hang_up(caller);
    }
    Some(())
}

fn announcement(x: &mut Pbx<'_>) -> Option<()> {
    let customer = x.external_number();
    let machine = x.announcement(0);
    let caller = x.dial_in(0, Some(customer), machine.direct_number);
    let speaks = x.announce(caller, machine);
    x.wait(4..30);
    if x.chance(50) {
        x.finish_service(speaks);
    } else {
        x.hang_up(caller);
    }
    Some(())
}

fn message_only(x: &mut Pbx<'_>) -> Option<()> {
    let customer = x.external_number();
    let machine = x.mailbox(0);
    let caller = x.dial_in(0, Some(customer), machine.direct_number);
    x.message_only(caller, machine);
    x.wait(3..40);
    x.hang_up(caller);
    Some(())
}

fn sent_to_own_mailbox(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_rings()?;
    let user = x.user_of(talking.callee)?;
    x.wait(2..9);
    x.send_to_own_mailbox(talking.callee, user);
    x.wait(3..40);
    x.hang_up(talking.caller);
    Some(())
}

fn after_hours(x: &mut Pbx<'_>) -> Option<()> {
    let (customer, service) = (x.external_number(), x.external_number());
    let number = x.main_number(0);
    let caller = x.dial_in(0, Some(customer), number);
    let far = x.send_outside(caller, service);
    x.wait(3..12);
    x.answer(far);
    x.talk_and_end(caller);
    Some(())
}

fn mailbox_left_by_key(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_rings()?;
    x.wait(12..25);
    x.take_message(talking.callee);
    x.wait(2..9);
    x.leave_by_key(talking.callee);
    let operator = x.user(0)?;
    let rings = x.ring(x.session_of(talking.caller), operator);
    x.wait(3..20);
    if x.chance(50) {
        x.answer(rings);
        x.talk_and_end(talking.caller);
    } else {
        x.give_up(talking.caller);
    }
    Some(())
}

fn screened(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_rings()?;
    x.wait(12..20);
    x.screen_message(talking.callee);
    x.wait(3..15);
    if x.chance(75) {
        x.answer(talking.callee);
        x.talk_and_end(talking.caller);
    } else {
        x.hang_up(talking.caller);
    }
    Some(())
}

fn to_menu(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    x.transfer_to_menu(talking.callee);
    x.wait(4..40);
    x.hang_up(talking.caller);
    Some(())
}

fn park_location_leg(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let location = x.send_to_park_location(talking.callee)?;
    x.wait(5..60);
    let colleague = x.user(0)?;
    x.retrieve_from_location(colleague, location)?;
    x.talk_and_end(talking.caller);
    Some(())
}

fn park_reverted_to_voicemail(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let user = x.user_of(talking.callee)?;
    let parked = x.park(talking.callee)?;
    x.wait(30..60);
    let back = x.ring(x.session_of(parked), user);
    x.wait(10..25);
    x.take_message(back);
    x.wait(3..40);
    x.hang_up(parked);
    Some(())
}

fn queue_parked(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, queue) = x.customer_queues(1);
    let agent = x.member(0, 1)?;
    let agent = x.offer(queue, agent);
    x.wait(2..9);
    x.take_from_queue(queue, agent);
    x.wait(5..30);
    let colleague = x.user(0)?;
    if x.chance(50) {
        let parked = x.park(agent)?;
        x.wait(5..60);
        x.retrieve(colleague, parked);
    } else {
        let location = x.send_to_park_location(agent)?;
        x.wait(5..60);
        x.retrieve_from_location(colleague, location)?;
    }
    x.talk_and_end(caller);
    Some(())
}

fn dialler_parked(x: &mut Pbx<'_>) -> Option<()> {
    let (dialler, agent) = (x.user(0)?, x.user(0)?);
    let customer = x.external_number();
    let caller = x.dial_from(dialler, &format!("+{customer}"), crate::notification::Origin::CallOut);
    let callee = x.ring_outside(x.session_of(caller), customer);
    x.wait(3..12);
    x.answer(callee);
    x.pass(300..600);
    let parked = x.park(caller)?;
    x.wait(3..9);
    x.retrieve(agent, parked);
    x.talk_and_end(callee);
    Some(())
}

fn hairpin(x: &mut Pbx<'_>) -> Option<()> {
    let (user, colleague) = (x.user(0)?, x.user(0)?);
    let caller = x.dial(user, &Pbx::direct(colleague));
    let out = x.session_of(caller);
    let far = x.ring_outside(out, colleague.direct_number);
    let arrival = x.dial_in(0, Some(user.direct_number), colleague.direct_number);
    x.mark_hairpin(out, x.session_of(arrival));
    let callee = x.ring(x.session_of(arrival), colleague);
    x.wait(2..9);
    x.answer(callee);
    x.pass(100..400);
    x.answer(far);
    x.wait(5..60);
    x.hang_up(caller);
    x.pass(100..400);
    x.hang_up(arrival);
    Some(())
}

/// A user calls a colleague; a customer calls the user, who holds the colleague and answers. Returns the legs
/// of both calls.
fn customer_comes_later(x: &mut Pbx<'_>) -> Option<(Talking, Talking)> {
    let first = x.colleagues_talk()?;
    let user = x.user_of(first.caller)?;
    let customer = x.external_number();
    let caller = x.dial_in(0, Some(customer), user.direct_number);
    let callee = x.ring(x.session_of(caller), user);
    x.wait(2..9);
    x.hold(first.caller);
    x.pass(200..600);
    x.answer(callee);
    x.wait(5..30);
    Some((first, Talking { caller, callee }))
}

fn merged_into_earlier(x: &mut Pbx<'_>) -> Option<()> {
    let (first, second) = customer_comes_later(x)?;
    let bridge = x.confer(&[second.callee, first.caller])?;
    x.wait(10..60);
    x.hang_up_everybody_in(bridge);
    Some(())
}

fn transferred_into_earlier(x: &mut Pbx<'_>) -> Option<()> {
    let (first, second) = customer_comes_later(x)?;
    x.transfer_attended(first.caller, second.callee, Some("AttendedTransfer"));
    x.talk_and_end(second.caller);
    Some(())
}

fn mixed_in_phone(x: &mut Pbx<'_>) -> Option<()> {
    let (first, second) = customer_comes_later(x)?;
    x.resume(first.caller);
    x.wait(10..60);
    let ends: [LegId; 2] =
        if x.chance(50) { [first.caller, second.callee] } else { [second.callee, first.caller] };
    for leg in ends {
        x.hang_up(leg);
        x.pass(50..200);
    }
    Some(())
}
