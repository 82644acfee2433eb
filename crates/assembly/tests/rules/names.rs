//! Which names of extensions are learned from notifications, and how other calls use them (docs/decisions.md).

use serde_json::{Value, json};
use wholecall_assembly::{Collection, Directory, DirectoryEntry, LearnedNames};
use wholecall_notification::{Document, Message, Notification};
use wholecall_record::{Call, Time};

const ACCOUNT: &str = "809";

/// A notification of a leg at a second.
fn notification(session: &str, second: u32, party: Value) -> String {
    let mut party = party;
    party["id"] = json!(format!("p-{session}-{}", party["leg"].as_u64().unwrap_or(1)));
    party["accountId"] = json!(ACCOUNT);
    let code = party["code"].as_str().unwrap_or("Proceeding").to_owned();
    party["status"] = json!({ "code": code });
    json!({
        "uuid": format!("{session}-{second}"),
        "event": format!("/restapi/v1.0/account/{ACCOUNT}/telephony/sessions"),
        "timestamp": format!("2026-11-16T09:00:{second:02}.010Z"),
        "body": {
            "telephonySessionId": format!("s-{session}"), "sequence": second + 2,
            "eventTime": format!("2026-11-16T09:00:{second:02}.000Z"),
            "origin": { "type": "Call" }, "parties": [party],
        },
    })
    .to_string()
}

/// An inbound leg of an extension that `to` gives a name.
fn named(session: &str, second: u32, extension: &str, name: Option<&str>) -> String {
    notification(
        session,
        second,
        json!({
            "direction": "Inbound", "extensionId": extension,
            "from": { "phoneNumber": "+14045550123" },
            "to": { "phoneNumber": "+16505550104", "extensionId": extension, "name": name },
        }),
    )
}

fn each(texts: &[String], mut take: impl FnMut(&Notification<'_, '_>)) {
    for text in texts {
        let document = Document::parse(text).unwrap();
        let Ok(Message::Session(notification)) = document.message() else { panic!("{text}") };
        take(&notification);
    }
}

fn learned(texts: &[String]) -> LearnedNames {
    let mut names = LearnedNames::default();
    each(texts, |notification| names.learn(notification));
    names
}

fn name_of(names: &LearnedNames, extension: &str) -> Option<String> {
    names.of(ACCOUNT).get(extension).map(|learned| learned.name.to_string())
}

fn call(texts: &[String], directory: Directory, id: &str) -> Call {
    let mut collection = Collection::default();
    each(texts, |notification| collection.add(notification));
    collection.set_directory(Some(ACCOUNT), directory);
    collection.finish().get(id).unwrap()
}

fn name_in(call: &Call, extension: &str) -> Option<String> {
    let is_meant = |id: &Option<wholecall_record::ShortText>| id.as_deref() == Some(extension);
    let person = call.participants.iter().find(|person| is_meant(&person.extension_id)).unwrap();
    person.name.as_ref().map(ToString::to_string)
}

#[test]
fn a_name_of_one_call_serves_another() {
    let texts = [named("aa", 1, "104", Some("Ada")), named("bb", 5, "104", None)];
    let mut directory = Directory::default();
    assert_eq!(name_in(&call(&texts, directory.clone(), "s-bb"), "104"), None, "nothing learned");
    learned(&texts).add_to(&mut directory, ACCOUNT);
    assert_eq!(name_in(&call(&texts, directory.clone(), "s-bb"), "104").as_deref(), Some("Ada"));
    directory.insert("104", DirectoryEntry::listed(Some("User"), Some("Ada Moreno"), None));
    assert_eq!(
        name_in(&call(&texts, directory, "s-bb"), "104").as_deref(),
        Some("Ada Moreno"),
        "its own wins"
    );
}

#[test]
fn the_latest_name_counts_in_any_order() {
    let texts = [
        named("aa", 1, "104", Some("Ada")),
        named("bb", 9, "104", Some("Ada Moreno")),
        named("cc", 9, "104", Some("Ada Zimmer")),
        named("dd", 5, "104", Some("Adele")),
        named("aa", 10, "104", None),
    ];
    for turn in 0..texts.len() {
        let mut turned = texts.clone();
        turned.rotate_left(turn);
        assert_eq!(
            name_of(&learned(&turned), "104").as_deref(),
            Some("Ada Moreno"),
            "the smaller of one time"
        );
    }
}

#[test]
fn a_name_confirmed_later_is_later() {
    let texts = [
        named("aa", 9, "104", Some("Ada")),
        named("bb", 1, "104", Some("Ada")),
        named("cc", 5, "104", Some("Old")),
    ];
    assert_eq!(name_of(&learned(&texts), "104").as_deref(), Some("Ada"));
}

#[test]
fn a_queue_call_names_only_the_queue() {
    let offer = |to_extension: &str, to_name: &str| {
        notification(
            "aa",
            1,
            json!({
                "direction": "Inbound", "extensionId": "104", "queueCall": true,
                "uiCallInfo": { "primary": { "type": "QueueName", "value": "Sales" } },
                "from": { "phoneNumber": "107", "extensionId": "107", "name": "Sales - Cleo" },
                "to": { "phoneNumber": "+16505550200", "extensionId": to_extension, "name": to_name },
            }),
        )
    };
    let names = learned(&[offer("201", "Sales")]);
    assert_eq!(name_of(&names, "201").as_deref(), Some("Sales"));
    assert_eq!(name_of(&names, "104"), None, "the agent is not called as the queue is");
    assert_eq!(name_of(&names, "107"), None, "the caller's name has the queue's before it");
    assert_eq!(name_of(&learned(&[offer("104", "Sales")]), "104"), None, "the queue's name beside the agent");
    assert_eq!(name_of(&learned(&[offer("104", "Ada")]), "104").as_deref(), Some("Ada"));
}

#[test]
fn what_is_no_name_is_not_learned() {
    let side = |side: Value| {
        notification("aa", 1, json!({ "direction": "Outbound", "extensionId": "104", "from": side }))
    };
    for other in [
        json!({ "extensionId": "104", "name": "" }),
        json!({ "extensionId": "104", "name": " " }),
        json!({ "extensionId": "104", "name": "104", "phoneNumber": "104" }),
        json!({ "extensionId": "104", "name": "Voicemail", "phoneNumber": "*86" }),
        json!({ "extensionId": "104", "name": "x".repeat(257) }),
        json!({ "name": "Ada", "phoneNumber": "+16505550104" }),
    ] {
        assert!(learned(&[side(other.clone())]).of(ACCOUNT).is_empty(), "{other}");
    }
}

#[test]
fn the_names_of_an_account_take_limited_memory() {
    let mut names = LearnedNames::limited_to(1_000);
    let texts: Vec<String> =
        (0..50).map(|nth| named("aa", nth % 60, &format!("{}", 100 + nth), Some("Ada"))).collect();
    each(&texts, |notification| names.learn(notification));
    let known = names.of(ACCOUNT).len();
    assert!((1..8).contains(&known), "{known}");
    each(&[named("bb", 59, "100", Some("Ada Moreno"))], |notification| names.learn(notification));
    assert_eq!(name_of(&names, "100").as_deref(), Some("Ada Moreno"), "who is known may change the name");
}

#[test]
fn changes_are_taken_at_growing_intervals_while_they_continue() {
    let mut names = LearnedNames::default();
    let (mut taken, mut flips) = (Vec::new(), 0);
    for second in 0_i64..3_600 {
        let now = Time::from_millis(second * 1_000);
        // An extension with two names in turn.
        let name = if second % 2 == 0 { "Ada" } else { "Adele" };
        let text = named("aa", 1, "104", Some(name)).replace("09:00:01.000", &{
            format!("{:02}:{:02}:{:02}.000", 9 + second / 3_600, second / 60 % 60, second % 60)
        });
        each(&[text], |notification| names.learn_at(now, notification));
        flips += 1;
        taken.extend(names.take_due(now).iter().map(|_| second));
    }
    assert_eq!(
        taken[..5],
        [1, 3, 5, 9, 17],
        "a second after the first change, then further and further apart"
    );
    assert!(taken.len() < 20, "{} of {flips}", taken.len());
    let quiet = Time::from_millis(9_000_000);
    assert_eq!(names.take_due(quiet), [ACCOUNT], "the last change is taken up too");
    assert_eq!((names.take_due(quiet), names.next_due()), (vec![], None));
}
