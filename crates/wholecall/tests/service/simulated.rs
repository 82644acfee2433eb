//! `simulate --post` to a running service, `demo` and `fake-ringcentral`.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use serde_json::Value;
use wholecall_simulator::Account;

use crate::harness::{Client, Installation, PROGRAM, SOON, Tenant, eventually};

fn simulate(arguments: &[&str]) -> std::process::Output {
    Command::new(PROGRAM).arg("simulate").args(arguments).output().unwrap()
}

#[test]
fn a_company_s_day_posted_to_the_service_is_exact() {
    let service = Installation::new();
    let tenant = service.tenant("acme", [Account::FIRST_ID.to_string()]);
    let server = service.start();
    let truth = service.data().with_file_name("truth.ndjson");
    let hook = format!("http://{}/hooks/acme", server.address());
    // A day without calls whose records need the company's extension list.
    let day = ["--traffic", "--users", "30", "--seed", "20", "--no-delay", "--post", &hook];
    let posted = simulate(
        &[&day[..], &["--verification-token", &tenant.token, "--truth", truth.to_str().unwrap()]].concat(),
    );
    assert!(posted.status.success(), "{}", String::from_utf8_lossy(&posted.stderr));
    let client = server.client();
    let settled = eventually(SOON, || {
        let live = client.get(&tenant, "/v1/calls?state=live&limit=1");
        live["calls"].as_array().unwrap().is_empty().then_some(())
    });
    settled.expect("every call ends");
    let mut verify = Command::new(PROGRAM)
        .args(["verify", "--truth"])
        .arg(&truth)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut records = verify.stdin.take().unwrap();
    for call in client.calls(&tenant, "", 200) {
        writeln!(records, "{call}").unwrap();
    }
    drop(records);
    let verified = verify.wait_with_output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));

    let refused = simulate(&[&day[..], &["--verification-token", "not-the-one"]].concat());
    assert_eq!(refused.status.code(), Some(1));
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(error.contains("Webhook responses with code: [401]"), "{error}");
}

#[test]
fn the_demo_has_live_calls_and_ends_on_sigterm() {
    let mut demo = Command::new(PROGRAM)
        .args(["demo", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    let address = first.strip_prefix("Wholecall listens at http://").unwrap().split(',').next().unwrap();
    let key = lines.find_map(|line| line.trim().strip_prefix("API_KEY=").map(str::to_owned)).unwrap();
    let tenant = Tenant { name: "demo".into(), api_key: key, token: String::new() };
    let client = Client::new(address);
    let calls = |state: &str| -> Vec<Value> {
        client.get(&tenant, &format!("/v1/calls?state={state}"))["calls"].as_array().unwrap().clone()
    };
    let has_calls =
        eventually(SOON, || (!calls("live").is_empty() && calls("complete").len() > 20).then_some(()));
    let pid = rustix::process::Pid::from_child(&demo);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(0));
    has_calls.expect("there are live calls and many ended ones");
}

#[test]
fn fake_ringcentral_prints_credentials_and_ends_on_sigterm() {
    let mut fake = Command::new(PROGRAM)
        .args(["fake-ringcentral", "--listen", "127.0.0.1:0", "--accounts", "2", "--quiet", "--speed", "60"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<String> =
        BufReader::new(fake.stdout.take().unwrap()).lines().take(6).map(Result::unwrap).collect();
    let address = lines[0].split("http://").nth(1).unwrap().split(',').next().unwrap();
    let client = Client::new(address);
    let jwt = lines[3].split_whitespace().last().unwrap();
    let form = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={jwt}&client_id=fake-client"
    );
    let token = client.post("/restapi/oauth/token", &[], form.as_bytes());
    assert_eq!((token.status, &token.json()["token_type"]), (200, &"bearer".into()), "{lines:?}");
    let played = client.post("/fake/play", &[], br#"{"scenario": "attended"}"#);
    assert!(played.json()["truths"][0]["moves"][0]["kind"] == "AttendedTransfer", "{played:?}");
    let pid = rustix::process::Pid::from_child(&fake);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(fake.wait().unwrap().code(), Some(0));
}
