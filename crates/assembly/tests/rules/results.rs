//! Who called whom, and with which result (`docs/contract.md` §5: caller, direction, from, to, result).

use wholecall_record::{
    Call,
    call::{Direction, Outcome},
};

use crate::play::{ANSWERED, BRIDGED, CONSULTING, call, play, talks};

fn direction(script: &str) -> Direction {
    call(script).direction
}

fn result(script: &str) -> Outcome {
    call(script).result
}

fn from_and_to(call: &Call) -> (&str, &str) {
    let [from, to] = [&call.from, &call.to].map(|side| side.participant.as_deref().unwrap_or("none"));
    (from, to)
}

#[test]
fn an_outsiders_call_is_inbound_for_any_callee() {
    assert_eq!(direction(ANSWERED), Direction::Inbound);
    assert_eq!(
        direction("0 A/1 out - +1404>+1777 Setup; 1 A/2 in - +1404>+1777 Proceeding"),
        Direction::Inbound
    );
}

#[test]
fn a_call_between_extensions_is_internal() {
    assert_eq!(direction("0 A/1 out 104 104>106? Setup; 1 A/2 in 106 104>106 Setup"), Direction::Internal);
    assert_eq!(
        direction("0 A/1 out 104 104>+1650 Setup; 1 A/2 in 106 104>+1650=106 Setup"),
        Direction::Internal,
        "by a full number, too"
    );
}

#[test]
fn a_call_to_a_short_number_is_internal() {
    assert_eq!(direction("0 A/1 out 104 104>106? Setup"), Direction::Internal);
    assert_eq!(direction("0 A/1 out 104 104>12345? Setup"), Direction::Internal, "up to five digits");
    assert_eq!(direction("0 A/1 out 104 104>123456? Setup"), Direction::Outbound);
    assert_eq!(direction("0 A/1 out 104 104>911? Setup"), Direction::Outbound, "not an emergency number");
    assert_eq!(direction("0 A/1 out 104 104>+1505 Setup"), Direction::Outbound, "not with a plus");
}

#[test]
fn any_other_call_is_outbound() {
    assert_eq!(
        direction("0 A/1 out 104 104>+1505 Setup; 1 A/2 in - 104>+1505 Proceeding"),
        Direction::Outbound
    );
}

#[test]
fn the_caller_is_the_owner_of_the_originating_leg() {
    let call = call(ANSWERED);
    assert_eq!(from_and_to(&call), ("tel:+1404", "ext:104"));
    assert_eq!(call.from.phone_number.as_deref(), Some("+1404"));
    assert_eq!(call.to.phone_number.as_deref(), Some("+1650"));
    assert_eq!(call.to.extension_id.as_deref(), Some("104"));
    assert_eq!(call.to.name.as_deref(), Some("User 104"));
}

#[test]
fn if_that_was_not_seen_the_caller_is_from_of_the_first_inbound_leg() {
    let call = call("0 A/2 in 104 +1404>+1650=104 Proceeding; 1 A/3 in 106 +1505>106 Proceeding");
    assert_eq!(from_and_to(&call), ("tel:+1404", "ext:104"));
}

#[test]
fn in_a_ring_out_the_caller_is_the_initiator() {
    for origin in ["RingOut", "RingMe"] {
        let call = call(&format!(
            "R is {origin}; 0 R/1 in - 104>+1505 role:Target Proceeding; 1 R/2 in 104 +1505>+1650=104 role:Initiator Proceeding
             2 R/2 Answered; 4 R/1 Answered; 9 R/1,R/2 Disconnected"
        ));
        assert_eq!(from_and_to(&call), ("ext:104", "tel:+1505"), "{origin}");
        assert_eq!(call.direction, Direction::Outbound);
        assert_eq!(talks(&call), ["4–9: 104 +1505"]);
    }
}

#[test]
fn in_a_ring_out_without_roles_the_caller_is_its_first_leg() {
    let call = call("R is RingOut; 0 R/1 in 104 +1505>+1650=104 Proceeding; 1 R/2 in - 104>+1505 Proceeding");
    assert_eq!(from_and_to(&call), ("ext:104", "tel:+1505"));
}

#[test]
fn an_unanswered_ring_out_was_dialled_to_the_other_number() {
    let call =
        call("R is RingOut; 0 R/1 in 104 +1505>+1650=104 role:Initiator Proceeding; 9 R/1 Disconnected");
    assert_eq!(call.direction, Direction::Outbound);
    assert_eq!(call.to.phone_number.as_deref(), Some("+1505"));
    assert_eq!(call.result, Outcome::Cancelled);
}

#[test]
fn to_is_what_was_dialled_not_who_was_reached() {
    let call = call(&format!(
        "{ANSWERED} 9 A/2 Disconnected/BlindTransfer; 9 A/3 in 106 +1404>106 Answered; 20 A/1,A/3 Disconnected"
    ));
    assert_eq!(from_and_to(&call), ("tel:+1404", "ext:104"));
}

#[test]
fn to_is_the_queue_where_an_agent_was_the_first_to_be_seen() {
    let call = call("
        0 A/1 out - +1404>+1650=500 Setup; 1 A/3 in 111 +1404>+1650=500 queue Proceeding; 2 A/2 in 500 +1404>+1650=500 Setup
    ");
    assert_eq!(from_and_to(&call), ("tel:+1404", "ext:500"));
}

#[test]
fn to_is_the_callers_to_if_only_the_caller_was_seen() {
    let call = call("0 A/1 out - +1404>+1650=104 Setup; 9 A/1 Disconnected");
    assert_eq!(call.to.phone_number.as_deref(), Some("+1650"));
    assert_eq!(call.to.extension_id.as_deref(), Some("104"));
}

#[test]
fn a_live_call_without_a_conversation_is_in_progress() {
    let mut live = crate::play::Live::new();
    live.receive("0 A/1 out - +1404>+1650=104 Setup; 0.1 A/2 in 104 +1404>+1650=104 Proceeding");
    assert_eq!(live.last("A").result, Outcome::InProgress);
    live.receive("3 A/2 Answered");
    assert_eq!(live.last("A").result, Outcome::Answered);
}

#[test]
fn any_conversation_is_an_answer() {
    let script = format!(
        "{ANSWERED} 9 A/2 Disconnected/BlindTransfer; 9 A/3 in 106 +1404>106 Voicemail; 20 A/1,A/3 Disconnected"
    );
    assert_eq!(result(&script), Outcome::Answered);
}

#[test]
fn a_call_to_oneself_is_answered_when_its_inbound_leg_is() {
    let call = call(
        "0 A/1 out 104 104>104 Setup; 1 A/2 in 104 104>104 Proceeding; 3 A/2 Answered; 9 A/1,A/2 Disconnected",
    );
    assert_eq!(call.result, Outcome::Answered);
    assert!(call.conversations.is_empty(), "a person alone makes none");
    assert_eq!(call.answer_time, None);
    assert_eq!(from_and_to(&call), ("ext:104", "ext:104"));
    let missed = "0 A/1 out 104 104>104 Setup; 1 A/2 in 104 104>104 Proceeding; 9 A/1,A/2 Disconnected";
    assert_eq!(result(missed), Outcome::Missed);
}

#[test]
fn voicemail_comes_before_fax_and_fax_before_missed() {
    let rung = "0 A/1 out - +1404>+1650=104 Setup; 1 A/2 in 104 +1404>+1650=104 Proceeding";
    assert_eq!(result(&format!("{rung}; 5 A/2 Voicemail; 9 A/1,A/2 Disconnected")), Outcome::Voicemail);
    assert_eq!(result(&format!("{rung}; 5 A/2 VMScreening; 9 A/1,A/2 Disconnected")), Outcome::Voicemail);
    assert_eq!(result(&format!("{rung}; 5 A/2 FaxReceive; 9 A/1,A/2 Disconnected")), Outcome::Fax);
    assert_eq!(
        result(&format!("{rung}; 5 A/2 FaxReceive; 6 A/2 Voicemail; 9 A/1,A/2 Disconnected")),
        Outcome::Voicemail
    );
    assert_eq!(result(&format!("{rung}; 9 A/1,A/2 Disconnected")), Outcome::Missed);
}

#[test]
fn voicemail_of_an_outbound_call_counts_too() {
    let script = "0 A/1 out 104 104>+1505 Setup; 1 A/2 in 106 104>+1505 Voicemail; 9 A/1,A/2 Disconnected";
    assert_eq!(result(script), Outcome::Voicemail);
}

/// An inbound call that rings 104 and 106, whose legs end with these reasons.
fn rung(first: &str, second: &str) -> Outcome {
    result(&format!(
        "0 A/1 out - +1404>+1650 Setup; 1 A/2 in 104 +1404>+1650 Proceeding; 1 A/3 in 106 +1404>+1650 Proceeding
         8 A/2 Disconnected{first}; 9 A/3 Disconnected{second}; 9 A/1 Disconnected"
    ))
}

#[test]
fn if_every_one_rejected_it_was_rejected_if_every_one_was_busy_busy() {
    assert_eq!(rung("/Rejected", "/Rejected"), Outcome::Rejected);
    assert_eq!(rung("/TargetBusy", "/TargetBusy"), Outcome::Busy);
    assert_eq!(rung("/Rejected", "/TargetBusy"), Outcome::Missed);
    assert_eq!(rung("/Rejected", ""), Outcome::Missed);
    assert_eq!(rung("", "/CallerDropped"), Outcome::Missed);
}

#[test]
fn if_no_one_was_rung_it_was_abandoned() {
    let menu = "0 A/1 out - +1404>+1800 Setup; 0.1 A/2 in 700 +1404>+1800 Setup; 5 A/2 Disconnected/CallerDropped; 5 A/1 Disconnected";
    assert_eq!(result(menu), Outcome::Abandoned);
    let busy = "0 A/1 out 104 104>106 Setup; 0.1 A/2 in 106 104>106 Setup; 1 A/2 Disconnected/TargetBusy; 1 A/1 Disconnected";
    assert_eq!(result(busy), Outcome::Abandoned, "`Proceeding` is what rings");
}

#[test]
fn the_initiators_own_leg_of_a_ring_out_does_not_count_as_rung() {
    let script = "R is RingOut; 0 R/1 in 104 106>104 role:Initiator Proceeding; 9 R/1 Disconnected/Rejected";
    assert_eq!(call(script).direction, Direction::Internal);
    assert_eq!(result(script), Outcome::Abandoned);
}

#[test]
fn the_callers_own_ringing_does_not_count_as_rung() {
    let script = "0 A/1 out 104 104>106 Proceeding; 5 A/1 Disconnected";
    assert_eq!(result(script), Outcome::Abandoned);
}

#[test]
fn an_outbound_calls_result_is_the_reason_of_the_callee() {
    let outcomes = [
        ("TargetBusy", Outcome::Busy),
        ("NoAnswer", Outcome::NoAnswer),
        ("Timeout", Outcome::NoAnswer),
        ("Rejected", Outcome::Rejected),
        ("InvalidNumber", Outcome::Failed),
        ("NoSuchUser", Outcome::Failed),
        ("InternalError", Outcome::Failed),
        ("InternationalDisabled", Outcome::Blocked),
        ("DestinationBlocked", Outcome::Blocked),
        ("NotEnoughFunds", Outcome::Blocked),
        ("Cancelled", Outcome::Cancelled),
    ];
    for (reason, expected) in outcomes {
        let script = format!(
            "0 A/1 out 104 104>+1505 Setup; 1 A/2 in - 104>+1505 Proceeding; 9 A/2 Disconnected/{reason}; 9 A/1 Disconnected"
        );
        assert_eq!(result(&script), expected, "{reason}");
    }
    let none = "0 A/1 out 104 104>+1505 Setup; 1 A/2 in - 104>+1505 Proceeding; 9 A/1,A/2 Disconnected";
    assert_eq!(result(none), Outcome::Cancelled);
}

#[test]
fn of_several_callees_the_last_to_end_with_a_reason_counts() {
    let script = "
        0 A/1 out 104 104>+1505 Setup; 1 A/2 in - 104>+1505 Proceeding; 5 A/2 Disconnected/TargetBusy
        5 A/3 in - 104>+1506 Proceeding; 8 A/3 Disconnected/NoAnswer; 8 A/4 in - 104>+1507 Proceeding; 9 A/4,A/1 Disconnected
    ";
    assert_eq!(result(script), Outcome::NoAnswer);
}

#[test]
fn a_linked_sessions_callees_do_not_decide_an_outbound_calls_result() {
    let script = "
        0 A/1 out 104 104>+1505 Setup; 1 A/2 in - 104>+1505 Proceeding; 5 A/2 Disconnected/TargetBusy
        6 B/1 out 104 104>+1506 Setup; 7 B/2 in - 104>+1506 Proceeding; 8 A/1 Gone/AttendedTransfer -> B/1; 9 B/2 Disconnected/NoAnswer
    ";
    assert_eq!(result(script), Outcome::Busy);
}

#[test]
fn internal_calls_that_ring_in_vain_are_missed_though_the_caller_was_answered_early() {
    let script = "
        0 A/1 out 104 104>106 Setup; 0.1 A/2 in 106 104>106 Setup; 0.2 A/1 Answered; 0.3 A/2 Proceeding
        9 A/2 Disconnected; 9 A/1 Disconnected
    ";
    assert_eq!(result(script), Outcome::Missed);
}

#[test]
fn names_of_the_call_come_from_its_people() {
    let call = play(&format!("{ANSWERED}{CONSULTING}{BRIDGED}")).call();
    assert_eq!(call.from.name, None);
    assert_eq!(call.from.extension_id, None);
    assert_eq!(call.account_id.as_deref(), Some("1"));
}
