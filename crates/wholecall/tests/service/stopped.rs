//! A service that is stopped while calls go on, or while a whole call happens, and started again: what it then says of
//! them is true, or is said to be unknown, and in the end it is what the call log says.

use std::time::Duration;

use serde_json::{Value, json};
use wholecall_fake_ringcentral::Config;
use wholecall_record::{Call, call::State};

use crate::{
    connecting::{Platform, connect},
    harness::{Client, Installation, Server, Tenant, eventually},
};

/// Times that differ by no more are the same.
const TOLERANCE_MS: i64 = 2_000;

/// The answers of a platform to which the log has to be read again come within this.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// A service that was away for less has missed nothing, as it takes it.
const AWAY: Duration = Duration::from_millis(3_500);

/// One service, one platform, and a call in which the service is stopped.
struct Outage {
    installation: Installation,
    platform: Platform,
    tenant: Tenant,
}

impl Outage {
    fn new(says_finished: bool) -> (Self, Server) {
        let platform = Platform::of(Config { users: 24, ..Config::default() });
        platform.control("omit-finished", &json!({ "omit": !says_finished }));
        let installation = Installation::new();
        let server = installation.start();
        let tenant = connect(&installation, &platform, &[]);
        (Self { installation, platform, tenant }, server)
    }

    /// Lets time pass in the calls, a second at a time, so that what is told arrives in its order.
    fn pass(&self, seconds: i64) {
        for _ in 0..seconds {
            self.platform.control("advance", &json!({ "seconds": 1 }));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Is stopped after a part of the call, for a while; then the rest of the call happens, and its log is written.
    fn call(&self, server: Server, scenario: &str, before: i64, away: i64) -> (Vec<Value>, Server) {
        let truths = self.platform.play(scenario).as_array().unwrap().clone();
        self.pass(before);
        server.stop();
        self.platform.control("advance", &json!({ "seconds": away }));
        std::thread::sleep(AWAY);
        let server = self.installation.start();
        // The sessions that go on are asked for before anything else happens.
        std::thread::sleep(Duration::from_secs(2));
        self.pass(240);
        (truths, server)
    }

    fn calls(&self, client: &Client) -> Vec<Call> {
        let calls = client.calls(&self.tenant, "", 100).into_iter();
        calls.map(|call| serde_json::from_value(call).unwrap()).collect()
    }
}

fn millis(value: &Value) -> Option<i64> {
    value.as_str()?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// What is said of a call and is neither true nor said to be a bound or unknown.
fn untrue(call: &Call, truth: &Value) -> Vec<String> {
    let mut wrong = call.violations();
    let facts = &call.completeness.repaired;
    let is_bound = |time: i64| {
        facts.iter().any(|fact| fact.at_or_before && fact.time.is_some_and(|known| known.as_millis() == time))
    };
    let mut compare = |what: &str, said: Option<i64>, truth: Option<i64>| {
        let is_near = said.zip(truth).is_some_and(|(said, truth)| (said - truth).abs() <= TOLERANCE_MS);
        if said.is_some_and(|said| !is_near && !is_bound(said)) {
            wrong.push(format!("{what} {said:?}, not {truth:?}"));
        }
    };
    compare("start", Some(call.start_time.as_millis()), millis(&truth["startTime"]));
    compare("answer", call.answer_time.map(|time| time.as_millis()), millis(&truth["answerTime"]));
    compare("end", call.end_time.map(|time| time.as_millis()), millis(&truth["endTime"]));
    if call.result.as_str() != truth["result"].as_str().unwrap() {
        wrong.push(format!("result {}, not {}", call.result.as_str(), truth["result"]));
    }
    wrong
}

/// What the log says otherwise of the sessions that are no part of a larger call.
fn otherwise_in_the_log(call: &Call, log: &[Value]) -> Vec<String> {
    let is_own = |record: &&Value| record["telephonySessionId"] == call.id.as_str();
    let Some(record) = log.iter().find(is_own).filter(|_| call.sessions.len() == 1) else {
        return Vec::new();
    };
    let mut wrong = Vec::new();
    let mut unless = |agrees: bool, what: String| {
        if !agrees {
            wrong.push(what);
        }
    };
    let start = millis(&record["startTime"]).unwrap();
    let length = record["durationMs"].as_i64().unwrap();
    unless((call.start_time.as_millis() - start).abs() <= TOLERANCE_MS, format!("the log's start {start}"));
    let total = call.durations.total_ms;
    unless((total - length).abs() <= TOLERANCE_MS, format!("the log's length {length}, not {total}"));
    let talked = ["Accepted", "Call connected"].contains(&record["result"].as_str().unwrap());
    unless(talked == (call.result.as_str() == "Answered"), format!("the log's result {}", record["result"]));
    unless(
        (record["direction"] == "Inbound") == (call.direction.as_str() == "Inbound"),
        "the log's direction".to_owned(),
    );
    wrong
}

/// Plays a call with the service stopped in it, and waits until what is said of it is true and is what the log says.
fn stopped(scenario: &str, before: i64, away: i64, says_finished: bool) {
    let (outage, server) = Outage::new(says_finished);
    let (truths, server) = outage.call(server, scenario, before, away);
    let client = server.client();
    if !says_finished {
        // One reading, then the second when it is old.
        std::thread::sleep(Duration::from_secs(7));
        outage.platform.control("advance", &json!({ "seconds": 5 * 3_600 }));
    }
    let log = outage.platform.log();
    let mut last = Vec::new();
    let settled = eventually(SETTLED_WITHIN, || {
        let calls = outage.calls(&client);
        last = truths
            .iter()
            .flat_map(|truth| {
                let Some(call) = calls.iter().find(|call| truth["id"] == call.id.as_str()) else {
                    return vec![format!("no call {}", truth["id"])];
                };
                let mut wrong = untrue(call, truth);
                wrong.extend(otherwise_in_the_log(call, &log));
                wrong.extend((call.state == State::Live).then(|| "it is live".to_owned()));
                wrong
            })
            .collect();
        last.is_empty().then_some(())
    });
    let calls = outage.calls(&client);
    assert!(settled.is_some(), "{scenario} {before}+{away}: {last:#?}\n{calls:#?}");
    assert_eq!(outage.platform.violations(), 0);
    server.stop();
    let checked = outage.installation.command(&["check"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn in_the_middle_of_an_inbound_call() {
    stopped("inbound", 5, 10, true);
    stopped("inbound", 20, 30, true);
}

#[test]
fn in_the_middle_of_a_conference() {
    stopped("conference", 30, 25, true);
}

#[test]
fn in_the_middle_of_an_attended_transfer() {
    stopped("attended", 30, 40, true);
}

#[test]
fn around_a_whole_call() {
    stopped("inbound", 0, 150, true);
    stopped("inbound", 0, 90, true);
}

#[test]
fn around_a_whole_call_with_a_log_that_does_not_say_that_it_is_final() {
    stopped("inbound", 0, 150, false);
}

#[test]
fn around_the_end_of_a_call_with_a_log_that_does_not_say_that_it_is_final() {
    stopped("inbound", 20, 90, false);
}
