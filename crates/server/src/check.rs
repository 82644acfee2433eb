//! Checks a store: every record must equal what a fresh assembly makes of the call's notifications.

use wholecall_assembly::Collection;
use wholecall_notification::Document;
use wholecall_record::{Call, WriteJson};
use wholecall_store::{
    ChangeContent, ChangeKind, CheckedCall, CommitBatch, Damage, Entry, NewChange, Position, Store,
    StoreError, StoredCall, TenantId,
};

use crate::{clock, directories::Directories, reassemble::collect};

/// Maximum numbers of journal entries and of calls read at once.
const MAX_ENTRIES_PAGE: usize = 2_000;
const MAX_CALLS_PAGE: usize = 100;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The place: a part of the file, a notification, a call.
    pub place: String,
    /// The problem.
    pub problem: String,
    /// Whether it was repaired.
    pub repaired: bool,
}

/// A part of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckStep {
    /// SQLite's check of the file.
    File,
    /// The notifications.
    Notifications,
    /// The calls.
    Calls,
}

/// How far a check has come.
#[derive(Debug, Clone, Copy)]
pub struct CheckProgress {
    /// The part that is being checked.
    pub step: CheckStep,
    /// How many rows of it were checked.
    pub done: u64,
    /// How many rows it has.
    pub of: u64,
}

/// The result of a check.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// The number of notifications.
    pub notifications: u64,
    /// The number of calls, each of which was assembled again.
    pub calls: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Checks a store, also while a server runs on it. With `repair`, calls that differ from what their notifications make are
/// published again as further versions, which needs a store that no server runs on; then everything is checked again,
/// and only what is right then counts as repaired.
pub fn check(
    store: &Store,
    repair: bool,
    mut watch: impl FnMut(CheckProgress),
) -> Result<CheckReport, StoreError> {
    if !repair {
        return inspect(store, false, &mut watch);
    }
    store.acquire_instance_lock()?;
    let first = inspect(store, true, &mut watch)?;
    if first.findings.is_empty() {
        return Ok(first);
    }
    let second = inspect(store, false, &mut watch)?;
    let is_same =
        |one: &Finding, other: &Finding| (&one.place, &one.problem) == (&other.place, &other.problem);
    let mut findings = first.findings;
    for finding in &mut findings {
        finding.repaired = !second.findings.iter().any(|other| is_same(finding, other));
    }
    let is_new = |finding: &Finding| !findings.iter().any(|other| is_same(finding, other));
    let new: Vec<Finding> = second.findings.into_iter().filter(is_new).collect();
    findings.extend(new);
    Ok(CheckReport { findings, ..first })
}

fn inspect(
    store: &Store,
    repair: bool,
    watch: &mut impl FnMut(CheckProgress),
) -> Result<CheckReport, StoreError> {
    let directories = Directories::new(store.clone());
    let mut check = Check { store, directories, repair, checked: CheckReport::default() };
    watch(CheckProgress { step: CheckStep::File, done: 0, of: 1 });
    for problem in store.file_problems()? {
        check.report("file", problem);
    }
    for loss in store.losses()? {
        check.report("data", loss);
    }
    for problem in store.feed_problems()? {
        check.report("changes", problem);
    }
    for problem in store.journal_problems()? {
        check.report("notifications", problem);
    }
    let (notifications, calls) = store.counts()?;
    let mut position = Position::default();
    loop {
        watch(CheckProgress {
            step: CheckStep::Notifications,
            done: check.checked.notifications,
            of: notifications,
        });
        let entries = store.check_journal(position, MAX_ENTRIES_PAGE)?;
        let Some(last) = entries.last() else { break };
        position = last.position;
        for audited in &entries {
            check.checked.notifications += 1;
            let problem = match &audited.entry {
                Ok(entry) => unreadable(&entry.body),
                Err(error) => Some(problem_of(error)),
            };
            if let Some(problem) = problem {
                check.report(format!("notification {}", audited.position.0), problem);
            }
        }
    }
    let mut number = 0;
    loop {
        watch(CheckProgress { step: CheckStep::Calls, done: check.checked.calls, of: calls });
        let audited = store.check_calls(number, MAX_CALLS_PAGE)?;
        let Some(last) = audited.last() else { break };
        number = last.number;
        for call in &audited {
            check.checked.calls += 1;
            check.check_call(call)?;
        }
    }
    for unassigned in store.unassigned_notifications()? {
        check.check_unassigned(unassigned.tenant, &unassigned.entries)?;
    }
    for Damage { place, problem, .. } in store.check_rest()? {
        check.report(place, problem);
    }
    if repair {
        store.move_unreadable_changes()?;
    }
    Ok(check.checked)
}

struct Check<'a> {
    store: &'a Store,
    directories: Directories,
    repair: bool,
    checked: CheckReport,
}

impl Check<'_> {
    fn report(&mut self, place: impl Into<String>, problem: impl Into<String>) {
        let finding = Finding { place: place.into(), problem: problem.into(), repaired: false };
        self.checked.findings.push(finding);
    }

    fn check_call(&mut self, call: &CheckedCall) -> Result<(), StoreError> {
        let mut problems = call.problems.clone();
        let fresh = match &call.stored {
            // A record made of the readable ones would contain less than the stored one.
            Ok(_) if call.unreadable > 0 => {
                problems.push(format!(
                    "{} of its notifications cannot be read: its record stays as it is",
                    call.unreadable
                ));
                None
            }
            Ok(stored) => {
                let (fresh, problem) = self.compare(stored)?;
                problems.extend(problem);
                fresh
            }
            Err(error) => {
                problems.push(problem_of(error));
                None
            }
        };
        if problems.is_empty() {
            return Ok(());
        }
        let first = self.checked.findings.len();
        for problem in problems {
            self.report(format!("call {}", call.id), problem);
        }
        if !self.repair || (call.stored.is_ok() && call.unreadable > 0) {
            return Ok(());
        }
        let (fresh, position, completed) = match (&call.stored, fresh) {
            (Ok(stored), Some(fresh)) => (fresh, stored.position, stored.completed),
            // The record is lost and is made from all notifications that were assembled.
            _ => match self.reassemble(call)? {
                Some((fresh, position)) => (fresh, position, true),
                None => return Ok(()),
            },
        };
        self.store.remove_index_entries(call)?;
        self.publish(call.tenant, fresh, call.version, position, completed)?;
        self.checked.findings[first..].iter_mut().for_each(|finding| finding.repaired = true);
        Ok(())
    }

    /// Compares a call with a fresh assembly of its notifications and the directory that its record names, except for what
    /// these do not determine: its version and the time of that, whether it was closed by a timeout, and its related calls.
    /// Returns the fresh record and what is wrong.
    fn compare(&mut self, stored: &StoredCall) -> Result<(Option<Call>, Option<String>), StoreError> {
        let Some(published) = &stored.record else {
            return Ok((None, Some("it has no record".to_owned())));
        };
        let directory = self.directories.of_record(stored.tenant, published)?;
        let Some(mut fresh) = collect(&stored.entries, directory).finish().reassemble_as(published) else {
            return Ok((None, Some("its notifications do not make a call of its id".to_owned())));
        };
        fresh.related.clone_from(&published.related);
        let problem = first_difference(published, &fresh)
            .map(|member| format!("`{member}` is not what its notifications make of it"));
        Ok((Some(fresh), problem))
    }

    /// Assembles a call whose record cannot be read, from the notifications that were assembled. Returns the position of the
    /// last one too.
    fn reassemble(&mut self, call: &CheckedCall) -> Result<Option<(Call, Position)>, StoreError> {
        let mut entries = match self.store.of(call.tenant).notifications(&call.id) {
            Ok(Some(entries)) => entries,
            Ok(None) | Err(StoreError::Damaged(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let checkpoint = self.store.checkpoint()?;
        // Without those that cannot be read.
        entries.retain(|entry| entry.position <= checkpoint);
        let fresh = self.collect_now(call.tenant, &entries)?.finish().get(&call.id);
        Ok(fresh.zip(entries.last().map(|entry| entry.position)))
    }

    /// Reports calls that notifications make which no call is assigned to.
    fn check_unassigned(&mut self, tenant: TenantId, entries: &[Entry]) -> Result<(), StoreError> {
        let position = entries.last().map_or(Position::default(), |entry| entry.position);
        let calls = self.collect_now(tenant, entries)?.finish();
        for fresh in calls.records() {
            self.report(format!("call {}", fresh.id), "its notifications are stored, but it is not");
            if self.repair {
                self.publish(tenant, fresh, 0, position, true)?;
                self.checked.findings.last_mut().into_iter().for_each(|finding| finding.repaired = true);
            }
        }
        Ok(())
    }

    /// Collects notifications with the newest directories.
    fn collect_now(&mut self, tenant: TenantId, entries: &[Entry]) -> Result<Collection, StoreError> {
        let mut collection = collect(entries, None);
        for (account, directory) in self.directories.newest(tenant)? {
            collection.set_directory(Some(&account), directory);
        }
        Ok(collection)
    }

    fn publish(
        &self,
        tenant: TenantId,
        mut call: Call,
        version: u64,
        position: Position,
        completed: bool,
    ) -> Result<(), StoreError> {
        let now = clock::now();
        (call.version, call.updated_at) = (version + 1, now);
        let kind = if completed { ChangeKind::Revised } else { ChangeKind::Updated };
        let what = ChangeContent::Version { kind, call: Box::new(call) };
        let made = NewChange { tenant, at_ms: now.as_millis(), position, what };
        self.store.commit(CommitBatch { checkpoint: Position::default(), changes: vec![made] })
    }
}

/// A problem in the words of its error, without the advice to run a check.
fn problem_of(error: &StoreError) -> String {
    match error {
        StoreError::Damaged(what) => what.clone(),
        other => other.to_string(),
    }
}

fn unreadable(body: &str) -> Option<String> {
    let message = Document::parse(body).and_then(|document| document.message().map(|message| message.kind()));
    message.err().map(|problem| problem.to_string())
}

/// The first member in which two records differ.
fn first_difference(published: &Call, fresh: &Call) -> Option<String> {
    let text = |call: &Call| {
        let mut text = Vec::new();
        call.write_json(&mut text);
        text
    };
    let (published, fresh) = (text(published), text(fresh));
    if published == fresh {
        return None;
    }
    let members = |text: &[u8]| {
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(text).unwrap_or_default()
    };
    let (published, fresh) = (members(&published), members(&fresh));
    let differs = fresh.iter().find(|(name, value)| published.get(*name) != Some(value));
    Some(differs.map_or_else(|| "record".to_owned(), |(name, _)| name.clone()))
}
