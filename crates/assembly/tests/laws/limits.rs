//! Sessions larger than what is kept of one.

use serde_json::json;
use wholecall_assembly::limits::NOTIFICATIONS_PER_SESSION;

use crate::{
    play::{collect, same, violations},
    stream::Note,
};

/// So many notifications beyond the limit.
const BEYOND: u32 = 40;

fn note(sequence: u32) -> Note {
    let beyond = sequence > NOTIFICATIONS_PER_SESSION as u32 + 1;
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
    let last = NOTIFICATIONS_PER_SESSION as u32 + 1 + BEYOND;
    let notes: Vec<Note> = (2..=last).map(note).collect();
    let in_order = collect(&notes);
    assert_eq!(violations(&in_order), Vec::<String>::new());
    let beyond = &in_order[0].completeness.beyond_limits;
    assert_eq!(beyond.len(), 1, "{beyond:?}");
    same(&in_order, &collect(notes.iter().rev())).unwrap();
    let odd_first = notes.iter().skip(1).step_by(2).chain(notes.iter().step_by(2));
    same(&in_order, &collect(odd_first)).unwrap();
}
