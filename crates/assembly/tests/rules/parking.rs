//! Parked callers: who parked them, and how they come back (`docs/contract.md` §4 and §5).

use crate::play::{ANSWERED, CONSULTING, PARKED, call, leg, links, moves, segments, talks};

/// 107 dials the park extension and gets the caller at 20.2.
const RETRIEVED: &str = "
    20   P/1 out 107 107>*801 Setup
    20.1 P/1 Answered
    20.2 P/1 Gone/Pickup -> A/1
";

#[test]
fn a_parked_caller_is_in_no_conversation() {
    let call = call(&format!("{ANSWERED}{PARKED} 30 A/1 Disconnected"));
    assert_eq!(talks(&call), ["3–10: 104 +1404"]);
    assert_eq!(call.durations.parked_ms, 20_000);
    assert_eq!(moves(&call), ["Park 104→none"]);
}

#[test]
fn a_pickup_link_brings_a_parked_leg_back_with_or_without_an_answered() {
    for answered in ["", "20.2 A/1 Answered"] {
        let call = call(&format!("{ANSWERED}{PARKED}{RETRIEVED}{answered}\n30 P/1,A/1 Disconnected"));
        assert_eq!(talks(&call), ["3–10: 104 +1404", "20.2–30: 107 +1404"], "{answered}");
        assert_eq!(
            segments(leg(&call, "A/1")),
            "setup 0–0.2, connected 0.2–10, parked 10–20.2, connected 20.2–30"
        );
        assert_eq!(call.durations.parked_ms, 10_200);
    }
}

#[test]
fn a_new_leg_answered_in_the_room_brings_a_parked_leg_back() {
    let call =
        call(&format!("{ANSWERED}{PARKED} 20 A/3 in 108 +1404>+1650 Answered; 30 A/1,A/3 Disconnected"));
    assert_eq!(talks(&call), ["3–10: 104 +1404", "20–30: 108 +1404"]);
    assert_eq!(moves(&call), ["Park 104→none"], "from a park location no link shows a retrieve");
}

#[test]
fn park_reversion_is_no_retrieve() {
    let call = call(&format!(
        "{ANSWERED}{PARKED} 60 A/3 in 104 +1404>+1650=104 Setup; 61 A/3 Proceeding; 65 A/3 Answered; 80 A/1,A/3 Disconnected"
    ));
    assert_eq!(talks(&call), ["3–10: 104 +1404", "65–80: 104 +1404"]);
    assert_eq!(moves(&call), ["Park 104→none"]);
}

#[test]
fn park_ends_when_the_reversion_rings() {
    let call = call(&format!(
        "{ANSWERED}{PARKED} 60 A/3 in 104 +1404>+1650=104 Proceeding; 80 A/3,A/1 Disconnected"
    ));
    assert_eq!(segments(leg(&call, "A/1")), "setup 0–0.2, connected 0.2–10, parked 10–60, connected 60–80");
}

#[test]
fn a_park_may_be_reported_by_a_leg_that_ends() {
    for reason in ["CallPark", "ParkLocation"] {
        let call = call(&format!("{ANSWERED} 10 A/2 Disconnected/{reason}; 30 A/1 Disconnected"));
        assert_eq!(moves(&call), ["Park 104→none"], "{reason}");
    }
}

#[test]
fn a_park_reported_twice_or_by_both_legs_is_one_move() {
    let call = call(&format!(
        "{ANSWERED} 10 A/1 Parked/ParkLocation; 10.1 A/2 Disconnected/ParkLocation; 11 A/1 Parked/ParkLocation; 30 A/1 Disconnected"
    ));
    assert_eq!(moves(&call), ["Park 104→none"]);
    assert_eq!(call.moves[0].evidence.len(), 3);
}

#[test]
fn a_caller_parked_again_is_parked_by_who_had_retrieved() {
    let call = call(&format!(
        "{ANSWERED}{PARKED}{RETRIEVED} 25 A/1 Parked/CallPark park:*802; 25.1 P/1 Disconnected
         40 Q/1 out 108 108>*802 Setup; 40.2 Q/1 Gone/Pickup -> A/1; 50 A/1,Q/1 Disconnected"
    ));
    assert_eq!(moves(&call), ["Park 104→none", "Retrieve 107→107", "Park 107→none", "Retrieve 108→108"]);
    assert_eq!(talks(&call), ["3–10: 104 +1404", "20.2–25: 107 +1404", "40.2–50: 108 +1404"]);
    assert_eq!(links(&call).len(), 2);
}

#[test]
fn a_retrieved_call_may_be_transferred_on() {
    let call = call(&format!(
        "{ANSWERED}{PARKED}{RETRIEVED} 25 P/1 Hold; 26 D/1 out 107 107>108 Setup; 27 D/2 in 108 107>108 Answered
         35 P/1 Gone/AttendedTransfer -> D/1; 35 D/1 Gone/AttendedTransfer -> P/1; 50 A/1,D/2 Disconnected"
    ));
    assert_eq!(moves(&call), ["Park 104→none", "Retrieve 107→107", "AttendedTransfer 107→108"]);
    assert_eq!(talks(&call)[1..], ["20.2–25: 107 +1404", "27–35: 107 108", "35–50: 108 +1404"]);
}

#[test]
fn a_transferred_call_is_parked_by_who_had_it_last() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING} 15 A/2 Gone/AttendedTransfer -> B/1; 17 A/1 Parked/CallPark; 17.1 B/2 Disconnected
         {RETRIEVED} 30 A/1,P/1 Disconnected"
    ));
    assert_eq!(moves(&call), ["AttendedTransfer 104→106", "Park 106→none", "Retrieve 107→107"]);
    assert_eq!(talks(&call).last().map(String::as_str), Some("20.2–30: 107 +1404"));
}

#[test]
fn who_retrieves_a_parked_call_is_known_although_two_clocks_differ() {
    let retrieved_by = |answered: &str| {
        let call = call(&format!(
            "{ANSWERED}{PARKED} 15 P/1 out 107 107>*801 Setup; {answered} A/1 Answered; 20 P/1 Gone/Pickup -> A/1
             30 P/1,A/1 Disconnected"
        ));
        moves(&call).join(", ")
    };
    assert_eq!(retrieved_by("18"), "Park 104→none, Retrieve 107→107", "A's clock is two seconds slow");
    assert_eq!(retrieved_by("17.9"), "Park 104→none", "further apart they are two stories");
}
