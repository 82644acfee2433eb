//! Stored deliveries and the receivers' answers: removed with their calls, and erased with a person.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use rusqlite::types::ValueRef;
use serde_json::{Value, json};
use wholecall_store::{Expiry, FILE_NAME};

use crate::{
    erase::busiest,
    retention::now_ms,
    service::{HOUR, Service, count, traffic},
};

/// A receiver that answers with all numbers in the request.
struct EchoReceiver {
    url: String,
    received: Arc<Mutex<Vec<String>>>,
}

impl EchoReceiver {
    fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let bodies = received.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let bodies = bodies.clone();
                thread::spawn(move || echo(&stream.unwrap(), status, &bodies));
            }
        });
        Self { url, received }
    }

    fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }
}

fn echo(stream: &TcpStream, status: u16, received: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end().to_ascii_lowercase().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(_) => {}
                None if line == "\r\n" => break,
                None => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body = String::from_utf8(body).unwrap();
        let numbers = body.split('"').filter(|text| text.starts_with('+'));
        let answer = numbers.collect::<BTreeSet<&str>>().into_iter().collect::<Vec<&str>>().join(" ");
        received.lock().unwrap().push(body.clone());
        let mut stream = stream;
        write!(stream, "HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())
            .ok()?;
    }
}

/// All texts in the file, each with its table.
fn dump(service: &Service) -> String {
    let connection = rusqlite::Connection::open(service.folder.path().join(FILE_NAME)).unwrap();
    let mut text = String::new();
    let mut tables = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
    for table in tables.map(Result::unwrap) {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                if let ValueRef::Text(value) = row.get_ref(column).unwrap() {
                    text += &format!("{table}: {}\n", std::str::from_utf8(value).unwrap());
                }
            }
        }
    }
    text
}

/// The changes that endpoints receive by default, as SQL.
const DELIVERED: &str = "kind IN ('call.completed', 'call.revised', 'call.merged')";

/// Waits until each endpoint was sent every event.
fn expect_all_sent(service: &Service, endpoints: i64) {
    service.settle();
    let folder = service.folder.path();
    let expected = endpoints * count(folder, &format!("SELECT count(*) FROM changes WHERE {DELIVERED}"));
    service.wait(|| count(folder, &format!("SELECT count(*) FROM deliveries WHERE {DELIVERED}")) == expected);
}

fn endpoint(service: &Service, settings: &Value) -> String {
    service.post("/v1/endpoints", settings)["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_erasure_removes_a_number_from_endpoints_and_their_answers() {
    let service = Service::start();
    let receiver = EchoReceiver::start(200);
    endpoint(&service, &json!({ "url": receiver.url }));
    endpoint(&service, &json!({ "url": receiver.url, "batch": 100 }));
    service.receive(traffic(20, 12).iter().map(String::as_str));
    expect_all_sent(&service, 2);
    assert!(
        receiver.received().iter().any(|body| body.matches("\"id\":\"msg_").count() > 1),
        "there are batches"
    );
    let records = service.records();
    let (number, ..) = busiest(&records);
    let digits = &number[1..];
    let (area, rest) = digits.split_at(digits.len() - 7);
    let description = format!("calls of ({}) {}-{}", &area[area.len() - 3..], &rest[..3], &rest[3..]);
    let filtered = endpoint(
        &service,
        &json!({ "url": receiver.url, "description": description, "filter": { "number": &digits[1..] } }),
    );
    let named = endpoint(&service, &json!({ "url": format!("{}of/%2B{digits}", receiver.url) }));
    let before = dump(&service);
    for table in ["attempts", "endpoints"] {
        let mut lines = before.lines().filter(|line| line.starts_with(table));
        assert!(lines.any(|line| line.contains(digits)), "{table} have the number before");
    }

    let (status, answer) = service.request("DELETE", &format!("/v1/numbers/{number}"));
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["endpoints"], json!([filtered, named]));
    let pseudonym = answer["pseudonym"].as_str().unwrap();
    let after = dump(&service);
    for line in after.lines() {
        assert!(
            !line.contains(digits) && !line.contains(&digits[1..]) && !line.contains(&description),
            "{line}"
        );
    }
    // Answers without the number stay.
    assert!(after.lines().any(|line| line.starts_with("attempts: +")));
    // A filter now has the pseudonym; an endpoint whose address was changed is disabled.
    let named = service.get(&format!("/v1/endpoints/{named}"));
    assert_eq!((&named["enabled"], &named["disabledReason"]), (&json!(false), &json!("erased")));
    let shown = service.get(&format!("/v1/endpoints/{filtered}"));
    assert_eq!(shown["filter"]["number"], pseudonym[1..]);
    assert_eq!(shown["description"], format!("calls of {}", &pseudonym[1..]));
    let before = receiver.received().len();
    let since = json!({ "since": "2020-01-01T00:00:00Z" });
    let replayed = service.post(&format!("/v1/endpoints/{filtered}/replay"), &since);
    let replayed = replayed["deliveries"].as_u64().unwrap() as usize;
    assert!(replayed > 0);
    service.wait(|| receiver.received().len() >= before + replayed);
    // Events of a merge or an erasure have no numbers.
    let has_no_number = |body: &&String| body.contains("call.merged") || body.contains("call.erased");
    for body in receiver.received()[before..].iter().filter(|body| !has_no_number(body)) {
        assert!(body.contains(pseudonym) && !body.contains(&number), "{body}");
    }
}

#[test]
fn deliveries_are_removed_with_their_calls() {
    let service = Service::start();
    let (accepting, failing) = (EchoReceiver::start(200), EchoReceiver::start(500));
    for receiver in [&accepting, &failing] {
        let id = endpoint(&service, &json!({ "url": receiver.url, "batch": 100 }));
        service.post(&format!("/v1/endpoints/{id}/test"), &json!({}));
    }
    service.receive(traffic(20, 12).iter().map(String::as_str));
    service.settle();
    let folder = service.folder.path();
    let rows = |table: &str| count(folder, &format!("SELECT count(*) FROM {table}"));
    let made = count(folder, &format!("SELECT count(*) FROM changes WHERE {DELIVERED}"));
    let delivered = "SELECT count(*) FROM deliveries WHERE state = 'delivered'";
    service.wait(|| count(folder, delivered) == made + 1);
    assert!(rows("attempts") > made && rows("deliveries") > made + 1 && rows("notices") == 2);
    // Half of the calls have expired.
    let mut ends: Vec<i64> = service.records().iter().filter_map(ended).collect();
    ends.sort_unstable();
    let expiry = |before_ms| Expiry { tenant: service.tenant.id, before_ms, quiet_since_ms: now_ms() + HOUR };
    let remove = |expiry: Expiry| {
        while service.store.remove_calls(expiry, 20).unwrap() > 0 {}
        while service.store.remove_unassigned(expiry, 100).unwrap() > 0 {}
        while service.store.remove_detached_rows(expiry, 100).unwrap() > 0 {}
    };
    remove(expiry(ends[ends.len() / 2]));
    let orphans = [
        "deliveries WHERE event > 0 AND event NOT IN (SELECT cursor FROM changes)",
        "attempts WHERE NOT EXISTS (SELECT 1 FROM deliveries
             WHERE deliveries.endpoint = attempts.endpoint AND deliveries.event = attempts.event)",
    ];
    let expect_no_orphans = || orphans.iter().for_each(|which| assert_eq!(rows(which), 0, "{which}"));
    expect_no_orphans();
    assert!(rows("deliveries") > made / 4 && rows("deliveries") < 2 * made);
    remove(expiry(now_ms() + HOUR));
    expect_no_orphans();
    for table in ["changes", "deliveries", "attempts", "notices"] {
        assert_eq!(rows(table), 0, "{table}");
    }
    assert_eq!(rows("endpoints"), 2, "they are the tenant's, not a call's");
}

fn ended(record: &Value) -> Option<i64> {
    let end = record["endTime"].as_str()?;
    Some(end.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}
