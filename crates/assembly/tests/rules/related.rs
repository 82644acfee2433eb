//! Calls that look related although no id proves it: named, never joined (`docs/contract.md` §2.7).

use wholecall_record::{Call, call::RelatedKind};

use crate::play::{ANSWERED, CONSULTING, Play, play};

fn related(call: &Call) -> Vec<(&str, RelatedKind)> {
    call.related.iter().map(|related| (&related.id[2..], related.kind)).collect()
}

#[test]
fn an_abandoned_consultation_is_another_call() {
    let play = play(&format!(
        "{ANSWERED}{CONSULTING} 20 B/1,B/2 Disconnected; 21 A/2 Answered; 30 A/1,A/2 Disconnected"
    ));
    assert_eq!(related(&play.call_of("A")), [("B", RelatedKind::Consultation)]);
    assert_eq!(related(&play.call_of("B")), [("A", RelatedKind::Consultation)]);
    assert!(play.call_of("A").related[0].why.contains("while holding"));
}

#[test]
fn a_consultation_that_was_linked_is_the_same_call_and_not_related() {
    let call =
        play(&format!("{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 30 A/1,B/2 Disconnected"))
            .call();
    assert!(call.related.is_empty());
}

#[test]
fn a_call_dialled_without_a_hold_is_not_related() {
    let play = play(&format!(
        "{ANSWERED} 5 A/2 Hold; 8 A/2 Answered; 10 B/1 out 104 104>106 Setup; 30 A/1,A/2,B/1 Disconnected"
    ));
    assert!(related(&play.call_of("A")).is_empty());
}

#[test]
fn a_call_that_another_user_dialled_during_a_hold_is_not_related() {
    let play =
        play(&format!("{ANSWERED} 5 A/2 Hold; 10 B/1 out 107 107>106 Setup; 30 A/1,A/2,B/1 Disconnected"));
    assert!(related(&play.call_of("A")).is_empty());
}

#[test]
fn a_consultation_belongs_to_the_latest_hold() {
    let second = ANSWERED.replace("A/", "W/").replace("+1404", "+1505");
    let play = play(&format!(
        "{ANSWERED}{second} 5 W/2 Hold; 6 A/2 Hold; 10 B/1 out 104 104>106 Setup; 30 A/1,A/2,W/1,W/2,B/1 Disconnected"
    ));
    assert_eq!(related(&play.call_of("B")), [("A", RelatedKind::Consultation)]);
    let call = play.call_of("W");
    let of_w = related(&call);
    assert!(of_w.iter().all(|(_, kind)| *kind != RelatedKind::Consultation), "{of_w:?}");
}

/// A RingOut to +1505, and the session of its other side, which begins `later` seconds later with that legacy id.
fn ring_out(later: f64, legacy_id: u64, from: &str) -> Play {
    play(&format!(
        "R is RingOut; R sessionId 10000; T sessionId {legacy_id}
         0 R/1 in 104 +1505>104 role:Initiator Proceeding; 9 R/1 Disconnected
         {later} T/1 out 104 {from}>+1505 Setup; 70 T/1 Disconnected"
    ))
}

#[test]
fn a_ring_outs_twin_has_mirrored_numbers_and_is_near() {
    let twins = ring_out(1.0, 14_000, "104");
    assert_eq!(related(&twins.call_of("R")), [("T", RelatedKind::RingOutTwin)]);
    assert_eq!(related(&twins.call_of("T")), [("R", RelatedKind::RingOutTwin)]);
    assert!(related(&ring_out(1.0, 14_001, "104").call_of("R")).is_empty(), "its legacy id is too far away");
    assert!(related(&ring_out(1.0, 10_000, "104").call_of("R")).is_empty(), "its legacy id is the same");
    assert!(related(&ring_out(61.0, 11_000, "104").call_of("R")).is_empty(), "it began too late");
    assert!(related(&ring_out(1.0, 11_000, "+1650").call_of("R")).is_empty(), "its numbers are not mirrored");
    let other_extension = ring_out(1.0, 11_000, "104");
    let mut sent = other_extension.sent;
    for sent in sent.iter_mut().skip(2) {
        sent.json["body"]["parties"][0]["extensionId"] = "107".into();
    }
    let other_extension = Play { sent, ..play("") };
    assert!(related(&other_extension.call_of("R")).is_empty(), "it is another user's");
}

/// A caller on hold, `others` held later but not longer, and then a consultation.
fn after_other_holds(others: usize) -> Play {
    let others: String = (1..=others)
        .map(|at| {
            format!("{at} W{at}/1 in 104 +1505>104 Answered; {at}.1 W{at}/1 Hold; {at}.2 W{at}/1 Answered\n")
        })
        .collect();
    play(&format!("0 A/1 in 104 +1404>104 Answered; 0.5 A/1 Hold\n{others}50 B/1 out 104 104>106 Setup"))
}

#[test]
fn eight_holds_before_a_consultation_are_compared() {
    assert_eq!(related(&after_other_holds(7).call_of("B")), [("A", RelatedKind::Consultation)]);
    assert!(related(&after_other_holds(8).call_of("B")).is_empty());
}

#[test]
fn a_record_names_thirty_two_related_calls() {
    let dialled: String = (0..40).map(|at| format!("{}.5 B{at}/1 out 104 104>106 Setup\n", at + 5)).collect();
    let play = play(&format!("{ANSWERED} 4 A/2 Hold\n{dialled}"));
    assert_eq!(play.call_of("A").related.len(), 32);
    assert_eq!(related(&play.call_of("B39")), [("A", RelatedKind::Consultation)]);
}

/// 104 is connected to the caller of A and to the number dialled in B at once.
const IN_TWO_CALLS: &str = "10 B/1 out 104 104>+1650 Setup; 12 B/1 Answered; 12 B/2 in - 104>+1650 Answered;";

#[test]
fn a_person_in_two_calls_at_once_is_concurrent_in_both() {
    let play = play(&format!("{ANSWERED}{IN_TWO_CALLS} 20 B/1,B/2 Disconnected; 30 A/1,A/2 Disconnected"));
    assert_eq!(related(&play.call_of("A")), [("B", RelatedKind::Concurrent)]);
    assert_eq!(related(&play.call_of("B")), [("A", RelatedKind::Concurrent)]);
}

#[test]
fn a_supervisor_who_listens_is_not_in_a_conversation() {
    // The caller has left: 104 is alone with the supervisor.
    let play = play(&format!(
        "{ANSWERED} 5 A/3 out 108 108>104 Answered/Supervising; 8 A/1 Disconnected/BlindTransfer;
         {IN_TWO_CALLS} 20 B/1,B/2 Disconnected; 30 A/2,A/3 Disconnected"
    ));
    assert!(related(&play.call_of("A")).is_empty(), "{:?}", play.call_of("A").related);
}

#[test]
fn two_calls_at_once_are_not_related_if_a_hold_may_be_missing() {
    let play = play(&format!(
        "{ANSWERED} 5 A/2#9 Answered; {IN_TWO_CALLS} 20 B/1,B/2 Disconnected; 30 A/1,A/2 Disconnected"
    ));
    assert!(!play.call_of("A").completeness.missing_sequences.is_empty());
    assert!(related(&play.call_of("A")).is_empty() && related(&play.call_of("B")).is_empty());
}
