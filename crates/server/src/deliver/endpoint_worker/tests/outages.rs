//! Endpoints that are down for an hour or for days.

use std::collections::BTreeSet;

use super::*;

/// Maximum time from the end of an outage to the next delivery.
const MAX_DETECTION_TIME: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_was_down_for_an_hour_receives_every_event_soon_after_its_return() {
    // They return at different times after the last probe. Some refuse requests at once, others do not answer.
    let hosts: Vec<String> = (0..10).map(|number| format!("down-{number}")).collect();
    let returns = |host: &str| {
        let number: u32 = host.strip_prefix("down-")?.parse().unwrap();
        Some(HOUR + 3 * number * SECOND)
    };
    let answer = move |host: &str, at: Duration| match returns(host) {
        Some(returns) if at < returns && host.ends_with(['1', '4', '7']) => {
            Answer { after: 15 * SECOND, ..Answer::default() }
        }
        Some(returns) if at < returns => status(500),
        _ => status(200),
    };
    let all: Vec<&str> = hosts.iter().map(String::as_str).chain(["up"]).collect();
    let mut simulation = Simulation::start(&all, &json!({}), answer);
    for minute in 0..60 {
        simulation.publish(&format!("s-{minute}"), ChangeKind::Started);
        simulation.publish(&format!("s-{minute}"), ChangeKind::Completed);
        simulation.pass(60 * SECOND, 5 * SECOND).await;
    }
    simulation.until(|| simulation.posted_to("up").len() >= 120).await;
    assert_eq!(simulation.posted_to("up").len(), 120, "endpoints that are down do not delay it");
    simulation.pass(65 * SECOND, SECOND / 4).await;
    for host in &hosts {
        let returned = returns(host).unwrap();
        let posted_after = || {
            let mut posted = simulation.posted_to(host);
            posted.retain(|posted| posted.at >= returned);
            posted
        };
        simulation.until(|| posted_after().len() >= 120).await;
        let after = posted_after();
        let first = after.first().map(|first| first.at - returned);
        assert!(first.is_some_and(|first| first <= MAX_DETECTION_TIME), "{host}: {first:?} after its return");
        let ids: BTreeSet<&String> = after.iter().map(|posted| &posted.id).collect();
        assert_eq!((ids.len(), after.len()), (120, 120), "{host}: each event once");
        for call in 0..60 {
            let place =
                |event: i64| after.iter().position(|posted| posted.id == simulation.id(event)).unwrap();
            assert!(place(2 * call + 1) < place(2 * call + 2), "{host}: call {call}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_for_five_days_is_disabled_and_others_are_notified() {
    let answer = |host: &str, _: Duration| status(if host == "dead" { 500 } else { 200 });
    let mut simulation = Simulation::start(&["dead", "alive"], &json!({}), answer);
    simulation.publish("s-1", ChangeKind::Completed);
    for _ in 0..121 {
        simulation.pass(HOUR, HOUR / 4).await;
        simulation.publish("s-2", ChangeKind::Started);
        simulation.tenants.refresh().unwrap();
    }
    simulation.pass(2 * HOUR, 30 * SECOND).await;
    let dead = simulation.view.endpoint("dead").unwrap().unwrap();
    let tried = simulation.posted_to("dead");
    let failing = wholecall_store::DisabledReason::Failing;
    assert_eq!(dead.disabled, Some(failing), "{:?} of {}", tried.last(), tried.len());
    let alive = simulation.posted_to("alive");
    assert!(
        alive.iter().any(|posted| posted.body["type"] == "endpoint.disabled" && posted.at >= 120 * HOUR),
        "{alive:?}"
    );
    let first = simulation.view.deliveries_of_call("s-1").unwrap();
    let exhausted = first.iter().find(|one| one.endpoint == "dead").unwrap();
    assert_eq!(exhausted.state, wholecall_store::DeliveryState::Exhausted);
    assert!(first.iter().any(|one| one.endpoint == "alive" && one.attempts.len() == 1));
}
