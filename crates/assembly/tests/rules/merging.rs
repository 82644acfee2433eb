//! Calls that turn out to be one (`docs/contract.md` §2.9 and §6).

use wholecall_assembly::Settings;
use wholecall_record::call::State;

use crate::play::{ANSWERED, CONSULTING, Live, talks};

#[test]
fn two_live_calls_become_one() {
    let mut live = Live::new();
    live.hear(&format!("{ANSWERED}{CONSULTING}"));
    let told = live.hear("20 A/2 Gone/AttendedTransfer -> B/1");
    assert_eq!(told[told.len() - 2..], ["20 merged B into A", "20 updated A 6"], "the merge comes first");
}

#[test]
fn the_version_is_the_highest_of_both_and_one() {
    let mut live = Live::new();
    live.hear("0 A/1 out 104 104>+1404 Setup; 1 B/1 out 104 104>106 Setup; 3 B/2 in 106 104>106 Proceeding; 5 B/2 Answered");
    assert_eq!((live.last("A").version, live.last("B").version), (1, 3));
    assert_eq!(live.hear("7 B/1 Gone/AttendedTransfer -> A/1"), ["7 merged B into A", "7 updated A 4"]);
}

#[test]
fn a_late_event_may_reveal_an_earlier_root() {
    let mut live = Live::new();
    live.hear("10 B/1 out 104 104>106 Setup; 11 B/1 Gone/AttendedTransfer -> A/2");
    assert_eq!(live.last("B").version, 2);
    let told = live.hear("0 A/1 out - +1404>104 Setup @14");
    assert_eq!(told, ["14 merged B into A", "14 updated A 3"]);
}

#[test]
fn completed_is_told_once_across_merged_ids() {
    let mut live = Live::new();
    live.hear(&format!("{ANSWERED} 9 A/1,A/2 Disconnected"));
    assert_eq!(live.wait_until("11"), ["10 complete A 5"]);
    live.hear("12 B/1 out 104 104>106 Setup; 13 B/2 in 106 104>106 Answered; 20 B/1,B/2 Disconnected");
    let told = live.wait_until("25");
    assert_eq!(told, ["21 complete B 4"]);
    // Now a copy of A/2's end turns out to have been a transfer.
    let told = live.hear("9 A/2#8 Gone/AttendedTransfer -> B/1 uuid:0 @30");
    assert_eq!(told, ["30 merged B into A", "30 revised A 6 from 5 complete"]);
    assert!(live.wait_until("100").is_empty());
}

#[test]
fn a_closed_call_is_live_again_with_a_live_one() {
    let mut live = Live::new();
    live.hear(&format!("{ANSWERED} 9 A/2 Disconnected"));
    assert_eq!(live.wait_until("100"), ["69 lastLegSilent A 5"]);
    live.hear("100 B/1 out 104 104>106 Setup; 101 B/2 in 106 104>106 Answered");
    let told = live.hear("103 B/1 Gone/AttendedTransfer -> A/2");
    assert_eq!(told, ["103 merged B into A", "103 revised A 6 from 5 live"]);
    assert_eq!(live.last("A").state, State::Live);
}

#[test]
fn only_ids_that_were_told_are_merged_away() {
    let mut live = Live::with(Settings { live: false, ..Settings::default() });
    let told = live.hear(&format!(
        "{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 30 A/1,B/2 Disconnected"
    ));
    assert!(told.is_empty());
    assert_eq!(live.wait_until("100").len(), 1, "one completed call, and no merge of an id nobody knows");
    let mut unseen = Live::new();
    let told = unseen.hear(
        "0 A/1 out 104 104>+1404 Setup; 9 A/1 Gone/AttendedTransfer -> B/1; 9 B/1 out 104 104>106 Setup @9",
    );
    assert!(
        told.iter().all(|told| !told.contains("merged")),
        "an unseen session had no id of its own: {told:?}"
    );
}

#[test]
fn merged_calls_say_the_same_as_if_they_had_always_been_one() {
    let script =
        format!("{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 30 A/1,B/2 Disconnected");
    let mut live = Live::new();
    live.hear(&script);
    live.wait_until("100");
    assert_eq!(talks(live.last("A")), talks(&crate::play::call(&script)));
}

#[test]
fn a_supervisors_session_told_as_a_call_is_merged_into_the_one_it_listens_to() {
    let mut live = Live::new();
    live.hear(ANSWERED);
    let told = live.hear("5 S/1 out 109 109>*80 Setup; 6 S/1 Gone/Supervising -> A/2");
    assert_eq!(told, ["5 started S 1", "6 merged S into A", "6 updated A 4"]);
}
