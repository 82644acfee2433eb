//! What is done to others.

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

/// Parties of one notification: 256 KiB are the most that is taken.
const PARTIES_OF_A_NOTIFICATION: usize = 200;

/// When whoever waits for something comes again after having been refused or cut off.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Something that one does to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// 32 searches of how calls stood at a time, over and over.
    AsOf,
    /// Imports of lines that are as long as may be, and of some that are longer.
    LongLines,
    /// A call of very many parties is posted, drawn and explained.
    Drawings,
    /// 1,000 streams in which nothing happens.
    Streams,
    /// 900 bodies that never come.
    SilentBodies,
    /// 60 erasures at once.
    Erasures,
    /// Wrong API keys and hook tokens, over and over.
    WrongKeys,
}

impl Attack {
    /// Everything that is tried.
    pub const ALL: [Self; 7] = [
        Self::AsOf,
        Self::LongLines,
        Self::Drawings,
        Self::Streams,
        Self::SilentBodies,
        Self::Erasures,
        Self::WrongKeys,
    ];

    /// For people.
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

/// An attack that goes on until it is stopped, on a thread of its own.
pub(super) struct Attacking {
    stop: watch::Sender<bool>,
    ended: mpsc::Receiver<()>,
    answers: Answers,
}

/// What one connection of an attack needs to know.
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::spawn(move || {
            runtime.block_on(attacker.go_on(stopped));
            let _ = end.send(());
        });
        Ok(Self { stop, ended, answers })
    }

    /// Ends it; the answers by status, and as 0 connections that were cut.
    pub(super) async fn stop(&mut self) -> BTreeMap<u16, usize> {
        self.stop.send_replace(true);
        while self.ended.try_recv() == Err(mpsc::TryRecvError::Empty) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        std::mem::take(&mut self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Attacker {
    async fn go_on(self, mut stopped: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        for number in 0..self.attack.connections() {
            connections.spawn(self.clone().again_and_again(number));
        }
        let _ = stopped.wait_for(|stopped| *stopped).await;
        connections.shutdown().await;
    }

    async fn again_and_again(self, number: usize) {
        for round in 0.. {
            if let Err(error) = self.once(number, round).await {
                self.count(0);
                // Whoever keeps 900 bodies waiting does not come again at once; and without a port or a file there is no
                // attack.
                let is_patient = self.attack == Attack::SilentBodies || error.raw_os_error().is_some();
                let pause = if is_patient { AGAIN_AFTER } else { Duration::from_millis(5) };
                tokio::time::sleep(pause).await;
            }
        }
    }

    fn count(&self, status: u16) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
    }

    /// Opens a connection and does its worst, until that ends.
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
                    let lines = many_parties(self.parties, round, self.from);
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
                    // Whoever is refused tries again.
                    _ => {
                        tokio::time::sleep(AGAIN_AFTER).await;
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

/// Notifications with a member of which nobody knows, so long that a line has so many bytes.
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

/// The session of a call of many.
fn crowd(round: usize, from: IpAddr) -> String {
    format!("s-crowd{round}x{}", from.to_string().replace('.', "x"))
}

/// A call of so many parties, in as many notifications as that takes.
fn many_parties(count: usize, round: usize, from: IpAddr) -> Vec<u8> {
    let mut lines = String::new();
    let parties: Vec<String> = (0..count).map(|party_number| party("+14045550120", party_number)).collect();
    for (place, parties) in parties.chunks(PARTIES_OF_A_NOTIFICATION).enumerate() {
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
