//! Notifications to post, and the records expected from them.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
    time::Duration,
};

use fastrand::Rng;
use serde_json::Value;
use wholecall_assembly::Collection;
use wholecall_notification::{Document, Message};
use wholecall_simulator::{CallTruth, Company, Faults, Traffic, TrafficEvent};

use crate::harness::{Client, Server, Tenant, eventually};

/// The account of the example calls.
pub(crate) const ACCOUNT: &str = "400131426008";

/// 2026-06-01T00:00:00Z.
const MIDNIGHT: i64 = 1_780_272_000_000;
const HOUR: i64 = 3_600_000;

fn example_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

/// The notifications of one of the examples.
pub(crate) fn example(name: &str) -> Vec<String> {
    let text = fs::read_to_string(example_file(&format!("{name}.ndjson"))).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The names of the examples.
pub(crate) const EXAMPLES: [&str; 6] = ["conference", "direct", "menu", "park", "queue", "warm-transfer"];

/// The notifications of all examples.
pub(crate) fn examples() -> Vec<String> {
    EXAMPLES.iter().flat_map(|name| example(name)).collect()
}

/// A copy of a call with new ids.
pub(crate) fn another(call: &[String], number: usize) -> Vec<String> {
    let renumbered = |line: &String| {
        let mut notification: Value = serde_json::from_str(line).unwrap();
        notification["uuid"] = format!("{}{number}", notification["uuid"].as_str().unwrap()).into();
        // Sessions and parties of the examples are called `s-a0d7…` and `p-a0d7…`.
        notification.to_string().replace("-a0d7", &format!("-b{number:07x}"))
    };
    call.iter().map(renumbered).collect()
}

/// A company's day with delivery faults other than losses.
pub(crate) struct Day {
    pub(crate) notifications: Vec<String>,
    pub(crate) truths: Vec<CallTruth>,
    pub(crate) accounts: BTreeSet<String>,
}

pub(crate) fn company_day(users: usize, seed: u64) -> Day {
    let faults: Faults = "reorder,duplicate,overlap".parse().unwrap();
    let traffic = Traffic::new(Company::with_users(users), MIDNIGHT, MIDNIGHT + 24 * HOUR, seed);
    let mut day = Day { notifications: Vec::new(), truths: Vec::new(), accounts: BTreeSet::new() };
    for event in traffic.with_faults(faults) {
        match event {
            TrafficEvent::Truth(truth) => day.truths.push(truth),
            TrafficEvent::Notification(notification) => {
                day.accounts.insert(notification.account.to_string());
                day.notifications.push(notification.to_json());
            }
        }
    }
    day
}

/// Shuffles notifications, reproducibly by seed.
pub(crate) fn shuffled(mut notifications: Vec<String>, seed: u64) -> Vec<String> {
    Rng::with_seed(seed).shuffle(&mut notifications);
    notifications
}

/// Posts notifications over several connections at once.
pub(crate) fn post_all(server: &Server, tenant: &Tenant, notifications: &[String], connections: usize) {
    let next = Mutex::new(notifications.iter());
    thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let client = server.client();
                while let Some(notification) = { next.lock().unwrap().next() } {
                    client.notify(tenant, notification);
                }
            });
        }
    });
}

/// The records of `wholecall assemble` for notifications, by id.
pub(crate) fn assembled(notifications: &[String]) -> BTreeMap<String, Value> {
    let mut process = Command::new(env!("CARGO_BIN_EXE_wholecall"))
        .args(["assemble", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let text = notifications.join("\n");
    let writer = thread::spawn(move || stdin.write_all(text.as_bytes()).unwrap());
    let output = process.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let records: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    by_id(records)
}

/// The records for notifications, by id, assembled in this process.
pub(crate) fn collected<'a>(notifications: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, Value> {
    let mut collection = Collection::default();
    for notification in notifications {
        let document = Document::parse(notification).unwrap();
        let Ok(Message::Session(notification)) = document.message() else { panic!("{notification}") };
        collection.add(&notification);
    }
    by_id(collection.finish().records().map(|record| serde_json::to_value(&record).unwrap()))
}

/// Records by their ids, without members that depend on more than the notifications, such as the time of a version.
pub(crate) fn by_id(records: impl IntoIterator<Item = Value>) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for mut record in records {
        let members = record.as_object_mut().unwrap();
        members.remove("version").unwrap();
        members.remove("updatedAt").unwrap();
        members.remove("directoryVersion");
        let id = record["id"].as_str().unwrap().to_owned();
        assert!(found.insert(id.clone(), record).is_none(), "{id} is listed twice");
    }
    found
}

/// Records without members that depend on other calls of the account: names of extensions, and concurrent calls. Tests post
/// hundreds of copies of one call.
pub(crate) fn nameless(records: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut records = records.clone();
    for record in records.values_mut() {
        for named in ["from", "to", "participants", "queues"] {
            without_names(&mut record[named]);
        }
        if let Some(related) = record["related"].as_array_mut() {
            related.retain(|other| other["kind"] != "concurrent");
        }
    }
    records
}

fn without_names(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(without_names),
        Value::Object(members) => {
            members.remove("name");
            members.remove("displayName");
        }
        _ => {}
    }
}

/// Waits until no call is live.
pub(crate) fn expect_settled(client: &Client, tenant: &Tenant) {
    let settled = eventually(Duration::from_secs(90), || {
        let live = client.get(tenant, "/v1/calls?state=live&limit=1");
        live["calls"].as_array().unwrap().is_empty().then_some(())
    });
    assert!(settled.is_some(), "still live: {:?}", client.calls(tenant, "state=live", 100));
}

/// Waits until the service has the expected calls; fails with the differences.
pub(crate) fn expect_calls(client: &Client, tenant: &Tenant, expected: &BTreeMap<String, Value>) {
    let expected = nameless(expected);
    let mut last = BTreeMap::new();
    let same = eventually(Duration::from_secs(60), || {
        let live = client.get(tenant, "/v1/calls?state=live&limit=1");
        if live["calls"].as_array().unwrap().is_empty() {
            last = by_id(client.calls(tenant, "", 1_000));
        }
        (nameless(&last) == expected).then_some(())
    });
    if same.is_none() {
        panic!("{}", differences(&expected, &nameless(&last)).join("\n"));
    }
}

/// The differences between two sets of records.
pub(crate) fn differences(
    expected: &BTreeMap<String, Value>,
    found: &BTreeMap<String, Value>,
) -> Vec<String> {
    let ids: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let mut differences = vec![format!("{} calls expected, {} found", expected.len(), found.len())];
    for id in ids {
        match (expected.get(id), found.get(id)) {
            (Some(expected), Some(found)) => {
                let members = expected.as_object().unwrap().iter();
                differences.extend(members.filter(|(name, value)| found[name.as_str()] != **value).map(
                    |(name, value)| format!("{id} {name}: {value} expected, {} found", found[name.as_str()]),
                ));
            }
            (Some(_), None) => differences.push(format!("{id} is missing")),
            (None, _) => differences.push(format!("{id} is unexpected")),
        }
    }
    differences.truncate(40);
    differences
}

/// The example calls of the repository.
pub(crate) fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden")
}
