//! `wholecall serve` as a process to measure, its tenants, and HTTP connections to it.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    net::{IpAddr, SocketAddr, TcpStream as Blocking},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// The result of a measurement, with any error.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The account of the example calls.
pub const ACCOUNT: &str = "400131426008";

/// A tenant as `tenant add` prints it.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// Its API key.
    pub key: String,
    /// The verification token of its hook.
    pub token: String,
}

impl Tenant {
    /// Adds a tenant to a data folder.
    pub fn add(program: &Path, data: &Path, name: &str) -> Result<Self> {
        let added = Command::new(program)
            .args(["tenant", "add", name, "--account", ACCOUNT, "--json", "--data"])
            .arg(data)
            .output()?;
        let answer: serde_json::Value = serde_json::from_slice(&added.stdout)
            .map_err(|_| String::from_utf8_lossy(&added.stderr).into_owned())?;
        let text =
            |field: &str| answer[field].as_str().map(str::to_owned).ok_or("unexpected output of tenant add");
        Ok(Self { name: name.to_owned(), key: text("apiKey")?, token: text("verificationToken")? })
    }

    /// The head of a request to its hook, without its length.
    pub fn hook(&self) -> String {
        let Self { name, token, .. } = self;
        format!("POST /hooks/{name} HTTP/1.1\r\nHost: load\r\nVerification-Token: {token}\r\n")
    }

    /// The head of a request with its key.
    pub fn asks(&self, method: &str, path: &str) -> String {
        format!("{method} {path} HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {}\r\n", self.key)
    }
}

/// The running service; killed when it is dropped.
#[derive(Debug)]
pub struct Service {
    process: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Service {
    /// Starts it on a data folder at any port, and waits until it prints its address.
    pub fn start(program: &Path, data: &Path) -> Result<Self> {
        let mut process = Self::command(program, data, "127.0.0.1:0").spawn()?;
        let stdout = process.stdout.take().ok_or("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(',').next());
        let address = address.and_then(|address| address.parse().ok());
        match address {
            Some(address) => Ok(Self { process, address }),
            None => {
                process.kill()?;
                Err(format!("no address in its output: {line:?} ({})", process.wait()?).into())
            }
        }
    }

    /// Starts it at a port and posts to it until it answers with 200; returns the time from the start of the process.
    pub fn start_until_first_200(
        program: &Path,
        data: &Path,
        port: u16,
        tenant: &Tenant,
        body: &str,
    ) -> Result<(Self, Duration)> {
        const START_TIMEOUT: Duration = Duration::from_secs(120);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let request = format!("{}Content-Length: {}\r\n\r\n{body}", tenant.hook(), body.len());
        let mut command = Self::command(program, data, &address.to_string());
        let started = Instant::now();
        let service = Self { process: command.spawn()?, address };
        while started.elapsed() < START_TIMEOUT {
            if is_answered(address, request.as_bytes()).unwrap_or(false) {
                return Ok((service, started.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(format!("no 200 within {} s", START_TIMEOUT.as_secs()).into())
    }

    fn command(program: &Path, data: &Path, listen: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["serve", "--listen", listen, "--data"]).arg(data);
        command.env("WHOLECALL_LOG", "error").stdout(Stdio::piped());
        command
    }

    /// `kill -9`.
    pub fn kill(mut self) -> io::Result<()> {
        self.process.kill()?;
        self.process.wait().map(drop)
    }

    /// Terminates it with SIGTERM, and waits for its end.
    pub fn stop(mut self) -> Result<()> {
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.process),
            rustix::process::Signal::TERM,
        )?;
        let status = self.process.wait()?;
        status.success().then_some(()).ok_or_else(|| format!("it ended with {status}").into())
    }

    /// Its peak memory since [`Self::reset_peak`], in MB.
    pub fn peak_mb(&self) -> Result<f64> {
        let status = fs::read_to_string(self.proc_file("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes / 1_024.0)
    }

    /// Resets the peak memory, if the kernel allows it.
    pub fn reset_peak(&self) {
        let _ = fs::write(self.proc_file("clear_refs"), "5");
    }

    fn proc_file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.process.id()))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn is_answered(address: SocketAddr, request: &[u8]) -> io::Result<bool> {
    let mut stream = Blocking::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    stream.write_all(request)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line.starts_with("HTTP/1.1 200"))
}

/// A keep-alive connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects from an address of this machine.
    pub async fn open(from: IpAddr, to: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(from, 0))?;
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends a request with its length, without waiting for the answer.
    pub async fn send(&mut self, head: &str, body: &[u8]) -> io::Result<()> {
        /// Maximum size of a body that is sent with the head in one write.
        const MAX_COPIED_BYTES: usize = 64 << 10;
        let mut request = format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        if body.len() <= MAX_COPIED_BYTES {
            request.extend_from_slice(body);
            return self.stream.write_all(&request).await;
        }
        self.stream.write_all(&request).await?;
        self.stream.write_all(body).await
    }

    /// Sends raw bytes.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends a request and reads the whole answer; returns its status.
    pub async fn ask(&mut self, head: &str, body: &[u8]) -> io::Result<u16> {
        self.send(head, body).await?;
        let (status, length) = self.status().await?;
        let mut left = length.saturating_sub(self.buffer.len());
        while left > 0 {
            self.buffer.clear();
            left = left.saturating_sub(self.read().await?);
        }
        Ok(status)
    }

    /// Requests a text; anything but 200 is an error.
    pub async fn ask_text(&mut self, head: &str) -> Result<String> {
        self.send(head, b"").await?;
        let (status, length) = self.status().await?;
        while self.buffer.len() < length {
            self.read().await?;
        }
        let text = String::from_utf8_lossy(&self.buffer).into_owned();
        if status == 200 { Ok(text) } else { Err(format!("{status}: {text}").into()) }
    }

    /// Reads the head of an answer: the status, and the length of the body.
    pub async fn status(&mut self) -> io::Result<(u16, usize)> {
        self.buffer.clear();
        loop {
            self.read().await?;
            let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
            self.buffer.drain(..end + 4);
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            let length =
                head.split("\r\n").find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let status = status.ok_or_else(|| io::Error::other(head))?;
            return Ok((status, length.unwrap_or(0)));
        }
    }

    /// Reads and discards until the other side closes the connection.
    pub async fn drain(&mut self) -> io::Result<()> {
        loop {
            self.buffer.clear();
            self.read().await?;
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed")),
            read => Ok(read),
        }
    }
}
