//! Supervisors: listening, taking over, and to which call their sessions belong (`docs/contract.md` §4).

use wholecall_record::call::{Kind, RelatedKind, Role};

use crate::play::{ANSWERED, at, call, leg, links, moves, participants, person, play, talks, when};

/// 109 dials in and listens to 104's leg from 10.2 on.
const DIALLED: &str = "
    10   S/1 out 109 109>*80 Setup
    10.1 S/1 Answered
    10.2 S/1 Gone/Supervising -> A/2
";

fn monitors(call: &wholecall_record::Call) -> Vec<&str> {
    call.monitors.iter().map(|id| id.as_str()).collect()
}

#[test]
fn a_supervisor_in_the_session_listens_and_does_not_talk() {
    let call = call(&format!(
        "{ANSWERED} 10 A/3 out 109 109>104 Answered/Supervising; 30 A/1,A/2 Disconnected; 40 A/3 Disconnected"
    ));
    assert_eq!(talks(&call), ["3–30: 104 +1404"]);
    assert_eq!(monitors(&call), ["ext:109"]);
    assert_eq!(person(&call, "109").roles, [Role::Monitor]);
    assert_eq!(at(call.end_time), Some(30.0), "supervisors' legs aside");
    assert!(call.moves.is_empty());
}

#[test]
fn a_supervisor_who_dialled_in_is_treated_the_same() {
    let call = call(&format!("{ANSWERED}{DIALLED} 30 A/1,A/2 Disconnected; 40 S/1 Disconnected"));
    assert_eq!(&*call.id, "s-A");
    assert_eq!(links(&call), ["Supervising S/1–A/2 10.2–"]);
    assert_eq!(talks(&call), ["3–30: 104 +1404"]);
    assert_eq!(monitors(&call), ["ext:109"]);
    assert_eq!(
        participants(&call),
        ["104 user", "109 supervisor", "+1404 external"],
        "no party is inferred behind the star code"
    );
    assert_eq!(at(call.end_time), Some(30.0));
    assert_eq!(at(leg(&call, "S/1").end_time), Some(40.0), "it ends with its own Disconnected");
}

#[test]
fn a_supervising_session_is_never_root() {
    let call = call("
        5 S/1 out 109 109>*80 Answered; 6 A/1 out - +1404>+1650=104 Setup; 7 A/2 in 104 +1404>+1650=104 Answered
        9 S/1 Gone/Supervising -> A/2; 30 A/1,A/2,S/1 Disconnected
    ");
    assert_eq!(&*call.id, "s-A");
    assert_eq!(when(call.start_time), 6.0);
}

#[test]
fn a_supervising_session_never_joins_two_calls() {
    let second = ANSWERED.replace("A/", "B/").replace("104", "106").replace("+1404", "+1505");
    let play = play(&format!(
        "{ANSWERED}{second}{DIALLED} 20 S/1 Gone/Supervising -> B/2; 30 A/1,A/2,B/1,B/2,S/1 Disconnected"
    ));
    let (first, second) = (play.call_of("A"), play.call_of("B"));
    assert_eq!(first.sessions.len(), 2, "it belongs to the call of its first link");
    assert_eq!(second.sessions.len(), 1);
    assert_eq!(monitors(&first), ["ext:109"]);
    assert_eq!(monitors(&second), ["ext:109"], "named there too");
    assert_eq!(&*second.related[0].id, "s-S");
    assert_eq!(second.related[0].kind, RelatedKind::Supervision);
    assert_eq!(at(leg(&first, "S/1").end_time), Some(30.0), "its second link does not end its leg");
}

#[test]
fn a_session_that_begins_with_a_supervisor_and_holds_people_is_the_call() {
    let call = call(
        "
        0 A/3 out 109 109>104 Setup/Supervising; 1 A/1 out - +1404>104 Setup; 2 A/2 in 104 +1404>104 Answered
        9 A/1,A/2,A/3 Disconnected
    ",
    );
    assert_eq!(&*call.id, "s-A");
    assert_eq!(monitors(&call), ["ext:109"]);
}

#[test]
fn a_supervisor_alone_is_a_call_of_its_own() {
    let call = call("0 S/1 out 109 109>*80 Setup/Supervising; 9 S/1 Disconnected");
    assert_eq!(&*call.id, "s-S");
    assert_eq!(person(&call, "109").kind, Kind::Supervisor);
}

#[test]
fn after_a_take_over_the_supervisor_in_the_session_talks() {
    let call = call(&format!(
        "{ANSWERED} 10 A/3 out 109 109>104 Answered/Supervising; 20 A/2 Disconnected/TakeOver; 30 A/1,A/3 Disconnected"
    ));
    assert_eq!(talks(&call), ["3–20: 104 +1404", "20–30: 109 +1404"]);
    assert_eq!(moves(&call), ["TakeOver 109→109"]);
    assert_eq!(call.moves[0].answered, Some(true));
    assert_eq!(person(&call, "109").roles, [Role::Monitor, Role::TakeOver]);
}

#[test]
fn after_a_take_over_the_supervising_link_joins() {
    let call = call(&format!(
        "{ANSWERED}{DIALLED} 20 A/2 Disconnected/TakeOver; 30 A/1 Disconnected; 30 S/1 Disconnected"
    ));
    assert_eq!(talks(&call), ["3–20: 104 +1404", "20–30: 109 +1404"]);
    assert_eq!(links(&call), ["Supervising S/1–A/2 10.2–"]);
}

#[test]
fn a_take_over_reported_by_the_supervisors_own_link_counts_from_then() {
    let call = call(&format!(
        "{ANSWERED}{DIALLED} 18 S/1 Gone/TakeOver -> A/2; 20 A/2 Disconnected/TakeOver; 30 A/1,S/1 Disconnected"
    ));
    assert_eq!(talks(&call), ["3–18: 104 +1404", "18–20: 104 109 +1404", "20–30: 109 +1404"]);
    assert_eq!(moves(&call), ["TakeOver 109→109"]);
}

#[test]
fn the_latest_of_two_monitors_takes_over() {
    let call = call(&format!(
        "{ANSWERED} 10 A/3 out 109 109>104 Answered/Supervising; 12 A/4 out 110 110>104 Answered/Supervising
         20 A/2 Disconnected/TakeOver; 30 A/1,A/3,A/4 Disconnected"
    ));
    assert_eq!(moves(&call), ["TakeOver 110→110"]);
    assert_eq!(talks(&call), ["3–20: 104 +1404", "20–30: 110 +1404"]);
    assert_eq!(monitors(&call), ["ext:109", "ext:110"]);
}

#[test]
fn a_supervisor_of_a_transferred_call_may_take_it_over() {
    let call = call(&format!(
        "{ANSWERED}{} 20 A/2 Gone/AttendedTransfer -> B/1; 21 S/1 out 109 109>*80 Answered; 22 S/1 Gone/Supervising -> B/2
         25 B/2 Disconnected/TakeOver; 30 A/1,S/1 Disconnected",
        crate::play::CONSULTING
    ));
    assert_eq!(talks(&call)[2..], ["20–25: 106 +1404", "25–30: 109 +1404"]);
}
