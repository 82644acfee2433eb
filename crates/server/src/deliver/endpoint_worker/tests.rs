//! Hours and days of deliveries in simulated time: the clock and the receivers are simulated, the store is real.

mod batches;
mod clocks;
mod filters;
mod outages;
mod payloads;
mod refusals;
mod rewriting;

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::time::{Duration, Instant, advance};
use wholecall_record::Call;
use wholecall_store::{
    ChangeContent, ChangeKind, CommitBatch, EventId, NewChange, NewEndpoint, Position, Store, TenantView,
};

use super::super::{
    Context, EndpointSecret, SecretSettings,
    context::PostResult,
    sender::{Outcome, Post},
    start,
};
use crate::{
    admin,
    clock::{Clock, Reading},
    metrics::Metrics,
    security::SecretKey,
    tenants::Tenants,
};

const MIDNIGHT: i64 = 1_780_272_000_000;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// A request that a receiver got.
#[derive(Debug, Clone)]
struct Posted {
    at: Duration,
    host: String,
    id: String,
    body: Value,
    status: Option<u16>,
}

/// The answer of a receiver, and the time that it takes.
#[derive(Debug, Clone, Default)]
struct Answer {
    status: Option<u16>,
    text: Option<String>,
    after: Duration,
}

fn status(status: u16) -> Answer {
    Answer { status: Some(status), ..Answer::default() }
}

/// Runs a blocking call of the store on a thread of its own, outside the paused runtime.
fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

struct Simulation {
    view: TenantView,
    store: Store,
    posted: Arc<Mutex<Vec<Posted>>>,
    tenants: Arc<Tenants>,
    /// Number of changes that were published.
    changes: i64,
    started: Instant,
    _stop: tokio::sync::watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Simulation {
    /// Starts with an endpoint for each host, with these settings, and the answers of the hosts at a time.
    fn start(
        hosts: &[&str],
        settings: &Value,
        answer: impl Fn(&str, Duration) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start_with_bodies(hosts, settings, move |host, at, _| answer(host, at))
    }

    /// The same, with a wall clock that is ahead by a number of milliseconds at a time.
    fn start_with_clock(
        hosts: &[&str],
        settings: &Value,
        answer: impl Fn(&str, Duration) -> Answer + Send + Sync + 'static,
        ahead_by_ms: impl Fn(Duration) -> i64 + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(hosts, settings, move |host, at, _| answer(host, at), ahead_by_ms)
    }

    /// The same, with answers that depend on the body.
    fn start_with_bodies(
        hosts: &[&str],
        settings: &Value,
        answer: impl Fn(&str, Duration, &Value) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(hosts, settings, answer, |_| 0)
    }

    fn start_with(
        hosts: &[&str],
        settings: &Value,
        answer: impl Fn(&str, Duration, &Value) -> Answer + Send + Sync + 'static,
        ahead_by_ms: impl Fn(Duration) -> i64 + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        on_thread(|| admin::add_tenant(&store, "acme", &["1".to_owned()], None)).unwrap();
        let view = store.of(admin::find(&store, "acme").unwrap().id);
        let key = SecretKey::of_folder(folder.path()).unwrap();
        for host in hosts {
            let mut all =
                json!({ "url": format!("http://{host}/"), "events": ["call.started", "call.completed"] });
            json_patch::merge(&mut all, settings);
            let settings: wholecall_store::EndpointSettings = serde_json::from_value(all).unwrap();
            let secret = EndpointSecret::generate(settings.signing).unwrap();
            let secrets = SecretSettings { secrets: vec![secret], ..SecretSettings::default() };
            let sealed = secrets.seal(&key, host).unwrap();
            let new = NewEndpoint { id: (*host).to_owned(), created_ms: MIDNIGHT, settings, sealed };
            on_thread(|| view.add_endpoint(new)).unwrap();
        }
        let tenants = Arc::new(Tenants::open(store.clone()).unwrap());
        let (posted, started) = (Arc::new(Mutex::new(Vec::new())), Instant::now());
        let log = posted.clone();
        let post = move |post: Post| -> PostResult {
            let (at, host) = (started.elapsed(), post.url.host().unwrap().to_owned());
            let id = post.headers["webhook-id"].to_str().unwrap().to_owned();
            let body = serde_json::from_slice(&post.body).unwrap();
            let Answer { status, text, after } = answer(&host, at, &body);
            log.lock().unwrap().push(Posted { at, host, id, body, status });
            Box::pin(async move {
                tokio::time::sleep(after).await;
                Outcome { status, answer: text, ..Outcome::default() }
            })
        };
        let clock = move || {
            let elapsed = started.elapsed();
            Reading { wall_ms: MIDNIGHT + elapsed.as_millis() as i64 + ahead_by_ms(elapsed), elapsed }
        };
        let context = Context {
            store: store.clone(),
            tenants: tenants.clone(),
            metrics: Metrics::new(),
            in_flight: Default::default(),
            post: Box::new(post),
            clock: Clock::new(Box::new(clock)),
            public_url: Some("https://calls.example/".to_owned()),
        };
        let (stop, stopped) = tokio::sync::watch::channel(false);
        start(context, key, stopped);
        Self { view, store, posted, tenants, changes: 0, started, _stop: stop, _folder: folder }
    }

    /// Publishes a version of each call.
    fn publish_all(&mut self, calls: &[&str], kind: ChangeKind, change: impl Fn(&mut Call)) {
        let mut made = Vec::new();
        for call in calls {
            self.changes += 1;
            let mut record: Call = serde_json::from_str(include_str!("call.json")).unwrap();
            record.id = serde_json::from_value(json!(call)).unwrap();
            record.version = self.changes as u64;
            change(&mut record);
            made.push(NewChange {
                tenant: self.view.tenant(),
                at_ms: MIDNIGHT,
                position: Position(self.changes),
                what: ChangeContent::Version { kind, call: Box::new(record) },
            });
        }
        let assembled = CommitBatch { checkpoint: Position(self.changes), changes: made };
        on_thread(|| self.store.commit(assembled)).unwrap();
    }

    /// Publishes a version of a call.
    fn publish(&mut self, call: &str, kind: ChangeKind) {
        self.publish_all(&[call], kind, |_| ());
    }

    /// Lets time pass in small steps, after each of which other tasks run.
    async fn pass(&self, time: Duration, step: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.step(step).await;
        }
    }

    /// Waits at most two seconds until a condition holds.
    async fn until(&self, condition: impl Fn() -> bool) {
        for _ in 0..2_000 {
            if condition() {
                return;
            }
            self.step(Duration::from_millis(1)).await;
        }
        panic!("the condition does not hold after {} requests", self.posted.lock().unwrap().len());
    }

    async fn step(&self, step: Duration) {
        advance(step).await;
        // The store works on its own threads, in real time.
        std::thread::sleep(Duration::from_micros(if step < SECOND { 3_000 } else { 1_500 }));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    /// The time since the start.
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The event id of a change.
    fn id(&self, change: i64) -> String {
        self.view.event_id(EventId::of_change(Position(change)))
    }

    /// The number of requests that a host accepted.
    fn count_accepted(&self, host: &str) -> usize {
        let posted = self.posted.lock().unwrap();
        posted.iter().filter(|one| one.host == host && one.status == Some(200)).count()
    }

    /// When a host accepted an event; `None` if it did not.
    fn accepted_at(&self, host: &str, id: &str) -> Option<Duration> {
        let posted = self.posted.lock().unwrap();
        let accepted = posted.iter().find(|one| one.host == host && one.id == id && one.status == Some(200));
        accepted.map(|one| one.at)
    }

    /// The requests to a host.
    fn posted_to(&self, host: &str) -> Vec<Posted> {
        self.posted.lock().unwrap().iter().filter(|posted| posted.host == host).cloned().collect()
    }
}
