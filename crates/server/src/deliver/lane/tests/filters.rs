//! Which calls an endpoint is told of, while they change.

use wholecall_record::call::Outcome::{Answered, Busy, Missed};

use super::*;

#[tokio::test(start_paused = true)]
async fn whoever_was_told_of_a_call_is_told_on_though_it_no_longer_passes() {
    let wanted = json!({ "filter": { "result": "Missed" }, "events": ["call.completed", "call.revised"] });
    let mut simulation = Simulation::start(&["missed"], &wanted, |_, _| status(200));
    let mut told = 0;
    let made = [
        ("s-1", ChangeKind::Completed, Missed, true),
        ("s-2", ChangeKind::Completed, Answered, false),
        ("s-1", ChangeKind::Revised, Answered, true),
        ("s-2", ChangeKind::Revised, Busy, false),
        ("s-2", ChangeKind::Revised, Missed, true),
        ("s-1", ChangeKind::Revised, Busy, true),
    ];
    for (call, kind, result, is_told) in made {
        simulation.make_all(&[call], kind, |record| record.result = result);
        told += usize::from(is_told);
        simulation.until(|| simulation.posted_to("missed").len() >= told).await;
        simulation.pass(2 * SECOND, SECOND / 4).await;
    }
    let ids: Vec<String> = simulation.posted_to("missed").into_iter().map(|posted| posted.id).collect();
    assert_eq!(ids, [1, 3, 5, 6].map(|change| simulation.id(change)));
}

#[tokio::test(start_paused = true)]
async fn live_versions_go_to_whoever_asked_for_calls_like_that() {
    let wanted = json!({ "filter": { "direction": "Outbound" }, "events": ["call.updated"] });
    let mut simulation = Simulation::start(&["outbound"], &wanted, |_, _| status(200));
    for second in 0..4 {
        simulation.make("s-1", ChangeKind::Updated);
        simulation.make_all(&["s-2"], ChangeKind::Updated, |record| {
            record.direction = wholecall_record::call::Direction::Outbound;
        });
        simulation.make("s-3", ChangeKind::Updated);
        simulation.pass(2 * SECOND, SECOND / 4).await;
        simulation.until(|| simulation.posted_to("outbound").len() > second).await;
        let posted = simulation.posted_to("outbound");
        assert_eq!(posted.len(), second + 1);
        assert_eq!(
            (&posted[second].body["data"]["call"]["id"], posted[second].body["type"].as_str()),
            (&json!("s-2"), Some("call.updated"))
        );
    }
}
