//! Hours and days of an endpoint, in simulated time: the clock and the receivers are handed in, the store is real.

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
    Assembled, ChangeKind, EventId, Made, NewEndpoint, Position, Store, TenantView, VersionKind,
};

use super::super::{Context, EndpointSecret, Post, SecretKey, sealed_for_tests, sender::Outcome, start};
use crate::{
    admin,
    clock::{Clock, Reading},
    metrics::Metrics,
    tenants::Tenants,
};

const MIDNIGHT: i64 = 1_780_272_000_000;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// What was posted: when, to whom, under which id.
#[derive(Debug, Clone)]
struct Posted {
    at: Duration,
    host: String,
    id: String,
    body: Value,
    status: Option<u16>,
}

/// What an endpoint says, and how long it takes: 200, at once.
#[derive(Debug, Clone, Default)]
struct Answer {
    status: Option<u16>,
    text: Option<String>,
    after: Duration,
}

fn status(status: u16) -> Answer {
    Answer { status: Some(status), ..Answer::default() }
}

/// The store blocks, which it may not where others wait.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

struct Simulation {
    view: TenantView,
    store: Store,
    posted: Arc<Mutex<Vec<Posted>>>,
    tenants: Arc<Tenants>,
    made: i64,
    started: Instant,
    _stop: tokio::sync::watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Simulation {
    /// With an endpoint at each of some hosts, wanted so, and what each answers at a time.
    fn start(
        hosts: &[&str],
        wanted: &Value,
        answer: impl Fn(&str, Duration) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start_with_bodies(hosts, wanted, move |host, at, _| answer(host, at))
    }

    /// The same, with a wall clock that is wrong at a time.
    fn start_with_clock(
        hosts: &[&str],
        wanted: &Value,
        answer: impl Fn(&str, Duration) -> Answer + Send + Sync + 'static,
        wrong_by_ms: impl Fn(Duration) -> i64 + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(hosts, wanted, move |host, at, _| answer(host, at), wrong_by_ms)
    }

    /// The same, with answers that depend on what is posted.
    fn start_with_bodies(
        hosts: &[&str],
        wanted: &Value,
        answer: impl Fn(&str, Duration, &Value) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(hosts, wanted, answer, |_| 0)
    }

    fn start_with(
        hosts: &[&str],
        wanted: &Value,
        answer: impl Fn(&str, Duration, &Value) -> Answer + Send + Sync + 'static,
        wrong_by_ms: impl Fn(Duration) -> i64 + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        apart(|| admin::add_tenant(&store, "acme", &["1".to_owned()], None)).unwrap();
        let view = store.of(admin::find(&store, "acme").unwrap().id);
        let key = SecretKey::of_folder(folder.path()).unwrap();
        for host in hosts {
            let mut settings =
                json!({ "url": format!("http://{host}/"), "events": ["call.started", "call.completed"] });
            json_patch::merge(&mut settings, wanted);
            let settings: wholecall_store::EndpointSettings = serde_json::from_value(settings).unwrap();
            let secret = EndpointSecret::generate(settings.signing).unwrap();
            let sealed = sealed_for_tests(secret).seal(&key, host).unwrap();
            let new = NewEndpoint { id: (*host).to_owned(), created_ms: MIDNIGHT, settings, sealed };
            apart(|| view.add_endpoint(new)).unwrap();
        }
        let tenants = Arc::new(Tenants::open(store.clone()).unwrap());
        let (posted, started) = (Arc::new(Mutex::new(Vec::new())), Instant::now());
        let told = posted.clone();
        let post = move |post: Post| -> super::super::Posted {
            let (at, host) = (started.elapsed(), post.url.host().unwrap().to_owned());
            let id = post.headers["webhook-id"].to_str().unwrap().to_owned();
            let body = serde_json::from_slice(&post.body).unwrap();
            let Answer { status, text, after } = answer(&host, at, &body);
            told.lock().unwrap().push(Posted { at, host, id, body, status });
            Box::pin(async move {
                tokio::time::sleep(after).await;
                Outcome { status, answer: text, ..Outcome::default() }
            })
        };
        let clock = move || {
            let elapsed = started.elapsed();
            Reading { wall_ms: MIDNIGHT + elapsed.as_millis() as i64 + wrong_by_ms(elapsed), elapsed }
        };
        let context = Context {
            store: store.clone(),
            tenants: tenants.clone(),
            metrics: Metrics::new(),
            on_the_way: Default::default(),
            post: Box::new(post),
            clock: Clock::new(Box::new(clock)),
            public_url: Some("https://calls.example/".to_owned()),
        };
        let (stop, stopped) = tokio::sync::watch::channel(false);
        start(context, key, stopped);
        Self { view, store, posted, tenants, made: 0, started, _stop: stop, _folder: folder }
    }

    /// A version of each of some calls is made.
    fn make_all(&mut self, calls: &[&str], kind: ChangeKind, change: impl Fn(&mut Call)) {
        let mut made = Vec::new();
        for call in calls {
            self.made += 1;
            let mut record: Call = serde_json::from_str(include_str!("call.json")).unwrap();
            record.id = serde_json::from_value(json!(call)).unwrap();
            record.version = self.made as u64;
            change(&mut record);
            made.push(Made {
                tenant: self.view.tenant(),
                at_ms: MIDNIGHT,
                position: Position(self.made),
                what: VersionKind::Version { kind, call: Box::new(record) },
            });
        }
        let assembled = Assembled { checkpoint: Position(self.made), made };
        apart(|| self.store.commit(assembled)).unwrap();
    }

    /// A version of a call is made.
    fn make(&mut self, call: &str, kind: ChangeKind) {
        self.make_all(&[call], kind, |_| ());
    }

    /// Lets time pass, in small steps, each of which others may use.
    async fn pass(&self, time: Duration, step: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.step(step).await;
        }
    }

    /// Waits, at most two seconds in which hardly anything but the store takes time, until something is seen.
    async fn until(&self, is_seen: impl Fn() -> bool) {
        for _ in 0..2_000 {
            if is_seen() {
                return;
            }
            self.step(Duration::from_millis(1)).await;
        }
        panic!("it is not seen: {} were posted", self.posted.lock().unwrap().len());
    }

    async fn step(&self, step: Duration) {
        advance(step).await;
        // The store answers on threads of its own, in real time.
        std::thread::sleep(Duration::from_micros(if step < SECOND { 3_000 } else { 1_500 }));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    /// How long it has been since the start.
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The id of the event of a change.
    fn id(&self, change: i64) -> String {
        self.view.event_id(EventId::of_change(Position(change)))
    }

    /// How many requests a host has taken.
    fn count_taken(&self, host: &str) -> usize {
        let posted = self.posted.lock().unwrap();
        posted.iter().filter(|one| one.host == host && one.status == Some(200)).count()
    }

    /// When a host took an event.
    fn taken(&self, host: &str, id: &str) -> Option<Duration> {
        let posted = self.posted.lock().unwrap();
        let taken = posted.iter().find(|one| one.host == host && one.id == id && one.status == Some(200));
        taken.map(|one| one.at)
    }

    /// What was posted to a host.
    fn posted_to(&self, host: &str) -> Vec<Posted> {
        self.posted.lock().unwrap().iter().filter(|posted| posted.host == host).cloned().collect()
    }
}
