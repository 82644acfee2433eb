//! The expected facts of scenarios.

use super::*;
use crate::truth::{CallFacts, CallTruth};

/// Checks each call with a root in a direction, over twenty plays of a scenario, and that there is one.
fn expect(name: &str, direction: &str, check: impl Fn(&CallTruth, &CallFacts) -> bool) {
    let scenario = Scenario::named(name).unwrap();
    let mut calls = 0;
    for seed in 0..20 {
        for truth in scenario.play(seed).truths.iter().filter(|truth| truth.direction == direction) {
            let facts = truth.facts.as_ref().unwrap();
            assert!(check(truth, facts), "{name} {seed}: {}", serde_json::to_string_pretty(truth).unwrap());
            calls += 1;
        }
    }
    assert!(calls > 0, "{name} has no such call");
}

fn outcomes(facts: &CallFacts) -> Vec<&str> {
    facts.queues.iter().filter_map(|visit| visit.outcome.as_deref()).collect()
}

fn moves(truth: &CallTruth) -> Vec<(&str, Option<bool>)> {
    truth.moves.iter().map(|step| (step.kind.as_str(), step.answered)).collect()
}

#[test]
fn a_plain_call_is_answered_by_the_callee() {
    expect("inbound", "Inbound", |truth, facts| {
        let callee = truth.dialled.clone().unwrap();
        facts.answered_by.as_ref() == Some(&callee)
            && facts.last_with == [callee.clone()]
            && facts.users == [callee]
            && facts.customer.as_ref() == Some(&truth.caller)
            && facts.end_state == "talking"
            && facts.wait_ms == truth.answer_time.unwrap() - truth.start_time
            && facts.missed_by.is_empty()
    });
    expect("internal", "Internal", |truth, facts| {
        facts.customer.is_none() && facts.users == [truth.caller.clone(), truth.dialled.clone().unwrap()]
    });
    expect("outbound_no_answer", "Outbound", |truth, facts| {
        facts.customer == truth.dialled && facts.end_state == "ringing" && facts.users.is_empty()
    });
    expect("missed", "Inbound", |truth, facts| {
        facts.missed_by == [truth.dialled.clone().unwrap()] && facts.end_state == "ringing"
    });
    expect("queue_agent_holds", "Inbound", |_, facts| facts.end_state == "onHold");
    // In an internal call, the parked party is not the caller.
    expect("park_abandoned", "Internal", |_, facts| {
        facts.end_state == "parked" || facts.leaves_open == ["endState"]
    });
    expect("park_abandoned", "Inbound", |_, facts| facts.end_state == "parked" && facts.parked_ms >= 5000);
    expect("menu_abandoned", "Inbound", |truth, facts| {
        facts.end_state == "menu" && truth.result == "Abandoned"
    });
    expect("self_call", "Internal", |truth, facts| facts.answered_by.is_none() && truth.result == "Answered");
}

#[test]
fn a_mobile_answers_on_behalf_of_its_user() {
    for name in ["find_me", "phones_off_mobile"] {
        for direction in ["Inbound", "Internal"] {
            expect(name, direction, |truth, facts| {
                let mobile = facts.answered_by.clone().unwrap();
                facts.on_behalf_of.get(&mobile) == truth.dialled.as_ref()
                    && facts.users.contains(truth.dialled.as_ref().unwrap())
                    && facts.customer.as_ref() == (direction == "Inbound").then_some(&truth.caller)
                    && facts.missed_by.is_empty()
            });
        }
    }
    expect("queue_mobile", "Inbound", |_, facts| {
        let visit = &facts.queues[0];
        outcomes(facts) == ["Answered"]
            && visit.answered_by == facts.answered_by
            && facts.on_behalf_of.get(visit.answered_by.as_ref().unwrap()) == facts.users.first()
    });
    expect("ringout_mobile", "Internal", |truth, facts| {
        facts.users == [truth.caller.clone(), truth.dialled.clone().unwrap()] && facts.customer.is_none()
    });
    expect("blind_to_mobile", "Inbound", |truth, facts| {
        moves(truth) == [("BlindTransfer", Some(true))] && facts.users.len() == 2 && facts.transfer.is_some()
    });
    expect("flipped", "Inbound", |_, facts| facts.users.len() == 1 && facts.on_behalf_of.len() == 1);
    expect("find_me_unanswered", "Inbound", |truth, facts| {
        truth.result == "Voicemail" && facts.end_state == "voicemail" && facts.on_behalf_of.len() == 1
    });
    expect("phones_off", "Inbound", |truth, _| truth.result == "Missed" && truth.rung == Some(Vec::new()));
}

#[test]
fn a_group_or_a_boss_is_dialled_and_a_member_answers() {
    for name in ["group_line", "group_without_leg", "delegate"] {
        expect(name, "Inbound", |truth, facts| {
            let dialled = truth.dialled.clone().unwrap();
            !facts.users.contains(&dialled)
                && facts.users.len() == 1
                && facts.answered_by.as_ref() == facts.users.first()
                && facts.end_state == "talking"
                && facts.missed_by.is_empty()
        });
    }
    expect("group_given_up", "Inbound", |truth, facts| {
        truth.result == "Missed" && facts.missed_by.len() >= 2 && facts.end_state == "ringing"
    });
    expect("paged", "Internal", |truth, facts| truth.dialled.is_none() && facts.users.len() == 4);
}

#[test]
fn a_queue_visit_has_one_outcome() {
    expect("queue_overflow_early", "Inbound", |_, facts| outcomes(facts) == ["Overflowed", "Answered"]);
    expect("queue_overflow", "Inbound", |_, facts| outcomes(facts) == ["Overflowed", "Answered"]);
    expect("queue_voicemail", "Inbound", |truth, facts| {
        outcomes(facts) == ["Overflowed"] && truth.result == "Voicemail"
    });
    expect("queue_declined", "Inbound", |truth, facts| {
        outcomes(facts) == ["Abandoned"] && facts.end_state == "queued" && truth.result == "Abandoned"
    });
    expect("queue_picked_up", "Inbound", |_, facts| {
        outcomes(facts) == ["Answered"] && facts.queues[0].answered_by.as_ref() == facts.users.first()
    });
    expect("queue_callback", "Inbound", |truth, facts| {
        outcomes(facts) == ["Left"] && truth.result == "Missed" && facts.end_state == "queued"
    });
    expect("queue_callback", "Outbound", |truth, facts| {
        facts.queues.is_empty()
            && facts.customer == truth.dialled
            && facts.users.len() == usize::from(truth.result == "Answered")
            && truth.answer_time.is_some() == (truth.result == "Answered")
    });
    expect("requeued", "Inbound", |_, facts| outcomes(facts) == ["Answered"; 3]);
    expect("blind_to_queue", "Inbound", |truth, _| moves(truth) == [("BlindTransfer", Some(true))]);
}

#[test]
fn the_last_stop_decides_the_result_of_a_call_served_by_machines() {
    expect("own_mailbox", "Internal", |truth, facts| {
        truth.result == "Service" && truth.dialled.as_ref() == Some(&truth.caller) && facts.users.is_empty()
    });
    expect("star_mailbox", "Internal", |truth, facts| {
        truth.result == "Service" && truth.dialled.is_none() && facts.customer.is_none()
    });
    expect("star_hidden", "Outbound", |truth, facts| {
        facts.customer == truth.dialled && facts.answered_by == truth.dialled
    });
    expect("emergency", "Outbound", |truth, facts| {
        let dialled = truth.dialled.as_ref().unwrap();
        dialled.len() == "tel:911".len()
            && facts.customer.as_ref() == Some(dialled)
            && matches!(
                (truth.result.as_str(), facts.end_state.as_str()),
                ("Answered", "talking") | ("Cancelled", "ringing")
            )
    });
    expect("announcement", "Inbound", |truth, facts| {
        truth.result == "Service" && facts.answered_by.is_none() && truth.conversations.is_empty()
    });
    expect("message_only", "Inbound", |truth, facts| {
        truth.result == "Voicemail" && facts.end_state == "voicemail"
    });
    expect("sent_to_own_mailbox", "Inbound", |truth, facts| {
        truth.result == "Voicemail" && truth.moves.is_empty() && facts.transfer.is_none()
    });
    expect("after_hours", "Inbound", |truth, facts| {
        truth.dialled.is_none()
            && facts.users.is_empty()
            && facts.customer.as_ref() == Some(&truth.caller)
            && facts.leaves_open.is_empty()
    });
    expect("mailbox_left_by_key", "Inbound", |truth, facts| match truth.result.as_str() {
        "Answered" => facts.end_state == "talking",
        result => result == "Missed" && facts.end_state == "ringing" && facts.missed_by.len() == 1,
    });
    expect("screened", "Inbound", |truth, facts| match truth.result.as_str() {
        "Answered" => facts.answered_by == truth.dialled,
        result => result == "Voicemail" && facts.end_state == "voicemail",
    });
    expect("menu_transferred_to", "Inbound", |truth, facts| {
        moves(truth) == [("BlindTransfer", Some(false))]
            && facts.end_state == "menu"
            && facts.users.len() == 1
    });
    expect("ringout_not_taken", "Outbound", |truth, _| truth.result == "Cancelled");
    expect("ringout_twin", "Outbound", |truth, _| matches!(truth.result.as_str(), "Unknown" | "Answered"));
}

#[test]
fn a_park_ends_when_the_next_stop_starts() {
    for name in ["park_location_leg", "queue_parked", "dialler_parked"] {
        let direction = if name == "dialler_parked" { "Outbound" } else { "Inbound" };
        expect(name, direction, |truth, facts| {
            moves(truth) == [("Park", Some(false)), ("Retrieve", Some(true))]
                && facts.users.len() == 2
                && facts.parked_ms >= 3000
                && facts.transfer.is_none()
        });
    }
    expect("park_reverted_to_voicemail", "Inbound", |truth, facts| {
        moves(truth) == [("Park", Some(false))]
            && facts.end_state == "voicemail"
            && (30_000..61_000).contains(&facts.parked_ms)
            && truth.result == "Answered"
    });
}

#[test]
fn a_customers_call_comes_first_and_other_calls_are_only_related() {
    for name in ["merged_into_earlier", "transferred_into_earlier"] {
        expect(name, "Inbound", |truth, facts| {
            facts.customer.as_ref() == Some(&truth.caller)
                && facts.users.len() == 2
                && facts.answered_by == truth.dialled
                && truth.start_time
                    < truth.session_truths.iter().find(|session| session.id == truth.id).unwrap().start_time
                && facts.wait_ms < 15_000
        });
    }
    expect("transferred_into_earlier", "Inbound", |truth, facts| {
        moves(truth) == [("AttendedTransfer", Some(true))]
            && facts.transfer.as_ref() == truth.moves.first()
            && truth.moves[0].target.as_ref()
                == facts.users.iter().find(|user| Some(*user) != truth.dialled.as_ref())
    });
    for (name, direction) in [("hairpin", "Inbound"), ("hairpin", "Outbound")] {
        expect(name, direction, |_, facts| facts.related == ["hairpin"] && facts.customer.is_none());
    }
    for direction in ["Inbound", "Internal"] {
        expect("mixed_in_phone", direction, |_, facts| facts.related == ["concurrent"]);
    }
    expect("call_waiting", "Inbound", |_, facts| facts.related.is_empty());
}

#[test]
fn a_supervisor_joins_by_taking_over() {
    for name in ["taken_over", "taken_over_dialled"] {
        expect(name, "Inbound", |truth, facts| {
            facts.users.len() == 2
                && facts.users[0] == *truth.dialled.as_ref().unwrap()
                && truth.monitors.first() == facts.users.get(1)
                && facts.last_with.first() == facts.users.get(1)
        });
    }
    expect("supervised_dialled", "Inbound", |_, facts| facts.users.len() == 1);
}

#[test]
fn a_move_is_answered_if_its_target_talks_before_the_next() {
    expect("silent_accept", "Inbound", |truth, facts| {
        moves(truth) == [("BlindTransfer", Some(false))]
            && facts.end_state == "ringing"
            && facts.transfer == truth.moves.first().cloned()
            && facts.last_with == facts.users
    });
    expect("attended", "Inbound", |truth, facts| {
        moves(truth) == [("AttendedTransfer", Some(true))]
            && truth.moves[0].target.as_ref() == facts.last_with.first()
            && facts.transfer == truth.moves.first().cloned()
    });
    expect("parked_twice", "Inbound", |truth, facts| {
        truth.moves.iter().filter(|step| step.kind == "Retrieve").all(|step| step.answered == Some(true))
            && facts.users.len() == 3
    });
}
