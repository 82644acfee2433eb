//! Operating a running service: reloads, stops, settings, and the headers of every answer.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rcgen::{CertificateParams, KeyPair};
use rustix::process::{Signal, kill_process};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use serde_json::json;

use crate::{
    harness::{Client, FORM, Installation, Reply, SOON, Server, Tenant, eventually},
    pages::cookie,
    traffic::{ACCOUNT, example, expect_settled},
};

/// Writes a self-signed certificate and its key.
fn certify(certificate: &Path, key: &Path) -> CertificateDer<'static> {
    let pair = KeyPair::generate().unwrap();
    let certified = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&pair).unwrap();
    fs::write(certificate, certified.pem()).unwrap();
    fs::write(key, pair.serialize_pem()).unwrap();
    certified.der().clone()
}

/// The certificate that the service presents, which must be one of the expected ones.
fn presented(server: &Server, expected: &[CertificateDer<'static>]) -> CertificateDer<'static> {
    let mut roots = RootCertStore::empty();
    expected.iter().for_each(|certificate| roots.add(certificate.clone()).unwrap());
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).unwrap();
    }
    connection.peer_certificates().unwrap()[0].clone().into_owned()
}

fn send(server: &Server, signal: Signal) {
    kill_process(server.pid(), signal).unwrap();
}

#[test]
fn a_renewed_certificate_is_served_after_sighup() {
    let installation = Installation::new();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (certificate, key, config) = (file("cert.pem"), file("key.pem"), file("wholecall.toml"));
    let old = certify(&certificate, &key);
    fs::write(&config, format!("tls_certificate = {certificate:?}\ntls_key = {key:?}\n")).unwrap();
    let mut command = installation.serve();
    command.arg("--config").arg(&config);
    let server = Server::start(command).unwrap();
    assert_eq!(presented(&server, std::slice::from_ref(&old)), old);
    // An invalid key changes nothing.
    let good = fs::read(&key).unwrap();
    fs::write(&key, "not a key").unwrap();
    send(&server, Signal::HUP);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(presented(&server, std::slice::from_ref(&old)), old);
    fs::write(&key, good).unwrap();
    let new = certify(&certificate, &key);
    send(&server, Signal::HUP);
    let both = [old, new.clone()];
    let is_new = eventually(SOON, || (presented(&server, &both) == new).then_some(()));
    assert!(is_new.is_some(), "the old certificate is still served");
    server.stop();
}

#[test]
fn a_new_admin_key_is_used_after_sighup_and_other_signals_are_ignored() {
    let installation = Installation::new();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("admin-key");
    fs::write(&key, "the-first-operator-key").unwrap();
    let mut command = installation.serve();
    command.env("WHOLECALL_ADMIN_KEY_FILE", &key);
    let server = Server::start(command).unwrap();
    let client = server.client();
    let status = |key: &str| {
        let authorization = format!("Bearer {key}");
        client.post("/v1/tenants", &[("Authorization", &authorization)], b"{}").status
    };
    assert_eq!((status("the-first-operator-key"), status("the-second-operator-key")), (400, 401));
    fs::write(&key, "the-second-operator-key").unwrap();
    [Signal::USR1, Signal::USR2, Signal::HUP].into_iter().for_each(|signal| send(&server, signal));
    let is_reloaded = eventually(SOON, || (status("the-second-operator-key") == 400).then_some(()));
    assert!(is_reloaded.is_some());
    assert_eq!(status("the-first-operator-key"), 401);
    server.stop();
}

#[test]
fn a_second_signal_ends_a_stop_that_waits_for_a_request() {
    let (_installation, server, tenant) = Installation::running(ACCOUNT);
    let mut slow = server.connect();
    let head = format!(
        "POST /v1/notifications HTTP/1.1\r\nHost: calls\r\nAuthorization: Bearer {}\r\nContent-Length: 1000\r\n\r\n{{",
        tenant.api_key
    );
    slow.write_all(head.as_bytes()).unwrap();
    // Until the service reads the body.
    thread::sleep(Duration::from_millis(300));
    server.terminate();
    thread::sleep(Duration::from_millis(500));
    let second = Instant::now();
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    assert!(second.elapsed() < Duration::from_secs(6), "{:?}", second.elapsed());
}

#[test]
fn every_answer_has_security_headers() {
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let server = installation.start_with(&[("WHOLECALL_PUBLIC_URL", "https://calls.example.com")]);
    let client = server.client();
    let notifications = example("direct");
    notifications.iter().for_each(|notification| client.notify(&tenant, notification));
    expect_settled(&client, &tenant);
    let call = client.calls(&tenant, "", 1)[0]["id"].as_str().unwrap().to_owned();
    let cookie = cookie(&client, &tenant);
    let paths = [
        "/v1/calls".to_owned(),
        "/v1/calls?format=csv".to_owned(),
        "/v1/calls?format=vcon".to_owned(),
        "/v1/stats?format=csv".to_owned(),
        "/v1/nothing".to_owned(),
        "/v1/health".to_owned(),
        "/calls.csv".to_owned(),
        "/numbers.csv?by=extension".to_owned(),
        "/calls".to_owned(),
        "/healthz".to_owned(),
        "/metrics".to_owned(),
        "/docs".to_owned(),
        "/openapi.json".to_owned(),
        format!("/v1/calls/{call}/drawing.svg"),
        format!("/v1/calls/{call}/drawing.png"),
        format!("/calls/{call}/drawing.svg"),
        format!("/v1/calls/{call}/explain"),
    ];
    for path in &paths {
        let reply = client.try_get(&tenant, path, &[("Cookie", &cookie)]).unwrap();
        expect_headers(path, &reply);
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
        if reply.header("content-type").is_some_and(|kind| kind.starts_with("text/")) {
            assert!(reply.header("content-type").unwrap().ends_with("charset=utf-8"), "{path}: {reply:?}");
        }
    }
    expect_headers("/hooks/acme", &client.try_notify(&tenant, &notifications[0]).unwrap());
    expect_headers("/hooks/unknown", &client.post("/hooks/unknown", &[], b"{}"));
    server.stop();
}

fn expect_headers(path: &str, reply: &Reply) {
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}: {reply:?}");
    let policy = reply.header("content-security-policy").unwrap_or_default();
    assert!(policy.starts_with("default-src 'none'"), "{path}: {reply:?}");
    assert!(policy.contains("frame-ancestors 'none'"), "{path}: {reply:?}");
    assert_eq!(reply.header("strict-transport-security"), Some("max-age=31536000"), "{path}");
    assert!(reply.header("referrer-policy").is_some(), "{path}");
}

#[test]
fn an_unknown_setting_is_refused_by_name() {
    let installation = Installation::new();
    let config = installation.data().with_extension("toml");
    fs::write(&config, "log = \"info\"\nlissten = \"127.0.0.1:0\"\n").unwrap();
    let mut command = installation.serve();
    let output = command.arg("--config").arg(&config).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("lissten"), "{error}");
}

#[test]
fn printed_addresses_and_settings_are_correct() {
    let installation = Installation::new();
    let server = installation.start();
    let added = installation.command_json(&["tenant", "add", "acme", "--account", ACCOUNT]);
    assert_eq!(added["hookUrl"], format!("http://{}/hooks/acme", server.address()));
    let refused = Client::new(server.address()).post("/v1/tenants", &[("Authorization", "Bearer x")], b"{}");
    let detail = refused.problem(403);
    assert!(detail.contains("admin_key_file") && detail.contains("WHOLECALL_ADMIN_KEY_FILE"), "{detail}");
    assert!(!detail.contains("--admin-key-file"), "{detail}");
    let shown = installation.command_json(&["tenant", "show", "acme"]);
    assert_eq!(shown["accounts"], json!([ACCOUNT]));
    server.stop();
}

#[test]
fn a_head_has_at_most_64_kib_and_exactly_one_host() {
    let installation = Installation::new();
    let server = installation.start();
    let with =
        |lines: &str| server.exchange(&format!("GET /healthz HTTP/1.1\r\n{lines}Connection: close\r\n\r\n"));
    assert!(with("Host: calls\r\n").starts_with("HTTP/1.1 200"));
    let long = with(&format!("Host: calls\r\nX-Padding: {}\r\n", "x".repeat(100_000)));
    assert!(long.is_empty() || long.starts_with("HTTP/1.1 431"), "{long}");
    assert!(with("").starts_with("HTTP/1.1 400"));
    assert!(with("Host: calls\r\nHost: other\r\n").starts_with("HTTP/1.1 400"));
    assert!(server.exchange("GET /healthz HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 200"));
    server.stop();
}

#[test]
fn requests_refused_by_the_framework_are_answered_with_problem_documents() {
    let (_installation, server, tenant) = Installation::running(ACCOUNT);
    let client = server.client();
    let detail = client.try_get(&tenant, "/v1/calls/a%FFb", &[]).unwrap().problem(400);
    assert!(detail.contains("UTF-8"), "{detail}");
    let zone = client.try_get(&tenant, "/v1/stats?zone=localtime", &[]).unwrap().problem(400);
    assert!(zone.contains("localtime"), "{zone}");
    server.stop();
}

#[test]
fn metrics_need_the_operators_key_if_there_is_one() {
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let server = Server::start(installation.serve_with_operator()).unwrap();
    server.client().try_get(&tenant, "/metrics", &[]).unwrap().problem(401);
    assert_eq!(server.client().try_get(&Tenant::operator(), "/metrics", &[]).unwrap().status, 200);
    server.stop();
}

#[test]
fn signing_in_again_ends_the_previous_session() {
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let server = installation.start_with(&[("WHOLECALL_PUBLIC_URL", "https://calls.example.com")]);
    let client = server.client();
    let first = cookie(&client, &tenant);
    assert!(first.starts_with("__Host-wholecall="), "{first}");
    let status = |cookie: &str| client.try_get(&tenant, "/calls", &[("Cookie", cookie)]).unwrap().status;
    assert_eq!(status(&first), 200);
    let form = [FORM, ("Cookie", first.as_str())];
    let again = client.post("/sign-in", &form, format!("key={}", tenant.api_key).as_bytes());
    let second = again.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_eq!((status(&first), status(&second)), (303, 200));
    let out = client.post("/sign-out", &[("Cookie", &second)], b"");
    assert!(out.header("clear-site-data").is_some(), "{out:?}");
    assert_eq!(status(&second), 303);
    server.stop();
}

#[test]
fn a_tenant_has_at_most_100_endpoints_when_many_are_added_at_once() {
    let (_installation, server, tenant) = Installation::running(ACCOUNT);
    thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let client = server.client();
                for _ in 0..10 {
                    let body = json!({ "url": "https://example.com/" });
                    let status = client.send(&tenant, "POST", "/v1/endpoints", &body).unwrap().status;
                    assert!(matches!(status, 201 | 400 | 409), "{status}");
                }
            });
        }
    });
    let listed = server.client().get(&tenant, "/v1/endpoints");
    assert_eq!(listed["endpoints"].as_array().unwrap().len(), 100);
    server.stop();
}

#[test]
fn secrets_are_read_from_files_standard_input_and_the_environment() {
    let installation = Installation::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let add = |name: &str, more: &[&str], variable: Option<&str>, input: &str| -> String {
        let mut command = std::process::Command::new(crate::harness::PROGRAM);
        command.args(["tenant", "add", name, "--account", ACCOUNT, "--json"]).args(more);
        command.arg("--data").arg(installation.data());
        variable.map(|value| command.env("WHOLECALL_VERIFICATION_TOKEN", value));
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut process = command.spawn().unwrap();
        process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success());
        let added: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        added["verificationToken"].as_str().unwrap().to_owned()
    };
    fs::write(&file, "a-token-from-a-file\n").unwrap();
    let from_file = ["--verification-token-file", file.to_str().unwrap()];
    assert_eq!(add("a", &from_file, Some("not-this-one"), ""), "a-token-from-a-file");
    assert_eq!(add("b", &["--verification-token-file", "-"], None, "a-token-by-stdin\n"), "a-token-by-stdin");
    assert_eq!(add("c", &[], Some("a-token-in-a-variable"), ""), "a-token-in-a-variable");
    assert!(add("d", &[], None, "").starts_with("wcv_"));
    let secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    fs::write(&file, secret).unwrap();
    let endpoint = ["endpoint", "add", "a", "https://example.com/", "--secret-file", file.to_str().unwrap()];
    assert_eq!(installation.command_json(&endpoint)["secret"], secret);
    let headers = folder.path().join("headers");
    fs::write(&headers, "Authorization: Bearer abc\n\nX-Team: calls\n").unwrap();
    let with_headers =
        ["endpoint", "add", "a", "https://example.com/", "--header-file", headers.to_str().unwrap()];
    let added = installation.command_json(&with_headers);
    assert_eq!(added["headers"], json!(["authorization", "x-team"]));
}

#[test]
fn a_public_address_without_tls_logs_a_warning() {
    let installation = Installation::new();
    let mut command = std::process::Command::new(crate::harness::PROGRAM);
    // A documentation address, which no machine has: the service warns, and then cannot listen.
    command.args(["serve", "--listen", "192.0.2.1:8080", "--data"]).arg(installation.data());
    let output = command.env("WHOLECALL_LOG", "warn").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("without TLS") && error.contains("cannot listen"), "{error}");
    assert!(!error.contains('\u{1b}'), "colours in a pipe: {error:?}");
}
