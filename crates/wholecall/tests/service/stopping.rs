//! A stop finishes accepted work.

use std::{
    io::{Read, Write},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use wholecall_store::{Position, Store};

use crate::{
    crash::expect_sound,
    harness::{Installation, SOON, eventually},
    traffic::{ACCOUNT, collected, company_day, example, expect_calls},
};

#[test]
fn accepted_notifications_are_assembled_before_the_exit() {
    let day = company_day(12, 31);
    let installation = Installation::new();
    let tenant = installation.tenant("company", &day.accounts);
    for round in 0..4 {
        let server = installation.start();
        let next = Mutex::new(day.notifications.iter());
        let accepted = Mutex::new(0_i64);
        let before = Store::open(&installation.data()).unwrap().checkpoint().unwrap();
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let client = server.client();
                    while let Some(notification) = { next.lock().unwrap().next() } {
                        match client.try_notify(&tenant, notification) {
                            Ok(reply) if reply.status == 200 => *accepted.lock().unwrap() += 1,
                            _ => return,
                        }
                    }
                });
            }
            thread::sleep(Duration::from_millis(100 + 70 * round));
            server.terminate();
        });
        assert_eq!(server.wait().code(), Some(0));
        let store = Store::open(&installation.data()).unwrap();
        let entries = store.journal_after(before, usize::MAX >> 1).unwrap();
        let last = entries.last().map(|entry| entry.position);
        assert!(entries.len() as i64 >= *accepted.lock().unwrap(), "acknowledged, but not stored");
        assert_eq!(Some(store.checkpoint().unwrap()), last, "accepted, but not assembled");
    }
    let server = installation.start();
    let client = server.client();
    for notification in &day.notifications {
        client.notify(&tenant, notification);
    }
    let store = Store::open(&installation.data()).unwrap();
    let stored = store.journal_after(Position(0), usize::MAX >> 1).unwrap();
    expect_calls(&client, &tenant, &collected(stored.iter().map(|entry| entry.body.as_str())));
    expect_sound(&client.changes(&tenant));
    drop(store);
    server.stop();
}

#[test]
fn open_connections_are_closed_by_a_stop() {
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let server = installation.start();
    let client = server.client();
    client.notify(&tenant, &example("direct")[0]);
    let cursor = eventually(SOON, || {
        let page = client.get(&tenant, "/v1/changes?after=0");
        let has_any = page["changes"].as_array().is_some_and(|changes| !changes.is_empty());
        has_any.then(|| page["next"].as_str().unwrap().to_owned())
    });
    let wait = format!("/v1/changes?after={}&wait=60", cursor.expect("the call is published"));
    let mut streams: Vec<_> = (0..3).map(|_| client.stream(&tenant, "/v1/stream?after=0", &[])).collect();
    let mut idle = server.connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: calls\r\n\r\n").unwrap();
    let mut answer = [0; 15];
    idle.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| server.client().get(&tenant, &wait));
        thread::sleep(Duration::from_millis(300));
        let started = Instant::now();
        server.terminate();
        for stream in &mut streams {
            let mut rest = String::new();
            stream.read_to_string(&mut rest).unwrap();
            assert!(rest.contains("event: call.started"), "{rest}");
        }
        assert!(waiting.join().unwrap()["changes"].as_array().unwrap().is_empty());
        let mut rest = Vec::new();
        idle.read_to_end(&mut rest).unwrap();
        // The stop does not wait for the end of long polls.
        assert!(started.elapsed() < Duration::from_secs(45), "{:?}", started.elapsed());
    });
    assert_eq!(server.wait().code(), Some(0));
}
