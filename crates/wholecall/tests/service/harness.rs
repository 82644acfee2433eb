//! Runs the service in a temporary folder, and a client for it.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_wholecall");

/// A temporary folder with the data of a service.
pub(crate) struct Installation {
    folder: TempDir,
}

/// The operator's key of [`Installation::serve_with_operator`].
pub(crate) const OPERATOR_KEY: &str = "operator-key-0123456789";

/// The header of a form.
pub(crate) const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// A tenant as printed by `tenant add`.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) api_key: String,
    pub(crate) token: String,
}

impl Tenant {
    /// This tenant with another API key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { api_key: key.to_owned(), ..self.clone() }
    }

    /// A client of no tenant, with the operator's key.
    pub(crate) fn operator() -> Self {
        Self { name: String::new(), api_key: OPERATOR_KEY.to_owned(), token: String::new() }
    }

    /// A client of no tenant, without a key.
    pub(crate) fn anonymous() -> Self {
        Self { name: String::new(), api_key: String::new(), token: String::new() }
    }
}

impl Installation {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A running service, to which the tenant `acme` with an account is added.
    pub(crate) fn running(account: &str) -> (Self, Server, Tenant) {
        let installation = Self::new();
        let server = installation.start();
        let tenant = installation.tenant("acme", [account]);
        (installation, server, tenant)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The main database.
    pub(crate) fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data().join(wholecall_store::FILE_NAME)).unwrap()
    }

    /// Runs a command on the data.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM).args(arguments).arg("--data").arg(self.data()).output().unwrap()
    }

    /// Runs a command that must succeed and print JSON.
    pub(crate) fn command_json(&self, arguments: &[&str]) -> Value {
        let output = self.command(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Adds a tenant with accounts.
    pub(crate) fn tenant<A: AsRef<str>>(&self, name: &str, accounts: impl IntoIterator<Item = A>) -> Tenant {
        let accounts: Vec<A> = accounts.into_iter().collect();
        let mut arguments = vec!["tenant", "add", name];
        accounts.iter().for_each(|account| arguments.extend(["--account", account.as_ref()]));
        let added = self.command_json(&arguments);
        let text = |field: &str| added[field].as_str().unwrap().to_owned();
        assert!(text("hookUrl").ends_with(&format!("/hooks/{name}")));
        Tenant { name: text("tenant"), api_key: text("apiKey"), token: text("verificationToken") }
    }

    /// Starts the service and waits until it listens.
    pub(crate) fn start(&self) -> Server {
        Server::start(self.serve()).unwrap_or_else(|error| panic!("the service does not start: {error}"))
    }

    /// The command that starts the service with the operator's key [`OPERATOR_KEY`].
    pub(crate) fn serve_with_operator(&self) -> Command {
        let file = self.data().with_file_name("operator-key");
        fs::write(&file, OPERATOR_KEY).unwrap();
        let mut command = self.serve();
        command.env("WHOLECALL_ADMIN_KEY_FILE", &file);
        command
    }

    /// Starts the service with the environment variables.
    pub(crate) fn start_with(&self, variables: &[(&str, &str)]) -> Server {
        let mut command = self.serve();
        command.envs(variables.iter().copied());
        Server::start(command).unwrap()
    }

    /// The command that starts the service.
    pub(crate) fn serve(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(self.data());
        command
    }
}

/// A running service; killed when it is dropped.
pub(crate) struct Server {
    process: Child,
    /// Open while the service runs, so that it can write to it.
    _stdout: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    /// Starts it and waits until it listens; the error is its standard error if it ends before.
    pub(crate) fn start(command: Command) -> Result<Self, String> {
        Self::start_with_log(command, tempfile::tempfile().unwrap())
    }

    /// Starts it with its log written to a file.
    pub(crate) fn start_with_log(mut command: Command, log: File) -> Result<Self, String> {
        let mut process = command
            .env("WHOLECALL_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(log.try_clone().unwrap())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.strip_prefix("Wholecall listens at ").and_then(|rest| rest.split_once("://"));
        match address.and_then(|(_, rest)| rest.split(',').next()) {
            Some(address) => Ok(Self { process, _stdout: stdout, address: address.to_owned() }),
            None => {
                let status = process.wait().unwrap();
                Err(format!("{}({status}) {line}", read_from_start(log)))
            }
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.address)
    }

    /// Opens a TCP connection.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// Sends raw bytes and reads the whole answer.
    pub(crate) fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect();
        let mut answer = String::new();
        // The service may reset the connection after an early answer.
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
        answer
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
    }

    /// Waits until it has ended.
    pub(crate) fn wait(mut self) -> ExitStatus {
        let ended = eventually(SOON, || self.process.try_wait().unwrap());
        ended.expect("it ends in time")
    }

    /// Stops it with SIGTERM, and expects exit code 0.
    pub(crate) fn stop(self) {
        self.terminate();
        assert_eq!(self.wait().code(), Some(0));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read_from_start(mut file: File) -> String {
    use std::io::{Seek, SeekFrom};
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// Runs a command without root's permissions, for which no file is read-only.
pub(crate) fn without_root(command: &mut Command, folder: &Path) {
    const UNPRIVILEGED: u32 = 65_534;
    if rustix::process::getuid().is_root() {
        command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Expects a problem document (RFC 9457) with this status; returns its detail.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!((&problem["type"], &problem["status"]), (&"about:blank".into(), &status.into()));
        assert!(problem["title"].is_string());
        problem["detail"].as_str().unwrap().to_owned()
    }
}

/// A client with keep-alive connections, one per thread that uses it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    base: Arc<str>,
}

impl Client {
    pub(crate) fn new(address: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(60)))
            .max_idle_connections_per_host(16)
            .max_idle_connections(16)
            .build();
        Self { agent: config.into(), base: format!("http://{address}").into() }
    }

    /// Posts; returns connection errors.
    pub(crate) fn try_post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Reply, ureq::Error> {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        reply(request.send(body)?)
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.try_post(path, headers, body).unwrap()
    }

    /// Posts a notification like RingCentral; returns connection errors.
    pub(crate) fn try_notify(&self, tenant: &Tenant, notification: &str) -> Result<Reply, ureq::Error> {
        let headers = [("Verification-Token", tenant.token.as_str()), ("Content-Type", "application/json")];
        self.try_post(&format!("/hooks/{}", tenant.name), &headers, notification.as_bytes())
    }

    /// Posts a notification that must be accepted.
    pub(crate) fn notify(&self, tenant: &Tenant, notification: &str) {
        let reply = self.try_notify(tenant, notification).unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// Sends a request with a tenant's key and a JSON body; returns connection errors.
    pub(crate) fn send(
        &self,
        tenant: &Tenant,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Reply, ureq::Error> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("Authorization", format!("Bearer {}", tenant.api_key))
            .header("Content-Type", "application/json");
        let request = request.body(body.to_string()).expect("a request");
        let request = self.agent.configure_request(request).allow_non_standard_methods(true).build();
        reply(self.agent.run(request)?)
    }

    /// Sends a query with a tenant's key; returns connection errors.
    pub(crate) fn try_get(
        &self,
        tenant: &Tenant,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Reply, ureq::Error> {
        reply(self.request(tenant, path, headers).call()?)
    }

    fn request(
        &self,
        tenant: &Tenant,
        path: &str,
        headers: &[(&str, &str)],
    ) -> ureq::RequestBuilder<ureq::typestate::WithoutBody> {
        let request = self
            .agent
            .get(format!("{}{path}", self.base))
            .header("Authorization", format!("Bearer {}", tenant.api_key));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }

    /// Sends a query that must be answered with JSON.
    pub(crate) fn get(&self, tenant: &Tenant, path: &str) -> Value {
        let reply = self.try_get(tenant, path, &[]).unwrap();
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some("application/json")),
            "{path}: {reply:?}"
        );
        reply.json()
    }

    /// Opens a stream of server-sent events.
    pub(crate) fn stream(
        &self,
        tenant: &Tenant,
        path: &str,
        headers: &[(&str, &str)],
    ) -> BufReader<impl Read + Send + use<>> {
        let response = self.request(tenant, path, headers).call().unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        BufReader::new(response.into_body().into_reader())
    }

    /// All matching calls, fetched page by page.
    pub(crate) fn calls(&self, tenant: &Tenant, query: &str, limit: usize) -> Vec<Value> {
        let mut calls = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(tenant, &format!("/v1/calls?limit={limit}&{query}{cursor}"));
            let found = page["calls"].as_array().unwrap();
            assert!(found.len() <= limit);
            calls.extend(found.iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return calls,
            }
        }
    }

    /// All changes of a tenant's feed.
    pub(crate) fn changes(&self, tenant: &Tenant) -> Vec<Value> {
        let (mut changes, mut after) = (Vec::new(), "0".to_owned());
        loop {
            let page = self.get(tenant, &format!("/v1/changes?limit=500&after={after}"));
            let found = page["changes"].as_array().unwrap();
            if found.is_empty() {
                return changes;
            }
            changes.extend(found.iter().cloned());
            page["next"].as_str().unwrap().clone_into(&mut after);
        }
    }
}

fn reply(mut response: ureq::http::Response<ureq::Body>) -> Result<Reply, ureq::Error> {
    let headers = response.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    // Pictures are not text: their tests check headers only.
    let body = response.body_mut().with_config().limit(1 << 30).read_to_vec()?;
    let body =
        String::from_utf8(body).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into());
    Ok(Reply { status: response.status().as_u16(), headers, body })
}

/// Maximum wait for something that happens soon, long enough for a slow machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Polls until there is a result; `None` if the time is over.
pub(crate) fn eventually<T>(timeout: Duration, mut poll: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = poll() {
            return Some(found);
        }
        if started.elapsed() > timeout {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
