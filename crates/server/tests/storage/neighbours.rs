//! A tenant or client that floods the service does not affect others noticeably, and removed keys lose access.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use wholecall_server::admin;
use wholecall_store::SecretKind;

use crate::service::{Service, traffic};

const ACCOUNT: &str = "400131426008";

/// A notification of a session with many parties.
fn crowd(sequence: u32, parties: std::ops::Range<u32>) -> String {
    let parties: Vec<Value> = parties
        .map(|number| {
            json!({
                "id": format!("p-crowd-{number}"),
                "accountId": ACCOUNT,
                "extensionId": format!("{}", 700_000 + number),
                "direction": "Inbound",
                "from": { "phoneNumber": "+14045550145" },
                "to": { "phoneNumber": "+17705550132", "extensionId": format!("{}", 700_000 + number) },
                "status": { "code": "Proceeding" },
            })
        })
        .collect();
    json!({
        "uuid": format!("crowd-{sequence}"),
        "event": format!("/restapi/v1.0/account/{ACCOUNT}/telephony/sessions"),
        "timestamp": "2026-06-01T12:00:00.500Z",
        "body": {
            "sequence": sequence,
            "sessionId": "77",
            "telephonySessionId": "s-crowd",
            "eventTime": "2026-06-01T12:00:00.000Z",
            "parties": parties,
        },
    })
    .to_string()
}

/// Sends a request whose answer does not end at once.
fn open(service: &Service, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(service.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let key = &service.key;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    stream
}

/// Reads to the end of a connection.
fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn streams_and_waiting_requests_end_when_their_key_is_removed() {
    let service = Service::start();
    let mut stream = open(&service, "/v1/stream");
    let waiting = open(&service, "/v1/changes?after=now&wait=60");
    let mut head = [0; 16];
    stream.read_exact(&mut head).unwrap();
    assert!(head.starts_with(b"HTTP/1.1 200"));
    std::thread::sleep(Duration::from_millis(300));
    admin::rotate(&service.store, "acme", SecretKind::Key, None).unwrap();
    admin::remove_old(&service.store, "acme", SecretKind::Key).unwrap();
    let removed = Instant::now();
    let received = rest(stream);
    assert!(removed.elapsed() < Duration::from_millis(1_500), "{:?}", removed.elapsed());
    assert!(!received.contains("event:"), "{received}");
    let mut answer = [0; 16];
    (&waiting).read_exact(&mut answer).unwrap();
    assert!(removed.elapsed() < Duration::from_millis(2_000), "{:?}", removed.elapsed());
    assert!(answer.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn a_stream_receives_its_tenants_calls() {
    let service = Service::start();
    let mut stream = open(&service, "/v1/stream");
    let mut head = [0; 16];
    stream.read_exact(&mut head).unwrap();
    service.receive([crowd(1, 0..3).as_str()]);
    let mut received = String::new();
    let mut part = [0; 4_096];
    let began = Instant::now();
    while !received.contains("call.completed") {
        let count = stream.read(&mut part).unwrap();
        assert!(count > 0 && began.elapsed() < Duration::from_secs(20), "{received}");
        received.push_str(&String::from_utf8_lossy(&part[..count]));
    }
}

#[test]
fn an_import_refuses_a_line_that_is_too_long_for_the_hook() {
    let service = Service::start();
    let long = json!({ "pad": "x".repeat(300 << 10) }).to_string();
    let lines = format!("{}\n{long}\n{}\n", crowd(1, 0..1), crowd(2, 0..1));
    let (status, answer) = service.send("POST", "/v1/notifications", &lines);
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(2), &json!(1)));
    assert_eq!(answer["refusals"][0], json!({ "line": 2, "reason": "longer than 256 KiB" }));
}

#[test]
fn a_call_with_too_many_participants_is_explained_but_not_drawn() {
    let service = Service::start();
    let bodies = [crowd(1, 0..600), crowd(2, 600..1_200)];
    service.receive(bodies.iter().map(String::as_str));
    service.settle();
    let record = &service.records()[0];
    assert!(record["participants"].as_array().unwrap().len() > 1_000);
    for kind in ["svg", "png"] {
        let (status, answer) = service.request("GET", &format!("/v1/calls/s-crowd/drawing.{kind}"));
        assert_eq!(status, 422, "{answer}");
        assert!(answer.contains("at most 1000"), "{answer}");
    }
    assert_eq!(service.request("GET", "/v1/calls/s-crowd/explain").0, 200);
}

#[test]
fn notifications_are_acknowledged_while_calls_are_restored() {
    let service = Service::start();
    let bodies = traffic(150, 10);
    service.receive(bodies.iter().map(String::as_str));
    service.settle();
    let (notifications, _) = service.store.counts().unwrap();
    assert!(notifications > 2_000, "{notifications}");
    let token = admin::rotate(&service.store, "acme", SecretKind::Verification, None).unwrap();
    let service = service.restart();
    let began = Instant::now();
    let body = crowd(1, 0..2);
    let (status, answer) = service.post_to_hook("acme", &token, &body);
    assert_eq!(status, 200, "{answer}");
    let acknowledged = began.elapsed();
    // It is assembled once the calls before it are restored.
    service.wait(|| service.store.checkpoint().unwrap() == *service.store.watch_journal().borrow());
    assert!(acknowledged < Duration::from_secs(1), "{acknowledged:?}");
    assert!(acknowledged < began.elapsed());
}

/// A connection that starts to send a sign-in, and never completes it.
fn silent(service: &Service) -> TcpStream {
    let mut stream = TcpStream::connect(service.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = "POST /sign-in HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\nkey=";
    // The service may have closed it already.
    let _ = stream.write_all(head.as_bytes());
    stream
}

#[test]
fn stalled_bodies_block_no_other_client_and_are_cut_off() {
    let service = Service::start();
    let token = admin::rotate(&service.store, "acme", SecretKind::Verification, None).unwrap();
    let silent: Vec<TcpStream> = (0..300).map(|_| silent(&service)).collect();
    for sequence in 1..20 {
        let began = Instant::now();
        assert_eq!(service.post_to_hook("acme", &token, &crowd(sequence, 0..2)).0, 200);
        assert_eq!(service.request("GET", "/v1/calls?limit=5").0, 200);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
    let began = Instant::now();
    for mut stream in silent {
        // It ends by an answer, a close or a reset.
        let mut answer = String::new();
        let ended = stream.read_to_string(&mut answer);
        let is_late = ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!is_late && began.elapsed() < Duration::from_secs(30), "{answer}");
    }
}

#[test]
fn a_valid_key_can_sign_in_after_wrong_ones_from_the_same_address() {
    let service = Service::start();
    let sign_in = |key: &str| {
        let body = format!("key={key}");
        let (status, _) = service.exchange(&format!(
            "POST /sign-in HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
            body.len()
        ));
        status
    };
    let wrong: Vec<u16> = (0..12).map(|_| sign_in("wrong")).collect();
    assert_eq!(wrong[..10], [401; 10]);
    assert_eq!(wrong[10..], [429; 2]);
    assert_eq!(sign_in(&service.key), 303);
}

#[test]
fn a_clock_that_was_ahead_before_a_restart_delays_no_call_after_it() {
    let service = Service::start();
    let ahead_ms = crate::retention::now_ms() + crate::service::HOUR;
    let first = crowd(1, 0..2).replace("s-crowd", "s-ahead");
    crate::service::append(&service.store, service.tenant.id, ahead_ms, [first.as_str()]);
    let service = service.restart();
    service.receive([crowd(1, 0..2).as_str()]);
    let began = Instant::now();
    service.settle();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(service.records().len(), 2);
}

#[test]
fn many_wrong_tokens_block_further_ones_from_their_address_but_not_valid_ones() {
    let service = Service::start();
    let token = admin::rotate(&service.store, "acme", SecretKind::Verification, None).unwrap();
    assert_eq!(service.post_to_hook("acme", &token, &crowd(1, 0..2)).0, 200);
    let statuses: Vec<u16> = (0..70).map(|_| service.post_to_hook("acme", "guess", "{}").0).collect();
    assert_eq!(statuses[..60], [401; 60]);
    assert_eq!(statuses[60..], [429; 10]);
    assert_eq!(service.post_to_hook("acme", &token, &crowd(2, 0..2)).0, 200);
    assert_eq!(service.request("GET", "/v1/calls").0, 200);
}
