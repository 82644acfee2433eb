//! The tenant that something is done to.

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

const HOOK_EVERY: Duration = Duration::from_millis(10);
const CALLS_EVERY: Duration = Duration::from_millis(20);

/// So many requests over one connection: those who come anew have to be let in too.
const REQUESTS_OF_A_CONNECTION: usize = 10;

/// So many requests of a kind wait for their answers.
const AT_ONCE: usize = 64;

/// Whoever is not answered by then was refused.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reasons are kept up to so many; after more refusals nothing more is asked.
const REASONS: usize = 3;
const MAX_REFUSED: usize = 20;

/// What the victim saw: microseconds, in order.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) hook: Vec<u32>,
    pub(super) calls: Vec<u32>,
    pub(super) refused: usize,
    pub(super) reasons: Vec<String>,
}

type Notifications = Box<dyn Iterator<Item = String> + Send>;

/// A tenant that has some calls and gets more.
pub(super) struct Victim {
    tenant: Tenant,
    to: SocketAddr,
    from: IpAddr,
    notifications: Option<Notifications>,
    /// How many of its notifications were acknowledged.
    acknowledged: usize,
}

impl Victim {
    pub(super) fn new(tenant: Tenant, to: SocketAddr, from: IpAddr) -> Self {
        // 14 notifications a call on average, one each 10 ms.
        let notifications = as_they_happen(examples(), Duration::from_millis(140));
        Self { tenant, to, from, notifications: Some(Box::new(notifications)), acknowledged: 0 }
    }

    /// The first calls.
    pub(super) async fn begin(&mut self, connection: &mut Connection) -> Result<()> {
        let first: Vec<String> = self.notifications.iter_mut().flatten().take(1_000).collect();
        self.acknowledged += first.len();
        let head = self.tenant.asks("POST", "/v1/notifications");
        match connection.ask(&head, first.join("\n").as_bytes()).await? {
            200 => Ok(()),
            status => Err(format!("an import is answered {status}").into()),
        }
    }

    /// Posts and asks for so long, on a thread of its own.
    pub(super) async fn measure(&mut self, time: Duration) -> Result<Seen> {
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
        Ok(Seen { hook: sorted(posted.micros), calls: sorted(asked.micros), refused, reasons })
    }

    /// Waits until what was posted is assembled.
    pub(super) async fn settle(&self) -> Result<()> {
        let mut connection = Connection::open(self.from, self.to).await?;
        let began = Instant::now();
        while !is_assembled(&mut connection).await? {
            if began.elapsed() > Duration::from_secs(300) {
                return Err("what was posted is not assembled after 300 s".into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Everything that was acknowledged is there.
    pub(super) async fn expect_everything(&self) -> Result<()> {
        self.settle().await?;
        let mut connection = Connection::open(self.from, self.to).await?;
        let health = connection.ask_text(&self.tenant.asks("GET", "/v1/health")).await?;
        let health: serde_json::Value = serde_json::from_str(&health)?;
        match health["notifications"].as_u64() {
            Some(count) if count >= self.acknowledged as u64 => Ok(()),
            count => {
                Err(format!("{} notifications were acknowledged, {count:?} are there", self.acknowledged)
                    .into())
            }
        }
    }
}

/// Whether nothing is assembled any more.
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
struct Took {
    micros: Vec<u32>,
    refused: usize,
    reasons: Vec<String>,
}

impl Took {
    fn note(&mut self, after: Duration, what: &str, answered: io::Result<u16>) {
        let reason = match answered {
            Ok(200) => return self.micros.push(after.as_micros() as u32),
            Ok(status) => format!("{what}: {status}"),
            Err(error) => format!("{what}: {error}"),
        };
        self.refused += 1;
        if self.reasons.len() < REASONS {
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
) -> (Took, Notifications) {
    let mut asking = Asking::new(from, to, "hook", tenant.hook());
    for due in dues(HOOK_EVERY, time) {
        tokio::time::sleep_until(due.into()).await;
        let Some(body) = notifications.next().filter(|_| asking.may_go_on()) else { break };
        asking.ask(due, body).await;
    }
    (asking.end().await, notifications)
}

async fn list(tenant: Tenant, from: IpAddr, to: SocketAddr, time: Duration) -> Took {
    let mut asking = Asking::new(from, to, "calls", tenant.asks("GET", "/v1/calls?limit=5"));
    for due in dues(CALLS_EVERY, time) {
        tokio::time::sleep_until(due.into()).await;
        if !asking.may_go_on() {
            break;
        }
        asking.ask(due, String::new()).await;
    }
    asking.end().await
}

/// When requests are due, whenever those before were answered.
fn dues(every: Duration, time: Duration) -> impl Iterator<Item = Instant> {
    let began = Instant::now();
    (0..).map(move |number| began + every * number).take_while(move |due| *due < began + time)
}

/// How late a request was answered, its status, and the connection with how often it was used.
type Answered = (Duration, io::Result<u16>, Option<(Connection, usize)>);

/// Requests that do not wait for each other, as RingCentral's: each takes a connection that is free, or opens one.
struct Asking {
    from: IpAddr,
    to: SocketAddr,
    what: &'static str,
    head: Arc<str>,
    took: Took,
    free: Vec<(Connection, usize)>,
    running: JoinSet<Answered>,
}

impl Asking {
    fn new(from: IpAddr, to: SocketAddr, what: &'static str, head: String) -> Self {
        let (took, free, running) = (Took::default(), Vec::new(), JoinSet::new());
        Self { from, to, what, head: head.into(), took, free, running }
    }

    fn may_go_on(&self) -> bool {
        self.took.refused < MAX_REFUSED
    }

    async fn ask(&mut self, due: Instant, body: String) {
        while let Some(done) = self.running.try_join_next() {
            self.note(done);
        }
        if self.running.len() >= AT_ONCE
            && let Some(done) = self.running.join_next().await
        {
            self.note(done);
        }
        let (free, head, from, to) = (self.free.pop(), self.head.clone(), self.from, self.to);
        self.running.spawn(async move {
            let late = || io::Error::new(io::ErrorKind::TimedOut, "no answer");
            let answered = timeout(PATIENCE, async {
                let (mut connection, asked) = match free {
                    Some(free) => free,
                    None => (Connection::open(from, to).await?, 0),
                };
                let status = connection.ask(&head, body.as_bytes()).await?;
                Ok((status, (connection, asked + 1)))
            });
            match answered.await.unwrap_or_else(|_| Err(late())) {
                Ok((status, free)) => (due.elapsed(), Ok(status), Some(free)),
                Err(error) => (due.elapsed(), Err(error), None),
            }
        });
    }

    fn note(&mut self, done: std::result::Result<Answered, JoinError>) {
        let Ok((after, answered, free)) = done else { return };
        self.took.note(after, self.what, answered);
        self.free.extend(free.filter(|(_, asked)| *asked < REQUESTS_OF_A_CONNECTION));
    }

    async fn end(mut self) -> Took {
        while let Some(done) = self.running.join_next().await {
            self.note(done);
        }
        self.took
    }
}

fn sorted(mut micros: Vec<u32>) -> Vec<u32> {
    micros.sort_unstable();
    micros
}
