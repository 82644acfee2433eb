//! A running service with a tenant whose calls are closed soon after their last notification.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use wholecall_server::{
    ConnectionLimits, Running, Settings, admin,
    security::{EgressPolicy, SecretKey},
};
use wholecall_simulator::{Company, Traffic, TrafficEvent};
use wholecall_store::{Arrival, Filter, Store, Tenant, TenantId, TenantSettings};

/// 2026-06-01T00:00:00Z.
pub(crate) const MIDNIGHT: i64 = 1_780_272_000_000;
pub(crate) const HOUR: i64 = 3_600_000;

pub(crate) struct Service {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
    pub(crate) tenant: Tenant,
    pub(crate) key: String,
    running: Server,
}

/// Stores notifications that arrived at a time.
pub(crate) fn append<'a>(
    store: &Store,
    tenant: TenantId,
    arrived_ms: i64,
    bodies: impl IntoIterator<Item = &'a str>,
) {
    let arrivals = bodies.into_iter().map(|body| {
        let value: Value = serde_json::from_str(body).unwrap();
        let session = value["body"]["telephonySessionId"].as_str().expect("a session").into();
        Arrival { tenant, arrived_ms, session, body: body.into() }
    });
    store.append(arrivals.collect()).unwrap().blocking_recv().unwrap().unwrap();
}

/// The server, which is stopped when it is dropped.
struct Server(Option<(Runtime, Running)>);

impl Service {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let added = admin::add_tenant(&store, "acme", &["400131426008".to_owned()], None).unwrap();
        let tenant = admin::find(&store, "acme").unwrap();
        let soon = TenantSettings {
            settle_ms: Some(50),
            gap_settle_ms: Some(50),
            last_leg_stale_ms: Some(100),
            stale_ms: Some(200),
            retention_days: None,
        };
        store.set_tenant_settings(tenant.id, soon).unwrap();
        let running = Server(Some(run(&store)));
        Self { folder, store, tenant, key: added.api_key, running }
    }

    /// Stops the service, and starts another on the same data.
    pub(crate) fn restart(self) -> Self {
        self.restart_after(|_| {})
    }

    /// Stops the service, changes the data, and starts another service on them.
    pub(crate) fn restart_after(self, change: impl FnOnce(&Store)) -> Self {
        let Self { folder, store, tenant, key, running } = self;
        drop((running, store));
        let store = Store::open_existing(folder.path()).unwrap();
        change(&store);
        let running = Server(Some(run(&store)));
        Self { folder, store, tenant, key, running }
    }

    /// Stops the service, and opens the store as another process would.
    pub(crate) fn reopen(self) -> (TempDir, Store) {
        let Self { folder, store, running, .. } = self;
        drop((running, store));
        let store = Store::open_existing(folder.path()).unwrap();
        (folder, store)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.0.as_ref().expect("it runs").1.address()
    }

    /// Stores notifications that arrive now.
    pub(crate) fn receive<'a>(&self, bodies: impl IntoIterator<Item = &'a str>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        append(&self.store, self.tenant.id, now, bodies);
    }

    /// Waits until everything is assembled and no call is live.
    pub(crate) fn settle(&self) {
        let live = Filter { state: Some(wholecall_record::call::State::Live), ..Filter::default() };
        self.wait(|| {
            self.store.checkpoint().unwrap() == *self.store.watch_journal().borrow()
                && self.store.of(self.tenant.id).calls(&live, None, None, 1).unwrap().records.is_empty()
        });
    }

    pub(crate) fn wait(&self, until: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !until() {
            assert!(Instant::now() < deadline, "the condition did not hold within a minute");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Every record, newest first.
    pub(crate) fn records(&self) -> Vec<Value> {
        let page = self.store.of(self.tenant.id).calls(&Filter::default(), None, None, 100_000).unwrap();
        page.records.iter().map(|record| serde_json::from_str(record).unwrap()).collect()
    }

    /// Sends a request without a body; returns the status and the body of the answer.
    pub(crate) fn request(&self, method: &str, path: &str) -> (u16, String) {
        self.send(method, path, "")
    }

    /// Posts JSON, which must be accepted.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.send("POST", path, &body.to_string());
        assert!((200..300).contains(&status), "{path}: {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let (key, length) = (&self.key, body.len());
        self.exchange(&format!(
            "{method} {path} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ))
    }

    /// Sends a request and reads to the end of the answer.
    pub(crate) fn exchange(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// Posts to a tenant's hook.
    pub(crate) fn post_to_hook(&self, tenant: &str, token: &str, body: &str) -> (u16, String) {
        let length = body.len();
        self.exchange(&format!(
            "POST /hooks/{tenant} HTTP/1.1\r\nHost: here\r\nVerification-Token: {token}\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ))
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.request("GET", path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((runtime, running)) = self.0.take() {
            runtime.block_on(running.stop());
        }
    }
}

fn run(store: &Store) -> (Runtime, Running) {
    let runtime = Runtime::new().unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let secret_key = SecretKey::of_folder(store.path().parent().unwrap()).unwrap();
    // Receivers are on this machine.
    let egress_policy = EgressPolicy { allow_all: true, ..EgressPolicy::default() };
    let settings = Settings {
        listen,
        tls: None,
        admin_key: None,
        public_url: None,
        secret_key,
        egress_policy,
        proxies: Default::default(),
        connections: ConnectionLimits { all: 200, unproven: 100, unproven_per_address: 50 },
        trusted_proxies: Vec::new(),
    };
    let running = runtime.block_on(wholecall_server::start(store.clone(), settings)).unwrap();
    (runtime, running)
}

/// The notifications of a company's day until an hour, in order of arrival.
pub(crate) fn traffic(users: usize, hours: i64) -> Vec<String> {
    Traffic::new(Company::with_users(users), MIDNIGHT, MIDNIGHT + hours * HOUR, 5)
        .filter_map(|event| match event {
            TrafficEvent::Notification(notification) => Some(notification.to_json()),
            TrafficEvent::Truth(_) => None,
        })
        .collect()
}

/// The result of a counting query on the file.
pub(crate) fn count(folder: &Path, sql: &str) -> i64 {
    let connection = rusqlite::Connection::open(folder.join(wholecall_store::FILE_NAME)).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Changes rows of the file without the store; returns their number.
pub(crate) fn tamper(folder: &Path, sql: &str) -> usize {
    let connection = rusqlite::Connection::open(folder.join(wholecall_store::FILE_NAME)).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection.execute(sql, []).unwrap()
}
