//! Webhook receivers: in this process, with a configurable answer, and in other languages.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver as Reports, channel},
    },
    thread,
    time::{Duration, Instant},
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::harness::{SOON, eventually};

/// A received request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) head: String,
    /// The body as received.
    pub(crate) text: String,
    pub(crate) body: Value,
    pub(crate) at: Instant,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.head.lines().filter_map(|line| line.split_once(": "));
        found.into_iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub(crate) fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default()
    }

    /// The id and version of the event's call.
    pub(crate) fn version(&self) -> (String, u64) {
        let data = &self.body["data"];
        let call = if data["call"].is_object() { &data["call"] } else { data };
        (call["id"].as_str().unwrap_or_default().to_owned(), call["version"].as_u64().unwrap_or(0))
    }
}

/// How a receiver answers a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Sends these bytes.
    Bytes(String),
    /// Answers 200 after a delay.
    Late(Duration),
    /// Never answers.
    Hang,
    /// Answers one byte at a time.
    Drip,
    /// Resets the connection.
    Reset,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self::with_headers(status, "")
    }

    pub(crate) fn with_headers(status: u16, headers: &str) -> Self {
        Self::Bytes(format!("HTTP/1.1 {status} Status\r\n{headers}content-length: 4\r\n\r\ndone"))
    }
}

/// A receiver in this process.
pub(crate) struct Receiver {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    answer: Arc<Mutex<Answer>>,
}

impl Receiver {
    pub(crate) fn start(answer: Answer) -> Self {
        Self::listen([127, 0, 0, 1], answer, None)
    }

    /// Starts one at another address of this machine.
    pub(crate) fn at(address: [u8; 4], answer: Answer) -> Self {
        Self::listen(address, answer, None)
    }

    /// Starts one with TLS.
    pub(crate) fn with_tls(answer: Answer, tls: ServerConfig) -> Self {
        Self::listen([127, 0, 0, 1], answer, Some(Arc::new(tls)))
    }

    fn listen(address: [u8; 4], answer: Answer, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(SocketAddr::from((address, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = Self { address, requests: Arc::default(), answer: Arc::new(Mutex::new(answer)) };
        let (requests, answer) = (receiver.requests.clone(), receiver.answer.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (requests, answer, tls) = (requests.clone(), answer.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(stream.unwrap(), &requests, &answer),
                    Some(tls) => {
                        let session = ServerConnection::new(tls).unwrap();
                        serve(StreamOwned::new(session, stream.unwrap()), &requests, &answer);
                    }
                });
            }
        });
        receiver
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/calls", self.address)
    }

    pub(crate) fn now_answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits for a number of requests.
    pub(crate) fn expect(&self, count: usize) -> Vec<Request> {
        let received = eventually(SOON, || {
            let requests = self.requests();
            (requests.len() >= count).then_some(requests)
        });
        received.unwrap_or_else(|| {
            panic!("{} of {count} requests: {:#?}", self.requests().len(), self.requests())
        })
    }
}

fn serve(stream: impl Read + Write, requests: &Mutex<Vec<Request>>, answer: &Mutex<Answer>) {
    let mut reader = BufReader::new(stream);
    while let Some((head, body)) = read(&mut reader) {
        let text = String::from_utf8(body).unwrap();
        let body = serde_json::from_str(&text).unwrap();
        requests.lock().unwrap().push(Request { head, text, body, at: Instant::now() });
        let answer = answer.lock().unwrap().clone();
        let stream = reader.get_mut();
        match answer {
            Answer::Bytes(bytes) => {
                let written = stream.write_all(bytes.as_bytes()).and_then(|()| stream.flush());
                if written.is_err() || !bytes.starts_with("HTTP/1.1 ") {
                    return;
                }
            }
            Answer::Late(wait) => {
                thread::sleep(wait);
                if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
                    return;
                }
            }
            Answer::Hang => thread::sleep(Duration::from_secs(600)),
            Answer::Drip => {
                for byte in "HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n".bytes().chain([b'x'; 10_000]) {
                    if stream.write_all(&[byte]).is_err() {
                        return;
                    }
                    thread::sleep(Duration::from_millis(5));
                }
            }
            // Closing with unread data sends a reset.
            Answer::Reset => return,
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.expect("a length")];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// A receiver in another language that verifies requests with an official library, and prints them.
pub(crate) struct ForeignReceiver {
    process: Child,
    pub(crate) url: String,
    reports: Reports<Value>,
}

impl ForeignReceiver {
    /// Starts a program of `clients/`; `None`, with a message, if its packages are not installed.
    pub(crate) fn start(program: &str, secret: &str) -> Option<Self> {
        let clients = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients");
        let (interpreter, needs) = match program.ends_with(".py") {
            true => (clients.join(".venv/bin/python"), clients.join(".venv/prepared")),
            false => ("node".into(), clients.join("node_modules/standardwebhooks")),
        };
        if !needs.exists() {
            eprintln!("skipped: {program} needs what scripts/prepare --with-clients installs");
            return None;
        }
        let mut command = Command::new(interpreter);
        command.arg(clients.join(program)).arg(secret).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut port = String::new();
        stdout.read_line(&mut port).unwrap();
        let url = format!("http://127.0.0.1:{}/", port.trim());
        Some(Self { process, url, reports: lines(stdout) })
    }

    /// The next request that it received.
    pub(crate) fn next(&self) -> Value {
        self.reports.recv_timeout(SOON).expect("a request arrives")
    }
}

fn lines(stdout: BufReader<ChildStdout>) -> Reports<Value> {
    let (sender, reports) = channel();
    thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                return;
            }
        }
    });
    reports
}

impl Drop for ForeignReceiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
