//! A company's day as a stream: in the end, the published records equal the truth, whatever the order of arrival.

#![allow(clippy::expect_used, reason = "what a test cannot go on without fails it")]

use std::collections::{BTreeMap, BTreeSet};

use wholecall_assembly::{Assembler, Change, Changes, Settings};
use wholecall_benches::simulated::directory;
use wholecall_notification::{Document, Message};
use wholecall_record::{Time, call::Call};
use wholecall_simulator::{CallTruth, Company, Faults, Record, Tolerance, Traffic, TrafficEvent, verify};

/// 2026-06-01T00:00:00Z.
const MIDNIGHT: i64 = 1_780_272_000_000;
const HOUR: i64 = 3_600_000;

/// A receiver of all changes.
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
                    self.store(*call)
                }
                Change::Completed(call) => {
                    assert!(self.completed.insert(call.id.to_string()), "{} is completed twice", call.id);
                    self.store(*call);
                }
                Change::Merged { id, into, .. } => {
                    self.calls.remove(&id.to_string()).expect("only what was published is merged");
                    assert_ne!(id, into);
                }
            }
        }
    }

    fn store(&mut self, call: Call) {
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
        assembler.set_directory(Some(&account.id.to_string()), directory(account));
    }
    let (mut truths, mut receiver, mut now) = (Vec::new(), Receiver::default(), Time::from_millis(MIDNIGHT));
    for event in traffic {
        let notification = match event {
            TrafficEvent::Truth(truth) => {
                truths.push(truth);
                continue;
            }
            TrafficEvent::Notification(notification) => notification,
        };
        now = Time::from_millis(notification.arrival.as_millis());
        while let Some(deadline) = assembler.next_due().filter(|deadline| *deadline <= now) {
            receiver.receive(assembler.tick(deadline));
        }
        let json = notification.to_json();
        let document = Document::parse(&json).expect("the simulator writes documents");
        let Ok(Message::Session(notification)) = document.message() else {
            panic!("not a notification: {json}")
        };
        receiver.receive(assembler.receive(now, &notification));
    }
    receiver.receive(assembler.finish(now));
    (truths, receiver)
}

fn expect_truth(truths: Vec<CallTruth>, receiver: &Receiver) {
    let json =
        receiver.calls.values().map(|call| serde_json::to_string(call).expect("a record is plain data"));
    let records = json.map(|json| Record::from_json(&json).expect("a record as in the contract"));
    let report = verify(truths, records, Tolerance::default());
    assert!(report.calls > 1000, "{} calls", report.calls);
    assert_eq!(report.differences(), 0, "{report}");
}

#[test]
fn a_day_in_disorder_is_published_exactly() {
    let (truths, receiver) = a_day(200, "reorder,duplicate,overlap", Settings::default());
    expect_truth(truths, &receiver);
    assert!(receiver.calls.values().all(|call| receiver.completed.contains(&call.id.to_string())));
}

#[test]
fn hours_of_delay_are_corrected_while_calls_are_in_memory() {
    let settings = Settings { closed_call_ttl_ms: 12 * HOUR, ..Settings::default() };
    let (truths, receiver) = a_day(120, "reorder,delay,duplicate,overlap", settings);
    expect_truth(truths, &receiver);
}
