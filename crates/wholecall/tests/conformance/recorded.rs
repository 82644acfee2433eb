//! Real streams that were published elsewhere. We may not distribute them: they are read from the folder in
//! `WHOLECALL_SHARED`; without it these tests print that they were skipped.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::program::{assemble, folders, millis, read, records};

/// The folder of recorded streams; `None`, with a message, if it is missing.
fn corpus() -> Option<PathBuf> {
    let folder = env::var_os("WHOLECALL_SHARED").map(|shared| Path::new(&shared).join("corpus"));
    if let Some(folder) = folder.filter(|folder| folder.is_dir()) {
        return Some(folder);
    }
    // Written directly to standard error, because the test runner captures `eprintln!`.
    let _ = writeln!(io::stderr(), "skipped: WHOLECALL_SHARED is not a folder with recorded streams");
    None
}

#[test]
fn a_recorded_call_between_two_extensions() {
    let Some(corpus) = corpus() else { return };
    let records = records(&[], &read(&corpus.join("csn-ext-ext-hold/events.json")));
    let [call] = records.as_slice() else { panic!("one call, not {}", records.len()) };
    assert_eq!(
        (&call["direction"], &call["result"], &call["state"]),
        (&"Internal".into(), &"Answered".into(), &"complete".into())
    );
    let callee = call["legs"].as_array().unwrap().iter().find(|leg| leg["direction"] == "Inbound").unwrap();
    // The caller's own "Answered" precedes the callee's answer by 6.7 s.
    assert_eq!(millis(&callee["answerTime"]) - millis(&callee["ringTime"]), 6_674);
    assert_eq!(call["answerTime"], callee["answerTime"]);
    assert_eq!(call["durations"]["holdMs"], 4_319);
    assert_eq!(call["durations"]["talkMs"], 3_931 + 5_717);
    assert_eq!(call["conversations"].as_array().unwrap().len(), 2);
}

#[test]
fn a_recorded_call_through_a_menu() {
    let Some(corpus) = corpus() else { return };
    let records = records(&[], &read(&corpus.join("csn-pstn-ivr-user-hold/events.json")));
    let [call] = records.as_slice() else { panic!("one call, not {}", records.len()) };
    assert_eq!(
        (&call["direction"], &call["result"], &call["state"]),
        (&"Inbound".into(), &"Answered".into(), &"complete".into())
    );
    let legs = call["legs"].as_array().unwrap();
    let outcomes: Vec<&Value> = legs.iter().map(|leg| &leg["outcome"]).collect();
    assert_eq!(outcomes, ["Originated", "Routed", "Answered"]);
    assert_eq!(call["answerTime"], "2020-06-23T01:06:00.001Z");
    assert_eq!(call["durations"]["holdMs"], 2_393);
    assert_eq!(call["moves"].as_array().unwrap().len(), 0);
    let holds = legs.iter().flat_map(|leg| leg["segments"].as_array().unwrap());
    assert_eq!(holds.filter(|segment| segment["state"] == "holding").count(), 1);
}

/// Samples from documents are often trimmed; the problem names what a notification lacks.
#[test]
fn every_recorded_notification_is_read_or_refused_with_a_reason() {
    let Some(corpus) = corpus() else { return };
    let trimmed = [
        ("docs-hold-metrics-trimmed-2020", "has no id"),
        ("sipdata-filter-partial-2025", "without a readable sequence number"),
    ];
    for case in folders(&corpus) {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(events) = fs::read_to_string(case.join("events.json")) else { continue };
        let output = assemble(&["--format", "json"], &events);
        let problems = String::from_utf8(output.stderr).unwrap();
        match trimmed.iter().find(|(trimmed, _)| *trimmed == name) {
            Some((_, reason)) => {
                assert_eq!(output.status.code(), Some(2), "{name}");
                let is_explained = |line: &str| line.starts_with("<stdin>:") && line.contains(reason);
                assert!(
                    problems.lines().count() > 0 && problems.lines().all(is_explained),
                    "{name}: {problems}"
                );
            }
            None => assert_eq!((output.status.code(), problems.as_str()), (Some(0), ""), "{name}"),
        }
    }
}
