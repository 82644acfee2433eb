//! Which notifications are duplicates, what belongs together, and in which order (`docs/contract.md` §2).

use serde_json::json;
use wholecall_notification::{Document, ParseError};
use wholecall_record::call::{Kind, LegOutcome, Outcome};

use crate::play::{
    ANSWERED, CONSULTING, Play, at, call, leg, links, moves, participants, person, play, segments, talks,
    when,
};

const ENDED: &str = "30 A/1,A/2 Disconnected";

fn answered() -> Play {
    play(&format!("{ANSWERED}{ENDED}"))
}

#[test]
fn a_delivery_under_another_uuid_is_a_duplicate() {
    let once = answered();
    let mut twice = answered();
    for mut delivery in answered().sent {
        delivery.json["uuid"] = json!("zz");
        delivery.json["subscriptionId"] = json!("another");
        twice.sent.push(delivery);
    }
    assert_eq!(twice.call(), once.call());
}

#[test]
fn where_deliveries_differ_the_smallest_uuid_counts_and_the_others_fill_its_gaps() {
    let call = call(&format!(
        "{ANSWERED}
         9 A/2#7 uuid:2 Disconnected/BlindTransfer
         8 A/2#7 uuid:1 Disconnected
         20 A/1 Disconnected"
    ));
    assert_eq!(at(leg(&call, "A/2").end_time), Some(8.0), "the time of delivery 1");
    assert_eq!(
        leg(&call, "A/2").end_reason.as_deref(),
        Some("BlindTransfer"),
        "the reason that only delivery 2 has"
    );
}

#[test]
fn the_smallest_uuid_is_the_first_in_text_order() {
    let call = call(&format!(
        "{ANSWERED}
         9 A/2#7 uuid:9 Disconnected
         8 A/2#7 uuid:10 Disconnected
         20 A/1 Disconnected"
    ));
    assert_eq!(at(leg(&call, "A/2").end_time), Some(8.0), "\"10\" comes before \"9\"");
}

#[test]
fn a_delivery_without_uuid_comes_last() {
    let call = call(&format!(
        "{ANSWERED}
         8 A/2#7 uuid:- Disconnected/Rejected
         9 A/2#7 uuid:zzz Disconnected
         20 A/1 Disconnected"
    ));
    assert_eq!(at(leg(&call, "A/2").end_time), Some(9.0));
    assert_eq!(leg(&call, "A/2").end_reason.as_deref(), Some("Rejected"), "it still fills gaps");
}

#[test]
fn evidence_names_the_smallest_uuid() {
    let call = call(&format!(
        "{ANSWERED}
         9 A/2#7 uuid:70 Disconnected/BlindTransfer
         9 A/2#7 uuid:61 Disconnected/BlindTransfer
         9 A/3#8 in 106 +1404>106 Proceeding
         20 A/1,A/3 Disconnected"
    ));
    assert_eq!(call.moves[0].evidence[0].uuid.as_deref(), Some("61"));
    assert_eq!(call.moves[0].evidence[0].sequence, Some(7));
}

#[test]
fn order_is_sequence_never_arrival_or_time() {
    let call = call(
        "
        0   A/1#2 out - +1404>+1650=104 Setup
        9   A/2#6 in 104 +1404>+1650=104 Disconnected
        0.3 A/2#3 Proceeding
        9   A/1#7 Disconnected
        3   A/2#4 Answered
        3   A/2#5 Hold
    ",
    );
    assert_eq!(segments(leg(&call, "A/2")), "ringing 0.3–3, holding 3–9");
}

#[test]
fn a_server_clock_that_jumps_back_makes_no_negative_stretch() {
    let call = call(
        "
        0   A/1 out - +1404>+1650=104 Setup
        5   A/2 in 104 +1404>+1650=104 Proceeding
        4   A/2 Answered
        3   A/2 Hold
        8   A/2 Answered
        9   A/1,A/2 Disconnected
    ",
    );
    assert_eq!(at(leg(&call, "A/2").answer_time), Some(5.0), "not before the event in front of it");
    assert_eq!(segments(leg(&call, "A/2")), "holding 5–8, connected 8–9");
    assert_eq!(talks(&call), ["8–9: 104 +1404"]);
}

#[test]
fn equal_session_ids_join_nothing() {
    let calls = play(
        "
        A is Conference; B is Conference
        0 A/1 out 104 104>conference Answered; 9 A/1 Disconnected
        1 B/1 out 106 106>conference Answered; 9 B/1 Disconnected
        C sessionId 5; D sessionId 5
        20 C/1 out - +1404>104 Setup; 29 C/1 Disconnected
        21 D/1 out - +1505>106 Setup; 29 D/1 Disconnected
    ",
    )
    .calls();
    let ids: Vec<&str> = calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["s-A", "s-B", "s-C", "s-D"]);
    assert_eq!(calls[0].sessions[0].session_id.as_deref(), Some("0"), "but it is stored");
}

#[test]
fn party_ids_are_unique_only_within_their_session() {
    let call =
        call(&format!("{ANSWERED}{CONSULTING} 20 B/1 Gone/AttendedTransfer -> A/2; 30 A/1,B/2 Disconnected"));
    // `A/2` and `B/2` both have the id p-2.
    assert_eq!(leg(&call, "A/2").end_reason.as_deref(), Some("AttendedTransfer"));
    assert_eq!(leg(&call, "B/2").end_reason, None);
    assert_eq!(at(leg(&call, "B/2").end_time), Some(30.0));
}

#[test]
fn accounts_never_meet() {
    let mut both = answered();
    for mut other in answered().sent {
        other.json["event"] = json!("/restapi/v1.0/account/2/telephony/sessions");
        both.sent.push(other);
    }
    let accounts: Vec<_> =
        both.calls().iter().map(|call| call.account_id.as_deref().map(str::to_owned)).collect();
    assert_eq!(accounts, [Some("1".to_owned()), Some("2".to_owned())]);
}

#[test]
fn the_account_is_the_one_in_the_path() {
    let mut play = answered();
    for sent in &mut play.sent {
        sent.json["event"] = json!("/restapi/v1.0/account/7/telephony/sessions?sipData=true");
    }
    assert_eq!(play.call().account_id.as_deref(), Some("7"));
}

/// The account of a bare body with these three.
fn account_of_bare_body(
    owned: Option<&str>,
    of_body: Option<&str>,
    of_others: Option<&str>,
) -> Option<String> {
    let mut play = play("0 A/1 out 104 104>106 Setup");
    let mut body = play.sent[0].json["body"].take();
    body["parties"][0]["accountId"] = json!(owned);
    let mut outsider = body["parties"][0].clone();
    outsider["id"] = json!("p-9");
    outsider["extensionId"] = json!(null);
    outsider["accountId"] = json!(of_others);
    body["parties"].as_array_mut().unwrap().insert(0, outsider);
    body["accountId"] = json!(of_body);
    play.sent[0].json = body;
    play.call().account_id.map(|id| id.as_str().to_owned())
}

#[test]
fn without_a_path_the_account_is_the_owned_partys_then_the_bodys_then_any_partys() {
    assert_eq!(account_of_bare_body(Some("1"), Some("2"), Some("3")).as_deref(), Some("1"));
    assert_eq!(account_of_bare_body(None, Some("2"), Some("3")).as_deref(), Some("2"));
    assert_eq!(account_of_bare_body(None, None, Some("3")).as_deref(), Some("3"));
    assert_eq!(account_of_bare_body(None, None, None), None);
}

#[test]
fn notifications_without_an_account_join_the_account_that_has_their_session() {
    for bare in [&[0, 1][..], &[4, 5], &[0, 6]] {
        let mut play = answered();
        for &at in bare {
            let mut body = play.sent[at].json["body"].take();
            body["parties"][0]["accountId"].take();
            body["parties"][0]["extensionId"].take();
            play.sent[at].json = body;
        }
        let call = play.call();
        assert_eq!(call.account_id.as_deref(), Some("1"));
        assert_eq!(call.legs.len(), 2, "bare: {bare:?}");
    }
}

#[test]
fn a_party_of_another_account_is_external() {
    let call = call(
        "
        0 A/1 out 104 104>+1505=900 Setup
        1 A/2 in 900 104>+1505=900 account:2 Proceeding
        3 A/2,A/1 Answered
        9 A/1,A/2 Disconnected
    ",
    );
    assert_eq!(participants(&call), ["104 user", "+1505 external"]);
    assert_eq!(talks(&call), ["3–9: 104 +1505"]);
}

#[test]
fn an_unknown_code_changes_no_state_and_fails_nothing() {
    let mut play = play(&format!("{ANSWERED} 5 A/2 Tds/Strange; 6 A/1 Whatever; 30 A/1,A/2 Disconnected"));
    play.sent[3].json["body"]["parties"][0]["novelty"] = json!({"deep": [1, 2]});
    play.sent[0].json["body"]["origin"]["type"] = json!("Zoom");
    let call = play.call();
    assert_eq!(segments(leg(&call, "A/2")), "setup 0.1–0.3, ringing 0.3–3, connected 3–30");
    assert_eq!(talks(&call), ["3–30: 104 +1404"]);
    assert_eq!(call.sessions[0].origin.as_deref(), Some("Zoom"));
}

#[test]
fn an_unknown_reason_is_stored() {
    let call = call(&format!("{ANSWERED} 30 A/2 Disconnected/SomethingNew; 30 A/1 Disconnected"));
    assert_eq!(leg(&call, "A/2").end_reason.as_deref(), Some("SomethingNew"));
}

#[test]
fn words_are_compared_without_case_and_two_spellings_are_one() {
    for code in ["Voicemail", "VoiceMail", "voicemail", "VoiceMailScreening", "VMScreening", "VMSCREENING"] {
        let call = call(&format!(
            "0 A/1 out - +1404>+1650=104 Setup; 1 A/2 in 104 +1404>+1650=104 PROCEEDING
             5 A/2 {code}; 9 A/1,A/2 disconnected"
        ));
        assert_eq!(call.result, Outcome::Voicemail, "{code}");
        assert_eq!(segments(leg(&call, "A/2")), "ringing 1–5, voicemail 5–9", "{code}");
    }
    let call =
        call(&format!("{ANSWERED}{CONSULTING} 20 A/2 gone/attendedtransfer -> B/1; 30 A/1,B/2 Disconnected"));
    assert_eq!(moves(&call), ["AttendedTransfer 104→106"]);
}

#[test]
fn a_text_reply_never_starts_a_call_or_a_leg() {
    assert!(play("0 A/1 in 104 +1404>104 Setup/CallReplied").calls().is_empty());
    let call = call(&format!("{ANSWERED}{ENDED}; 40 A/3 in 104 +1404>104 Setup/CallReplied"));
    assert_eq!(call.legs.len(), 2);
    assert_eq!(at(call.end_time), Some(30.0));
    assert!(call.completeness.missing_sequences.is_empty(), "but it is stored");
}

#[test]
fn a_text_reply_never_reopens_or_keeps_alive_a_leg() {
    let call = call(&format!("{ANSWERED}{ENDED}; 40 A/2 Setup/CallReplied"));
    assert_eq!(at(leg(&call, "A/2").end_time), Some(30.0));
    assert_eq!(call.completeness.reason, None);
}

#[test]
fn a_later_notification_does_not_erase_what_it_lacks() {
    let call = call(
        "
        0 A/1 out - +1404>+1650=500 Setup; 0.1 A/2 in 500 +1404>+1650=500 Setup
        1 A/3 in 111 +1404>+1650=500 queue:Support rec:7 Proceeding
        3 A/3 bare Answered
        9 A/1,A/2,A/3 bare Disconnected
    ",
    );
    let agent = leg(&call, "A/3");
    assert_eq!(agent.participant.as_deref(), Some("ext:111"));
    assert_eq!(agent.queue.as_deref(), Some("ext:500"));
    assert_eq!(agent.to.phone_number.as_deref(), Some("+1650"));
    assert_eq!(agent.to.name.as_deref(), Some("User 500"));
    assert_eq!(call.recordings.len(), 1);
    assert_eq!(person(&call, "+1404").kind, Kind::External);
}

#[test]
fn names_that_come_later_are_taken() {
    let call = call(
        "
        0 A/1 out - +1404>+1650 Setup; 0.2 A/1 +1404>+1650=104 Answered
        1 A/2 in 104 ->- Proceeding; 3 A/2 +1404>+1650=104 Answered; 9 A/1,A/2 Disconnected
    ",
    );
    assert_eq!(leg(&call, "A/1").to.extension_id.as_deref(), Some("104"));
    assert_eq!(person(&call, "104").name.as_deref(), Some("User 104"));
}

#[test]
fn a_reason_belongs_to_its_own_notification_only() {
    let call = call(&format!("{ANSWERED} 5 A/2 Hold/BlindTransfer; 30 A/1,A/2 Disconnected"));
    assert_eq!(leg(&call, "A/2").end_reason, None);
    assert!(moves(&call).is_empty());
}

#[test]
fn a_peer_belongs_to_its_own_notification_only() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 30 A/2 Gone; 40 A/1,B/2,B/1 Disconnected"
    ));
    assert_eq!(links(&call), ["AttendedTransfer A/2–B/1 20–"]);
    assert_eq!(call.links[0].evidence.len(), 1);
}

#[test]
fn number_and_time_never_join() {
    let twin = ANSWERED.replace("A/", "B/");
    let both = play(&format!("{ANSWERED}{twin}{ENDED}; 30 B/1,B/2 Disconnected"));
    assert_eq!(both.calls().len(), 2);
}

#[test]
fn a_missing_event_time_is_the_sending_time() {
    let mut play = answered();
    play.sent[4].json["body"]["eventTime"].take();
    play.sent[4].json["timestamp"] = json!("2026-01-01T00:00:04.500Z");
    assert_eq!(at(leg(&play.call(), "A/2").answer_time), Some(4.5));
}

/// Why the first notification is refused after a field of it is changed.
fn refused(change: impl FnOnce(&mut serde_json::Value)) -> ParseError {
    let mut json = answered().sent[0].json.clone();
    change(&mut json);
    let json = json.to_string();
    Document::parse(&json).unwrap().message().expect_err("it should be refused")
}

#[test]
fn what_cannot_be_placed_is_refused() {
    let no_time = refused(|json| (json["timestamp"], json["body"]["eventTime"]) = (json!(null), json!(null)));
    assert!(matches!(no_time, ParseError::NoTime { sequence: 2 }));
    let no_party_id = refused(|json| json["body"]["parties"][0]["id"] = json!(""));
    assert!(matches!(no_party_id, ParseError::PartyWithoutId { sequence: 2 }));
    assert!(matches!(refused(|json| json["body"]["sequence"] = json!(null)), ParseError::NoSequence));
    assert!(matches!(refused(|json| json["body"]["sequence"] = json!(-3)), ParseError::NoSequence));
    assert!(matches!(refused(|json| json["body"]["parties"] = json!([])), ParseError::NoParty));
    assert!(matches!(refused(|json| json["body"]["telephonySessionId"] = json!("")), ParseError::NoSession));
}

#[test]
fn several_parties_in_one_notification_are_several_changes() {
    let mut play = answered();
    let other = play.sent.pop().unwrap().json["body"]["parties"][0].clone();
    play.sent.last_mut().unwrap().json["body"]["parties"].as_array_mut().unwrap().push(other);
    let call = play.call();
    assert_eq!(at(leg(&call, "A/1").end_time), Some(30.0));
    assert_eq!(at(leg(&call, "A/2").end_time), Some(30.0));
    assert_eq!(leg(&call, "A/2").outcome, Some(LegOutcome::Answered));
}

#[test]
fn a_name_of_a_megabyte_is_cut_at_two_thousand_bytes() {
    let mut play = answered();
    play.sent[0].json["body"]["parties"][0]["from"]["name"] = json!("é".repeat(1 << 19));
    let call = play.call();
    assert_eq!(call.from.name.map(|name| name.len()), Some(2_000));
}

#[test]
fn offline_records_are_version_1_as_of_the_latest_sending_time() {
    let call = answered().call();
    assert_eq!(call.version, 1);
    assert_eq!(when(call.updated_at), 30.05, "the latest `timestamp`, whatever order they came in");
}

#[test]
fn records_come_in_order_of_their_start_then_id() {
    let calls = play(
        "
        5 C/1 out - +1>104 Setup; 5 B/1 out - +1>104 Setup; 0 Z/1 out - +1>104 Setup
    ",
    )
    .calls();
    let ids: Vec<&str> = calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["s-Z", "s-B", "s-C"]);
}

#[test]
fn any_sequence_of_thirty_two_bits_is_read() {
    for sequence in [0, u64::from(u32::MAX)] {
        let mut play = play("0 A/1 out 104 104>106 Setup");
        play.sent[0].json["body"]["sequence"] = json!(sequence);
        assert_eq!(play.call().legs.len(), 1, "{sequence}");
    }
    let beyond = json!(u64::from(u32::MAX) + 1);
    assert!(matches!(refused(|json| json["body"]["sequence"] = beyond), ParseError::NoSequence));
}

#[test]
fn keys_are_matched_as_they_are_written() {
    let json = answered().sent[0].json.to_string();
    let escaped = json.replace(r#""sequence""#, r#""s\u0065quence""#);
    assert_ne!(json, escaped);
    let problem = Document::parse(&escaped).unwrap().message().expect_err("no `sequence` is written there");
    assert!(matches!(problem, ParseError::NoSequence));
}
