//! The tenant whose latencies are measured during an attack.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    sync::oneshot,
    task::{JoinError, JoinSet},
    time::timeout,
};

use crate::{
    as_they_happen, examples,
    service::{Connection, Result, Tenant},
};

const HOOK_INTERVAL: Duration = Duration::from_millis(10);
const CALLS_INTERVAL: Duration = Duration::from_millis(20);

/// Maximum number of requests per connection, so that new connections are measured too.
const MAX_CONNECTION_REQUESTS: usize = 10;

/// Maximum number of requests of a kind in flight.
const MAX_IN_FLIGHT: usize = 64;

/// Maximum time of a request; a later answer counts as a refusal.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum number of reasons that are recorded.
const MAX_REASONS: usize = 3;

/// Maximum number of refusals; after more, no further requests are sent.
const MAX_REFUSED: usize = 20;

/// The victim's latencies in microseconds, sorted, and its refusals.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) hook: Vec<u32>,
    pub(super) calls: Vec<u32>,
    pub(super) refused: usize,
    pub(super) reasons: Vec<String>,
}

type Notifications = Box<dyn Iterator<Item = String> + Send>;

/// A tenant with some calls that receives more.
pub(super) struct Victim {
    tenant: Tenant,
    to: SocketAddr,
    from: IpAddr,
    notifications: Option<Notifications>,
    /// Number of its notifications that were acknowledged.
    acknowledged: usize,
}

impl Victim {
    pub(super) fn new(tenant: Tenant, to: SocketAddr, from: IpAddr) -> Self {
        // 14 notifications per call on average: one every 10 ms.
        let notifications = as_they_happen(examples(), Duration::from_millis(140));
        Self { tenant, to, from, notifications: Some(Box::new(notifications)), acknowledged: 0 }
    }

    /// Imports the first calls.
    pub(super) async fn begin(&mut self, connection: &mut Connection) -> Result<()> {
        let first: Vec<String> = self.notifications.iter_mut().flatten().take(1_000).collect();
        self.acknowledged += first.len();
        let head = self.tenant.asks("POST", "/v1/notifications");
        match connection.ask(&head, first.join("\n").as_bytes()).await? {
            200 => Ok(()),
            status => Err(format!("an import is answered {status}").into()),
        }
    }

    /// Posts notifications and queries calls for a time, on a separate thread.
    pub(super) async fn measure(&mut self, time: Duration) -> Result<Observed> {
        let notifications = self.notifications.take().ok_or("no notifications")?;
        let (done, measured) = oneshot::channel();
        let (tenant, to, from) = (self.tenant.clone(), self.to, self.from);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let _ = done.send(runtime.map(|runtime| {
                runtime.block_on(async {
                    let list = list(tenant.clone(), from, to, time);
                    tokio::join!(post(tenant, from, to, time, notifications), list)
                })
            }));
        });
        let ((posted, notifications), asked) = measured.await??;
        self.notifications = Some(notifications);
        self.acknowledged += posted.micros.len();
        let refused = posted.refused + asked.refused;
        let mut reasons = posted.reasons;
        reasons.extend(asked.reasons);
        Ok(Observed { hook: sorted(posted.micros), calls: sorted(asked.micros), refused, reasons })
    }

    /// Waits until all posted notifications are assembled.
    pub(super) async fn settle(&self) -> Result<()> {
        let mut connection = Connection::open(self.from, self.to).await?;
        let started = Instant::now();
        while !is_assembled(&mut connection).await? {
            if started.elapsed() > Duration::from_secs(300) {
                return Err("posted notifications are not assembled after 300 s".into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Checks that all acknowledged notifications are stored.
    pub(super) async fn expect_everything(&self) -> Result<()> {
        self.settle().await?;
        let mut connection = Connection::open(self.from, self.to).await?;
        let health = connection.ask_text(&self.tenant.asks("GET", "/v1/health")).await?;
        let health: serde_json::Value = serde_json::from_str(&health)?;
        match health["notifications"].as_u64() {
            Some(count) if count >= self.acknowledged as u64 => Ok(()),
            count => {
                Err(format!("{} notifications were acknowledged, {count:?} are stored", self.acknowledged)
                    .into())
            }
        }
    }
}

/// Whether assembling has finished.
async fn is_assembled(connection: &mut Connection) -> Result<bool> {
    let before = assembled(connection).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(before == assembled(connection).await?)
}

async fn assembled(connection: &mut Connection) -> Result<u64> {
    let metrics = connection.ask_text("GET /metrics HTTP/1.1\r\nHost: load\r\n").await?;
    let name = "wholecall_notifications_assembled_total";
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.ok_or_else(|| format!("no {name}: {metrics}").into())
}

#[derive(Default)]
struct Outcome {
    micros: Vec<u32>,
    refused: usize,
    reasons: Vec<String>,
}

impl Outcome {
    fn add(&mut self, after: Duration, what: &str, answered: io::Result<u16>) {
        let reason = match answered {
            Ok(200) => return self.micros.push(after.as_micros() as u32),
            Ok(status) => format!("{what}: {status}"),
            Err(error) => format!("{what}: {error}"),
        };
        self.refused += 1;
        if self.reasons.len() < MAX_REASONS {
            self.reasons.push(reason);
        }
    }
}

async fn post(
    tenant: Tenant,
    from: IpAddr,
    to: SocketAddr,
    time: Duration,
    mut notifications: Notifications,
) -> (Outcome, Notifications) {
    let mut requester = Requester::new(from, to, "hook", tenant.hook());
    for due in schedule(HOOK_INTERVAL, time) {
        tokio::time::sleep_until(due.into()).await;
        let Some(body) = notifications.next().filter(|_| requester.may_continue()) else { break };
        requester.send(due, body).await;
    }
    (requester.end().await, notifications)
}

async fn list(tenant: Tenant, from: IpAddr, to: SocketAddr, time: Duration) -> Outcome {
    let mut requester = Requester::new(from, to, "calls", tenant.asks("GET", "/v1/calls?limit=5"));
    for due in schedule(CALLS_INTERVAL, time) {
        tokio::time::sleep_until(due.into()).await;
        if !requester.may_continue() {
            break;
        }
        requester.send(due, String::new()).await;
    }
    requester.end().await
}

/// The times of requests, independent of the answers.
fn schedule(every: Duration, time: Duration) -> impl Iterator<Item = Instant> {
    let started = Instant::now();
    (0..).map(move |number| started + every * number).take_while(move |due| *due < started + time)
}

/// The latency of a request, its status, and the connection with its number of requests.
type Answered = (Duration, io::Result<u16>, Option<(Connection, usize)>);

/// Sends requests that do not wait for each other, like RingCentral's: each uses a free connection or opens a new one.
struct Requester {
    from: IpAddr,
    to: SocketAddr,
    what: &'static str,
    head: Arc<str>,
    outcome: Outcome,
    free: Vec<(Connection, usize)>,
    running: JoinSet<Answered>,
}

impl Requester {
    fn new(from: IpAddr, to: SocketAddr, what: &'static str, head: String) -> Self {
        let (outcome, free, running) = (Outcome::default(), Vec::new(), JoinSet::new());
        Self { from, to, what, head: head.into(), outcome, free, running }
    }

    fn may_continue(&self) -> bool {
        self.outcome.refused < MAX_REFUSED
    }

    async fn send(&mut self, due: Instant, body: String) {
        while let Some(done) = self.running.try_join_next() {
            self.note(done);
        }
        if self.running.len() >= MAX_IN_FLIGHT
            && let Some(done) = self.running.join_next().await
        {
            self.note(done);
        }
        let (free, head, from, to) = (self.free.pop(), self.head.clone(), self.from, self.to);
        self.running.spawn(async move {
            let timed_out = || io::Error::new(io::ErrorKind::TimedOut, "no answer");
            let answered = timeout(REQUEST_TIMEOUT, async {
                let (mut connection, asked) = match free {
                    Some(free) => free,
                    None => (Connection::open(from, to).await?, 0),
                };
                let status = connection.ask(&head, body.as_bytes()).await?;
                Ok((status, (connection, asked + 1)))
            });
            match answered.await.unwrap_or_else(|_| Err(timed_out())) {
                Ok((status, free)) => (due.elapsed(), Ok(status), Some(free)),
                Err(error) => (due.elapsed(), Err(error), None),
            }
        });
    }

    fn note(&mut self, done: std::result::Result<Answered, JoinError>) {
        let Ok((after, answered, free)) = done else { return };
        self.outcome.add(after, self.what, answered);
        self.free.extend(free.filter(|(_, asked)| *asked < MAX_CONNECTION_REQUESTS));
    }

    async fn end(mut self) -> Outcome {
        while let Some(done) = self.running.join_next().await {
            self.note(done);
        }
        self.outcome
    }
}

fn sorted(mut micros: Vec<u32>) -> Vec<u32> {
    micros.sort_unstable();
    micros
}
