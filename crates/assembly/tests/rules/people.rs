//! Who takes part, and as what (`docs/contract.md` §3).

use wholecall_assembly::{Directory, DirectoryEntry, ExtensionKind};
use wholecall_record::call::{Kind, Role};

use crate::play::{ANSWERED, BRIDGED, CONSULTING, call, leg, participants, person, play, talks};

#[test]
fn a_leg_with_an_extension_of_ours_is_a_users_and_one_without_an_outsiders() {
    let call = call(ANSWERED);
    assert_eq!(participants(&call), ["104 user", "+1404 external"]);
}

#[test]
fn a_queue_is_named_by_an_agents_leg() {
    let call = call(
        "
        0 A/1 out - +1404>+1650=500 Setup; 0.1 A/2 in 500 +1404>+1650=500 Setup
        1 A/3 in 111 +1404>+1650=500 queue Proceeding; 9 A/1,A/2,A/3 Disconnected
    ",
    );
    assert_eq!(participants(&call), ["111 user", "500 queue", "+1404 external"]);
    assert_eq!(
        leg(&call, "A/3").participant.as_deref(),
        Some("ext:111"),
        "the agent owns the leg, not the queue"
    );
}

#[test]
fn a_queue_call_to_the_owner_itself_names_no_queue() {
    let call = call("
        0 A/1 out - +1404>+1650=104 Setup; 1 A/2 in 104 +1404>+1650=104 queue Proceeding; 9 A/1,A/2 Disconnected
    ");
    assert_eq!(person(&call, "104").kind, Kind::User);
}

#[test]
fn an_inbound_leg_that_only_passed_on_is_a_routers() {
    let call = call(
        "
        0 A/1 out - +1404>+1800=700 Setup; 0.1 A/2 in 700 +1404>+1800=700 Setup; 5 A/2 Disconnected
        5 A/3 in 104 +1404>+1800=104 Proceeding; 9 A/1,A/3 Disconnected
    ",
    );
    assert_eq!(person(&call, "700").kind, Kind::Router);
    assert_eq!(person(&call, "104").kind, Kind::User, "a rung extension is a user");
}

#[test]
fn the_directory_says_which_is_a_menu_or_a_queue() {
    let mut directory = Directory::default();
    let entry = |kind, name: &str| DirectoryEntry {
        kind: Some(kind),
        name: Some(name.into()),
        ..DirectoryEntry::default()
    };
    directory.insert("700", entry(ExtensionKind::Menu, "Main menu"));
    directory.insert("500", entry(ExtensionKind::Queue, "Support"));
    let call = play(
        "
        0 A/1 out - +1404>+1800 Setup; 0.1 A/2 in 700 +1404>+1800 Setup; 5 A/2 Disconnected
        5 A/3 in 500 +1404>+1800 Setup; 9 A/1,A/3 Disconnected
    ",
    )
    .with_directory(directory)
    .call();
    assert_eq!(participants(&call), ["500 queue", "700 menu", "+1404 external"]);
    assert_eq!(person(&call, "500").name.as_deref(), Some("Support"));
}

#[test]
fn any_leg_with_reason_supervising_is_a_supervisors() {
    let call = call(&format!(
        "{ANSWERED} 4 A/3 out 109 109>104 Setup; 5 A/3 Answered/Supervising; 6 A/3 Disconnected"
    ));
    assert_eq!(leg(&call, "A/3").kind, Kind::Supervisor);
    assert_eq!(talks(&call), ["3–6: 104 +1404"], "the first notification of it did not say so yet");
}

#[test]
fn in_a_bridge_a_leg_without_extension_is_a_proxy_and_one_with_it_its_users() {
    let call = call(
        "K is Conference
        0 K/1 out 104 104>conference Answered; 1 K/2 in - 104>conference Setup
        2 K/3 in 106 104>conference Answered; 9 K/1,K/3 Disconnected
    ",
    );
    assert_eq!(leg(&call, "K/2").kind, Kind::Proxy);
    assert_eq!(leg(&call, "K/2").participant, None);
    assert_eq!(participants(&call), ["104 user", "106 user"]);
    assert_eq!(talks(&call), ["2–9: 104 106"]);
}

#[test]
fn a_participant_with_legs_of_several_kinds_is_a_user_if_any_says_so() {
    let call = call(
        "
        0 A/1 out - +1404>+1650=104 Setup; 0.1 A/2 in 104 +1404>+1650=104 Setup; 5 A/2 Disconnected
        5 A/3 in 104 +1404>+1650=104 Proceeding; 9 A/1,A/3 Disconnected
    ",
    );
    assert_eq!(leg(&call, "A/2").kind, Kind::Router);
    assert_eq!(person(&call, "104").kind, Kind::User);
    assert_eq!(person(&call, "104").legs.len(), 2);
}

#[test]
fn only_people_take_part_in_conversations() {
    let call = call(
        "
        0 A/1 out - +1404>+1650=500 Setup; 0.1 A/2 in 500 +1404>+1650=500 Answered
        1 A/3 in 111 +1404>+1650=500 queue Proceeding; 5 A/3 Answered; 9 A/1,A/2,A/3 Disconnected
    ",
    );
    assert_eq!(talks(&call), ["5–9: 111 +1404"]);
}

#[test]
fn outsiders_are_known_by_their_number() {
    let call = call(
        "
        0 A/1 out - +1404>+1650 Setup; 1 A/2 in - +1404>+1777 Proceeding; 9 A/1,A/2 Disconnected
    ",
    );
    assert_eq!(leg(&call, "A/1").participant.as_deref(), Some("tel:+1404"), "`from` of an Outbound leg");
    assert_eq!(leg(&call, "A/2").participant.as_deref(), Some("tel:+1777"), "`to` of an Inbound leg");
}

#[test]
fn who_withholds_the_number_is_known_by_the_leg() {
    for from in ["-", "anonymous", "Restricted", "UNKNOWN"] {
        let call = call(&format!(
            "0 A/1 out - {from}>+1650=104 Setup; 1 A/2 in 104 {from}>+1650=104 Answered; 9 A/1,A/2 Disconnected"
        ));
        assert_eq!(leg(&call, "A/1").participant.as_deref(), Some("anon:s-A/p-1"), "{from}");
        assert_eq!(talks(&call), ["1–9: anon:s-A/p-1 104"], "{from}");
    }
}

#[test]
fn an_empty_number_counts_as_missing() {
    let mut play = play("0 A/1 out - +1404>+1650=104 Setup; 9 A/1 Disconnected");
    for sent in &mut play.sent {
        sent.json["body"]["parties"][0]["from"]["phoneNumber"] = "".into();
    }
    assert_eq!(leg(&play.call(), "A/1").participant.as_deref(), Some("anon:s-A/p-1"));
}

#[test]
fn one_person_has_several_legs() {
    let call = call(&format!("{ANSWERED}{CONSULTING}{BRIDGED}"));
    let legs: Vec<String> = person(&call, "104").legs.iter().map(ToString::to_string).collect();
    assert_eq!(legs, ["s-A/p-2", "s-B/p-1", "s-K/p-1"]);
}

#[test]
fn the_older_owner_object_serves_as_well() {
    let mut play = play("0 A/1 out 104 104>106 Setup; 9 A/1 Disconnected");
    for sent in &mut play.sent {
        let party = &mut sent.json["body"]["parties"][0];
        party["owner"] = serde_json::json!({"accountId": 1, "extensionId": 104});
        party["extensionId"].take();
        party["accountId"].take();
    }
    assert_eq!(leg(&play.call(), "A/1").participant.as_deref(), Some("ext:104"), "numbers there, too");
}

#[test]
fn a_leg_without_a_direction_is_outbound_if_from_names_its_owner() {
    let mut play = play("0 A/1 out 104 104>106 Setup; 1 A/2 in 106 104>106 Answered; 9 A/1,A/2 Disconnected");
    for sent in &mut play.sent {
        sent.json["body"]["parties"][0]["direction"].take();
    }
    let call = play.call();
    assert_eq!(call.from.participant.as_deref(), Some("ext:104"));
    assert_eq!(talks(&call), ["1–9: 104 106"]);
}

#[test]
fn every_participant_has_the_roles_of_the_story() {
    let call = call(&format!(
        "{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 25 B/2 Disconnected/BlindTransfer
         25 B/3 in 107 104>107 Answered; 30 A/1,B/3 Disconnected"
    ));
    assert_eq!(person(&call, "+1404").roles, [Role::Caller]);
    assert_eq!(person(&call, "104").roles, [Role::Callee, Role::Transferor]);
    assert_eq!(person(&call, "106").roles, [Role::Transferor, Role::TransferTarget]);
    assert_eq!(person(&call, "107").roles, [Role::TransferTarget]);
}

#[test]
fn a_full_number_takes_precedence_over_a_short_one() {
    let call = call("
        0 A/1 out 104 104>106 Setup; 1 A/1 +1650=104>106 Answered; 2 A/2 in 106 104>106 Answered; 9 A/1,A/2 Disconnected
    ");
    assert_eq!(person(&call, "104").phone_number.as_deref(), Some("+1650"));
}
