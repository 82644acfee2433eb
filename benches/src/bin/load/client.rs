//! Posts over keep-alive connections and notes how long each answer took.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
};
use wholecall_benches::{as_they_happen, examples};

use crate::Result;

/// How fast to post.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as the answers come.
    Unlimited,
    /// At times that do not depend on the answers: who answers late is measured as late.
    PerSecond(u64),
}

/// What came of posting.
pub(crate) struct Outcome {
    took: Duration,
    /// Microseconds, in order.
    latencies: Vec<u32>,
}

impl Outcome {
    pub(crate) fn count(&self) -> usize {
        self.latencies.len()
    }

    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// In milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let place = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(place).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
    }
}

/// The calls that are posted; each notification once.
pub(crate) struct Load {
    calls: Box<dyn Iterator<Item = String>>,
}

impl Load {
    pub(crate) fn new() -> Self {
        // About 15,000 notifications a second.
        Self { calls: Box::new(as_they_happen(examples(), Duration::from_micros(930))) }
    }

    pub(crate) async fn post(
        &mut self,
        address: &str,
        path: &str,
        token: Option<&str>,
        connections: usize,
        pace: Pace,
        time: Duration,
    ) -> Result<Outcome> {
        let token = token.map_or_else(String::new, |token| format!("Verification-Token: {token}\r\n"));
        let head = format!("POST {path} HTTP/1.1\r\nHost: load\r\n{token}Content-Type: application/json\r\n");
        let source = Rc::new(RefCell::new(std::mem::replace(&mut self.calls, Box::new(std::iter::empty()))));
        let latencies = Rc::new(RefCell::new(Vec::new()));
        let sent = Rc::new(RefCell::new(0_u64));
        let started = Instant::now();
        let tasks = LocalSet::new();
        let mut running = Vec::new();
        for _ in 0..connections {
            let (source, latencies, sent, head) =
                (source.clone(), latencies.clone(), sent.clone(), head.clone());
            let address = address.to_owned();
            running.push(tasks.spawn_local(async move {
                let mut connection = Connection::open(&address).await?;
                while started.elapsed() < time {
                    let mut due = Instant::now();
                    if let Pace::PerSecond(rate) = pace {
                        let number = std::mem::replace(&mut *sent.borrow_mut(), 0);
                        *sent.borrow_mut() = number + 1;
                        due = started + Duration::from_nanos(number * 1_000_000_000 / rate);
                        tokio::time::sleep_until(due.into()).await;
                    }
                    let Some(body) = source.borrow_mut().next() else { break };
                    connection.post(&head, body.as_bytes()).await?;
                    latencies.borrow_mut().push(due.elapsed().as_micros() as u32);
                }
                Result::Ok(())
            }));
        }
        tasks.await;
        let took = started.elapsed();
        for task in running {
            task.await??;
        }
        self.calls = Rc::try_unwrap(source).map_err(|_| "a connection is still open")?.into_inner();
        let mut latencies = Rc::try_unwrap(latencies).map_err(|_| "a connection is still open")?.into_inner();
        latencies.sort_unstable();
        Ok(Outcome { took, latencies })
    }

    /// Posts many at once as lines; notifications per second.
    pub(crate) async fn import(&mut self, address: &str, key: &str, count: usize) -> Result<f64> {
        let lines: Vec<String> = self.calls.by_ref().take(count).collect();
        let head =
            format!("POST /v1/notifications HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {key}\r\n");
        let mut connection = Connection::open(address).await?;
        let started = Instant::now();
        connection.post(&head, lines.join("\n").as_bytes()).await?;
        Ok(count as f64 / started.elapsed().as_secs_f64())
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Posts and waits for the whole answer, which must be a 200.
    async fn post(&mut self, head: &str, body: &[u8]) -> Result<()> {
        self.buffer.clear();
        self.buffer.extend_from_slice(head.as_bytes());
        self.buffer.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        self.buffer.extend_from_slice(body);
        self.stream.write_all(&self.buffer).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the connection was closed".into());
            }
            let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
            let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.ok_or("an answer without a length")?.parse()?;
            if self.buffer.len() < end + 4 + length {
                continue;
            }
            if !head.starts_with("http/1.1 200") {
                return Err(String::from_utf8_lossy(&self.buffer).into_owned().into());
            }
            return Ok(());
        }
    }
}
