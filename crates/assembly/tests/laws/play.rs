//! Plays streams to the fold, from files and live.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt,
};

use serde_json::Value;
use wholecall_assembly::{Assembler, Change, Changes, Collection, Settings};
use wholecall_notification::{Document, Message, Notification};
use wholecall_record::{
    Call, Time, WriteJson,
    call::{CloseReason, State},
};

use crate::stream::{BEGIN, Note};

/// Reads a notification and passes it on.
pub(crate) fn with<T>(note: &Note, use_it: impl FnOnce(&Notification<'_, '_>) -> T) -> T {
    with_json(&note.json(), use_it)
}

/// Reads a notification or a lookup answer and passes it on.
pub(crate) fn with_json<T>(json: &str, use_it: impl FnOnce(&Notification<'_, '_>) -> T) -> T {
    let document = Document::parse(json).unwrap_or_else(|problem| panic!("{problem}: {json}"));
    match document.message() {
        Ok(Message::Session(notification)) => use_it(&notification),
        other => panic!("{other:?}: {json}"),
    }
}

/// The records of a set of notifications.
pub(crate) fn collect<'n>(notes: impl IntoIterator<Item = &'n Note>) -> Vec<Call> {
    let mut collection = Collection::default();
    for note in notes {
        with(note, |notification| collection.add(notification));
    }
    records_of(collection)
}

/// The records of a collection, which must be free of contradictions.
pub(crate) fn records_of(collection: Collection) -> Vec<Call> {
    let calls = collection.finish();
    let records = calls.records().collect();
    assert_eq!(calls.take_contradictions(), [], "nothing has to be taken out of a record");
    records
}

/// A record as JSON, without what does not follow from the notifications alone.
pub(crate) fn text(call: &Call) -> String {
    let mut call = call.clone();
    call.version = 0;
    call.updated_at = Time::from_millis(0);
    let mut json = Vec::new();
    call.write_json(&mut json);
    String::from_utf8(json).expect("records are UTF-8")
}

/// The differences between records.
#[derive(Debug)]
pub(crate) struct Different(Vec<String>);

impl fmt::Display for Different {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Error for Different {}

/// Compares records byte for byte; returns the differences.
pub(crate) fn same(left: &[Call], right: &[Call]) -> Result<(), Different> {
    // By their own starts: the collection sorts by the first event, and a conversation may begin before that by
    // another server's clock.
    let texts = |calls: &[Call]| {
        let mut calls: Vec<&Call> = calls.iter().collect();
        calls.sort_by_key(|call| (call.start_time, &call.id, &call.account_id));
        calls.into_iter().map(text).collect::<Vec<_>>()
    };
    let (left, right) = (texts(left), texts(right));
    if left == right {
        return Ok(());
    }
    let value = |texts: &[String]| -> Value {
        texts.iter().map(|text| serde_json::from_str::<Value>(text).expect("records are JSON")).collect()
    };
    let mut differences = Vec::new();
    compare("", &value(&left), &value(&right), &mut differences);
    Err(Different(differences))
}

fn compare(path: &str, left: &Value, right: &Value, differences: &mut Vec<String>) {
    match (left, right) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter()
                .zip(b)
                .enumerate()
                .for_each(|(at, (a, b))| compare(&format!("{path}/{at}"), a, b, differences));
        }
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().for_each(|(key, a)| compare(&format!("{path}/{key}"), a, &b[key], differences));
        }
        _ if left != right => differences.push(format!("{path}: {left} / {right}")),
        _ => {}
    }
}

/// Every contradiction in these records.
pub(crate) fn violations<'c>(calls: impl IntoIterator<Item = &'c Call>) -> Vec<String> {
    calls
        .into_iter()
        .flat_map(|call| {
            call.violations()
                .into_iter()
                .filter(|what| !what.contains(", who is not in"))
                .map(|what| format!("{}: {what}", call.id))
        })
        .collect()
}

type Id = (Option<String>, String);

/// What was published of one call.
#[derive(Debug, Default)]
struct Thread {
    version: u64,
    is_completed: bool,
    last: Option<Call>,
}

/// Receives an assembler's changes and checks that they are consistent.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    threads: BTreeMap<Id, Thread>,
    /// Inconsistent changes, each with everything published before.
    pub(crate) complaints: Vec<String>,
    pub(crate) published: Vec<String>,
    /// Ids that were merged away.
    merged: BTreeSet<Id>,
}

impl Listener {
    pub(crate) fn record(&mut self, changes: Changes) {
        for change in changes {
            let known = self.complaints.len();
            self.published.push(in_short(&change));
            self.record_one(change);
            let published = self.published.join(", ");
            self.complaints[known..]
                .iter_mut()
                .for_each(|complaint| complaint.push_str(&format!(" ({published})")));
        }
    }

    fn record_one(&mut self, change: Change) {
        let Some(call) = change.call() else {
            if let Change::Merged { account, id, into } = change {
                let account = account.as_deref().map(str::to_owned);
                self.merge((account.clone(), id.to_string()), (account, into.to_string()));
            }
            return;
        };
        let id = (call.account_id.as_deref().map(str::to_owned), call.id.to_string());
        self.complaints.extend(violations([call]));
        if self.merged.remove(&id) {
            // A merged call was separated again, since a late notification showed that a link only listened.
            let thread = Thread {
                version: call.version,
                is_completed: !matches!(change, Change::Started(_) | Change::Updated(_)),
                last: Some(call.clone()),
            };
            self.threads.insert(id, thread);
            return;
        }
        let thread = self.threads.entry(id.clone()).or_default();
        let mut complain = |holds: bool, what: &str| {
            if !holds {
                self.complaints.push(format!("{}: {what}, version {}", call.id, call.version));
            }
        };
        complain(call.version > thread.version, "a version that is not higher than the last");
        let is_first = thread.last.is_none() && thread.version == 0;
        match &change {
            Change::Started(_) => complain(is_first, "started twice"),
            Change::Updated(_) => {
                complain(!is_first && !thread.is_completed, "updated before it started or after its end")
            }
            Change::Completed(_) => complain(!thread.is_completed, "completed twice"),
            Change::Revised { from_version, .. } => {
                complain(thread.is_completed, "revised before it was completed");
                // Versions of live calls may only have been counted.
                let is_between = (thread.version..call.version).contains(from_version);
                complain(is_between, "revised from a version before the last");
            }
            Change::Merged { .. } => {}
        }
        complain((call.state == State::Live) == call.end_time.is_none(), "an end while it is live");
        thread.version = call.version;
        thread.is_completed |= matches!(change, Change::Completed(_));
        thread.last = Some(call.clone());
    }

    fn merge(&mut self, gone: Id, into: Id) {
        let Some(old) = self.threads.remove(&gone) else {
            return self.complaints.push(format!("{gone:?}: merged, but never published"));
        };
        self.merged.insert(gone);
        // The surviving call must be published next, if it never was.
        self.merged.remove(&into);
        let thread = self.threads.entry(into).or_default();
        thread.version = thread.version.max(old.version);
        thread.is_completed |= old.is_completed;
    }

    /// The last record of every call, in order of their start.
    pub(crate) fn last_records(&self) -> Vec<Call> {
        let mut records: Vec<Call> = self.threads.values().filter_map(|thread| thread.last.clone()).collect();
        records
            .sort_by(|a, b| (a.start_time, &a.id, &a.account_id).cmp(&(b.start_time, &b.id, &b.account_id)));
        records
    }

    /// Ids merged into a call that was not published afterwards.
    pub(crate) fn never_published(&self) -> Vec<&Id> {
        self.threads.iter().filter(|(_, thread)| thread.last.is_none()).map(|(id, _)| id).collect()
    }
}

fn in_short(change: &Change) -> String {
    match change {
        Change::Started(call) => format!("{} {} started", call.id, call.version),
        Change::Updated(call) => format!("{} {} updated", call.id, call.version),
        Change::Completed(call) => format!("{} {} completed", call.id, call.version),
        Change::Revised { call, .. } => format!("{} {} revised", call.id, call.version),
        Change::Merged { id, into, .. } => format!("{id} merged into {into}"),
    }
}

/// An assembler, its clock and its listener.
pub(crate) struct Live {
    assembler: Assembler,
    now: Time,
    pub(crate) listener: Listener,
}

/// Delays between arrivals: bursts, and pauses longer than each of the timers.
pub(crate) const DELAYS: [i64; 16] =
    [0, 0, 0, 5, 40, 300, 900, 1_000, 1_100, 3_000, 9_999, 12_000, 59_000, 61_000, 4_000_000, 8 * 3_600_000];

impl Live {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            assembler: Assembler::new(settings),
            now: Time::from_millis(BEGIN),
            listener: Listener::default(),
        }
    }

    /// Never evicts a closed call.
    pub(crate) fn with_long_memory() -> Self {
        Self::new(Settings { closed_call_ttl_ms: i64::MAX / 4, ..Settings::default() })
    }

    /// Advances the time and handles the deadlines.
    pub(crate) fn wait(&mut self, delay: u8) {
        self.now = self.now + DELAYS[usize::from(delay & 15)];
        // The caller may be late.
        if delay & 0x30 == 0x30 {
            return self.tick(self.now);
        }
        while let Some(due) = self.assembler.next_due().filter(|due| *due <= self.now) {
            self.tick(due);
        }
    }

    fn tick(&mut self, now: Time) {
        let changes = self.assembler.tick(now);
        self.listener.record(changes);
        self.collect_contradictions();
        let overdue = self.assembler.next_due().filter(|due| *due <= now);
        assert_eq!(overdue, None, "a tick leaves nothing that is due");
    }

    pub(crate) fn receive(&mut self, note: &Note) {
        self.receive_json(&note.json());
    }

    pub(crate) fn receive_json(&mut self, json: &str) {
        let changes = with_json(json, |notification| self.assembler.receive(self.now, notification));
        self.listener.record(changes);
        self.collect_contradictions();
    }

    /// Checks that no contradiction was removed from a record.
    fn collect_contradictions(&mut self) {
        let contradictions = self.assembler.take_contradictions();
        self.listener.complaints.extend(contradictions.iter().map(|found| format!("{found:?}")));
    }

    /// Ends the input.
    pub(crate) fn finish(&mut self) {
        let changes = self.assembler.finish(self.now);
        self.listener.record(changes);
        self.collect_contradictions();
    }

    /// Lets every timer run out without further input.
    pub(crate) fn run_out(&mut self) {
        for _ in 0..10_000 {
            let Some(due) = self.assembler.next_due() else { return };
            self.now = self.now.max(due);
            self.tick(self.now);
        }
        panic!("after ten thousand timers there is still one to come");
    }

    pub(crate) fn in_memory(&self) -> usize {
        self.assembler.len()
    }
}

/// Live, a call may have been closed because it was idle; read from files, it is incomplete because the input ended.
pub(crate) fn as_if_read_from_files(mut calls: Vec<Call>) -> Vec<Call> {
    for call in &mut calls {
        call.completeness.reason = call.completeness.reason.map(|_| CloseReason::EndOfInput);
    }
    calls
}
