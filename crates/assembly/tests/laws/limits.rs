//! Sessions beyond the limits.

use serde_json::{Value, json};
use wholecall_assembly::limits::{
    MAX_CONVERSATION_SEATS, MAX_NOTIFICATIONS_PER_SESSION, MAX_SESSIONS_PER_CALL,
};

use crate::{
    play::{collect, same, violations},
    stream::Note,
};

/// Number of notifications beyond the limit.
const BEYOND: u32 = 40;

fn note(sequence: u32) -> Note {
    let beyond = sequence > MAX_NOTIFICATIONS_PER_SESSION as u32 + 1;
    let [leg, code] = [sequence % 7, sequence / 7 % 2].map(|n| n as usize);
    let party = json!({
        "id": format!("p-{}", if beyond { 100 + leg } else { leg }),
        "direction": if leg == 0 { "Outbound" } else { "Inbound" },
        "extensionId": format!("6200{leg}"),
        "from": {"name": if beyond { "Too late" } else { "In time" }, "phoneNumber": "+14045550101"},
        "recordings": [{"id": if beyond { "too late" } else { "in time" }}],
        "status": {"code": if beyond { "Gone" } else { ["Answered", "Hold"][code] },
                   "peerId": {"telephonySessionId": "s-too-late"}},
    });
    Note {
        account: Some("801"),
        uuid: None,
        session: "s-1".to_owned(),
        sequence,
        time: i64::from(sequence),
        origin: Some(if beyond { "Conference" } else { "Call" }),
        legacy_id: "7000".to_owned(),
        parties: vec![party],
        turn: [0, 0],
    }
}

#[test]
fn what_lies_beyond_the_limit_leaves_no_trace_but_a_number() {
    let last = MAX_NOTIFICATIONS_PER_SESSION as u32 + 1 + BEYOND;
    let notes: Vec<Note> = (2..=last).map(note).collect();
    let in_order = collect(&notes);
    assert_eq!(violations(&in_order), Vec::<String>::new());
    let beyond = &in_order[0].completeness.beyond_limits;
    assert_eq!(beyond.len(), 1, "{beyond:?}");
    same(&in_order, &collect(notes.iter().rev())).unwrap();
    let odd_first = notes.iter().skip(1).step_by(2).chain(notes.iter().step_by(2));
    same(&in_order, &collect(odd_first)).unwrap();
}

fn party(id: &str, extension: &str, direction: &str, status: Value) -> Value {
    json!({"id": id, "extensionId": extension, "direction": direction, "status": status})
}

fn small(session: String, sequence: u32, party: Value) -> Note {
    Note { session, parties: vec![party], origin: Some("Call"), ..note(sequence) }
}

#[test]
fn a_call_has_no_more_sessions_than_its_limit() {
    let count = MAX_SESSIONS_PER_CALL + 1;
    let chained = |at: usize| {
        let peer = json!({"telephonySessionId": format!("s-{}", at + 1)});
        let status = json!({"code": "Gone", "reason": "AttendedTransfer", "peerId": peer});
        let mut note = small(format!("s-{at}"), 2, party("p-1", "62001", "Outbound", status));
        note.time = 0;
        note
    };
    let mut notes: Vec<Note> = (0..count - 1).map(chained).collect();
    notes.push(small(
        format!("s-{}", count - 1),
        2,
        party("p-1", "62001", "Outbound", json!({"code": "Setup"})),
    ));
    let calls = collect(&notes);
    let mut sizes: Vec<usize> = calls.iter().map(|call| call.sessions.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, MAX_SESSIONS_PER_CALL]);
    let beyond_limits = calls.iter().flat_map(|call| &call.completeness.beyond_limits);
    let beyond_limits: Vec<(&str, u64)> =
        beyond_limits.map(|beyond| (beyond.what.as_str(), beyond.beyond)).collect();
    assert_eq!(beyond_limits, [("sessions", 1)]);
}

#[test]
fn a_session_that_listens_to_thousands_costs_no_more_than_the_limit() {
    let listening = |at: usize| {
        let peer = json!({"telephonySessionId": format!("s-of-{at}")});
        let status = json!({"code": "Gone", "reason": "Supervising", "peerId": peer});
        small("s-1".to_owned(), at as u32 + 2, party(&format!("p-{at}"), "62001", "Outbound", status))
    };
    let calls = collect(&(0..5 * MAX_SESSIONS_PER_CALL).map(listening).collect::<Vec<_>>());
    assert_eq!(calls.len(), 1);
    let beyond: Vec<&str> = calls[0].completeness.beyond_limits.iter().map(|limit| &*limit.what).collect();
    assert_eq!(beyond, ["sessions"]);
}

#[test]
fn conversations_have_no_more_seats_than_their_limit() {
    // Each conversation has one seat more than the one before.
    let people = (1..).find(|n| n * (n + 1) / 2 > MAX_CONVERSATION_SEATS).unwrap_or_default();
    let joins = |at: usize| {
        let party = party(&format!("p-{at}"), &format!("62{at:04}"), "Inbound", json!({"code": "Answered"}));
        small("s-1".to_owned(), at as u32 + 2, party)
    };
    let calls = collect(&(0..people + 2).map(joins).collect::<Vec<_>>());
    let seats: usize = calls[0].conversations.iter().map(|talk| talk.participants.len()).sum();
    assert!((MAX_CONVERSATION_SEATS - people..=MAX_CONVERSATION_SEATS).contains(&seats), "{seats}");
    let beyond = &calls[0].completeness.beyond_limits;
    assert_eq!(beyond.len(), 1, "{beyond:?}");
    assert_eq!((beyond[0].what.as_str(), beyond[0].beyond > 0), ("conversations", true));
}
