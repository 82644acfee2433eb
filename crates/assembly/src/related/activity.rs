//! What the extensions of an account did, when, and in which session.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    ops::RangeInclusive,
};

use smallvec::SmallVec;
use wholecall_notification::{Code, Direction, Reason, Role};
use wholecall_record::ShortText;
use wholecall_record::Time;

use crate::{
    legs::LegKey, phone_number::normalized_phone_number, session::Session, session_node::SessionKey,
};

/// Maximum number of entries that are compared for one activity: a person has a few calls at a time, not dozens.
pub(super) const MAX_CANDIDATES: usize = 8;

/// Maximum time between the starts of the two sessions of a RingOut, or of a call that came back.
const MAX_TWIN_DISTANCE_MS: i64 = 60_000;

/// Index of what the extensions of an account did: when, and in which session.
#[derive(Debug, Default)]
pub(crate) struct ActivityIndex(hashbrown::HashMap<u64, Sessions>);

/// Sessions in order of time. Most numbers call each other once.
type Sessions = SmallVec<[(Time, SessionKey); 1]>;

impl ActivityIndex {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Calls arrive roughly in order of their times, so most entries are appended.
    pub(super) fn add(&mut self, activity: &Activity, key: SessionKey) {
        let list = self.0.entry(activity.actor.list_key(activity.kind)).or_default();
        let entry = (activity.time, key);
        match list.last().is_none_or(|last| *last < entry) {
            true => list.push(entry),
            false => {
                if let Err(place) = list.binary_search(&entry) {
                    list.insert(place, entry);
                }
            }
        }
    }

    pub(super) fn remove(&mut self, activity: &Activity, key: SessionKey) {
        let list_key = activity.actor.list_key(activity.kind);
        let Some(list) = self.0.get_mut(&list_key) else { return };
        if let Ok(place) = list.binary_search(&(activity.time, key)) {
            list.remove(place);
        }
        if list.is_empty() {
            self.0.remove(&list_key);
        }
    }

    /// The sessions in which an extension did something within a range of time, in that order.
    pub(super) fn sessions_within(
        &self,
        actor: Actor,
        kind: ActivityKind,
        within: RangeInclusive<Time>,
    ) -> impl DoubleEndedIterator<Item = (Time, SessionKey)> {
        let list = self.0.get(&actor.list_key(kind)).map_or(&[][..], |list| list.as_slice());
        let start = list.partition_point(|(time, _)| time < within.start());
        let end = list.partition_point(|(time, _)| time <= within.end());
        list.get(start..end).unwrap_or_default().iter().copied()
    }

    /// Sessions in which an extension did something at about a time.
    pub(super) fn sessions_near(
        &self,
        actor: Actor,
        kind: ActivityKind,
        time: Time,
    ) -> impl Iterator<Item = SessionKey> {
        let within = time + -MAX_TWIN_DISTANCE_MS..=time + MAX_TWIN_DISTANCE_MS;
        self.sessions_within(actor, kind, within).take(MAX_CANDIDATES).map(|(_, key)| key)
    }
}

/// What an extension did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ActivityKind {
    /// Began a session.
    Dial,
    /// Put the others of a session on hold.
    Hold,
    /// Requested a RingOut.
    RingOut,
    /// Was connected.
    Connect,
    /// Dialled a public number, or was dialled by one: the two numbers stand for the extension.
    Public,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Activity {
    pub(super) actor: Actor,
    pub(super) kind: ActivityKind,
    pub(super) time: Time,
    /// The leg that did it.
    pub(super) leg: LegKey,
}

/// Hash of an extension id or of two public numbers: comparing hashes is cheaper than comparing text. Index entries
/// are always compared by text too, so collisions do no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Actor(u64);

impl Actor {
    pub(super) fn of(name: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self(hasher.finish())
    }

    /// The key of the list of sessions in which it did something.
    pub(super) fn list_key(self, kind: ActivityKind) -> u64 {
        self.0.rotate_left(8) ^ kind as u64
    }
}

/// What a session's extensions did, with effective times.
pub(super) fn activities_of(session: &Session) -> Box<[Activity]> {
    let mut activities: SmallVec<[Activity; 8]> = SmallVec::new();
    if let (Some((leg, numbers)), Some(time)) = (public_numbers(session), session.start())
        && !session.is_conference()
    {
        activities.push(Activity { actor: Actor::of(numbers), kind: ActivityKind::Public, time, leg });
    }
    let mut effective = Time::from_millis(i64::MIN);
    let mut started = false;
    for event in session.events() {
        effective = effective.max(event.status.time);
        let (legs, leg) = (&session.legs, event.leg);
        let mut activity = |kind| {
            let actor = legs.extension(leg).map(Actor::of);
            activities.extend(actor.map(|actor| Activity { actor, kind, time: effective, leg }));
        };
        match event.status.code {
            Some(Code::Hold) => activity(ActivityKind::Hold),
            Some(Code::Answered) if event.status.reason != Some(Reason::Supervising) => {
                activity(ActivityKind::Connect)
            }
            _ => {}
        }
        if started || event.is_text_reply() {
            continue;
        }
        let direction = legs.direction(leg);
        if session.is_ring_out() {
            started = legs.ring_out_role(leg) != Some(Role::Target);
            if started {
                activity(ActivityKind::RingOut);
            }
        } else if direction == Some(Direction::Outbound) {
            started = true;
            if !session.is_conference() {
                activity(ActivityKind::Dial);
            }
        }
    }
    activities.sort_unstable();
    activities.dedup_by_key(|activity| (activity.actor, activity.kind, activity.time));
    activities.into_boxed_slice()
}

/// A session's first Outbound leg between two public numbers, and the numbers.
pub(super) fn public_numbers(session: &Session) -> Option<(LegKey, [ShortText; 2])> {
    // A leg often has several events in a row.
    let mut last = None;
    let mut legs = session.events().map(|event| event.leg).filter(|leg| last.replace(*leg) != Some(*leg));
    let leg = legs.find(|&leg| session.legs.direction(leg) == Some(Direction::Outbound))?;
    let [from, to] = session.legs.numbers(leg);
    Some((leg, [normalized_phone_number(from?)?, normalized_phone_number(to?)?]))
}
