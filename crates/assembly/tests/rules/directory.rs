//! What a directory tells of extensions, and how its versions go along with the calls (docs/decisions.md).

use wholecall_assembly::{Directory, Entry};
use wholecall_record::{Call, call::Kind};

use crate::play::{ANSWERED, Live, call, participants, person, play};

/// A directory in which 104 goes by a name.
fn naming(version: u64, name: &str) -> Directory {
    let mut directory = Directory::of_version(version);
    directory.insert("104", Entry::listed(Some("User"), Some(name), Some("104")));
    directory
}

/// What a record calls 104, and by which version of the directory.
fn named(call: &Call) -> (Option<&str>, Option<u64>) {
    (person(call, "104").name.as_deref(), call.directory_version)
}

#[test]
fn a_record_says_which_version_it_was_made_with() {
    let ended = format!("{ANSWERED} 9 A/1,A/2 Disconnected");
    let told = play(&ended).with_directory(naming(3, "Ada")).call();
    assert_eq!(named(&told), (Some("Ada"), Some(3)));
    assert_eq!(
        named(&call(&ended)),
        (Some("User 104"), None),
        "no directory, and what the notifications say"
    );
    let mut without_version = Directory::default();
    without_version.insert("104", Entry::listed(None, Some("Ada"), None));
    let told = play(&ended).with_directory(without_version).call();
    assert_eq!(named(&told), (Some("Ada"), None));
    let json = serde_json::to_value(&told).unwrap();
    assert!(json.get("directoryVersion").is_none(), "nothing is said where there is nothing to say");
}

#[test]
fn what_the_directory_knows_is_no_router() {
    let handed_on = "
        0 A/1 out - +1404>+1800 Setup; 0.1 A/2 in 700 +1404>+1800 Setup; 5 A/2 Disconnected
        5 A/3 in 104 +1404>+1800 Proceeding; 9 A/1,A/3 Disconnected
    ";
    let with = |extension_type: &str| {
        let mut directory = Directory::default();
        directory.insert("700", Entry::listed(Some(extension_type), Some("700"), Some("700")));
        play(handed_on).with_directory(directory).call()
    };
    assert_eq!(person(&call(handed_on), "700").kind, Kind::Router);
    assert_eq!(person(&with("IvrMenu"), "700").kind, Kind::Menu);
    assert_eq!(person(&with("Department"), "700").kind, Kind::Queue);
    assert_eq!(person(&with("User"), "700").kind, Kind::User, "a user's rule handed it on");
    assert_eq!(person(&with("Announcement"), "700").kind, Kind::Menu, "nobody's, and it handed the call on");
}

#[test]
fn a_group_that_is_answered_is_somebody() {
    let mut directory = Directory::default();
    directory.insert("104", Entry::listed(Some("SharedLinesGroup"), Some("Shared"), Some("104")));
    let call = play(&format!("{ANSWERED} 9 A/1,A/2 Disconnected")).with_directory(directory).call();
    assert_eq!(participants(&call), ["104 user", "+1404 external"]);
}

#[test]
fn a_change_of_the_directory_tells_nothing_by_itself() {
    let mut live = Live::new();
    live.set_directory(naming(1, "Ada"));
    live.hear(ANSWERED);
    live.wait_until("5");
    assert_eq!(named(live.last("A")), (Some("Ada"), Some(1)));
    live.set_directory(naming(2, "Ada Moreno"));
    assert_eq!(live.wait_until("8"), [""; 0]);
    assert_eq!(live.hear("9 A/1,A/2 Disconnected"), ["9 updated A 4"]);
    assert_eq!(named(live.last("A")), (Some("Ada Moreno"), Some(2)), "a live call's next version says it");
    assert_eq!(live.wait_until("20"), ["10 complete A 5"]);
    live.set_directory(naming(3, "Ada Moreno-Diaz"));
    assert_eq!(live.wait_until("600"), [""; 0]);
}

#[test]
fn a_closed_call_keeps_the_directory_of_its_closing() {
    let mut live = Live::new();
    live.set_directory(naming(1, "Ada"));
    live.hear(&format!("{ANSWERED} 9 A/1,A/2 Disconnected"));
    live.wait_until("20");
    live.set_directory(naming(2, "Ada Moreno"));
    assert_eq!(live.hear("0.2 A/1#4 Answered @21"), [""; 0]);
    assert_eq!(live.wait_until("30"), [""; 0], "what changes nothing revises nothing");
    live.hear("8 A/2#9 Disconnected rec:7 @40");
    assert_eq!(live.wait_until("60"), ["41 revised A 6 from 5 complete"]);
    assert_eq!(live.last("A").recordings.len(), 1);
    assert_eq!(named(live.last("A")), (Some("Ada"), Some(1)));
}

#[test]
fn whoever_goes_on_with_a_closed_call_has_its_directory_too() {
    let mut live = Live::new();
    live.set_directory(naming(1, "Ada"));
    live.hear(&format!("{ANSWERED} 9 A/1,A/2 Disconnected"));
    live.wait_until("20");
    live.restart("A", naming(1, "Ada"));
    live.set_directory(naming(2, "Ada Moreno"));
    assert_eq!(live.wait_until("30"), [""; 0], "nothing is told twice");
    live.hear("8 A/2#9 Disconnected rec:7 @40");
    live.wait_until("60");
    assert_eq!((named(live.last("A")), live.last("A").recordings.len()), ((Some("Ada"), Some(1)), 1));
}

#[test]
fn a_closed_call_that_is_live_again_uses_the_directory_of_now() {
    let mut live = Live::new();
    live.set_directory(naming(1, "Ada"));
    live.hear(&format!("{ANSWERED} 9 A/1,A/2 Disconnected"));
    live.wait_until("20");
    live.set_directory(naming(2, "Ada Moreno"));
    live.hear("21 A/3 in 106 +1404>+1650=106 Proceeding; 25 A/3 Answered; 30 A/3 Disconnected");
    live.wait_until("60");
    assert_eq!(named(live.last("A")), (Some("Ada Moreno"), Some(2)));
}
