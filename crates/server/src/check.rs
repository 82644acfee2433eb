//! Whether what is stored is true: every call must be what a fresh assembly makes of its notifications.

use wholecall_assembly::Collection;
use wholecall_notification::Document;
use wholecall_record::{Call, WriteJson};
use wholecall_store::{
    Assembled, AuditedCall, ChangeKind, Damage, Entry, Made, Position, Store, StoreError, StoredCall,
    TenantId, VersionKind,
};

use crate::{clock, directories::Directories, reassemble::collect};

/// So much is read at once.
const ENTRIES_AT_ONCE: usize = 2_000;
const CALLS_AT_ONCE: usize = 100;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where: a part of the file, a notification, a call.
    pub place: String,
    /// What.
    pub problem: String,
    /// Whether it was put right.
    pub repaired: bool,
}

/// What is being looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The file, as SQLite sees it.
    File,
    /// The notifications.
    Notifications,
    /// The calls.
    Calls,
}

/// How far it has come, for whoever watches.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// At what.
    pub step: Step,
    /// How many were looked at.
    pub done: u64,
    /// Of how many.
    pub of: u64,
}

/// What was looked at, and what is wrong.
#[derive(Debug, Default)]
pub struct Checked {
    /// How many notifications were read.
    pub notifications: u64,
    /// How many calls were assembled anew.
    pub calls: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Checks a store, also beside a running server. With `repair`, calls that are not what their notifications make are told
/// anew, as further versions; that needs a store that no server runs on. What is then said to be repaired was looked at
/// once more.
pub fn check(store: &Store, repair: bool, mut watch: impl FnMut(Progress)) -> Result<Checked, StoreError> {
    if !repair {
        return look(store, false, &mut watch);
    }
    store.claim()?;
    let first = look(store, true, &mut watch)?;
    if first.findings.is_empty() {
        return Ok(first);
    }
    let again = look(store, false, &mut watch)?;
    let is_left = |finding: &Finding| {
        again.findings.iter().any(|left| (&left.place, &left.problem) == (&finding.place, &finding.problem))
    };
    let mut findings = first.findings;
    findings.iter_mut().for_each(|finding| finding.repaired = !is_left(finding));
    let news = again.findings.into_iter().filter(|left| {
        !findings.iter().any(|finding| (&left.place, &left.problem) == (&finding.place, &finding.problem))
    });
    let news: Vec<Finding> = news.collect();
    findings.extend(news);
    Ok(Checked { findings, ..first })
}

fn look(store: &Store, repair: bool, watch: &mut impl FnMut(Progress)) -> Result<Checked, StoreError> {
    let directories = Directories::new(store.clone());
    let mut check = Check { store, directories, repair, checked: Checked::default() };
    watch(Progress { step: Step::File, done: 0, of: 1 });
    for problem in store.file_problems()? {
        check.find("file", problem);
    }
    for loss in store.losses()? {
        check.find("data", loss);
    }
    for problem in store.feed_problems()? {
        check.find("changes", problem);
    }
    for problem in store.journal_problems()? {
        check.find("notifications", problem);
    }
    let (notifications, calls) = store.counts()?;
    let mut position = Position::default();
    loop {
        watch(Progress { step: Step::Notifications, done: check.checked.notifications, of: notifications });
        let entries = store.audit_journal(position, ENTRIES_AT_ONCE)?;
        let Some(last) = entries.last() else { break };
        position = last.position;
        for audited in &entries {
            check.checked.notifications += 1;
            let problem = match &audited.entry {
                Ok(entry) => unreadable(&entry.body),
                Err(error) => Some(problem_of(error)),
            };
            if let Some(problem) = problem {
                check.find(format!("notification {}", audited.position.0), problem);
            }
        }
    }
    let mut number = 0;
    loop {
        watch(Progress { step: Step::Calls, done: check.checked.calls, of: calls });
        let audited = store.audit_calls(number, CALLS_AT_ONCE)?;
        let Some(last) = audited.last() else { break };
        number = last.number;
        for call in &audited {
            check.checked.calls += 1;
            check.call(call)?;
        }
    }
    for stray in store.strays()? {
        check.strays(stray.tenant, &stray.entries)?;
    }
    for Damage { place, problem, .. } in store.audit_rest()? {
        check.find(place, problem);
    }
    if repair {
        store.set_aside_unreadable_changes()?;
    }
    Ok(check.checked)
}

struct Check<'a> {
    store: &'a Store,
    directories: Directories,
    repair: bool,
    checked: Checked,
}

impl Check<'_> {
    fn find(&mut self, place: impl Into<String>, problem: impl Into<String>) {
        let finding = Finding { place: place.into(), problem: problem.into(), repaired: false };
        self.checked.findings.push(finding);
    }

    fn call(&mut self, call: &AuditedCall) -> Result<(), StoreError> {
        let mut problems = call.problems.clone();
        let fresh = match &call.stored {
            // What the others make would say less than its record does.
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
            self.find(format!("call {}", call.id), problem);
        }
        if !self.repair || (call.stored.is_ok() && call.unreadable > 0) {
            return Ok(());
        }
        let (fresh, position, completed) = match (&call.stored, fresh) {
            (Ok(stored), Some(fresh)) => (fresh, stored.position, stored.completed),
            // Its record is lost: all notifications that were assembled count.
            _ => match self.assemble_anew(call)? {
                Some((fresh, position)) => (fresh, position, true),
                None => return Ok(()),
            },
        };
        self.store.forget_terms(call)?;
        self.publish(call.tenant, fresh, call.version, position, completed)?;
        self.checked.findings[first..].iter_mut().for_each(|finding| finding.repaired = true);
        Ok(())
    }

    /// Compares a call with a fresh assembly of its notifications and the directory that its record names, but for what
    /// these cannot tell: its version and when that was made, whether a clock has closed it, what other calls it looks
    /// related to. Answers the fresh one, and what is wrong.
    fn compare(&mut self, stored: &StoredCall) -> Result<(Option<Call>, Option<String>), StoreError> {
        let Some(told) = &stored.record else { return Ok((None, Some("it has no record".to_owned()))) };
        let directory = self.directories.of_record(stored.tenant, told)?;
        let Some(mut fresh) = collect(&stored.entries, directory).finish().retold(told) else {
            return Ok((None, Some("its notifications do not make a call of its id".to_owned())));
        };
        fresh.related.clone_from(&told.related);
        let problem = first_difference(told, &fresh)
            .map(|member| format!("`{member}` is not what its notifications make of it"));
        Ok((Some(fresh), problem))
    }

    /// A call whose record cannot be read, from what was assembled of it.
    fn assemble_anew(&mut self, call: &AuditedCall) -> Result<Option<(Call, Position)>, StoreError> {
        let mut entries = match self.store.of(call.tenant).notifications(&call.id) {
            Ok(Some(entries)) => entries,
            Ok(None) | Err(StoreError::Damaged(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let checkpoint = self.store.checkpoint()?;
        // What cannot be read was passed over; the rest is what is known of the call.
        entries.retain(|entry| entry.position <= checkpoint);
        let fresh = self.collect_anew(call.tenant, &entries)?.finish().get(&call.id);
        Ok(fresh.zip(entries.last().map(|entry| entry.position)))
    }

    /// What no call claims must make no call.
    fn strays(&mut self, tenant: TenantId, entries: &[Entry]) -> Result<(), StoreError> {
        let position = entries.last().map_or(Position::default(), |entry| entry.position);
        let calls = self.collect_anew(tenant, entries)?.finish();
        for fresh in calls.records() {
            self.find(format!("call {}", fresh.id), "its notifications are there, but it is not");
            if self.repair {
                self.publish(tenant, fresh, 0, position, true)?;
                self.checked.findings.last_mut().into_iter().for_each(|finding| finding.repaired = true);
            }
        }
        Ok(())
    }

    /// What notifications make today, with the directories of today.
    fn collect_anew(&mut self, tenant: TenantId, entries: &[Entry]) -> Result<Collection, StoreError> {
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
        let what = VersionKind::Version { kind, call: Box::new(call) };
        let made = Made { tenant, at_ms: now.as_millis(), position, what };
        self.store.commit(Assembled { checkpoint: Position::default(), made: vec![made] })
    }
}

/// What is damaged, without the advice to check.
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
fn first_difference(told: &Call, fresh: &Call) -> Option<String> {
    let text = |call: &Call| {
        let mut text = Vec::new();
        call.write_json(&mut text);
        text
    };
    let (told, fresh) = (text(told), text(fresh));
    if told == fresh {
        return None;
    }
    let members = |text: &[u8]| {
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(text).unwrap_or_default()
    };
    let (told, fresh) = (members(&told), members(&fresh));
    let differs = fresh.iter().find(|(name, value)| told.get(*name) != Some(value));
    Some(differs.map_or_else(|| "record".to_owned(), |(name, _)| name.clone()))
}
