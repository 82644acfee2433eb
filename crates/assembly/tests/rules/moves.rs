//! Every kind of move (`docs/contract.md` §5, moves).

use wholecall_record::Call;

use crate::play::{ANSWERED, BRIDGED, CONSULTING, PARKED, call, moves, person, play, talks, when};

#[test]
fn a_blind_transfer_goes_to_the_next_new_leg() {
    for reason in ["BlindTransfer", "RccTransfer", "DtmfTransfer"] {
        let call = call(&format!(
            "{ANSWERED} 9 A/2 Disconnected/{reason}; 9 A/3 in 106 +1404>106 Setup; 10 A/3 Proceeding; 12 A/3 Answered
             20 A/1,A/3 Disconnected"
        ));
        assert_eq!(moves(&call), ["BlindTransfer 104→106"], "{reason}");
        assert_eq!(when(call.moves[0].time), 9.0);
        assert_eq!(call.moves[0].answered, Some(true));
        assert_eq!(talks(&call), ["3–9: 104 +1404", "12–20: 106 +1404"]);
    }
}

#[test]
fn a_blind_transfer_that_is_not_answered_is_a_move_without_an_answer() {
    let call = call(&format!(
        "{ANSWERED} 9 A/2 Disconnected/BlindTransfer; 9 A/3 in 106 +1404>106 Proceeding; 20 A/1,A/3 Disconnected"
    ));
    assert_eq!(moves(&call), ["BlindTransfer 104→106"]);
    assert_eq!(call.moves[0].answered, Some(false));
}

#[test]
fn the_caller_may_transfer_blindly() {
    let call = call("
        0 A/1 out 104 104>+1505 Setup; 1 A/2 in - 104>+1505 Proceeding; 3 A/2,A/1 Answered
        9 A/1 Disconnected/BlindTransfer; 9 A/3 in 106 +1505>106 Proceeding; 12 A/3 Answered; 20 A/2,A/3 Disconnected
    ");
    assert_eq!(moves(&call), ["BlindTransfer 104→106"]);
    assert_eq!(talks(&call), ["3–9: 104 +1505", "12–20: 106 +1505"]);
}

#[test]
fn a_ringing_call_may_be_transferred() {
    let call = call("
        0 A/1 out - +1404>+1650=104 Setup; 1 A/2 in 104 +1404>+1650=104 Proceeding; 5 A/2 Disconnected/BlindTransfer
        5 A/3 in 106 +1404>106 Proceeding; 8 A/3 Answered; 20 A/1,A/3 Disconnected
    ");
    assert_eq!(moves(&call), ["BlindTransfer 104→106"]);
}

#[test]
fn a_menus_blind_transfer_is_routing() {
    let call = call("
        0 A/1 out - +1404>+1800=700 Setup; 0.1 A/2 in 700 +1404>+1800=700 Setup; 8 A/2 Disconnected/BlindTransfer
        8 A/3 in 104 +1404>104 Proceeding; 12 A/3 Answered; 20 A/3,A/1 Disconnected
    ");
    assert!(call.moves.is_empty());
}

#[test]
fn a_blind_transfer_to_a_queue_goes_to_the_queue() {
    let call = call(&format!(
        "{ANSWERED} 9 A/2 Disconnected/BlindTransfer; 9 A/3 in 500 +1404>500 Setup; 12 A/4 in 111 +1404>500 queue Proceeding
         15 A/4 Answered; 15 A/3 Disconnected/AgentAnswered; 20 A/1,A/4 Disconnected"
    ));
    assert_eq!(moves(&call), ["BlindTransfer 104→500"]);
    assert_eq!(call.moves[0].answered, Some(true), "its agent came into a conversation");
}

#[test]
fn the_queue_is_the_target_when_the_next_leg_is_an_agents() {
    let call = call("
        0 A/1 out - +1404>+1650=500 Setup; 0.1 A/2 in 500 +1404>+1650=500 Setup; 1 A/3 in 111 +1404>+1650=500 queue Answered
        1 A/2 Disconnected/AgentAnswered; 9 A/3 Disconnected/BlindTransfer; 10 A/5 in 112 +1404>500 queue Proceeding
        20 A/1,A/5 Disconnected
    ");
    assert_eq!(moves(&call), ["BlindTransfer 111→500"]);
}

#[test]
fn if_no_leg_is_new_the_latest_begun_and_not_yet_answered_is_the_target() {
    let call = call(&format!(
        "{ANSWERED} 8.9 A/3 in 106 +1404>106 Setup; 9 A/2 Disconnected/BlindTransfer; 9.1 A/3 Proceeding
         12 A/3 Answered; 20 A/1,A/3 Disconnected"
    ));
    assert_eq!(moves(&call), ["BlindTransfer 104→106"]);
}

#[test]
fn a_blind_transfer_without_a_next_leg_has_no_target() {
    let call = call(&format!("{ANSWERED} 9 A/2 Disconnected/BlindTransfer; 20 A/1 Disconnected"));
    assert_eq!(moves(&call), ["BlindTransfer 104→none"]);
    assert_eq!(call.moves[0].answered, None, "what followed was not seen");
}

/// 104's transfer at 20 into the consultation that `CONSULTING` began.
fn attended(consultation: &str, end: &str) -> Call {
    call(&format!(
        "{ANSWERED} 9 A/2 Hold; {consultation}; 20 A/2 Gone/AttendedTransfer -> B/1; 20 B/1 Gone/AttendedTransfer -> A/2; {end}"
    ))
}

#[test]
fn an_attended_transfer_goes_to_the_consulted_party() {
    let call = attended(CONSULTING, "30 A/1,B/2 Disconnected");
    assert_eq!(moves(&call), ["AttendedTransfer 104→106"]);
    assert_eq!(call.moves[0].evidence.len(), 2);
}

#[test]
fn an_attended_transfer_may_be_completed_while_the_target_rings() {
    let call = attended(
        "10 B/1 out 104 104>106 Setup; 11 B/2 in 106 104>106 Proceeding",
        "25 B/2 Answered; 30 A/1,B/2 Disconnected",
    );
    assert_eq!(moves(&call), ["AttendedTransfer 104→106"]);
    assert_eq!(call.moves[0].answered, Some(true));
    assert_eq!(talks(&call), ["3–9: 104 +1404", "25–30: 106 +1404"]);
}

#[test]
fn an_attended_transfer_may_go_to_voicemail() {
    let call = attended(
        "10 B/1 out 104 104>106 Setup; 11 B/2 in 106 104>106 Proceeding; 15 B/2 Voicemail",
        "30 A/1,B/2 Disconnected",
    );
    assert_eq!(moves(&call), ["AttendedTransfer 104→106"]);
    assert_eq!(call.moves[0].answered, Some(false));
}

#[test]
fn an_attended_transfer_to_a_queue_goes_to_the_queue_until_an_agent_answers() {
    let queue =
        "10 B/1 out 104 104>500 Setup; 11 B/2 in 500 104>500 Setup; 12 B/3 in 111 104>500 queue Proceeding";
    let waiting =
        attended(queue, "25 B/3 Answered; 25 B/2 Disconnected/AgentAnswered; 30 A/1,B/3 Disconnected");
    assert_eq!(moves(&waiting), ["AttendedTransfer 104→500"]);
    assert_eq!(waiting.moves[0].answered, Some(true));
    let reached = format!("{queue}; 15 B/3 Answered; 15 B/2 Disconnected/AgentAnswered");
    assert_eq!(moves(&attended(&reached, "30 A/1,B/3 Disconnected")), ["AttendedTransfer 104→111"]);
}

#[test]
fn an_inferred_party_is_consulted_before_one_who_rings() {
    let call = call(&format!(
        "{ANSWERED} 5 B/2 in 104 +1505>104 Answered; 6 B/3 in 106 +1505>106 Proceeding
         9 A/2 Gone/AttendedTransfer -> B/2; 20 A/1,B/3 Disconnected"
    ));
    assert_eq!(moves(&call), ["AttendedTransfer 104→+1505"]);
}

#[test]
fn if_the_consultation_is_empty_a_party_joined_with_it_was_consulted() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING} 15 B/2 Hold; 15 C/1 out 106 106>107 Setup; 16 C/2 in 107 106>107 Answered
         18 B/2 Gone/AttendedTransfer -> C/1; 20 A/2 Gone/AttendedTransfer -> B/1; 30 A/1,C/2 Disconnected"
    ));
    assert_eq!(
        moves(&call),
        ["AttendedTransfer 106→107", "AttendedTransfer 104→107"],
        "only 104 is left in B"
    );
}

#[test]
fn the_consultation_is_the_session_the_mover_dialled() {
    let waiting = "1 B/1 out 104 104>106 Setup; 2 B/2 in 106 104>106 Answered";
    let call = call(&format!(
        "{waiting}; {} 20 A/2 Gone/AttendedTransfer -> B/1; 30 A/1,B/2 Disconnected",
        ANSWERED
            .replace("    0  ", "    2.5")
            .replace("0.1", "2.6")
            .replace("0.2", "2.7")
            .replace("0.3", "2.8")
    ));
    assert_eq!(moves(&call), ["AttendedTransfer 104→106"], "though the other began later");
}

#[test]
fn where_the_mover_dialled_both_or_neither_the_later_is_the_consultation() {
    let both = call("
        0 A/1 out 104 104>+1404 Setup; 1 A/2 in - 104>+1404 Answered; 2 B/1 out 104 104>106 Setup; 3 B/2 in 106 104>106 Answered
        9 A/1 Gone/AttendedTransfer -> B/1; 20 A/2,B/2 Disconnected
    ");
    assert_eq!(moves(&both), ["AttendedTransfer 104→106"]);
    let neither = call(&format!(
        "{ANSWERED} 5 W/1 out - +1505>+1650=104 Setup; 6 W/2 in 104 +1505>+1650=104 Answered
         9 A/2 Gone/AttendedTransfer -> W/2; 20 A/1,W/1 Disconnected"
    ));
    assert_eq!(moves(&neither), ["AttendedTransfer 104→+1505"]);
    assert_eq!(talks(&neither).last().map(String::as_str), Some("9–20: +1404 +1505"));
}

#[test]
fn an_unseen_consultation_has_no_target() {
    let call = call(&format!("{ANSWERED} 9 A/2 Gone/AttendedTransfer -> B/1; 20 A/1 Disconnected"));
    assert_eq!(moves(&call), ["AttendedTransfer 104→none"]);
}

#[test]
fn the_direction_of_an_unseen_movers_leg_is_inferred() {
    let call =
        play(&format!("{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 30 A/1,B/2 Disconnected"))
            .without(&["B/1"])
            .call();
    assert_eq!(moves(&call), ["AttendedTransfer 104→106"], "no other party is known to have begun B");
}

#[test]
fn a_link_of_another_reason_is_a_transfer() {
    let call = call(&format!("{ANSWERED}{CONSULTING} 20 A/2 Gone/Undefined -> B/1; 30 A/1,B/2 Disconnected"));
    assert_eq!(moves(&call), ["Transfer 104→106"]);
}

#[test]
fn a_conference_is_one_move_for_each_person_brought_in() {
    let call = call(&format!("{ANSWERED}{CONSULTING}{BRIDGED} 30 A/1,A/2,B/1,B/2,K/1 Disconnected"));
    assert_eq!(moves(&call), ["Conference 104→+1404", "Conference 104→106"]);
    assert_eq!(call.moves.iter().map(|step| when(step.time)).collect::<Vec<_>>(), [21.0, 22.0]);
}

#[test]
fn a_room_of_two_is_brought_in_by_two_moves() {
    let call = call(&format!(
        "{ANSWERED} 4 A/3 in 106 +1404>106 Answered; K is Conference; 20 K/1 out 104 104>conference Answered
         21 A/2 Gone/Conference -> K/2; 30 A/1,A/3,K/1,A/2 Disconnected"
    ));
    assert_eq!(moves(&call), ["Conference 104→106", "Conference 104→+1404"]);
}

#[test]
fn a_host_whose_leg_was_not_seen_is_named_by_the_seat() {
    let call = play(&format!("{ANSWERED}{CONSULTING}{BRIDGED} 30 A/1,B/2,B/1,K/1 Disconnected"))
        .without(&["A/2"])
        .call();
    assert_eq!(moves(&call), ["Conference 104→+1404", "Conference 104→106"]);
}

#[test]
fn a_pickup_goes_to_the_taker() {
    let call = call(
        "
        0 A/1 out - +1404>+1650 Setup; 1 A/2 in 104 +1404>+1650 Proceeding
        5 A/3 in 107 +1404>+1650 Answered; 5.1 A/2 Disconnected/Pickup; 20 A/1,A/3 Disconnected
    ",
    );
    assert_eq!(moves(&call), ["Pickup 107→107"], "answered earlier, without ringing");
    let later = crate::play::call(
        "
        0 A/1 out - +1404>+1650 Setup; 1 A/2 in 104 +1404>+1650 Proceeding
        5 A/2 Disconnected/Pickup; 5.1 A/3 in 107 +1404>+1650 Answered; 20 A/1,A/3 Disconnected
    ",
    );
    assert_eq!(moves(&later), ["Pickup 107→107"]);
}

#[test]
fn a_pickup_reported_by_several_ringing_legs_is_one_move() {
    let call = call("
        0 A/1 out - +1404>+1650 Setup; 1 A/2 in 104 +1404>+1650 Proceeding; 1 A/3 in 106 +1404>+1650 Proceeding
        5 A/2 Disconnected/Pickup; 5 A/4 in 107 +1404>+1650 Answered; 5.1 A/3 Disconnected/Pickup; 20 A/1,A/4 Disconnected
    ");
    assert_eq!(moves(&call), ["Pickup 107→107"]);
    assert_eq!(call.moves[0].evidence.len(), 2);
}

#[test]
fn a_pickup_by_link_is_one_move_whichever_end_reports_it() {
    let call = call("
        0 A/1 out - +1404>+1650 Setup; 1 A/2 in 104 +1404>+1650 Proceeding; 1 A/3 in 106 +1404>+1650 Proceeding
        5 P/1 out 107 107>**104 Setup; 6 P/1 Gone/Pickup -> A/2; 6.1 A/2,A/3 Disconnected/Pickup; 20 P/1,A/1 Disconnected
    ");
    assert_eq!(moves(&call), ["Pickup 107→107"]);
}

#[test]
fn the_same_user_picking_up_again_is_a_switch() {
    let by_leg = call(&format!(
        "{ANSWERED} 9 A/2 Disconnected/Pickup; 9 A/3 in 104 +1404>104 Answered; 20 A/1,A/3 Disconnected"
    ));
    assert_eq!(moves(&by_leg), ["Switch 104→104"]);
    let by_link = call("
        0 A/1 out - +1404>+1650 Setup; 1 A/2 in 104 +1404>+1650 Proceeding
        5 P/1 out 104 104>**104 Setup; 6 P/1 Gone/Pickup -> A/2; 6 A/2 Disconnected/Pickup; 20 P/1,A/1 Disconnected
    ");
    assert_eq!(moves(&by_link), ["Switch 104→104"]);
}

#[test]
fn a_forward_goes_to_the_next_new_leg() {
    let call = call("
        0 A/1 out - +1404>+1650=104 Setup; 0.1 A/2 in 104 +1404>+1650=104 Setup; 0.2 A/2 Disconnected/CallRedirected
        0.2 A/3 in - +1404>+1777 Proceeding; 8 A/3 Answered; 20 A/3,A/1 Disconnected
    ");
    assert_eq!(moves(&call), ["Forward 104→+1777"]);
    assert_eq!(call.moves[0].answered, Some(true));
}

#[test]
fn a_queue_that_redirects_a_call_makes_no_move() {
    let call = call("
        0 A/1 out - +1404>+1650=500 Setup; 0.1 A/2 in 500 +1404>+1650=500 Setup; 1 A/3 in 111 +1404>+1650=500 queue Proceeding
        9 A/3 Disconnected/AgentDropped; 9 A/2 Disconnected/CallRedirected; 9 A/4 in 106 +1404>106 Answered; 20 A/1,A/4 Disconnected
    ");
    assert!(call.moves.is_empty(), "only people do: {:?}", moves(&call));
}

#[test]
fn a_switch_is_the_users_own() {
    let call = call(&format!(
        "{ANSWERED} 9 A/2 Disconnected/CallSwitch; 9 A/3 out 104 104>+1404 Answered; 20 A/1,A/3 Disconnected"
    ));
    assert_eq!(moves(&call), ["Switch 104→104"]);
    assert_eq!(talks(&call), ["3–20: 104 +1404"]);
    assert_eq!(person(&call, "104").legs.len(), 2);
}

#[test]
fn a_flip_goes_to_the_owner_of_the_latest_leg_begun() {
    let call = call(&format!(
        "{ANSWERED} 9 A/2 Hold; 9 A/3 in - +1404>+1777 Proceeding; 12 A/3 Answered; 13 A/2 Disconnected/CallFlip
         15 A/4 in 106 +1404>106 Proceeding; 20 A/1,A/3,A/4 Disconnected"
    ));
    assert_eq!(moves(&call), ["Flip 104→+1777"]);
    assert_eq!(talks(&call), ["3–9: 104 +1404", "12–20: +1404 +1777"]);
}

#[test]
fn moves_are_in_order_of_time_then_kind_then_ids() {
    let call = call(&format!(
        "{ANSWERED} 4 A/3 in 106 +1404>106 Answered; 9 A/3 Disconnected/CallSwitch; 9 A/2 Disconnected/BlindTransfer
         9 A/4 in 107 +1404>107 Answered; 20 A/1,A/4 Disconnected"
    ));
    assert_eq!(moves(&call), ["BlindTransfer 104→107", "Switch 106→106"]);
}

#[test]
fn a_supervisor_is_never_the_next_leg() {
    let call = call(&format!(
        "{ANSWERED} 9 A/2 Disconnected/BlindTransfer; 9.1 A/3 out 109 109>104 Answered/Supervising
         9.2 A/4 in 106 +1404>106 Answered; 20 A/1,A/3,A/4 Disconnected"
    ));
    assert_eq!(moves(&call), ["BlindTransfer 104→106"]);
}

#[test]
fn a_parked_call_is_moved_by_who_parks_and_who_retrieves() {
    let call = call(&format!(
        "{ANSWERED}{PARKED} 20 P/1 out 107 107>*801 Setup; 20.2 P/1 Gone/Pickup -> A/1; 30 P/1,A/1 Disconnected"
    ));
    assert_eq!(moves(&call), ["Park 104→none", "Retrieve 107→107"]);
}
