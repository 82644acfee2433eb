//! Finds calls that look connected although no id proves it: a consultation dialled while another call was on hold,
//! the twin of a RingOut, two calls in which one person is connected at once, the two sessions of a call to a number
//! of the account itself over the public network. Also lists the supervisor's sessions that listened to a call.
//! Related calls stay separate; each names the other in its record.

mod activity;
mod connected;

use std::{collections::HashMap, sync::LazyLock};

use wholecall_notification::{Code, Direction};
use wholecall_record::{SessionId, Time, call::RelatedKind};

use self::{
    activity::{Activity, ActivityIndex, ActivityKind, Actor, MAX_CANDIDATES, activities_of, public_numbers},
    connected::connected_periods,
};
use crate::{
    description::Description,
    index::IdxVec,
    key_slab::KeySlab,
    legs::LegKey,
    session::Session,
    session_node::{AccountKey, CallKey, SessionKey, SessionNode},
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

/// How a session is related to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    /// It was dialled while the other was on hold.
    Consultation,
    /// It is the RingOut whose other side is the other session.
    Twin,
    /// A person was connected in both at once.
    Concurrent,
    /// It went out over the public network and came back as the other.
    Hairpin,
}

/// Minimum time of two simultaneous connections of a person: then the telephone probably mixes them.
const MIN_CONCURRENT_MS: i64 = 1_000;

/// The earliest and the latest time.
const EARLIEST: Time = Time::from_millis(i64::MIN);
const LATEST: Time = Time::from_millis(i64::MAX);

/// Maximum difference between the legacy ids of a RingOut's two sessions.
const MAX_TWIN_ID_DISTANCE: u64 = 4_000;

/// The relations between sessions of the graph.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    indices: IdxVec<AccountKey, ActivityIndex>,
    entries: IdxVec<SessionKey, RelationEntry>,
    /// Sessions whose entries may be out of date.
    dirty: Vec<SessionKey>,
}

/// What is known of the relations of a session.
#[derive(Debug, Default)]
struct RelationEntry {
    /// `None` if it has no activities and is not related to any other.
    activities: Option<Box<SessionActivities>>,
    /// It is in the list of sessions to be updated.
    is_dirty: bool,
}

/// The relations together with the sessions.
#[derive(Clone, Copy)]
struct RelatedSessions<'g> {
    relations: &'g Relations,
    sessions: &'g KeySlab<SessionKey, SessionNode>,
}

impl Relations {
    pub(crate) fn add_account(&mut self) {
        self.indices.push(ActivityIndex::default());
    }

    pub(crate) fn add_session(&mut self, key: SessionKey) {
        match self.entries.get_mut(key) {
            Some(entry) => *entry = RelationEntry::default(),
            None => drop(self.entries.push(RelationEntry::default())),
        }
    }

    /// Has a session's relations updated by the next [`Relations::update`].
    pub(crate) fn mark_dirty(&mut self, key: SessionKey) {
        if !std::mem::replace(&mut self.entries[key].is_dirty, true) {
            self.dirty.push(key);
        }
    }

    /// The activities and relations of a session. `None` if there are none.
    pub(crate) fn activities(&self, key: SessionKey) -> Option<&SessionActivities> {
        self.entries[key].activities.as_deref()
    }

    /// All sessions that a session is related to, in either direction.
    pub(crate) fn related_sessions(&self, key: SessionKey) -> impl Iterator<Item = SessionKey> {
        let activities = self.activities_or_none(key);
        activities.to.iter().map(|(other, _)| *other).chain(activities.from.iter().copied())
    }

    /// The sessions that a session is related to, how, and whether it is the one that was found to be related.
    pub(crate) fn of(&self, key: SessionKey) -> impl Iterator<Item = (SessionKey, Relation, bool)> {
        let activities = self.activities_or_none(key);
        let to = activities.to.iter().map(|&(other, why)| (other, why, true));
        let from = activities.from.iter().filter_map(move |&other| {
            let (_, why) = self.activities_or_none(other).to.iter().find(|(to, _)| *to == key)?;
            Some((other, *why, false))
        });
        to.chain(from)
    }

    /// Updates the relations of the sessions that may have changed; returns the calls that are, or were, related to
    /// any of them.
    pub(crate) fn update(&mut self, sessions: &KeySlab<SessionKey, SessionNode>) -> Vec<CallKey> {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.retain(|&key| std::mem::take(&mut self.entries[key].is_dirty));
        // If the index is empty, as after reading a file, only the sessions added now can be related.
        let again = match self.indices.iter().all(ActivityIndex::is_empty) {
            true => self.index_all(&dirty, sessions),
            false => self.reindex(&dirty, sessions),
        };
        let mut affected = Vec::new();
        for key in dirty.into_iter().chain(again.iter().copied()) {
            affected.extend(self.related_sessions(key).map(|other| sessions[other].call));
        }
        for key in again {
            let to = RelatedSessions { relations: self, sessions }.find_relations(key);
            if to != self.activities_or_none(key).to {
                self.set_relations(key, to, sessions, &mut affected);
            }
        }
        affected.sort_unstable();
        affected.dedup();
        affected
    }

    /// Removes a session.
    pub(crate) fn remove(&mut self, key: SessionKey, sessions: &KeySlab<SessionKey, SessionNode>) {
        if self.entries[key].activities.is_some() {
            self.index(key, Box::default(), sessions);
            self.set_relations(key, Vec::new(), sessions, &mut Vec::new());
        }
        let Some(activities) = std::mem::take(&mut self.entries[key]).activities else { return };
        for other in activities.from {
            if let Some(theirs) = &mut self.entries[other].activities {
                theirs.to.retain(|(to, _)| *to != key);
            }
        }
    }

    fn activities_or_none(&self, key: SessionKey) -> &SessionActivities {
        static NONE: LazyLock<SessionActivities> = LazyLock::new(SessionActivities::default);
        self.activities(key).unwrap_or(&NONE)
    }

    /// Adds sessions to an empty index; returns the sessions that have entries.
    fn index_all(
        &mut self,
        keys: &[SessionKey],
        sessions: &KeySlab<SessionKey, SessionNode>,
    ) -> Vec<SessionKey> {
        let mut active = Vec::with_capacity(keys.len());
        for &key in keys {
            self.index(key, activities_of(&sessions[key].session), sessions);
            active.extend(self.activities(key).is_some().then_some(key));
        }
        active.sort_unstable();
        active
    }

    /// Replaces the index entries of sessions; returns the sessions whose relations may have changed.
    fn reindex(
        &mut self,
        keys: &[SessionKey],
        sessions: &KeySlab<SessionKey, SessionNode>,
    ) -> Vec<SessionKey> {
        let mut again = Vec::new();
        for &key in keys {
            let activities = activities_of(&sessions[key].session);
            again.extend(RelatedSessions { relations: self, sessions }.sessions_affected_by(key));
            if activities != self.activities_or_none(key).list {
                self.index(key, activities, sessions);
                again.extend(RelatedSessions { relations: self, sessions }.sessions_affected_by(key));
            }
        }
        again.sort_unstable();
        again.dedup();
        again
    }

    /// Replaces a session's entries in the account's index.
    fn index(
        &mut self,
        key: SessionKey,
        activities: Box<[Activity]>,
        sessions: &KeySlab<SessionKey, SessionNode>,
    ) {
        let own = &mut self.entries[key].activities;
        if activities.is_empty() && own.is_none() {
            return;
        }
        let activity_index = &mut self.indices[sessions[key].account];
        let own = own.get_or_insert_default();
        own.list.iter().for_each(|old| activity_index.remove(old, key));
        activities.iter().for_each(|new| activity_index.add(new, key));
        own.list = activities;
    }

    fn set_relations(
        &mut self,
        key: SessionKey,
        to: Vec<(SessionKey, Relation)>,
        sessions: &KeySlab<SessionKey, SessionNode>,
        affected: &mut Vec<CallKey>,
    ) {
        affected.push(sessions[key].call);
        let own = self.entries[key].activities.get_or_insert_default();
        for (other, _) in std::mem::replace(&mut own.to, to.clone()) {
            if let Some(theirs) = &mut self.entries[other].activities {
                theirs.from.retain(|from| *from != key);
            }
            affected.push(sessions[other].call);
        }
        for (other, _) in to {
            // Sorted by id: which of too many are named must not depend on the order of arrival.
            let id = |session: SessionKey| &sessions[session].session.id;
            let theirs = self.entries[other].activities.get_or_insert_default();
            let place = theirs.from.partition_point(|&from| id(from) < id(key));
            theirs.from.insert(place, key);
            affected.push(sessions[other].call);
        }
    }
}

impl RelatedSessions<'_> {
    fn activities(&self, key: SessionKey) -> &SessionActivities {
        self.relations.activities_or_none(key)
    }

    /// The index of a session's account.
    fn activity_index(&self, key: SessionKey) -> &ActivityIndex {
        &self.relations.indices[self.sessions[key].account]
    }

    /// The sessions whose relations may change with this one.
    fn sessions_affected_by(&self, key: SessionKey) -> Vec<SessionKey> {
        let (node, activity_index) = (&self.sessions[key], self.activity_index(key));
        let activities = self.activities(key);
        let mut affected = vec![key];
        affected.extend(&activities.from);
        for activity in activities.list.iter().filter(|activity| activity.kind == ActivityKind::Dial) {
            affected.extend(activity_index.sessions_near(
                activity.actor,
                ActivityKind::RingOut,
                activity.time,
            ));
        }
        for activity in &activities.list {
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
        if activities.has_hold() {
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
        for activity in &self.activities(key).list {
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
}

impl Relation {
    pub(crate) fn kind(self) -> RelatedKind {
        match self {
            Self::Consultation => RelatedKind::Consultation,
            Self::Twin => RelatedKind::RingOutTwin,
            Self::Concurrent => RelatedKind::Concurrent,
            Self::Hairpin => RelatedKind::Hairpin,
        }
    }

    pub(crate) fn sentence(self, dialled: bool) -> &'static str {
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
    let legs = session.legs.keys().map(|leg| session.legs.description(leg));
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
