//! The grammar of the plays against that of played calls which others wrote: for each of theirs, some play of
//! ours tells the same codes of the same legs in the same order.

use std::fs;

use serde_json::Value;
use wholecall_simulator::{Notification, Scenario};

/// The example calls of the repository.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden");

/// Their name, and ours.
const SAME: [(&str, &str); 24] = [
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
fn shape(told: impl Iterator<Item = Value>) -> Vec<Vec<Change>> {
    let mut sessions: std::collections::BTreeMap<String, Vec<(u64, Change)>> = Default::default();
    for document in told {
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

/// Reasons that mean the same are one.
fn reason(reason: &str) -> String {
    match reason {
        "RccTransfer" | "DtmfTransfer" => "BlindTransfer",
        "SomethingNew" | "Undefined" => "",
        // Told or not, on a leg that stops ringing and on the host's proxy.
        "CallerDropped" | "CallerInputRedirect" => "",
        other => other,
    }
    .to_owned()
}

/// Without what may come any number of times or not at all: holds, recordings, a `Disconnected` after `Gone`;
/// and with those who hang up together in one order.
fn plain(mut changes: Vec<(u64, Change)>) -> Vec<Change> {
    changes.sort();
    let mut kept: Vec<Change> = Vec::new();
    for (_, change) in changes {
        let (ordinal, _, _, code, reason, _) = &change;
        let said = |code: &str| kept.iter().any(|(other, _, _, said, ..)| other == ordinal && said == code);
        let repeats =
            code == "Answered" && reason.is_empty() && said("Answered") && !said("Gone") && !said("Parked");
        let after_gone = code == "Disconnected" && said("Gone");
        if code != "Hold" && !repeats && !after_gone {
            kept.push(change);
        }
    }
    let ends = |change: &Change| change.3 == "Disconnected" && change.4.is_empty();
    for run in kept.chunk_by_mut(|a, b| ends(a) && ends(b)) {
        run.sort();
    }
    kept
}

#[test]
fn every_played_call_of_others_is_among_our_plays() {
    let mut unknown = Vec::new();
    for (theirs, ours) in SAME {
        let file = fs::read_to_string(format!("{GOLDEN}/{theirs}/events.ndjson")).expect("a played call");
        let golden = shape(file.lines().map(|line| serde_json::from_str(line).expect("JSON")));
        let scenario = Scenario::named(ours).expect("is listed");
        let is_same = |seed: &u64| {
            let told = scenario.play(*seed).notifications;
            shape(
                told.iter().map(Notification::to_json).map(|json| serde_json::from_str(&json).expect("JSON")),
            ) == golden
        };
        if !(0..3000).any(|seed| is_same(&seed)) {
            unknown.push(theirs);
        }
    }
    assert!(unknown.is_empty(), "no play of ours has the shape of {unknown:?}");
}
