//! Random calls: a sequence of steps that are possible at the time.

use crate::{
    id::ParticipantRef,
    log::Outcome,
    pbx::{LegId, Pbx, Target},
};

/// A possible next step.
#[derive(Debug, Clone, Copy)]
enum Step {
    Hold,
    Resume,
    Record,
    HangUp,
    Switch,
    Flip,
    TransferBlind,
    Consult,
    ConnectTwo,
    Confer,
    BringIn,
    Park,
    Supervise,
    TakeOver,
    EndConference,
}

/// A long call of random steps.
pub(super) fn call(x: &mut Pbx<'_>) -> Option<()> {
    start_call(x)?;
    for _ in 0..x.rng.usize(1..14) {
        let Some((leg, step)) = next(x) else { break };
        take(x, leg, step)?;
        x.pass(300..30_000);
    }
    Some(())
}

fn start_call(x: &mut Pbx<'_>) -> Option<()> {
    match x.rng.u32(0..20) {
        0..=11 => {
            x.some_call()?;
        }
        12..=14 => {
            let (_, queue) = x.customer_queues(0);
            let agents: Vec<_> = (0..3).filter_map(|_| x.member(0, 0)).collect();
            let ringing: Vec<LegId> = agents.into_iter().map(|agent| x.offer(queue, agent)).collect();
            x.wait(2..9);
            let winner = x.rng.choice(&ringing).copied()?;
            x.take_from_queue(queue, winner);
        }
        15 | 16 => {
            let (caller, menu) = x.customer_at_menu();
            x.pass_on(menu, None);
            let user = x.user(0)?;
            let callee = x.ring(x.session_of(caller), user);
            x.wait(2..9);
            x.answer(callee);
        }
        17 => {
            let talking = x.customer_rings()?;
            let taker = x.user(0)?;
            x.wait(2..9);
            if x.chance(50) {
                x.pick_up(taker, talking.callee)?;
            } else {
                x.dial_pick_up(taker, talking.callee);
            }
        }
        18 => {
            let talking = x.colleague_rings()?;
            x.wait(5..15);
            let number = x.external_number();
            let next = x.forward(talking.callee, number);
            x.wait(2..9);
            x.answer(next);
        }
        _ => {
            let (user, colleague) = (x.user(0)?, x.user(0)?);
            let (target, who) = (colleague.inside(), ParticipantRef::Extension(colleague.extension));
            let initiator = x.ring_out(user, target.phone_number.clone(), who);
            x.wait(2..9);
            x.answer(initiator);
            let far = x.ring_out_target(x.session_of(initiator), user, who, target);
            x.wait(2..9);
            x.answer(far);
        }
    }
    x.wait(2..9);
    Some(())
}

/// A random step that is possible now.
fn next(x: &mut Pbx<'_>) -> Option<(LegId, Step)> {
    let mut possible: Vec<(LegId, Step, u32)> = Vec::new();
    for leg in x.user_lines() {
        possible.extend(steps_of(x, leg).into_iter().map(|(step, weight)| (leg, step, weight)));
    }
    possible.extend(x.supervisors().into_iter().map(|leg| (leg, Step::TakeOver, 3)));
    let total: u32 = possible.iter().map(|(.., weight)| weight).sum();
    if total == 0 {
        return None;
    }
    let mut at = x.rng.u32(0..total);
    for (leg, step, weight) in possible {
        match at.checked_sub(weight) {
            Some(rest) => at = rest,
            None => return Some((leg, step)),
        }
    }
    None
}

fn steps_of(x: &Pbx<'_>, leg: LegId) -> Vec<(Step, u32)> {
    let held = x.is_held(leg);
    let mut steps = vec![if held { (Step::Resume, 8) } else { (Step::Hold, 4) }, (Step::HangUp, 1)];
    let alone = x.others(leg).is_empty() || x.is_waiting(leg) || x.dialled_to_listen(leg);
    if x.conference_of(leg).is_some() {
        steps.extend([(Step::BringIn, 3), (Step::EndConference, 1)]);
        return steps;
    }
    if alone {
        return steps;
    }
    let calls = x.calls_of(leg);
    match calls.len() {
        1 => steps.push((Step::Consult, 6)),
        _ if calls.iter().all(|&call| x.has_one_other(call)) => {
            steps.extend([(Step::ConnectTwo, 6), (Step::Confer, 5)]);
        }
        _ => steps.push((Step::Confer, 5)),
    }
    steps.push((Step::TransferBlind, 3));
    if !held {
        steps.extend([(Step::Record, 2), (Step::Switch, 2)]);
        // While several users ring, nothing shows whose mobile rings.
        if x.is_only_called_user(leg) {
            steps.push((Step::Flip, 1));
        }
        // With several supervisors, nothing shows which one takes over.
        if !x.was_supervised() {
            steps.push((Step::Supervise, 1));
        }
        let could_park = |other: LegId| !x.dialled_to_listen(other);
        if x.people_with(leg).len() == 1 && calls.len() == 1 && x.others(leg).into_iter().all(could_park) {
            steps.push((Step::Park, 3));
        }
    }
    steps
}

fn take(x: &mut Pbx<'_>, leg: LegId, step: Step) -> Option<()> {
    match step {
        Step::Hold => x.hold(leg),
        Step::Resume => x.resume(leg),
        Step::Record => x.record(leg),
        Step::HangUp => x.hang_up(leg),
        Step::Switch => {
            x.switch(leg)?;
        }
        Step::Flip => {
            x.flip(leg)?;
        }
        Step::TransferBlind => transfer_blind(x, leg)?,
        Step::Consult => consult(x, leg)?,
        Step::ConnectTwo => {
            let other = x.calls_of(leg).into_iter().find(|&other| other != leg)?;
            let (first, second) = (leg.min(other), leg.max(other));
            let reason = if x.chance(90) { Some("AttendedTransfer") } else { None };
            x.transfer_attended(first, second, reason);
        }
        Step::Confer => {
            let calls = x.calls_of(leg);
            x.confer(&calls)?;
        }
        Step::BringIn => {
            let conference = x.conference_of(leg)?;
            if x.is_held(leg) {
                x.resume(leg);
                x.wait(1..4);
            }
            let next = if x.chance(50) { x.consult(leg)? } else { x.consult_outside(leg)? };
            x.bring_in(conference, next.caller);
            x.pass(100..900);
            x.resume(leg);
        }
        Step::EndConference => {
            let conference = x.conference_of(leg)?;
            if x.chance(50) { x.leave_conference(conference) } else { x.end_conference(conference) }
        }
        Step::Park => park(x, leg)?,
        Step::Supervise => {
            let supervisor = x.user(0)?;
            if x.chance(50) {
                x.supervise(supervisor, leg)
            } else {
                x.dial_supervise(supervisor, leg)
            };
        }
        Step::TakeOver => match x.supervised_agent(leg) {
            Some(agent) if x.chance(30) => x.take_over(leg, agent),
            _ => x.stop_listening(leg),
        },
    }
    Some(())
}

fn transfer_blind(x: &mut Pbx<'_>, leg: LegId) -> Option<()> {
    let transferor = x.user_of(leg)?;
    let target = match x.rng.u32(0..6) {
        0 => Target::Outside(x.external_number()),
        1 => Target::Queue(1),
        2 if x.others(leg).len() == 1 => Target::Mailbox(x.user(0)?),
        _ => Target::User(x.user(0)?),
    };
    let session = x.session_of(leg);
    let next = x.transfer_blind(leg, target);
    x.wait(2..9);
    match target {
        Target::Queue(queue) => serve_from_queue(x, next, queue)?,
        Target::Mailbox(_) => {}
        _ if x.chance(80) => x.answer(next),
        _ if x.chance(50) => x.fail(next, Outcome::NoAnswer, Some("NoAnswer")),
        _ => {
            x.stop_ringing(next, Outcome::NoAnswer, Some("NoAnswer"));
            let back = x.ring(session, transferor);
            x.wait(2..9);
            x.answer(back);
        }
    }
    Some(())
}

/// A queue may ring one member without an answer, and rings another who answers.
fn serve_from_queue(x: &mut Pbx<'_>, queue_leg: LegId, queue: usize) -> Option<()> {
    if x.chance(30) {
        let missed = x.member(0, queue)?;
        let missed = x.offer(queue_leg, missed);
        x.wait(6..12);
        x.stop_ringing(missed, Outcome::NoAnswer, Some("AgentDropped"));
        x.pass(20..200);
    }
    let agent = x.member(0, queue)?;
    let agent = x.offer(queue_leg, agent);
    x.wait(2..9);
    x.take_from_queue(queue_leg, agent);
    Some(())
}

fn consult(x: &mut Pbx<'_>, leg: LegId) -> Option<()> {
    if !x.is_held(leg) {
        x.hold(leg);
        x.pass(400..2000);
    }
    let user = x.user_of(leg)?;
    match x.rng.u32(0..10) {
        0..=2 => {
            let other = x.external_number();
            x.call_outside(user, other)?;
            return Some(());
        }
        3 => {
            let queue_leg = x.dial_queue(user, 1);
            x.wait(1..5);
            return serve_from_queue(x, queue_leg, 1);
        }
        _ => {}
    }
    let colleague = x.user(0)?;
    let ringing = x.ring_colleague(user, colleague);
    x.wait(1..8);
    match x.rng.u32(0..10) {
        0 => x.fail(ringing.callee, Outcome::Rejected, Some("Rejected")),
        1 => {
            x.transfer_attended(leg, ringing.caller, Some("AttendedTransfer"));
            x.wait(1..8);
            x.answer(ringing.callee);
        }
        2 => {
            let taker = x.user(0)?;
            x.pick_up(taker, ringing.callee)?;
        }
        _ => x.answer(ringing.callee),
    }
    Some(())
}

fn park(x: &mut Pbx<'_>, leg: LegId) -> Option<()> {
    let parker = x.user_of(leg)?;
    let parked = if x.chance(85) { x.park(leg)? } else { x.park_at_location(leg)? };
    x.wait(3..60);
    match x.rng.u32(0..10) {
        0 => x.hang_up(parked),
        1 => {
            x.ring_back(parker, parked);
        }
        2 if x.is_at_location(parked) => {}
        _ if x.is_at_location(parked) => {
            let taker = x.user(0)?;
            x.retrieve_at_location(taker, parked);
        }
        _ => {
            let taker = x.user(0)?;
            x.retrieve(taker, parked);
        }
    }
    Some(())
}
