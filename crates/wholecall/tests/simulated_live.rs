//! A company's day as it happens: what the assembler has published in the end is what was true, whenever the
//! notifications came.

#![allow(clippy::expect_used, reason = "what a test cannot go on without fails it")]

mod listing;

use std::collections::{BTreeMap, BTreeSet};

use wholecall_assembly::{Assembler, Change, Changes, Settings};
use wholecall_notification::{Document, Message};
use wholecall_record::{Time, call::Call};
use wholecall_simulator::{CallTruth, Company, Faults, Record, Tolerance, Traffic, TrafficEvent, verify};

/// 2026-06-01T00:00:00Z.
const MIDNIGHT: i64 = 1_780_272_000_000;
const HOUR: i64 = 3_600_000;

/// What a receiver of everything has in the end.
#[derive(Default)]
struct Receiver {
    calls: BTreeMap<String, Call>,
    completed: BTreeSet<String>,
}

impl Receiver {
    fn receive(&mut self, changes: Changes) {
        for change in changes {
            match change {
                Change::Started(call) | Change::Updated(call) | Change::Revised { call, .. } => {
                    self.keep(*call)
                }
                Change::Completed(call) => {
                    assert!(self.completed.insert(call.id.to_string()), "{} is completed twice", call.id);
                    self.keep(*call);
                }
                Change::Merged { id, into, .. } => {
                    self.calls.remove(&id.to_string()).expect("only what was published is merged");
                    assert_ne!(id, into);
                }
            }
        }
    }

    fn keep(&mut self, call: Call) {
        if let Some(known) = self.calls.get(&call.id.to_string()) {
            assert!(
                known.version < call.version,
                "{} goes from {} to {}",
                call.id,
                known.version,
                call.version
            );
        }
        self.calls.insert(call.id.to_string(), call);
    }
}

fn a_day(users: usize, faults: &str, settings: Settings) -> (Vec<CallTruth>, Receiver) {
    let faults: Faults = faults.parse().expect("known faults");
    let traffic =
        Traffic::new(Company::with_users(users), MIDNIGHT, MIDNIGHT + 24 * HOUR, 11).with_faults(faults);
    let mut assembler = Assembler::new(settings);
    for account in traffic.accounts() {
        assembler.set_directory(Some(&account.id.to_string()), listing::directory(account));
    }
    let (mut truths, mut receiver, mut now) = (Vec::new(), Receiver::default(), Time::from_millis(MIDNIGHT));
    for told in traffic {
        let told = match told {
            TrafficEvent::Truth(truth) => {
                truths.push(truth);
                continue;
            }
            TrafficEvent::Notification(told) => told,
        };
        now = Time::from_millis(told.arrival.as_millis());
        while let Some(due) = assembler.next_due().filter(|due| *due <= now) {
            receiver.receive(assembler.tick(due));
        }
        let json = told.to_json();
        let document = Document::parse(&json).expect("the simulator writes documents");
        let Ok(Message::Session(notification)) = document.message() else {
            panic!("no notification: {json}")
        };
        receiver.receive(assembler.receive(now, &notification));
    }
    receiver.receive(assembler.finish(now));
    (truths, receiver)
}

fn expect_truth(truths: Vec<CallTruth>, receiver: &Receiver) {
    let json =
        receiver.calls.values().map(|call| serde_json::to_string(call).expect("a record is plain data"));
    let records = json.map(|json| Record::from_json(&json).expect("a record as the contract has it"));
    let report = verify(truths, records, Tolerance::default());
    assert!(report.calls > 1000, "{} calls", report.calls);
    assert_eq!(report.differences(), 0, "{report}");
}

#[test]
fn a_day_in_disorder_is_published_as_it_was() {
    let (truths, receiver) = a_day(200, "reorder,duplicate,overlap", Settings::default());
    expect_truth(truths, &receiver);
    assert!(receiver.calls.values().all(|call| receiver.completed.contains(&call.id.to_string())));
}

#[test]
fn hours_of_delay_are_made_good_while_calls_are_kept() {
    let settings = Settings { keep_closed_ms: 12 * HOUR, ..Settings::default() };
    let (truths, receiver) = a_day(120, "reorder,delay,duplicate,overlap", settings);
    expect_truth(truths, &receiver);
}
