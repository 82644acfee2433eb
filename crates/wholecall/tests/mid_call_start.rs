//! A service that starts in the middle of calls: earlier notifications are lost, a snapshot shows each session's status,
//! and later notifications arrive. No record contradicts itself, and no duration is invented.

#![allow(clippy::expect_used, reason = "what a test cannot go on without fails it")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wholecall_assembly::{AssembledCalls, Collection, Contradiction};
use wholecall_notification::{Document, Message};
use wholecall_record::{Call, Time};
use wholecall_simulator::{Notification, Scenario};

/// Fractions of a play after which the service starts.
const STARTS: [(usize, usize); 4] = [(1, 4), (1, 3), (1, 2), (2, 3)];

/// Maximum difference of equal times.
const TOLERANCE_MS: i64 = 2_000;

/// What the snapshots contain.
#[derive(Clone, Copy, PartialEq)]
enum SnapshotKind {
    WithCreationTime,
    WithoutTimes,
}

/// The snapshot of a session when the service starts.
fn snapshot(
    session: &str,
    parties: &BTreeMap<String, Value>,
    created: i64,
    now: i64,
    kind: SnapshotKind,
) -> Value {
    let first = parties.values().next().expect("a session has a party");
    let account = first["accountId"].as_str().expect("parties name their account");
    let mut body = json!({ "id": session, "parties": parties.values().collect::<Vec<_>>() });
    if kind == SnapshotKind::WithCreationTime {
        body["creationTime"] = Time::from_millis(created).to_string().into();
    }
    json!({
        "uuid": format!("snapshot-{session}"),
        "event": format!("/restapi/v1.0/account/{account}/telephony/sessions/{session}"),
        "timestamp": Time::from_millis(now).to_string(),
        "body": body,
    })
}

/// The snapshots, then the rest of a play from its `at`th notification.
fn snapshots_and_rest(all: &[Notification], at: usize, kind: SnapshotKind) -> Vec<String> {
    let mut sessions: BTreeMap<String, (i64, BTreeMap<String, Value>)> = BTreeMap::new();
    for lost in &all[..at] {
        let notification: Value = serde_json::from_str(&lost.to_json()).expect("the simulator writes JSON");
        let id = lost.body.session.to_string();
        let (_, parties) = sessions.entry(id).or_insert((lost.body.event_time.as_millis(), BTreeMap::new()));
        let party = notification["body"]["parties"][0].clone();
        parties.insert(party["id"].as_str().expect("parties have ids").to_owned(), party);
    }
    let now = i64::midpoint(all[at - 1].body.event_time.as_millis(), all[at].body.event_time.as_millis());
    let snapshots =
        sessions.iter().map(|(id, (created, parties))| snapshot(id, parties, *created, now, kind));
    snapshots.map(|value| value.to_string()).chain(all[at..].iter().map(Notification::to_json)).collect()
}

fn assembled(documents: &[String]) -> AssembledCalls {
    let mut collection = Collection::default();
    for json in documents {
        let document = Document::parse(json).expect("documents");
        match document.message().expect("a known message") {
            Message::Session(notification) => collection.add(&notification),
            other => panic!("not of a session: {other:?}"),
        }
    }
    collection.finish()
}

/// Plays every scenario with each start, and passes each record to `check`.
fn for_each_record(
    seeds: std::ops::Range<u64>,
    check: &mut dyn FnMut(&str, &[Notification], &Call),
) -> Vec<Contradiction> {
    let mut contradictions = Vec::new();
    for scenario in Scenario::all() {
        for seed in seeds.clone() {
            let mut all = scenario.play(seed).notifications;
            all.sort_by_key(|notification| notification.body.event_time);
            for (part, of) in STARTS {
                let at = (all.len() * part / of).max(1);
                for kind in [SnapshotKind::WithCreationTime, SnapshotKind::WithoutTimes] {
                    let calls = assembled(&snapshots_and_rest(&all, at, kind));
                    let place = format!("{} with seed {seed} from {part}/{of}", scenario.name);
                    calls.records().for_each(|call| check(&place, &all, &call));
                    contradictions.extend(calls.take_contradictions());
                }
            }
        }
    }
    contradictions
}

#[test]
fn no_record_of_a_call_seen_from_the_middle_contradicts_itself() {
    let (mut records, mut wrong) = (0, Vec::new());
    let contradictions = for_each_record(0..8, &mut |place, _, call| {
        records += 1;
        wrong.extend(call.violations().into_iter().map(|what| format!("{place}: {}: {what}", call.id)));
    });
    assert!(records > 2_000, "{records} records");
    assert!(wrong.is_empty(), "{} of {records}: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    assert_eq!(contradictions, [], "no statement had to be removed from a record");
}

#[test]
fn a_call_seen_from_the_middle_starts_no_later_and_talks_no_longer() {
    let mut wrong = Vec::new();
    for_each_record(0..8, &mut |place, all, call| {
        let first = all.iter().filter(|one| one.body.session.to_string() == *call.id);
        let started = first.map(|one| one.body.event_time.as_millis()).min().map(Time::from_millis);
        let is_bound = call.completeness.repaired.iter().any(|fact| fact.at_or_before);
        if started.is_some_and(|started| started != call.start_time) && !is_bound {
            wrong.push(format!("{place}: {} began at {started:?}, not {}", call.id, call.start_time));
        }
        let whole = assembled(&all.iter().map(Notification::to_json).collect::<Vec<_>>());
        let Some(whole) = whole.get(&call.id) else { return };
        // A conversation with a participant who was not seen on the line is an upper bound, marked as inferred.
        let is_bound = call.conversations.iter().any(|talk| talk.inferred);
        if !is_bound && call.durations.talk_ms > whole.durations.talk_ms + TOLERANCE_MS {
            let (actual, truth) = (call.durations.talk_ms, whole.durations.talk_ms);
            wrong.push(format!("{place}: {} talked {actual} ms, not {truth}", call.id));
        }
    });
    assert!(wrong.is_empty(), "{}: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}
