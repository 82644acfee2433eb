//! Events in memory while a person is erased, or while retention removes their calls.

use wholecall_store::Expiry;

use super::*;
use crate::{deliver::request_window::MAX_REQUESTS, privacy::erasure};

fn erase_number(
    store: &wholecall_store::Store,
    tenant: wholecall_store::TenantId,
) -> Result<wholecall_store::Erasure, wholecall_store::StoreError> {
    let found = erasure::find(&store.of(tenant), NUMBER)?;
    erasure::erase(store, tenant, NUMBER, found, &[1; 32])
}

/// The number of a participant of all calls of these tests.
const NUMBER: &str = "+17705550132";

const CALLS: i64 = 150;

/// An endpoint that is down until `back`: in the first second some events are in flight, and others wait in memory.
async fn down_until(back: Duration) -> Simulation {
    let answer = move |_: &str, at| Answer {
        status: Some(if at < back { 500 } else { 200 }),
        text: Some(format!("no, {NUMBER} is not here")),
        after: SECOND,
    };
    let mut simulation = Simulation::start(&["down"], &json!({}), answer);
    let names: Vec<String> = (0..CALLS).map(|call| format!("s-{call}")).collect();
    let calls: Vec<&str> = names.iter().map(String::as_str).collect();
    simulation.publish_all(&calls, ChangeKind::Completed, |_| ());
    // The maximum number of requests in flight.
    simulation.until(|| simulation.posted_to("down").len() >= MAX_REQUESTS).await;
    assert_eq!(simulation.posted_to("down").len(), MAX_REQUESTS);
    simulation
}

/// No later request or stored answer contains the erased person.
#[tokio::test(start_paused = true)]
async fn an_erased_number_is_in_no_later_request() {
    let simulation = down_until(30 * SECOND).await;
    simulation.pass(5 * SECOND, SECOND / 4).await;
    let (store, tenant) = (simulation.store.clone(), simulation.view.tenant());
    let erasure = on_thread(|| erase_number(&store, tenant)).unwrap();
    assert_eq!(erasure.calls, CALLS as u64);
    let before = simulation.posted_to("down").len();
    simulation.pass(60 * SECOND, SECOND / 10).await;
    let count_accepted = || simulation.posted_to("down").iter().filter(|one| one.status == Some(200)).count();
    simulation.until(|| count_accepted() > CALLS as usize).await;
    let later = simulation.posted_to("down").split_off(before);
    assert!(later.iter().all(|posted| !posted.body.to_string().contains(NUMBER)));
    assert!(later.iter().any(|posted| posted.body.to_string().contains(&erasure.pseudonym)));
    let is_erasure = |posted: &&Posted| posted.body["type"] == "call.erased";
    let accepted = later.iter().filter(|posted| posted.status == Some(200));
    let (erased, accepted): (Vec<&Posted>, Vec<&Posted>) = accepted.partition(is_erasure);
    let accepted: std::collections::BTreeSet<&String> = accepted.iter().map(|posted| &posted.id).collect();
    assert_eq!(accepted.len(), CALLS as usize, "each is delivered, with the pseudonym");
    // Although the endpoint subscribes to other types only.
    let listed = erased[0].body["data"]["calls"].as_array().unwrap();
    assert_eq!((erased.len(), listed.len()), (1, CALLS as usize));
}

/// An answer to a request that was in flight during an erasure may name the person.
#[tokio::test(start_paused = true)]
async fn an_answer_to_a_request_sent_before_an_erasure_is_not_stored() {
    let answer = |host: &str, _| Answer {
        text: Some(format!("thanks for {NUMBER}")),
        after: if host == "slow" { 10 * SECOND } else { Duration::ZERO },
        ..status(200)
    };
    let mut simulation = Simulation::start(&["slow", "fast"], &json!({}), answer);
    simulation.publish("s-1", ChangeKind::Completed);
    let answers = |simulation: &Simulation| -> Vec<Option<String>> {
        let deliveries = simulation.view.deliveries_of_call("s-1").unwrap();
        deliveries.into_iter().flat_map(|one| one.attempts).map(|attempt| attempt.answer).collect()
    };
    simulation
        .until(|| simulation.posted.lock().unwrap().len() == 2 && !answers(&simulation).is_empty())
        .await;
    assert_eq!(answers(&simulation), [Some(format!("thanks for {NUMBER}"))], "one has answered");
    let (store, tenant) = (simulation.store.clone(), simulation.view.tenant());
    on_thread(|| erase_number(&store, tenant)).unwrap();
    simulation.pass(10 * SECOND, SECOND / 2).await;
    simulation.until(|| answers(&simulation).len() == 2).await;
    assert_eq!(answers(&simulation), [None, None]);
    // Answers to later requests are stored.
    simulation.publish_all(&["s-2"], ChangeKind::Completed, |_| ());
    simulation.pass(15 * SECOND, SECOND / 2).await;
    let deliveries = || simulation.view.deliveries_of_call("s-2").unwrap();
    simulation.until(|| deliveries().len() == 2).await;
    let deliveries = deliveries();
    assert!(deliveries.iter().all(|one| one.attempts[0].answer.is_some()));
}

/// Events of removed calls are neither sent nor stored, and later events are delivered.
#[tokio::test(start_paused = true)]
async fn events_of_calls_removed_by_retention_are_not_sent() {
    let mut simulation = down_until(30 * SECOND).await;
    let (store, tenant) = (simulation.store.clone(), simulation.view.tenant());
    let expiry = Expiry { tenant, before_ms: i64::MAX, quiet_since_ms: i64::MAX };
    let removed = on_thread(|| store.remove_calls(expiry, 1_000)).unwrap();
    assert_eq!(removed, CALLS as usize);
    on_thread(|| store.announce(tenant, MIDNIGHT)).unwrap();
    // The event that lists the removed calls.
    simulation.changes += 1;
    let before = simulation.posted_to("down").len();
    simulation.pass(30 * SECOND, SECOND / 2).await;
    simulation.publish("s-new", ChangeKind::Completed);
    simulation.pass(40 * SECOND, SECOND / 2).await;
    simulation.until(|| simulation.posted_to("down").len() > before).await;
    simulation
        .until(|| simulation.posted_to("down").iter().any(|one| one.id == simulation.id(CALLS + 2)))
        .await;
    let later = simulation.posted_to("down").split_off(before);
    let types: std::collections::BTreeSet<&str> =
        later.iter().map(|posted| posted.body["type"].as_str().unwrap()).collect();
    assert_eq!(types.into_iter().collect::<Vec<_>>(), ["call.completed", "call.deleted"]);
    for posted in later {
        let expected = if posted.body["type"] == "call.deleted" { CALLS + 1 } else { CALLS + 2 };
        assert_eq!(posted.id, simulation.id(expected));
    }
    for call in 0..CALLS {
        assert!(simulation.view.deliveries_of_call(&format!("s-{call}")).unwrap().is_empty());
    }
}
