//! A service that begins in the middle: what was told before is lost, a snapshot of each session shows where it stands,
//! and the rest is told. Whatever is known so, no record contradicts itself, and no length is made up.

#![allow(clippy::expect_used, reason = "what a test cannot go on without fails it")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wholecall_assembly::{Calls, Collection, Contradiction};
use wholecall_notification::{Document, Message};
use wholecall_record::{Call, Time};
use wholecall_simulator::{Notification, Scenario};

/// How far a play is told where the service begins.
const BEGINNINGS: [(usize, usize); 4] = [(1, 4), (1, 3), (1, 2), (2, 3)];

/// Times that agree to so much are the same.
const TOLERANCE_MS: i64 = 2_000;

/// With what the sessions are shown.
#[derive(Clone, Copy, PartialEq)]
enum Shown {
    WithTheirCreation,
    WithoutTimes,
}

/// What a session is when the service begins.
fn snapshot(session: &str, parties: &BTreeMap<String, Value>, created: i64, now: i64, shown: Shown) -> Value {
    let first = parties.values().next().expect("a session has a party");
    let account = first["accountId"].as_str().expect("parties name their account");
    let mut body = json!({ "id": session, "parties": parties.values().collect::<Vec<_>>() });
    if shown == Shown::WithTheirCreation {
        body["creationTime"] = Time::from_millis(created).to_string().into();
    }
    json!({
        "uuid": format!("snapshot-{session}"),
        "event": format!("/restapi/v1.0/account/{account}/telephony/sessions/{session}"),
        "timestamp": Time::from_millis(now).to_string(),
        "body": body,
    })
}

/// The rest of a play from its `at`th notification on, after the snapshots.
fn begun_at(all: &[Notification], at: usize, shown: Shown) -> Vec<String> {
    let mut sessions: BTreeMap<String, (i64, BTreeMap<String, Value>)> = BTreeMap::new();
    for lost in &all[..at] {
        let told: Value = serde_json::from_str(&lost.to_json()).expect("the simulator writes JSON");
        let id = lost.body.session.to_string();
        let (_, parties) = sessions.entry(id).or_insert((lost.body.event_time.as_millis(), BTreeMap::new()));
        let party = told["body"]["parties"][0].clone();
        parties.insert(party["id"].as_str().expect("parties have ids").to_owned(), party);
    }
    let now = i64::midpoint(all[at - 1].body.event_time.as_millis(), all[at].body.event_time.as_millis());
    let shown = sessions.iter().map(|(id, (created, parties))| snapshot(id, parties, *created, now, shown));
    shown.map(|value| value.to_string()).chain(all[at..].iter().map(Notification::to_json)).collect()
}

fn assembled(documents: &[String]) -> Calls {
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

/// Plays every scenario with what is lost, and looks at each record.
fn for_each_record(
    seeds: std::ops::Range<u64>,
    look: &mut dyn FnMut(&str, &[Notification], &Call),
) -> Vec<Contradiction> {
    let mut contradictions = Vec::new();
    for scenario in Scenario::all() {
        for seed in seeds.clone() {
            let mut all = scenario.play(seed).notifications;
            all.sort_by_key(|notification| notification.body.event_time);
            for (part, of) in BEGINNINGS {
                let at = (all.len() * part / of).max(1);
                for shown in [Shown::WithTheirCreation, Shown::WithoutTimes] {
                    let calls = assembled(&begun_at(&all, at, shown));
                    let place = format!("{} with seed {seed} from {part}/{of}", scenario.name);
                    calls.records().for_each(|call| look(&place, &all, &call));
                    contradictions.extend(calls.take_contradictions());
                }
            }
        }
    }
    contradictions
}

#[test]
fn no_record_of_a_call_whose_beginning_was_lost_contradicts_itself() {
    let (mut records, mut wrong) = (0, Vec::new());
    let contradictions = for_each_record(0..8, &mut |place, _, call| {
        records += 1;
        wrong.extend(call.violations().into_iter().map(|what| format!("{place}: {}: {what}", call.id)));
    });
    assert!(records > 2_000, "{records} records");
    assert!(wrong.is_empty(), "{} of {records}: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    assert_eq!(contradictions, [], "nothing had to be taken out of a record");
}

#[test]
fn a_lost_beginning_makes_no_call_later_nor_any_talk_longer() {
    let mut wrong = Vec::new();
    for_each_record(0..8, &mut |place, all, call| {
        let first = all.iter().filter(|one| one.body.session.to_string() == *call.id);
        let begun = first.map(|one| one.body.event_time.as_millis()).min().map(Time::from_millis);
        let is_bound = call.completeness.repaired.iter().any(|fact| fact.at_or_before);
        if begun.is_some_and(|begun| begun != call.start_time) && !is_bound {
            wrong.push(format!("{place}: {} began at {begun:?}, not {}", call.id, call.start_time));
        }
        let whole = assembled(&all.iter().map(Notification::to_json).collect::<Vec<_>>());
        let Some(whole) = whole.get(&call.id) else { return };
        // Who went on at another telephone is on the line for a moment that only both legs show.
        // A conversation with somebody who was not seen on the line is an upper bound, and says so.
        let is_bound = call.conversations.iter().any(|talk| talk.inferred);
        if !is_bound && call.durations.talk_ms > whole.durations.talk_ms + TOLERANCE_MS {
            let (told, truth) = (call.durations.talk_ms, whole.durations.talk_ms);
            wrong.push(format!("{place}: {} talked {told} ms, not {truth}", call.id));
        }
    });
    assert!(wrong.is_empty(), "{}: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}
