//! Endpoints with filters, for calls that change.

use wholecall_record::call::Outcome::{Answered, Busy, Missed};

use super::*;

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_received_a_call_receives_its_later_versions_although_they_fail_the_filter() {
    let settings = json!({ "filter": { "result": "Missed" }, "events": ["call.completed", "call.revised"] });
    let mut simulation = Simulation::start(&["missed"], &settings, |_, _| status(200));
    let mut expected = 0;
    let changes = [
        ("s-1", ChangeKind::Completed, Missed, true),
        ("s-2", ChangeKind::Completed, Answered, false),
        ("s-1", ChangeKind::Revised, Answered, true),
        ("s-2", ChangeKind::Revised, Busy, false),
        ("s-2", ChangeKind::Revised, Missed, true),
        ("s-1", ChangeKind::Revised, Busy, true),
    ];
    for (call, kind, result, is_delivered) in changes {
        simulation.publish_all(&[call], kind, |record| record.result = result);
        expected += usize::from(is_delivered);
        simulation.until(|| simulation.posted_to("missed").len() >= expected).await;
        simulation.pass(2 * SECOND, SECOND / 4).await;
    }
    let ids: Vec<String> = simulation.posted_to("missed").into_iter().map(|posted| posted.id).collect();
    assert_eq!(ids, [1, 3, 5, 6].map(|change| simulation.id(change)));
}

#[tokio::test(start_paused = true)]
async fn live_versions_are_filtered() {
    let settings = json!({ "filter": { "direction": "Outbound" }, "events": ["call.updated"] });
    let mut simulation = Simulation::start(&["outbound"], &settings, |_, _| status(200));
    for second in 0..4 {
        simulation.publish("s-1", ChangeKind::Updated);
        simulation.publish_all(&["s-2"], ChangeKind::Updated, |record| {
            record.direction = wholecall_record::call::Direction::Outbound;
        });
        simulation.publish("s-3", ChangeKind::Updated);
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
