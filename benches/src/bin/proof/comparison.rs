//! Compares the records assembled from the notifications of a play that arrived with what happened in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
};

use wholecall_benches::simulated::{Directories, assemble};
use wholecall_simulator::{CallTruth, Code, Faults, Notification, Tolerance, Verdict, verify};

/// Maximum number of examples of silent errors that are reported per fault.
const MAX_EXAMPLES: usize = 5;

/// Counts of a comparison.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: usize,
    pub(crate) seeds: u64,
    pub(crate) notifications: usize,
    pub(crate) differences: usize,
    pub(crate) exact: usize,
    /// Wrong, but the record, or the record of a related call, says that something is missing.
    pub(crate) admitted: usize,
    /// Wrong because a whole session was lost and nothing refers to it.
    pub(crate) lost_whole: usize,
    /// Wrong because the last notifications of a session were lost, and all legs seem to have ended before.
    pub(crate) end_unseen: usize,
    /// Wrong for another reason.
    pub(crate) silent: usize,
    /// Records that join several calls.
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
        let room = MAX_EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}

/// Compares the records of the notifications that arrived with the truth.
pub(crate) fn compare(
    name: &str,
    sent: &[Notification],
    arrived: &[Notification],
    truths: Vec<CallTruth>,
    faults: &Faults,
    directories: &Directories,
) -> Result<Tally, Box<dyn Error>> {
    let records = assemble(arrived, directories)?;
    let mut tally = Tally { calls: truths.len(), notifications: arrived.len(), ..Tally::default() };
    let mut call_of: BTreeMap<String, String> = BTreeMap::new();
    for truth in &truths {
        call_of.extend(truth.sessions.iter().map(|session| (session.clone(), truth.id.clone())));
    }
    // Maps each record to the true calls that it covers, and collects those whose record says that something is missing.
    let mut admitting: BTreeSet<String> = BTreeSet::new();
    for record in &records {
        let calls: BTreeSet<&String> = record.sessions().filter_map(|session| call_of.get(session)).collect();
        tally.joins += usize::from(calls.len() > 1);
        if record.admits_loss() {
            admitting.extend(calls.into_iter().cloned());
        }
    }
    let unseen = undetectable_losses(sent, arrived);
    let ids: BTreeSet<String> = truths.iter().map(|truth| truth.id.clone()).collect();
    let sessions: BTreeMap<String, Vec<String>> =
        truths.iter().map(|truth| (truth.id.clone(), truth.sessions.clone())).collect();
    let report = verify(truths, records, Tolerance { times: faults.max_skew_ms(), ..Tolerance::default() });
    tally.differences = report.differences();
    tally.exact = report.exact();
    // A call's related calls depend on which notifications of those arrived.
    let others_lost = |verdict: &Verdict| {
        verdict.differences.iter().all(|difference| difference.starts_with("`related`"))
            && ids.iter().filter(|id| **id != verdict.id).any(|id| {
                admitting.contains(id) || sessions[id].iter().any(|session| unseen.contains_key(session))
            })
    };
    for verdict in report.wrong.iter().filter(|verdict| ids.contains(&verdict.id)) {
        let lost: Vec<UndetectableLoss> =
            sessions[&verdict.id].iter().filter_map(|session| unseen.get(session)).copied().collect();
        match () {
            () if admitting.contains(&verdict.id) => tally.admitted += 1,
            () if lost.contains(&UndetectableLoss::Whole) => tally.lost_whole += 1,
            () if lost.contains(&UndetectableLoss::End) => tally.end_unseen += 1,
            () if others_lost(verdict) => tally.admitted += 1,
            () => {
                tally.silent += 1;
                tally.examples.push(format!("{name}: {verdict}"));
            }
        }
    }
    Ok(tally)
}

/// A loss in a session that nothing that arrived reveals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UndetectableLoss {
    /// All notifications.
    Whole,
    /// The last notifications, after all known legs had ended.
    End,
}

/// Sessions with such losses.
fn undetectable_losses(
    sent: &[Notification],
    arrived: &[Notification],
) -> BTreeMap<String, UndetectableLoss> {
    let last = |notifications: &[Notification]| {
        let mut last: BTreeMap<String, u32> = BTreeMap::new();
        for notification in notifications {
            let sequence = last.entry(notification.body.session.to_string()).or_default();
            *sequence = (*sequence).max(notification.body.sequence);
        }
        last
    };
    let (all, seen) = (last(sent), last(arrived));
    let lost = all.into_iter().filter_map(|(session, last)| match seen.get(&session) {
        None => Some((session, UndetectableLoss::Whole)),
        Some(seen) if *seen < last && all_legs_ended(&session, arrived) => {
            Some((session, UndetectableLoss::End))
        }
        Some(_) => None,
    });
    lost.collect()
}

/// Whether all legs of a session that arrived have ended, or left by a link whose other end arrived.
fn all_legs_ended(session: &str, arrived: &[Notification]) -> bool {
    let mut latest: BTreeMap<u32, (u32, Code)> = BTreeMap::new();
    for one in arrived.iter().filter(|one| one.body.session.to_string() == session) {
        let (sequence, code) = (one.body.sequence, one.body.party.status.code);
        let known = latest.entry(one.body.party.id.ordinal).or_insert((sequence, code));
        if known.0 <= sequence {
            *known = (sequence, code);
        }
    }
    let linked = |ordinal: u32| {
        let peers = arrived.iter().filter_map(|one| one.body.party.status.peer);
        peers
            .map(|peer| peer.party)
            .any(|party| party.ordinal == ordinal && party.session.to_string() == session)
    };
    latest
        .iter()
        .all(|(ordinal, (_, code))| matches!(code, Code::Disconnected | Code::Gone) || linked(*ordinal))
}
