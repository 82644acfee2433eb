//! Finds calls that look connected although no id proves it: a consultation dialled while another call was on hold,
//! the twin of a RingOut, two calls in which one person is connected at once, the two sessions of a call to a number
//! of the account itself over the public network. Also lists the supervisor's sessions that listened to a call.
//! Related calls stay separate; each names the other in its record.

mod activity;
mod connected;

use std::{collections::HashMap, sync::LazyLock};

use compact_str::CompactString;
use wholecall_notification::{Code, Direction};
use wholecall_record::{
    SessionId, Time,
    call::{Related, RelatedKind},
};

pub(crate) use self::activity::ActivityIndex;
use self::{
    activity::{Activity, ActivityKind, Actor, activities_of, public_numbers},
    connected::connected_periods,
};
use crate::{
    description::Description,
    legs::LegKey,
    limits,
    session::Session,
    session_graph::{CallKey, SessionGraph, SessionKey, SessionNode},
};

/// A session's entries in its account's [`ActivityIndex`], and its relations to other sessions.
#[derive(Debug, Default)]
pub(crate) struct SessionActivities {
    list: Box<[Activity]>,
    /// Sessions that this one is related to.
    to: Vec<(SessionKey, Relation)>,
    /// Sessions that are related to this one, in order of their ids.
    from: Vec<SessionKey>,
}

impl SessionActivities {
    /// Whether an extension put others on hold: any later change may end the hold.
    pub(crate) fn has_hold(&self) -> bool {
        self.list.iter().any(|activity| activity.kind == ActivityKind::Hold)
    }

    /// Whether this session is related to any other.
    pub(crate) fn is_related(&self) -> bool {
        !self.to.is_empty() || !self.from.is_empty()
    }
}

impl SessionNode {
    fn activities(&self) -> &SessionActivities {
        static NONE: LazyLock<SessionActivities> = LazyLock::new(SessionActivities::default);
        self.activities.as_deref().unwrap_or(&NONE)
    }
}

/// How a session is related to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// It was dialled while the other was on hold.
    Consultation,
    /// It is the RingOut whose other side is the other session.
    Twin,
    /// A person was connected in both at once.
    Concurrent,
    /// It went out over the public network and came back as the other.
    Hairpin,
}

/// Maximum number of entries that are compared for one activity: a person has a few calls at a time, not dozens.
const MAX_CANDIDATES: usize = 8;

/// Maximum time between the starts of the two sessions of a RingOut, or of a call that came back.
const MAX_TWIN_DISTANCE_MS: i64 = 60_000;

/// Minimum time of two simultaneous connections of a person: then the telephone probably mixes them.
const MIN_CONCURRENT_MS: i64 = 1_000;

/// The earliest and the latest time.
const EARLIEST: Time = Time::from_millis(i64::MIN);
const LATEST: Time = Time::from_millis(i64::MAX);

/// Maximum difference between the legacy ids of a RingOut's two sessions.
const MAX_TWIN_ID_DISTANCE: u64 = 4_000;

impl<S: Default> SessionGraph<S> {
    /// Updates the relations of all sessions that may have changed; returns the calls that are, or were, related to
    /// any of them.
    pub(crate) fn update_relations(&mut self) -> Vec<CallKey> {
        let dirty = self.take_dirty();
        // If the index is empty, as after reading a file, only the sessions added now can be related.
        let again = match self.accounts.iter().all(|account| account.activity_index.is_empty()) {
            true => self.index_all(&dirty),
            false => self.reindex(&dirty),
        };
        let mut affected = Vec::new();
        for key in dirty.into_iter().chain(again.iter().copied()) {
            let activities = self.sessions[key].activities();
            let others = activities.to.iter().map(|(other, _)| other).chain(&activities.from);
            affected.extend(others.map(|&other| self.sessions[other].call));
        }
        for key in again {
            let to = self.find_relations(key);
            if to != self.sessions[key].activities().to {
                self.set_relations(key, to, &mut affected);
            }
        }
        affected.sort_unstable();
        affected.dedup();
        affected
    }

    /// Adds sessions to an empty index; returns the sessions that have entries.
    fn index_all(&mut self, keys: &[SessionKey]) -> Vec<SessionKey> {
        let mut active = Vec::with_capacity(keys.len());
        for &key in keys {
            self.index(key, activities_of(&self.sessions[key].session));
            active.extend(self.sessions[key].activities.is_some().then_some(key));
        }
        active.sort_unstable();
        active
    }

    /// Replaces the index entries of sessions; returns the sessions whose relations may have changed.
    fn reindex(&mut self, keys: &[SessionKey]) -> Vec<SessionKey> {
        let mut again = Vec::new();
        for &key in keys {
            let activities = activities_of(&self.sessions[key].session);
            again.extend(self.sessions_affected_by(key));
            if activities != self.sessions[key].activities().list {
                self.index(key, activities);
                again.extend(self.sessions_affected_by(key));
            }
        }
        again.sort_unstable();
        again.dedup();
        again
    }

    /// Replaces a session's entries in the account's index.
    fn index(&mut self, key: SessionKey, activities: Box<[Activity]>) {
        let node = &mut self.sessions[key];
        if activities.is_empty() && node.activities.is_none() {
            return;
        }
        let activity_index = &mut self.accounts[node.account].activity_index;
        let own = node.activities.get_or_insert_default();
        own.list.iter().for_each(|old| activity_index.remove(old, key));
        activities.iter().for_each(|new| activity_index.add(new, key));
        own.list = activities;
    }

    pub(crate) fn remove_activities(&mut self, key: SessionKey) {
        if self.sessions[key].activities.is_none() {
            return;
        }
        self.index(key, Box::default());
        self.set_relations(key, Vec::new(), &mut Vec::new());
        let Some(activities) = self.sessions[key].activities.take() else { return };
        for other in activities.from {
            if let Some(theirs) = &mut self.sessions[other].activities {
                theirs.to.retain(|(to, _)| *to != key);
            }
        }
    }

    fn set_relations(
        &mut self,
        key: SessionKey,
        to: Vec<(SessionKey, Relation)>,
        affected: &mut Vec<CallKey>,
    ) {
        affected.push(self.sessions[key].call);
        let own = self.sessions[key].activities.get_or_insert_default();
        for (other, _) in std::mem::replace(&mut own.to, to.clone()) {
            if let Some(theirs) = &mut self.sessions[other].activities {
                theirs.from.retain(|from| *from != key);
            }
            affected.push(self.sessions[other].call);
        }
        for (other, _) in to {
            // Sorted by id: which of too many are named must not depend on the order of arrival.
            let id = |session: SessionKey| &self.sessions[session].session.id;
            let place = self.sessions[other].activities().from.partition_point(|&from| id(from) < id(key));
            self.sessions[other].activities.get_or_insert_default().from.insert(place, key);
            affected.push(self.sessions[other].call);
        }
    }

    /// The index of a session's account.
    fn activity_index(&self, key: SessionKey) -> &ActivityIndex {
        &self.accounts[self.sessions[key].account].activity_index
    }

    /// The sessions whose relations may change with this one.
    fn sessions_affected_by(&self, key: SessionKey) -> Vec<SessionKey> {
        let (node, activity_index) = (&self.sessions[key], self.activity_index(key));
        let mut affected = vec![key];
        affected.extend(&node.activities().from);
        for activity in node.activities().list.iter().filter(|activity| activity.kind == ActivityKind::Dial) {
            affected.extend(activity_index.sessions_near(
                activity.actor,
                ActivityKind::RingOut,
                activity.time,
            ));
        }
        for activity in &node.activities().list {
            match activity.kind {
                ActivityKind::Connect => {
                    let later = activity_index.sessions_within(
                        activity.actor,
                        ActivityKind::Connect,
                        activity.time..=LATEST,
                    );
                    affected.extend(later.take(MAX_CANDIDATES).map(|(_, other)| other));
                }
                ActivityKind::Public => {
                    affected.extend(activity_index.sessions_near(
                        activity.actor,
                        ActivityKind::Public,
                        activity.time,
                    ));
                }
                ActivityKind::Dial | ActivityKind::Hold | ActivityKind::RingOut => {}
            }
        }
        if node.activities().has_hold() {
            for (extension, started, until) in holds_of(&node.session) {
                let later = activity_index
                    .sessions_within(Actor::of(extension), ActivityKind::Dial, started..=LATEST)
                    .take(MAX_CANDIDATES);
                let during = later.take_while(|(time, _)| until.is_none_or(|until| *time < until));
                affected.extend(during.map(|(_, dialled)| dialled));
            }
        }
        affected
    }

    /// The sessions that a session is related to.
    fn find_relations(&self, key: SessionKey) -> Vec<(SessionKey, Relation)> {
        let mut found = Vec::new();
        for activity in &self.sessions[key].activities().list {
            match activity.kind {
                ActivityKind::Dial => found
                    .extend(self.held_session_at(key, activity).map(|other| (other, Relation::Consultation))),
                ActivityKind::RingOut => {
                    let dialled = self.activity_index(key).sessions_near(
                        activity.actor,
                        ActivityKind::Dial,
                        activity.time,
                    );
                    let twins = dialled.filter(|&other| self.are_twins(key, other));
                    found.extend(twins.map(|twin| (twin, Relation::Twin)));
                }
                ActivityKind::Connect => {
                    let before = EARLIEST..=activity.time;
                    let activity_index = self.activity_index(key);
                    let connected = activity_index
                        .sessions_within(activity.actor, ActivityKind::Connect, before)
                        .rev()
                        .take(MAX_CANDIDATES);
                    let at_once = |other: &SessionKey| self.are_concurrent(key, *other, activity.leg);
                    let others = connected.map(|(_, other)| other).filter(|other| *other != key);
                    found.extend(others.filter(at_once).map(|other| (other, Relation::Concurrent)));
                }
                ActivityKind::Public => {
                    let same = self.activity_index(key).sessions_near(
                        activity.actor,
                        ActivityKind::Public,
                        activity.time,
                    );
                    let back = same.filter(|&other| other != key && self.returned_as(key, other));
                    found.extend(back.map(|other| (other, Relation::Hairpin)));
                }
                ActivityKind::Hold => {}
            }
        }
        found.dedup();
        found
    }

    /// Whether an extension is connected in two calls at once, with no one on hold in either.
    fn are_concurrent(&self, a: SessionKey, b: SessionKey, leg: LegKey) -> bool {
        // Most of a person's calls are over when the next one begins.
        let [first, second] = [a, b].map(|key| &self.sessions[key].session);
        let is_over_before =
            |one: &Session, other: &Session| other.start().is_some_and(|start| one.is_over_by(start));
        if is_over_before(second, first) || is_over_before(first, second) {
            return false;
        }
        // The two sessions of a RingOut are one call.
        if self.are_twins(a, b) || self.are_twins(b, a) {
            return false;
        }
        let Some(extension) = first.legs.extension(leg) else { return false };
        let [a, b] = [a, b].map(|key| connected_periods(&self.sessions[key].session, extension));
        let overlap = |(start, end): (Time, Option<Time>), (started, until): (Time, Option<Time>)| {
            let end = end.into_iter().chain(until).min().unwrap_or(LATEST);
            start.max(started) < end && end - start.max(started) >= MIN_CONCURRENT_MS
        };
        a.iter().any(|&period| b.iter().any(|&other| overlap(period, other)))
    }

    /// Whether a session in which an extension dialled a public number came back into the account as another: between
    /// the same two numbers, at the same time.
    fn returned_as(&self, dialled: SessionKey, other: SessionKey) -> bool {
        let [out, back] = [dialled, other].map(|key| &self.sessions[key].session);
        let [Some((caller, numbers)), Some((outside, same))] = [out, back].map(public_numbers) else {
            return false;
        };
        let [caller, outside] = [out.legs.extension(caller), back.legs.extension(outside)];
        let overlap = || {
            let lasts = |a: &Session, b: &Session| end_of(a).is_none_or(|end| Some(end) >= b.start());
            lasts(out, back) && lasts(back, out)
        };
        caller.is_some() && outside.is_none() && numbers == same && overlap()
    }

    /// The session that the dialling extension had on hold: of several, the one held last.
    fn held_session_at(&self, key: SessionKey, dial: &Activity) -> Option<SessionKey> {
        let extension = self.sessions[key].session.legs.extension(dial.leg)?;
        let before = self
            .activity_index(key)
            .sessions_within(dial.actor, ActivityKind::Hold, EARLIEST..=dial.time)
            .rev()
            .take(MAX_CANDIDATES);
        let mut found: Option<(Time, &SessionId, SessionKey)> = None;
        for (time, other) in before {
            if found.as_ref().is_some_and(|(known, ..)| *known > time) {
                break;
            }
            // Keys are in order of arrival: among holds of one time the id decides.
            let session = &self.sessions[other].session;
            if other != key && !session.is_over_by(dial.time) && holds_at(session, extension, dial.time) {
                found = found.max(Some((time, &session.id, other)));
            }
        }
        found.map(|(.., other)| other)
    }

    /// Whether a RingOut and another session have one origin: the same numbers the other way round, and legacy ids
    /// that are nearly equal.
    fn are_twins(&self, ring_out: SessionKey, other: SessionKey) -> bool {
        let number = |session: &Session| {
            session.legacy_id().and_then(|id| id.parse::<u64>().ok()).filter(|id| *id > 0)
        };
        let [a, b] = [ring_out, other].map(|key| &self.sessions[key].session);
        let near = match (number(a), number(b)) {
            (Some(a), Some(b)) => a != b && a.abs_diff(b) <= MAX_TWIN_ID_DISTANCE,
            _ => false,
        };
        near && mirrored(a, b)
    }

    /// All sessions that a session is related to, in either direction.
    pub(crate) fn related_sessions(&self, key: SessionKey) -> impl Iterator<Item = SessionKey> {
        let activities = self.sessions[key].activities();
        activities.to.iter().map(|(other, _)| *other).chain(activities.from.iter().copied())
    }

    /// The related calls of a call, and the supervisor's sessions of other calls that listened to it.
    pub(crate) fn related(&self, call: CallKey, listeners: &[SessionKey]) -> Vec<Related> {
        let mut related: Vec<Related> = Vec::new();
        for &key in &self.calls[call].sessions {
            let activities = self.sessions[key].activities();
            let to = activities.to.iter().map(|&(other, why)| (other, why, true));
            let from = activities.from.iter().filter_map(|&other| {
                let (_, why) = self.sessions[other].activities().to.iter().find(|(to, _)| *to == key)?;
                Some((other, *why, false))
            });
            for (other, why, dialled) in to.chain(from).take(limits::MAX_RELATED_PER_CALL) {
                let other_call = self.sessions[other].call;
                if other_call == call {
                    continue;
                }
                let Some(root) = self.root(other_call) else { continue };
                let id = self.sessions[root].session.id.clone();
                related.push(Related {
                    id,
                    kind: why.kind(),
                    why: CompactString::const_new(why.sentence(dialled)),
                });
            }
        }
        related.extend(listeners.iter().map(|&key| Related {
            id: self.sessions[key].session.id.clone(),
            kind: RelatedKind::Supervision,
            why: CompactString::const_new("a supervisor listened to this call from that session"),
        }));
        related.sort_by(|a, b| (a.kind, &a.id, &a.why).cmp(&(b.kind, &b.id, &b.why)));
        related.dedup_by(|a, b| a.kind == b.kind && a.id == b.id);
        related.truncate(limits::MAX_RELATED_PER_CALL);
        related
    }
}

impl Relation {
    fn kind(self) -> RelatedKind {
        match self {
            Self::Consultation => RelatedKind::Consultation,
            Self::Twin => RelatedKind::RingOutTwin,
            Self::Concurrent => RelatedKind::Concurrent,
            Self::Hairpin => RelatedKind::Hairpin,
        }
    }

    fn sentence(self, dialled: bool) -> &'static str {
        match (self, dialled) {
            (Self::Consultation, true) => "its caller dialled this call while holding that one",
            (Self::Consultation, false) => "its caller dialled that call while holding this one",
            (Self::Twin, _) => "the same numbers the other way round, begun by one RingOut",
            (Self::Concurrent, _) => {
                "one person was connected in both at once, with nobody on hold: probably mixed in the telephone"
            }
            (Self::Hairpin, true) => {
                "this call to a number of the account went out and came back as that one"
            }
            (Self::Hairpin, false) => {
                "that call to a number of the account went out and came back as this one"
            }
        }
    }
}

/// When the last leg of a session ended. `None` while a leg is open.
fn end_of(session: &Session) -> Option<Time> {
    let last = session.events().map(|event| event.status.time).max();
    last.filter(|_| session.open_legs() == 0)
}

fn mirrored(a: &Session, b: &Session) -> bool {
    let outbound = extension_legs(b, Direction::Outbound);
    extension_legs(a, Direction::Inbound).iter().any(|leg| {
        let (from, to) = (leg.from.number, leg.to.number);
        from.is_some()
            && to.is_some()
            && outbound.iter().any(|back| back.from.number == to && back.to.number == from)
    })
}

fn extension_legs(session: &Session, direction: Direction) -> Vec<Description<'_>> {
    let legs = (0..session.legs.len()).map(|leg| session.legs.description(leg as LegKey));
    legs.filter(|leg| leg.extension.is_some() && leg.direction == Some(direction)).collect()
}

/// Whether an extension has the others of a session on hold at a time.
fn holds_at(session: &Session, extension: &str, time: Time) -> bool {
    let mut holding: Vec<LegKey> = Vec::new();
    for (_, leg, code) in states_of(session, extension).take_while(|(at, ..)| *at <= time) {
        holding.retain(|other| *other != leg);
        if code == Code::Hold {
            holding.push(leg);
        }
    }
    !holding.is_empty()
}

/// Which extensions had the others of a session on hold, and when.
fn holds_of(session: &Session) -> Vec<(&str, Time, Option<Time>)> {
    let mut effective = Time::from_millis(i64::MIN);
    let mut started: HashMap<LegKey, Time> = HashMap::new();
    let mut holds = Vec::new();
    for event in session.events() {
        effective = effective.max(event.status.time);
        match event.status.code {
            None | Some(Code::Other) => {}
            Some(Code::Hold) => drop(started.entry(event.leg).or_insert(effective)),
            Some(_) => {
                holds.extend(started.remove(&event.leg).map(|started| (event.leg, started, Some(effective))))
            }
        }
    }
    holds.extend(started.into_iter().map(|(leg, started)| (leg, started, None)));
    let owned = |(leg, started, until)| Some((session.legs.extension(leg)?, started, until));
    holds.into_iter().filter_map(owned).collect()
}

/// The state changes of an extension's legs, with effective times.
fn states_of(session: &Session, extension: &str) -> impl Iterator<Item = (Time, LegKey, Code)> {
    let mut effective = Time::from_millis(i64::MIN);
    session.events().filter_map(move |event| {
        effective = effective.max(event.status.time);
        let code = event.status.code.filter(|code| *code != Code::Other)?;
        (session.legs.extension(event.leg) == Some(extension)).then_some((effective, event.leg, code))
    })
}
