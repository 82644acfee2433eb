//! What RingCentral answers when it is asked: snapshots of sessions, and its call log. An answer has no place in the
//! order of changes; it may end legs, name parties and show legs that were never told of.

use wholecall_assembly::Settings;
use wholecall_record::{
    Call,
    call::{Evidence, EvidenceKind, Kind, Outcome, RepairedFact, State},
};

use crate::play::{ANSWERED, CONSULTING, Live, at, call, leg, links, moves, person, play, talks};

/// What was repaired, and when.
fn repaired(call: &Call) -> Vec<String> {
    let facts = call.completeness.repaired.iter();
    let told = facts.map(|fact| {
        let time = at(fact.time).map_or_else(|| "-".to_owned(), |time| time.to_string());
        format!(
            "{}/{} {} {time} by {}",
            &fact.telephony_session_id[2..],
            &fact.party_id[2..],
            fact.what.as_str(),
            fact.evidence.place()
        )
    });
    told.collect()
}

#[test]
fn who_is_left_alone_ended_with_the_last_that_was_told() {
    let call =
        call(&format!("{ANSWERED} 9 A/1 Disconnected; 40 snapshot A | 1 Disconnected | 2 Disconnected"));
    assert_eq!((call.state, at(call.end_time)), (State::Complete, Some(9.0)));
    assert_eq!(talks(&call), ["3–9: 104 +1404"]);
    assert_eq!(repaired(&call), ["A/2 end 9 by snapshot"]);
    let Evidence { sequence, kind, .. } = &call.completeness.repaired[0].evidence;
    assert_eq!((*sequence, *kind), (None, Some(EvidenceKind::Snapshot)));
}

#[test]
fn whose_ends_were_all_lost_ended_when_the_snapshot_says_so() {
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
fn an_answer_never_brings_anybody_back_nor_comes_between_two_changes() {
    let told = format!("{ANSWERED} 9 A/2 Hold; 12 A/2 Answered; 20 A/1,A/2 Disconnected");
    let plain = call(&told);
    for late in [
        "30 snapshot A | 1 Answered | 2 Hold",
        "10 snapshot A | 1 Answered | 2 Disconnected",
        "5 snapshot A | 1 Answered | 2 Voicemail",
        "30 snapshot A",
        "10 snapshot A",
    ] {
        assert_eq!(call(&format!("{told}; {late}")).legs, plain.legs, "{late}");
    }
}

#[test]
fn the_call_log_is_not_believed_against_later_notifications() {
    let told = format!("{ANSWERED} 20 A/1 Hold; 22 A/1 Answered");
    let call = call(&format!("{told} 60 log A 0+5 in Stopped 104 +1404>+1650"));
    assert_eq!(call.state, State::Incomplete);
    assert_eq!(repaired(&call), [""; 0]);
}

#[test]
fn a_snapshot_names_whom_notifications_did_not() {
    let bare = "0 A/1 out - +1404>+1650 Setup; 0.1 A/2 in 104 +1404>+1650 Proceeding; 3 A/2 Answered; 9 A/1,A/2 Disconnected";
    assert_eq!(person(&call(bare), "104").name, None);
    let named = call(&format!("{bare}; 5 snapshot A | 2 in 104 +1404>+1650=104 Answered"));
    assert_eq!(person(&named, "104").name.as_deref(), Some("User 104"));
    assert_eq!(repaired(&named), ["A/2 description - by snapshot"]);
    assert_eq!(named.legs.len(), 2);
}

#[test]
fn what_a_notification_says_of_a_name_counts_before_a_snapshot() {
    let told = format!("{ANSWERED} 9 A/1,A/2 Disconnected; 5 snapshot A | 2 in 104 +1404>+1650=105 Answered");
    let call = call(&told);
    assert_eq!(person(&call, "104").name.as_deref(), Some("User 104"));
    assert_eq!(repaired(&call), [""; 0]);
}

#[test]
fn the_new_number_is_found_though_the_consultation_was_never_heard_of() {
    // 104 has called 106 in session B, of which nothing came, and transfers the caller there.
    let told = format!(
        "{ANSWERED} 9 A/2 Hold; 20 A/2 Gone/AttendedTransfer -> B/1; 20 A/2 Disconnected; 40 A/1 Disconnected"
    );
    assert_eq!(moves(&call(&told)), ["AttendedTransfer 104→nobody"]);
    let repaired_call = call(&format!(
        "{told}; 25 snapshot B | 1 out 104 104>106 Gone/AttendedTransfer -> A/2 | 2 in 106 104>106 Answered"
    ));
    assert_eq!(moves(&repaired_call), ["AttendedTransfer 104→106"]);
    assert_eq!(repaired(&repaired_call), ["B/1 leg 25 by snapshot", "B/2 leg 25 by snapshot"]);
    assert!(repaired_call.completeness.unseen_sessions.is_empty());
    assert!(talks(&repaired_call).contains(&"25–40: 106 +1404".to_owned()), "{:?}", talks(&repaired_call));
}

#[test]
fn who_has_left_by_a_link_is_not_ended_once_more() {
    let told =
        format!("{ANSWERED} {CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 40 A/1,B/2 Disconnected");
    let call = call(&format!("{told}; 60 snapshot A; 60 snapshot B"));
    assert_eq!((call.state, repaired(&call)), (State::Complete, Vec::new()));
    assert_eq!(at(leg(&call, "A/2").end_time), Some(20.0));
}

#[test]
fn a_lost_gone_is_found_in_the_snapshot_and_joins_the_sessions() {
    let told = format!("{ANSWERED} {CONSULTING} 40 A/1 Disconnected; 40 B/2 Disconnected");
    assert_eq!(play(&told).calls().len(), 2);
    let call = call(&format!("{told}; 25 snapshot A | 1 Answered | 2 Gone/AttendedTransfer -> B/1"));
    assert_eq!(moves(&call), ["AttendedTransfer 104→106"]);
    assert_eq!(links(&call).len(), 1);
    assert_eq!(call.links[0].evidence[0].kind, Some(EvidenceKind::Snapshot));
    assert_eq!(repaired(&call), ["A/2 link 25 by snapshot"]);
}

#[test]
fn a_gone_that_did_not_say_where_to_is_filled() {
    let told = format!("{ANSWERED} {CONSULTING} 20 A/2 Gone/AttendedTransfer; 20 B/1 Disconnected");
    let ended = "40 A/1 Disconnected; 40 B/2 Disconnected";
    let call = call(&format!("{told}; {ended}; 25 snapshot A | 1 Answered | 2 Gone/AttendedTransfer -> B/1"));
    assert_eq!(moves(&call), ["AttendedTransfer 104→106"]);
    assert!(call.completeness.unlinked_gone.is_empty());
    assert_eq!(repaired(&call), ["A/2 link 20 by snapshot"]);
}

#[test]
fn a_lost_answer_is_known_from_when_the_snapshot_was_taken() {
    let told =
        "0 A/1 out - +1404>+1650=104 Setup; 0.1 A/1 Answered; 0.3 A/2 in 104 +1404>+1650=104 Proceeding";
    let call = call(&format!("{told}; 10 snapshot A | 1 Answered | 2 Answered; 30 A/1#9,A/2 Disconnected"));
    assert_eq!((call.result, talks(&call)), (Outcome::Answered, vec!["10–30: 104 +1404".to_owned()]));
    assert_eq!(repaired(&call), ["A/2 state 10 by snapshot"]);
}

#[test]
fn where_nothing_was_lost_a_snapshot_tells_nothing_of_a_state() {
    let told =
        "0 A/1 out - +1404>+1650=104 Setup; 0.1 A/1 Answered; 0.3 A/2 in 104 +1404>+1650=104 Proceeding";
    let call = call(&format!("{told}; 10 snapshot A | 1 Answered | 2 Answered; 30 A/1,A/2 Disconnected"));
    assert_eq!((call.result, repaired(&call)), (Outcome::Missed, Vec::new()));
}

#[test]
fn a_leg_that_was_never_told_of_is_the_target_of_the_transfer() {
    let told = format!("{ANSWERED} 9 A/2 Disconnected/BlindTransfer; 40 A/1 Disconnected");
    let call =
        call(&format!("{told}; 20 snapshot A | 1 Answered | 3 in 106 +1404>106 Answered; 50 snapshot A"));
    assert_eq!(moves(&call), ["BlindTransfer 104→106"]);
    assert_eq!(repaired(&call), ["A/3 leg 20 by snapshot", "A/3 end 40 by snapshot"]);
}

#[test]
fn a_call_that_only_the_call_log_has_is_a_call() {
    let inbound = call("600 log A 0+42 in Accepted 104 +1404>+1650");
    assert_eq!((inbound.state, inbound.result), (State::Complete, Outcome::Answered));
    assert_eq!(talks(&inbound), ["0–42: 104 +1404"]);
    assert_eq!(person(&inbound, "104").kind, Kind::User);
    assert!(inbound.completeness.repaired.iter().any(|fact| fact.what == RepairedFact::Leg));
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
fn of_a_call_that_was_told_of_the_call_log_knows_only_the_end() {
    let told = format!(
        "{ANSWERED} 9 A/2 Disconnected/BlindTransfer; 9 A/3 in 106 +1404>106 Proceeding; 12 A/3 Answered"
    );
    let call = call(&format!("{told}; 600 log A 0+50 in Accepted 104 +1404>+1650"));
    assert_eq!((call.legs.len(), at(call.end_time)), (3, Some(50.0)));
    assert_eq!(at(leg(&call, "A/2").end_time), Some(9.0));
}

#[test]
fn an_answer_re_opens_nothing_that_it_does_not_change() {
    let mut live = Live::new();
    live.hear(&format!("{ANSWERED} 9 A/1,A/2 Disconnected"));
    assert_eq!(live.wait_until("15"), ["10 complete A 5"]);
    assert_eq!(live.hear("20 snapshot A"), [""; 0]);
    assert_eq!(live.wait_until("100"), [""; 0]);
}

fn asking() -> Live {
    Live::with(Settings { ask_after_ms: Some(5_000), ..Settings::default() })
}

#[test]
fn nothing_is_asked_of_a_call_that_seems_whole() {
    let mut live = asking();
    live.hear(ANSWERED);
    live.wait_until("3000");
    assert_eq!(live.asked(), [""; 0]);
}

#[test]
fn the_last_leg_of_a_silent_call_is_asked_for_and_ended() {
    let mut live = asking();
    live.hear(&format!("{ANSWERED} 9 A/1 Disconnected"));
    live.wait_until("13.9");
    assert_eq!(live.asked(), [""; 0]);
    live.wait_until("14");
    assert_eq!(live.asked(), ["A"]);
    assert_eq!(live.hear("14.3 snapshot A"), ["14.3 updated A 5"]);
    assert_eq!(live.wait_until("100"), ["15.3 complete A 6"]);
    assert_eq!(live.asked(), [""; 0]);
}

#[test]
fn a_leg_that_is_still_there_keeps_the_call_open_and_is_asked_for_ever_more_seldom() {
    let mut live = asking();
    live.hear(&format!("{ANSWERED} 9 A/1 Disconnected"));
    let mut asked = Vec::new();
    for time in 10..3_000 {
        live.wait_until(&time.to_string());
        for session in live.asked() {
            asked.push(time);
            live.hear(&format!("{time}.3 snapshot {session} | 1 Disconnected | 2 Answered"));
        }
    }
    assert_eq!(live.last("A").state, State::Live);
    assert_eq!(asked[0], 14);
    let pauses: Vec<i64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted() && asked.len() < 8 && asked.len() > 3, "{asked:?}");
}

#[test]
fn a_gap_and_an_unseen_session_are_asked_for_once() {
    let mut live = asking();
    live.hear("0 A/1 out 104 104>+1505 Setup; 1 A/1#9 Answered; 2 A/1#10 Gone/AttendedTransfer -> B/1");
    live.wait_until("7.5");
    assert_eq!(live.asked(), ["A", "B"]);
    live.hear("8 snapshot A | 1 Gone/AttendedTransfer -> B/1; 8 snapshot B | 2 in 106 104>106 Answered");
    live.wait_until("60");
    assert_eq!(live.asked(), [""; 0], "B has one leg, and it is on the line");
}
