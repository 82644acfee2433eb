//! What the simulator plays, the assembler must tell as it was: the records against the simulator's truth,
//! which is kept by people and sound and shares nothing with the assembler.

#![allow(clippy::expect_used, reason = "what a test cannot go on without fails it")]

mod listing;

use std::{collections::BTreeSet, fmt::Write, ops::Range};

use wholecall_assembly::Collection;
use wholecall_notification::{Document, Message};
use wholecall_simulator::{
    Account, Company, Fault, Faults, Notification, Play, Record, Scenario, Tolerance, Traffic, TrafficEvent,
    verify, verify_view,
};

use crate::listing::directory;

/// The records of notifications, by way of their JSON in both directions.
fn assembled(notifications: &[Notification], accounts: &[Account]) -> Vec<Record> {
    let documents: Vec<String> = notifications.iter().map(Notification::to_json).collect();
    let mut collection = Collection::default();
    for account in accounts {
        collection.set_directory(Some(&account.id.to_string()), directory(account));
    }
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

/// Plays scenarios and expects no difference: what there is is told with its seed.
fn expect_truth(scenarios: impl Iterator<Item = Scenario>, seeds: Range<u64>, faults: &Faults) {
    let tolerance = Tolerance { times: faults.max_skew_ms(), ..Tolerance::default() };
    let (mut wrong, mut story) = (0, String::new());
    for scenario in scenarios {
        let mut told = 0;
        for seed in seeds.clone() {
            let Play { notifications, truths } = scenario.play(seed);
            let arrived = faults.apply(notifications, seed);
            let report = verify(truths, assembled(&arrived, &scenario.accounts(seed)), tolerance);
            if report.differences() > 0 {
                wrong += 1;
                told += 1;
                if told <= 3 {
                    let _infallible = write!(story, "{} with seed {seed}:\n{report}", scenario.name);
                }
            }
        }
    }
    assert_eq!(wrong, 0, "{story}");
}

#[test]
fn every_scenario_is_told_as_it_was() {
    expect_truth(Scenario::all(), 0..100, &Faults::default());
}

#[test]
fn random_calls_are_told_as_they_were() {
    expect_truth(Scenario::named("random").into_iter(), 0..20_000, &Faults::default());
}

#[test]
fn disorder_delay_and_doubles_change_nothing() {
    let faults: Faults = "reorder,delay,duplicate,overlap".parse().expect("known faults");
    expect_truth(Scenario::all(), 0..50, &faults);
    expect_truth(Scenario::named("random").into_iter(), 0..4000, &faults);
}

#[test]
fn clocks_that_differ_change_times_by_no_more_than_they_differ() {
    expect_truth(Scenario::all(), 0..50, &Faults::from(Fault::Skew));
    expect_truth(Scenario::named("random").into_iter(), 0..3000, &Faults::from(Fault::Skew));
}

#[test]
fn a_company_s_day_is_told_as_it_was() {
    // 2026-06-01T00:00:00Z.
    const MIDNIGHT: i64 = 1_780_272_000_000;
    let faults: Faults = "reorder,delay,duplicate,overlap".parse().expect("known faults");
    let traffic =
        Traffic::new(Company::with_users(150), MIDNIGHT, MIDNIGHT + 86_400_000, 7).with_faults(faults);
    let accounts = traffic.accounts().to_vec();
    let (mut arrived, mut truths) = (Vec::new(), Vec::new());
    for told in traffic {
        match told {
            TrafficEvent::Notification(notification) => arrived.push(notification),
            TrafficEvent::Truth(truth) => truths.push(truth),
        }
    }
    let report = verify(truths, assembled(&arrived, &accounts), Tolerance::default());
    assert!(report.calls > 1000, "{} calls", report.calls);
    assert_eq!(report.differences(), 0, "{report}");
}

#[test]
fn whatever_is_lost_no_two_calls_become_one() {
    for fault in Fault::ALL.into_iter().filter(|fault| fault.loses()) {
        for scenario in Scenario::all() {
            for seed in 0..20 {
                let Play { notifications, truths } = scenario.play(seed);
                let call_of = |session: &str| {
                    truths
                        .iter()
                        .find(|truth| truth.sessions.iter().any(|own| own == session))
                        .map(|truth| &truth.id)
                };
                for record in
                    assembled(&Faults::from(fault).apply(notifications, seed), &scenario.accounts(seed))
                {
                    let calls: BTreeSet<_> = record.sessions().map(call_of).collect();
                    let (name, lost) = (scenario.name, fault.name());
                    assert!(
                        calls.len() == 1,
                        "{name} with seed {seed} and {lost}: {} joins {calls:?}",
                        record.id
                    );
                }
            }
        }
    }
}

#[test]
fn no_view_of_a_single_person_says_what_is_not_so() {
    let (mut wrong, mut story) = (0, String::new());
    for scenario in Scenario::all() {
        for seed in 0..5 {
            let (play, accounts) = (scenario.play(seed), scenario.accounts(seed));
            for user in play.people(&accounts) {
                let view = play.seen_by(user.extension);
                let records = assembled(&view.notifications, &accounts);
                let name = format!("ext:{}", user.extension);
                let report = verify_view(&name, &view.truths, records, Tolerance::default());
                wrong += report.contradicted.len();
                for sentence in report.contradicted {
                    let _infallible =
                        writeln!(story, "{} with seed {seed} as {}: {sentence}", scenario.name, user.number);
                }
            }
        }
    }
    assert_eq!(wrong, 0, "{story}");
}
