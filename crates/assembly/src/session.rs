//! A telephony session as it is stored: its legs, and its state changes in order.

use std::sync::OnceLock;

use wholecall_notification::{Code, Notification, Origin, Party, Reason};
use wholecall_record::ShortText;
use wholecall_record::{SessionId, Time};

use crate::{
    event::{Event, MergeEffect, PartyStatus, UNSEQUENCED},
    event_log::{EventLog, Insertion},
    legs::{LegKey, Legs},
    limits,
    lookups::{InferredEvent, Lookups},
    rank::Rank,
    uuid::Uuid,
};

/// A session. One that only a link names has no events yet.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) legs: Legs,
    events: EventLog,
    lookups: Lookups,
    origin: EarliestWord,
    legacy_id: EarliestWord,
    /// The highest sequence number that arrived, stored or not.
    last_seen: u32,
    /// A leg of it is, or was once reported as, a supervisor's.
    supervised: bool,
    /// Cached until the session changes.
    rank: OnceLock<Rank>,
}

/// A session whose first notification has at most this sequence number was observed from its start: 1 is never
/// delivered, 2 is the caller's.
const MAX_START_SEQUENCE: u32 = 3;

/// A word that describes the whole session: the one with the smallest sequence applies, whatever the order of
/// arrival.
#[derive(Debug, Default)]
struct EarliestWord(Option<(u32, ShortText)>);

impl EarliestWord {
    /// Applies a word; returns whether it is the one that now applies.
    fn apply(&mut self, sequence: u32, word: Option<&str>) -> bool {
        let Some(word) = word else { return false };
        let earlier = |(at, known): &(u32, ShortText)| (*at, known.as_str()) <= (sequence, word);
        let counts = !self.0.as_ref().is_some_and(earlier);
        if counts {
            self.0 = Some((sequence, ShortText::from(word)));
        }
        counts
    }

    /// Discards a word of a change that is no longer stored.
    fn discard_after(&mut self, last: Option<u32>) {
        if self.0.as_ref().is_some_and(|(at, _)| Some(*at) > last) {
            self.0 = None;
        }
    }

    fn get(&self) -> Option<&ShortText> {
        self.0.as_ref().map(|(_, word)| word)
    }
}

/// The result of applying a notification's party to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// A duplicate.
    Duplicate,
    /// Beyond the limit: only counted.
    Beyond,
    /// New information.
    New {
        what: Novelty,
        /// No later event was stored, so no other change's effective time has moved.
        is_last: bool,
        /// The leg got a new description.
        is_described: bool,
    },
}

/// What is new about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Novelty {
    /// A leg, with its first change.
    Leg,
    /// A change of a known leg.
    Change,
    /// A further delivery that changes the merged status of a known change; or a change that displaced another one.
    Merged,
    /// A further delivery that changes the leg's description, or whose id takes precedence.
    Detail,
}

impl Session {
    pub(crate) fn new(id: SessionId) -> Self {
        Self {
            id,
            legs: Legs::default(),
            events: EventLog::default(),
            lookups: Lookups::default(),
            origin: EarliestWord::default(),
            legacy_id: EarliestWord::default(),
            last_seen: 0,
            supervised: false,
            rank: OnceLock::new(),
        }
    }

    /// Applies a lookup answer; returns whether it is new.
    pub(crate) fn apply_lookup(&mut self, notification: &Notification<'_, '_>) -> bool {
        self.rank.take();
        // Every notification takes precedence over it.
        self.origin.apply(UNSEQUENCED, notification.body().origin.kind.as_deref());
        self.legacy_id.apply(UNSEQUENCED, notification.body().session_id.as_deref());
        self.lookups.apply(&mut self.legs, notification)
    }

    /// The events that lookup answers add to the notifications.
    pub(crate) fn inferred_events(&self) -> Vec<InferredEvent<'_>> {
        self.lookups.inferred_events(&self.legs, &self.events)
    }

    /// Whether nothing is known of it but that it existed and has ended.
    pub(crate) fn is_only_known_to_have_ended(&self) -> bool {
        self.events.len() == 0 && self.lookups.show_only_an_end()
    }

    /// Whether a snapshot shows a leg connected that is not older than all notifications of the leg.
    pub(crate) fn is_seen_connected(&self, party: &str) -> bool {
        self.lookups.show_connected(&self.legs, &self.events, party)
    }

    /// The lookup answer that adds to a leg's description. `None` if no answer does.
    pub(crate) fn describing_lookup(&self, party: &str) -> Option<&Event> {
        let event = self.lookups.for_party(&self.legs, party)?;
        self.legs.has_added_description(event.leg).then_some(event)
    }

    pub(crate) fn lookups(&self) -> &Lookups {
        &self.lookups
    }

    /// Whether anything is known of it besides a link that names it.
    pub(crate) fn is_observed(&self) -> bool {
        self.events.len() > 0 || !self.lookups.is_empty()
    }

    /// Applies what a notification reports of one party.
    pub(crate) fn apply(
        &mut self,
        notification: &Notification<'_, '_>,
        sequence: u32,
        party: &Party<'_>,
    ) -> Applied {
        self.last_seen = self.last_seen.max(sequence);
        let full = self.events.len() >= limits::MAX_NOTIFICATIONS_PER_SESSION;
        if full && self.events.last_sequence().is_some_and(|last| sequence > last) {
            return Applied::Beyond;
        }
        let has_new_origin = self.origin.apply(sequence, notification.body().origin.kind.as_deref());
        self.legacy_id.apply(sequence, notification.body().session_id.as_deref());
        let leg = self.legs.find_or_add(party.id());
        let uuid = notification.uuid().map(Uuid::new);
        let status = PartyStatus::of(notification, party);
        let is_described = self.legs.describe(leg, sequence, uuid.as_ref(), party);
        self.supervised |= status.reason == Some(Reason::Supervising);
        let legs = &self.legs;
        let is_plain = status.reason.is_none() && !is_described && !full && !has_new_origin;
        let added = self.events.add(sequence, leg, uuid, status, |leg| legs.id(leg));
        // A further change of a leg without a reason does not affect who calls whom: the rank remains valid.
        let is_rank_valid =
            is_plain && added == (Insertion::New { is_last: true }) && self.legs.has_events(leg);
        if !is_rank_valid {
            self.rank.take();
        }
        match added {
            Insertion::Duplicate(MergeEffect::Nothing) if !is_described => Applied::Duplicate,
            Insertion::Duplicate(MergeEffect::Content) => {
                Applied::New { what: Novelty::Merged, is_last: false, is_described }
            }
            Insertion::Duplicate(MergeEffect::Nothing | MergeEffect::Id) => {
                Applied::New { what: Novelty::Detail, is_last: false, is_described }
            }
            Insertion::New { is_last } => {
                self.legs.apply_code(leg, sequence, party.status.code(), party.status.reason());
                let mut what = if self.legs.count_event(leg) { Novelty::Leg } else { Novelty::Change };
                if full && self.drop_last() {
                    what = Novelty::Merged;
                }
                // A lookup answer may be later.
                Applied::New { what, is_last: is_last && self.lookups.is_empty(), is_described }
            }
        }
    }

    /// Removes the last change because the session is full; returns whether a link was lost with it.
    fn drop_last(&mut self) -> bool {
        let Some(dropped) = self.events.drop_last() else { return false };
        self.legs.uncount_event(dropped.leg);
        let last = self.events.last_sequence();
        self.origin.discard_after(last);
        self.legacy_id.discard_after(last);
        dropped.status.peer().is_some_and(|lost| self.peers().iter().all(|peer| **peer != lost.session))
    }

    /// Its state changes, in order.
    pub(crate) fn events(&self) -> impl DoubleEndedIterator<Item = &Event> + Clone {
        self.events.iter()
    }

    /// The sessions that its links lead to.
    pub(crate) fn peers(&self) -> Vec<&SessionId> {
        let notified = self.events();
        let inferred = self.inferred_events().into_iter().map(|inferred| inferred.event);
        let gone = notified.chain(inferred).filter(|event| event.status.code == Some(Code::Gone));
        gone.filter_map(|event| Some(&event.status.peer()?.session)).collect()
    }

    /// The highest sequence number that is stored; 0 if there is none.
    pub(crate) fn last_sequence(&self) -> u32 {
        self.events.last_sequence().unwrap_or(0)
    }

    pub(crate) fn event_count(&self) -> usize {
        self.events.len()
    }

    /// Number of legs whose latest change is not their end.
    pub(crate) fn open_legs(&self) -> u32 {
        self.legs.open()
    }

    /// Whether all its legs ended before a time; a leg that ends at that time does not count as ended.
    pub(crate) fn is_over_by(&self, time: Time) -> bool {
        self.open_legs() == 0 && self.events.latest() < time
    }

    /// When its first leg began, as far as is known; if its beginning was not observed, a lookup answer may have it.
    pub(crate) fn start(&self) -> Option<Time> {
        let first = self.first_notified();
        let is_start_observed = first.is_some_and(|(sequence, _)| sequence <= MAX_START_SEQUENCE);
        let notified = first.map(|(_, time)| time);
        if self.lookups.is_empty() {
            return notified;
        }
        let inferred = self.inferred_events();
        let known = notified.into_iter().chain(inferred.iter().map(|inferred| inferred.time)).min()?;
        let start = self.lookups.start_before(known).filter(|_| !is_start_observed);
        Some(start.map_or(known, |start| start.time))
    }

    /// The sequence and effective time of its first notification.
    fn first_notified(&self) -> Option<(u32, Time)> {
        let mut effective = Time::from_millis(i64::MIN);
        for event in self.events() {
            effective = effective.max(event.status.time);
            if !event.is_text_reply() {
                return Some((event.sequence, effective));
            }
        }
        None
    }

    /// Whether a party is one of the two that a session begins with: the caller, and the callee or what takes the
    /// call. Parties are numbered in the order in which they join.
    pub(crate) fn begins_with(&self, party: &str) -> bool {
        let rings_in_turn = self.is_ring_out() || self.is_conference();
        match party.rsplit_once('-').map(|(_, number)| number) {
            Some("1") => true,
            Some("2") => !rings_in_turn,
            _ => false,
        }
    }

    /// Whether a supervisor began it in order to listen: its first leg is a supervisor's, and either listens to
    /// another session or has only supervisors beside it.
    pub(crate) fn is_supervising(&self) -> bool {
        if !self.supervised {
            return false;
        }
        let Some(first) = self.events().find(|event| !event.is_text_reply()) else { return false };
        let supervises = |event: &Event| event.status.reason == Some(Reason::Supervising);
        let own = || self.events().filter(|event| event.leg == first.leg && supervises(event));
        if own().next().is_none() {
            return false;
        }
        let listens = |leg: LegKey| self.events().any(|event| event.leg == leg && supervises(event));
        own().any(|event| event.status.peer().is_some()) || self.events().all(|event| listens(event.leg))
    }

    fn origin(&self) -> Option<Origin> {
        self.origin.get().map(|word| Origin::from(word.as_str()))
    }

    pub(crate) fn is_conference(&self) -> bool {
        self.origin() == Some(Origin::Conference)
    }

    /// RingOut, or its counterpart on web pages: the platform rings both sides.
    pub(crate) fn is_ring_out(&self) -> bool {
        matches!(self.origin(), Some(Origin::RingOut | Origin::RingMe))
    }

    /// The platform places the call on behalf of an extension.
    pub(crate) fn is_call_out(&self) -> bool {
        self.origin() == Some(Origin::CallOut)
    }

    /// Has the rank computed again.
    pub(crate) fn invalidate_rank(&mut self) {
        self.rank.take();
    }

    /// Its rank among the sessions of its call; `find` is called if the session has changed since.
    pub(crate) fn rank_or_find(&self, find: impl FnOnce(&Self) -> Rank) -> Rank {
        *self.rank.get_or_init(|| find(self))
    }

    /// `origin.type` as RingCentral spells it.
    pub(crate) fn origin_word(&self) -> Option<&ShortText> {
        self.origin.get()
    }

    /// `sessionId`: information only, never a key.
    pub(crate) fn legacy_id(&self) -> Option<&ShortText> {
        self.legacy_id.get()
    }

    /// How many sequence numbers lie beyond the last stored one.
    pub(crate) fn beyond_limit(&self) -> u64 {
        match self.events.last_sequence() {
            Some(last) if self.events.len() >= limits::MAX_NOTIFICATIONS_PER_SESSION => {
                u64::from(self.last_seen.abs_diff(last))
            }
            _ => 0,
        }
    }
}
