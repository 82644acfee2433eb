//! A service that is stopped during calls or for a whole call: afterwards its records are true or marked as bounds or
//! unknown, and in the end they agree with the call log.

use std::time::Duration;

use serde_json::{Value, json};
use wholecall_fake_ringcentral::Config;
use wholecall_record::{Call, call::State};

use crate::{
    connecting::{Platform, connect},
    harness::{Client, Installation, Server, Tenant, eventually},
};

/// Maximum difference of equal times.
const TOLERANCE_MS: i64 = 2_000;

/// Maximum time until records agree with the call log, including a second reading of it.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Downtime after which the service assumes a gap.
const DOWNTIME: Duration = Duration::from_millis(3_500);

/// A service, a platform and a tenant, for a call in which the service is stopped.
struct Outage {
    installation: Installation,
    platform: Platform,
    tenant: Tenant,
}

impl Outage {
    fn new(log_is_marked_final: bool) -> (Self, Server) {
        let platform = Platform::of(Config { users: 24, ..Config::default() });
        platform.control("omit-finished", &json!({ "omit": !log_is_marked_final }));
        let installation = Installation::new();
        let server = installation.start();
        let tenant = connect(&installation, &platform, &[]);
        (Self { installation, platform, tenant }, server)
    }

    /// Advances time in the calls, a second at a time, so that notifications arrive in order.
    fn pass(&self, seconds: i64) {
        for _ in 0..seconds {
            self.platform.control("advance", &json!({ "seconds": 1 }));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Plays a call, stops the service after its first seconds for a while, and lets the call end and be logged.
    fn call(&self, server: Server, scenario: &str, before: i64, away: i64) -> (Vec<Value>, Server) {
        let truths = self.platform.play(scenario).as_array().unwrap().clone();
        self.pass(before);
        server.stop();
        self.platform.control("advance", &json!({ "seconds": away }));
        std::thread::sleep(DOWNTIME);
        let server = self.installation.start();
        // Live sessions are looked up before the call continues.
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

/// Statements of a record that are false and not marked as a bound.
fn false_statements(call: &Call, truth: &Value) -> Vec<String> {
    let mut wrong = call.violations();
    let facts = &call.completeness.repaired;
    let is_bound = |time: i64| {
        facts.iter().any(|fact| fact.at_or_before && fact.time.is_some_and(|known| known.as_millis() == time))
    };
    let mut compare = |what: &str, stated: Option<i64>, truth: Option<i64>| {
        let is_near = stated.zip(truth).is_some_and(|(stated, truth)| (stated - truth).abs() <= TOLERANCE_MS);
        if stated.is_some_and(|stated| !is_near && !is_bound(stated)) {
            wrong.push(format!("{what} {stated:?}, not {truth:?}"));
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

/// Differences between the record of a call with a single session and the call log.
fn differences_from_log(call: &Call, log: &[Value]) -> Vec<String> {
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

/// Plays a call during which the service is stopped, and waits until its record is true and agrees with the log.
fn expect_recovery(scenario: &str, before: i64, away: i64, log_is_marked_final: bool) {
    let (outage, server) = Outage::new(log_is_marked_final);
    let (truths, server) = outage.call(server, scenario, before, away);
    let client = server.client();
    if !log_is_marked_final {
        // The log is read once, and again later, since it is not marked as final.
        std::thread::sleep(Duration::from_secs(7));
        outage.platform.control("advance", &json!({ "seconds": 5 * 3_600 }));
    }
    let log = outage.platform.log();
    let mut last = Vec::new();
    let settled = eventually(SETTLE_TIMEOUT, || {
        let calls = outage.calls(&client);
        last = truths
            .iter()
            .flat_map(|truth| {
                let Some(call) = calls.iter().find(|call| truth["id"] == call.id.as_str()) else {
                    return vec![format!("no call {}", truth["id"])];
                };
                let mut wrong = false_statements(call, truth);
                wrong.extend(differences_from_log(call, &log));
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
fn stopped_during_an_inbound_call() {
    expect_recovery("inbound", 5, 10, true);
    expect_recovery("inbound", 20, 30, true);
}

#[test]
fn stopped_during_a_conference() {
    expect_recovery("conference", 30, 25, true);
}

#[test]
fn stopped_during_an_attended_transfer() {
    expect_recovery("attended", 30, 40, true);
}

#[test]
fn stopped_for_a_whole_call() {
    expect_recovery("inbound", 0, 150, true);
    expect_recovery("inbound", 0, 90, true);
}

#[test]
fn stopped_for_a_whole_call_with_a_log_that_is_not_marked_final() {
    expect_recovery("inbound", 0, 150, false);
}

#[test]
fn stopped_at_the_end_of_a_call_with_a_log_that_is_not_marked_final() {
    expect_recovery("inbound", 20, 90, false);
}
