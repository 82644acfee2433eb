//! Hours and days of an endpoint, in simulated time: the clock and the receiver are handed in, the store is real.

use std::sync::{Arc, Mutex};

use tokio::time::{Duration, Instant, advance};
use wholecall_record::Call;
use wholecall_store::{
    Assembled, ChangeKind, EndpointSettings, Made, NewEndpoint, Position, Store, TenantView, VersionKind,
};

use super::super::{Context, EndpointSecret, Post, SecretKey, sealed_for_tests, sender::Outcome, start};
use crate::{admin, metrics::Metrics, tenants::Tenants};

const MIDNIGHT: i64 = 1_780_272_000_000;
const HOUR_S: u64 = 3_600;

/// What was posted: when, in seconds, to whom, and of which event.
type Seen = Arc<Mutex<Vec<(u64, String, String)>>>;

/// The store blocks, which it may not where others wait.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

struct Simulation {
    view: TenantView,
    store: Store,
    seen: Seen,
    tenants: Arc<Tenants>,
    made: i64,
    _stop: tokio::sync::watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Simulation {
    /// With endpoints at some hosts, and what each answers by the second.
    fn start(hosts: &[&str], answer: impl Fn(&str, u64) -> u16 + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        apart(|| admin::add_tenant(&store, "acme", &["1".to_owned()], None)).unwrap();
        let view = store.of(admin::find(&store, "acme").unwrap().id);
        let key = SecretKey::of_folder(folder.path()).unwrap();
        for host in hosts {
            let settings: EndpointSettings = serde_json::from_value(serde_json::json!({
                "url": format!("http://{host}/"), "events": ["call.started", "call.completed"],
            }))
            .unwrap();
            let secret = EndpointSecret::generate(settings.signing).unwrap();
            let sealed = sealed_for_tests(secret).seal(&key, host).unwrap();
            let new = NewEndpoint { id: (*host).to_owned(), created_ms: MIDNIGHT, settings, sealed };
            apart(|| view.add_endpoint(new)).unwrap();
        }
        let tenants = Arc::new(Tenants::open(store.clone()).unwrap());
        let (seen, started) = (Seen::default(), Instant::now());
        let told = seen.clone();
        let post = move |post: Post| -> super::super::Posted {
            let (second, host) = (started.elapsed().as_secs(), post.url.host().unwrap().to_owned());
            let id = post.headers["webhook-id"].to_str().unwrap().to_owned();
            let status = answer(&host, second);
            told.lock().unwrap().push((second, host, id));
            Box::pin(async move { Outcome { status: Some(status), ..Outcome::default() } })
        };
        let now_ms = move || MIDNIGHT + started.elapsed().as_millis() as i64;
        let context = Context {
            store: store.clone(),
            tenants: tenants.clone(),
            metrics: Metrics::new(),
            post: Box::new(post),
            now_ms: Box::new(now_ms),
        };
        let (stop, stopped) = tokio::sync::watch::channel(false);
        start(context, key, stopped);
        Self { view, store, seen, tenants, made: 0, _stop: stop, _folder: folder }
    }

    /// A version of a call is made.
    fn make(&mut self, call: &str, kind: ChangeKind) {
        self.made += 1;
        let mut record: Call = serde_json::from_str(include_str!("call.json")).unwrap();
        record.id = serde_json::from_value(serde_json::json!(call)).unwrap();
        record.version = self.made as u64;
        let made = Made {
            tenant: self.view.tenant(),
            at_ms: MIDNIGHT,
            position: Position(self.made),
            what: VersionKind::Version { kind, call: Box::new(record) },
        };
        let assembled = Assembled { checkpoint: Position(self.made), made: vec![made] };
        apart(|| self.store.commit(assembled)).unwrap();
    }

    /// Lets time pass, in small steps, each of which others may use.
    async fn pass(&self, seconds: u64, step: u64) {
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until {
            advance(Duration::from_secs(step)).await;
            // The store answers on threads of its own, in real time.
            std::thread::sleep(std::time::Duration::from_micros(1_500));
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn seen_at(&self, host: &str) -> Vec<(u64, String)> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(_, other, _)| other == host).map(|(at, _, id)| (*at, id.clone())).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_was_down_for_an_hour_gets_everything_soon_after_its_return() {
    let mut simulation =
        Simulation::start(&["down", "up"], |host, at| if host == "down" && at < HOUR_S { 500 } else { 200 });
    for minute in 0..60 {
        simulation.make(&format!("s-{minute}"), ChangeKind::Started);
        simulation.make(&format!("s-{minute}"), ChangeKind::Completed);
        simulation.pass(60, 5).await;
    }
    assert_eq!(simulation.seen_at("up").len(), 120, "one is not held up by the other");
    simulation.pass(60, 1).await;
    let after: Vec<(u64, String)> =
        simulation.seen_at("down").into_iter().filter(|(at, _)| *at >= HOUR_S).collect();
    assert!(after[0].0 <= HOUR_S + 36, "the first is delivered {} s after its return", after[0].0 - HOUR_S);
    let ids: std::collections::BTreeSet<&String> = after.iter().map(|(_, id)| id).collect();
    assert_eq!((ids.len(), after.len()), (120, 120), "each once, and none is missing");
    for call in 0..60 {
        let place = |event: i64| after.iter().position(|(_, id)| *id == format!("msg_{event}")).unwrap();
        assert!(place(2 * call + 1) < place(2 * call + 2), "call {call}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_for_five_days_is_disabled_and_the_others_are_told() {
    let mut simulation =
        Simulation::start(&["dead", "alive"], |host, _| if host == "dead" { 500 } else { 200 });
    simulation.make("s-1", ChangeKind::Completed);
    for _ in 0..121 {
        simulation.pass(HOUR_S, 900).await;
        simulation.make("s-2", ChangeKind::Started);
        simulation.tenants.refresh().unwrap();
    }
    simulation.pass(2 * HOUR_S, 30).await;
    let dead = simulation.view.endpoint("dead").unwrap().unwrap();
    let tried = simulation.seen_at("dead");
    let failing = wholecall_store::Disabled::Failing;
    assert_eq!(dead.disabled, Some(failing), "{:?} of {}", tried.last(), tried.len());
    let alive = simulation.seen_at("alive");
    assert!(alive.iter().any(|(at, id)| id.starts_with("msg_n") && *at >= 5 * 24 * HOUR_S), "{alive:?}");
    let first = simulation.view.deliveries_of_call("s-1").unwrap();
    let exhausted = first.iter().find(|one| one.endpoint == "dead").unwrap();
    assert_eq!(exhausted.state, wholecall_store::DeliveryState::Exhausted);
    assert!(first.iter().any(|one| one.endpoint == "alive" && one.attempts.len() == 1));
}
