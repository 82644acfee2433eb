//! Long and unusual calls, each compared with a record worked out by hand.

use crate::play::{
    ANSWERED, BRIDGED, CONSULTING, PARKED, at, call, leg, links, moves, play, segments, talks,
};

/// After `ANSWERED` and `CONSULTING`: the caller is with 106 from 20 on.
const TRANSFERRED: &str = "
    20 A/2 Gone/AttendedTransfer -> B/1
    20 B/1 Gone/AttendedTransfer -> A/2
    20 B/2 Answered/AttendedTransfer
";

#[test]
fn a_chain_of_transfers() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING}{TRANSFERRED} 25 B/2 Hold; 26 C/1 out 106 106>107 Setup; 29 C/2 in 107 106>107 Answered
         40 B/2 Gone/AttendedTransfer -> C/1; 40 C/1 Gone/AttendedTransfer -> B/2; 50 A/1,C/2 Disconnected"
    ));
    assert_eq!(moves(&call), ["AttendedTransfer 104→106", "AttendedTransfer 106→107"]);
    assert_eq!(talks(&call)[2..], ["20–25: 106 +1404", "29–40: 106 107", "40–50: 107 +1404"]);
}

#[test]
fn a_call_that_is_transferred_back() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING}{TRANSFERRED} 25 B/2 Hold; 26 C/1 out 106 106>104 Setup; 29 C/2 in 104 106>104 Answered
         40 B/2 Gone/AttendedTransfer -> C/1; 50 A/1,C/2 Disconnected"
    ));
    assert_eq!(moves(&call), ["AttendedTransfer 104→106", "AttendedTransfer 106→104"]);
    assert_eq!(talks(&call)[3..], ["29–40: 104 106", "40–50: 104 +1404"]);
}

#[test]
fn a_transferred_call_that_becomes_a_conference() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING}{TRANSFERRED} 25 B/2 Hold; 26 C/1 out 106 106>108 Setup; 29 C/2 in 108 106>108 Answered
         30 C/1 Hold; K is Conference; 31 K/1 out 106 106>conference Answered
         32 K/2 in - 106>conference Gone -> B/2; 32 B/2 Gone/Conference -> K/2
         33 K/3 in - 106>conference Gone -> C/1; 33 C/1 Gone/Conference -> K/3
         50 A/1,B/2 Disconnected; 60 C/1 Answered; 60 K/1 Disconnected; 70 C/1,C/2 Disconnected"
    ));
    assert_eq!(
        moves(&call),
        ["AttendedTransfer 104→106", "Conference 106→+1404", "Conference 106→108"],
        "who is joined with the room is brought in"
    );
    assert_eq!(
        talks(&call)[3..],
        ["29–30: 106 108", "32–33: 106 +1404", "33–50: 106 108 +1404", "50–70: 106 108"]
    );
}

#[test]
fn bridges_of_two_hosts_that_share_a_member() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING}{BRIDGED} 25 B/2 Hold; 26 C/1 out 106 106>108 Setup; 29 C/2 in 108 106>108 Answered
         L is Conference; 30 L/1 out 106 106>conference Answered
         31 B/2 Gone/Conference -> L/2; 32 C/1 Gone/Conference -> L/3
         60 A/1,B/1,B/2,C/2,C/1,K/1,L/1 Disconnected"
    ));
    assert_eq!(
        talks(&call)[3..],
        [
            "22–25: 104 106 +1404",
            "25–31: 104 +1404",
            "29–32: 106 108",
            "31–32: 104 106 +1404",
            "32–60: 104 106 108 +1404"
        ],
        "the first bridge is brought into the second"
    );
}

#[test]
fn a_host_who_transfers_the_whole_conference() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING}{BRIDGED} 25 D/1 out 104 104>109 Setup; 28 D/2 in 109 104>109 Answered
         35 K/1 Gone/AttendedTransfer -> D/1; 35 D/1 Gone/AttendedTransfer -> K/1; 50 A/1,B/2,D/2 Disconnected"
    ));
    assert_eq!(moves(&call).last().map(String::as_str), Some("AttendedTransfer 104→109"));
    assert_eq!(talks(&call).last().map(String::as_str), Some("35–50: 106 109 +1404"));
}

#[test]
fn a_member_who_transfers_blindly_out_of_a_conference() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING}{BRIDGED} 25 B/2 Disconnected/BlindTransfer; 25 B/3 in 107 104>107 Proceeding; 28 B/3 Answered
         60 A/1,B/3,K/1 Disconnected"
    ));
    assert_eq!(talks(&call)[3..], ["22–25: 104 106 +1404", "25–28: 104 +1404", "28–60: 104 107 +1404"]);
}

#[test]
fn a_member_who_leaves_a_conference_and_comes_back() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING}{BRIDGED} 25 B/1 Answered; 25 K/3 Disconnected; 30 K/4 in - 104>conference Gone -> B/1
         30 B/1 Gone/Conference -> K/4; 60 A/1,B/2,K/1 Disconnected"
    ));
    assert_eq!(
        links(&call),
        ["Conference A/2–K/2 21–", "Conference B/1–K/3 22–25", "Conference B/1–K/4 30–"]
    );
    assert_eq!(
        talks(&call)[3..],
        ["22–25: 104 106 +1404", "25–30: 104 106", "25–30: 104 +1404", "30–60: 104 106 +1404"]
    );
}

#[test]
fn a_host_who_continues_at_another_device() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING}{BRIDGED} 30 K/1 Disconnected/CallSwitch; 30 K/9 out 104 104>conference Answered
         40 A/1,B/2,K/9 Disconnected"
    ));
    assert_eq!(talks(&call).last().map(String::as_str), Some("22–40: 104 106 +1404"));
    assert_eq!(moves(&call).last().map(String::as_str), Some("Switch 104→104"));
}

#[test]
fn a_conference_that_collapses_is_parked_and_retrieved() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING}{BRIDGED} 30 B/2,B/1 Disconnected; 31 A/2 Answered; 31 K/1 Disconnected
         35 A/1 Parked/CallPark; 35 A/2 Disconnected; 45 P/1 out 107 107>*801 Answered; 45 P/1 Gone/Pickup -> A/1
         60 A/1,P/1 Disconnected"
    ));
    assert_eq!(moves(&call)[2..], ["Park 104→none", "Retrieve 107→107"]);
    assert_eq!(talks(&call)[3..], ["22–30: 104 106 +1404", "30–35: 104 +1404", "45–60: 107 +1404"]);
}

#[test]
fn a_second_consultation_after_a_first_that_came_to_nothing() {
    let play = play(&format!(
        "{ANSWERED}{CONSULTING} 15 B/1,B/2 Disconnected; 16 C/1 out 104 104>107 Setup; 19 C/2 in 107 104>107 Answered
         25 A/2 Gone/AttendedTransfer -> C/1; 40 A/1,C/2 Disconnected"
    ));
    assert_eq!(moves(&play.call_of("A")), ["AttendedTransfer 104→107"]);
    assert_eq!(talks(&play.call_of("B")), ["13–15: 104 106"]);
}

#[test]
fn two_consultations_joined_while_the_caller_waits() {
    let play = play(&format!(
        "{ANSWERED}{CONSULTING} 15 B/1 Hold; 16 C/1 out 104 104>107 Setup; 19 C/2 in 107 104>107 Answered
         25 B/1 Gone/AttendedTransfer -> C/1; 26 A/2 Answered; 40 A/1,A/2 Disconnected; 50 B/2,C/2 Disconnected"
    ));
    assert_eq!(talks(&play.call_of("A")), ["3–9: 104 +1404", "26–40: 104 +1404"]);
    assert_eq!(talks(&play.call_of("B")), ["13–15: 104 106", "19–25: 104 107", "25–50: 106 107"]);
}

#[test]
fn two_callers_joined_by_whom_they_both_called() {
    let call = call(&format!(
        "{ANSWERED} 9 A/2 Hold; 10 W/1 out - +1505>+1650=104 Setup; 13 W/2 in 104 +1505>+1650=104 Answered
         20 A/2 Gone/AttendedTransfer -> W/2; 20 W/2 Gone/AttendedTransfer -> A/2; 30 A/1,W/1 Disconnected"
    ));
    assert_eq!(talks(&call), ["3–9: 104 +1404", "13–20: 104 +1505", "20–30: +1404 +1505"]);
    assert_eq!(moves(&call), ["AttendedTransfer 104→+1505"]);
}

#[test]
fn call_waiting_is_two_calls() {
    let play = play(&format!(
        "{ANSWERED} 9 A/2 Hold; 9 W/1 out - +1505>+1650=104 Setup; 10 W/2 in 104 +1505>+1650=104 Answered
         20 W/1,W/2 Disconnected; 20 A/2 Answered; 30 A/1,A/2 Disconnected"
    ));
    assert_eq!(talks(&play.call_of("A")), ["3–9: 104 +1404", "20–30: 104 +1404"]);
    assert_eq!(talks(&play.call_of("W")), ["10–20: 104 +1505"]);
    assert!(play.call_of("A").related.is_empty());
}

#[test]
fn a_switch_while_holding_then_a_transfer_from_the_new_device() {
    let script = format!(
        "{ANSWERED} 9 A/2 Hold; 12 A/2 Disconnected/CallSwitch; 12 A/3 out 104 104>+1404 Answered; 13 A/3 Hold
         14 B/1 out 104 104>106 Setup; 17 B/2 in 106 104>106 Answered; 20 A/3 Gone/AttendedTransfer -> B/1
         30 A/1,B/2 Disconnected"
    );
    let expected = ["3–9: 104 +1404", "12–13: 104 +1404", "17–20: 104 106", "20–30: 106 +1404"];
    assert_eq!(talks(&call(&script)), expected);
    assert_eq!(talks(&play(&script).seen_by(&["104", "106"]).call()), expected, "the caller is inferred");
}

#[test]
fn a_pickup_of_a_call_that_was_transferred_while_ringing() {
    let call = call(&format!(
        "{ANSWERED} 9 A/2 Hold; 10 B/1 out 104 104>106 Setup; 11 B/2 in 106 104>106 Proceeding
         12 A/2 Gone/AttendedTransfer -> B/1; 14 P/1 out 107 107>**106 Answered; 15 P/1 Gone/Pickup -> B/2
         15 B/2 Disconnected/Pickup; 30 A/1,P/1 Disconnected"
    ));
    assert_eq!(moves(&call), ["AttendedTransfer 104→106", "Pickup 107→107"]);
    assert_eq!(call.moves[0].answered, Some(false));
    assert_eq!(talks(&call), ["3–9: 104 +1404", "15–30: 107 +1404"]);
}

#[test]
fn who_picked_up_may_host_a_conference() {
    let call = call("
        0 A/1 out - +1404>+1650=104 Setup; 1 A/2 in 104 +1404>+1650=104 Proceeding
        5 P/1 out 107 107>**104 Answered; 5 P/1 Gone/Pickup -> A/2; 5 A/2 Disconnected/Pickup; 8 P/1 Hold
        9 C/1 out 107 107>108 Setup; 12 C/2 in 108 107>108 Answered; K is Conference; 14 K/1 out 107 107>conference Answered
        15 P/1 Gone/Conference -> K/2; 16 C/1 Gone/Conference -> K/3; 30 A/1,C/2,K/1 Disconnected
    ");
    assert_eq!(moves(&call), ["Pickup 107→107", "Conference 107→+1404", "Conference 107→108"]);
    assert_eq!(
        talks(&call),
        ["5–8: 107 +1404", "12–16: 107 108", "15–16: 107 +1404", "16–30: 107 108 +1404"]
    );
}

#[test]
fn a_supervisor_who_took_over_may_transfer() {
    let call = call(&format!(
        "{ANSWERED} 10 S/1 out 109 109>*83 Answered; 10 S/1 Gone/Supervising -> A/2; 15 A/2 Disconnected/TakeOver
         18 S/1 Hold; 19 B/1 out 109 109>106 Setup; 22 B/2 in 106 109>106 Answered
         25 S/1 Gone/AttendedTransfer -> B/1; 25 B/1 Gone/AttendedTransfer -> S/1; 30 A/1,B/2 Disconnected"
    ));
    assert_eq!(moves(&call), ["TakeOver 109→109", "AttendedTransfer 109→106"]);
    assert_eq!(talks(&call), ["3–15: 104 +1404", "15–18: 109 +1404", "22–25: 106 109", "25–30: 106 +1404"]);
}

#[test]
fn an_agent_who_is_monitored_transfers_and_the_supervisor_still_listens() {
    let call = call(&format!(
        "{ANSWERED} 4 A/3 out 109 109>104 Answered/Supervising {CONSULTING}{TRANSFERRED} 25 B/2 Disconnected/TakeOver
         30 A/1,A/3 Disconnected"
    ));
    assert_eq!(talks(&call)[2..], ["20–25: 106 +1404", "25–30: 109 +1404"]);
}

#[test]
fn a_transferred_call_whose_target_hangs_up_rings_back() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING}{TRANSFERRED} 25 B/2 Disconnected; 26 A/3 in 104 +1404>104 Proceeding; 28 A/3 Answered
         40 A/1,A/3 Disconnected"
    ));
    assert_eq!(talks(&call)[2..], ["20–25: 106 +1404", "28–40: 104 +1404"]);
}

#[test]
fn a_blind_transfer_that_rings_back() {
    let call = call(&format!(
        "{ANSWERED} 9 A/2 Disconnected/BlindTransfer; 9 A/3 in 106 +1404>106 Proceeding; 20 A/3 Disconnected/NoAnswer
         20 A/4 in 104 +1404>104 Proceeding; 23 A/4 Answered; 40 A/1,A/4 Disconnected"
    ));
    assert_eq!(moves(&call), ["BlindTransfer 104→106"]);
    assert_eq!(call.moves[0].answered, Some(false));
    assert_eq!(talks(&call), ["3–9: 104 +1404", "23–40: 104 +1404"]);
}

#[test]
fn a_parked_call_transferred_and_parked_again() {
    let call = call(&format!(
        "{ANSWERED}{PARKED} 20 P/1 out 107 107>*801 Answered; 20 P/1 Gone/Pickup -> A/1
         25 P/1 Disconnected/BlindTransfer; 25 P/2 in 108 107>108 Answered; 30 A/1 Parked/CallPark; 30 P/2 Disconnected
         40 Q/1 out 109 109>*801 Answered; 40 Q/1 Gone/Pickup -> A/1; 50 A/1,Q/1 Disconnected"
    ));
    assert_eq!(
        moves(&call),
        ["Park 104→none", "Retrieve 107→107", "BlindTransfer 107→108", "Park 108→none", "Retrieve 109→109"]
    );
    assert_eq!(talks(&call), ["3–10: 104 +1404", "20–25: 107 +1404", "25–30: 108 +1404", "40–50: 109 +1404"]);
    assert_eq!(
        segments(leg(&call, "A/1")),
        "setup 0–0.2, connected 0.2–10, parked 10–20, connected 20–30, parked 30–40, connected 40–50"
    );
}

#[test]
fn an_abrupt_end_right_after_a_transfer_is_still_an_answered_transfer() {
    let call = call(&format!("{ANSWERED}{CONSULTING}{TRANSFERRED} 20.4 B/2,A/1 Disconnected"));
    assert_eq!(call.moves[0].answered, Some(true));
    assert_eq!(talks(&call)[2], "20–20.4: 106 +1404");
    assert_eq!(at(call.end_time), Some(20.4));
}

#[test]
fn the_customers_call_continues_when_the_consultation_survives_it() {
    let play = play(&format!("{ANSWERED}{CONSULTING} 18 A/1,A/2 Disconnected; 40 B/1,B/2 Disconnected"));
    assert_eq!(at(play.call_of("A").end_time), Some(18.0));
    assert_eq!(talks(&play.call_of("B")), ["13–40: 104 106"]);
}
