//! One play: what arrived of it, assembled, against what was true.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    sync::Arc,
};

use wholecall_assembly::{Collection, Directory, Entry};
use wholecall_notification::{Document, Message};
use wholecall_simulator::{
    Account, CallTruth, Code, Faults, Notification, Record, Tolerance, Verdict, verify,
};

/// So many examples of silent wrongs are told for each fault.
const EXAMPLES: usize = 5;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: usize,
    pub(crate) seeds: u64,
    pub(crate) notifications: usize,
    pub(crate) differences: usize,
    pub(crate) exact: usize,
    /// Wrong, and the record says that something is missing; or only another call's record says so, to which it is related.
    pub(crate) admitted: usize,
    /// Wrong, for a session of it is lost whole and nothing refers to that.
    pub(crate) lost_whole: usize,
    /// Wrong, for the last notifications of a session of it are lost, and everybody seems to have left before.
    pub(crate) end_unseen: usize,
    /// Wrong, and neither.
    pub(crate) silent: usize,
    /// Records that tell several calls as one.
    pub(crate) joins: usize,
    pub(crate) examples: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.notifications += other.notifications;
        self.differences += other.differences;
        self.exact += other.exact;
        self.admitted += other.admitted;
        self.lost_whole += other.lost_whole;
        self.end_unseen += other.end_unseen;
        self.silent += other.silent;
        self.joins += other.joins;
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}

/// Judges a play by what arrived of it.
pub(crate) fn assess(
    name: &str,
    told: &[Notification],
    arrived: &[Notification],
    truths: Vec<CallTruth>,
    faults: &Faults,
    directories: &Directories,
) -> Result<Tally, Box<dyn Error>> {
    let records = assembled(arrived, directories)?;
    let mut tally = Tally { calls: truths.len(), notifications: arrived.len(), ..Tally::default() };
    let mut call_of: BTreeMap<String, String> = BTreeMap::new();
    for truth in &truths {
        call_of.extend(truth.sessions.iter().map(|session| (session.clone(), truth.id.clone())));
    }
    // Which true calls each record tells of, and which of those records say that something is missing.
    let mut admitting: BTreeSet<String> = BTreeSet::new();
    for record in &records {
        let calls: BTreeSet<&String> = record.sessions().filter_map(|session| call_of.get(session)).collect();
        tally.joins += usize::from(calls.len() > 1);
        if record.admits_loss() {
            admitting.extend(calls.into_iter().cloned());
        }
    }
    let unseen = undetectable(told, arrived);
    let ids: BTreeSet<String> = truths.iter().map(|truth| truth.id.clone()).collect();
    let sessions: BTreeMap<String, Vec<String>> =
        truths.iter().map(|truth| (truth.id.clone(), truth.sessions.clone())).collect();
    let report = verify(truths, records, Tolerance { times: faults.max_skew_ms(), ..Tolerance::default() });
    tally.differences = report.differences();
    tally.exact = report.exact();
    // Which other calls it is related to depends on what of those was seen.
    let others_lost = |verdict: &Verdict| {
        verdict.differences.iter().all(|difference| difference.starts_with("`related`"))
            && ids.iter().filter(|id| **id != verdict.id).any(|id| {
                admitting.contains(id) || sessions[id].iter().any(|session| unseen.contains_key(session))
            })
    };
    for verdict in report.wrong.iter().filter(|verdict| ids.contains(&verdict.id)) {
        let lost: Vec<Unseen> =
            sessions[&verdict.id].iter().filter_map(|session| unseen.get(session)).copied().collect();
        match () {
            () if admitting.contains(&verdict.id) => tally.admitted += 1,
            () if lost.contains(&Unseen::Whole) => tally.lost_whole += 1,
            () if lost.contains(&Unseen::End) => tally.end_unseen += 1,
            () if others_lost(verdict) => tally.admitted += 1,
            () => {
                tally.silent += 1;
                tally.examples.push(format!("{name}: {verdict}"));
            }
        }
    }
    Ok(tally)
}

/// What a session lost without a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unseen {
    /// All of it.
    Whole,
    /// Its last notifications, where everybody who was told of seems to have left before.
    End,
}

/// Sessions that lost something without a trace.
fn undetectable(told: &[Notification], arrived: &[Notification]) -> BTreeMap<String, Unseen> {
    let last = |notifications: &[Notification]| {
        let mut last: BTreeMap<String, u32> = BTreeMap::new();
        for told in notifications {
            let sequence = last.entry(told.body.session.to_string()).or_default();
            *sequence = (*sequence).max(told.body.sequence);
        }
        last
    };
    let (all, seen) = (last(told), last(arrived));
    let lost = all.into_iter().filter_map(|(session, last)| match seen.get(&session) {
        None => Some((session, Unseen::Whole)),
        Some(seen) if *seen < last && everybody_left(&session, arrived) => Some((session, Unseen::End)),
        Some(_) => None,
    });
    lost.collect()
}

/// Whether all legs of a session that arrived have ended, or left by a link of which the other end arrived.
fn everybody_left(session: &str, arrived: &[Notification]) -> bool {
    let mut latest: BTreeMap<u32, (u32, Code)> = BTreeMap::new();
    for told in arrived.iter().filter(|told| told.body.session.to_string() == session) {
        let (sequence, code) = (told.body.sequence, told.body.party.status.code);
        let known = latest.entry(told.body.party.id.ordinal).or_insert((sequence, code));
        if known.0 <= sequence {
            *known = (sequence, code);
        }
    }
    let linked = |ordinal: u32| {
        let peers = arrived.iter().filter_map(|told| told.body.party.status.peer);
        peers
            .map(|peer| peer.party)
            .any(|party| party.ordinal == ordinal && party.session.to_string() == session)
    };
    latest
        .iter()
        .all(|(ordinal, (_, code))| matches!(code, Code::Disconnected | Code::Gone) || linked(*ordinal))
}

/// Directories by account.
pub(crate) type Directories = Vec<(String, Arc<Directory>)>;

/// The extensions of some accounts, as directories list them.
pub(crate) fn directories(accounts: &[Account]) -> Directories {
    let of = |account: &Account| (account.id.to_string(), Arc::new(directory(account)));
    accounts.iter().map(of).collect()
}

fn directory(account: &Account) -> Directory {
    let mut directory = Directory::default();
    directory.add_phone_number(&format!("+{}", account.main_number), None);
    for listed in account.listing() {
        let (id, number) = (listed.extension.to_string(), listed.number.to_string());
        directory.insert(&id, Entry::listed(Some(listed.kind), Some(&listed.name), Some(&number)));
        if let Some(direct) = &listed.direct_number {
            directory.add_phone_number(direct, Some(&id));
        }
        if let Some(mobile) = &listed.mobile {
            directory.add_forwarding(&id, mobile);
        }
    }
    directory
}

/// The records of notifications, by way of their JSON in both directions.
pub(crate) fn assembled(
    arrived: &[Notification],
    directories: &Directories,
) -> Result<Vec<Record>, Box<dyn Error>> {
    let documents: Vec<String> = arrived.iter().map(Notification::to_json).collect();
    let mut collection = Collection::default();
    for (account, directory) in directories {
        collection.set_directory(Some(account), Arc::clone(directory));
    }
    for json in &documents {
        let document = Document::parse(json)?;
        match document.message()? {
            Message::Session(notification) => collection.add(&notification),
            other => return Err(format!("not a telephony notification: {other:?}").into()),
        }
    }
    let calls = collection.finish();
    let records = calls.records().map(|record| Ok(Record::from_json(&serde_json::to_string(&record)?)?));
    records.collect()
}
