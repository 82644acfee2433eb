//! The attacks.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet};

use super::Plan;
use crate::service::{ACCOUNT, Connection, Result, Tenant};

/// Number of parties per notification, below the maximum of 256 KiB.
const PARTIES_PER_NOTIFICATION: usize = 200;

/// Maximum time until a call of many parties is assembled.
const MAX_PREPARATION_S: u64 = 300;

/// Interval between attempts of an attacker whose connection was refused or closed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// An attack on other tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// 32 searches for calls as of a past time, repeated.
    AsOf,
    /// Imports of lines of the maximum length, and longer ones.
    LongLines,
    /// A call of 10,000 parties is posted, drawn and explained.
    Drawings,
    /// 1,000 idle streams.
    Streams,
    /// 900 requests whose bodies never arrive.
    SilentBodies,
    /// 60 erasures at once.
    Erasures,
    /// Wrong API keys and hook tokens, repeated.
    WrongKeys,
}

impl Attack {
    /// All attacks.
    pub const ALL: [Self; 7] = [
        Self::AsOf,
        Self::LongLines,
        Self::Drawings,
        Self::Streams,
        Self::SilentBodies,
        Self::Erasures,
        Self::WrongKeys,
    ];

    /// The attack in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::AsOf => "32 `as_of` searches",
            Self::LongLines => "imports of long lines",
            Self::Drawings => "drawings of a call of very many parties",
            Self::Streams => "1,000 idle streams",
            Self::SilentBodies => "900 silent bodies",
            Self::Erasures => "60 erasures",
            Self::WrongKeys => "wrong keys in a loop",
        }
    }

    fn connections(self) -> usize {
        match self {
            Self::AsOf => 32,
            Self::LongLines => 2,
            Self::Drawings => 8,
            Self::Streams => 1_000,
            Self::SilentBodies => 900,
            Self::Erasures => 60,
            Self::WrongKeys => 8,
        }
    }
}

type Answers = Arc<Mutex<BTreeMap<u16, usize>>>;

/// An attack that continues on its own thread until it is stopped.
pub(super) struct Attacking {
    stop: watch::Sender<bool>,
    ended: mpsc::Receiver<()>,
    answers: Answers,
}

/// The data of each connection of an attack.
#[derive(Clone)]
struct Attacker {
    attack: Attack,
    tenant: Tenant,
    from: IpAddr,
    to: SocketAddr,
    parties: usize,
    answers: Answers,
}

impl Attacking {
    pub(super) async fn start(
        attack: Attack,
        plan: &Plan,
        tenant: &Tenant,
        from: IpAddr,
        to: SocketAddr,
    ) -> Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = mpsc::channel();
        let answers = Answers::default();
        let attacker = Attacker {
            attack,
            tenant: tenant.clone(),
            from,
            to,
            parties: plan.parties,
            answers: answers.clone(),
        };
        attacker.prepare().await?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::spawn(move || {
            runtime.block_on(attacker.run(stopped));
            let _ = end.send(());
        });
        Ok(Self { stop, ended, answers })
    }

    /// Stops it; returns the number of answers by status, with closed connections under 0.
    pub(super) async fn stop(&mut self) -> BTreeMap<u16, usize> {
        self.stop.send_replace(true);
        while self.ended.try_recv() == Err(mpsc::TryRecvError::Empty) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        std::mem::take(&mut self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Attacker {
    /// Posts the call that is drawn, and waits until it is assembled.
    async fn prepare(&self) -> Result<()> {
        if self.attack != Attack::Drawings {
            return Ok(());
        }
        let mut connection = Connection::open(self.from, self.to).await?;
        let head = self.tenant.asks("POST", "/v1/notifications");
        connection.ask(&head, &many_parties(self.parties, 0, self.from)).await?;
        let call = self.tenant.asks("GET", &format!("/v1/calls/{}", crowd(0, self.from)));
        let last = format!("p-crowd-{}\"", self.parties - 1);
        for _ in 0..MAX_PREPARATION_S {
            if connection.ask_text(&call).await.is_ok_and(|record| record.contains(&last)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Err(format!("the call of many parties is not assembled after {MAX_PREPARATION_S} s").into())
    }

    async fn run(self, mut stopped: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        for number in 0..self.attack.connections() {
            connections.spawn(self.clone().repeat(number));
        }
        let _ = stopped.wait_for(|stopped| *stopped).await;
        connections.shutdown().await;
    }

    async fn repeat(self, number: usize) {
        for round in 0.. {
            if let Err(error) = self.once(number, round).await {
                self.count(0);
                // Without a free port or file there is no attack, so do not retry at once.
                let is_slow = self.attack == Attack::SilentBodies || error.raw_os_error().is_some();
                let pause = if is_slow { RETRY_INTERVAL } else { Duration::from_millis(5) };
                tokio::time::sleep(pause).await;
            }
        }
    }

    fn count(&self, status: u16) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
    }

    /// Opens a connection and attacks until it is closed.
    async fn once(&self, number: usize, round: usize) -> io::Result<()> {
        let mut connection = Connection::open(self.from, self.to).await?;
        let tenant = &self.tenant;
        match self.attack {
            Attack::AsOf => {
                let path =
                    "/v1/calls?as_of=2026-11-30T00:00:00Z&result=Voicemail&direction=Outbound&limit=1000";
                self.loop_over(&mut connection, &[(tenant.asks("GET", path), Vec::new())]).await
            }
            Attack::LongLines => {
                let lines = |bytes: usize, count: usize| {
                    (tenant.asks("POST", "/v1/notifications"), long_lines(number, bytes, count))
                };
                self.loop_over(&mut connection, &[lines(255 << 10, 60), lines(15 << 20, 4)]).await
            }
            Attack::Drawings => {
                if number == 0 {
                    // Another call of this size is assembled at the same time.
                    let lines = many_parties(self.parties, round + 1, self.from);
                    let head = tenant.asks("POST", "/v1/notifications");
                    self.count(connection.ask(&head, &lines).await?);
                }
                let paths = ["drawing.svg", "explain", "drawing.png"].map(|what| {
                    let path = format!("/v1/calls/{}/{what}", crowd(0, self.from));
                    (tenant.asks("GET", &path), Vec::new())
                });
                self.loop_over(&mut connection, &paths).await
            }
            Attack::Streams => {
                connection.send(&tenant.asks("GET", "/v1/stream"), b"").await?;
                let (status, _) = connection.status().await?;
                self.count(status);
                match status {
                    200 => connection.drain().await,
                    _ => {
                        tokio::time::sleep(RETRY_INTERVAL).await;
                        Ok(())
                    }
                }
            }
            Attack::SilentBodies => {
                let head = "POST /sign-in HTTP/1.1\r\nHost: load\r\nContent-Length: 1000\r\n\
                    Content-Type: application/x-www-form-urlencoded\r\n\r\nkey=";
                connection.send_bytes(head.as_bytes()).await?;
                connection.drain().await
            }
            Attack::Erasures => {
                let path = format!("/v1/numbers/%2B1999555{:04}", (number + 60 * round) % 10_000);
                self.loop_over(&mut connection, &[(tenant.asks("DELETE", &path), Vec::new())]).await
            }
            Attack::WrongKeys => {
                let key = format!("wck_wrong{number}x{round}");
                let asks = Tenant { key, token: format!("wrong{number}x{round}"), ..tenant.clone() };
                let requests = [
                    (asks.asks("GET", "/v1/calls"), Vec::new()),
                    (asks.hook(), b"{}".to_vec()),
                    (asks.asks("GET", "/healthz"), Vec::new()),
                ];
                self.loop_over(&mut connection, &requests).await
            }
        }
    }

    async fn loop_over(&self, connection: &mut Connection, requests: &[(String, Vec<u8>)]) -> io::Result<()> {
        for (head, body) in requests.iter().cycle() {
            self.count(connection.ask(head, body).await?);
        }
        Ok(())
    }
}

/// Notifications with an unknown member that fills each line to a number of bytes.
fn long_lines(number: usize, bytes: usize, count: usize) -> Vec<u8> {
    let pad = "x".repeat(bytes - 1_024);
    let mut lines = String::with_capacity(count * (bytes + 1));
    for line in 0..count {
        let parties = party("+14045550120", line);
        let session = format!("s-long{number}x{line}");
        let _ = writeln!(lines, "{}", notification(&session, 2, &parties, &format!(",\"pad\":\"{pad}\"")));
    }
    lines.into_bytes()
}

/// The session id of a call of many parties.
fn crowd(round: usize, from: IpAddr) -> String {
    format!("s-crowd{round}x{}", from.to_string().replace('.', "x"))
}

/// The notifications of a call with a number of parties.
fn many_parties(count: usize, round: usize, from: IpAddr) -> Vec<u8> {
    let mut lines = String::new();
    let parties: Vec<String> = (0..count).map(|party_number| party("+14045550120", party_number)).collect();
    for (place, parties) in parties.chunks(PARTIES_PER_NOTIFICATION).enumerate() {
        let line = notification(&crowd(round, from), 2 + place, &parties.join(","), "");
        let _ = writeln!(lines, "{line}");
    }
    lines.into_bytes()
}

fn party(to: &str, number: usize) -> String {
    format!(
        "{{\"accountId\":\"{ACCOUNT}\",\"extensionId\":\"40013{number:06}\",\"id\":\"p-crowd-{number}\",\
         \"direction\":\"Inbound\",\"to\":{{\"phoneNumber\":\"{to}\"}},\"from\":{{\"phoneNumber\":\"+14705550189\",\
         \"name\":\"Caller {number}\"}},\"status\":{{\"code\":\"Proceeding\"}}}}"
    )
}

fn notification(session: &str, sequence: usize, parties: &str, more: &str) -> String {
    let time = format!("2026-11-16T09:00:{:02}.{:03}Z", sequence / 10 % 60, sequence % 10);
    format!(
        "{{\"uuid\":\"{session}{sequence}\",\"event\":\"/restapi/v1.0/account/{ACCOUNT}/telephony/sessions\",\
         \"timestamp\":\"{time}\",\"body\":{{\"sequence\":{sequence},\"sessionId\":\"4512\",\
         \"telephonySessionId\":\"{session}\",\"eventTime\":\"{time}\",\"parties\":[{parties}]{more},\
         \"origin\":{{\"type\":\"Call\"}}}}}}"
    )
}
