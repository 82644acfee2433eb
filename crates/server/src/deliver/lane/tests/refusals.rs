//! Events that are refused for ever, and receivers that come back to many calls.

use super::*;

/// What happens after an outage, or after quiet minutes, is noticed so soon.
const WITHIN: Duration = Duration::from_secs(30);

/// A new call is made and taken by each of some hosts within half a minute: after how long by the last.
async fn healthy_call(simulation: &mut Simulation, hosts: &[&str], call: &str) -> Duration {
    simulation.make(call, ChangeKind::Completed);
    let (made, id) = (simulation.now(), simulation.id(simulation.made));
    loop {
        let taken: Option<Vec<Duration>> = hosts.iter().map(|host| simulation.taken(host, &id)).collect();
        if let Some(taken) = taken {
            return taken.into_iter().max().unwrap() - made;
        }
        assert!(simulation.now() - made < WITHIN, "{call} is held up");
        simulation.step(SECOND / 50).await;
    }
}

/// F3: one refused event, five quiet minutes, then healthy calls.
#[tokio::test(start_paused = true)]
async fn an_event_that_is_refused_for_ever_holds_up_no_other_call() {
    let hosts = ["500", "503", "413", "400", "none"];
    let answer = |host: &str, _: Duration, body: &Value| {
        let is_refused = body["data"]["call"]["id"] == "s-refused";
        Answer { status: if is_refused { host.parse().ok() } else { Some(200) }, ..Answer::default() }
    };
    let mut simulation = Simulation::start_with_bodies(&hosts, &json!({}), answer);
    simulation.make("s-refused", ChangeKind::Completed);
    simulation.pass(300 * SECOND, SECOND).await;
    for number in 0..3 {
        let after = healthy_call(&mut simulation, &hosts, &format!("s-{number}")).await;
        assert!(after < 5 * SECOND, "{after:?}");
        simulation.pass(300 * SECOND, SECOND).await;
    }
    for host in hosts {
        assert_eq!(simulation.view.endpoint(host).unwrap().unwrap().disabled, None);
        let tries = simulation.posted_to(host).len();
        assert!(tries < 50, "{host}: {tries} requests: what others overtake is not probed with for ever");
    }
}

/// So many that it looks as if the endpoint were down.
#[tokio::test(start_paused = true)]
async fn many_refused_events_hold_up_a_healthy_call_for_less_than_half_a_minute() {
    let answer = |_: &str, _: Duration, body: &Value| {
        let id = body["data"]["call"]["id"].as_str().unwrap();
        status(if id.starts_with("s-refused") { 500 } else { 200 })
    };
    let mut simulation = Simulation::start_with_bodies(&["picky"], &json!({}), answer);
    for number in 0..20 {
        simulation.make(&format!("s-refused-{number}"), ChangeKind::Completed);
    }
    simulation.pass(300 * SECOND, SECOND).await;
    for number in 0..5 {
        healthy_call(&mut simulation, &["picky"], &format!("s-{number}")).await;
        simulation.pass(200 * SECOND, SECOND).await;
    }
    let refused = simulation.view.deliveries_of_call("s-refused-0").unwrap();
    assert_eq!(refused[0].state, wholecall_store::DeliveryState::Pending, "it has its 75 hours");
}

/// Of a batch only the event at fault is left out.
#[tokio::test(start_paused = true)]
async fn a_refused_event_in_a_batch_is_parted_from_the_others() {
    let hosts = ["413", "500"];
    let answer = |host: &str, _: Duration, body: &Value| {
        let events = body["data"].as_array().unwrap();
        let is_refused = events.iter().any(|event| event["data"]["call"]["id"] == "s-33");
        Answer { status: if is_refused { host.parse().ok() } else { Some(200) }, ..Answer::default() }
    };
    let mut simulation = Simulation::start_with_bodies(&hosts, &json!({ "batch": 100 }), answer);
    let names: Vec<String> = (0..100).map(|number| format!("s-{number}")).collect();
    let calls: Vec<&str> = names.iter().map(String::as_str).collect();
    simulation.make_all(&calls, ChangeKind::Completed, |_| ());
    simulation.pass(60 * SECOND, SECOND / 4).await;
    for host in hosts {
        let posted = simulation.posted_to(host);
        let taken = posted.iter().filter(|one| one.status == Some(200));
        let taken: usize = taken.map(|one| one.body["data"].as_array().unwrap().len()).sum();
        assert_eq!(taken, 99, "{host}");
        assert!(posted.len() < 40, "{host}: {} requests", posted.len());
    }
}

/// A receiver with room for so many requests at once, each of which takes it 100 ms.
struct Busy {
    room: usize,
    until: Mutex<Vec<Duration>>,
}

impl Busy {
    fn answer(&self, at: Duration, refusal: Option<u16>) -> Answer {
        let mut until = self.until.lock().unwrap();
        until.retain(|end| *end > at);
        if until.len() >= self.room {
            return Answer { status: refusal, ..Answer::default() };
        }
        let after = Duration::from_millis(100);
        until.push(at + after);
        Answer { status: Some(200), after, ..Answer::default() }
    }
}

/// F4: 600 calls wait for a receiver that was away for a minute and a half. How long after its return all are taken, how
/// many requests it refused, and how long after the first success all are taken.
async fn returning(room: usize, refusal: Option<u16>) -> (Duration, usize, Duration) {
    let back = 90 * SECOND;
    let busy = Busy { room, until: Mutex::default() };
    let answer = move |_: &str, at: Duration| match at < back {
        true => Answer { status: refusal, ..Answer::default() },
        false => busy.answer(at, refusal),
    };
    let mut simulation = Simulation::start(&["back"], &json!({}), answer);
    let names: Vec<String> = (0..600).map(|number| format!("s-{number}")).collect();
    let calls: Vec<&str> = names.iter().map(String::as_str).collect();
    for some in calls.chunks(100) {
        simulation.make_all(some, ChangeKind::Completed, |_| ());
        simulation.pass(10 * SECOND, SECOND / 4).await;
    }
    while simulation.count_taken("back") == 0 {
        assert!(simulation.now() < back + WITHIN, "its return is not noticed");
        simulation.step(SECOND / 20).await;
    }
    while simulation.count_taken("back") < 600 {
        assert!(simulation.now() < back + WITHIN, "{} of 600 are taken", simulation.count_taken("back"));
        // The store needs real time.
        simulation.step(Duration::from_millis(if room < 100 { 4 } else { 1 })).await;
    }
    simulation.pass(30 * SECOND, SECOND).await;
    let posted = simulation.posted_to("back");
    let taken: Vec<&Posted> = posted.iter().filter(|one| one.status == Some(200)).collect();
    let ids: std::collections::BTreeSet<&String> = taken.iter().map(|one| &one.id).collect();
    assert_eq!((taken.len(), ids.len()), (600, 600), "each once");
    let refused = posted.iter().filter(|one| one.at >= back && one.status != Some(200)).count();
    let (first, last) = (taken.first().unwrap().at, taken.last().unwrap().at);
    (last - back, refused, last - first)
}

#[tokio::test(start_paused = true)]
async fn a_receiver_with_little_room_is_not_drowned_when_it_returns() {
    for refusal in [Some(500), None] {
        let (after, refused, _) = returning(20, refusal).await;
        assert!(after < WITHIN && refused < 60, "{refusal:?}: {refused} refused, all taken after {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_with_room_has_everything_soon_after_its_return() {
    let (_, refused, took) = returning(200, Some(503)).await;
    assert!(took < 2 * SECOND && refused == 0, "{refused} refused, it took {took:?}");
}
