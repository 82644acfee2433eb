//! What endpoints were told and have answered: it goes with the calls, and with whoever is erased.

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

/// A receiver that answers with all numbers it was told of.
struct Parrot {
    url: String,
    told: Arc<Mutex<Vec<String>>>,
}

impl Parrot {
    fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let heard = heard.clone();
                thread::spawn(move || repeat(&stream.unwrap(), status, &heard));
            }
        });
        Self { url, told }
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }
}

fn repeat(stream: &TcpStream, status: u16, told: &Mutex<Vec<String>>) -> Option<()> {
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
        told.lock().unwrap().push(body.clone());
        let mut stream = stream;
        write!(stream, "HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())
            .ok()?;
    }
}

/// Everything in the file that is text, or a number.
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

const TOLD: &str = "kind IN ('call.completed', 'call.revised', 'call.merged')";

/// Waits until each endpoint was sent everything that there is.
fn expect_all_sent(service: &Service, endpoints: i64) {
    service.settle();
    let folder = service.folder.path();
    let wanted = endpoints * count(folder, &format!("SELECT count(*) FROM changes WHERE {TOLD}"));
    service.wait(|| count(folder, &format!("SELECT count(*) FROM deliveries WHERE {TOLD}")) == wanted);
}

fn endpoint(service: &Service, wanted: &Value) -> String {
    service.post("/v1/endpoints", wanted)["id"].as_str().unwrap().to_owned()
}

#[test]
fn nothing_is_left_of_a_number_in_endpoints_and_in_what_they_answered() {
    let service = Service::start();
    let parrot = Parrot::start(200);
    endpoint(&service, &json!({ "url": parrot.url }));
    endpoint(&service, &json!({ "url": parrot.url, "batch": 100 }));
    service.hear(traffic(20, 12).iter().map(String::as_str));
    expect_all_sent(&service, 2);
    assert!(parrot.told().iter().any(|body| body.matches("\"id\":\"msg_").count() > 1), "there are batches");
    let records = service.records();
    let (number, ..) = busiest(&records);
    let digits = &number[1..];
    let (area, rest) = digits.split_at(digits.len() - 7);
    let description = format!("calls of ({}) {}-{}", &area[area.len() - 3..], &rest[..3], &rest[3..]);
    let filtered = endpoint(
        &service,
        &json!({ "url": parrot.url, "description": description, "filter": { "number": &digits[1..] } }),
    );
    let named = endpoint(&service, &json!({ "url": format!("{}of/%2B{digits}", parrot.url) }));
    let before = dump(&service);
    for table in ["attempts", "endpoints"] {
        let mut lines = before.lines().filter(|line| line.starts_with(table));
        assert!(lines.any(|line| line.contains(digits)), "{table} name the number before");
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
    // Answers that never named that number are kept.
    assert!(after.lines().any(|line| line.starts_with("attempts: +")));
    // A filter goes on with what is kept of that person; an address that was changed is not posted to.
    let named = service.get(&format!("/v1/endpoints/{named}"));
    assert_eq!((&named["enabled"], &named["disabledReason"]), (&json!(false), &json!("erased")));
    let shown = service.get(&format!("/v1/endpoints/{filtered}"));
    assert_eq!(shown["filter"]["number"], pseudonym[1..]);
    assert_eq!(shown["description"], format!("calls of {}", &pseudonym[1..]));
    let told = parrot.told().len();
    let since = json!({ "since": "2020-01-01T00:00:00Z" });
    let replayed = service.post(&format!("/v1/endpoints/{filtered}/replay"), &since);
    let replayed = replayed["deliveries"].as_u64().unwrap() as usize;
    assert!(replayed > 0);
    service.wait(|| parrot.told().len() >= told + replayed);
    // A merging and an erasure name nobody.
    let names_nobody = |body: &&String| body.contains("call.merged") || body.contains("call.erased");
    for body in parrot.told()[told..].iter().filter(|body| !names_nobody(body)) {
        assert!(body.contains(pseudonym) && !body.contains(&number), "{body}");
    }
}

#[test]
fn what_was_sent_of_calls_goes_with_them() {
    let service = Service::start();
    let (taken, failed) = (Parrot::start(200), Parrot::start(500));
    for parrot in [&taken, &failed] {
        let id = endpoint(&service, &json!({ "url": parrot.url, "batch": 100 }));
        service.post(&format!("/v1/endpoints/{id}/test"), &json!({}));
    }
    service.hear(traffic(20, 12).iter().map(String::as_str));
    service.settle();
    let folder = service.folder.path();
    let rows = |table: &str| count(folder, &format!("SELECT count(*) FROM {table}"));
    let made = count(folder, &format!("SELECT count(*) FROM changes WHERE {TOLD}"));
    let taken = "SELECT count(*) FROM deliveries WHERE state = 'delivered'";
    service.wait(|| count(folder, taken) == made + 1);
    assert!(rows("attempts") > made && rows("deliveries") > made + 1 && rows("notices") == 2);
    // Half of the calls are over their time.
    let mut ends: Vec<i64> = service.records().iter().filter_map(ended).collect();
    ends.sort_unstable();
    let expiry = |before_ms| Expiry { tenant: service.tenant.id, before_ms, quiet_since_ms: now_ms() + HOUR };
    let remove = |expiry: Expiry| {
        while service.store.remove_calls(expiry, 20).unwrap() > 0 {}
        while service.store.remove_strays(expiry, 100).unwrap() > 0 {}
        while service.store.remove_leftovers(expiry, 100).unwrap() > 0 {}
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
