//! What a directory contributes to records, and which version a call uses (docs/decisions.md).

use wholecall_assembly::{Directory, DirectoryEntry, ExtensionKind};
use wholecall_record::{Call, call::Kind};

use crate::play::{ANSWERED, Live, call, participants, person, play};

/// A directory that has a name for 104.
fn naming(version: u64, name: &str) -> Directory {
    let mut directory = Directory::of_version(version);
    directory.insert("104", DirectoryEntry::listed(Some("User"), Some(name), Some("104")));
    directory
}

/// The name of 104 in a record, and the version of the directory it comes from.
fn named(call: &Call) -> (Option<&str>, Option<u64>) {
    (person(call, "104").name.as_deref(), call.directory_version)
}

#[test]
fn a_record_says_which_version_it_was_made_with() {
    let ended = format!("{ANSWERED} 9 A/1,A/2 Disconnected");
    let record = play(&ended).with_directory(naming(3, "Ada")).call();
    assert_eq!(named(&record), (Some("Ada"), Some(3)));
    assert_eq!(
        named(&call(&ended)),
        (Some("User 104"), None),
        "no directory, and what the notifications say"
    );
    let mut without_version = Directory::default();
    without_version.insert("104", DirectoryEntry::listed(None, Some("Ada"), None));
    let record = play(&ended).with_directory(without_version).call();
    assert_eq!(named(&record), (Some("Ada"), None));
    let json = serde_json::to_value(&record).unwrap();
    assert!(json.get("directoryVersion").is_none(), "absent without a version");
}

#[test]
fn what_the_directory_knows_is_no_router() {
    let handed_on = "
        0 A/1 out - +1404>+1800 Setup; 0.1 A/2 in 700 +1404>+1800 Setup; 5 A/2 Disconnected
        5 A/3 in 104 +1404>+1800 Proceeding; 9 A/1,A/3 Disconnected
    ";
    let with = |extension_type: &str| {
        let mut directory = Directory::default();
        directory.insert("700", DirectoryEntry::listed(Some(extension_type), Some("700"), Some("700")));
        play(handed_on).with_directory(directory).call()
    };
    assert_eq!(person(&call(handed_on), "700").kind, Kind::Router);
    assert_eq!(person(&with("IvrMenu"), "700").kind, Kind::Menu);
    assert_eq!(person(&with("Department"), "700").kind, Kind::Queue);
    assert_eq!(person(&with("User"), "700").kind, Kind::User, "a user's rule handed it on");
    assert_eq!(person(&with("Announcement"), "700").kind, Kind::Machine);
    assert_eq!(person(&with("Bot"), "700").kind, Kind::Menu, "not a person, and it handed the call on");
}

#[test]
fn a_group_that_is_answered_is_a_user() {
    let mut directory = Directory::default();
    directory.insert("104", DirectoryEntry::listed(Some("SharedLinesGroup"), Some("Shared"), Some("104")));
    let call = play(&format!("{ANSWERED} 9 A/1,A/2 Disconnected")).with_directory(directory).call();
    assert_eq!(participants(&call), ["104 user", "+1404 external"]);
}

#[test]
fn a_change_of_the_directory_publishes_nothing_by_itself() {
    let mut live = Live::new();
    live.set_directory(naming(1, "Ada"));
    live.receive(ANSWERED);
    live.wait_until("5");
    assert_eq!(named(live.last("A")), (Some("Ada"), Some(1)));
    live.set_directory(naming(2, "Ada Moreno"));
    assert_eq!(live.wait_until("8"), [""; 0]);
    assert_eq!(live.receive("9 A/1,A/2 Disconnected"), ["9 updated A 4"]);
    assert_eq!(named(live.last("A")), (Some("Ada Moreno"), Some(2)), "a live call's next version says it");
    assert_eq!(live.wait_until("20"), ["10 complete A 5"]);
    live.set_directory(naming(3, "Ada Moreno-Diaz"));
    assert_eq!(live.wait_until("600"), [""; 0]);
}

#[test]
fn a_closed_call_keeps_the_directory_of_its_closing() {
    let mut live = Live::new();
    live.set_directory(naming(1, "Ada"));
    live.receive(&format!("{ANSWERED} 9 A/1,A/2 Disconnected"));
    live.wait_until("20");
    live.set_directory(naming(2, "Ada Moreno"));
    assert_eq!(live.receive("0.2 A/1#4 Answered @21"), [""; 0]);
    assert_eq!(live.wait_until("30"), [""; 0], "what changes nothing revises nothing");
    live.receive("8 A/2#9 Disconnected rec:7 @40");
    assert_eq!(live.wait_until("60"), ["41 revised A 6 from 5 complete"]);
    assert_eq!(live.last("A").recordings.len(), 1);
    assert_eq!(named(live.last("A")), (Some("Ada"), Some(1)));
}

#[test]
fn a_restored_closed_call_has_its_directory_too() {
    let mut live = Live::new();
    live.set_directory(naming(1, "Ada"));
    live.receive(&format!("{ANSWERED} 9 A/1,A/2 Disconnected"));
    live.wait_until("20");
    live.restart("A", naming(1, "Ada"));
    live.set_directory(naming(2, "Ada Moreno"));
    assert_eq!(live.wait_until("30"), [""; 0], "nothing is published twice");
    live.receive("8 A/2#9 Disconnected rec:7 @40");
    live.wait_until("60");
    assert_eq!((named(live.last("A")), live.last("A").recordings.len()), ((Some("Ada"), Some(1)), 1));
}

#[test]
fn a_closed_call_that_is_live_again_uses_the_directory_of_now() {
    let mut live = Live::new();
    live.set_directory(naming(1, "Ada"));
    live.receive(&format!("{ANSWERED} 9 A/1,A/2 Disconnected"));
    live.wait_until("20");
    live.set_directory(naming(2, "Ada Moreno"));
    live.receive("21 A/3 in 106 +1404>+1650=106 Proceeding; 25 A/3 Answered; 30 A/3 Disconnected");
    live.wait_until("60");
    assert_eq!(named(live.last("A")), (Some("Ada Moreno"), Some(2)));
}

#[test]
fn every_type_of_extension_is_of_a_kind() {
    for (extension_type, kind) in [
        ("User", ExtensionKind::User),
        ("DigitalUser", ExtensionKind::User),
        ("Limited", ExtensionKind::User),
        ("Room", ExtensionKind::User),
        ("Department", ExtensionKind::Queue),
        ("SharedLinesGroup", ExtensionKind::Group),
        ("DelegatedLinesGroup", ExtensionKind::Group),
        ("GroupCallPickup", ExtensionKind::Group),
        ("IvrMenu", ExtensionKind::Menu),
        ("Announcement", ExtensionKind::Announcement),
        ("Voicemail", ExtensionKind::MessageOnly),
        ("ParkLocation", ExtensionKind::ParkLocation),
        ("PagingOnly", ExtensionKind::PagingGroup),
        ("Site", ExtensionKind::Site),
        ("Bot", ExtensionKind::Other),
        ("ApplicationExtension", ExtensionKind::Other),
        ("SomethingNew", ExtensionKind::Other),
    ] {
        let entry = DirectoryEntry::listed(Some(extension_type), None, None);
        assert_eq!(entry.kind, Some(kind), "{extension_type}");
        let is_person = matches!(kind, ExtensionKind::User | ExtensionKind::Other);
        assert_eq!(kind.is_person(), is_person, "{extension_type}");
    }
    assert_eq!(DirectoryEntry::listed(None, None, None).kind, None);
    assert_eq!(
        DirectoryEntry::listed(Some(""), Some(""), Some("")),
        DirectoryEntry::default(),
        "empty texts say nothing"
    );
}

#[test]
fn numbers_lead_to_extensions_whatever_their_spelling() {
    let mut directory = naming(1, "Ada");
    directory.add_phone_number("+1 (650) 555-0104", Some("104"));
    directory.add_phone_number("16505550109", Some("104"));
    directory.add_phone_number("+16505550100", None);
    directory.add_phone_number("104", None);
    assert_eq!(directory.by_phone_number("16505550104"), Some("104"));
    assert_eq!(directory.extension_by_number("+16505550109"), Some("104"));
    assert_eq!(directory.get("104").and_then(|entry| entry.number.as_deref()), Some("+16505550104"));
    assert_eq!(directory.extension_by_number("104"), Some("104"), "its extension number");
    assert_eq!(directory.by_phone_number("104"), None, "a short number is no public one");
    assert!(directory.is_account_number("+16505550100"));
    assert_eq!(directory.by_phone_number("+16505550100"), None, "the company's own");
    assert!(!directory.is_account_number("+16505550199"));
    assert!(!directory.is_account_number("104"));
}

#[test]
fn one_extension_number_leads_to_the_smaller_id_in_any_order() {
    for ids in [["104", "99"], ["99", "104"]] {
        let mut directory = Directory::default();
        for id in ids {
            directory.insert(id, DirectoryEntry::listed(Some("User"), None, Some("7")));
        }
        assert_eq!(directory.by_extension_number("7"), Some("99"));
    }
}

#[test]
fn forwarding_numbers_are_those_of_one_extension() {
    let mut directory = naming(1, "Ada");
    directory.add_forwarding("104", "+1 (415) 555-0177");
    assert!(directory.forwards_to("104", "+14155550177"));
    assert!(!directory.forwards_to("105", "+14155550177"), "another extension");
    assert!(!directory.forwards_to("104", "+14155550178"), "another number");
    assert!(!directory.is_account_number("+14155550177"), "a mobile is not the company's");
}

#[test]
fn a_learned_name_serves_where_the_directory_has_none() {
    let mut directory = Directory::default();
    directory.insert("104", DirectoryEntry::listed(Some("User"), None, None));
    directory.insert("105", DirectoryEntry::listed(Some("User"), Some("Ben"), None));
    for (id, name) in [("104", "Ada"), ("105", "Benjamin"), ("106", "Cleo")] {
        directory.add_learned_name(id, name);
    }
    let name_of = |id| directory.name_of(id).map(|name| name.as_str());
    assert_eq!([name_of("104"), name_of("105"), name_of("106")], [Some("Ada"), Some("Ben"), Some("Cleo")]);
    assert!(directory.get("106").is_none(), "a name alone lists no extension");
}

#[test]
fn a_number_of_the_account_is_no_customer_and_its_answer_is_not_shown() {
    let mut directory = Directory::default();
    directory.insert("104", DirectoryEntry::listed(Some("User"), Some("Ada"), Some("104")));
    directory.insert("106", DirectoryEntry::listed(Some("User"), Some("Bob"), Some("106")));
    directory.add_phone_number("+16505550106", Some("106"));
    let own_view = "0 A/1 out 104 104>+16505550106 Setup; 0.1 A/1 Answered; 20 A/1 Disconnected";
    let call = play(own_view).with_directory(directory).call();
    assert_eq!(call.customer, None);
    assert!(call.conversations.is_empty(), "the platform answered: {:?}", call.conversations);
}
