//! What the simulator plays, the assembler must tell as it was: the records against the simulator's truth,
//! which is kept by people and sound and shares nothing with the assembler.

use std::fmt::Write;

use wholecall_assembly::Collection;
use wholecall_notification::{Document, Message};
use wholecall_simulator::{Notification, Play, Record, Report, Scenario, Tolerance, verify};

/// The records of notifications, by way of their JSON in both directions.
fn assembled(notifications: &[Notification]) -> Vec<Record> {
    let documents: Vec<String> = notifications.iter().map(Notification::to_json).collect();
    let mut collection = Collection::default();
    for json in &documents {
        let document = Document::parse(json).expect("the simulator writes documents");
        match document.message().expect("a known message") {
            Message::Session(notification) => collection.add(&notification),
            other => panic!("not a telephony notification: {other:?}"),
        }
    }
    let records = collection.finish();
    let json =
        records.records().map(|record| serde_json::to_string(&record).expect("a record is plain data"));
    json.map(|json| Record::from_json(&json).expect("a record as the contract has it")).collect()
}

fn judged(play: &Play) -> Report {
    verify(play.truths.clone(), assembled(&play.notifications), Tolerance::default())
}

/// Plays scenarios and tells every difference; the seeds are in the story.
fn differences(scenarios: impl Iterator<Item = Scenario>, seeds: std::ops::Range<u64>) -> (usize, String) {
    let (mut wrong, mut story) = (0, String::new());
    for scenario in scenarios {
        let mut told = 0;
        for seed in seeds.clone() {
            let report = judged(&scenario.play(seed));
            if report.differences() > 0 {
                wrong += 1;
                told += 1;
                if told <= 4 {
                    let _infallible = write!(story, "{} with seed {seed}:\n{report}", scenario.name);
                }
            }
        }
    }
    (wrong, story)
}

#[test]
fn every_scenario_is_told_as_it_was() {
    let (wrong, story) = differences(Scenario::all().filter(|scenario| scenario.name != "random"), 0..60);
    assert_eq!(wrong, 0, "{story}");
}

#[test]
fn random_calls_are_told_as_they_were() {
    let random = Scenario::named("random").expect("is listed");
    let (wrong, story) = differences(std::iter::once(random), 0..20000);
    assert_eq!(wrong, 0, "{story}");
}
