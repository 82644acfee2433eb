//! Calls that turn out to be one (`docs/contract.md` §2.9 and §6).

use wholecall_assembly::Settings;
use wholecall_record::call::State;

use crate::play::{ANSWERED, CONSULTING, Live, talks};

#[test]
fn two_live_calls_become_one() {
    let mut live = Live::new();
    live.receive(&format!("{ANSWERED}{CONSULTING}"));
    let published = live.receive("20 A/2 Gone/AttendedTransfer -> B/1");
    assert_eq!(
        published[published.len() - 2..],
        ["20 merged B into A", "20 updated A 6"],
        "the merge comes first"
    );
}

#[test]
fn the_version_is_the_highest_of_both_and_one() {
    let mut live = Live::new();
    live.receive("0 A/1 out 104 104>+1404 Setup; 1 B/1 out 104 104>106 Setup; 3 B/2 in 106 104>106 Proceeding; 5 B/2 Answered");
    assert_eq!((live.last("A").version, live.last("B").version), (1, 3));
    assert_eq!(live.receive("7 B/1 Gone/AttendedTransfer -> A/1"), ["7 merged B into A", "7 updated A 4"]);
}

#[test]
fn a_late_event_may_reveal_an_earlier_root() {
    let mut live = Live::new();
    live.receive("10 B/1 out 104 104>106 Setup; 11 B/1 Gone/AttendedTransfer -> A/2");
    assert_eq!(live.last("B").version, 2);
    let published = live.receive("0 A/1 out - +1404>104 Setup @14");
    assert_eq!(published, ["14 merged B into A", "14 updated A 3"]);
}

#[test]
fn completed_is_published_once_across_merged_ids() {
    let mut live = Live::new();
    live.receive(&format!("{ANSWERED} 9 A/1,A/2 Disconnected"));
    assert_eq!(live.wait_until("11"), ["10 complete A 5"]);
    live.receive("12 B/1 out 104 104>106 Setup; 13 B/2 in 106 104>106 Answered; 20 B/1,B/2 Disconnected");
    let published = live.wait_until("25");
    assert_eq!(published, ["21 complete B 4"]);
    // Now a further delivery shows that A/2's end was a transfer.
    let published = live.receive("9 A/2#8 Gone/AttendedTransfer -> B/1 uuid:0 @30");
    assert_eq!(published, ["30 merged B into A", "30 revised A 6 from 5 complete"]);
    assert!(live.wait_until("100").is_empty());
}

#[test]
fn a_closed_call_is_live_again_with_a_live_one() {
    let mut live = Live::new();
    live.receive(&format!("{ANSWERED} 9 A/2 Disconnected"));
    assert_eq!(live.wait_until("100"), ["69 lastLegSilent A 5"]);
    live.receive("100 B/1 out 104 104>106 Setup; 101 B/2 in 106 104>106 Answered");
    let published = live.receive("103 B/1 Gone/AttendedTransfer -> A/2");
    assert_eq!(published, ["103 merged B into A", "103 revised A 6 from 5 live"]);
    assert_eq!(live.last("A").state, State::Live);
}

#[test]
fn only_published_ids_are_merged_away() {
    let mut live = Live::with(Settings { publish_live_versions: false, ..Settings::default() });
    let published = live.receive(&format!(
        "{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 30 A/1,B/2 Disconnected"
    ));
    assert!(published.is_empty());
    assert_eq!(live.wait_until("100").len(), 1, "one completed call, and no merge of an unpublished id");
    let mut unseen = Live::new();
    let published = unseen.receive(
        "0 A/1 out 104 104>+1404 Setup; 9 A/1 Gone/AttendedTransfer -> B/1; 9 B/1 out 104 104>106 Setup @9",
    );
    assert!(
        published.iter().all(|published| !published.contains("merged")),
        "an unseen session had no id of its own: {published:?}"
    );
}

#[test]
fn merged_calls_say_the_same_as_if_they_had_always_been_one() {
    let script =
        format!("{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 30 A/1,B/2 Disconnected");
    let mut live = Live::new();
    live.receive(&script);
    live.wait_until("100");
    assert_eq!(talks(live.last("A")), talks(&crate::play::call(&script)));
}

#[test]
fn a_supervisors_session_published_as_a_call_is_merged_into_the_one_it_listens_to() {
    let mut live = Live::new();
    live.receive(ANSWERED);
    let published = live.receive("5 S/1 out 109 109>*80 Setup; 6 S/1 Gone/Supervising -> A/2");
    assert_eq!(published, ["5 started S 1", "6 merged S into A", "6 updated A 4"]);
}
