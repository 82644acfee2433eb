//! Visits to queues (`docs/contract.md` §5, queues).

use wholecall_record::{
    Call,
    call::{LegOutcome, QueueOutcome, QueueVisit, Role},
};

use crate::play::{at, call, leg, moves, participants, person, play, talks, when};

/// +1404 enters queue 500 at 0.1; 111 and 112 are rung from 2 on.
const WAITING: &str = "
    0   A/1 out - +1404>+1650=500 Setup
    0.1 A/2 in 500 +1404>+1650=500 Setup
    0.2 A/1 Answered
    2   A/3 in 111 +1404>+1650=500 queue:Support Proceeding
    2   A/4 in 112 +1404>+1650=500 queue:Support Proceeding
";

fn visit(call: &Call) -> &QueueVisit {
    assert_eq!(call.queues.len(), 1);
    &call.queues[0]
}

#[test]
fn a_visit_ends_when_an_agent_answers() {
    let call = call(&format!(
        "{WAITING} 5 A/4 Answered; 5.1 A/2,A/3 Disconnected/AgentAnswered; 20 A/1,A/4 Disconnected"
    ));
    let visit = visit(&call);
    assert_eq!(visit.participant.as_str(), "ext:500");
    assert_eq!((when(visit.enter_time), at(visit.leave_time)), (0.1, Some(5.0)));
    assert_eq!(visit.wait_ms, 4_900);
    assert_eq!(visit.outcome, Some(QueueOutcome::Answered));
    assert_eq!(visit.offers, 2);
    assert_eq!(visit.answered_by.as_deref(), Some("ext:112"));
    assert_eq!(talks(&call), ["5–20: 112 +1404"]);
}

#[test]
fn the_other_agents_did_not_miss_a_call() {
    let call = call(&format!("{WAITING} 5 A/4 Answered; 5.1 A/2,A/3 Disconnected; 20 A/1,A/4 Disconnected"));
    assert_eq!(leg(&call, "A/3").outcome, Some(LegOutcome::AnsweredElsewhere));
    assert_eq!(leg(&call, "A/4").outcome, Some(LegOutcome::Answered));
    assert_eq!(leg(&call, "A/2").outcome, Some(LegOutcome::Routed));
}

#[test]
fn an_agents_leg_names_the_queue_and_the_agent_its_role() {
    let call = call(&format!("{WAITING} 5 A/4 Answered; 20 A/1,A/2,A/3,A/4 Disconnected"));
    assert_eq!(leg(&call, "A/3").queue.as_deref(), Some("ext:500"));
    assert_eq!(person(&call, "111").roles, [Role::Agent]);
    assert_eq!(visit(&call).name.as_deref(), Some("User 500"));
    assert_eq!(leg(&call, "A/2").queue, None);
}

#[test]
fn the_caller_may_give_up() {
    let call = call(&format!("{WAITING} 9 A/2 Disconnected/CallerDropped; 9 A/3,A/4,A/1 Disconnected"));
    assert_eq!(visit(&call).outcome, Some(QueueOutcome::Abandoned));
    assert_eq!(at(visit(&call).leave_time), Some(9.0));
    assert_eq!(visit(&call).answered_by, None);
}

#[test]
fn a_queue_may_overflow_to_another_user() {
    let call = call(&format!(
        "{WAITING} 9 A/3,A/4 Disconnected/AgentDropped; 10 A/2 Disconnected; 10 A/5 in 106 +1404>106 Proceeding
         12 A/5 Answered; 20 A/1,A/5 Disconnected"
    ));
    assert_eq!(visit(&call).outcome, Some(QueueOutcome::Overflowed));
    assert_eq!(at(visit(&call).leave_time), Some(10.0));
    assert!(moves(&call).is_empty());
}

#[test]
fn a_queue_may_overflow_to_voicemail() {
    let call = call(&format!(
        "{WAITING} 9 A/3,A/4 Disconnected/AgentDropped; 10 A/2 Voicemail; 20 A/1,A/2 Disconnected"
    ));
    assert_eq!(visit(&call).outcome, Some(QueueOutcome::Overflowed));
    assert_eq!(at(visit(&call).leave_time), Some(10.0));
    assert_eq!(leg(&call, "A/2").outcome, Some(LegOutcome::Voicemail));
}

#[test]
fn an_agent_rung_again_is_one_person_and_another_offer() {
    let call = call(&format!(
        "{WAITING} 5 A/3,A/4 Disconnected/AgentDropped; 8 A/5 in 111 +1404>+1650=500 queue Proceeding; 9 A/5 Answered
         9 A/2 Disconnected/AgentAnswered; 20 A/1,A/5 Disconnected"
    ));
    assert_eq!(visit(&call).offers, 3);
    assert_eq!(person(&call, "111").legs.len(), 2);
    assert_eq!(person(&call, "111").ring_ms, 3_000 + 1_000);
    assert_eq!(leg(&call, "A/3").outcome, Some(LegOutcome::Missed));
}

#[test]
fn two_queues_are_two_visits() {
    let call = call(&format!(
        "{WAITING} 9 A/3,A/4 Disconnected/AgentDropped; 10 A/2 Disconnected; 10 A/5 in 600 +1404>600 Setup
         11 A/6 in 113 +1404>600 queue Proceeding; 12 A/6 Answered; 12 A/5 Disconnected/AgentAnswered; 20 A/1,A/6 Disconnected"
    ));
    let visits: Vec<_> =
        call.queues.iter().map(|visit| (visit.participant.as_str(), visit.outcome, visit.offers)).collect();
    assert_eq!(
        visits,
        [("ext:500", Some(QueueOutcome::Overflowed), 2), ("ext:600", Some(QueueOutcome::Answered), 1)]
    );
}

#[test]
fn the_same_queue_entered_again_is_another_visit() {
    let call = call(&format!(
        "{WAITING} 5 A/4 Answered; 5 A/2,A/3 Disconnected/AgentAnswered; 9 A/4 Disconnected/BlindTransfer
         9 A/5 in 500 +1404>500 Setup; 10 A/6 in 111 +1404>500 queue Proceeding; 12 A/1 Disconnected
         12 A/5 Disconnected/CallerDropped; 12 A/6 Disconnected"
    ));
    let visits: Vec<_> = call.queues.iter().map(|visit| (visit.outcome, visit.offers)).collect();
    assert_eq!(visits, [(Some(QueueOutcome::Answered), 2), (Some(QueueOutcome::Abandoned), 1)]);
    assert_eq!(moves(&call), ["BlindTransfer 112→500"]);
    assert_eq!(call.moves[0].answered, Some(false));
}

#[test]
fn while_the_caller_waits_the_visit_has_no_end() {
    let call = call(WAITING);
    assert_eq!(visit(&call).outcome, None);
    assert_eq!(visit(&call).leave_time, None);
    assert_eq!(visit(&call).wait_ms, 1_900, "to the last event");
}

#[test]
fn waiting_counts_from_the_queues_setup_though_agents_have_none() {
    let call = call(&format!("{WAITING} 5 A/4 Answered; 20 A/1,A/2,A/3,A/4 Disconnected"));
    assert_eq!(call.durations.wait_ms, 5_000);
    assert_eq!(leg(&call, "A/4").ring_ms, 3_000);
}

#[test]
fn a_queue_whose_own_leg_was_not_seen_is_known_by_its_offers() {
    let seen = |end: &str| play(&format!("{WAITING} {end}")).seen_by(&["111"]).call();
    let call = seen("5 A/3 Answered; 20 A/1,A/2,A/3,A/4 Disconnected");
    assert_eq!(participants(&call), ["111 user", "500 queue", "+1404 external"]);
    assert!(!person(&call, "500").observed);
    assert_eq!(person(&call, "500").name.as_deref(), Some("User 500"));
    assert_eq!(call.to.participant.as_deref(), Some("ext:500"));
    assert_eq!(leg(&call, "A/3").queue.as_deref(), Some("ext:500"));
    assert_eq!(talks(&call), ["5–20: 111 +1404"], "it is nowhere on the line");
    assert_eq!((when(visit(&call).enter_time), visit(&call).offers), (2.0, 1), "from the first offer on");
    assert_eq!(visit(&call).answered_by.as_deref(), Some("ext:111"));
}

#[test]
fn where_only_an_offer_was_seen_it_decides_a_visits_outcome() {
    let seen = |end: &str| play(&format!("{WAITING} 9 A/3 Disconnected{end}")).seen_by(&["111"]).call();
    assert_eq!(visit(&seen("/AgentAnswered")).outcome, Some(QueueOutcome::Answered));
    assert_eq!(visit(&seen("/AgentAnswered")).answered_by, None, "by whom was not seen");
    assert_eq!(visit(&seen("/CallerDropped")).outcome, Some(QueueOutcome::Abandoned));
    assert_eq!(visit(&seen("/AgentDropped")).outcome, None, "another agent may have answered");
}
