//! What is at hand for an endpoint when somebody is erased, or when it is over its time.

use wholecall_store::Expiry;

use super::*;
use crate::{deliver::window::MAX_REQUESTS, erase};

fn erase_number(
    store: &wholecall_store::Store,
    tenant: wholecall_store::TenantId,
) -> Result<wholecall_store::Erasure, wholecall_store::StoreError> {
    let found = erase::find(&store.of(tenant), NUMBER)?;
    erase::erase(store, tenant, NUMBER, found, &[1; 32])
}

/// Who takes part in all calls of these tests.
const NUMBER: &str = "+17705550132";

const CALLS: i64 = 150;

/// An endpoint that is down until then: of the calls, some are on their way to it for the first second, and others wait
/// in memory until it is back.
async fn down_until(back: Duration) -> Simulation {
    let answer = move |_: &str, at| Answer {
        status: Some(if at < back { 500 } else { 200 }),
        text: Some(format!("no, {NUMBER} is not here")),
        after: SECOND,
    };
    let mut simulation = Simulation::start(&["down"], &json!({}), answer);
    let names: Vec<String> = (0..CALLS).map(|call| format!("s-{call}")).collect();
    let calls: Vec<&str> = names.iter().map(String::as_str).collect();
    simulation.make_all(&calls, ChangeKind::Completed, |_| ());
    // As many as may be on their way at once.
    simulation.until(|| simulation.posted_to("down").len() >= MAX_REQUESTS).await;
    assert_eq!(simulation.posted_to("down").len(), MAX_REQUESTS);
    simulation
}

/// Who was erased is in nothing that is sent or kept from then on.
#[tokio::test(start_paused = true)]
async fn whoever_is_erased_is_not_told_of_later() {
    let simulation = down_until(30 * SECOND).await;
    simulation.pass(5 * SECOND, SECOND / 4).await;
    let (store, tenant) = (simulation.store.clone(), simulation.view.tenant());
    let erasure = apart(|| erase_number(&store, tenant)).unwrap();
    assert_eq!(erasure.calls, CALLS as u64);
    let before = simulation.posted_to("down").len();
    simulation.pass(60 * SECOND, SECOND / 10).await;
    let taken = || simulation.posted_to("down").iter().filter(|one| one.status == Some(200)).count();
    simulation.until(|| taken() > CALLS as usize).await;
    let later = simulation.posted_to("down").split_off(before);
    assert!(later.iter().all(|posted| !posted.body.to_string().contains(NUMBER)));
    assert!(later.iter().any(|posted| posted.body.to_string().contains(&erasure.pseudonym)));
    let is_erasure = |posted: &&Posted| posted.body["type"] == "call.erased";
    let taken = later.iter().filter(|posted| posted.status == Some(200));
    let (erased, taken): (Vec<&Posted>, Vec<&Posted>) = taken.partition(is_erasure);
    let taken: std::collections::BTreeSet<&String> = taken.iter().map(|posted| &posted.id).collect();
    assert_eq!(taken.len(), CALLS as usize, "each is told, with the pseudonym");
    // Though it has asked for other types only.
    let listed = erased[0].body["data"]["calls"].as_array().unwrap();
    assert_eq!((erased.len(), listed.len()), (1, CALLS as usize));
}

/// An answer that was on its way while somebody was erased may name the person: it is not kept.
#[tokio::test(start_paused = true)]
async fn what_is_answered_to_what_was_sent_before_is_not_kept() {
    let answer = |host: &str, _| Answer {
        text: Some(format!("thanks for {NUMBER}")),
        after: if host == "slow" { 10 * SECOND } else { Duration::ZERO },
        ..status(200)
    };
    let mut simulation = Simulation::start(&["slow", "fast"], &json!({}), answer);
    simulation.make("s-1", ChangeKind::Completed);
    let answers = |simulation: &Simulation| -> Vec<Option<String>> {
        let told = simulation.view.deliveries_of_call("s-1").unwrap();
        told.into_iter().flat_map(|one| one.attempts).map(|attempt| attempt.answer).collect()
    };
    simulation
        .until(|| simulation.posted.lock().unwrap().len() == 2 && !answers(&simulation).is_empty())
        .await;
    assert_eq!(answers(&simulation), [Some(format!("thanks for {NUMBER}"))], "one has answered");
    let (store, tenant) = (simulation.store.clone(), simulation.view.tenant());
    apart(|| erase_number(&store, tenant)).unwrap();
    simulation.pass(10 * SECOND, SECOND / 2).await;
    simulation.until(|| answers(&simulation).len() == 2).await;
    assert_eq!(answers(&simulation), [None, None]);
    // What is sent from now on is answered without that person.
    simulation.make_all(&["s-2"], ChangeKind::Completed, |_| ());
    simulation.pass(15 * SECOND, SECOND / 2).await;
    let kept = || simulation.view.deliveries_of_call("s-2").unwrap();
    simulation.until(|| kept().len() == 2).await;
    let kept = kept();
    assert!(kept.iter().all(|one| one.attempts[0].answer.is_some()));
}

/// What was removed is neither sent nor kept, and does not stop what is.
#[tokio::test(start_paused = true)]
async fn what_is_over_its_time_is_not_told_any_more() {
    let mut simulation = down_until(30 * SECOND).await;
    let (store, tenant) = (simulation.store.clone(), simulation.view.tenant());
    let expiry = Expiry { tenant, before_ms: i64::MAX, quiet_since_ms: i64::MAX };
    let removed = apart(|| store.remove_calls(expiry, 1_000)).unwrap();
    assert_eq!(removed, CALLS as usize);
    apart(|| store.announce(tenant, MIDNIGHT)).unwrap();
    // The event that lists them.
    simulation.made += 1;
    let before = simulation.posted_to("down").len();
    simulation.pass(30 * SECOND, SECOND / 2).await;
    simulation.make("s-new", ChangeKind::Completed);
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
