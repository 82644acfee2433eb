//! The tenant that something is done to.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, time::timeout};

use crate::{
    as_they_happen, examples,
    service::{Connection, Result, Tenant},
};

const HOOK_EVERY: Duration = Duration::from_millis(10);
const CALLS_EVERY: Duration = Duration::from_millis(20);

/// So many requests over one connection: those who come anew have to be let in too.
const REQUESTS_OF_A_CONNECTION: usize = 10;

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
    fn note(&mut self, due: Instant, what: &str, answered: io::Result<u16>) {
        let reason = match answered {
            Ok(200) => return self.micros.push(due.elapsed().as_micros() as u32),
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
    let (mut took, mut asker) = (Took::default(), Asker { from, to, connection: None, asked: 0 });
    let head = tenant.hook();
    for due in dues(HOOK_EVERY, time) {
        tokio::time::sleep_until(due.into()).await;
        let Some(body) = notifications.next().filter(|_| took.refused < MAX_REFUSED) else { break };
        took.note(due, "hook", asker.ask(&head, body.as_bytes()).await);
    }
    (took, notifications)
}

async fn list(tenant: Tenant, from: IpAddr, to: SocketAddr, time: Duration) -> Took {
    let (mut took, mut asker) = (Took::default(), Asker { from, to, connection: None, asked: 0 });
    let head = tenant.asks("GET", "/v1/calls?limit=5");
    for due in dues(CALLS_EVERY, time) {
        tokio::time::sleep_until(due.into()).await;
        took.note(due, "calls", asker.ask(&head, b"").await);
        if took.refused == MAX_REFUSED {
            break;
        }
    }
    took
}

/// When requests are due, whenever the one before was answered.
fn dues(every: Duration, time: Duration) -> impl Iterator<Item = Instant> {
    let began = Instant::now();
    (0..).map(move |number| began + every * number).take_while(move |due| *due < began + time)
}

struct Asker {
    from: IpAddr,
    to: SocketAddr,
    connection: Option<Connection>,
    asked: usize,
}

impl Asker {
    async fn ask(&mut self, head: &str, body: &[u8]) -> io::Result<u16> {
        self.asked += 1;
        if self.asked.is_multiple_of(REQUESTS_OF_A_CONNECTION) {
            self.connection = None;
        }
        let late = || io::Error::new(io::ErrorKind::TimedOut, "no answer");
        let answered = timeout(PATIENCE, async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => Connection::open(self.from, self.to).await?,
            };
            let status = connection.ask(head, body).await?;
            self.connection = Some(connection);
            Ok(status)
        });
        answered.await.unwrap_or_else(|_| Err(late()))
    }
}

fn sorted(mut micros: Vec<u32>) -> Vec<u32> {
    micros.sort_unstable();
    micros
}
