//! Lookup answers: snapshots of sessions, and the call log. An answer has no position in the session's sequence; it
//! may end legs, name parties and show legs without a notification.

use wholecall_assembly::Settings;
use wholecall_record::{
    Call,
    call::{Evidence, EvidenceKind, Kind, LookupFact, Outcome, State},
};

use crate::play::{ANSWERED, CONSULTING, Live, at, call, leg, links, moves, person, play, talks};

/// What was repaired, and when.
fn repaired(call: &Call) -> Vec<String> {
    let facts = call.completeness.repaired.iter();
    let repaired = facts.map(|fact| {
        let time = at(fact.time).map_or_else(|| "-".to_owned(), |time| time.to_string());
        format!(
            "{}/{} {} {time} by {}",
            &fact.telephony_session_id[2..],
            &fact.party_id[2..],
            fact.what.as_str(),
            fact.evidence.place()
        )
    });
    repaired.collect()
}

#[test]
fn the_only_open_leg_ended_with_the_last_notification() {
    let call =
        call(&format!("{ANSWERED} 9 A/1 Disconnected; 40 snapshot A | 1 Disconnected | 2 Disconnected"));
    assert_eq!((call.state, at(call.end_time)), (State::Complete, Some(9.0)));
    assert_eq!(talks(&call), ["3–9: 104 +1404"]);
    assert_eq!(repaired(&call), ["A/2 end 9 by snapshot"]);
    let Evidence { sequence, kind, .. } = &call.completeness.repaired[0].evidence;
    assert_eq!((*sequence, *kind), (None, Some(EvidenceKind::Snapshot)));
}

#[test]
fn legs_whose_ends_were_lost_ended_when_the_snapshot_says_so() {
    let call = call(&format!("{ANSWERED} 40 snapshot A"));
    assert_eq!(
        (call.state, call.result, at(call.end_time)),
        (State::Complete, Outcome::Answered, Some(40.0))
    );
    assert_eq!(repaired(&call), ["A/1 end 40 by snapshot", "A/2 end 40 by snapshot"]);
}

#[test]
fn the_call_log_knows_the_end_better_than_a_session_that_is_gone() {
    let call = call(&format!("{ANSWERED} 40 snapshot A; 600 log A 0+31 in Accepted 104 +1404>+1650"));
    assert_eq!((call.state, at(call.end_time)), (State::Complete, Some(31.0)));
    assert_eq!(repaired(&call), ["A/1 end 31 by call log", "A/2 end 31 by call log"]);
}

#[test]
fn an_answer_never_reopens_a_leg_nor_comes_between_two_changes() {
    let script = format!("{ANSWERED} 9 A/2 Hold; 12 A/2 Answered; 20 A/1,A/2 Disconnected");
    let plain = call(&script);
    for late in [
        "30 snapshot A | 1 Answered | 2 Hold",
        "10 snapshot A | 1 Answered | 2 Disconnected",
        "5 snapshot A | 1 Answered | 2 Voicemail",
        "30 snapshot A",
        "10 snapshot A",
    ] {
        assert_eq!(call(&format!("{script}; {late}")).legs, plain.legs, "{late}");
    }
}

#[test]
fn the_call_log_is_not_believed_against_later_notifications() {
    let script = format!("{ANSWERED} 20 A/1 Hold; 22 A/1 Answered");
    let call = call(&format!("{script} 60 log A 0+5 in Stopped 104 +1404>+1650"));
    assert_eq!(call.state, State::Incomplete);
    assert_eq!(repaired(&call), [""; 0]);
}

#[test]
fn a_snapshot_adds_names_that_notifications_lack() {
    let bare = "0 A/1 out - +1404>+1650 Setup; 0.1 A/2 in 104 +1404>+1650 Proceeding; 3 A/2 Answered; 9 A/1,A/2 Disconnected";
    assert_eq!(person(&call(bare), "104").name, None);
    let named = call(&format!("{bare}; 5 snapshot A | 2 in 104 +1404>+1650=104 Answered"));
    assert_eq!(person(&named, "104").name.as_deref(), Some("User 104"));
    assert_eq!(repaired(&named), ["A/2 description - by snapshot"]);
    assert_eq!(named.legs.len(), 2);
}

#[test]
fn a_name_in_a_notification_takes_precedence_over_a_snapshot() {
    let script =
        format!("{ANSWERED} 9 A/1,A/2 Disconnected; 5 snapshot A | 2 in 104 +1404>+1650=105 Answered");
    let call = call(&script);
    assert_eq!(person(&call, "104").name.as_deref(), Some("User 104"));
    assert_eq!(repaired(&call), [""; 0]);
}

#[test]
fn the_new_number_is_found_although_the_consultation_was_not_observed() {
    // 104 has called 106 in session B, of which no notification arrived, and transfers the caller there.
    let script = format!(
        "{ANSWERED} 9 A/2 Hold; 20 A/2 Gone/AttendedTransfer -> B/1; 20 A/2 Disconnected; 40 A/1 Disconnected"
    );
    assert_eq!(moves(&call(&script)), ["AttendedTransfer 104→none"]);
    let repaired_call = call(&format!(
        "{script}; 25 snapshot B | 1 out 104 104>106 Gone/AttendedTransfer -> A/2 | 2 in 106 104>106 Answered"
    ));
    assert_eq!(moves(&repaired_call), ["AttendedTransfer 104→106"]);
    assert_eq!(repaired(&repaired_call), ["B/1 leg 25 by snapshot", "B/2 leg 25 by snapshot"]);
    assert!(repaired_call.completeness.unseen_sessions.is_empty());
    assert!(talks(&repaired_call).contains(&"25–40: 106 +1404".to_owned()), "{:?}", talks(&repaired_call));
}

#[test]
fn a_leg_that_left_by_a_link_does_not_end_again() {
    let script =
        format!("{ANSWERED} {CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 40 A/1,B/2 Disconnected");
    let call = call(&format!("{script}; 60 snapshot A; 60 snapshot B"));
    assert_eq!((call.state, repaired(&call)), (State::Complete, Vec::new()));
    assert_eq!(at(leg(&call, "A/2").end_time), Some(20.0));
}

#[test]
fn a_lost_gone_is_found_in_the_snapshot_and_joins_the_sessions() {
    let script = format!("{ANSWERED} {CONSULTING} 40 A/1 Disconnected; 40 B/2 Disconnected");
    assert_eq!(play(&script).calls().len(), 2);
    let call = call(&format!("{script}; 25 snapshot A | 1 Answered | 2 Gone/AttendedTransfer -> B/1"));
    assert_eq!(moves(&call), ["AttendedTransfer 104→106"]);
    assert_eq!(links(&call).len(), 1);
    assert_eq!(call.links[0].evidence[0].kind, Some(EvidenceKind::Snapshot));
    assert_eq!(repaired(&call), ["A/2 link 25 by snapshot"]);
}

#[test]
fn a_gone_that_did_not_say_where_to_is_filled() {
    let script = format!("{ANSWERED} {CONSULTING} 20 A/2 Gone/AttendedTransfer; 20 B/1 Disconnected");
    let ended = "40 A/1 Disconnected; 40 B/2 Disconnected";
    let call =
        call(&format!("{script}; {ended}; 25 snapshot A | 1 Answered | 2 Gone/AttendedTransfer -> B/1"));
    assert_eq!(moves(&call), ["AttendedTransfer 104→106"]);
    assert!(call.completeness.unlinked_gone.is_empty());
    assert_eq!(repaired(&call), ["A/2 link 20 by snapshot"]);
}

#[test]
fn a_lost_answer_is_known_from_when_the_snapshot_was_taken() {
    let script =
        "0 A/1 out - +1404>+1650=104 Setup; 0.1 A/1 Answered; 0.3 A/2 in 104 +1404>+1650=104 Proceeding";
    let call = call(&format!("{script}; 10 snapshot A | 1 Answered | 2 Answered; 30 A/1#9,A/2 Disconnected"));
    assert_eq!((call.result, talks(&call)), (Outcome::Answered, vec!["10–30: 104 +1404".to_owned()]));
    assert_eq!(repaired(&call), ["A/2 state 10 by snapshot"]);
}

#[test]
fn where_nothing_was_lost_a_snapshot_adds_no_state() {
    let script =
        "0 A/1 out - +1404>+1650=104 Setup; 0.1 A/1 Answered; 0.3 A/2 in 104 +1404>+1650=104 Proceeding";
    let call = call(&format!("{script}; 10 snapshot A | 1 Answered | 2 Answered; 30 A/1,A/2 Disconnected"));
    assert_eq!((call.result, repaired(&call)), (Outcome::Missed, Vec::new()));
}

#[test]
fn a_leg_that_only_a_snapshot_shows_is_the_target_of_the_transfer() {
    let script = format!("{ANSWERED} 9 A/2 Disconnected/BlindTransfer; 40 A/1 Disconnected");
    let call =
        call(&format!("{script}; 20 snapshot A | 1 Answered | 3 in 106 +1404>106 Answered; 50 snapshot A"));
    assert_eq!(moves(&call), ["BlindTransfer 104→106"]);
    assert_eq!(repaired(&call), ["A/3 leg 20 by snapshot", "A/3 end 40 by snapshot"]);
}

#[test]
fn a_call_that_only_the_call_log_has_is_a_call() {
    let inbound = call("600 log A 0+42 in Accepted 104 +1404>+1650");
    assert_eq!((inbound.state, inbound.result), (State::Complete, Outcome::Answered));
    assert_eq!(talks(&inbound), ["0–42: 104 +1404"]);
    assert_eq!(person(&inbound, "104").kind, Kind::User);
    assert!(inbound.completeness.repaired.iter().any(|fact| fact.what == LookupFact::Leg));
    let results = [
        ("in Missed", Outcome::Missed),
        ("in Voicemail", Outcome::Voicemail),
        ("in Declined", Outcome::Rejected),
        ("out Busy", Outcome::Busy),
        ("out No_Answer", Outcome::NoAnswer),
        ("out Wrong_Number", Outcome::Failed),
        ("out Blocked", Outcome::Blocked),
        ("out Call_connected", Outcome::Answered),
    ];
    for (logged, result) in results {
        let sides = if logged.starts_with("in") { "+1404>+1650" } else { "104>+1505" };
        let call = call(&format!("600 log A 0+42 {logged} 104 {sides}"));
        assert_eq!((call.result, at(call.end_time)), (result, Some(42.0)), "{logged}");
    }
}

#[test]
fn of_an_observed_call_the_call_log_contributes_only_the_end() {
    let script = format!(
        "{ANSWERED} 9 A/2 Disconnected/BlindTransfer; 9 A/3 in 106 +1404>106 Proceeding; 12 A/3 Answered"
    );
    let call = call(&format!("{script}; 600 log A 0+50 in Accepted 104 +1404>+1650"));
    assert_eq!((call.legs.len(), at(call.end_time)), (3, Some(50.0)));
    assert_eq!(at(leg(&call, "A/2").end_time), Some(9.0));
}

#[test]
fn an_answer_without_changes_reopens_nothing() {
    let mut live = Live::new();
    live.receive(&format!("{ANSWERED} 9 A/1,A/2 Disconnected"));
    assert_eq!(live.wait_until("15"), ["10 complete A 5"]);
    assert_eq!(live.receive("20 snapshot A"), [""; 0]);
    assert_eq!(live.wait_until("100"), [""; 0]);
}

fn with_lookups() -> Live {
    Live::with(Settings { lookup_after_ms: Some(5_000), ..Settings::default() })
}

#[test]
fn a_call_without_gaps_is_not_looked_up() {
    let mut live = with_lookups();
    live.receive(ANSWERED);
    live.wait_until("3000");
    assert_eq!(live.lookups(), [""; 0]);
}

#[test]
fn the_last_leg_of_an_idle_call_is_looked_up_and_ended() {
    let mut live = with_lookups();
    live.receive(&format!("{ANSWERED} 9 A/1 Disconnected"));
    live.wait_until("13.9");
    assert_eq!(live.lookups(), [""; 0]);
    live.wait_until("14");
    assert_eq!(live.lookups(), ["A"]);
    assert_eq!(live.receive("14.3 snapshot A"), ["14.3 updated A 5"]);
    assert_eq!(live.wait_until("100"), ["15.3 complete A 6"]);
    assert_eq!(live.lookups(), [""; 0]);
}

#[test]
fn a_leg_that_is_still_there_keeps_the_call_open_and_is_looked_up_less_and_less_often() {
    let mut live = with_lookups();
    live.receive(&format!("{ANSWERED} 9 A/1 Disconnected"));
    let mut lookups = Vec::new();
    for time in 10..3_000 {
        live.wait_until(&time.to_string());
        for session in live.lookups() {
            lookups.push(time);
            live.receive(&format!("{time}.3 snapshot {session} | 1 Disconnected | 2 Answered"));
        }
    }
    assert_eq!(live.last("A").state, State::Live);
    assert_eq!(lookups[0], 14);
    let pauses: Vec<i64> = lookups.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted() && lookups.len() < 8 && lookups.len() > 3, "{lookups:?}");
}

#[test]
fn a_gap_and_an_unseen_session_are_looked_up_once() {
    let mut live = with_lookups();
    live.receive("0 A/1 out 104 104>+1505 Setup; 1 A/1#9 Answered; 2 A/1#10 Gone/AttendedTransfer -> B/1");
    live.wait_until("7.5");
    assert_eq!(live.lookups(), ["A", "B"]);
    live.receive("8 snapshot A | 1 Gone/AttendedTransfer -> B/1; 8 snapshot B | 2 in 106 104>106 Answered");
    live.wait_until("60");
    assert_eq!(live.lookups(), [""; 0], "B has one leg, and it is on the line");
}
