//! The assembler: applies what arrives, and evaluates each call when one of its deadlines passes.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use wholecall_notification::Notification;
use wholecall_record::{
    AccountId, Call, CallId, SessionId, Time,
    call::{CloseReason, State},
};

use super::{
    deadline::Deadline,
    status::{NEVER, Status, digest, event_time},
};
use crate::{
    change::{Change, Changes},
    consistency::{ConsistencyCheck, Contradiction},
    directory::Directory,
    evicted::EvictedSessions,
    fold::{Fold, IdleTimeout, RecordStatus},
    session_graph::{GraphUpdate, SessionGraph},
    session_node::CallKey,
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
    pub(super) settings: Settings,
    pub(super) graph: SessionGraph<Status>,
    /// When to evaluate which call; entries that are out of date are skipped.
    deadlines: BinaryHeap<Reverse<(Time, CallKey)>>,
    evicted: EvictedSessions,
    lookups: Vec<Lookup>,
    consistency: ConsistencyCheck,
}

/// A session that seems to lack a notification and should be looked up at RingCentral.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lookup {
    /// The account.
    pub account: Option<AccountId>,
    /// The session.
    pub session: SessionId,
}

/// Maximum number of notifications of a live call that gets a version per [`Settings::min_version_interval_ms`]; a longer
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
    pub fn set_min_version_interval_ms(&mut self, every_ms: i64) {
        self.settings.min_version_interval_ms = every_ms;
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
    pub fn poll_lookups(&mut self) -> Vec<Lookup> {
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
                true => (State::Incomplete, Some(CloseReason::EndOfInput)),
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
        status.lookup_at = status.first_lookup_at(&self.settings).max(status.lookup_at);
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
        if let Some(removal) = self.next_of(call, &[Deadline::Removal], now) {
            self.graph.calls[call].status.due = removal;
        } else if self.graph.is_link_target(call) {
            self.graph.calls[call].status.due = now + self.settings.closed_call_ttl_ms;
        } else {
            self.graph.remove_call(call);
        }
    }

    fn evaluate_live(&mut self, call: CallKey, now: Time, changes: &mut Changes) {
        let idle_deadlines = self.idle_deadlines(call);
        let is_any_passed = idle_deadlines.iter().any(|deadline| self.has_passed(call, *deadline, now));
        if is_any_passed && self.close_if_over(call, now, changes) {
            return;
        }
        if self.has_passed(call, Deadline::Lookup, now) {
            self.request_lookups(call, now);
        }
        let status = &self.graph.calls[call].status;
        let is_first = status.version == 0;
        let is_time = is_first || status.must_publish || self.has_passed(call, Deadline::Version, now);
        if status.is_dirty && is_time {
            self.publish_live(call, now, changes);
        }
        let idle = self.next_of(call, idle_deadlines, now);
        let other = self.next_of(call, &[Deadline::Version, Deadline::Lookup], now);
        let status = &mut self.graph.calls[call].status;
        let idle = idle.unwrap_or_else(|| now + status.idle_timeout_ms(&self.settings));
        status.due = other.map_or(idle, |other| other.min(idle));
    }

    /// When a deadline of a call passes. `None` if the call does not have it.
    fn deadline(&self, call: CallKey, deadline: Deadline) -> Option<Time> {
        let status = &self.graph.calls[call].status;
        let Settings { settle_ms, gap_settle_ms, last_leg_idle_timeout_ms, closed_call_ttl_ms, .. } =
            self.settings;
        let after_arrival = |ms| Some(status.last_arrival + ms);
        match deadline {
            Deadline::Settle | Deadline::Revision => after_arrival(settle_ms),
            Deadline::GapSettle => after_arrival(gap_settle_ms),
            Deadline::LastLegIdle => after_arrival(last_leg_idle_timeout_ms),
            Deadline::Idle => after_arrival(status.idle_timeout_ms(&self.settings)),
            Deadline::Version => {
                status.is_dirty.then(|| status.version_at + self.min_version_interval_ms(call))
            }
            Deadline::Lookup => status.lookup_at,
            Deadline::Eviction => Some(status.last_arrival.max(status.version_at) + closed_call_ttl_ms),
            Deadline::Removal => after_arrival(closed_call_ttl_ms),
        }
    }

    fn has_passed(&self, call: CallKey, deadline: Deadline, now: Time) -> bool {
        self.deadline(call, deadline).is_some_and(|time| time <= now)
    }

    /// The first of several deadlines of a call that have not passed.
    fn next_of(&self, call: CallKey, deadlines: &[Deadline], now: Time) -> Option<Time> {
        let times = deadlines.iter().filter_map(|deadline| self.deadline(call, *deadline));
        times.filter(|time| *time > now).min()
    }

    /// The deadlines by which a live call may have to be closed.
    fn idle_deadlines(&self, call: CallKey) -> &'static [Deadline] {
        match self.graph.may_have_ended(call) {
            true => &[Deadline::Settle, Deadline::GapSettle, Deadline::LastLegIdle, Deadline::Idle],
            false => &[Deadline::LastLegIdle, Deadline::Idle],
        }
    }

    /// Requests lookups for a live call that seems to lack notifications, with increasing intervals.
    fn request_lookups(&mut self, call: CallKey, now: Time) {
        let account = self.graph.account_id(call).cloned();
        let missing =
            self.graph.fold(call).map(|fold| fold.sessions_with_missing_events()).unwrap_or_default();
        let status = &mut self.graph.calls[call].status;
        status.lookup_at = None;
        if !missing.is_empty() {
            status.lookup_requests += 1;
            status.lookup_at = self
                .settings
                .lookup_after_ms
                .map(|after_ms| now + after_ms * backoff(status.lookup_requests));
        }
        let lookups = missing.into_iter().map(|session| Lookup { account: account.clone(), session });
        self.lookups.extend(lookups);
    }

    /// The cost of a version grows with its call: the longer the call, the longer the interval, so that all versions
    /// together cost little more than the notifications.
    fn min_version_interval_ms(&self, call: CallKey) -> i64 {
        let sessions = self.graph.calls[call].sessions.iter();
        let events: usize = sessions.map(|&key| self.graph.sessions[key].session.event_count()).sum();
        self.settings.min_version_interval_ms.saturating_mul(1 + (events / MAX_EVENTS_AT_FULL_RATE) as i64)
    }

    fn close_if_over(&mut self, call: CallKey, now: Time, changes: &mut Changes) -> bool {
        let Some(fold) = self.fold(call) else { return false };
        let has_passed = |deadline| self.has_passed(call, deadline, now);
        let is_short = || fold.idle_timeout() == IdleTimeout::Short;
        let (deadline, state, reason) = if !fold.is_live() {
            let deadline = if fold.has_gaps() { Deadline::GapSettle } else { Deadline::Settle };
            (deadline, State::Complete, None)
        } else if has_passed(Deadline::Idle) {
            (Deadline::Idle, State::Incomplete, Some(CloseReason::Silent))
        } else if has_passed(Deadline::LastLegIdle) && is_short() {
            (Deadline::LastLegIdle, State::Incomplete, Some(CloseReason::LastLegSilent))
        } else {
            return false;
        };
        if !has_passed(deadline) {
            return false;
        }
        let record = self.record(call, &fold, state, reason, now);
        self.close(call, record, now, changes);
        true
    }

    /// A closed call has received something: after settling, its record is published again if it changed.
    fn evaluate_reopened(&mut self, call: CallKey, now: Time, changes: &mut Changes) {
        let revision = self.next_of(call, &[Deadline::Revision], now);
        let status = &mut self.graph.calls[call].status;
        if let (Some(revision), false) = (revision, status.must_publish) {
            status.due = revision;
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
        if let Some(eviction) = self.next_of(call, &[Deadline::Eviction], now) {
            self.graph.calls[call].status.due = eviction;
            return;
        }
        // A call stays in memory as long as its related calls. A session that only a link names is not a call.
        let is_open = |other: CallKey| {
            let status = self.graph.calls.get(other).map(|group| &group.status);
            status.is_some_and(|status| status.state == State::Live || status.is_dirty)
                && self.graph.root(other).is_some()
        };
        if self.graph.related_calls(call).into_iter().any(is_open) {
            self.graph.calls[call].status.due = now + self.settings.closed_call_ttl_ms;
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
        if self.settings.publish_live_versions || status.is_completed {
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
        status.due = status.last_arrival.max(now) + self.settings.closed_call_ttl_ms;
        if !unchanged {
            self.publish(call, record, now, changes);
        }
    }

    fn record(
        &self,
        call: CallKey,
        fold: &Fold<'_>,
        state: State,
        reason: Option<CloseReason>,
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

    pub(super) fn schedule(&mut self, call: CallKey) {
        let status = &mut self.graph.calls[call].status;
        if status.due != NEVER && status.scheduled.is_none_or(|scheduled| status.due < scheduled) {
            status.scheduled = Some(status.due);
            self.deadlines.push(Reverse((status.due, call)));
        }
    }
}

/// Factor of the interval until the next lookup.
fn backoff(lookup_requests: u32) -> i64 {
    /// Maximum factor. With an initial interval of five seconds, three quarters of an hour.
    const MAX_FACTOR: i64 = 512;
    1_i64.checked_shl(2 * lookup_requests).map_or(MAX_FACTOR, |factor| factor.clamp(1, MAX_FACTOR))
}
