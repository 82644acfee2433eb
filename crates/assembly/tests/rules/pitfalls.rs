//! Pitfalls of the stream (`docs/pitfalls.md`) that have no rule of their own.

use serde_json::json;
use wholecall_record::call::{LegOutcome, MoveKind, Outcome};

use crate::play::{ANSWERED, CONSULTING, at, call, leg, moves, person, play, talks};

const ENDED: &str = "30 A/1,A/2 Disconnected";

#[test]
fn an_outbound_answer_of_an_outsider_is_real() {
    let call = call("
        0 A/1 out 104 104>+1505 Setup; 0.1 A/2 in - 104>+1505 Proceeding; 3 A/1 Proceeding; 7 A/2 Answered; 7.1 A/1 Answered
        20 A/1,A/2 Disconnected
    ");
    assert_eq!(at(call.answer_time), Some(7.0), "when the callee's leg says so");
}

#[test]
fn a_queues_name_before_the_callers_is_not_part_of_it() {
    let mut play = play(
        "
        0 A/1 out - +1404>+1650=500 Setup; 0.1 A/2 in 500 +1404>+1650=500 Setup
        1 A/3 in 111 +1404>+1650=500 queue:Support Answered; 9 A/1,A/2,A/3 Disconnected
    ",
    );
    play.sent[0].json["body"]["parties"][0]["from"]["name"] = json!("ANN");
    play.sent[2].json["body"]["parties"][0]["from"]["name"] = json!("SUPPORT - ANN");
    let call = play.call();
    assert_eq!(
        call.from.name.as_deref(),
        Some("ANN"),
        "the caller's name is the one on the caller's own leg"
    );
    assert_eq!(leg(&call, "A/3").from.name.as_deref(), Some("SUPPORT - ANN"));
}

#[test]
fn the_queue_is_known_as_long_as_any_notification_named_it() {
    let call = call("
        0 A/1 out - +1404>+1650=500 Setup; 0.1 A/2 in 500 +1404>+1650=500 Setup
        1 A/3 in 111 +1404>+1650=500 queue:Support Proceeding; 3 A/3 bare Answered; 9 A/1,A/2 bare Disconnected; 9 A/3 bare Disconnected
    ");
    assert_eq!(call.queues[0].answered_by.as_deref(), Some("ext:111"));
}

#[test]
fn a_voicemail_pickup_is_no_answer() {
    let call = call("
        0 A/1 out - +1404>+1650=104 Setup; 0.2 A/1 Answered; 1 A/2 in 104 +1404>+1650=104 Proceeding; 5 A/2 Voicemail
        20 A/1 Disconnected; 20 A/2 Disconnected/Voicemail
    ");
    assert_eq!((call.answer_time, call.result), (None, Outcome::Voicemail));
    assert_eq!(leg(&call, "A/2").outcome, Some(LegOutcome::Voicemail));
    assert!(talks(&call).is_empty());
}

#[test]
fn a_park_number_may_stand_in_either_place_or_nowhere() {
    let script = format!("{ANSWERED} 9 A/1 Parked/CallPark; 9.1 A/2 Disconnected; 20 A/1 Disconnected");
    for (park, park_data) in [(json!({}), ""), (json!({"id": "801"}), ""), (json!({}), "*801")] {
        let mut play = play(&script);
        let party = &mut play.sent[5].json["body"]["parties"][0];
        (party["park"], party["status"]["parkData"]) = (park, json!(park_data));
        assert_eq!(moves(&play.call()), ["Park 104→none"]);
    }
}

#[test]
fn a_bridges_seats_differ_from_the_host_they_are_named_after() {
    let call = call("K is Conference
        0 K/1 out 104 104>conference Answered; 1 K/2 in - 104>conference Setup; 2 K/3 in - 104>conference Setup
        9 K/1,K/2,K/3 Disconnected
    ");
    assert_eq!(call.participants.len(), 1, "`from` names the host, not who sits there");
    assert!(talks(&call).is_empty());
}

#[test]
fn the_targets_answered_after_a_transfer_is_no_second_answer() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 20 B/2 Answered/AttendedTransfer; 30 A/1,B/2 Disconnected"
    ));
    assert_eq!(at(leg(&call, "B/2").answer_time), Some(13.0));
    assert_eq!(leg(&call, "B/2").segments.len(), 3);
}

#[test]
fn who_hung_up_is_not_claimed() {
    let callee_first = call(&format!("{ANSWERED} 30 A/2 Disconnected; 30.01 A/1 Disconnected"));
    let caller_first = call(&format!("{ANSWERED} 30 A/1 Disconnected; 30.01 A/2 Disconnected"));
    for call in [callee_first, caller_first] {
        assert_eq!(at(call.end_time), Some(30.01));
        assert!(call.legs.iter().all(|leg| leg.end_reason.is_none()));
    }
}

#[test]
fn one_persons_number_may_differ_from_leg_to_leg() {
    let call = call(
        "
        0 A/1 out 104 +1650=104>106 Setup; 1 A/2 in 106 104>106 Answered; 9 A/1,A/2 Disconnected
    ",
    );
    assert_eq!(talks(&call), ["1–9: 104 106"]);
    assert_eq!(leg(&call, "A/2").from.phone_number.as_deref(), Some("104"));
    assert_eq!(person(&call, "104").phone_number.as_deref(), Some("+1650"));
}

#[test]
fn a_peer_that_vanishes_from_later_notifications_is_not_forgotten() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 21 A/2 Gone/AttendedTransfer; 30 A/1,B/2 Disconnected"
    ));
    assert_eq!(moves(&call), ["AttendedTransfer 104→106"]);
    assert_eq!(talks(&call)[2], "20–30: 106 +1404");
}

#[test]
fn muted_stand_alone_and_sip_data_decide_nothing() {
    let plain = play(&format!("{ANSWERED}{ENDED}"));
    let mut noisy = play(&format!("{ANSWERED}{ENDED}"));
    for (at, sent) in noisy.sent.iter_mut().enumerate() {
        let party = &mut sent.json["body"]["parties"][0];
        party["muted"] = json!(at % 2 == 0);
        party["standAlone"] = json!(true);
        party["missedCall"] = json!(true);
        party["sipData"] = json!({"callId": format!("{at}"), "fromTag": "x", "toTag": "y"});
        party["status"]["rcc"] = json!(true);
    }
    assert_eq!(noisy.call(), plain.call());
}

#[test]
fn the_wrapper_of_the_older_documents_is_read_as_well() {
    let plain = play(&format!("{ANSWERED}{ENDED}"));
    let mut wrapped = play(&format!("{ANSWERED}{ENDED}"));
    for sent in &mut wrapped.sent {
        let mut inner = sent.json.take();
        let uuid = inner["uuid"].take();
        sent.json = json!({"pn_apns": inner, "uuid": uuid});
    }
    assert_eq!(wrapped.call(), plain.call());
}

#[test]
fn a_recording_is_listed_once_however_often_it_is_reported() {
    let call = call(&format!(
        "{ANSWERED} 5 A/2 rec:77 Answered; 8 A/2 rec:77 Answered; 9 A/2 rec:78 Answered; {ENDED}"
    ));
    let ids: Vec<&str> = call.recordings.iter().map(|recording| recording.id.as_str()).collect();
    assert_eq!(ids, ["77", "78"]);
    assert_eq!(&*call.recordings[0].party_id, "p-2");
    assert_eq!(talks(&call), ["3–30: 104 +1404"], "and interrupts nothing");
}

#[test]
fn ones_own_outbound_call_that_rings_as_inbound_is_one_call() {
    let calls = play("
        0 A/1 in 104 +1650>104 Proceeding; 2 A/1 Answered; 3 A/2 in - +1650>+1505 Proceeding; 5 A/2 Answered; 9 A/1,A/2 Disconnected
    ")
    .calls();
    assert_eq!(calls.len(), 1);
    assert!(
        calls[0]
            .conversations
            .iter()
            .any(|talk| talk.participants.iter().any(|id| id.as_str() == "tel:+1505"))
    );
}

#[test]
fn a_call_at_a_main_numbers_prompt_has_an_inferred_callee() {
    let call = call("0 A/1 out 104 104>+1888 Setup; 1 A/1 Answered; 9 A/1 Disconnected");
    assert_eq!(talks(&call), ["1–9: 104 +1888"]);
    assert!(!person(&call, "+1888").observed);
}

#[test]
fn half_a_second_of_talk_is_talk() {
    let call = call("
        0 A/1 out - +1404>104 Setup; 1 A/2 in 104 +1404>104 Proceeding; 3 A/2 Answered; 3.4 A/1,A/2 Disconnected
    ");
    assert_eq!((call.result, call.durations.talk_ms), (Outcome::Answered, 400));
}

#[test]
fn waiting_without_ringing_counts_from_the_setup() {
    let call = call("
        0 A/1 out - +1404>+1800 Setup; 0.1 A/2 in 700 +1404>+1800 Setup; 8 A/2 Disconnected; 8 A/3 in 104 +1404>104 Proceeding
        10 A/3 Answered; 20 A/1,A/3 Disconnected
    ");
    assert_eq!(call.durations.wait_ms, 10_000);
    assert_eq!(leg(&call, "A/2").ring_ms, 0);
}

#[test]
fn ids_of_nineteen_digits_stay_as_they_are() {
    let mut play = play("0 A/1 out 104 104>106 Setup; 9 A/1 Disconnected");
    for (at, sent) in play.sent.iter_mut().enumerate() {
        let id = json!("9223372036854775807");
        sent.json["uuid"] = json!(format!("922337203685477580{at}"));
        sent.json["event"] = json!("/restapi/v1.0/account/9223372036854775806/telephony/sessions");
        let party = &mut sent.json["body"]["parties"][0];
        party["accountId"] = json!("9223372036854775806");
        party["extensionId"] = id.clone();
        party["from"]["extensionId"] = id;
    }
    let call = play.call();
    assert_eq!(call.account_id.as_deref(), Some("9223372036854775806"));
    assert_eq!(call.from.participant.as_deref(), Some("ext:9223372036854775807"));
}

#[test]
fn a_transfer_needs_no_hold() {
    let script =
        format!("{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 30 A/1,B/2 Disconnected");
    let call = call(&script.replace("9    A/2 Hold", ""));
    assert_eq!(moves(&call), ["AttendedTransfer 104→106"]);
    assert_eq!(call.durations.hold_ms, 0);
}

#[test]
fn a_call_is_over_only_when_all_its_sessions_are() {
    let call =
        call(&format!("{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 25 A/1 Disconnected"));
    assert!(call.completeness.reason.is_some(), "106's leg is still open");
}

#[test]
fn the_customers_number_comes_to_the_target_through_the_link() {
    let call =
        call(&format!("{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 30 A/1,B/2 Disconnected"));
    assert_eq!(
        leg(&call, "B/2").from.phone_number.as_deref(),
        Some("104"),
        "the leg itself names the transferor"
    );
    assert_eq!(call.conversations[2].participants[1].as_str(), "tel:+1404");
}

#[test]
fn a_redirected_callers_own_to_is_not_believed() {
    let call = call(
        "
        0 A/1 out - +1404>+1800=700 Setup; 0.1 A/2 in 700 +1404>+1800=700 Setup; 8 A/2 Disconnected
        8 A/3 in 104 +1404>+1800=104 Answered; 20 A/3,A/1 Disconnected
    ",
    );
    assert_eq!(leg(&call, "A/1").to.extension_id.as_deref(), Some("700"));
    assert_eq!(talks(&call), ["8–20: 104 +1404"], "who was reached is in the conversations");
}

#[test]
fn a_link_may_come_before_any_inbound_answer() {
    let call = call(&format!(
        "{ANSWERED} 10 B/1 out 104 104>106 Setup; 10.1 B/1 Answered; 10.2 B/2 in 106 104>106 Proceeding
         11 A/2 Gone/AttendedTransfer -> B/1; 14 B/2 Answered; 30 A/1,B/2 Disconnected"
    ));
    assert_eq!(
        talks(&call),
        ["3–11: 104 +1404", "14–30: 106 +1404"],
        "an early Answered is not the target's"
    );
    assert_eq!(call.moves[0].kind, MoveKind::AttendedTransfer);
}

#[test]
fn a_party_without_from_or_to_is_no_error() {
    let mut play = play(&format!("{ANSWERED}{ENDED}"));
    for sent in &mut play.sent {
        sent.json["body"]["parties"][0]["from"].take();
        sent.json["body"]["parties"][0]["to"].take();
    }
    let call = play.call();
    assert_eq!(talks(&call), ["3–30: anon:s-A/p-1 104"]);
    assert_eq!(call.legs.len(), 2, "and every leg of a session counts, not the first alone");
}

#[test]
fn an_own_call_twice_on_one_session_id_is_two_calls_or_one_by_its_session() {
    let calls = play("
        A sessionId 5; B sessionId 5
        0 A/1 out 104 104>104 Setup; 1 A/2 in 104 104>104 Answered; 9 A/1,A/2 Disconnected; 10 B/1 out 104 104>106 Setup; 12 B/1 Disconnected
    ")
    .calls();
    assert_eq!(calls.len(), 2);
}
