//! A clock that jumps in both directions, while an endpoint fails and while it is well.

use super::*;
use crate::clock::simulated::offsets;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

const MINUTE: Duration = Duration::from_secs(60);

/// By how much the clock is wrong: three times it is set, and then right.
fn clocks(count: usize) -> Vec<[(Duration, i64); 4]> {
    let mut runner = TestRunner::deterministic();
    let at = Duration::from_secs;
    let strategy = [offsets(), offsets(), offsets()].prop_map(move |offsets| {
        let [first, second, third] = offsets;
        [(at(60), first), (at(120), second), (at(200), third), (at(280), 0)]
    });
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

fn wrong_by(sets: [(Duration, i64); 4]) -> impl Fn(Duration) -> i64 {
    move |at| sets.iter().rev().find(|(set, _)| *set <= at).map_or(0, |(_, offset_ms)| *offset_ms)
}

/// Whatever the clock does, an endpoint that fails is probed as often as ever, and has everything soon after its return.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_holds_up_no_endpoint_and_disables_none() {
    for sets in clocks(5) {
        let returns = Duration::from_secs(340);
        let answer = move |_: &str, at| status(if at < returns { 500 } else { 200 });
        let mut simulation = Simulation::start_with_clock(&["late"], &json!({}), answer, wrong_by(sets));
        for number in 0..12 {
            simulation.make(&format!("s-{number}"), ChangeKind::Completed);
        }
        simulation.pass(returns, Duration::from_millis(500)).await;
        let posted = simulation.posted.lock().unwrap().clone();
        // Probed each 15 s; a jump that is followed after half a minute costs nothing.
        for pair in posted.windows(2) {
            let gap = pair[1].at - pair[0].at;
            assert!(gap <= Duration::from_secs(60), "{sets:?}: nothing for {gap:?} at {:?}", pair[0].at);
        }
        simulation.pass(2 * MINUTE, Duration::from_millis(500)).await;
        let posted = simulation.posted.lock().unwrap().clone();
        let taken: std::collections::BTreeSet<&str> = posted
            .iter()
            .filter(|posted| posted.status == Some(200))
            .map(|posted| posted.id.as_str())
            .collect();
        assert_eq!(taken.len(), 12, "{sets:?}: not everything is delivered");
    }
}

/// A delivery is tried again by its schedule, and never waits longer than that schedule has it.
#[tokio::test(start_paused = true)]
async fn a_back_off_never_becomes_longer_than_its_maximum() {
    for days in [-90_i64, -2, -1, 90] {
        // One call is refused for ever, so that the endpoint is well and only the schedule counts.
        let answer = |_: &str, _| status(422);
        let wrong = move |at: Duration| if at < 12 * HOUR { 0 } else { days * 86_400_000 };
        let mut simulation = Simulation::start_with_clock(&["picky"], &json!({}), answer, wrong);
        simulation.make("s-1", ChangeKind::Completed);
        simulation.pass(120 * HOUR, 3 * MINUTE).await;
        let posted = simulation.posted.lock().unwrap().clone();
        assert_eq!(posted.len(), 10, "{days}: all attempts are made");
        let longest = posted.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap();
        assert!(longest <= 27 * HOUR, "{days}: nothing for {longest:?}");
    }
}

/// What waits only for its second, or for the rate that an endpoint wants, waits no longer after a jump back.
#[tokio::test(start_paused = true)]
async fn neither_a_rate_nor_a_live_version_waits_for_a_clock_that_was_set_back() {
    let wrong = |at: Duration| if at < 5 * MINUTE { 3_600_000 } else { -86_400_000 };
    let wanted = json!({ "rateLimit": 1, "events": ["call.started", "call.updated", "call.completed"] });
    let mut simulation = Simulation::start_with_clock(&["slow"], &wanted, |_, _| status(200), wrong);
    simulation.pass(MINUTE, SECOND).await;
    for minute in 0..10 {
        simulation.make("s-live", ChangeKind::Updated);
        simulation.make(&format!("s-{minute}"), ChangeKind::Completed);
        simulation.pass(MINUTE, SECOND).await;
        let posted = simulation.posted.lock().unwrap().len();
        assert_eq!(posted, 2 * (minute + 1), "in minute {minute}");
    }
}
