//! Calls without moves: answered, missed, refused, failed, recorded.

use super::Scenario;
use crate::{
    id::ParticipantRef,
    log::Outcome,
    notification::{Code, Contact, Origin},
    pbx::Pbx,
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("inbound", "A customer calls a user, who answers, holds and resumes.", inbound),
    Scenario::new("outbound", "A user calls a customer, holds, and hangs up.", outbound),
    Scenario::new("internal", "One user calls another, who answers after the platform did.", internal),
    Scenario::new(
        "recorded",
        "A call is recorded, the recording pauses and continues: Answered is published again.",
        recorded,
    ),
    Scenario::new("double_hold", "Both sides of an internal call put each other on hold.", double_hold),
    Scenario::new("anonymous", "A caller withholds the number: the customer's leg has no from.", anonymous),
    Scenario::new("missed", "A call rings until the caller gives up.", missed),
    Scenario::new("missed_internal", "An internal call rings until the caller gives up.", missed_internal),
    Scenario::new("rejected", "The called user declines.", rejected),
    Scenario::new("busy", "The called user's telephone is busy.", busy),
    Scenario::new("text_reply", "The called user answers by text: a Setup comes after the end.", text_reply),
    Scenario::new("voicemail", "The call is not answered, and the caller leaves a message.", voicemail),
    Scenario::new(
        "voicemail_at_once",
        "A user's rules send the caller to the mailbox without ringing.",
        voicemail_at_once,
    ),
    Scenario::new("fax", "A fax machine takes the call.", fax),
    Scenario::new("hung_up_at_once", "The caller hangs up before any extension is reached.", hung_up_at_once),
    Scenario::new("outbound_cancelled", "A user hangs up while the far telephone rings.", outbound_cancelled),
    Scenario::new("outbound_busy", "The called number is busy.", outbound_busy),
    Scenario::new("outbound_no_answer", "The called number does not answer.", outbound_no_answer),
    Scenario::new("outbound_failed", "The called number does not exist.", outbound_failed),
    Scenario::new("outbound_blocked", "The account may not call that number.", outbound_blocked),
    Scenario::new("self_call", "A user calls their own number and answers: one person, two legs.", self_call),
    Scenario::new(
        "call_waiting",
        "A second customer calls a user who talks to a first: two calls.",
        call_waiting,
    ),
    Scenario::new("ringout", "A user lets the platform call them first and then a customer.", ringout),
    Scenario::new("ringout_internal", "A RingOut from one user to another.", ringout_internal),
    Scenario::new("ringout_unanswered", "The target of a RingOut does not answer.", ringout_unanswered),
    Scenario::new(
        "ringout_not_taken",
        "The user who requested a RingOut does not answer: the other party is not called.",
        ringout_not_taken,
    ),
    Scenario::new(
        "ringout_twin",
        "A RingOut as two sessions: the user's own ringing leg, and the call to the customer.",
        ringout_twin,
    ),
    Scenario::new("call_out", "A program lets the platform place a call: its origin is CallOut.", call_out),
    Scenario::new(
        "ring_group",
        "A number rings several users at once, each with a leg of their own; one answers.",
        ring_group,
    ),
    Scenario::new("inbound_blocked", "The account blocks a caller before anything rings.", inbound_blocked),
    Scenario::new(
        "main_number_prompt",
        "A user listens to another company's menu: only the user's own leg is published.",
        main_number_prompt,
    ),
    Scenario::new(
        "two_devices",
        "A user's telephone rings, the app is woken and rings as a second leg; one of them answers.",
        two_devices,
    ),
    Scenario::new(
        "same_legacy_id",
        "A user calls their own outside number: two sessions with one legacy id, two calls.",
        same_legacy_id,
    ),
    Scenario::new(
        "other_company",
        "A user of one account calls a user of another: each account sees half.",
        other_company,
    ),
];

fn inbound(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    x.hold(talking.callee);
    x.wait(3..30);
    x.resume(talking.callee);
    x.talk_and_end(talking.callee);
    Some(())
}

fn outbound(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.user_calls_customer()?;
    x.hold(talking.caller);
    x.wait(1..20);
    x.resume(talking.caller);
    x.talk_and_end(talking.caller);
    Some(())
}

fn internal(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.colleagues_talk()?;
    x.talk_and_end(talking.caller);
    Some(())
}

fn recorded(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    for _ in 0..x.rng.usize(2..5) {
        x.record(talking.callee);
        x.wait(3..30);
    }
    x.talk_and_end(talking.callee);
    Some(())
}

fn double_hold(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.colleagues_talk()?;
    x.hold(talking.caller);
    x.wait(1..9);
    x.hold(talking.callee);
    x.wait(1..9);
    let (first, second) =
        if x.chance(50) { (talking.caller, talking.callee) } else { (talking.callee, talking.caller) };
    x.resume(first);
    x.wait(1..9);
    x.resume(second);
    x.talk_and_end(talking.caller);
    Some(())
}

fn anonymous(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let caller = x.dial_in(0, None, user.direct_number);
    let callee = x.ring(x.session_of(caller), user);
    x.wait(2..9);
    x.answer(callee);
    x.talk_and_end(callee);
    Some(())
}

fn missed(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_rings()?;
    x.wait(5..30);
    x.give_up(talking.caller);
    Some(())
}

fn missed_internal(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.colleague_rings()?;
    x.wait(5..30);
    x.give_up(talking.caller);
    Some(())
}

fn rejected(x: &mut Pbx<'_>) -> Option<()> {
    let talking = if x.chance(50) { x.customer_rings()? } else { x.colleague_rings()? };
    x.wait(1..6);
    x.fail(talking.callee, Outcome::Rejected, Some("Rejected"));
    Some(())
}

fn busy(x: &mut Pbx<'_>) -> Option<()> {
    let talking = if x.chance(50) { x.customer_rings()? } else { x.colleague_rings()? };
    x.pass(20..90);
    x.fail(talking.callee, Outcome::Busy, Some("TargetBusy"));
    Some(())
}

fn text_reply(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_rings()?;
    x.wait(2..9);
    x.fail(talking.callee, Outcome::NoAnswer, Some("CallReplied"));
    x.pass(300..2000);
    x.publish_with_reason(talking.callee, Code::Setup, "CallReplied");
    Some(())
}

fn voicemail(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_rings()?;
    x.wait(12..25);
    x.take_message(talking.callee);
    x.wait(3..50);
    x.hang_up(talking.caller);
    Some(())
}

fn voicemail_at_once(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let customer = x.external_number();
    let caller = x.dial_in(0, Some(customer), user.direct_number);
    let mailbox = x.reach(x.session_of(caller), user);
    x.pass(20..300);
    x.take_message(mailbox);
    x.wait(3..50);
    x.hang_up(caller);
    Some(())
}

fn fax(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let sender = x.external_number();
    let caller = x.dial_in(0, Some(sender), user.direct_number);
    let machine = x.reach(x.session_of(caller), user);
    x.pass(100..900);
    x.take_fax(machine);
    x.wait(10..90);
    x.hang_up(caller);
    Some(())
}

fn hung_up_at_once(x: &mut Pbx<'_>) -> Option<()> {
    let customer = x.external_number();
    let number = x.main_number(0);
    let caller = x.dial_in(0, Some(customer), number);
    x.mark_no_extension(caller, number);
    x.pass(40..900);
    x.hang_up(caller);
    Some(())
}

fn outbound_cancelled(x: &mut Pbx<'_>) -> Option<()> {
    outbound_fails(x, Outcome::Cancelled, None)
}

fn outbound_busy(x: &mut Pbx<'_>) -> Option<()> {
    outbound_fails(x, Outcome::Busy, Some("TargetBusy"))
}

fn outbound_no_answer(x: &mut Pbx<'_>) -> Option<()> {
    let reason = if x.chance(50) { "NoAnswer" } else { "Timeout" };
    outbound_fails(x, Outcome::NoAnswer, Some(reason))
}

fn outbound_failed(x: &mut Pbx<'_>) -> Option<()> {
    let reason = x.rng.choice(["InvalidNumber", "NoSuchUser", "InternalError"]);
    outbound_fails(x, Outcome::Failed, reason)
}

fn outbound_blocked(x: &mut Pbx<'_>) -> Option<()> {
    let reason = x.rng.choice(["InternationalDisabled", "DestinationBlocked", "NotEnoughFunds"]);
    outbound_fails(x, Outcome::Blocked, reason)
}

fn outbound_fails(x: &mut Pbx<'_>, outcome: Outcome, reason: Option<&'static str>) -> Option<()> {
    let user = x.user(0)?;
    let customer = x.external_number();
    let caller = x.dial(user, &format!("+{customer}"));
    let callee = x.ring_outside(x.session_of(caller), customer);
    x.wait(1..20);
    match outcome {
        Outcome::Cancelled => x.hang_up(caller),
        outcome => x.fail(callee, outcome, reason),
    }
    Some(())
}

fn self_call(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let caller = x.dial(user, &user.number.to_string());
    let callee = x.ring(x.session_of(caller), user);
    x.wait(1..6);
    x.answer(callee);
    x.mark_self_answer(callee);
    x.wait(2..20);
    x.hang_up(caller);
    Some(())
}

fn call_waiting(x: &mut Pbx<'_>) -> Option<()> {
    let first = x.customer_calls()?;
    let user = x.user_of(first.callee)?;
    let other = x.external_number();
    let caller = x.dial_in(0, Some(other), user.direct_number);
    let callee = x.ring(x.session_of(caller), user);
    x.wait(2..8);
    x.hold(first.callee);
    x.pass(30..200);
    x.answer(callee);
    x.wait(5..40);
    x.hang_up(caller);
    x.pass(30..900);
    x.resume(first.callee);
    x.talk_and_end(first.callee);
    Some(())
}

fn ringout(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let customer = x.external_number();
    let target = Contact::outside(customer);
    let initiator = x.ring_out(user, target.phone_number.clone(), ParticipantRef::Number(customer));
    x.wait(2..10);
    x.answer(initiator);
    let far = x.ring_out_target(x.session_of(initiator), user, ParticipantRef::Number(customer), target);
    x.wait(3..20);
    x.answer(far);
    x.talk_and_end(initiator);
    Some(())
}

fn ringout_internal(x: &mut Pbx<'_>) -> Option<()> {
    let (user, colleague) = (x.user(0)?, x.user(0)?);
    let target = colleague.inside();
    let who = ParticipantRef::Extension(colleague.extension);
    let initiator = x.ring_out(user, target.phone_number.clone(), who);
    x.wait(2..10);
    x.answer(initiator);
    let far = x.ring_out_target(x.session_of(initiator), user, who, target);
    x.wait(3..20);
    x.answer(far);
    x.talk_and_end(far);
    Some(())
}

fn ringout_unanswered(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let customer = x.external_number();
    let target = Contact::outside(customer);
    let initiator = x.ring_out(user, target.phone_number.clone(), ParticipantRef::Number(customer));
    x.wait(2..10);
    x.answer(initiator);
    let far = x.ring_out_target(x.session_of(initiator), user, ParticipantRef::Number(customer), target);
    x.wait(10..30);
    x.fail(far, Outcome::NoAnswer, Some("NoAnswer"));
    Some(())
}

fn other_company(x: &mut Pbx<'_>) -> Option<()> {
    let (ours, theirs) = (x.user(0)?, x.user(1)?);
    let caller = x.dial(ours, &Pbx::direct(theirs));
    let out = x.session_of(caller);
    x.pass(20..90);
    let arrival = x.dial_in(1, Some(ours.direct_number), theirs.direct_number);
    let callee = x.ring(x.session_of(arrival), theirs);
    let far = x.ring_outside(out, theirs.direct_number);
    x.wait(2..12);
    x.answer(callee);
    x.pass(10..80);
    x.answer(far);
    x.wait(10..80);
    x.hang_up(caller);
    x.pass(10..80);
    x.hang_up(arrival);
    Some(())
}

fn inbound_blocked(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let customer = x.external_number();
    let caller = x.dial_in(0, Some(customer), user.direct_number);
    x.mark_no_extension(caller, user.direct_number);
    x.pass(40..200);
    x.refuse(caller, "DestinationBlocked");
    Some(())
}

fn main_number_prompt(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let company = x.external_number();
    let caller = x.dial(user, &format!("+{company}"));
    x.pass(300..1500);
    x.answer_unseen(caller, company);
    x.wait(5..60);
    x.hang_up(caller);
    Some(())
}

fn two_devices(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_rings()?;
    let user = x.user_of(talking.callee)?;
    x.wait(2..6);
    let app = x.ring(x.session_of(talking.caller), user);
    x.wait(1..6);
    let (answered, other) = if x.chance(50) { (app, talking.callee) } else { (talking.callee, app) };
    x.answer(answered);
    x.pass(5..20);
    x.stop_ringing(other, Outcome::Cancelled, None);
    x.talk_and_end(answered);
    Some(())
}

fn call_out(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let customer = x.external_number();
    let caller = x.dial_from(user, &format!("+{customer}"), Origin::CallOut);
    let callee = x.ring_outside(x.session_of(caller), customer);
    x.wait(2..15);
    x.answer(callee);
    x.talk_and_end(caller);
    Some(())
}

fn ring_group(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_rings()?;
    let session = x.session_of(talking.caller);
    let mut ringing = vec![talking.callee];
    for _ in 0..x.rng.usize(1..4) {
        let user = x.user(0)?;
        ringing.push(x.ring(session, user));
    }
    x.wait(2..12);
    let answered = ringing.swap_remove(x.rng.usize(0..ringing.len()));
    x.answer(answered);
    for other in ringing {
        x.pass(2..20);
        x.stop_ringing(other, Outcome::Cancelled, None);
    }
    x.talk_and_end(answered);
    Some(())
}

fn same_legacy_id(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let caller = x.dial(user, &Pbx::direct(user));
    let out = x.session_of(caller);
    x.pass(20..90);
    let arrival = x.dial_in(0, Some(user.direct_number), user.direct_number);
    x.share_legacy_id(out, x.session_of(arrival));
    x.mark_hairpin(out, x.session_of(arrival));
    let callee = x.ring(x.session_of(arrival), user);
    let far = x.ring_outside(out, user.direct_number);
    x.wait(2..9);
    x.answer(callee);
    x.pass(10..80);
    x.answer(far);
    x.wait(3..30);
    x.hang_up(caller);
    x.pass(10..80);
    x.hang_up(arrival);
    Some(())
}

fn ringout_not_taken(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let customer = x.external_number();
    let initiator =
        x.ring_out(user, Contact::outside(customer).phone_number, ParticipantRef::Number(customer));
    x.wait(10..30);
    x.pass_on(initiator, None);
    Some(())
}

fn ringout_twin(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let customer = x.external_number();
    let number = Contact::outside(customer).phone_number;
    let initiator = x.ring_out(user, number, ParticipantRef::Number(customer));
    x.wait(2..10);
    x.answer(initiator);
    x.hide_callee(initiator);
    x.pass(80..300);
    let talking = x.call_outside(user, customer)?;
    x.hang_up(talking.caller);
    x.pass(3..30);
    x.hang_up(initiator);
    Some(())
}
