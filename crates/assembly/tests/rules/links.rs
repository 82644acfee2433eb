//! Links between sessions: when they open and close, what they mean, and whom they connect (`docs/contract.md` §4).

use wholecall_record::call::LinkKind;

use crate::play::{ANSWERED, BRIDGED, CONSULTING, at, call, leg, links, moves, play, segments, talks};

/// The record when 104's two legs report this at 20, and the others hang up at 30.
fn transferred(how: &str) -> wholecall_record::Call {
    call(&format!("{ANSWERED}{CONSULTING} {how}; 30 A/1,B/2 Disconnected"))
}

#[test]
fn an_attended_transfer_joins_the_rooms_and_takes_both_legs_out() {
    let call = transferred("20 A/2 Gone/AttendedTransfer -> B/1; 20 B/1 Gone/AttendedTransfer -> A/2");
    assert_eq!(talks(&call), ["3–9: 104 +1404", "13–20: 104 106", "20–30: 106 +1404"]);
    assert_eq!(links(&call), ["AttendedTransfer A/2–B/1 20–"]);
}

#[test]
fn one_end_of_a_link_is_enough() {
    for side in ["A/2 Gone/AttendedTransfer -> B/1", "B/1 Gone/AttendedTransfer -> A/2"] {
        let call = transferred(&format!("20 {side}"));
        assert_eq!(talks(&call), ["3–9: 104 +1404", "13–20: 104 106", "20–30: 106 +1404"], "{side}");
        assert_eq!(at(leg(&call, "A/2").end_time), Some(20.0), "{side}");
        assert_eq!(at(leg(&call, "B/1").end_time), Some(20.0), "{side}");
        assert_eq!(call.completeness.reason, None, "both legs have ended: {side}");
    }
}

#[test]
fn a_link_opens_at_the_earliest_time_either_end_says_so() {
    let call = transferred("20 A/2 Gone/AttendedTransfer -> B/1; 19 B/1 Gone/AttendedTransfer -> A/2");
    assert_eq!(links(&call), ["AttendedTransfer B/1–A/2 19–"]);
    assert_eq!(at(leg(&call, "A/2").end_time), Some(19.0));
    assert_eq!(call.links[0].evidence.len(), 2);
}

#[test]
fn peer_ids_may_hold_the_session_in_rests_spelling() {
    let call = transferred("20 A/2 Gone/AttendedTransfer => B/1");
    assert_eq!(links(&call), ["AttendedTransfer A/2–B/1 20–"]);
}

#[test]
fn a_peer_that_names_no_party_is_found_by_the_party_that_names_it() {
    let call = transferred("20 A/2 Gone/AttendedTransfer -> B; 20 B/1 Gone/AttendedTransfer -> A/2");
    assert_eq!(links(&call), ["AttendedTransfer A/2–B/1 20–"]);
}

#[test]
fn only_a_later_answered_of_a_leg_that_said_gone_closes_the_link() {
    let call = transferred(
        "20 A/2 Gone/AttendedTransfer -> B/1; 21 B/1 Answered; 25 A/2 Answered; 30 A/2 Disconnected",
    );
    assert_eq!(links(&call), ["AttendedTransfer A/2–B/1 20–25"], "B/1 had not reported Gone");
}

#[test]
fn a_new_gone_opens_a_new_link() {
    let call = transferred(
        "
        20 A/2 Gone/AttendedTransfer -> B/1; 22 A/2 Answered; 26 A/2 Gone/AttendedTransfer -> B/1
    ",
    );
    assert_eq!(links(&call), ["AttendedTransfer A/2–B/1 20–22", "AttendedTransfer A/2–B/1 26–"]);
    assert_eq!(moves(&call).len(), 2);
}

#[test]
fn openings_of_the_two_ends_are_paired_in_order() {
    let call = transferred(
        "
        20 A/2 Gone/AttendedTransfer -> B/1; 20.5 B/1 Gone/AttendedTransfer -> A/2; 22 A/2,B/1 Answered
        26 A/2 Gone/AttendedTransfer -> B/1; 25.5 B/1 Gone/AttendedTransfer -> A/2
    ",
    );
    assert_eq!(links(&call), ["AttendedTransfer A/2–B/1 20–22", "AttendedTransfer B/1–A/2 25.5–"]);
    let evidence: Vec<usize> = call.links.iter().map(|link| link.evidence.len()).collect();
    assert_eq!(evidence, [2, 2]);
}

#[test]
fn a_repeated_gone_is_the_same_opening() {
    let call = transferred("20 A/2 Gone/AttendedTransfer -> B/1; 21 A/2 Gone/AttendedTransfer -> B/1");
    assert_eq!(links(&call), ["AttendedTransfer A/2–B/1 20–"]);
    assert_eq!(call.links[0].evidence.len(), 2);
}

#[test]
fn links_of_those_who_stay_never_end() {
    for reason in ["Pickup", "TakeOver", "Supervising"] {
        let call = call(&format!(
            "{ANSWERED} 9 P/1 out 107 107>*77 Setup; 9.1 P/1 Answered; 10 P/1 Gone/{reason} -> A/2
             15 P/1 Hold; 18 P/1 Answered; 30 A/1,A/2,P/1 Disconnected"
        ));
        assert_eq!(links(&call), [format!("{reason} P/1–A/2 10–")]);
        let expected = "setup 9–9.1, connected 9.1–15, holding 15–18, connected 18–30";
        assert_eq!(segments(leg(&call, "P/1")), expected, "{reason}: later codes change its own presence");
    }
}

#[test]
fn of_two_reasons_the_named_one_counts() {
    let call = transferred("20 A/2 Gone -> B/1; 21 B/1 Gone/AttendedTransfer -> A/2");
    assert_eq!(call.links[0].kind, LinkKind::AttendedTransfer);
    assert_eq!(links(&call), ["AttendedTransfer A/2–B/1 20–"], "though the other reported it first");
}

#[test]
fn of_two_named_reasons_the_earlier_counts() {
    let call = transferred("20 A/2 Gone/Undefined -> B/1; 21 B/1 Gone/AttendedTransfer -> A/2");
    assert_eq!(call.links[0].kind, LinkKind::Transfer);
    assert_eq!(call.links[0].reason.as_deref(), Some("Undefined"));
    let same_time = transferred("20 B/1 Gone/AttendedTransfer -> A/2; 20 A/2 Gone/Undefined -> B/1");
    assert_eq!(same_time.links[0].reason.as_deref(), Some("Undefined"), "the smaller session id");
}

#[test]
fn any_other_reason_or_none_is_a_transfer() {
    for reason in ["", "/Undefined", "/SomethingNew", "/BlindTransfer"] {
        let call = transferred(&format!("20 A/2 Gone{reason} -> B/1; 20 B/1 Gone{reason} -> A/2"));
        assert_eq!(links(&call), ["Transfer A/2–B/1 20–"], "{reason}");
        assert_eq!(talks(&call)[2], "20–30: 106 +1404", "it leaves as by AttendedTransfer");
        assert_eq!(moves(&call), ["Transfer 104→106"]);
    }
}

#[test]
fn no_reason_toward_a_bridge_means_conference() {
    let script = format!("{ANSWERED}{CONSULTING}{BRIDGED} 30 A/1,A/2,B/1,B/2,K/1 Disconnected");
    let call = call(&script.replace("Gone/Conference", "Gone"));
    assert_eq!(links(&call), ["Conference A/2–K/2 21–", "Conference B/1–K/3 22–"]);
}

#[test]
fn session_id_zero_of_an_unseen_session_means_conference() {
    let call = transferred("20 A/2 Gone -> K/2 \"0\"; 20 B/1 Gone -> K/3 \"0\"");
    assert_eq!(links(&call), ["Conference A/2–K/2 20–", "Conference B/1–K/3 20–"]);
}

#[test]
fn the_host_is_present_by_the_leg_in_the_bridge() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING}{BRIDGED} 30 K/1 Disconnected; 40 A/1,A/2,B/2,B/1 Disconnected"
    ));
    assert_eq!(
        talks(&call),
        ["3–9: 104 +1404", "13–14: 104 106", "21–22: 104 +1404", "22–30: 104 106 +1404", "30–40: 106 +1404"],
        "the others continue without the host"
    );
}

#[test]
fn the_host_of_an_unseen_bridge_is_present_until_every_other_leg_has_ended() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING} 20 A/2 Gone/Conference -> K/2 \"0\"; 21 B/1 Gone/Conference -> K/3 \"0\"
         30 A/1 Disconnected; 40 B/2 Disconnected"
    ));
    assert_eq!(
        talks(&call),
        ["3–9: 104 +1404", "13–21: 104 106", "20–21: 104 +1404", "21–30: 104 106 +1404", "30–40: 104 106"]
    );
    assert_eq!(call.completeness.unseen_sessions.len(), 1);
}

#[test]
fn a_peer_may_name_the_hosts_own_leg_in_the_bridge() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING} 14 B/1 Hold; K is Conference; 20 K/1 out 104 104>conference Answered
         21 A/2 Gone/Conference -> K/1; 22 B/1 Gone/Conference -> K/1; 30 A/1,B/2,K/1 Disconnected"
    ));
    assert_eq!(
        talks(&call)[2..],
        ["21–22: 104 +1404", "22–30: 104 106 +1404"],
        "it does not throw the host out"
    );
    assert_eq!(moves(&call), ["Conference 104→+1404", "Conference 104→106"]);
}

#[test]
fn a_bridge_that_collapses_hands_the_last_room_back() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING}{BRIDGED} 30 B/2,B/1 Disconnected; 30.5 A/2 Answered; 30.6 K/1,K/2 Disconnected
         40 A/1,A/2 Disconnected"
    ));
    assert_eq!(links(&call), ["Conference A/2–K/2 21–30.5", "Conference B/1–K/3 22–"]);
    assert_eq!(talks(&call)[3..], ["22–30: 104 106 +1404", "30–40: 104 +1404"]);
    assert_eq!(
        segments(leg(&call, "A/2")),
        "setup 0.1–0.3, ringing 0.3–3, connected 3–9, holding 9–21, gone 21–30.5, connected 30.5–40"
    );
}

#[test]
fn the_party_that_picks_up_a_ringing_call_stays_by_the_state_of_that_leg() {
    let call = call(
        "
        0 A/1 out - +1404>+1650=104 Setup; 1 A/2 in 104 +1404>+1650=104 Proceeding
        5 P/1 out 107 107>**104 Setup; 5.1 P/1 Answered; 6 P/1 Gone/Pickup -> A/2; 6 A/2 Disconnected/Pickup
        9 P/1 Hold; 12 P/1 Answered; 20 P/1,A/1 Disconnected
    ",
    );
    assert_eq!(talks(&call), ["6–9: 107 +1404", "12–20: 107 +1404"]);
    assert_eq!(call.participants.len(), 3, "no party is inferred behind the pickup code");
}

#[test]
fn a_leg_that_stayed_ends_with_the_others_if_its_own_end_is_missing() {
    let call = call("
        0 A/1 out - +1404>+1650=104 Setup; 1 A/2 in 104 +1404>+1650=104 Proceeding
        5 P/1 out 107 107>**104 Setup; 6 P/1 Gone/Pickup -> A/2; 6 A/2 Disconnected/Pickup; 20 A/1 Disconnected
    ");
    assert_eq!(at(leg(&call, "P/1").end_time), Some(20.0));
    assert_eq!(call.completeness.reason, None);
}

#[test]
fn a_take_over_by_link_joins_and_stays() {
    let call = call(&format!(
        "{ANSWERED} 10 S/1 out 109 109>*83 Setup; 10.1 S/1 Answered; 15 S/1 Gone/TakeOver -> A/2
         16 A/2 Disconnected/TakeOver; 30 A/1,S/1 Disconnected"
    ));
    assert_eq!(talks(&call), ["3–15: 104 +1404", "15–16: 104 109 +1404", "16–30: 109 +1404"]);
}

#[test]
fn gone_without_a_peer_leaves_and_is_reported() {
    let call = call(&format!("{ANSWERED} 9 A/2 Gone/AttendedTransfer; 20 A/1 Disconnected"));
    assert_eq!(talks(&call), ["3–9: 104 +1404"]);
    assert_eq!(at(leg(&call, "A/2").end_time), Some(9.0));
    let unlinked = &call.completeness.unlinked_gone[0];
    assert_eq!((&*unlinked.party_id, unlinked.sequence), ("p-2", 7));
}

#[test]
fn a_later_delivery_with_the_peer_fills_it() {
    let call =
        transferred("20 A/2#8 Gone/AttendedTransfer uuid:1; 20 A/2#8 Gone/AttendedTransfer uuid:2 -> B/1");
    assert_eq!(links(&call), ["AttendedTransfer A/2–B/1 20–"]);
    assert!(call.completeness.unlinked_gone.is_empty());
}

#[test]
fn a_session_that_was_never_seen_joins_the_rooms_that_point_at_it() {
    let play = play(&format!(
        "{ANSWERED} 10 X/1 out 104 104>106 Setup; 20 A/2 Gone/AttendedTransfer -> X/1
         5 B/1 out 107 107>108 Setup; 6 B/2 in 108 107>108 Answered; 25 B/1 Gone/AttendedTransfer -> X/2
         30 A/1,B/2 Disconnected"
    ))
    .without(&["X/1"]);
    let call = play.call();
    assert_eq!(talks(&call), ["3–20: 104 +1404", "6–25: 107 108", "25–30: 108 +1404"]);
    let unseen: Vec<&str> = call.completeness.unseen_sessions.iter().map(|id| id.as_str()).collect();
    assert_eq!(unseen, ["s-X"]);
    assert!(call.sessions.iter().any(|session| !session.seen && session.start_time.is_none()));
}

#[test]
fn a_third_session_that_joins_two_groups_joins_all_three() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING} 15 D/1 out 106 106>108 Setup; 16 D/2 in 108 106>108 Answered
         20 A/2 Gone/AttendedTransfer -> B/1; 25 B/2 Gone/AttendedTransfer -> D/1; 30 A/1,D/2 Disconnected"
    ));
    assert_eq!(call.sessions.len(), 3);
    assert_eq!(talks(&call).last().map(String::as_str), Some("25–30: 108 +1404"));
}

#[test]
fn the_root_is_the_seen_session_that_began_first() {
    let call = transferred("20 B/1 Gone/AttendedTransfer -> A/2");
    assert_eq!(&*call.id, "s-A");
    let tie = crate::play::call(
        "
        0 B/1 out 104 104>106 Setup; 0 A/1 out 104 104>107 Setup; 9 A/1 Gone/AttendedTransfer -> B/1
    ",
    );
    assert_eq!(&*tie.id, "s-A", "of two that began together, the smaller id");
}

#[test]
fn two_calls_merged_without_a_bridge_keep_their_host() {
    for script in [
        "20 A/2 Gone/Conference -> B/1; 20 B/1 Gone/Conference -> A/2",
        "20 B/1 Gone/Conference -> A/2; 20.1 A/2 Gone/Conference -> B/1",
    ] {
        let call = call(&format!(
            "{ANSWERED}{CONSULTING} {script}; 25 A/2,B/1 Disconnected; 30 A/1 Disconnected; 40 B/2 Disconnected"
        ));
        assert_eq!(talks(&call)[2..], ["20–30: 104 106 +1404", "30–40: 104 106"], "{script}");
        assert_eq!(moves(&call), ["Conference 104→106", "Conference 104→+1404"], "{script}");
    }
}

#[test]
fn where_no_end_names_a_party_both_legs_of_the_owner_are_meant() {
    for script in [
        "20 A/2 Gone/AttendedTransfer -> B",
        "20 B/1 Gone/AttendedTransfer -> A",
        "20 A/2 Gone/AttendedTransfer -> B; 20 B/1 Gone/AttendedTransfer -> A",
    ] {
        let call = transferred(script);
        assert_eq!(talks(&call), ["3–9: 104 +1404", "13–20: 104 106", "20–30: 106 +1404"], "{script}");
        assert_eq!(moves(&call), ["AttendedTransfer 104→106"], "{script}");
        assert_eq!(call.completeness.reason, None, "both legs have ended: {script}");
    }
}

#[test]
fn a_peer_without_a_party_never_means_another_owners_leg() {
    let call = crate::play::call(&format!(
        "{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B; 30 A/1,B/2 Disconnected"
    ));
    assert_eq!(links(&call), ["AttendedTransfer A/2–B/1 20–"]);
    let without =
        play(&format!("{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B; 30 A/1,B/2 Disconnected"))
            .without(&["B/1"])
            .call();
    assert_eq!(links(&without), ["AttendedTransfer A/2–B 20–"]);
    assert_eq!(talks(&without).last().map(String::as_str), Some("20–30: 106 +1404"));
}
