//! Calls with several people, or with machines before people: menus, queues, conferences, supervisors.

use super::Scenario;
use crate::{
    log::Outcome,
    pbx::{LegId, Pbx, Target},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("menu", "A menu passes the caller to a user: its leg ends without a reason.", menu),
    Scenario::new("menu_abandoned", "The caller hangs up in the menu.", menu_abandoned),
    Scenario::new("menu_to_queue_to_menu", "Menu, queue, menu again, then a user.", menu_to_queue_to_menu),
    Scenario::new("queue_together", "A queue rings all its agents at once; one answers.", queue_together),
    Scenario::new("queue_in_turn", "A queue rings its agents one after another.", queue_in_turn),
    Scenario::new("queue_rounds", "A queue rings the same agents in several rounds.", queue_rounds),
    Scenario::new("queue_abandoned", "The caller hangs up while agents ring.", queue_abandoned),
    Scenario::new(
        "queue_overflow",
        "No agent of one queue answers; another queue takes the call.",
        queue_overflow,
    ),
    Scenario::new(
        "queue_voicemail",
        "No agent of a queue answers; the caller leaves a message.",
        queue_voicemail,
    ),
    Scenario::new("queue_agent_holds", "A queue's agent holds the caller, who hangs up.", queue_agent_holds),
    Scenario::new(
        "conference",
        "A user brings two to four calls into one conference, which collapses.",
        conference,
    ),
    Scenario::new(
        "conference_host_leaves",
        "The host leaves a conference and the others stay.",
        conference_host_leaves,
    ),
    Scenario::new("conference_ended", "The host ends a conference for everybody.", conference_ended),
    Scenario::new(
        "conference_grows",
        "A conference gets one more participant while it runs.",
        conference_grows,
    ),
    Scenario::new(
        "conference_participant_transfers",
        "A participant transfers their place in a conference to a colleague.",
        participant_transfers,
    ),
    Scenario::new(
        "conference_of_parked",
        "A user takes two parked calls into one conference.",
        conference_of_parked,
    ),
    Scenario::new(
        "conference_host_consulted",
        "A consulted colleague hosts a conference, then is given the customer.",
        host_consulted,
    ),
    Scenario::new(
        "conference_drops_one",
        "The host drops one participant from a conference and continues with the others.",
        drops_one,
    ),
    Scenario::new(
        "conferences_chained",
        "A participant of one conference hosts another: all hear each other through two bridges.",
        conferences_chained,
    ),
    Scenario::new(
        "taken_over_and_transferred",
        "A supervisor takes the call over and transfers or parks it.",
        taken_over_and_transferred,
    ),
    Scenario::new("requeued", "A queue's agent sends the caller back into the queue.", requeued),
    Scenario::new("supervised", "A supervisor listens in with the app.", supervised),
    Scenario::new("supervised_dialled", "A supervisor listens in by dialling *80.", supervised_dialled),
    Scenario::new(
        "barged",
        "A supervisor listens in, then speaks: the notifications do not show it.",
        barged,
    ),
    Scenario::new("taken_over", "A supervisor listens in, then takes the call over.", taken_over),
    Scenario::new(
        "taken_over_dialled",
        "A supervisor who dialled in takes the call over.",
        taken_over_dialled,
    ),
    Scenario::new(
        "supervisor_consulted",
        "The agent of a call consults its supervisor, who continues to listen.",
        supervisor_consulted,
    ),
];

fn menu(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, menu) = x.customer_at_menu();
    let reason = if x.chance(30) { Some("CallerInputRedirect") } else { None };
    x.pass_on(menu, reason);
    let user = x.user(0)?;
    let callee = x.ring(x.session_of(caller), user);
    x.wait(2..12);
    x.answer(callee);
    x.talk_and_end(caller);
    Some(())
}

fn menu_abandoned(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, menu) = x.customer_at_menu();
    if x.chance(60) {
        x.pass_on(menu, Some("CallerDropped"));
        x.pass(3..14);
    }
    x.hang_up(caller);
    Some(())
}

fn menu_to_queue_to_menu(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, menu) = x.customer_at_menu();
    let session = x.session_of(caller);
    x.pass_on(menu, None);
    let queue = x.enter_queue(session, 1);
    x.wait(2..8);
    let agent = x.member(0, 1)?;
    let agent = x.offer(queue, agent);
    x.wait(8..15);
    x.stop_ringing(agent, Outcome::NoAnswer, Some("AgentDropped"));
    x.pass(20..90);
    x.pass_on(queue, None);
    let again = x.enter_menu(session);
    x.wait(2..9);
    x.pass_on(again, None);
    let user = x.user(0)?;
    let callee = x.ring(session, user);
    x.wait(2..12);
    x.answer(callee);
    x.talk_and_end(caller);
    Some(())
}

/// A queue rings some of its agents at the same time.
fn ring_agents(x: &mut Pbx<'_>, queue: usize, queue_leg: LegId, max_agents: usize) -> Vec<LegId> {
    let count = x.rng.usize(2..=max_agents);
    let agents: Vec<_> = (0..count).filter_map(|_| x.member(0, queue)).collect();
    agents.into_iter().map(|agent| x.offer(queue_leg, agent)).collect()
}

fn queue_together(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, queue) = x.customer_queues(0);
    let agents = ring_agents(x, 0, queue, 5);
    x.wait(2..12);
    let winner = x.rng.choice(&agents).copied()?;
    x.take_from_queue(queue, winner);
    x.talk_and_end(caller);
    Some(())
}

fn queue_in_turn(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, queue) = x.customer_queues(1);
    for _ in 0..x.rng.usize(1..4) {
        let agent = x.member(0, 1)?;
        let agent = x.offer(queue, agent);
        x.wait(6..15);
        x.stop_ringing(agent, Outcome::NoAnswer, Some("AgentDropped"));
        x.pass(20..200);
    }
    let agent = x.member(0, 1)?;
    let agent = x.offer(queue, agent);
    x.wait(2..12);
    x.take_from_queue(queue, agent);
    x.talk_and_end(caller);
    Some(())
}

fn queue_rounds(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, queue) = x.customer_queues(0);
    let agents: Vec<_> = (0..3).filter_map(|_| x.member(0, 0)).collect();
    for _ in 0..x.rng.usize(1..4) {
        let ringing: Vec<LegId> = agents.iter().map(|&agent| x.offer(queue, agent)).collect();
        x.wait(10..20);
        for leg in ringing {
            x.stop_ringing(leg, Outcome::NoAnswer, Some("AgentDropped"));
            x.pass(0..5);
        }
        x.wait(3..6);
    }
    let last: Vec<LegId> = agents.iter().map(|&agent| x.offer(queue, agent)).collect();
    x.wait(2..9);
    let winner = x.rng.choice(&last).copied()?;
    x.take_from_queue(queue, winner);
    x.talk_and_end(caller);
    Some(())
}

fn queue_abandoned(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, queue) = x.customer_queues(0);
    if x.chance(70) {
        ring_agents(x, 0, queue, 4);
        x.wait(4..30);
    }
    x.hang_up(caller);
    Some(())
}

fn drop_agents(x: &mut Pbx<'_>, agents: Vec<LegId>) {
    x.wait(12..25);
    for agent in agents {
        x.stop_ringing(agent, Outcome::NoAnswer, Some("AgentDropped"));
        x.pass(0..4);
    }
}

fn queue_overflow(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, queue) = x.customer_queues(0);
    let agents = ring_agents(x, 0, queue, 4);
    drop_agents(x, agents);
    x.pass_on(queue, None);
    let next = x.enter_queue(x.session_of(caller), 1);
    x.wait(1..5);
    let agent = x.member(0, 1)?;
    let agent = x.offer(next, agent);
    x.wait(2..9);
    x.take_from_queue(next, agent);
    x.talk_and_end(caller);
    Some(())
}

fn queue_voicemail(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, queue) = x.customer_queues(0);
    let agents = ring_agents(x, 0, queue, 4);
    drop_agents(x, agents);
    x.take_message(queue);
    x.wait(5..40);
    x.hang_up(caller);
    Some(())
}

fn queue_agent_holds(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, queue) = x.customer_queues(1);
    let agent = x.member(0, 1)?;
    let agent = x.offer(queue, agent);
    x.wait(2..9);
    x.take_from_queue(queue, agent);
    x.wait(5..30);
    x.hold(agent);
    x.wait(5..30);
    x.hang_up(caller);
    Some(())
}

/// A user with several calls, all but the last one held, brings them into a conference.
fn gathered(x: &mut Pbx<'_>, calls: usize) -> Option<(LegId, Vec<LegId>)> {
    let (first, _) = x.some_call()?;
    let mut own = vec![first];
    for nth in 1..calls {
        let latest = own[nth - 1];
        let next = if x.chance(50) { x.consult(latest)? } else { x.consult_outside(latest)? };
        own.push(next.caller);
    }
    if x.chance(60) {
        x.hold(own[calls - 1]);
        x.pass(300..1500);
    }
    let bridge = x.confer(&own)?;
    x.wait(10..60);
    Some((bridge, own))
}

fn conference(x: &mut Pbx<'_>) -> Option<()> {
    let calls = x.rng.usize(2..5);
    let (bridge, own) = gathered(x, calls)?;
    if x.chance(40) {
        x.hold(bridge);
        x.wait(3..15);
        x.resume(bridge);
        x.wait(3..15);
    }
    for &call in &own[..calls - 1] {
        let other = x.others_in_session(call).first().copied()?;
        x.hang_up(other);
        x.wait(1..20);
    }
    x.talk_and_end(own[calls - 1]);
    Some(())
}

fn conference_host_leaves(x: &mut Pbx<'_>) -> Option<()> {
    let calls = x.rng.usize(2..4);
    let (bridge, own) = gathered(x, calls)?;
    let conference = x.conference_of(bridge)?;
    x.leave_conference(conference);
    x.talk_and_end(own[0]);
    Some(())
}

fn conference_ended(x: &mut Pbx<'_>) -> Option<()> {
    let calls = x.rng.usize(2..4);
    let (bridge, _) = gathered(x, calls)?;
    let conference = x.conference_of(bridge)?;
    x.end_conference(conference);
    Some(())
}

fn conference_grows(x: &mut Pbx<'_>) -> Option<()> {
    let (bridge, _) = gathered(x, 2)?;
    let conference = x.conference_of(bridge)?;
    let next = if x.chance(50) { x.consult(bridge)? } else { x.consult_outside(bridge)? };
    x.bring_in(conference, next.caller);
    x.pass(100..900);
    x.resume(bridge);
    x.wait(10..60);
    x.end_conference(conference);
    Some(())
}

fn participant_transfers(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.colleagues_talk()?;
    let other = x.consult_outside(talking.caller)?;
    let bridge = x.confer(&[talking.caller, other.caller])?;
    x.wait(5..40);
    if x.chance(50) {
        let consultation = x.consult(talking.callee)?;
        x.transfer_attended(talking.callee, consultation.caller, Some("AttendedTransfer"));
    } else {
        let colleague = x.user(0)?;
        let target = x.transfer_blind(talking.callee, Target::User(colleague));
        x.wait(2..9);
        x.answer(target);
    }
    x.wait(5..40);
    x.hang_up_everybody_in(bridge);
    Some(())
}

fn drops_one(x: &mut Pbx<'_>) -> Option<()> {
    let (bridge, own) = gathered(x, 3)?;
    let conference = x.conference_of(bridge)?;
    x.drop_from_conference(conference, own[1]);
    x.wait(5..40);
    x.hang_up_everybody_in(bridge);
    Some(())
}

fn conferences_chained(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.colleagues_talk()?;
    let third = x.consult_outside(talking.caller)?;
    let one = x.confer(&[talking.caller, third.caller])?;
    x.wait(5..30);
    let fourth = x.consult_outside(talking.callee)?;
    x.confer(&[talking.callee, fourth.caller])?;
    x.wait(5..30);
    x.hang_up_everybody_in(one);
    Some(())
}

fn requeued(x: &mut Pbx<'_>) -> Option<()> {
    let (caller, queue) = x.customer_queues(0);
    let mut queue = queue;
    for _ in 0..2 {
        let agents = ring_agents(x, 0, queue, 3);
        x.wait(2..9);
        let winner = x.rng.choice(&agents).copied()?;
        x.take_from_queue(queue, winner);
        x.wait(5..30);
        queue = x.transfer_blind(winner, Target::Queue(0));
        x.wait(1..4);
    }
    let agents = ring_agents(x, 0, queue, 3);
    x.wait(2..9);
    let winner = x.rng.choice(&agents).copied()?;
    x.take_from_queue(queue, winner);
    x.talk_and_end(caller);
    Some(())
}

fn host_consulted(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let consultation = x.consult(talking.callee)?;
    let third = x.consult_outside(consultation.callee)?;
    x.confer(&[consultation.callee, third.caller])?;
    x.wait(5..30);
    x.transfer_attended(talking.callee, consultation.caller, Some("AttendedTransfer"));
    x.wait(5..30);
    if x.chance(50) {
        // A person who joins the consultation later was not the one consulted.
        let other = x.others_in_session(third.caller).first().copied()?;
        x.hang_up(other);
        x.wait(3..9);
        let colleague = x.user(0)?;
        let target = x.transfer_blind(consultation.callee, Target::User(colleague));
        x.wait(2..9);
        x.answer(target);
    }
    x.wait(5..30);
    x.hang_up_everybody_in(talking.caller);
    Some(())
}

fn conference_of_parked(x: &mut Pbx<'_>) -> Option<()> {
    let (first, second) = (x.customer_calls()?, x.customer_calls()?);
    let (one, two) = (x.park(first.callee)?, x.park(second.callee)?);
    x.wait(5..40);
    let user = x.user(0)?;
    let own = x.retrieve(user, one);
    x.wait(5..30);
    x.hold(own);
    x.pass(500..2000);
    let next = x.retrieve(user, two);
    x.wait(5..30);
    x.hold(next);
    x.pass(500..2000);
    let bridge = x.confer(&[own, next])?;
    x.wait(5..40);
    x.hang_up_everybody_in(bridge);
    Some(())
}

fn supervised(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let supervisor = x.user(0)?;
    let listening = x.supervise(supervisor, talking.callee);
    x.wait(5..40);
    if x.chance(60) {
        x.stop_listening(listening);
    }
    x.talk_and_end(talking.caller);
    Some(())
}

fn supervised_dialled(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let supervisor = x.user(0)?;
    let listening = x.dial_supervise(supervisor, talking.callee);
    x.wait(5..40);
    if x.chance(60) {
        x.stop_listening(listening);
    }
    x.talk_and_end(talking.caller);
    Some(())
}

fn barged(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let supervisor = x.user(0)?;
    let listening = x.supervise(supervisor, talking.callee);
    x.wait(5..20);
    x.barge(listening, talking.callee);
    x.stop_listening(listening);
    x.talk_and_end(talking.caller);
    Some(())
}

fn taken_over(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let supervisor = x.user(0)?;
    let listening = x.supervise(supervisor, talking.callee);
    x.wait(5..40);
    x.take_over(listening, talking.callee);
    x.talk_and_end(talking.caller);
    Some(())
}

fn taken_over_and_transferred(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let supervisor = x.user(0)?;
    let listening = x.supervise(supervisor, talking.callee);
    x.wait(5..40);
    x.take_over(listening, talking.callee);
    x.wait(5..40);
    let colleague = x.user(0)?;
    if x.chance(50) {
        let target = x.transfer_blind(listening, Target::User(colleague));
        x.wait(2..9);
        x.answer(target);
    } else {
        let parked = x.park(listening)?;
        x.wait(5..40);
        x.retrieve(colleague, parked);
    }
    x.talk_and_end(talking.caller);
    Some(())
}

fn taken_over_dialled(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let supervisor = x.user(0)?;
    let listening = x.dial_supervise(supervisor, talking.callee);
    x.wait(5..40);
    x.take_over(listening, talking.callee);
    x.talk_and_end(talking.caller);
    Some(())
}

fn supervisor_consulted(x: &mut Pbx<'_>) -> Option<()> {
    let talking = x.customer_calls()?;
    let supervisor = x.user(0)?;
    let agent = x.user_of(talking.callee)?;
    x.hold(talking.callee);
    x.pass(400..1500);
    let consultation = x.ring_colleague(agent, supervisor);
    x.wait(2..6);
    x.answer(consultation.callee);
    x.wait(5..20);
    x.hang_up(consultation.caller);
    x.pass(300..900);
    x.resume(talking.callee);
    x.wait(2..6);
    let listening = x.supervise(supervisor, talking.callee);
    x.wait(5..20);
    x.stop_listening(listening);
    x.talk_and_end(talking.caller);
    Some(())
}
