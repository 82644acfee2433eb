//! Several events in one request.

use std::collections::{BTreeMap, HashSet};

use super::*;

/// The ids of the events in a batch.
fn events(posted: &Posted) -> Vec<String> {
    let events = posted.body["data"].as_array().unwrap();
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_is_retried_with_the_same_events_and_id() {
    let back = 40 * SECOND;
    let answer = move |_: &str, at| status(if at < back { 500 } else { 200 });
    let mut simulation = Simulation::start(&["many"], &json!({ "batch": 100 }), answer);
    let names: Vec<String> = (0..220).map(|number| format!("s-{number}")).collect();
    let calls: Vec<&str> = names.iter().map(String::as_str).collect();
    // A full batch, and two smaller ones that were sent apart although they would fit together.
    for some in [&calls[..100], &calls[100..160], &calls[160..]] {
        simulation.publish_all(some, ChangeKind::Started, |_| ());
        let before = simulation.posted_to("many").len();
        simulation.until(|| simulation.posted_to("many").len() > before).await;
    }
    simulation.publish_all(&calls[..20], ChangeKind::Completed, |_| ());
    simulation.pass(80 * SECOND, SECOND / 4).await;
    let count_accepted = || -> usize {
        let posted = simulation.posted_to("many");
        posted.iter().filter(|one| one.status == Some(200)).map(|one| events(one).len()).sum()
    };
    simulation.until(|| count_accepted() >= 240).await;
    let posted = simulation.posted_to("many");
    let mut batches: BTreeMap<&str, Vec<&Posted>> = BTreeMap::new();
    posted.iter().for_each(|one| batches.entry(&one.id).or_default().push(one));
    for tries in batches.values() {
        assert!(tries[0].id.starts_with("batch_"), "{}", tries[0].id);
        assert!(
            tries.iter().all(|one| one.body["data"] == tries[0].body["data"]),
            "the same id has the same events"
        );
        assert!(events(tries[0]).len() <= 100);
        // A request has at most one event of each call.
        let calls =
            tries[0].body["data"].as_array().unwrap().iter().map(|event| &event["data"]["call"]["id"]);
        let different: HashSet<String> = calls.map(|id| id.to_string()).collect();
        assert_eq!(different.len(), events(tries[0]).len());
    }
    // The batches that failed are delivered unchanged.
    let failed: HashSet<&str> =
        posted.iter().filter(|one| one.at < back).map(|one| one.id.as_str()).collect();
    assert_eq!(failed.len(), 3, "each batch has one id: {failed:?}");
    let accepted: Vec<&Posted> = posted.iter().filter(|one| one.status == Some(200)).collect();
    assert!(failed.iter().all(|id| accepted.iter().any(|one| one.id == *id)));
    let ids: Vec<String> = accepted.iter().flat_map(|one| events(one)).collect();
    assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len()), (240, 240), "each once");
    for call in 0..20 {
        let place = |event: i64| ids.iter().position(|id| *id == simulation.id(event)).unwrap();
        assert!(place(call + 1) < place(220 + call + 1), "call {call}");
    }
}
