//! Events that are always refused, and receivers that return to many pending events.

use super::*;

/// Maximum delay of a delivery after an outage, or after minutes without events.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// Publishes a new call, which each host has to accept within half a minute. Returns the time until the last one did.
async fn healthy_call(simulation: &mut Simulation, hosts: &[&str], call: &str) -> Duration {
    simulation.publish(call, ChangeKind::Completed);
    let (published, id) = (simulation.now(), simulation.id(simulation.changes));
    loop {
        let accepted: Option<Vec<Duration>> =
            hosts.iter().map(|host| simulation.accepted_at(host, &id)).collect();
        if let Some(accepted) = accepted {
            return accepted.into_iter().max().unwrap() - published;
        }
        assert!(simulation.now() - published < MAX_DELAY, "{call} is delayed");
        simulation.step(SECOND / 50).await;
    }
}

/// One refused event, five minutes without events, then events that are accepted.
#[tokio::test(start_paused = true)]
async fn an_event_that_is_always_refused_delays_no_other_call() {
    let hosts = ["500", "503", "413", "400", "none"];
    let answer = |host: &str, _: Duration, body: &Value| {
        let is_refused = body["data"]["call"]["id"] == "s-refused";
        Answer { status: if is_refused { host.parse().ok() } else { Some(200) }, ..Answer::default() }
    };
    let mut simulation = Simulation::start_with_bodies(&hosts, &json!({}), answer);
    simulation.publish("s-refused", ChangeKind::Completed);
    simulation.pass(300 * SECOND, SECOND).await;
    for number in 0..3 {
        let after = healthy_call(&mut simulation, &hosts, &format!("s-{number}")).await;
        assert!(after < 5 * SECOND, "{after:?}");
        simulation.pass(300 * SECOND, SECOND).await;
    }
    for host in hosts {
        assert_eq!(simulation.view.endpoint(host).unwrap().unwrap().disabled, None);
        let tries = simulation.posted_to(host).len();
        assert!(
            tries < 50,
            "{host}: {tries} requests: an event that others overtake is not always used for probes"
        );
    }
}

/// Enough refusals for the endpoint to appear down.
#[tokio::test(start_paused = true)]
async fn many_refused_events_delay_other_calls_for_less_than_half_a_minute() {
    let answer = |_: &str, _: Duration, body: &Value| {
        let id = body["data"]["call"]["id"].as_str().unwrap();
        status(if id.starts_with("s-refused") { 500 } else { 200 })
    };
    let mut simulation = Simulation::start_with_bodies(&["picky"], &json!({}), answer);
    for number in 0..20 {
        simulation.publish(&format!("s-refused-{number}"), ChangeKind::Completed);
    }
    simulation.pass(300 * SECOND, SECOND).await;
    for number in 0..5 {
        healthy_call(&mut simulation, &["picky"], &format!("s-{number}")).await;
        simulation.pass(200 * SECOND, SECOND).await;
    }
    let refused = simulation.view.deliveries_of_call("s-refused-0").unwrap();
    assert_eq!(refused[0].state, wholecall_store::DeliveryState::Pending, "it is retried for 75 hours");
}

/// Only the event at fault is not delivered.
#[tokio::test(start_paused = true)]
async fn a_refused_event_in_a_batch_is_separated_from_the_others() {
    let hosts = ["413", "500"];
    let answer = |host: &str, _: Duration, body: &Value| {
        let events = body["data"].as_array().unwrap();
        let is_refused = events.iter().any(|event| event["data"]["call"]["id"] == "s-33");
        Answer { status: if is_refused { host.parse().ok() } else { Some(200) }, ..Answer::default() }
    };
    let mut simulation = Simulation::start_with_bodies(&hosts, &json!({ "batch": 100 }), answer);
    let names: Vec<String> = (0..100).map(|number| format!("s-{number}")).collect();
    let calls: Vec<&str> = names.iter().map(String::as_str).collect();
    simulation.publish_all(&calls, ChangeKind::Completed, |_| ());
    simulation.pass(60 * SECOND, SECOND / 4).await;
    for host in hosts {
        let posted = simulation.posted_to(host);
        let accepted = posted.iter().filter(|one| one.status == Some(200));
        let accepted: usize = accepted.map(|one| one.body["data"].as_array().unwrap().len()).sum();
        assert_eq!(accepted, 99, "{host}");
        assert!(posted.len() < 40, "{host}: {} requests", posted.len());
    }
}

/// A receiver that accepts a limited number of requests at once, each of which takes 100 ms.
struct BusyReceiver {
    capacity: usize,
    until: Mutex<Vec<Duration>>,
}

impl BusyReceiver {
    fn answer(&self, at: Duration, refusal: Option<u16>) -> Answer {
        let mut until = self.until.lock().unwrap();
        until.retain(|end| *end > at);
        if until.len() >= self.capacity {
            return Answer { status: refusal, ..Answer::default() };
        }
        let after = Duration::from_millis(100);
        until.push(at + after);
        Answer { status: Some(200), after, ..Answer::default() }
    }
}

/// 600 events are pending for a receiver that was down for a minute and a half. Returns the time from its return until all
/// are accepted, the number of requests that it refused since, and the time from the first success until all are accepted.
async fn returning(capacity: usize, refusal: Option<u16>) -> (Duration, usize, Duration) {
    let back = 90 * SECOND;
    let busy = BusyReceiver { capacity, until: Mutex::default() };
    let answer = move |_: &str, at: Duration| match at < back {
        true => Answer { status: refusal, ..Answer::default() },
        false => busy.answer(at, refusal),
    };
    let mut simulation = Simulation::start(&["back"], &json!({}), answer);
    let names: Vec<String> = (0..600).map(|number| format!("s-{number}")).collect();
    let calls: Vec<&str> = names.iter().map(String::as_str).collect();
    for some in calls.chunks(100) {
        simulation.publish_all(some, ChangeKind::Completed, |_| ());
        simulation.pass(10 * SECOND, SECOND / 4).await;
    }
    while simulation.count_accepted("back") == 0 {
        assert!(simulation.now() < back + MAX_DELAY, "its return is not detected");
        simulation.step(SECOND / 20).await;
    }
    while simulation.count_accepted("back") < 600 {
        assert!(
            simulation.now() < back + MAX_DELAY,
            "{} of 600 are accepted",
            simulation.count_accepted("back")
        );
        // The store works in real time.
        simulation.step(Duration::from_millis(if capacity < 100 { 4 } else { 1 })).await;
    }
    simulation.pass(30 * SECOND, SECOND).await;
    let posted = simulation.posted_to("back");
    let accepted: Vec<&Posted> = posted.iter().filter(|one| one.status == Some(200)).collect();
    let ids: std::collections::BTreeSet<&String> = accepted.iter().map(|one| &one.id).collect();
    assert_eq!((accepted.len(), ids.len()), (600, 600), "each once");
    let refused = posted.iter().filter(|one| one.at >= back && one.status != Some(200)).count();
    let (first, last) = (accepted.first().unwrap().at, accepted.last().unwrap().at);
    (last - back, refused, last - first)
}

#[tokio::test(start_paused = true)]
async fn a_receiver_with_little_capacity_is_not_overloaded_when_it_returns() {
    for refusal in [Some(500), None] {
        let (after, refused, _) = returning(20, refusal).await;
        assert!(
            after < MAX_DELAY && refused < 60,
            "{refusal:?}: {refused} refused, all accepted after {after:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_with_capacity_receives_every_event_soon_after_its_return() {
    let (_, refused, took) = returning(200, Some(503)).await;
    assert!(took < 2 * SECOND && refused == 0, "{refused} refused, it took {took:?}");
}
