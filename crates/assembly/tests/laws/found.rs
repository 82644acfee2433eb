//! Streams that once broke a law, each as small as possible.

use serde_json::{Value, json};
use wholecall_assembly::Settings;
use wholecall_record::Time;

use crate::{
    play::{Live, collect, same, violations},
    stream::{BEGIN, Note},
};

/// A notification of account 801.
fn note(session: &str, sequence: u32, time: i64, uuid: &str, parties: &[Value]) -> Note {
    Note {
        account: Some("801"),
        uuid: Some(uuid.to_owned()),
        session: session.to_owned(),
        sequence,
        time,
        origin: Some("Call"),
        legacy_id: "7000".to_owned(),
        parties: parties.to_vec(),
        turn: [0, 0],
    }
}

fn party(id: &str, extension: &str, status: Value) -> Value {
    json!({"id": id, "extensionId": extension, "direction": "Inbound", "status": status})
}

fn gone(session: &str, reason: &str) -> Value {
    json!({"code": "Gone", "reason": reason, "peerId": {"telephonySessionId": session, "partyId": "p-1"}})
}

/// Both orders of two notifications after others make the same records.
fn assert_order_is_no_matter(before: &[Note], a: &Note, b: &Note) {
    let one = collect(before.iter().chain([a, b]));
    let other = collect(before.iter().chain([b, a]));
    same(&one, &other).unwrap();
}

#[test]
fn a_text_reply_alone_is_not_a_call_and_is_evicted() {
    let mut live = Live::new(Settings::default());
    live.receive(&note(
        "s-1",
        2,
        0,
        "1",
        &[party("p-1", "62001", json!({"code": "Setup", "reason": "CallReplied"}))],
    ));
    live.run_out();
    assert_eq!((live.in_memory(), live.listener.last_records().len()), (0, 0));
}

#[test]
fn parties_of_one_notification_may_each_regroup_its_sessions() {
    let setup = party("p-3", "62001", json!({"code": "Setup"}));
    let first = note("s-1", 2, 0, "1", &[setup, party("p-4", "62001", json!({"code": "Answered"}))]);
    let listens = party("p-4", "62001", gone("s-2", "Supervising"));
    let second = note("s-1", 5, 0, "2", &[listens, party("p-3", "62001", json!({"code": "Proceeding"}))]);
    assert_order_is_no_matter(&[], &first, &second);
}

#[test]
fn a_link_may_open_before_its_far_leg_begins_by_another_clock() {
    let gone = note("s-1", 2, 0, "1", &[party("p-1", "62001", gone("s-2", "BlindTransfer"))]);
    let begun = note("s-2", 2, 20, "2", &[party("p-1", "62002", json!({"code": "Setup"}))]);
    assert_eq!(violations(&collect(&[gone, begun])), Vec::<String>::new());
}

#[test]
fn deliveries_of_one_id_that_differ_merge_the_same_in_any_order() {
    let delivery = |extension| note("s-1", 2, 0, "1", &[party("p-1", extension, json!({"code": "Setup"}))]);
    assert_order_is_no_matter(&[], &delivery("62001"), &delivery("62005"));
}

#[test]
fn a_delivery_without_precedence_links_nothing() {
    let begun = note("s-2", 2, 0, "5", &[party("p-1", "62002", json!({"code": "Setup"}))]);
    let answered = note("s-1", 2, 0, "1", &[party("p-1", "62001", json!({"code": "Answered"}))]);
    let gone = note("s-1", 2, 0, "2", &[party("p-1", "62001", gone("s-2", "TakeOver"))]);
    assert_order_is_no_matter(std::slice::from_ref(&begun), &answered, &gone);
    assert_eq!(collect(&[begun, gone, answered]).len(), 2);
}

#[test]
fn deliveries_may_make_a_link_only_together() {
    let begun = note("s-2", 2, 0, "5", &[party("p-1", "62002", json!({"code": "Setup"}))]);
    let code = note("s-1", 2, 0, "1", &[party("p-1", "62001", json!({"code": "Gone"}))]);
    let peer = json!({"peerId": {"telephonySessionId": "s-2", "partyId": "p-1"}});
    let peer = note("s-1", 2, 0, "2", &[party("p-1", "62001", peer)]);
    assert_order_is_no_matter(std::slice::from_ref(&begun), &code, &peer);
    assert_eq!(collect(&[begun, code, peer]).len(), 1);
}

#[test]
fn a_legs_owner_may_arrive_after_its_activity() {
    let dialled = json!({"id": "p-1", "direction": "Outbound", "status": {"code": "Setup"}});
    let dialled = note("s-1", 2, 10, "1", &[dialled]);
    let mut named = party("p-1", "62001", json!({"code": "Answered"}));
    named["direction"] = json!("Outbound");
    let named = note("s-1", 3, 20, "2", &[named]);
    let held = note("s-2", 2, 0, "3", &[party("p-1", "62001", json!({"code": "Hold"}))]);
    let mut live = Live::with_long_memory();
    for note in [&held, &dialled, &named] {
        live.wait(13);
        live.receive(note);
    }
    live.finish();
    let records = collect(&[held, dialled, named]);
    assert_eq!(records.iter().map(|call| call.related.len()).sum::<usize>(), 2);
    let related: Vec<usize> = live.listener.last_records().iter().map(|call| call.related.len()).collect();
    assert_eq!(related, [1, 1]);
}

#[test]
fn a_conversation_that_began_with_the_last_thing_known_counts() {
    let answered = note(
        "s-1",
        2,
        0,
        "1",
        &[{
            let mut party = party("p-1", "62001", json!({"code": "Answered"}));
            party["from"] = json!({"phoneNumber": "+14045550101"});
            party
        }],
    );
    let calls = collect(&[answered]);
    assert_eq!(violations(&calls), Vec::<String>::new());
    let begun = Time::from_millis(BEGIN);
    assert_eq!((calls[0].answer_time, calls[0].start_time), (Some(begun), begun));
}

#[test]
fn links_may_overlap() {
    let steps = [
        note("s-0", 2, 0, "1", &[party("p-1", "62001", json!({"code": "Setup"}))]),
        note("s-1", 2, 0, "2", &[party("p-3", "62002", json!({"code": "Answered"}))]),
        note(
            "s-1",
            3,
            20,
            "3",
            &[party("p-3", "62002", {
                let mut gone = gone("s-0", "BlindTransfer");
                gone["peerId"]["partyId"] = json!("p-1");
                gone
            })],
        ),
        note("s-3", 2, 20, "4", &[party("p-4", "62003", gone("s-0", "BlindTransfer"))]),
        note("s-1", 4, 40, "5", &[party("p-3", "62002", json!({"code": "Answered"}))]),
    ];
    assert_eq!(violations(&collect(&steps)), Vec::<String>::new());
}
