//! Connections to a simulated RingCentral over a year of simulated time: renewals, blacklistings, outages, storms.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::block_in_place;
use wholecall_fake_ringcentral::{Config, Fake};
use wholecall_record::Call;
use wholecall_simulator::Scenario;
use wholecall_store::{Filter, Gap};

use super::*;
use crate::{
    Running, Settings, admin,
    security::{SecretKey, connection_owner},
};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A service, a simulated RingCentral, and an account's connection that the test runs in simulated time.
struct World {
    folder: TempDir,
    fake: Fake,
    http: control::Control,
    running: Running,
    account: AccountConnection,
    ahead_ms: Arc<AtomicI64>,
    /// How much simulated time has passed.
    passed_ms: AtomicI64,
    address: String,
    /// When the connection is to be checked next.
    next_check_ms: i64,
    /// The sessions that were played, with the time.
    played: Vec<(String, i64)>,
}

/// A client of the simulated RingCentral's control API.
mod control {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::{SocketAddr, Value};

    pub(super) struct Control(pub(super) SocketAddr);

    impl Control {
        pub(super) async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
            let mut stream = TcpStream::connect(self.0).await.unwrap();
            let body = body.to_string();
            let request = format!(
                "{method} /fake/{path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
            serde_json::from_str(body).unwrap()
        }
    }
}

impl World {
    async fn new() -> Self {
        Self::with(24, HOUR, 0).await
    }

    /// A world whose clock is behind by a number of days.
    async fn days_ago(days: i64) -> Self {
        Self::with(24, HOUR, days * DAY).await
    }

    async fn of(users: usize) -> Self {
        Self::with(users, HOUR, 0).await
    }

    async fn checking_every(check_interval_ms: i64) -> Self {
        Self::with(24, check_interval_ms, 0).await
    }

    async fn with(users: usize, check_interval_ms: i64, behind_ms: i64) -> Self {
        let behind = Duration::from_millis(behind_ms.unsigned_abs());
        let config = Config { calls_per_user: 0.0, users, behind, ..Config::default() };
        let fake = Fake::start(config.clone()).await.unwrap();
        let folder = TempDir::new().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = SecretKey::of_folder(folder.path()).unwrap();
        let account_id = fake.account_id(0).unwrap().to_string();
        let (opened, id) = (store.clone(), account_id.clone());
        let tenant = tokio::task::spawn_blocking(move || {
            admin::add_tenant(&opened, "acme", &[id], None).unwrap();
            admin::find(&opened, "acme").unwrap().id
        });
        let tenant = tenant.await.unwrap();
        let settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            admin_key: None,
            public_url: None,
            secret_key: key.clone(),
            egress_policy: Default::default(),
            proxies: Default::default(),
            connections: Default::default(),
            trusted_proxies: Vec::new(),
        };
        let running = crate::start(store.clone(), settings).await.unwrap();
        let ahead_ms = Arc::new(AtomicI64::new(-behind_ms));
        let ahead = ahead_ms.clone();
        let public_url = format!("http://{}", running.address());
        let (lookups, requests) = LookupQueue::new();
        let tenants = Arc::new(block_in_place(|| Tenants::open(store.clone())).unwrap());
        let assembler = mpsc::unbounded_channel().0;
        let context =
            ConnectionContext::new(store, tenants, key.clone(), Some(public_url.clone()), lookups, assembler);
        let context = Arc::new(ConnectionContext {
            clock: Arc::new(move || clock::now().as_millis() + ahead.load(Ordering::Relaxed)),
            check_interval_ms,
            ..context.unwrap()
        });
        let credentials = Credentials {
            server: fake.url(),
            client_id: config.client_id,
            client_secret: config.client_secret,
            jwt: fake.jwt(0).unwrap(),
        };
        tokio::spawn(lookups::run(context.clone(), requests, watch::channel(false).1));
        let now = clock::now().as_millis() - behind_ms;
        let connected = ConnectedAccount {
            tenant,
            connected_ms: now,
            credentials: connect::seal(&key, &connection_owner(tenant.number(), &account_id), credentials)
                .unwrap(),
            account: account_id,
            state: "{}".to_owned(),
            complete_until_ms: now,
            directory: "{}".to_owned(),
        };
        Self {
            http: control::Control(fake.address()),
            account: AccountConnection::new(&context, connected).unwrap(),
            address: format!("{public_url}/hooks/acme"),
            folder,
            fake,
            running,
            ahead_ms,
            passed_ms: AtomicI64::new(0),
            next_check_ms: 0,
            played: Vec::new(),
        }
    }

    fn now(&self) -> i64 {
        self.account.client.now_ms()
    }

    fn pass(&self, ms: i64) {
        self.passed_ms.fetch_add(ms, Ordering::Relaxed);
        self.ahead_ms.fetch_add(ms, Ordering::Relaxed);
        self.fake.advance(Duration::from_millis(ms.unsigned_abs()));
    }

    /// Lets time pass, and checks the connection whenever a check is due.
    async fn live(&mut self, ms: i64) {
        let until = self.now() + ms;
        while self.now() < until {
            if self.now() >= self.next_check_ms {
                self.next_check_ms = self.account.check(&self.address).await;
            }
            let wait = self.next_check_ms.min(until) - self.now();
            self.pass(wait.max(0));
            // Notifications are posted in real time, and must arrive before more simulated time passes.
            if self.played.last().is_some_and(|(_, at)| self.now() - at < HOUR) {
                self.all_arrived().await;
            }
        }
    }

    /// Waits until every posted notification has arrived.
    async fn all_arrived(&self) {
        while self.http.ask("GET", "counts", &Value::Null).await["underway"] != 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn play(&mut self, scenario: &str) {
        let now = self.now();
        let truths = self.fake.play(0, &Scenario::named(scenario).unwrap()).unwrap();
        self.played.extend(truths.iter().flat_map(|truth| truth.sessions.iter().map(|id| (id.clone(), now))));
    }

    /// Plays a call to its end.
    async fn call(&mut self, scenario: &str) {
        self.play(scenario);
        for _ in 0..8 {
            self.live(MINUTE).await;
        }
        self.all_arrived().await;
    }

    async fn control(&self, path: &str, body: Value) -> Value {
        self.http.ask("POST", path, &body).await
    }

    async fn violations(&self) -> Value {
        self.http.ask("GET", "counts", &Value::Null).await["rateLimitViolations"].clone()
    }

    fn unknown(&self) -> BTreeSet<String> {
        let ids = self.played.iter().map(|(id, _)| id.clone()).collect();
        let view = self.account.context.store.of(self.account.tenant);
        block_in_place(|| view.unknown_sessions(ids)).unwrap().into_iter().collect()
    }

    /// Sessions of calls with repaired parts.
    fn repaired(&self) -> BTreeSet<String> {
        let view = self.account.context.store.of(self.account.tenant);
        let all =
            block_in_place(|| view.calls(&Filter::default(), None, None, usize::MAX / 4)).unwrap().records;
        let calls = all.iter().map(|record| serde_json::from_str::<Call>(record).unwrap());
        let repaired = calls.filter(|call| !call.completeness.repaired.is_empty());
        let sessions = repaired.flat_map(|call| call.sessions);
        sessions.map(|session| session.telephony_session_id.to_string()).collect()
    }

    fn gaps(&self) -> Vec<Gap> {
        let view = self.account.context.store.of(self.account.tenant);
        block_in_place(|| view.gaps(&self.account.account, 1_000)).unwrap()
    }

    async fn end(self) {
        let Self { running, account, folder, .. } = self;
        drop(account);
        running.stop().await;
        drop(folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_renewals_blacklistings_outages_and_storms_loses_no_call_unreported() {
    // The hook rejects calls in the future, so the year ends now.
    let mut world = World::days_ago(366).await;
    let mut rng = fastrand::Rng::with_seed(7);
    let started = world.now();
    world.live(MINUTE).await;
    world.call("inbound").await;
    assert!(world.unknown().is_empty(), "the first call is known");
    // At random times: 50 blacklistings, 20 outages, 20 storms, 20 times all tokens expire.
    let mut events: Vec<(i64, &str)> = Vec::new();
    for (what, count) in [("blacklist", 50), ("outage", 20), ("storm", 20), ("expire-tokens", 20)] {
        events.extend((0..count).map(|_| (rng.i64(1..360) * DAY + rng.i64(0..20 * HOUR), what)));
    }
    events.sort_unstable();
    for (at, what) in events {
        world.live(started + at - world.now()).await;
        let length = rng.i64(3 * MINUTE..5 * HOUR);
        let seconds = if what == "outage" { length / 1_000 } else { 200 };
        world.control(what, json!({ "seconds": seconds })).await;
        world.call("attended").await;
        if what == "outage" {
            world.live(length).await;
        }
        world.live(2 * HOUR).await;
        world.call("blind").await;
        assert_eq!(
            world.account.state.status,
            ConnectionStatus::Live,
            "after {what}: {:?}",
            world.account.state.problem
        );
    }
    // To the end of the year, and for a day at least, so that everything was compared.
    world.live((started + 365 * DAY - world.now()).max(DAY)).await;
    assert_eq!(world.violations().await, 0, "no rate limit was exceeded");
    assert_eq!(world.account.state.blacklisted, 50);
    let (unknown, gaps) = (world.unknown(), world.gaps());
    assert!(unknown.is_empty(), "{} of {} calls are lost: {unknown:?}", unknown.len(), world.played.len());
    assert!(gaps.iter().all(|gap| gap.reconciled_ms.is_some()), "every gap was compared with the call log");
    let reported: BTreeSet<String> = gaps.iter().flat_map(|gap| gap.missing.iter().cloned()).collect();
    assert!(!reported.is_empty(), "calls during outages were lost");
    // Calls outside of outages were not.
    assert!(reported.len() * 4 < world.played.len() * 3, "{} of {}", reported.len(), world.played.len());
    let repaired = world.repaired();
    assert!(reported.is_subset(&repaired), "records say which parts came from the call log");
    let subscriptions = world.account.client.subscriptions().await.unwrap();
    assert_eq!(subscriptions.len(), 1, "replaced subscriptions were ended");
    let tenant = block_in_place(|| admin::find(&world.account.context.store, "acme")).unwrap();
    assert_eq!(tenant.secrets.len(), 3, "and their tokens removed");
    world.end().await;
}

/// This machine's clock is wrong, in both directions, by hours and by weeks; RingCentral's is right.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_loses_no_subscription_token_or_call() {
    let mut world = World::days_ago(120).await;
    let mut rng = fastrand::Rng::with_seed(11);
    world.live(MINUTE).await;
    for _ in 0..12 {
        let right_ms = -120 * DAY + world.passed_ms.load(Ordering::Relaxed);
        let wrong_by_ms = match rng.u32(0..3) {
            0 => rng.i64(-20 * DAY..20 * DAY),
            1 => rng.i64(-2 * HOUR..2 * HOUR),
            _ => 0,
        };
        // The account's task sleeps by the monotonic clock.
        world.next_check_ms +=
            right_ms + wrong_by_ms - world.ahead_ms.swap(right_ms + wrong_by_ms, Ordering::Relaxed);
        world.control("expire-tokens", json!({})).await;
        world.live(rng.i64(HOUR..5 * DAY)).await;
        world.call("inbound").await;
        let state = &world.account.state;
        assert_eq!(state.status, ConnectionStatus::Live, "wrong by {wrong_by_ms}: {:?}", state.problem);
    }
    assert_eq!(world.violations().await, 0);
    assert!(world.unknown().is_empty(), "{:?} of {} are lost", world.unknown(), world.played.len());
    assert!(world.repaired().is_empty(), "notifications of all calls arrived");
    assert_eq!(world.account.client.subscriptions().await.unwrap().len(), 1);
    world.end().await;
}

impl World {
    /// The published calls.
    fn calls(&self) -> Vec<Call> {
        let view = self.account.context.store.of(self.account.tenant);
        let all = block_in_place(|| view.calls(&Filter::default(), None, None, 1_000)).unwrap().records;
        all.iter().map(|record| serde_json::from_str(record).unwrap()).collect()
    }

    /// Waits in real time until a condition holds.
    async fn eventually(&self, what: &str, holds: impl Fn(&[Call]) -> bool) {
        for _ in 0..2_000 {
            if holds(&self.calls()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: {:#?}", self.calls());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_delivers_nothing_is_detected_within_six_minutes() {
    let mut world = World::checking_every(5 * MINUTE).await;
    world.live(MINUTE).await;
    world.call("inbound").await;
    world.live(20 * MINUTE).await;
    assert_eq!((world.gaps().len(), world.account.state.undelivered), (0, 0), "no calls, no gap");
    let before = world.account.state.subscription.clone().unwrap();
    world.control("outage", json!({ "seconds": 3 * HOUR / 1_000, "of": "delivery" })).await;
    world.live(7 * MINUTE).await;
    assert_eq!(world.gaps().len(), 0, "there was no call");
    world.play("inbound");
    let played = world.now();
    world.live(6 * MINUTE).await;
    let gaps = world.gaps();
    assert_eq!(world.account.state.undelivered, 1);
    assert_eq!(gaps[0].reason, "no notification arrived of calls that were live");
    assert!(gaps[0].from_ms <= played && gaps[0].until_ms <= played + 6 * MINUTE, "{played}: {gaps:?}");
    let after = world.account.state.subscription.clone().unwrap();
    assert!(after.id != before.id && world.account.state.retiring.iter().any(|old| old.id == before.id));
    world.live(20 * MINUTE).await;
    world.eventually("the call is known", |_| world.unknown().is_empty()).await;
    assert_eq!(world.violations().await, 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_reconciled_once_all_its_records_in_the_call_log_are_final() {
    let mut world = World::checking_every(5 * MINUTE).await;
    world.control("omit-finished", json!({ "omit": true })).await;
    world.live(MINUTE).await;
    world.control("outage", json!({ "seconds": 15 * 60, "of": "delivery" })).await;
    world.play("queue_in_turn");
    let id = world.played[0].0.clone();
    world.live(30 * MINUTE).await;
    let is_examined = |world: &World| world.gaps().iter().all(|gap| gap.reconciled_ms.is_some());
    assert!(!world.gaps().is_empty() && !is_examined(&world), "the log does not say that it is final");
    world.live(6 * HOUR).await;
    assert!(is_examined(&world), "{:?}", world.gaps());
    world
        .eventually("the call has the values of the final record", |calls| {
            let call = calls.iter().find(|call| *call.id == *id);
            call.is_some_and(|call| {
                call.direction.as_str() == "Inbound"
                    && call.result.as_str() == "Answered"
                    && call.end_time.is_some()
            })
        })
        .await;
    assert_eq!(world.violations().await, 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_reported_and_retried_rarely() {
    let mut world = World::new().await;
    world.live(MINUTE).await;
    assert_eq!(world.account.state.status, ConnectionStatus::Live);
    let credentials = Credentials {
        server: world.fake.url(),
        client_id: "fake-client".to_owned(),
        client_secret: "fake-secret".to_owned(),
        jwt: "revoked".to_owned(),
    };
    world.next_check_ms = 0;
    world.account.client = world.account.context.client(credentials).unwrap();
    world.live(DAY).await;
    assert_eq!(world.account.state.status, ConnectionStatus::LoginRefused);
    let problem = world.account.state.problem.clone().unwrap();
    assert!(problem.contains("refuses the login") && !problem.contains("revoked"), "{problem}");
    let requests =
        world.http.ask("GET", "counts", &Value::Null).await["requests"]["POST /restapi/oauth/token"].clone();
    assert!(requests.as_u64().unwrap() < 25, "{requests} logins in a day");
    world.end().await;
}

impl World {
    /// Lets time pass, and reads the directory whenever that is due.
    async fn read(&self, reader: &mut DirectoryReader, ms: i64) {
        let until = self.now() + ms;
        while self.now() < until {
            if self.now() >= reader.next_step_ms {
                reader.step().await;
            }
            self.pass((reader.next_step_ms.min(until) - self.now()).max(0));
        }
    }

    fn directory(&self) -> wholecall_store::StoredDirectory {
        let view = self.account.context.store.of(self.account.tenant);
        block_in_place(|| view.newest_directory(&self.account.account)).unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_read_daily_and_a_failure_leaves_the_last_version() {
    let world = World::new().await;
    let mut reader = DirectoryReader::new(&world.account, DirectorySyncState::default());
    world.read(&mut reader, MINUTE).await;
    assert_eq!((reader.sync_state.version, &reader.sync_state.problem), (Some(1), &None));
    let first = world.directory();
    assert!(first.contents.contains("IVR Menu 9501") && first.contents.contains("\"Department\""));
    world.read(&mut reader, 10 * DAY).await;
    let lists = async || {
        let counts = world.http.ask("GET", "counts", &Value::Null).await;
        counts["requests"]["GET /restapi/v1.0/account/~/extension"].as_u64().unwrap()
    };
    let read = lists().await;
    assert!((10..=13).contains(&read), "once a day, more or less: {read}");
    assert_eq!(world.directory(), first, "an unchanged directory is no new version");

    world.control("rename", json!({ "extensionNumber": "9501", "name": "Greeting" })).await;
    world.control("outage", json!({ "seconds": 2 * DAY / 1_000, "of": "api" })).await;
    world.read(&mut reader, 36 * HOUR).await;
    assert_eq!(world.directory(), first);
    let problem = reader.sync_state.problem.clone().unwrap();
    assert!(problem.contains("Service Temporary Unavailable"), "{problem}");
    assert!(lists().await < read + 25, "failures are retried rarely");
    world.read(&mut reader, DAY).await;
    assert_eq!((reader.sync_state.version, &reader.sync_state.problem), (Some(2), &None));
    assert!(world.directory().contents.contains("Greeting"));

    world.control("deny", json!({ "path": "extension", "permission": "ReadAccounts" })).await;
    world.read(&mut reader, 2 * DAY).await;
    assert!(reader.sync_state.problem.as_ref().unwrap().contains("[ReadAccounts]"));
    world.control("deny", json!({})).await;
    world.control("deny", json!({ "path": "phone-number", "permission": "ReadAccounts" })).await;
    world.read(&mut reader, DAY).await;
    let described = reader.sync_state.describe();
    assert_eq!(
        (&described["version"], &described["missing"][0]["part"]),
        (&3.into(), &"phoneNumbers".into())
    );
    assert_eq!(described["problem"], Value::Null);
    assert_eq!(world.violations().await, 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarding_numbers_are_read_after_the_lists_and_stay_when_those_change() {
    let world = World::of(60).await;
    let mut reader = DirectoryReader::new(&world.account, DirectorySyncState::default());
    reader.step().await;
    assert_eq!(reader.sync_state.version, Some(1));
    assert!(!world.directory().contents.contains("forwarding"), "the lists are usable at once");
    world.read(&mut reader, 10 * MINUTE).await;
    assert_eq!(reader.sync_state.version, Some(2));
    let with_numbers = world.directory();
    assert!(with_numbers.contents.contains("\"forwarding\":["), "{}", with_numbers.contents);

    // The known numbers stay until they are read again.
    world.control("rename", json!({ "extensionNumber": "9501", "name": "Greeting" })).await;
    let mut again = DirectoryReader::new(&world.account, DirectorySyncState::default());
    again.step().await;
    assert_eq!(again.sync_state.version, Some(3));
    let contents = world.directory().contents;
    assert!(contents.contains("Greeting") && contents.contains("\"forwarding\":["), "{contents}");
    world.control("deny", json!({ "path": "forwarding-number", "permission": "ReadAccounts" })).await;
    world.read(&mut again, 10 * MINUTE).await;
    let contents = world.directory().contents;
    assert!(!contents.contains("\"forwarding\":["), "without the permission they are gone: {contents}");
    assert!(again.sync_state.describe()["missing"].to_string().contains("forwardingNumbers"));
    assert_eq!(again.sync_state.problem, None);
    assert_eq!(world.violations().await, 0);
    world.end().await;
}
