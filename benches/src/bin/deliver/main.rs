//! Latency and throughput of deliveries: starts `wholecall serve` with endpoints in this process.
//!
//! `deliver [SECONDS] [PROGRAM]`: seconds at 200 calls a second (20), the program (`wholecall` in the same folder). 20
//! endpoints receive every call; 5 of them never answer.

use std::{
    collections::HashMap,
    env,
    error::Error,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, Response, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const CALLS_PER_SECOND: u64 = 200;
const FAST: usize = 15;
const HANGING: usize = 5;
const BACKLOG: usize = 3_000;

/// When the last notification of each call was sent, and the latencies of its deliveries.
#[derive(Default)]
struct Deliveries {
    ended: Mutex<HashMap<String, Instant>>,
    latencies: Mutex<Vec<Duration>>,
    delivered: AtomicUsize,
}

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(20), |seconds| seconds.parse())?;
    let program = match arguments.next() {
        Some(program) => PathBuf::from(program),
        None => env::current_exe()?.with_file_name("wholecall"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(&program, seconds))
}

async fn measure(program: &Path, seconds: u64) -> Result<()> {
    let service = Service::start(program)?;
    let deliveries = Arc::new(Deliveries::default());
    let mut fast = Vec::new();
    for number in 0..FAST + HANGING {
        let url = receiver(deliveries.clone(), number >= FAST).await?;
        let added = service.endpoint(&["add", "bench", &url, "--event", "call.completed"])?;
        if number < FAST {
            fast.push(added["id"].as_str().ok_or("unexpected output of endpoint add")?.to_owned());
        }
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    latency(&service, &deliveries, seconds).await?;
    backlog(&service, &deliveries, &fast).await
}

/// Measures the time from a call's last notification to its delivery, at a steady rate.
async fn latency(service: &Service, deliveries: &Deliveries, seconds: u64) -> Result<()> {
    let calls = CALLS_PER_SECOND * seconds;
    let started = Instant::now();
    let mut connection = TcpStream::connect(&service.address).await?;
    connection.set_nodelay(true)?;
    for number in 0..calls {
        let due = started + Duration::from_nanos(number * 1_000_000_000 / CALLS_PER_SECOND);
        tokio::time::sleep_until(due.into()).await;
        let (id, lines) = call(&format!("a{number:07x}"));
        // When it is sent, not when it is answered, so that a slow answer counts as latency.
        deliveries.ended.lock().map_err(|_| "poisoned")?.insert(id, Instant::now());
        service.import(&mut connection, &lines).await?;
    }
    let expected = calls as usize * FAST;
    wait(deliveries, expected).await?;
    let mut latencies = std::mem::take(&mut *deliveries.latencies.lock().map_err(|_| "poisoned")?);
    latencies.sort_unstable();
    let at = |percent: usize| {
        latencies[(latencies.len() * percent / 100).min(latencies.len() - 1)].as_secs_f64() * 1e3
    };
    println!(
        "{CALLS_PER_SECOND} calls/s for {seconds} s to {FAST} endpoints, {HANGING} more hang: settle time + {:.1} ms (p50), + {:.1} ms (p99)",
        at(50) - 1_000.0,
        at(99) - 1_000.0
    );
    Ok(())
}

/// Measures the delivery of what endpoints missed while they were disabled.
async fn backlog(service: &Service, deliveries: &Deliveries, fast: &[String]) -> Result<()> {
    for id in fast {
        service.endpoint(&["set", "bench", id, "--enabled", "false"])?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut connection = TcpStream::connect(&service.address).await?;
    for number in 0..BACKLOG {
        service.import(&mut connection, &call(&format!("b{number:07x}")).1).await?;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = deliveries.delivered.load(Ordering::Relaxed);
    // Includes the time to enable them, and up to a second until the service applies that.
    let started = Instant::now();
    for id in fast {
        service.endpoint(&["set", "bench", id, "--enabled", "true"])?;
    }
    wait(deliveries, before + BACKLOG * fast.len()).await?;
    let rate = (BACKLOG * fast.len()) as f64 / started.elapsed().as_secs_f64();
    println!("backlog of {BACKLOG} calls at {FAST} endpoints: {rate:.0} deliveries/s");
    Ok(())
}

async fn wait(deliveries: &Deliveries, expected: usize) -> Result<()> {
    let started = Instant::now();
    loop {
        let delivered = deliveries.delivered.load(Ordering::Relaxed);
        if delivered >= expected {
            return Ok(());
        }
        if started.elapsed() > Duration::from_secs(120) {
            return Err(format!("{delivered} of {expected} were delivered").into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The id and the notifications of a simple call with new ids.
fn call(number: &str) -> (String, String) {
    let text = include_str!("../../../../examples/direct.ndjson");
    let text =
        text.replace("-a0d7", &format!("-{number}")).replace("\"uuid\":\"", &format!("\"uuid\":\"{number}"));
    let id = text.split("\"telephonySessionId\":\"").nth(1).and_then(|rest| rest.split('"').next());
    (id.unwrap_or_default().to_owned(), text)
}

/// Starts an endpoint in this process; returns its address.
async fn receiver(deliveries: Arc<Deliveries>, hangs: bool) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let deliveries = deliveries.clone();
            let service = service_fn(move |request| take(request, deliveries.clone(), hangs));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    Ok(url)
}

async fn take(
    request: Request<Incoming>,
    deliveries: Arc<Deliveries>,
    hangs: bool,
) -> std::result::Result<Response<Empty<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    if hangs {
        std::future::pending::<()>().await;
    }
    let text = String::from_utf8_lossy(&body);
    // The id of the call, not of the message.
    let id = text.split("\"id\":\"s-").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    if let (Ok(ended), Ok(mut latencies)) = (deliveries.ended.lock(), deliveries.latencies.lock())
        && let Some(at) = ended.get(&format!("s-{id}"))
    {
        latencies.push(at.elapsed());
    }
    deliveries.delivered.fetch_add(1, Ordering::Relaxed);
    Ok(Response::new(Empty::new()))
}

/// `wholecall serve`, killed when it is dropped.
struct Service {
    program: PathBuf,
    address: String,
    key: String,
    process: Child,
    folder: TempDir,
}

impl Service {
    fn start(program: &Path) -> Result<Self> {
        let folder = TempDir::new()?;
        let added = json(
            Command::new(program)
                .args(["tenant", "add", "bench", "--account", "400131426008", "--json", "--data"])
                .arg(folder.path()),
        )?;
        let mut process = Command::new(program)
            .args(["serve", "--allow-private-webhooks", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path())
            .env("WHOLECALL_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no standard output")?).read_line(&mut line)?;
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(',').next());
        Ok(Self {
            program: program.to_owned(),
            address: address.ok_or("no address in its output")?.to_owned(),
            key: added["apiKey"].as_str().ok_or("unexpected output of tenant add")?.to_owned(),
            process,
            folder,
        })
    }

    fn endpoint(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(&self.program);
        json(command.arg("endpoint").args(arguments).args(["--json", "--data"]).arg(self.folder.path()))
    }

    /// Imports notifications, and waits until they are durable.
    async fn import(&self, connection: &mut TcpStream, lines: &str) -> Result<()> {
        let head = format!(
            "POST /v1/notifications HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
            self.key,
            lines.len()
        );
        connection.write_all((head + lines).as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            if connection.read_buf(&mut answer).await? == 0 {
                return Err("the connection was closed".into());
            }
        }
        match answer.starts_with(b"HTTP/1.1 200") {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&answer).into_owned().into()),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn json(command: &mut Command) -> Result<Value> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout)?),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}
