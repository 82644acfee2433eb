//! `wholecall connect` with the fake RingCentral: from the first command to the first live call.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wholecall_fake_ringcentral::{Config, Fake};
use wholecall_ringcentral::{Credentials, Http};
use wholecall_server::{connection, security::SecretKey};
use wholecall_store::Store;

use crate::harness::{Client, Installation, PROGRAM, SOON, Server, Tenant, eventually};

const CLIENT_SECRET: &str = "a-client-secret-that-must-not-leak";

/// A fake RingCentral without calls of its own.
pub(crate) struct Platform {
    runtime: Runtime,
    fake: Fake,
    control: Client,
}

impl Platform {
    pub(crate) fn start() -> Self {
        Self::of(Config { users: 20, speed: 20.0, ..Config::default() })
    }

    pub(crate) fn of(config: Config) -> Self {
        let runtime = Runtime::new().unwrap();
        let config = Config { calls_per_user: 0.0, client_secret: CLIENT_SECRET.to_owned(), ..config };
        let fake = runtime.block_on(Fake::start(config)).unwrap();
        let control = Client::new(&fake.address().to_string());
        Self { runtime, fake, control }
    }

    /// The records of the account's call log.
    pub(crate) fn log(&self) -> Vec<Value> {
        let credentials = Credentials {
            server: self.fake.url(),
            client_id: "fake-client".to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            jwt: self.jwt(),
        };
        let clock = || jiff::Timestamp::now().as_millisecond();
        let client =
            wholecall_ringcentral::Client::new(Http::new().unwrap(), credentials, Arc::new(clock)).unwrap();
        let read = client.call_log("2020-01-01T00:00:00.000Z", "2100-01-01T00:00:00.000Z", 1);
        let (records, is_more) = self.runtime.block_on(read).unwrap();
        assert!(!is_more);
        records.iter().map(|record| serde_json::from_str(&record.json).unwrap()).collect()
    }

    fn jwt(&self) -> String {
        self.fake.jwt(0).unwrap()
    }

    pub(crate) fn account(&self) -> String {
        self.fake.account_id(0).unwrap().to_string()
    }

    pub(crate) fn control(&self, path: &str, body: &Value) -> Value {
        let reply = self.control.post(&format!("/fake/{path}"), &[], body.to_string().as_bytes());
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// Plays a call; returns its truth.
    pub(crate) fn play(&self, scenario: &str) -> Value {
        self.control("play", &json!({ "scenario": scenario }))["truths"].take()
    }

    pub(crate) fn violations(&self) -> Value {
        self.control.try_get(&Tenant::anonymous(), "/fake/counts", &[]).unwrap().json()["rateLimitViolations"]
            .clone()
    }
}

/// Writes the secrets to files.
fn secrets(installation: &Installation, jwt: &str) -> (PathBuf, PathBuf) {
    let folder = installation.data();
    fs::create_dir_all(&folder).unwrap();
    let (secret, jwt_file) = (folder.with_file_name("secret"), folder.with_file_name("jwt"));
    fs::write(&secret, format!("{CLIENT_SECRET}\n")).unwrap();
    fs::write(&jwt_file, jwt).unwrap();
    (secret, jwt_file)
}

fn try_connect(installation: &Installation, platform: &Platform, jwt: &str, more: &[&str]) -> Output {
    let (secret, jwt) = secrets(installation, jwt);
    let url = platform.fake.url();
    let arguments = [
        &["connect", "acme", "--client-id", "fake-client", "--server", &url, "--client-secret-file"][..],
        &[secret.to_str().unwrap(), "--jwt-file", jwt.to_str().unwrap(), "--json"],
        more,
    ];
    installation.command(&arguments.concat())
}

/// Connects a new tenant.
pub(crate) fn connect(installation: &Installation, platform: &Platform, more: &[&str]) -> Tenant {
    let output = try_connect(installation, platform, &platform.jwt(), more);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let connected: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&connected["account"], &connected["status"]),
        (&platform.account().into(), &"live".into()),
        "{connected}"
    );
    let api_key = connected["apiKey"].as_str().unwrap().to_owned();
    Tenant { name: "acme".to_owned(), api_key, token: String::new() }
}

pub(crate) fn status(installation: &Installation) -> Value {
    let output = installation.command(&["connection", "status", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["connections"][0].clone()
}

/// Waits for the record of a played call.
pub(crate) fn expect_call(server: &Server, tenant: &Tenant, truths: &Value) -> Value {
    let client = server.client();
    let id = truths[0]["id"].as_str().unwrap();
    let call = eventually(SOON, || {
        let calls = client.calls(tenant, "", 100);
        calls.into_iter().find(|call| call["id"] == id)
    });
    call.unwrap_or_else(|| panic!("call {id} is missing"))
}

#[test]
fn a_call_whose_end_never_arrives_is_looked_up() {
    let (installation, platform) = (Installation::new(), Platform::start());
    let server = installation.start();
    let tenant = connect(&installation, &platform, &[]);
    platform.control("lose-ends", &json!({ "lose": true }));
    let truths = platform.play("inbound");
    let ended = eventually(SOON, || server.client().calls(&tenant, "state=complete", 100).pop());
    let call = ended.expect("the call ends, although no notification said so");
    assert_eq!(call["id"], truths[0]["id"]);
    assert_eq!(call["completeness"]["reason"], Value::Null, "{call}");
    let repaired = &call["completeness"]["repaired"];
    // A session that has ended is looked up in the call log.
    assert_eq!((&repaired[0]["what"], &repaired[0]["evidence"]["kind"]), (&json!("end"), &json!("callLog")));
    // The answer is stored, and is evidence like a notification.
    let id = call["id"].as_str().unwrap();
    let stored = server.client().get(&tenant, &format!("/v1/calls/{id}/notifications")).to_string();
    assert!(stored.contains("/telephony/sessions/s-"), "{stored}");
    drop(server);
    let checked = installation.command(&["check"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn from_connect_to_the_first_live_call_without_a_public_address() {
    let (installation, platform) = (Installation::new(), Platform::start());
    let server = installation.start();
    let started = Instant::now();
    let tenant = connect(&installation, &platform, &[]);
    let truths = platform.play("attended");
    expect_call(&server, &tenant, &truths);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(status(&installation)["subscription"]["transport"], "webSocket");

    // Lost connections are resumed without a gap.
    for scenario in ["blind", "conference"] {
        assert_eq!(platform.control("drop-websockets", &json!({}))["dropped"], 1);
        let truths = platform.play(scenario);
        expect_call(&server, &tenant, &truths);
    }
    assert_eq!(status(&installation)["gaps"], json!([]));
    let ended = eventually(SOON, || {
        let calls = server.client().calls(&tenant, "state=complete", 100);
        (calls.len() == 3).then_some(calls)
    });
    for call in ended.expect("all calls end") {
        assert_eq!(call["completeness"]["missingSequences"], json!([]), "{call}");
    }
    assert_eq!(platform.violations(), 0);

    let disconnected = installation.command(&["disconnect", "acme"]);
    assert!(disconnected.status.success(), "{}", String::from_utf8_lossy(&disconnected.stderr));
    assert_eq!(status(&installation), Value::Null);
    server.stop();
}

/// The command that starts the service at an address that RingCentral can reach.
pub(crate) fn serve_publicly(installation: &Installation) -> Command {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--listen", &free, "--data"]).arg(installation.data());
    command.env("WHOLECALL_PUBLIC_URL", format!("http://{free}"));
    command
}

#[test]
fn with_a_public_address_it_subscribes_by_webhook_and_overcomes_blacklisting() {
    let (installation, platform) = (Installation::new(), Platform::start());
    let server = Server::start(serve_publicly(&installation)).unwrap();
    let public = format!("http://{}", server.address());
    let tenant = connect(&installation, &platform, &["--public-url", &public]);
    expect_call(&server, &tenant, &platform.play("attended"));
    let before = status(&installation);
    assert_eq!(before["subscription"]["address"], format!("{public}/hooks/acme"));

    assert_eq!(platform.control("blacklist", &json!({}))["blacklisted"], 1);
    server.stop();
    // Another address needs another subscription.
    let server = Server::start(serve_publicly(&installation)).unwrap();
    let after = eventually(SOON, || {
        let status = status(&installation);
        (status["subscription"]["id"] != before["subscription"]["id"]).then_some(status)
    });
    let after = after.expect("it subscribes again");
    assert_eq!(after["status"], "live");
    assert_eq!(after["gaps"][0]["reason"], "the service's address has changed", "{after}");
    expect_call(&server, &tenant, &platform.play("blind"));
    assert_eq!(platform.violations(), 0);
    server.stop();
}

#[test]
fn a_refused_login_is_reported_and_nothing_is_stored() {
    let (installation, platform) = (Installation::new(), Platform::start());
    let refused = try_connect(&installation, &platform, "an-unknown-jwt", &[]);
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{error}");
    assert!(error.contains("RingCentral refuses the login") && !error.contains("an-unknown-jwt"), "{error}");
    let nowhere = installation.command(&[
        "connect",
        "acme",
        "--client-id",
        "x",
        "--server",
        "ftp://x",
        "--jwt-file",
        "/nowhere",
    ]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(!installation.data().join(wholecall_store::FILE_NAME).exists());
}

#[test]
fn no_log_error_backup_or_answer_contains_a_secret() {
    let (installation, platform) = (Installation::new(), Platform::start());
    let jwt = platform.jwt();
    secrets(&installation, &jwt);
    let log = installation.data().with_file_name("log");
    let mut service = installation.serve();
    let mut service = service
        .env("WHOLECALL_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(service.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap().split(',').next().unwrap().to_owned();
    let connected = try_connect(&installation, &platform, &jwt, &[]);
    assert!(connected.status.success(), "{}", String::from_utf8_lossy(&connected.stderr));
    platform.control("expire-tokens", &json!({}));
    platform.control("drop-websockets", &json!({}));
    let answer: Value = serde_json::from_slice(&connected.stdout).unwrap();
    let api_key = answer["apiKey"].as_str().unwrap().to_owned();
    let tenant = Tenant { name: "acme".to_owned(), api_key, token: String::new() };
    let client = Client::new(&address);
    platform.play("attended");
    let call = eventually(SOON, || client.calls(&tenant, "", 10).into_iter().next());
    call.expect("it continues after its token expired and its connection was closed");
    let backup = installation.data().with_file_name("backup.db");
    assert!(installation.command(&["backup", backup.to_str().unwrap()]).status.success());

    let mut outputs = vec![
        ("connect", [connected.stdout, connected.stderr].concat()),
        ("backup", fs::read(&backup).unwrap()),
        ("data", fs::read(installation.data().join(wholecall_store::FILE_NAME)).unwrap()),
    ];
    for arguments in
        [&["connection", "status"][..], &["connection", "status", "--json"], &["tenant", "show", "acme"]]
    {
        let output = installation.command(arguments);
        outputs.push(("status", [output.stdout, output.stderr].concat()));
    }
    for path in ["/v1/calls", "/v1/changes", "/v1/health", "/v1/directory", "/metrics", "/openapi.json"] {
        outputs.push(("answer", client.try_get(&tenant, path, &[]).unwrap().body.into_bytes()));
    }
    let _ = service.kill();
    service.wait().unwrap();
    outputs.push(("log", fs::read(&log).unwrap()));
    // Access, refresh and gateway tokens of the fake start with these.
    for secret in [CLIENT_SECRET, &jwt, "U1BC", "U1BR", "WSC", "access_token=", "wcv_"] {
        for (place, text) in &outputs {
            let is_contained = text.windows(secret.len()).any(|part| part == secret.as_bytes());
            // The hint of a tenant's own verification token has its first letters.
            let is_hint = secret == "wcv_" && !matches!(*place, "log" | "answer");
            assert!(!is_contained || is_hint, "the {place} contains {secret}");
        }
    }
    assert!(outputs.iter().any(|(place, text)| *place == "log" && !text.is_empty()), "the log is empty");
}

#[test]
fn a_websocket_that_cannot_be_resumed_leaves_a_reported_gap() {
    let (installation, platform) = (Installation::new(), Platform::start());
    let server = installation.start();
    let tenant = connect(&installation, &platform, &[]);
    let before = status(&installation);
    // RingCentral keeps the state of a connection for three minutes; without advancing time it could be resumed.
    platform.control("drop-websockets", &json!({ "seconds": 200 }));
    let after = eventually(SOON, || {
        let status = status(&installation);
        (status["subscription"]["id"] != before["subscription"]["id"]).then_some(status)
    });
    let after = after.expect("it subscribes again");
    let gap = &after["gaps"][0];
    assert_eq!(gap["reason"], "the WebSocket was lost, and RingCentral could not resume it", "{after}");
    assert_eq!((&gap["reconciledAt"], &after["status"]), (&Value::Null, &"live".into()));
    expect_call(&server, &tenant, &platform.play("attended"));
    assert_eq!(platform.violations(), 0);
    server.stop();
}

#[test]
fn doctor_checks_everything_that_a_connection_needs() {
    let (installation, platform) = (Installation::new(), Platform::start());
    let server = Server::start(serve_publicly(&installation)).unwrap();
    let (secret, jwt) = secrets(&installation, &platform.jwt());
    let doctor = || {
        Command::new(PROGRAM)
            .args(["doctor", "--client-id", "fake-client", "--server", &platform.fake.url()])
            .args(["--public-url", &format!("http://{}", server.address())])
            .arg("--client-secret-file")
            .arg(&secret)
            .arg("--jwt-file")
            .arg(&jwt)
            .output()
            .unwrap()
    };
    platform.play("attended");
    let healthy = doctor();
    let output = String::from_utf8(healthy.stdout).unwrap();
    assert!(healthy.status.success(), "{output}");
    for text in ["reports calls", "can be resumed", "/hooks/doctor is accepted", "subscription deleted"] {
        assert!(output.contains(text), "{text}: {output}");
    }
    assert_eq!((output.matches("ok  ").count(), platform.violations()), (12, json!(0)), "{output}");
    platform.control("outage", &json!({ "seconds": 600, "of": "api" }));
    platform.control("advance", &json!({ "seconds": 120 }));
    let failing = doctor();
    let output = String::from_utf8(failing.stdout).unwrap();
    assert_eq!(failing.status.code(), Some(1), "{output}");
    assert!(output.contains("FAIL  account: RingCentral refuses: Service Temporary Unavailable"), "{output}");
}

/// The processor time of a process in seconds, and its memory in MB.
fn usage(pid: rustix::process::Pid) -> (f64, f64) {
    let folder = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    let threads = fs::read_dir(folder.join("task")).unwrap().map(|thread| thread.unwrap().path());
    // The first number is the thread's running time in nanoseconds.
    let ran = threads.filter_map(|thread| {
        fs::read_to_string(thread.join("schedstat")).ok()?.split(' ').next()?.parse::<f64>().ok()
    });
    let seconds = ran.sum::<f64>() / 1e9;
    let status = fs::read_to_string(folder.join("status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: f64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    (seconds, kilobytes / 1024.0)
}

#[test]
fn a_thousand_idle_accounts_need_few_resources() {
    const ACCOUNTS: usize = 1_000;
    let installation = Installation::new();
    let platform = Platform::of(Config { accounts: ACCOUNTS, users: 2, ..Config::default() });
    let store = Store::open(&installation.data()).unwrap();
    let key = SecretKey::of_folder(&installation.data()).unwrap();
    for place in 0..ACCOUNTS {
        let credentials = Credentials {
            server: platform.fake.url(),
            client_id: "fake-client".to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            jwt: platform.fake.jwt(place).unwrap(),
        };
        let account = platform.fake.account_id(place).unwrap().to_string();
        connection::connect(&store, &key, "acme", &account, credentials).unwrap();
    }
    let server = installation.start();
    let all_live = eventually(Duration::from_secs(120), || {
        let statuses = connection::statuses(&store, None).unwrap();
        let is_idle = |status: &Value| status["status"] == "live" && status["directory"]["version"] == 1;
        statuses.iter().all(is_idle).then_some(())
    });
    all_live.expect("all are connected, with directories");
    let (before, started) = (usage(server.pid()).0, Instant::now());
    // Two thirds of the interval between heartbeats of each.
    std::thread::sleep(Duration::from_secs(20));
    let (after, megabytes) = usage(server.pid());
    let share = (after - before) / started.elapsed().as_secs_f64();
    eprintln!("{ACCOUNTS} idle accounts: {:.2} % of a core, {megabytes:.0} MB", share * 100.0);
    assert!(share < 0.05 && megabytes < 200.0, "{:.1} % of a core, {megabytes:.0} MB", share * 100.0);
    assert_eq!(platform.violations(), 0);
    server.stop();
}
