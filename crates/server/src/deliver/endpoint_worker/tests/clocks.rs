//! A clock that jumps in both directions, with endpoints that fail and endpoints that work.

use super::*;
use crate::clock::simulated::offsets;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Times at which the clock is set, and its offset from then on. It is set wrong three times, then right.
fn clocks(count: usize) -> Vec<[(Duration, i64); 4]> {
    let mut runner = TestRunner::deterministic();
    let at = Duration::from_secs;
    let strategy = [offsets(), offsets(), offsets()].prop_map(move |offsets| {
        let [first, second, third] = offsets;
        [(at(60), first), (at(120), second), (at(200), third), (at(280), 0)]
    });
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

fn offset_at(sets: [(Duration, i64); 4]) -> impl Fn(Duration) -> i64 {
    move |at| sets.iter().rev().find(|(set, _)| *set <= at).map_or(0, |(_, offset_ms)| *offset_ms)
}

/// An endpoint that fails is probed at the same interval, and receives every event soon after its return.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_delays_and_disables_no_endpoint() {
    for sets in clocks(5) {
        let returns = Duration::from_secs(340);
        let answer = move |_: &str, at| status(if at < returns { 500 } else { 200 });
        let mut simulation = Simulation::start_with_clock(&["late"], &json!({}), answer, offset_at(sets));
        for number in 0..12 {
            simulation.publish(&format!("s-{number}"), ChangeKind::Completed);
        }
        simulation.pass(returns, Duration::from_millis(500)).await;
        let posted = simulation.posted.lock().unwrap().clone();
        // Probed every 15 s; a jump of the clock does not change that.
        for pair in posted.windows(2) {
            let gap = pair[1].at - pair[0].at;
            assert!(gap <= Duration::from_secs(60), "{sets:?}: no request for {gap:?} at {:?}", pair[0].at);
        }
        simulation.pass(2 * MINUTE, Duration::from_millis(500)).await;
        let posted = simulation.posted.lock().unwrap().clone();
        let accepted: std::collections::BTreeSet<&str> = posted
            .iter()
            .filter(|posted| posted.status == Some(200))
            .map(|posted| posted.id.as_str())
            .collect();
        assert_eq!(accepted.len(), 12, "{sets:?}: not every event is delivered");
    }
}

/// A delivery is retried by its schedule, and never waits longer than the schedule's maximum.
#[tokio::test(start_paused = true)]
async fn a_retry_delay_never_exceeds_its_maximum() {
    for days in [-90_i64, -2, -1, 90] {
        // One call is always refused, so that the endpoint is not down and only the schedule counts.
        let answer = |_: &str, _| status(422);
        let offset = move |at: Duration| if at < 12 * HOUR { 0 } else { days * 86_400_000 };
        let mut simulation = Simulation::start_with_clock(&["picky"], &json!({}), answer, offset);
        simulation.publish("s-1", ChangeKind::Completed);
        simulation.pass(120 * HOUR, 3 * MINUTE).await;
        let posted = simulation.posted.lock().unwrap().clone();
        assert_eq!(posted.len(), 10, "{days}: all attempts are made");
        let longest = posted.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap();
        assert!(longest <= 27 * HOUR, "{days}: no request for {longest:?}");
    }
}

/// Live versions and rate-limited events do not wait longer after the clock was set back.
#[tokio::test(start_paused = true)]
async fn a_clock_set_back_delays_neither_live_versions_nor_rate_limited_events() {
    let offset = |at: Duration| if at < 5 * MINUTE { 3_600_000 } else { -86_400_000 };
    let settings = json!({ "rateLimit": 1, "events": ["call.started", "call.updated", "call.completed"] });
    let mut simulation = Simulation::start_with_clock(&["slow"], &settings, |_, _| status(200), offset);
    simulation.pass(MINUTE, SECOND).await;
    for minute in 0..10 {
        simulation.publish("s-live", ChangeKind::Updated);
        simulation.publish(&format!("s-{minute}"), ChangeKind::Completed);
        simulation.pass(MINUTE, SECOND).await;
        let posted = simulation.posted.lock().unwrap().len();
        assert_eq!(posted, 2 * (minute + 1), "in minute {minute}");
    }
}
