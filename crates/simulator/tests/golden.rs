//! Compares the grammar of the plays with that of the golden cases: for each case, some play has the same
//! codes of the same legs in the same order.

use std::fs;

use serde_json::Value;
use wholecall_simulator::{Notification, Scenario};

/// The golden cases of the repository.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden");

/// Names of golden cases, and of the scenarios that play the same.
const SCENARIO_OF_CASE: [(&str, &str); 24] = [
    ("attended", "attended"),
    ("blind", "blind"),
    ("call_waiting", "call_waiting"),
    ("conference", "conference"),
    ("consult_abandoned", "consult_abandoned"),
    ("direct", "inbound"),
    ("forwarded", "forwarded"),
    ("internal", "internal"),
    ("menu", "menu"),
    ("menu_abandoned", "menu_abandoned"),
    ("missed", "missed_internal"),
    ("outbound", "outbound"),
    ("parked", "parked"),
    ("pickup", "pickup"),
    ("queue_sequential", "queue_in_turn"),
    ("queue_simultaneous", "queue_together"),
    ("ringout", "ringout"),
    ("seed_question", "attended"),
    ("semi_attended", "semi_attended"),
    ("supervised", "supervised"),
    ("supervised_dialled", "supervised_dialled"),
    ("switched", "switched"),
    ("undefined_gone", "attended_undefined"),
    ("voicemail", "voicemail"),
];

/// One change: the leg's ordinal, direction, whether an extension owns it, code, reason, and whether it names
/// a peer.
type Change = (u32, String, bool, String, String, bool);

/// The changes of each session, in order of their sequence; sessions in no order.
fn shape(notifications: impl Iterator<Item = Value>) -> Vec<Vec<Change>> {
    let mut sessions: std::collections::BTreeMap<String, Vec<(u64, Change)>> = Default::default();
    for document in notifications {
        let body = &document["body"];
        let party = &body["parties"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let ordinal = text(&party["id"]).rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or_default();
        let status = &party["status"];
        let change = (
            ordinal,
            text(&party["direction"]),
            party["extensionId"].is_string(),
            text(&status["code"]).replace("VoiceMail", "Voicemail"),
            reason(&text(&status["reason"])),
            status["peerId"].is_object(),
        );
        let sequence = body["sequence"].as_u64().unwrap_or_default();
        sessions.entry(text(&body["telephonySessionId"])).or_default().push((sequence, change));
    }
    let mut shapes: Vec<Vec<Change>> = sessions.into_values().map(plain).collect();
    shapes.sort();
    shapes
}

/// Replaces reasons that mean the same by one of them.
fn reason(reason: &str) -> String {
    match reason {
        "RccTransfer" | "DtmfTransfer" => "BlindTransfer",
        "SomethingNew" | "Undefined" => "",
        // These may be missing on a leg that stops ringing and on the host's proxy.
        "CallerDropped" | "CallerInputRedirect" => "",
        other => other,
    }
    .to_owned()
}

/// Removes changes that may be missing or repeated (holds, recordings, a `Disconnected` after `Gone`), and
/// sorts those who hang up together.
fn plain(mut changes: Vec<(u64, Change)>) -> Vec<Change> {
    changes.sort();
    let mut changes_left: Vec<Change> = Vec::new();
    for (_, change) in changes {
        let (ordinal, _, _, code, reason, _) = &change;
        let has_code = |code: &str| {
            changes_left.iter().any(|(other, _, _, known, ..)| other == ordinal && known == code)
        };
        let repeats = code == "Answered"
            && reason.is_empty()
            && has_code("Answered")
            && !has_code("Gone")
            && !has_code("Parked");
        let after_gone = code == "Disconnected" && has_code("Gone");
        if code != "Hold" && !repeats && !after_gone {
            changes_left.push(change);
        }
    }
    let ends = |change: &Change| change.3 == "Disconnected" && change.4.is_empty();
    for run in changes_left.chunk_by_mut(|a, b| ends(a) && ends(b)) {
        run.sort();
    }
    changes_left
}

#[test]
fn every_golden_case_has_a_play_with_the_same_grammar() {
    let mut unknown = Vec::new();
    for (theirs, ours) in SCENARIO_OF_CASE {
        let file = fs::read_to_string(format!("{GOLDEN}/{theirs}/events.ndjson")).expect("a played call");
        let golden = shape(file.lines().map(|line| serde_json::from_str(line).expect("JSON")));
        let scenario = Scenario::named(ours).expect("is listed");
        let is_same = |seed: &u64| {
            let notifications = scenario.play(*seed).notifications;
            shape(
                notifications
                    .iter()
                    .map(Notification::to_json)
                    .map(|json| serde_json::from_str(&json).expect("JSON")),
            ) == golden
        };
        if !(0..3000).any(|seed| is_same(&seed)) {
            unknown.push(theirs);
        }
    }
    assert!(unknown.is_empty(), "no play of ours has the shape of {unknown:?}");
}
