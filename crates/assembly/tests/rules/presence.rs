//! Sessions of which only one side is visible (`docs/contract.md` §4).

use wholecall_record::call::{Kind, Outcome};

use crate::play::{ANSWERED, BRIDGED, CONSULTING, at, call, moves, participants, person, play, talks};

const TRANSFERRED: &str = "
    20 A/2 Gone/AttendedTransfer -> B/1
    20 B/1 Gone/AttendedTransfer -> A/2
    30 A/1,B/2 Disconnected
";

#[test]
fn the_other_side_is_implied_and_marked_as_not_observed() {
    let call = play(&format!("{ANSWERED} 9 A/2,A/1 Disconnected")).seen_by(&["104"]).call();
    assert_eq!(participants(&call), ["104 user", "+1404 external"]);
    assert!(!person(&call, "+1404").observed);
    assert!(person(&call, "104").observed);
    assert!(person(&call, "+1404").legs.is_empty());
}

#[test]
fn an_implied_caller_is_on_the_line_until_the_visible_legs_have_ended() {
    let play =
        play(&format!("{ANSWERED} 5 A/2 Hold; 7 A/2 Answered; 9 A/2,A/1 Disconnected")).seen_by(&["104"]);
    assert_eq!(talks(&play.call()), ["3–5: 104 +1404", "7–9: 104 +1404"]);
    assert_eq!(play.call().from.participant.as_deref(), Some("tel:+1404"));
}

#[test]
fn an_implied_caller_without_a_number_is_anonymous() {
    let call = call("0 A/2 in 104 ->+1650=104 Proceeding; 3 A/2 Answered; 9 A/2 Disconnected");
    assert_eq!(talks(&call), ["3–9: anon:s-A/p-2 104"]);
}

#[test]
fn a_gone_does_not_end_an_implied_caller() {
    let call = play(&format!("{ANSWERED}{CONSULTING}{TRANSFERRED}")).seen_by(&["104", "106"]).call();
    assert_eq!(talks(&call), ["3–9: 104 +1404", "13–20: 104 106", "20–30: 106 +1404"]);
}

#[test]
fn a_trailing_disconnected_does_not_end_an_implied_caller_who_was_transferred() {
    let script = format!("{ANSWERED}{CONSULTING}{TRANSFERRED}; 20.1 A/2,B/1 Disconnected");
    let call = play(&script).seen_by(&["104", "106"]).call();
    assert_eq!(talks(&call)[2], "20–30: 106 +1404");
}

#[test]
fn disconnected_after_a_conference_gone_ends_an_implied_caller() {
    let script =
        format!("{ANSWERED}{CONSULTING}{BRIDGED} 30 A/1,A/2 Disconnected; 40 B/2,B/1,K/1 Disconnected");
    let call = play(&script).seen_by(&["104", "106"]).call();
    assert_eq!(talks(&call)[2..], ["21–22: 104 +1404", "22–30: 104 106 +1404", "30–40: 104 106"]);
}

#[test]
fn an_implied_callee_is_on_the_line_from_answered_until_the_originating_leg_ends() {
    let call = call("
        0 A/1 out 104 104>+1505 Setup; 1 A/1 Proceeding; 4 A/1 Answered; 6 A/1 Hold; 8 A/1 Answered; 9 A/1 Disconnected
    ");
    assert_eq!(talks(&call), ["4–6: 104 +1505", "8–9: 104 +1505"]);
    assert!(!person(&call, "+1505").observed);
}

#[test]
fn an_implied_callee_is_not_on_the_line_of_an_unanswered_call() {
    let call = call("0 A/1 out 104 104>+1505 Setup; 1 A/1 Proceeding; 9 A/1 Disconnected");
    assert!(talks(&call).is_empty());
    assert_eq!(call.result, Outcome::Cancelled);
}

#[test]
fn an_implied_callee_leaves_when_the_originating_leg_is_gone() {
    let call = call(&format!(
        "{ANSWERED} 9 A/2 Hold; 10 B/1 out 104 104>+1505 Setup; 12 B/1 Answered
         20 A/2 Gone/AttendedTransfer -> B/1; 20 B/1 Gone/AttendedTransfer -> A/2; 30 A/1 Disconnected"
    ));
    assert_eq!(talks(&call), ["3–9: 104 +1404", "12–20: 104 +1505"]);
    assert_eq!(moves(&call), ["AttendedTransfer 104→+1505"]);
}

#[test]
fn an_implied_callee_within_the_account_is_on_no_line() {
    let call = play(&format!("{ANSWERED}{CONSULTING}{TRANSFERRED}")).seen_by(&["104"]).call();
    assert_eq!(talks(&call), ["3–9: 104 +1404"], "the platform answered 104's call to 106");
    assert_eq!(moves(&call), ["AttendedTransfer 104→106"]);
    assert_eq!(call.moves[0].answered, None, "whether 106 answered is not shown");
}

#[test]
fn an_implied_callee_continues_over_a_switch_of_devices() {
    let call = call("
        0 A/1 out 104 104>+1505 Setup; 3 A/1 Answered; 9 A/1 Disconnected/CallSwitch; 9 A/3 out 104 104>+1505 Answered
        20 A/3 Disconnected
    ");
    assert_eq!(talks(&call), ["3–20: 104 +1505"]);
}

#[test]
fn an_implied_caller_continues_over_a_switch_of_devices() {
    let call = call(
        "
        0 A/2 in 104 +1404>104 Proceeding; 3 A/2 Answered; 9 A/2 Disconnected/CallSwitch
        9 A/3 out 104 104>+1404 Answered; 20 A/3 Disconnected
    ",
    );
    assert_eq!(talks(&call), ["3–20: 104 +1404"]);
}

#[test]
fn star_codes_and_bridges_are_never_implied() {
    for to in ["*801", "conference", "CONFERENCE"] {
        let call = call(&format!("0 A/1 out 104 104>{to} Setup; 1 A/1 Answered; 9 A/1 Disconnected"));
        assert_eq!(participants(&call), ["104 user"], "{to}");
    }
}

#[test]
fn queues_are_never_implied() {
    let call = call(
        "
        0 A/1 out - +1404>+1650 Setup; 1 A/2 in 111 +1404>+1650=500 queue Answered; 5 A/2 Hold
        6 B/1 out 111 111>500 Answered; 9 B/1 Gone/AttendedTransfer -> A/2; 10 A/1,B/1 Disconnected
    ",
    );
    assert_eq!(talks(&call), ["1–5: 111 +1404"], "no queue is on the line of B");
}

#[test]
fn ring_outs_and_conferences_imply_no_party() {
    for origin in ["RingOut", "RingMe", "Conference"] {
        let call = call(&format!(
            "A is {origin}; 0 A/1 in 104 +1505>104 Proceeding; 1 A/1 Answered; 9 A/1 Disconnected"
        ));
        let dialled: &[&str] =
            if origin == "RingMe" || origin == "RingOut" { &["+1505 external"] } else { &[] };
        assert_eq!(participants(&call), [&["104 user"], dialled].concat(), "{origin}");
        assert!(call.conversations.is_empty(), "no party is inferred to be connected: {origin}");
    }
}

#[test]
fn no_party_is_inferred_behind_a_pickup_a_take_over_or_a_supervisors_link() {
    for reason in ["Pickup", "TakeOver", "Supervising"] {
        let call = call(&format!(
            "0 P/1 out 107 107>102 Setup; 1 P/1 Answered; 2 P/1 Gone/{reason} -> A/1; 9 P/1 Disconnected"
        ));
        assert!(call.conversations.is_empty(), "{reason}");
        assert!(
            call.participants.iter().all(|other| other.observed == (&*other.id == "ext:107")),
            "{reason}"
        );
    }
}

#[test]
fn an_implied_extension_is_a_user() {
    let call = play(
        "
        0 A/1 out 104 104>106 Setup; 1 A/2 in 106 104>106 Proceeding; 3 A/2 Answered; 9 A/1,A/2 Disconnected
    ",
    )
    .seen_by(&["106"])
    .call();
    assert_eq!(person(&call, "104").kind, Kind::User);
    assert_eq!(talks(&call), ["3–9: 104 106"]);
}

#[test]
fn a_first_notification_that_says_disconnected_makes_a_leg() {
    let call = call("9 A/2 in 104 +1404>+1650=104 Disconnected/CallerDropped");
    assert_eq!(at(call.end_time), Some(9.0));
    assert_eq!(call.result, Outcome::Abandoned);
    assert_eq!(call.durations.total_ms, 0);
}

#[test]
fn an_implied_side_leaves_by_the_link_that_names_its_unseen_leg() {
    let script = format!("{ANSWERED}{CONSULTING}{TRANSFERRED}");
    for unseen in ["B/1", "A/2"] {
        let call = play(&script).without(&[unseen]).call();
        assert_eq!(talks(&call).last().map(String::as_str), Some("20–30: 106 +1404"), "without {unseen}");
    }
    let bridged = format!("{ANSWERED}{CONSULTING}{BRIDGED} 30 K/1 Disconnected; 40 A/1,B/2,B/1 Disconnected");
    let call = play(&bridged).without(&["A/2"]).call();
    assert_eq!(talks(&call).last().map(String::as_str), Some("30–40: 106 +1404"), "the host left the bridge");
}
