//! The processes that are measured.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    CONNECTIONS, Result,
    client::{Load, Outcome, Pace},
};

/// A process that is killed when it is dropped.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Result<(Self, String)> {
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let stdout = process.stdout.take().ok_or("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        Ok((Self(process), line))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The bare server, which shows the limit of this machine.
pub(crate) struct Bare {
    pub(crate) address: String,
    _process: Process,
    _folder: TempDir,
}

impl Bare {
    pub(crate) fn start() -> Result<Self> {
        let folder = TempDir::new()?;
        let mut command = Command::new(env::current_exe()?);
        let (process, line) = Process::start(command.arg("bare").arg(folder.path().join("bodies")))?;
        Ok(Self { address: line.trim().to_owned(), _process: process, _folder: folder })
    }
}

/// The resources that a process has used.
pub(crate) struct Used {
    /// Processor time, in steps of 10 ms.
    pub(crate) seconds: f64,
    /// Bytes written to disk.
    pub(crate) written: f64,
}

/// `wholecall serve` with one tenant.
pub(crate) struct Service {
    pub(crate) address: String,
    pub(crate) hook: String,
    pub(crate) token: String,
    pub(crate) key: String,
    process: Process,
    folder: TempDir,
}

impl Service {
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let folder = TempDir::new()?;
        let data = folder.path().join("data");
        let added = Command::new(program)
            .args(["tenant", "add", "load", "--account", "400131426008", "--json", "--data"])
            .arg(&data)
            .output()?;
        let added: serde_json::Value = serde_json::from_slice(&added.stdout)?;
        let text =
            |field: &str| added[field].as_str().map(str::to_owned).ok_or("unexpected output of tenant add");
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).env("WHOLECALL_LOG", "warn");
        let (process, line) = Process::start(&mut command)?;
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(',').next());
        Ok(Self {
            address: address.ok_or("no address in its output")?.to_owned(),
            hook: "/hooks/load".to_owned(),
            token: text("verificationToken")?,
            key: text("apiKey")?,
            process,
            folder,
        })
    }

    /// Posts notifications to its hook.
    pub(crate) async fn post(&self, load: &mut Load, pace: Pace, time: Duration) -> Result<Outcome> {
        load.post(&self.address, &self.hook, Some(&self.token), CONNECTIONS, pace, time).await
    }

    /// Waits until a number of notifications are assembled; returns the time that took.
    pub(crate) async fn settle(&self, notifications: usize) -> Result<Duration> {
        let started = Instant::now();
        loop {
            let assembled = counter(&self.metrics().await?, "wholecall_notifications_assembled_total");
            if assembled >= notifications as u64 {
                return Ok(started.elapsed());
            }
            if started.elapsed() > Duration::from_secs(300) {
                return Err(format!("{assembled} of {notifications} notifications are assembled").into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn metrics(&self) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    /// Bytes of all files in the data folder.
    pub(crate) fn disk(&self) -> Result<f64> {
        let mut bytes = 0;
        for entry in fs::read_dir(self.data())? {
            bytes += entry?.metadata()?.len();
        }
        Ok(bytes as f64)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The resources used so far.
    pub(crate) fn used(&self) -> Result<Used> {
        let process = format!("/proc/{}", self.process.0.id());
        let stat = fs::read_to_string(format!("{process}/stat"))?;
        // After the name, which is in brackets: user time is the 12th field, system time the 13th.
        let (_, fields) = stat.rsplit_once(')').ok_or("no name")?;
        let times = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
        let ticks: f64 = times.sum::<std::result::Result<f64, _>>()?;
        let io = fs::read_to_string(format!("{process}/io"))?;
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).ok_or("no such line")?;
        Ok(Used { seconds: ticks / 100.0, written: written.parse()? })
    }

    /// Its memory, by the name of the line in `/proc/PID/status`.
    pub(crate) fn memory_mb(&self, name: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes / 1_024.0)
    }
}

fn counter(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}
