//! Times and durations of a call and its participants (`docs/contract.md` §5, durations).

use wholecall_record::call::Outcome;

use crate::play::{ANSWERED, BRIDGED, CONSULTING, Live, at, call, leg, person, talks, when};

#[test]
fn the_answer_is_the_start_of_the_first_conversation() {
    let call = call(&format!("{ANSWERED} 9 A/1,A/2 Disconnected"));
    assert_eq!(at(call.answer_time), Some(3.0));
    assert_eq!(call.durations.wait_ms, 3_000);
}

#[test]
fn the_end_is_the_end_of_the_last_leg() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 30 A/1 Disconnected; 31 B/2 Disconnected"
    ));
    assert_eq!(at(call.end_time), Some(31.0));
    assert_eq!(call.durations.total_ms, 31_000);
}

#[test]
fn an_unanswered_call_was_waited_for_until_its_end() {
    let call = call("0 A/1 out - +1404>104 Setup; 1 A/2 in 104 +1404>104 Proceeding; 9 A/1,A/2 Disconnected");
    assert_eq!(call.answer_time, None);
    assert_eq!(call.durations.wait_ms, 9_000);
}

#[test]
fn an_incomplete_call_ends_with_the_last_known_event() {
    let call = call(&format!("{ANSWERED} 9 A/2 Hold; 12 A/2 Answered; 20 A/1 Answered"));
    assert_eq!(at(call.end_time), Some(20.0));
    assert_eq!(talks(&call), ["3–9: 104 +1404", "12–20: 104 +1404"]);
    assert_eq!(call.durations.total_ms, 20_000);
}

#[test]
fn a_conversation_that_began_with_the_last_notification_counts() {
    let call = call(ANSWERED);
    assert_eq!(talks(&call), ["3–3: 104 +1404"]);
    assert_eq!(
        (call.result, at(call.answer_time), call.durations.talk_ms),
        (Outcome::Answered, Some(3.0), 0)
    );
}

#[test]
fn a_conversation_of_no_length_is_dropped() {
    let same = crate::play::call(&format!(
        "{ANSWERED} 9 A/2 Hold; 12 A/2 Answered; 12 A/2 Hold; 15 A/1,A/2 Disconnected"
    ));
    assert_eq!(talks(&same), ["3–9: 104 +1404"]);
}

#[test]
fn talk_time_is_the_union_of_the_conversations() {
    let call = call(&format!(
        "{ANSWERED} 5 B/1 out 104 104>106 Setup; 6 B/2 in 106 104>106 Answered; 8 B/1 Gone/AttendedTransfer -> A/2
         9 A/1,A/2,B/2 Disconnected"
    ));
    assert_eq!(talks(&call), ["3–8: 104 +1404", "6–8: 104 106", "8–9: 106 +1404"]);
    assert_eq!(call.durations.talk_ms, 6_000, "5 + 2 + 1, of which 2 at once");
    assert_eq!(person(&call, "104").talk_ms, 5_000);
    assert_eq!(person(&call, "+1404").talk_ms, 6_000);
    assert_eq!(person(&call, "106").talk_ms, 3_000);
}

#[test]
fn hold_time_is_the_union_over_the_legs() {
    let call = call("
        0 A/1 out 104 104>106 Setup; 1 A/2 in 106 104>106 Answered; 2 A/2 Hold; 4 A/1 Answered; 4 A/1 Hold; 6 A/2 Answered
        8 A/1 Answered; 9 A/1,A/2 Disconnected
    ");
    assert_eq!(call.durations.hold_ms, 6_000, "2–6 and 4–8");
    assert_eq!(person(&call, "104").hold_ms, 4_000);
    assert_eq!(person(&call, "106").hold_ms, 4_000);
    assert_eq!(
        talks(&call),
        ["1–2: 104 106", "8–9: 104 106"],
        "a double hold ends when both have taken it back"
    );
}

#[test]
fn a_hold_that_ends_with_a_transfer_counts_up_to_it() {
    let call =
        call(&format!("{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 30 A/1,B/2 Disconnected"));
    assert_eq!(call.durations.hold_ms, 11_000);
}

#[test]
fn a_participants_ringing_is_the_union_over_its_legs() {
    let call = call("
        0 A/1 out - +1404>+1650 Setup; 1 A/2 in 104 +1404>+1650 Proceeding; 2 A/3 in 104 +1404>+1650 Proceeding
        5 A/2 Disconnected; 6 A/3 Answered; 9 A/1,A/3 Disconnected
    ");
    assert_eq!(person(&call, "104").ring_ms, 5_000, "1–5 and 2–6");
}

#[test]
fn time_in_voicemail_and_park_is_in_the_record() {
    let call = call("
        0 A/1 out - +1404>+1650 Setup; 1 A/2 in 104 +1404>+1650 Proceeding; 5 A/2 Voicemail; 9 A/1 Parked; 12 A/2,A/1 Disconnected
    ");
    assert_eq!(call.durations.voicemail_ms, 7_000);
    assert_eq!(call.durations.parked_ms, 3_000);
}

#[test]
fn in_a_bridge_every_participants_time_is_separate() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING}{BRIDGED} 30 A/1,A/2 Disconnected; 40 B/2,B/1,K/1 Disconnected"
    ));
    assert_eq!(person(&call, "+1404").talk_ms, 6_000 + 9_000);
    assert_eq!(person(&call, "106").talk_ms, 1_000 + 18_000);
    assert_eq!(person(&call, "104").talk_ms, 6_000 + 1_000 + 19_000);
}

#[test]
fn while_live_open_stretches_run_to_the_last_event() {
    let mut live = Live::new();
    live.receive(&format!("{ANSWERED} 5 A/2 Hold; 8 A/1 Answered"));
    let call = live.last("A");
    assert_eq!(call.end_time, None);
    assert_eq!(call.durations.total_ms, 8_000);
    assert_eq!(call.durations.hold_ms, 3_000);
    assert_eq!(call.legs[1].hold_ms, 3_000);
    assert_eq!(call.durations.talk_ms, 2_000);
    assert_eq!(call.legs[1].segments.last().and_then(|segment| segment.end_time), None);
}

#[test]
fn sessions_begin_and_end_for_themselves() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 29 A/1 Disconnected; 30 B/2 Disconnected"
    ));
    let times: Vec<_> =
        call.sessions.iter().map(|session| (at(session.start_time), at(session.end_time))).collect();
    assert_eq!(times, [(Some(0.0), Some(29.0)), (Some(10.0), Some(30.0))]);
    assert_eq!(when(call.start_time), 0.0);
}

#[test]
fn the_record_of_a_call_cut_at_its_answer_is_consistent() {
    let rung = "0 A/1 out - +1404>+1650=104 Setup; 0.1 A/2 in 104 +1404>+1650=104 Proceeding";
    let cut = call(&format!("{rung}; 3 A/2 Answered; 3 A/1,A/2 Disconnected"));
    assert_eq!(talks(&cut), Vec::<String>::new());
    assert_eq!((cut.result, cut.answer_time), (Outcome::Missed, None));
    assert_eq!(at(leg(&cut, "A/2").answer_time), Some(3.0), "the leg was answered all the same");
    assert_eq!(leg(&cut, "A/2").talk_ms, 0);
    let open = call(&format!("{rung}; 3 A/2 Answered"));
    assert_eq!((open.result, at(open.answer_time)), (Outcome::Answered, Some(3.0)));
    let mut live = Live::new();
    live.receive(&format!("{rung}; 3 A/2 Answered"));
    live.wait_until("4");
    assert_eq!((live.last("A").result, at(live.last("A").answer_time)), (Outcome::Answered, Some(3.0)));
}

#[test]
fn a_move_cut_at_its_answer_is_answered() {
    let transfer =
        format!("{ANSWERED} 9 A/2 Disconnected/BlindTransfer; 9.1 A/3 in 106 +1404>106 Proceeding");
    let cut = call(&format!("{transfer}; 12 A/3 Answered"));
    assert_eq!(talks(&cut), ["3–9: 104 +1404", "12–12: 106 +1404"]);
    assert_eq!(cut.moves[0].answered, Some(true));
    assert_eq!(
        call(&format!("{transfer}; 12 A/3 Answered; 13 A/1 Disconnected")).moves[0].answered,
        Some(true)
    );
}
