//! Calls that are not answered where they were addressed: at a mobile, by a member of a group, by a delegate,
//! out of another queue, by a call back.

use super::Scenario;
use crate::{
    id::ParticipantRef,
    log::Outcome,
    pbx::{LegId, Pbx, Target},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("find_me", "A user's desk phone and mobile ring; the mobile answers.", find_me),
    Scenario::new(
        "find_me_unanswered",
        "A user's desk phone and mobile ring without an answer; the mailbox takes the call.",
        find_me_unanswered,
    ),
    Scenario::new(
        "phones_off_mobile",
        "All of a user's telephones are off; the mobile answers.",
        phones_off_mobile,
    ),
    Scenario::new("phones_off", "All of a user's telephones are off: nothing rings.", phones_off),
    Scenario::new("queue_mobile", "A queue's call is answered at a member's mobile.", queue_mobile),
    Scenario::new(
        "queue_mobile_unanswered",
        "A queue's call rings at a member's mobile without an answer; another agent answers, or none does.",
        queue_mobile_unanswered,
    ),
    Scenario::new("ringout_mobile", "A RingOut to a colleague is answered at their mobile.", ringout_mobile),
    Scenario::new(
        "group_line",
        "A group with a leg of its own rings its members; the losers' ends are posted late, or at once.",
        group_line,
    ),
    Scenario::new(
        "group_without_leg",
        "A group without a leg of its own rings its members.",
        group_without_leg,
    ),
    Scenario::new("group_given_up", "The caller of a group hangs up while its members ring.", group_given_up),
    Scenario::new("delegate", "A secretary answers the line of a boss.", delegate),
    Scenario::new("paged", "A user pages a group: all members hear it at once.", paged),
    Scenario::new(
        "queue_callback",
        "A caller requests a call back from a queue by pressing a key; the second attempt reaches them.",
        queue_callback,
    ),
    Scenario::new(
        "queue_overflow_early",
        "A second queue takes the call while the first still rings.",
        queue_overflow_early,
    ),
    Scenario::new(
        "queue_declined",
        "One agent declines, another is busy; the caller continues to wait, then hangs up.",
        queue_declined,
    ),
    Scenario::new("queue_picked_up", "A colleague picks up a call that a queue offers.", queue_picked_up),
    Scenario::new(
        "silent_accept",
        "A telephone accepts a call and passes it on at once to a colleague who does not answer.",
        silent_accept,
    ),
    Scenario::new(
        "blind_to_mobile",
        "A call is transferred blind to a colleague, whose mobile answers.",
        blind_to_mobile,
    ),
];

fn find_me(x: &mut Pbx<'_>) -> Option<()> {
    let talking = if x.chance(60) { x.customer_rings()? } else { x.colleague_rings()? };
    let user = x.user_of(talking.callee)?;
    let mobile = x.ring_mobile(talking.callee, user);
    x.wait(3..15);
    x.answer_at_mobile(mobile, talking.callee);
    x.talk_and_end(talking.caller);
    Some(())
}

fn find_me_unanswered(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_rings()?;
    let user = x.user_of(talking.callee)?;
    let mobile = x.ring_mobile(talking.callee, user);
    x.wait(12..25);
    x.stop_ringing(mobile, Outcome::NoAnswer, None);
    x.pass(100..300);
    x.take_message(talking.callee);
    x.wait(3..40);
    x.hang_up(talking.caller);
    Some(())
}

/// A call reaches a user whose telephones are all off. Returns the caller's leg and the user's.
fn reach_phones_off(x: &mut Pbx<'_>) -> Option<(LegId, LegId)> {
    let user = x.user(0)?;
    let caller = if x.chance(60) {
        let customer = x.external_number();
        x.dial_in(0, Some(customer), user.direct_number)
    } else {
        let colleague = x.user(0)?;
        x.dial(colleague, &user.number.to_string())
    };
    let callee = x.reach(x.session_of(caller), user);
    Some((caller, callee))
}

fn phones_off_mobile(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, callee) = reach_phones_off(x)?;
    let user = x.user_of(callee)?;
    let mobile = x.ring_mobile(callee, user);
    x.wait(3..15);
    x.answer_at_mobile(mobile, callee);
    x.talk_and_end(caller);
    Some(())
}

fn phones_off(x: &mut Pbx<'_>) -> Option<()> {
    let (_, callee) = reach_phones_off(x)?;
    x.mark_unreachable(callee);
    x.wait(4..8);
    let reason = x.chance(50).then_some("NoAnswer");
    x.give_up_on(callee, reason);
    Some(())
}

/// A queue offers its call to a member whose mobile rings too. Returns the member's leg and the mobile's.
fn offer_to_mobile(x: &mut Pbx<'_>, queue_leg: LegId, queue: usize) -> Option<(LegId, LegId)> {
    let member = x.member(0, queue)?;
    let agent = x.offer(queue_leg, member);
    let mobile = x.ring_mobile(agent, member);
    x.wait(4..12);
    Some((agent, mobile))
}

fn queue_mobile(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, queue) = x.customer_queues(1);
    let (agent, mobile) = offer_to_mobile(x, queue, 1)?;
    x.answer(mobile);
    x.pass(10..30);
    let reason = x.chance(50).then_some("AgentAnswered");
    x.pass_on(queue, reason);
    x.pass(5..20);
    x.stop_ringing(agent, Outcome::Cancelled, None);
    x.talk_and_end(caller);
    Some(())
}

fn queue_mobile_unanswered(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, queue) = x.customer_queues(1);
    let (agent, mobile) = offer_to_mobile(x, queue, 1)?;
    x.stop_ringing(mobile, Outcome::NoAnswer, None);
    x.pass(10..60);
    x.stop_ringing(agent, Outcome::NoAnswer, Some("AgentDropped"));
    x.wait(1..4);
    if x.chance(40) {
        x.hang_up(caller);
        return Some(());
    }
    let next = x.member(0, 1)?;
    let next = x.offer(queue, next);
    x.wait(2..9);
    x.take_from_queue(queue, next);
    x.talk_and_end(caller);
    Some(())
}

fn ringout_mobile(x: &mut Pbx<'_>) -> Option<()> {
    let (user, colleague) = (x.user(0)?, x.user(0)?);
    let target = colleague.inside();
    let who = ParticipantRef::Extension(colleague.extension);
    let initiator = x.ring_out(user, target.phone_number.clone(), who);
    x.wait(2..10);
    x.answer(initiator);
    let far = x.ring_out_target(x.session_of(initiator), user, who, target);
    x.wait(3..10);
    let mobile = x.ring_mobile(far, colleague);
    x.wait(3..10);
    x.answer_at_mobile(mobile, far);
    x.talk_and_end(initiator);
    Some(())
}

/// An outside caller calls the group's number, or a colleague its extension. Returns the caller's leg.
fn call_group(x: &mut Pbx<'_>) -> Option<LegId> {
    let group = x.group(0);
    Some(if x.chance(60) {
        let customer = x.external_number();
        x.dial_in(0, Some(customer), group.direct_number)
    } else {
        let user = x.user(0)?;
        x.dial(user, &group.number.to_string())
    })
}

fn ring_members(x: &mut Pbx<'_>, caller: LegId) -> Vec<LegId> {
    let count = x.rng.usize(2..5);
    let members: Vec<_> = (0..count).filter_map(|_| x.user(0)).collect();
    members.into_iter().map(|member| x.ring_for(caller, member)).collect()
}

fn group_line(x: &mut Pbx<'_>) -> Option<()> {
    let caller = call_group(x)?;
    let group = x.group(0);
    let line = x.enter_group(caller, group);
    let mut ringing = ring_members(x, caller);
    x.wait(2..12);
    let taken = x.rng.usize(0..ringing.len().max(1));
    let answered = ringing.get(taken).copied()?;
    ringing.remove(taken);
    x.answer(answered);
    let late = x.chance(50);
    if late {
        ringing.iter().for_each(|&loser| x.stop_ringing_unpublished(loser));
    }
    x.pass(5..20);
    x.pass_on(line, None);
    if !late {
        lose(x, ringing);
    }
    x.talk_and_end(caller);
    Some(())
}

fn lose(x: &mut Pbx<'_>, ringing: Vec<LegId>) {
    for loser in ringing {
        x.pass(2..20);
        x.stop_ringing(loser, Outcome::Cancelled, None);
    }
}

fn group_without_leg(x: &mut Pbx<'_>) -> Option<()> {
    let caller = call_group(x)?;
    let group = x.group(0);
    x.reach_group(caller, group);
    let mut ringing = ring_members(x, caller);
    x.wait(2..12);
    let taken = x.rng.usize(0..ringing.len().max(1));
    let answered = ringing.get(taken).copied()?;
    ringing.remove(taken);
    x.answer(answered);
    lose(x, ringing);
    x.talk_and_end(caller);
    Some(())
}

fn group_given_up(x: &mut Pbx<'_>) -> Option<()> {
    let caller = call_group(x)?;
    let group = x.group(0);
    if x.chance(50) {
        x.enter_group(caller, group);
    } else {
        x.reach_group(caller, group);
    }
    ring_members(x, caller);
    x.wait(4..20);
    x.give_up(caller);
    Some(())
}

fn delegate(x: &mut Pbx<'_>) -> Option<()> {
    let (boss, secretary) = (x.user(0)?, x.user(0)?);
    let caller = if x.chance(60) {
        let customer = x.external_number();
        x.dial_in(0, Some(customer), boss.direct_number)
    } else {
        let colleague = x.user(0)?;
        x.dial(colleague, &boss.number.to_string())
    };
    let boss_rings = if x.chance(50) {
        Some(x.ring(x.session_of(caller), boss))
    } else {
        x.reach_line_of(caller, boss);
        None
    };
    let answered = x.ring_for(caller, secretary);
    x.wait(2..9);
    x.answer(answered);
    lose(x, boss_rings.into_iter().collect());
    x.talk_and_end(caller);
    Some(())
}

fn paged(x: &mut Pbx<'_>) -> Option<()> {
    let user = x.user(0)?;
    let caller = x.dial_service(user, "*849801");
    x.pass(100..300);
    let members: Vec<_> = (0..3).filter_map(|_| x.user(0)).collect();
    for member in members {
        x.join_page(caller, member);
    }
    x.wait(5..20);
    x.hang_up_everybody_in(caller);
    Some(())
}

fn queue_callback(x: &mut Pbx<'_>) -> Option<()> {
    let customer = x.external_number();
    let number = x.queue_number(0, 1);
    let caller = x.dial_in(0, Some(customer), number);
    let queue = x.enter_queue(x.session_of(caller), 1);
    x.wait(2..6);
    let agent = x.member(0, 1)?;
    let agent = x.offer(queue, agent);
    x.wait(8..15);
    x.stop_ringing(agent, Outcome::NoAnswer, Some("AgentDropped"));
    x.wait(5..40);
    x.leave_by_key(queue);
    x.wait(1..5);
    x.hang_up(caller);
    x.wait(60..300);
    let (_, far) = x.call_back(0, 1, customer);
    x.wait(15..30);
    x.fail(far, Outcome::NoAnswer, Some("NoAnswer"));
    x.wait(300..900);
    let (machine, far) = x.call_back(0, 1, customer);
    x.wait(3..12);
    x.answer_call_back(machine, far);
    x.wait(1..5);
    let agent = x.member(0, 1)?;
    let agent = x.offer_call_back(machine, far, agent);
    x.wait(2..6);
    x.take_call_back(machine, agent);
    x.wait(5..60);
    x.hang_up(agent);
    Some(())
}

fn queue_overflow_early(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, first) = x.customer_queues(0);
    let member = x.member(0, 0)?;
    let ringing = x.offer(first, member);
    x.wait(10..20);
    let second = x.enter_queue(x.session_of(caller), 1);
    x.wait(1..3);
    let agent = x.member(0, 1)?;
    let agent = x.offer(second, agent);
    x.wait(2..9);
    x.answer(agent);
    x.pass(4..14);
    x.stop_ringing(ringing, Outcome::Cancelled, None);
    x.pass(4..14);
    x.pass_on(second, Some("AgentAnswered"));
    x.pass(4..14);
    x.pass_on(first, None);
    x.talk_and_end(caller);
    Some(())
}

fn queue_declined(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, queue) = x.customer_queues(1);
    for (outcome, reason) in [(Outcome::Rejected, "Rejected"), (Outcome::Busy, "TargetBusy")] {
        if x.chance(80) {
            let agent = x.member(0, 1)?;
            let agent = x.offer(queue, agent);
            x.wait(1..6);
            x.stop_ringing(agent, outcome, Some(reason));
            x.wait(1..20);
        }
    }
    x.hang_up(caller);
    Some(())
}

fn queue_picked_up(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, queue) = x.customer_queues(1);
    let agent = x.member(0, 1)?;
    let agent = x.offer(queue, agent);
    x.wait(2..9);
    let colleague = x.user(0)?;
    x.pick_up(colleague, agent)?;
    x.pass(4..14);
    x.pass_on(queue, Some("AgentAnswered"));
    x.talk_and_end(caller);
    Some(())
}

fn silent_accept(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_rings()?;
    x.wait(3..12);
    x.answer(talking.callee);
    x.pass(1000..1600);
    let colleague = x.user(0)?;
    let target = x.transfer_blind(talking.callee, Target::User(colleague));
    x.wait(12..25);
    x.fail(target, Outcome::NoAnswer, None);
    Some(())
}

fn blind_to_mobile(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let colleague = x.user(0)?;
    let target = x.transfer_blind(talking.callee, Target::User(colleague));
    let mobile = x.ring_mobile(target, colleague);
    x.wait(3..12);
    x.answer_at_mobile(mobile, target);
    x.talk_and_end(talking.caller);
    Some(())
}
