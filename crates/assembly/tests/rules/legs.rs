//! The states of a leg, when it is connected, and its durations (`docs/contract.md` §3 and §5).

use wholecall_record::{
    Call,
    call::{LegDirection, LegOutcome},
};

use crate::play::{ANSWERED, BRIDGED, CONSULTING, at, call, leg, play, segments, talks};

fn outcome(call: &Call, name: &str) -> Option<LegOutcome> {
    leg(call, name).outcome
}

#[test]
fn every_code_is_a_state() {
    let call = call(
        "
        0 A/1 out - +1404>+1650=104 Setup
        1 A/2 in 104 +1404>+1650=104 Setup; 2 A/2 Proceeding; 3 A/2 Answered; 4 A/2 Hold; 5 A/2 Parked
        6 A/2 Voicemail; 7 A/2 VMScreening; 8 A/2 FaxReceive; 9 A/2 Gone; 10 A/2 Answered; 11 A/2 Disconnected
        12 A/1 Disconnected
    ",
    );
    assert_eq!(
        segments(leg(&call, "A/2")),
        "setup 1–2, ringing 2–3, connected 3–4, holding 4–5, parked 5–6, voicemail 6–8, fax 8–9, gone 9–10, connected 10–11"
    );
    assert_eq!(talks(&call), ["3–4: 104 +1404", "10–11: 104 +1404"], "only connected legs are on the line");
}

#[test]
fn the_originating_leg_is_on_the_line_from_its_first_event() {
    for first in ["Setup", "Proceeding", "Tds"] {
        let call = call(&format!(
            "0 A/1 out - +1404>+1650=104 {first}; 1 A/2 in 104 +1404>+1650=104 Answered; 9 A/1,A/2 Disconnected"
        ));
        assert_eq!(talks(&call), ["1–9: 104 +1404"], "{first}");
    }
}

#[test]
fn an_early_answered_of_the_caller_is_no_answer() {
    let call = call(&format!("{ANSWERED} 9 A/1,A/2 Disconnected"));
    assert_eq!(at(leg(&call, "A/1").answer_time), Some(0.2));
    assert_eq!(at(call.answer_time), Some(3.0));
}

#[test]
fn the_originating_leg_is_the_outbound_leg_of_the_lowest_sequence() {
    let call = call(
        "
        0 A/2#3 in 104 +1404>+1650=104 Answered
        1 A/1#2 out - +1404>+1650=104 Setup
        2 A/3#4 out 106 106>104 Setup
        9 A/1,A/2,A/3 Disconnected
    ",
    );
    assert_eq!(outcome(&call, "A/1"), Some(LegOutcome::Originated));
    assert_eq!(
        talks(&call),
        ["1–9: 104 +1404"],
        "a later Outbound leg is not on the line while it is set up"
    );
}

#[test]
fn a_supervisors_leg_or_a_leg_in_a_bridge_originates_nothing() {
    let supervisor = call(
        "
        0 A/3 out 109 109>104 Setup/Supervising; 1 A/2 in 104 +1404>104 Answered; 9 A/2,A/3 Disconnected
    ",
    );
    assert_eq!(outcome(&supervisor, "A/3"), Some(LegOutcome::Monitoring));
    assert_eq!(talks(&supervisor), ["1–9: 104 +1404"], "the caller is inferred: no originating leg was seen");
    let host = call(
        "K is Conference
        0 K/1 out 104 104>conference Setup; 1 K/9 out 106 106>conference Answered; 9 K/1,K/9 Disconnected
    ",
    );
    assert!(talks(&host).is_empty(), "the host's leg is not on the line before it is answered");
}

#[test]
fn a_leg_that_continues_for_the_same_owner_originates_nothing() {
    for reason in ["CallSwitch", "CallFlip", "Pickup"] {
        let call = call(&format!(
            "0 A/2 in 104 +1404>+1650=104 Proceeding; 3 A/2 Answered; 9 A/2 Disconnected/{reason}
             9 A/3 out 104 104>+1404 Answered; 20 A/3 Disconnected"
        ));
        assert_eq!(call.from.participant.as_deref(), Some("tel:+1404"), "{reason}");
        assert_eq!(outcome(&call, "A/3"), Some(LegOutcome::Answered), "{reason}");
        assert_eq!(talks(&call), ["3–20: 104 +1404"], "{reason}");
    }
}

#[test]
fn disconnected_after_gone_moves_nothing() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 20 B/1 Gone/AttendedTransfer -> A/2
         30 A/1,B/2 Disconnected; 90 A/2,B/1 Disconnected"
    ));
    assert_eq!(at(leg(&call, "A/2").end_time), Some(20.0));
    assert_eq!(leg(&call, "A/2").end_reason.as_deref(), Some("AttendedTransfer"));
    assert_eq!(at(call.end_time), Some(30.0));
}

#[test]
fn gone_may_be_followed_by_answered() {
    let call = call(&format!("{ANSWERED} 9 A/2 Gone; 15 A/2 Answered; 20 A/1,A/2 Disconnected"));
    assert_eq!(talks(&call), ["3–9: 104 +1404", "15–20: 104 +1404"]);
}

#[test]
fn a_repeated_answered_resets_nothing() {
    let call = call(&format!(
        "{ANSWERED} 5 A/2 Answered rec:1; 7 A/2 Answered/AttendedTransfer; 9 A/1,A/2 Disconnected"
    ));
    assert_eq!(at(leg(&call, "A/2").answer_time), Some(3.0));
    assert_eq!(segments(leg(&call, "A/2")), "setup 0.1–0.3, ringing 0.3–3, connected 3–9");
    assert_eq!(talks(&call), ["3–9: 104 +1404"]);
}

#[test]
fn a_repeated_proceeding_does_not_reset_the_start_of_ringing() {
    let call = call(
        "
        0 A/1 out - +1404>+1650=104 Setup; 1 A/2 in 104 +1404>+1650=104 Proceeding; 4 A/2 Proceeding
        6 A/2 Answered; 9 A/1,A/2 Disconnected
    ",
    );
    assert_eq!(at(leg(&call, "A/2").ring_time), Some(1.0));
    assert_eq!(leg(&call, "A/2").ring_ms, 5_000);
}

#[test]
fn a_menu_leg_ends_without_a_reason_while_the_call_continues() {
    let call = call("
        0 A/1 out - +1404>+1800=700 Setup; 0.1 A/2 in 700 +1404>+1800=700 Setup; 0.2 A/1 Answered
        8 A/2 Disconnected; 8 A/3 in 104 +1404>+1800=104 Setup; 9 A/3 Proceeding; 12 A/3 Answered; 20 A/3,A/1 Disconnected
    ");
    assert_eq!(outcome(&call, "A/2"), Some(LegOutcome::Routed));
    assert_eq!(talks(&call), ["12–20: 104 +1404"]);
    assert!(call.moves.is_empty(), "a menu routes, it makes no move");
}

#[test]
fn ring_talk_and_hold_are_ringcentrals_formulas() {
    let call = call("
        0 A/1 out - +1404>+1650=104 Setup; 1 A/2 in 104 +1404>+1650=104 Setup
        2 A/2 Proceeding; 5 A/2 Answered; 9 A/2 Hold; 11 A/2 Answered; 12 A/2 Hold; 15 A/2 Answered; 18 A/1,A/2 Disconnected
    ");
    let leg = leg(&call, "A/2");
    assert_eq!(leg.ring_ms, 3_000, "Proceeding to the first Answered");
    assert_eq!(leg.talk_ms, 4_000 + 1_000 + 3_000, "every Answered to Hold or the end");
    assert_eq!(leg.hold_ms, 2_000 + 3_000, "every Hold to Answered or the end");
}

#[test]
fn ring_ends_with_the_leg_and_hold_with_the_end() {
    let call = call(
        "
        0 A/1 out - +1404>+1650 Setup; 1 A/2 in 104 +1404>+1650 Proceeding; 6 A/2 Disconnected/NoAnswer
        6 A/3 in 106 +1404>+1650 Proceeding; 7 A/3 Answered; 8 A/3 Hold; 12 A/1,A/3 Disconnected
    ",
    );
    assert_eq!(leg(&call, "A/2").ring_ms, 5_000);
    assert_eq!(leg(&call, "A/3").hold_ms, 4_000);
}

#[test]
fn gone_parked_and_voicemail_end_a_counted_stretch() {
    for code in ["Gone", "Parked", "Voicemail"] {
        let call = call(&format!("{ANSWERED} 9 A/2 {code}; 20 A/1,A/2 Disconnected"));
        assert_eq!(leg(&call, "A/2").talk_ms, 6_000, "{code}");
    }
    let ringing = call("
        0 A/1 out - +1404>+1650 Setup; 1 A/2 in 104 +1404>+1650 Proceeding; 6 A/2 Voicemail; 20 A/1,A/2 Disconnected
    ");
    assert_eq!(leg(&ringing, "A/2").ring_ms, 5_000);
}

#[test]
fn a_leg_keeps_its_direction_and_its_device() {
    let call = call(&format!("{ANSWERED} 9 A/1,A/2 Disconnected"));
    assert_eq!(leg(&call, "A/1").direction, LegDirection::Outbound);
    assert_eq!(leg(&call, "A/2").direction, LegDirection::Inbound);
    assert_eq!(leg(&call, "A/2").device_id.as_deref(), Some("phone-of-104"));
}

/// The outcome of 104's leg that rang from 1 on and ended this way, while A/3 of 106 may do something.
fn unanswered(end: &str) -> Option<LegOutcome> {
    let call = call(&format!(
        "0 A/1 out - +1404>+1650 Setup; 1 A/2 in 104 +1404>+1650=104 Proceeding; {end}; 30 A/1 Disconnected"
    ));
    outcome(&call, "A/2")
}

#[test]
fn outcomes_of_legs_that_were_not_answered() {
    assert_eq!(unanswered("9 A/2 Disconnected"), Some(LegOutcome::Missed));
    assert_eq!(unanswered("9 A/2 Disconnected/CallerDropped"), Some(LegOutcome::Missed));
    assert_eq!(unanswered("9 A/2 Disconnected/NoAnswer"), Some(LegOutcome::Missed));
    assert_eq!(unanswered("9 A/2 Disconnected/AgentDropped"), Some(LegOutcome::Missed));
    assert_eq!(unanswered("9 A/2 Disconnected/Rejected"), Some(LegOutcome::Rejected));
    assert_eq!(unanswered("9 A/2 Disconnected/TargetBusy"), Some(LegOutcome::Busy));
    assert_eq!(unanswered("9 A/2 Disconnected/Cancelled"), Some(LegOutcome::Cancelled));
    assert_eq!(unanswered("9 A/2 Disconnected/InternalError"), Some(LegOutcome::Failed));
    assert_eq!(unanswered("9 A/2 Disconnected/CallRedirected"), Some(LegOutcome::Routed));
    assert_eq!(unanswered("9 A/2 Disconnected/BlindTransfer"), Some(LegOutcome::Routed));
    assert_eq!(unanswered("5 A/2 Voicemail; 9 A/2 Disconnected"), Some(LegOutcome::Voicemail));
    assert_eq!(unanswered("5 A/2 FaxReceive; 9 A/2 Disconnected"), Some(LegOutcome::Fax));
    let picked_up = "5 A/3 in 106 +1404>+1650 Answered; 5 A/2 Disconnected/Pickup; 9 A/3 Disconnected";
    assert_eq!(unanswered(picked_up), Some(LegOutcome::PickedUp));
}

#[test]
fn answered_elsewhere_is_still_ringing_when_another_was_first_answered() {
    let other = "1 A/3 in 106 +1404>+1650 Proceeding; 5 A/3 Answered; 29 A/3 Disconnected";
    assert_eq!(unanswered(&format!("{other}; 5.1 A/2 Disconnected")), Some(LegOutcome::AnsweredElsewhere));
    assert_eq!(
        unanswered(&format!("4 A/2 Disconnected; {other}")),
        Some(LegOutcome::Missed),
        "it had stopped before"
    );
    assert_eq!(
        unanswered(&format!("{other}; 5.1 A/2 Disconnected/AgentAnswered")),
        Some(LegOutcome::AnsweredElsewhere)
    );
}

#[test]
fn outcomes_of_the_others() {
    let call =
        call(&format!("{ANSWERED} 4 A/3 out 109 109>104 Answered/Supervising; 9 A/1,A/2,A/3 Disconnected"));
    assert_eq!(outcome(&call, "A/1"), Some(LegOutcome::Originated));
    assert_eq!(outcome(&call, "A/2"), Some(LegOutcome::Answered));
    assert_eq!(outcome(&call, "A/3"), Some(LegOutcome::Monitoring));
    assert_eq!(outcome(&crate::play::call("0 A/1 out 104 104>106 Setup"), "A/1"), None, "it lives");
}

#[test]
fn an_outsider_who_was_not_reached_was_cancelled() {
    let call = call(
        "
        0 A/1 out 104 104>+1505 Setup; 1 A/2 in - 104>+1505 Proceeding; 9 A/1,A/2 Disconnected
    ",
    );
    assert_eq!(outcome(&call, "A/2"), Some(LegOutcome::Cancelled));
}

#[test]
fn a_link_that_only_the_other_end_reports_gives_the_leg_its_reason() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING} 20 B/1 Gone/AttendedTransfer -> A/2; 20.1 A/2 Disconnected; 30 A/1,B/2 Disconnected"
    ));
    assert_eq!(at(leg(&call, "A/2").end_time), Some(20.0));
    assert_eq!(leg(&call, "A/2").end_reason.as_deref(), Some("AttendedTransfer"));
}

#[test]
fn a_leg_that_arrives_after_its_link_has_no_negative_duration() {
    let call = call(&format!(
        "{ANSWERED} 10 B/2 in 106 104>106 Answered; 20 A/2 Gone/AttendedTransfer -> B/1
         25 B/1 out 104 104>106 Disconnected; 30 A/1,B/2 Disconnected"
    ));
    assert_eq!(at(leg(&call, "B/1").end_time), Some(25.0));
    assert_eq!(segments(leg(&call, "B/1")), "");
}

#[test]
fn seats_of_a_bridge_have_no_participant() {
    let call = call(&format!("{ANSWERED}{CONSULTING}{BRIDGED} 30 A/1,A/2,B/1,B/2,K/1 Disconnected"));
    assert_eq!(leg(&call, "K/2").participant, None);
    assert_eq!(outcome(&call, "K/2"), Some(LegOutcome::Routed));
    assert_eq!(call.participants.len(), 3);
}

#[test]
fn a_leg_that_left_by_a_link_was_answered_even_if_that_was_lost() {
    let lost = "0 A/1 out - +1404>104 Setup; 1 A/2 in 104 +1404>104 Proceeding; 9 B/1 out 104 104>106 Setup
                10 B/2 in 106 104>106 Answered";
    for gone in
        ["A/2 Gone/AttendedTransfer -> B/1", "B/1 Gone/AttendedTransfer -> A/2", "A/2 Gone/AttendedTransfer"]
    {
        let call = play(&format!("{lost}; 20 {gone}; 30 A/1,B/2,B/1 Disconnected"));
        let call = call.call_of("A");
        assert_eq!(outcome(&call, "A/2"), Some(LegOutcome::Answered), "{gone}");
        assert_eq!(leg(&call, "A/2").answer_time, None, "no time is made up");
    }
}
