//! Posts over keep-alive connections and measures the latency of each answer.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::LocalSet,
};
use wholecall_benches::{as_they_happen, call_number, examples};

use crate::Result;

/// How fast to post.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as the service answers.
    Unlimited,
    /// At times that do not depend on the answers, so that delays count as latency.
    PerSecond(u64),
}

/// The result of posting.
pub(crate) struct Outcome {
    took: Duration,
    /// Microseconds, sorted.
    latencies: Vec<u32>,
    /// When the last notification of each call was acknowledged.
    pub(crate) last_acknowledged: HashMap<usize, Instant>,
}

impl Outcome {
    pub(crate) fn count(&self) -> usize {
        self.latencies.len()
    }

    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// A latency percentile in milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        percentile(&self.latencies, percent)
    }
}

/// A percentile of sorted microseconds, in milliseconds.
pub(crate) fn percentile(micros: &[u32], percent: usize) -> f64 {
    let place = (micros.len() * percent / 100).min(micros.len().saturating_sub(1));
    micros.get(place).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
}

/// The calls that are posted; each notification once.
pub(crate) struct Load {
    calls: Box<dyn Iterator<Item = String>>,
    imported_calls: usize,
}

impl Load {
    /// Calls of which one starts after each `gap`, if they are posted in real time.
    pub(crate) fn new(gap: Duration) -> Self {
        Self { calls: Box::new(as_they_happen(examples(), gap)), imported_calls: 0 }
    }

    /// Number of calls in the notifications imported so far.
    pub(crate) fn imported_calls(&self) -> usize {
        self.imported_calls
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
        let last_acknowledged = Rc::new(RefCell::new(HashMap::new()));
        let sent = Rc::new(RefCell::new(0_u64));
        let started = Instant::now();
        let tasks = LocalSet::new();
        let mut running = Vec::new();
        for _ in 0..connections {
            let (source, latencies, sent, head) =
                (source.clone(), latencies.clone(), sent.clone(), head.clone());
            let last_acknowledged = last_acknowledged.clone();
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
                    connection.send(&head, body.as_bytes()).await?;
                    latencies.borrow_mut().push(due.elapsed().as_micros() as u32);
                    if let Some(call) = call_number(&body) {
                        last_acknowledged.borrow_mut().insert(call, Instant::now());
                    }
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
        Ok(Outcome { took, latencies, last_acknowledged: last_acknowledged.take() })
    }

    /// Imports notifications in one request; returns notifications per second.
    pub(crate) async fn import(&mut self, address: &str, key: &str, count: usize) -> Result<f64> {
        let lines: Vec<String> = self.calls.by_ref().take(count).collect();
        let last = lines.iter().filter_map(|line| call_number(line)).max();
        self.imported_calls = self.imported_calls.max(last.map_or(0, |call| call + 1));
        let head =
            format!("POST /v1/notifications HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {key}\r\n");
        let mut connection = Connection::open(address).await?;
        let started = Instant::now();
        connection.send(&head, lines.join("\n").as_bytes()).await?;
        Ok(count as f64 / started.elapsed().as_secs_f64())
    }
}

/// The time at which the stream of changes reported each call as completed.
pub(crate) async fn completions(
    address: String,
    key: String,
    until: Instant,
) -> Result<HashMap<usize, Instant>> {
    let mut stream = BufReader::new(TcpStream::connect(&address).await?);
    let head = format!("GET /v1/stream HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {key}\r\n\r\n");
    stream.get_mut().write_all(head.as_bytes()).await?;
    let (mut completed, mut is_completed, mut line) = (HashMap::new(), false, String::new());
    loop {
        line.clear();
        let Ok(read) = tokio::time::timeout_at(until.into(), stream.read_line(&mut line)).await else {
            return Ok(completed);
        };
        if read? == 0 {
            return Err("the stream of changes ended".into());
        } else if line.starts_with("event:") {
            is_completed = line.contains("call.completed");
        } else if is_completed && line.starts_with("data:") {
            completed.extend(call_number(&line).map(|call| (call, Instant::now())));
        }
    }
}

/// A connection for queries.
pub(crate) struct Queries {
    connection: Connection,
    key: String,
}

impl Queries {
    pub(crate) async fn open(address: &str, key: &str) -> Result<Self> {
        Ok(Self { connection: Connection::open(address).await?, key: key.to_owned() })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<&[u8]> {
        let key = &self.key;
        let head = format!("GET {path} HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {key}\r\n");
        self.connection.send(&head, b"").await
    }

    /// The ids of matching calls, newest first.
    pub(crate) async fn ids(&mut self, filter: &str, at_most: usize) -> Result<Vec<String>> {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        while ids.len() < at_most {
            let page = self.get(&format!("/v1/calls?limit=1000&{filter}{cursor}")).await?;
            let page: serde_json::Value = serde_json::from_slice(page)?;
            let calls = page["calls"].as_array().ok_or("no calls")?;
            ids.extend(calls.iter().filter_map(|call| call["id"].as_str().map(str::to_owned)));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        Ok(ids)
    }

    /// Runs queries one after the other; returns their times in microseconds, sorted.
    pub(crate) async fn time(&mut self, paths: &[String]) -> Result<Vec<u32>> {
        let mut took = Vec::with_capacity(paths.len());
        for path in paths {
            let started = Instant::now();
            self.get(path).await?;
            took.push(started.elapsed().as_micros() as u32);
        }
        took.sort_unstable();
        Ok(took)
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

    /// Sends a request and waits for the answer, which must be a 200; returns its body.
    async fn send(&mut self, head: &str, body: &[u8]) -> Result<&[u8]> {
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
            return Ok(&self.buffer[end + 4..]);
        }
    }
}
