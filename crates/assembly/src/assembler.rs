//! Assembles calls while they happen: versions, completion, corrections.
//!
//! The caller passes the time with each input; the assembler never reads a clock. [`Assembler::next_due`] returns the
//! next deadline, at which the caller calls [`Assembler::tick`].

mod restore;
mod status;

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    hash::{DefaultHasher, Hasher},
    sync::Arc,
};

use smallvec::{SmallVec, smallvec};
use wholecall_notification::Notification;
use wholecall_record::{
    AccountId, Call, CallId, SessionId, Time, WriteJson,
    call::{ClosedBecause, State},
};

pub use self::restore::{Left, Restoring};
use self::status::{NEVER, NEVER_HEARD, Status};
use crate::{
    book::{Added, Book, CallKey},
    change::{Change, Changes},
    directory::Directory,
    fold::{Fold, Patience, Standing},
    forgotten::Forgotten,
    gate::{Contradiction, Gate},
    settings::Settings,
};

/// Assembles calls while they happen.
///
/// After each `receive` and each `tick`, publish the changes; then wait for the next notification or for `next_due`,
/// whichever comes first:
///
/// ```
/// # use wholecall_assembly::{Assembler, Settings};
/// # use wholecall_notification::Document;
/// # use wholecall_record::Time;
/// let mut assembler = Assembler::new(Settings::default());
/// let mut now = Time::from_millis(0);
/// # let inputs: [(Time, Document<'_>); 0] = [];
/// for (arrived, document) in &inputs {
///     while let Some(due) = assembler.next_due().filter(|due| due <= arrived) {
///         now = due;
///         for change in assembler.tick(now) { /* publish */ }
///     }
///     if let Ok(wholecall_notification::Message::Session(notification)) = document.message() {
///         for change in assembler.receive(*arrived, &notification) { /* publish */ }
///     }
/// }
/// for change in assembler.finish(now) { /* publish */ }
/// ```
#[derive(Debug)]
pub struct Assembler {
    settings: Settings,
    book: Book<Status>,
    /// When to evaluate which call; entries that are out of date are skipped.
    agenda: BinaryHeap<Reverse<(Time, CallKey)>>,
    forgotten: Forgotten,
    questions: Vec<Question>,
    gate: Gate,
}

/// A session that seems to lack a notification and should be looked up at RingCentral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The account.
    pub account: Option<AccountId>,
    /// The session.
    pub session: SessionId,
}

/// Maximum number of notifications of a live call that gets a version per [`Settings::version_every_ms`]; a longer
/// call gets fewer.
const EVENTS_PER_VERSION: usize = 200;

impl Assembler {
    /// An assembler without any calls.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            book: Book::new(),
            agenda: BinaryHeap::new(),
            forgotten: Forgotten::default(),
            questions: Vec::new(),
            gate: Gate::default(),
        }
    }

    /// Sets an account's directory; without an account, the one for all accounts without a directory of their own.
    /// This publishes nothing: live calls use it from their next version on, closed calls keep the one they were
    /// closed with.
    pub fn set_directory(&mut self, account: Option<&str>, directory: impl Into<Arc<Directory>>) {
        self.book.set_directory(account, directory.into());
    }

    /// The waiting times.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes the waiting times, also for calls in memory: the next [`Assembler::tick`] evaluates all of them.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
        let calls: Vec<CallKey> = self.book.calls.iter().map(|(key, _)| key).collect();
        for call in calls {
            let status = &mut self.book.calls[call].status;
            status.due = status.due.min(status.last_arrival);
            self.schedule(call);
        }
    }

    /// Changes the minimum interval between versions of live calls. Deadlines that are already set stay.
    pub fn set_version_every_ms(&mut self, every_ms: i64) {
        self.settings.version_every_ms = every_ms;
    }

    /// Applies a notification, or a lookup answer, that arrived.
    pub fn receive(&mut self, arrived: Time, notification: &Notification<'_, '_>) -> Changes {
        let mut changes = Changes::new();
        let added = self.book.add(notification);
        let Added { call, news, absorbed, touched } = added;
        let mut merged: Vec<(CallKey, CallId)> = Vec::new();
        for (from, session) in absorbed {
            let into = self.book.sessions[session].call;
            if let Some(id) = &from.told_as {
                merged.push((into, id.clone()));
            }
            self.book.calls[into].status.absorb(from);
        }
        if !news {
            return changes;
        }
        let status = &self.book.calls[call].status;
        if status.version == 0 && status.last_arrival < arrived {
            let late_for = self.forgotten.find(notification.account_id(), notification.session_id()).cloned();
            let status = &mut self.book.calls[call].status;
            status.late_for = status.late_for.take().or(late_for);
        }
        let status = &mut self.book.calls[call].status;
        status.last_event = status.last_event.max(event_time(notification));
        self.hear(call, arrived);
        self.follow_ids(call, &mut merged, &mut changes);
        for other in touched {
            self.hear(other, arrived);
            self.follow_ids(other, &mut merged, &mut changes);
            self.attend(other, arrived, &mut changes);
        }
        self.attend(call, arrived, &mut changes);
        changes
    }

    /// Handles all deadlines up to `now`.
    pub fn tick(&mut self, now: Time) -> Changes {
        let mut changes = Changes::new();
        self.attend_related(now, &mut changes);
        while let Some(&Reverse((time, call))) = self.agenda.peek() {
            if time > now {
                break;
            }
            self.agenda.pop();
            let Some(group) = self.book.calls.get_mut(call) else { continue };
            if group.status.scheduled != Some(time) {
                continue;
            }
            group.status.scheduled = None;
            if group.status.due <= now {
                self.attend(call, now, &mut changes);
            } else {
                self.schedule(call);
            }
        }
        changes
    }

    /// Takes the lookups requested since the last call of this method. Pass the answers to [`Assembler::receive`].
    pub fn take_questions(&mut self) -> Vec<Question> {
        std::mem::take(&mut self.questions)
    }

    /// The next deadline, at which to call [`Assembler::tick`].
    pub fn next_due(&self) -> Option<Time> {
        self.agenda.peek().map(|Reverse((time, _))| *time)
    }

    /// Ends the input: publishes every open call, as incomplete if a leg has not ended.
    pub fn finish(&mut self, now: Time) -> Changes {
        let mut changes = Changes::new();
        self.attend_related(now, &mut changes);
        let mut open: Vec<(Option<CallId>, Option<AccountId>, CallKey)> = Vec::new();
        for (key, group) in &self.book.calls {
            if group.status.state == State::Live || group.status.has_news {
                open.push((self.id_of(key), self.book.account_id(key).cloned(), key));
            }
        }
        open.sort();
        for (.., call) in open {
            let Some(fold) = self.fold(call) else { continue };
            let live = fold.is_live();
            let (state, reason) = match live {
                true => (State::Incomplete, Some(ClosedBecause::EndOfInput)),
                false => (State::Complete, None),
            };
            let record = self.record(call, &fold, state, reason, now);
            self.close(call, record, now, &mut changes);
        }
        changes
    }

    /// Takes the contradictions that were removed from published records since the last call of this method.
    pub fn take_contradictions(&mut self) -> Vec<Contradiction> {
        self.gate.take_contradictions()
    }

    /// Number of calls in memory, live and closed.
    pub fn len(&self) -> usize {
        self.book.calls.len()
    }

    /// Whether no call is in memory.
    pub fn is_empty(&self) -> bool {
        self.book.calls.is_empty()
    }

    /// The fold of a call: of a live one with the account's current directory, of a closed one with the one it was
    /// closed with.
    fn fold(&self, call: CallKey) -> Option<Fold<'_>> {
        let status = &self.book.calls[call].status;
        match status.state {
            State::Live => self.book.fold(call),
            State::Complete | State::Incomplete => self.book.fold_with(call, status.directory.as_deref()),
        }
    }

    fn id_of(&self, call: CallKey) -> Option<CallId> {
        self.book.root(call).map(|root| self.book.sessions[root].session.id.clone())
    }

    fn hear(&mut self, call: CallKey, now: Time) {
        let status = &mut self.book.calls[call].status;
        status.has_news = true;
        status.last_arrival = status.last_arrival.max(now);
        status.ask_at = ask_at(&self.settings, status).max(status.ask_at);
    }

    /// Evaluates the calls that are related to changed ones: their records may have changed too.
    fn attend_related(&mut self, now: Time, changes: &mut Changes) {
        for call in self.book.refresh_relations() {
            let Some(group) = self.book.calls.get_mut(call) else { continue };
            let status = &mut group.status;
            if status.state == State::Live {
                status.has_news |= status.version > 0;
                self.attend(call, now, changes);
            } else if !status.has_news {
                // It stays closed with the same state and reason.
                let (state, reason) = (status.state, status.reason);
                let Some(fold) = self.fold(call) else { continue };
                let record = self.record(call, &fold, state, reason, now);
                self.close(call, record, now, changes);
                self.schedule(call);
            }
        }
    }

    /// Publishes the ids that are no longer a call's own.
    fn follow_ids(&mut self, call: CallKey, merged: &mut Vec<(CallKey, CallId)>, changes: &mut Changes) {
        let Some(id) = self.id_of(call) else { return };
        let account = self.book.account_id(call).cloned();
        let status = &mut self.book.calls[call].status;
        let mut gone: Vec<CallId> = Vec::new();
        if let Some(told_as) = &mut status.told_as
            && *told_as != id
        {
            gone.push(std::mem::replace(told_as, id.clone()));
        }
        merged.retain(|(into, old)| {
            if *into == call && *old != id {
                gone.push(old.clone());
            }
            *into != call
        });
        gone.sort();
        gone.dedup();
        status.owes_version |= !gone.is_empty();
        changes.extend(gone.into_iter().map(|old| Change::Merged {
            account: account.clone(),
            id: old,
            into: id.clone(),
        }));
    }

    /// Evaluates a call: publishes what is due and sets the next deadline.
    fn attend(&mut self, call: CallKey, now: Time, changes: &mut Changes) {
        let status = &self.book.calls[call].status;
        match status.state {
            _ if self.book.root(call).is_none() => self.attend_unseen(call, now),
            State::Live => self.attend_live(call, now, changes),
            State::Complete | State::Incomplete if status.has_news => {
                self.attend_reopened(call, now, changes)
            }
            State::Complete | State::Incomplete => self.attend_closed(call, now),
        }
        if self.book.calls.contains(call) {
            self.schedule(call);
        }
    }

    /// Groups without an observed leg (named only by a link, or by a text reply) are never published. They are stored
    /// as long as a closed call, and as long as a link of another call leads to them.
    fn attend_unseen(&mut self, call: CallKey, now: Time) {
        let status = &mut self.book.calls[call].status;
        status.has_news = false;
        let keep_until = status.last_arrival + self.settings.keep_closed_ms;
        if now < keep_until {
            status.due = keep_until;
        } else if self.book.is_named(call) {
            self.book.calls[call].status.due = now + self.settings.keep_closed_ms;
        } else {
            self.book.forget(call);
        }
    }

    fn attend_live(&mut self, call: CallKey, now: Time, changes: &mut Changes) {
        let quiet_ms = now - self.book.calls[call].status.last_arrival;
        let looks = self.looks(call);
        if looks.iter().any(|look| *look <= quiet_ms) && self.close_if_over(call, quiet_ms, now, changes) {
            return;
        }
        self.ask(call, now);
        let every_ms = self.version_every_ms(call);
        let status = &self.book.calls[call].status;
        let is_time = status.version == 0 || status.owes_version || status.version_at + every_ms <= now;
        if status.has_news && is_time {
            self.publish_live(call, now, changes);
        }
        let next_look = looks.iter().filter(|look| **look > quiet_ms).min();
        let status = &mut self.book.calls[call].status;
        let silent_ms = status.silent_after_ms(&self.settings);
        status.due = status.last_arrival + next_look.copied().unwrap_or(quiet_ms + silent_ms);
        if status.has_news {
            status.due = status.due.min(status.version_at + every_ms);
        }
        status.due = status.ask_at.map_or(status.due, |ask_at| status.due.min(ask_at));
    }

    /// Requests lookups for a live call that seems to lack notifications, with increasing intervals.
    fn ask(&mut self, call: CallKey, now: Time) {
        let is_time = |status: &Status| status.ask_at.is_some_and(|ask_at| ask_at <= now);
        if !is_time(&self.book.calls[call].status) {
            return;
        }
        let account = self.book.account_id(call).cloned();
        let lost = self.book.fold(call).map(|fold| fold.seem_lost()).unwrap_or_default();
        let status = &mut self.book.calls[call].status;
        status.ask_at = None;
        if !lost.is_empty() {
            status.asked += 1;
            status.ask_at = self.settings.ask_after_ms.map(|after_ms| now + after_ms * backoff(status.asked));
        }
        let questions = lost.into_iter().map(|session| Question { account: account.clone(), session });
        self.questions.extend(questions);
    }

    /// The cost of a version grows with its call: the longer the call, the longer the interval, so that all versions
    /// together cost little more than the notifications.
    fn version_every_ms(&self, call: CallKey) -> i64 {
        let sessions = self.book.calls[call].sessions.iter();
        let events: usize = sessions.map(|&key| self.book.sessions[key].session.event_count()).sum();
        self.settings.version_every_ms.saturating_mul(1 + (events / EVENTS_PER_VERSION) as i64)
    }

    /// The idle times after which a live call may have to be closed.
    fn looks(&self, call: CallKey) -> SmallVec<[i64; 4]> {
        let Settings { settle_ms, gap_settle_ms, last_leg_silent_ms, .. } = self.settings;
        let silent_ms = self.book.calls[call].status.silent_after_ms(&self.settings);
        match self.book.may_have_ended(call) {
            true => smallvec![settle_ms, gap_settle_ms, last_leg_silent_ms, silent_ms],
            false => smallvec![last_leg_silent_ms, silent_ms],
        }
    }

    fn close_if_over(&mut self, call: CallKey, quiet_ms: i64, now: Time, changes: &mut Changes) -> bool {
        let Some(fold) = self.fold(call) else { return false };
        let silent_ms = self.book.calls[call].status.silent_after_ms(&self.settings);
        let (wait_ms, state, reason) = if !fold.is_live() {
            let wait_ms = if fold.has_gaps() { self.settings.gap_settle_ms } else { self.settings.settle_ms };
            (wait_ms, State::Complete, None)
        } else if quiet_ms >= silent_ms {
            (silent_ms, State::Incomplete, Some(ClosedBecause::Silent))
        } else if quiet_ms >= self.settings.last_leg_silent_ms && fold.patience() == Patience::Short {
            (self.settings.last_leg_silent_ms, State::Incomplete, Some(ClosedBecause::LastLegSilent))
        } else {
            return false;
        };
        if quiet_ms < wait_ms {
            return false;
        }
        let record = self.record(call, &fold, state, reason, now);
        self.close(call, record, now, changes);
        true
    }

    /// A closed call has received something: after settling, its record is published again if it changed.
    fn attend_reopened(&mut self, call: CallKey, now: Time, changes: &mut Changes) {
        let status = &self.book.calls[call].status;
        let settled = status.last_arrival + self.settings.settle_ms;
        if now < settled && !status.owes_version {
            self.book.calls[call].status.due = settled;
            return;
        }
        let Some(fold) = self.fold(call) else { return };
        let live = fold.is_live();
        let state = if live { State::Live } else { State::Complete };
        let record = self.record(call, &fold, state, None, now);
        if live {
            let status = &mut self.book.calls[call].status;
            (status.state, status.reason) = (State::Live, None);
            self.publish(call, record, now, changes);
            self.attend_live(call, now, changes);
        } else {
            self.close(call, record, now, changes);
        }
    }

    /// Evicts a closed call when its time has passed.
    fn attend_closed(&mut self, call: CallKey, now: Time) {
        let status = &self.book.calls[call].status;
        let keep_until = status.last_arrival.max(status.version_at) + self.settings.keep_closed_ms;
        if now < keep_until {
            self.book.calls[call].status.due = keep_until;
            return;
        }
        // A call stays in memory as long as its related calls. A session that only a link names is not a call.
        let is_open = |other: CallKey| {
            let status = self.book.calls.get(other).map(|group| &group.status);
            status.is_some_and(|status| status.state == State::Live || status.has_news)
                && self.book.root(other).is_some()
        };
        if self.book.company(call).into_iter().any(is_open) {
            self.book.calls[call].status.due = now + self.settings.keep_closed_ms;
            return;
        }
        let account = self.book.account_id(call).cloned();
        let Some(id) = self.id_of(call) else { return };
        for &key in &self.book.calls[call].sessions {
            self.forgotten.add(account.as_deref(), &self.book.sessions[key].session.id, &id);
        }
        self.book.forget(call);
    }

    fn publish_live(&mut self, call: CallKey, now: Time, changes: &mut Changes) {
        let status = &self.book.calls[call].status;
        if self.settings.live || status.is_completed {
            let Some(fold) = self.fold(call) else { return };
            let record = self.record(call, &fold, State::Live, None, now);
            self.publish(call, record, now, changes);
        } else {
            // Counted, not published.
            let status = &mut self.book.calls[call].status;
            status.version += 1;
            status.version_at = now;
            (status.has_news, status.owes_version) = (false, false);
        }
    }

    fn close(&mut self, call: CallKey, mut record: Call, now: Time, changes: &mut Changes) {
        let directory = self.book.directory_of(call).cloned();
        let status = &mut self.book.calls[call].status;
        if status.state == State::Live {
            status.directory = directory;
        }
        let digest = digest(&mut record);
        let unchanged = status.is_completed && status.state != State::Live && status.digest == digest;
        status.digest = digest;
        status.state = record.state;
        status.reason = record.completeness.reason;
        (status.has_news, status.owes_version) = (false, false);
        status.due = status.last_arrival.max(now) + self.settings.keep_closed_ms;
        if !unchanged {
            self.publish(call, record, now, changes);
        }
    }

    fn record(
        &self,
        call: CallKey,
        fold: &Fold<'_>,
        state: State,
        reason: Option<ClosedBecause>,
        now: Time,
    ) -> Call {
        let status = &self.book.calls[call].status;
        let version = status.version + 1;
        let late_for = status.late_for.clone();
        self.gate.record(fold, Standing { state, reason, late_for, version, updated_at: now })
    }

    fn publish(&mut self, call: CallKey, record: Call, now: Time, changes: &mut Changes) {
        let status = &mut self.book.calls[call].status;
        let before = status.told_as.replace(record.id.clone()).map(|_| status.version);
        status.version = record.version;
        status.version_at = now;
        (status.has_news, status.owes_version) = (false, false);
        let is_over = record.state != State::Live;
        let call = Box::new(record);
        changes.push(match before {
            Some(from_version) if status.is_completed => Change::Revised { from_version, call },
            _ if is_over => Change::Completed(call),
            Some(_) => Change::Updated(call),
            None => Change::Started(call),
        });
        status.is_completed |= is_over;
    }

    fn schedule(&mut self, call: CallKey) {
        let status = &mut self.book.calls[call].status;
        if status.due != NEVER && status.scheduled.is_none_or(|scheduled| status.due < scheduled) {
            status.scheduled = Some(status.due);
            self.agenda.push(Reverse((status.due, call)));
        }
    }
}

fn event_time(notification: &Notification<'_, '_>) -> Time {
    Time::from_millis(notification.event_time().as_millis())
}

/// When to check whether to request lookups for a call that has just received something.
fn ask_at(settings: &Settings, status: &Status) -> Option<Time> {
    Some(status.last_arrival + settings.ask_after_ms?)
}

/// Factor of the interval until the next lookup.
fn backoff(asked: u32) -> i64 {
    /// Maximum factor. With an initial interval of five seconds, three quarters of an hour.
    const LONGEST: i64 = 512;
    1_i64.checked_shl(2 * asked).map_or(LONGEST, |factor| factor.clamp(1, LONGEST))
}

/// Equal for records that differ only in their version.
fn digest(record: &mut Call) -> u64 {
    let version = std::mem::take(&mut record.version);
    let updated_at = std::mem::replace(&mut record.updated_at, Time::from_millis(0));
    let mut text = Vec::new();
    record.write_json(&mut text);
    (record.version, record.updated_at) = (version, updated_at);
    let mut hasher = DefaultHasher::new();
    hasher.write(&text);
    hasher.finish()
}
