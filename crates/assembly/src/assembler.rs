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

pub use self::restore::{Left, RestoreBuilder};
use self::status::{NEVER, NEVER_ARRIVED, Status};
use crate::{
    change::{Change, Changes},
    consistency::{ConsistencyCheck, Contradiction},
    directory::Directory,
    evicted::EvictedSessions,
    fold::{Fold, IdleTimeout, RecordStatus},
    session_graph::{CallKey, GraphUpdate, SessionGraph},
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
    graph: SessionGraph<Status>,
    /// When to evaluate which call; entries that are out of date are skipped.
    deadlines: BinaryHeap<Reverse<(Time, CallKey)>>,
    evicted: EvictedSessions,
    lookups: Vec<Question>,
    consistency: ConsistencyCheck,
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
const MAX_EVENTS_AT_FULL_RATE: usize = 200;

impl Assembler {
    /// An assembler without any calls.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            graph: SessionGraph::new(),
            deadlines: BinaryHeap::new(),
            evicted: EvictedSessions::default(),
            lookups: Vec::new(),
            consistency: ConsistencyCheck::default(),
        }
    }

    /// Sets an account's directory; without an account, the one for all accounts without a directory of their own.
    /// This publishes nothing: live calls use it from their next version on, closed calls keep the one they were
    /// closed with.
    pub fn set_directory(&mut self, account: Option<&str>, directory: impl Into<Arc<Directory>>) {
        self.graph.set_directory(account, directory.into());
    }

    /// The waiting times.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes the waiting times, also for calls in memory: the next [`Assembler::tick`] evaluates all of them.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
        let calls: Vec<CallKey> = self.graph.calls.iter().map(|(key, _)| key).collect();
        for call in calls {
            let status = &mut self.graph.calls[call].status;
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
        let added = self.graph.add(notification);
        let GraphUpdate { call, is_new, absorbed, affected } = added;
        let mut merged: Vec<(CallKey, CallId)> = Vec::new();
        for (from, session) in absorbed {
            let into = self.graph.sessions[session].call;
            if let Some(id) = &from.published_id {
                merged.push((into, id.clone()));
            }
            self.graph.calls[into].status.absorb(from);
        }
        if !is_new {
            return changes;
        }
        let status = &self.graph.calls[call].status;
        if status.version == 0 && status.last_arrival < arrived {
            let late_for = self.evicted.find(notification.account_id(), notification.session_id()).cloned();
            let status = &mut self.graph.calls[call].status;
            status.late_for = status.late_for.take().or(late_for);
        }
        let status = &mut self.graph.calls[call].status;
        status.last_event = status.last_event.max(event_time(notification));
        self.mark_changed(call, arrived);
        self.publish_merges(call, &mut merged, &mut changes);
        for other in affected {
            self.mark_changed(other, arrived);
            self.publish_merges(other, &mut merged, &mut changes);
            self.evaluate(other, arrived, &mut changes);
        }
        self.evaluate(call, arrived, &mut changes);
        changes
    }

    /// Handles all deadlines up to `now`.
    pub fn tick(&mut self, now: Time) -> Changes {
        let mut changes = Changes::new();
        self.evaluate_related(now, &mut changes);
        while let Some(&Reverse((time, call))) = self.deadlines.peek() {
            if time > now {
                break;
            }
            self.deadlines.pop();
            let Some(group) = self.graph.calls.get_mut(call) else { continue };
            if group.status.scheduled != Some(time) {
                continue;
            }
            group.status.scheduled = None;
            if group.status.due <= now {
                self.evaluate(call, now, &mut changes);
            } else {
                self.schedule(call);
            }
        }
        changes
    }

    /// Takes the lookups requested since the last call of this method. Pass the answers to [`Assembler::receive`].
    pub fn take_questions(&mut self) -> Vec<Question> {
        std::mem::take(&mut self.lookups)
    }

    /// The next deadline, at which to call [`Assembler::tick`].
    pub fn next_due(&self) -> Option<Time> {
        self.deadlines.peek().map(|Reverse((time, _))| *time)
    }

    /// Ends the input: publishes every open call, as incomplete if a leg has not ended.
    pub fn finish(&mut self, now: Time) -> Changes {
        let mut changes = Changes::new();
        self.evaluate_related(now, &mut changes);
        let mut open: Vec<(Option<CallId>, Option<AccountId>, CallKey)> = Vec::new();
        for (key, group) in self.graph.calls.iter() {
            if group.status.state == State::Live || group.status.is_dirty {
                open.push((self.id_of(key), self.graph.account_id(key).cloned(), key));
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
        self.consistency.take_contradictions()
    }

    /// Number of calls in memory, live and closed.
    pub fn len(&self) -> usize {
        self.graph.calls.len()
    }

    /// Whether no call is in memory.
    pub fn is_empty(&self) -> bool {
        self.graph.calls.is_empty()
    }

    /// The fold of a call: of a live one with the account's current directory, of a closed one with the one it was
    /// closed with.
    fn fold(&self, call: CallKey) -> Option<Fold<'_>> {
        let status = &self.graph.calls[call].status;
        match status.state {
            State::Live => self.graph.fold(call),
            State::Complete | State::Incomplete => self.graph.fold_with(call, status.directory.as_deref()),
        }
    }

    fn id_of(&self, call: CallKey) -> Option<CallId> {
        self.graph.root(call).map(|root| self.graph.sessions[root].session.id.clone())
    }

    fn mark_changed(&mut self, call: CallKey, now: Time) {
        let status = &mut self.graph.calls[call].status;
        status.is_dirty = true;
        status.last_arrival = status.last_arrival.max(now);
        status.lookup_at = lookup_at(&self.settings, status).max(status.lookup_at);
    }

    /// Evaluates the calls that are related to changed ones: their records may have changed too.
    fn evaluate_related(&mut self, now: Time, changes: &mut Changes) {
        for call in self.graph.update_relations() {
            let Some(group) = self.graph.calls.get_mut(call) else { continue };
            let status = &mut group.status;
            if status.state == State::Live {
                status.is_dirty |= status.version > 0;
                self.evaluate(call, now, changes);
            } else if !status.is_dirty {
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
    fn publish_merges(&mut self, call: CallKey, merged: &mut Vec<(CallKey, CallId)>, changes: &mut Changes) {
        let Some(id) = self.id_of(call) else { return };
        let account = self.graph.account_id(call).cloned();
        let status = &mut self.graph.calls[call].status;
        let mut gone: Vec<CallId> = Vec::new();
        if let Some(published_id) = &mut status.published_id
            && *published_id != id
        {
            gone.push(std::mem::replace(published_id, id.clone()));
        }
        merged.retain(|(into, old)| {
            if *into == call && *old != id {
                gone.push(old.clone());
            }
            *into != call
        });
        gone.sort();
        gone.dedup();
        status.must_publish |= !gone.is_empty();
        changes.extend(gone.into_iter().map(|old| Change::Merged {
            account: account.clone(),
            id: old,
            into: id.clone(),
        }));
    }

    /// Evaluates a call: publishes what is due and sets the next deadline.
    fn evaluate(&mut self, call: CallKey, now: Time, changes: &mut Changes) {
        let status = &self.graph.calls[call].status;
        match status.state {
            _ if self.graph.root(call).is_none() => self.evaluate_unobserved(call, now),
            State::Live => self.evaluate_live(call, now, changes),
            State::Complete | State::Incomplete if status.is_dirty => {
                self.evaluate_reopened(call, now, changes)
            }
            State::Complete | State::Incomplete => self.evaluate_closed(call, now),
        }
        if self.graph.calls.contains(call) {
            self.schedule(call);
        }
    }

    /// Groups without an observed leg (named only by a link, or by a text reply) are never published. They are stored
    /// as long as a closed call, and as long as a link of another call leads to them.
    fn evaluate_unobserved(&mut self, call: CallKey, now: Time) {
        let status = &mut self.graph.calls[call].status;
        status.is_dirty = false;
        let evict_at = status.last_arrival + self.settings.keep_closed_ms;
        if now < evict_at {
            status.due = evict_at;
        } else if self.graph.is_link_target(call) {
            self.graph.calls[call].status.due = now + self.settings.keep_closed_ms;
        } else {
            self.graph.remove_call(call);
        }
    }

    fn evaluate_live(&mut self, call: CallKey, now: Time, changes: &mut Changes) {
        let idle_ms = now - self.graph.calls[call].status.last_arrival;
        let thresholds = self.idle_thresholds(call);
        if thresholds.iter().any(|threshold| *threshold <= idle_ms)
            && self.close_if_over(call, idle_ms, now, changes)
        {
            return;
        }
        self.request_lookups(call, now);
        let every_ms = self.version_every_ms(call);
        let status = &self.graph.calls[call].status;
        let is_time = status.version == 0 || status.must_publish || status.version_at + every_ms <= now;
        if status.is_dirty && is_time {
            self.publish_live(call, now, changes);
        }
        let next_threshold = thresholds.iter().filter(|threshold| **threshold > idle_ms).min();
        let status = &mut self.graph.calls[call].status;
        let silent_ms = status.idle_timeout_ms(&self.settings);
        status.due = status.last_arrival + next_threshold.copied().unwrap_or(idle_ms + silent_ms);
        if status.is_dirty {
            status.due = status.due.min(status.version_at + every_ms);
        }
        status.due = status.lookup_at.map_or(status.due, |lookup_at| status.due.min(lookup_at));
    }

    /// Requests lookups for a live call that seems to lack notifications, with increasing intervals.
    fn request_lookups(&mut self, call: CallKey, now: Time) {
        let is_time = |status: &Status| status.lookup_at.is_some_and(|lookup_at| lookup_at <= now);
        if !is_time(&self.graph.calls[call].status) {
            return;
        }
        let account = self.graph.account_id(call).cloned();
        let missing =
            self.graph.fold(call).map(|fold| fold.sessions_with_missing_events()).unwrap_or_default();
        let status = &mut self.graph.calls[call].status;
        status.lookup_at = None;
        if !missing.is_empty() {
            status.lookup_requests += 1;
            status.lookup_at =
                self.settings.ask_after_ms.map(|after_ms| now + after_ms * backoff(status.lookup_requests));
        }
        let lookups = missing.into_iter().map(|session| Question { account: account.clone(), session });
        self.lookups.extend(lookups);
    }

    /// The cost of a version grows with its call: the longer the call, the longer the interval, so that all versions
    /// together cost little more than the notifications.
    fn version_every_ms(&self, call: CallKey) -> i64 {
        let sessions = self.graph.calls[call].sessions.iter();
        let events: usize = sessions.map(|&key| self.graph.sessions[key].session.event_count()).sum();
        self.settings.version_every_ms.saturating_mul(1 + (events / MAX_EVENTS_AT_FULL_RATE) as i64)
    }

    /// The idle times after which a live call may have to be closed.
    fn idle_thresholds(&self, call: CallKey) -> SmallVec<[i64; 4]> {
        let Settings { settle_ms, gap_settle_ms, last_leg_silent_ms, .. } = self.settings;
        let silent_ms = self.graph.calls[call].status.idle_timeout_ms(&self.settings);
        match self.graph.may_have_ended(call) {
            true => smallvec![settle_ms, gap_settle_ms, last_leg_silent_ms, silent_ms],
            false => smallvec![last_leg_silent_ms, silent_ms],
        }
    }

    fn close_if_over(&mut self, call: CallKey, idle_ms: i64, now: Time, changes: &mut Changes) -> bool {
        let Some(fold) = self.fold(call) else { return false };
        let silent_ms = self.graph.calls[call].status.idle_timeout_ms(&self.settings);
        let (wait_ms, state, reason) = if !fold.is_live() {
            let wait_ms = if fold.has_gaps() { self.settings.gap_settle_ms } else { self.settings.settle_ms };
            (wait_ms, State::Complete, None)
        } else if idle_ms >= silent_ms {
            (silent_ms, State::Incomplete, Some(ClosedBecause::Silent))
        } else if idle_ms >= self.settings.last_leg_silent_ms && fold.idle_timeout() == IdleTimeout::Short {
            (self.settings.last_leg_silent_ms, State::Incomplete, Some(ClosedBecause::LastLegSilent))
        } else {
            return false;
        };
        if idle_ms < wait_ms {
            return false;
        }
        let record = self.record(call, &fold, state, reason, now);
        self.close(call, record, now, changes);
        true
    }

    /// A closed call has received something: after settling, its record is published again if it changed.
    fn evaluate_reopened(&mut self, call: CallKey, now: Time, changes: &mut Changes) {
        let status = &self.graph.calls[call].status;
        let settled = status.last_arrival + self.settings.settle_ms;
        if now < settled && !status.must_publish {
            self.graph.calls[call].status.due = settled;
            return;
        }
        let Some(fold) = self.fold(call) else { return };
        let live = fold.is_live();
        let state = if live { State::Live } else { State::Complete };
        let record = self.record(call, &fold, state, None, now);
        if live {
            let status = &mut self.graph.calls[call].status;
            (status.state, status.reason) = (State::Live, None);
            self.publish(call, record, now, changes);
            self.evaluate_live(call, now, changes);
        } else {
            self.close(call, record, now, changes);
        }
    }

    /// Evicts a closed call when its time has passed.
    fn evaluate_closed(&mut self, call: CallKey, now: Time) {
        let status = &self.graph.calls[call].status;
        let evict_at = status.last_arrival.max(status.version_at) + self.settings.keep_closed_ms;
        if now < evict_at {
            self.graph.calls[call].status.due = evict_at;
            return;
        }
        // A call stays in memory as long as its related calls. A session that only a link names is not a call.
        let is_open = |other: CallKey| {
            let status = self.graph.calls.get(other).map(|group| &group.status);
            status.is_some_and(|status| status.state == State::Live || status.is_dirty)
                && self.graph.root(other).is_some()
        };
        if self.graph.related_calls(call).into_iter().any(is_open) {
            self.graph.calls[call].status.due = now + self.settings.keep_closed_ms;
            return;
        }
        let account = self.graph.account_id(call).cloned();
        let Some(id) = self.id_of(call) else { return };
        for &key in &self.graph.calls[call].sessions {
            self.evicted.add(account.as_deref(), &self.graph.sessions[key].session.id, &id);
        }
        self.graph.remove_call(call);
    }

    fn publish_live(&mut self, call: CallKey, now: Time, changes: &mut Changes) {
        let status = &self.graph.calls[call].status;
        if self.settings.live || status.is_completed {
            let Some(fold) = self.fold(call) else { return };
            let record = self.record(call, &fold, State::Live, None, now);
            self.publish(call, record, now, changes);
        } else {
            // Counted, not published.
            let status = &mut self.graph.calls[call].status;
            status.version += 1;
            status.version_at = now;
            (status.is_dirty, status.must_publish) = (false, false);
        }
    }

    fn close(&mut self, call: CallKey, mut record: Call, now: Time, changes: &mut Changes) {
        let directory = self.graph.directory_of(call).cloned();
        let status = &mut self.graph.calls[call].status;
        if status.state == State::Live {
            status.directory = directory;
        }
        let digest = digest(&mut record);
        let unchanged = status.is_completed && status.state != State::Live && status.digest == digest;
        status.digest = digest;
        status.state = record.state;
        status.reason = record.completeness.reason;
        (status.is_dirty, status.must_publish) = (false, false);
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
        let status = &self.graph.calls[call].status;
        let version = status.version + 1;
        let late_for = status.late_for.clone();
        self.consistency.record(fold, RecordStatus { state, reason, late_for, version, updated_at: now })
    }

    fn publish(&mut self, call: CallKey, record: Call, now: Time, changes: &mut Changes) {
        let status = &mut self.graph.calls[call].status;
        let before = status.published_id.replace(record.id.clone()).map(|_| status.version);
        status.version = record.version;
        status.version_at = now;
        (status.is_dirty, status.must_publish) = (false, false);
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
        let status = &mut self.graph.calls[call].status;
        if status.due != NEVER && status.scheduled.is_none_or(|scheduled| status.due < scheduled) {
            status.scheduled = Some(status.due);
            self.deadlines.push(Reverse((status.due, call)));
        }
    }
}

fn event_time(notification: &Notification<'_, '_>) -> Time {
    Time::from_millis(notification.event_time().as_millis())
}

/// When to check whether to request lookups for a call that has just received something.
fn lookup_at(settings: &Settings, status: &Status) -> Option<Time> {
    Some(status.last_arrival + settings.ask_after_ms?)
}

/// Factor of the interval until the next lookup.
fn backoff(lookup_requests: u32) -> i64 {
    /// Maximum factor. With an initial interval of five seconds, three quarters of an hour.
    const MAX_FACTOR: i64 = 512;
    1_i64.checked_shl(2 * lookup_requests).map_or(MAX_FACTOR, |factor| factor.clamp(1, MAX_FACTOR))
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
