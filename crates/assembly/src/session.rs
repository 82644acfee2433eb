//! A telephony session as kept: its legs, and its state changes in order.

use std::collections::HashMap;

use compact_str::CompactString;
use wholecall_notification::{Notification, Origin, Party, Reason};
use wholecall_record::{PartyId, SessionId, Time};

use crate::{
    description::Descriptions,
    event::{Event, Statement},
    event_log::{Added, EventLog},
    limits,
};

/// A session. One that is only named by a link has no events yet.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) legs: Vec<LegStore>,
    /// Where a party's leg is, in sessions of so many legs that searching takes time.
    leg_index: HashMap<PartyId, u32>,
    /// Slots of legs whose last event was dropped.
    free_legs: Vec<u32>,
    events: EventLog,
    origin: FirstSaid,
    legacy_id: FirstSaid,
    /// The highest sequence number seen, kept or not.
    last_seen: i64,
}

/// A leg: what it is called, and how it was described.
#[derive(Debug)]
pub(crate) struct LegStore {
    pub(crate) id: PartyId,
    pub(crate) descriptions: Descriptions,
    pub(crate) recordings: Vec<CompactString>,
    /// How many events are kept of it.
    events: u32,
}

/// A word said of the whole session: the earliest counts, whatever order they come in.
#[derive(Debug, Default)]
struct FirstSaid(Option<(i64, CompactString)>);

impl FirstSaid {
    fn hear(&mut self, sequence: i64, word: Option<&str>) {
        let Some(word) = word else { return };
        let earlier = |(at, known): &(i64, CompactString)| (*at, known.as_str()) <= (sequence, word);
        if !self.0.as_ref().is_some_and(earlier) {
            self.0 = Some((sequence, CompactString::from(word)));
        }
    }

    fn get(&self) -> Option<&CompactString> {
        self.0.as_ref().map(|(_, word)| word)
    }
}

/// What came of adding a notification's party to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing new: a copy.
    Duplicate,
    /// Beyond the limit: counted only.
    Beyond,
    /// Something new.
    News {
        of: News,
        /// Nothing later was known of the session, so no other change's effective time has moved.
        last: bool,
    },
}

/// What is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// A leg, by its first change.
    Leg,
    /// A change of a known leg.
    Change,
    /// What a further copy of a known change adds to it.
    Copy,
}

impl Session {
    /// Above this, legs are found by an index.
    const FEW_LEGS: usize = 16;

    pub(crate) fn new(id: SessionId) -> Self {
        Self {
            id,
            legs: Vec::new(),
            leg_index: HashMap::new(),
            free_legs: Vec::new(),
            events: EventLog::default(),
            origin: FirstSaid::default(),
            legacy_id: FirstSaid::default(),
            last_seen: i64::MIN,
        }
    }

    /// Takes in what a notification says of one party.
    pub(crate) fn hear(&mut self, notification: &Notification<'_>, party: &Party<'_>) -> Heard {
        let sequence = notification.sequence();
        self.last_seen = self.last_seen.max(sequence);
        let full = self.events.len() >= limits::NOTIFICATIONS_PER_SESSION;
        if full && self.events.last_sequence().is_some_and(|last| sequence > last) {
            return Heard::Beyond;
        }
        self.origin.hear(sequence, notification.body.origin.kind.as_deref());
        self.legacy_id.hear(sequence, notification.body.session_id.as_deref());
        let leg = self.leg(party.id());
        let uuid = notification.uuid.as_deref();
        let said = Statement::of(notification, party);
        let described = self.legs[leg as usize].describe(sequence, uuid, party);
        let legs = &self.legs;
        let added = self.events.add(sequence, leg, uuid, said, |leg| &legs[leg as usize].id);
        match added {
            Added::Duplicate if !described => Heard::Duplicate,
            Added::Duplicate | Added::Changed => Heard::News { of: News::Copy, last: false },
            Added::New { last } => {
                let leg = &mut self.legs[leg as usize];
                leg.events += 1;
                let of = if leg.events == 1 { News::Leg } else { News::Change };
                if full {
                    self.drop_last_event();
                }
                Heard::News { of, last }
            }
        }
    }

    /// The leg of a party, new if need be.
    fn leg(&mut self, party: &str) -> u32 {
        let known = match self.legs.len() <= Self::FEW_LEGS {
            true => self.legs.iter().position(|leg| &*leg.id == party).map(|at| at as u32),
            false => self.leg_index.get(party).copied(),
        };
        if let Some(leg) = known {
            return leg;
        }
        let leg = LegStore {
            id: PartyId::from(party),
            descriptions: Descriptions::default(),
            recordings: Vec::new(),
            events: 0,
        };
        let id = leg.id.clone();
        let at = self.free_legs.pop().unwrap_or(self.legs.len() as u32);
        match self.legs.get_mut(at as usize) {
            Some(slot) => *slot = leg,
            None => self.legs.push(leg),
        }
        if self.legs.len() > Self::FEW_LEGS {
            if self.leg_index.is_empty() {
                let ids = self.legs.iter().enumerate();
                self.leg_index = ids.map(|(at, leg)| (leg.id.clone(), at as u32)).collect();
            }
            self.leg_index.insert(id, at);
        }
        at
    }

    fn drop_last_event(&mut self) {
        let Some(dropped) = self.events.drop_last() else { return };
        let leg = &mut self.legs[dropped.leg as usize];
        leg.events -= 1;
        if leg.events == 0 {
            self.leg_index.remove(&leg.id);
            self.free_legs.push(dropped.leg);
        }
    }

    /// Whether any notification of it came.
    pub(crate) fn is_seen(&self) -> bool {
        self.events.len() > 0
    }

    /// Its state changes, in order.
    pub(crate) fn events(&self) -> impl DoubleEndedIterator<Item = &Event> + Clone {
        self.events.iter()
    }

    pub(crate) fn event_count(&self) -> usize {
        self.events.len()
    }

    /// When its first leg began.
    pub(crate) fn start(&self) -> Option<Time> {
        let mut effective = Time::from_millis(i64::MIN);
        for event in self.events() {
            effective = effective.max(event.said.time);
            if !event.is_text_reply() {
                return Some(effective);
            }
        }
        None
    }

    /// Whether a supervisor began it in order to listen: its first leg is a supervisor's, and either went to
    /// listen elsewhere or has none but supervisors beside it.
    pub(crate) fn is_supervising(&self) -> bool {
        let Some(first) = self.events().find(|event| !event.is_text_reply()) else { return false };
        let supervises = |event: &Event| event.said.reason == Some(Reason::Supervising);
        let own = || self.events().filter(|event| event.leg == first.leg && supervises(event));
        if own().next().is_none() {
            return false;
        }
        let listens = |leg: u32| self.events().any(|event| event.leg == leg && supervises(event));
        own().any(|event| event.said.peer().is_some()) || self.events().all(|event| listens(event.leg))
    }

    fn origin(&self) -> Option<Origin> {
        self.origin.get().map(|word| Origin::from(word.as_str()))
    }

    pub(crate) fn is_conference(&self) -> bool {
        self.origin() == Some(Origin::Conference)
    }

    /// RingOut, or its sister on web pages: the platform rings both sides.
    pub(crate) fn is_ring_out(&self) -> bool {
        matches!(self.origin(), Some(Origin::RingOut | Origin::RingMe))
    }

    /// `origin.type` as RingCentral words it.
    pub(crate) fn origin_word(&self) -> Option<&CompactString> {
        self.origin.get()
    }

    /// `sessionId`: data, never a key.
    pub(crate) fn legacy_id(&self) -> Option<&CompactString> {
        self.legacy_id.get()
    }

    /// How many sequence numbers lie beyond the last that is kept.
    pub(crate) fn beyond_limit(&self) -> u64 {
        match self.events.last_sequence() {
            Some(last) if self.events.len() >= limits::NOTIFICATIONS_PER_SESSION => self.last_seen.abs_diff(last),
            _ => 0,
        }
    }
}

impl LegStore {
    /// Takes in the descriptive fields; tells whether that changes anything.
    fn describe(&mut self, sequence: i64, uuid: Option<&str>, party: &Party<'_>) -> bool {
        let mut news = self.descriptions.add(sequence, uuid, party);
        for id in party.recordings.iter().filter_map(|recording| recording.id.as_deref()) {
            if let Err(place) = self.recordings.binary_search_by(|known| known.as_str().cmp(id)) {
                self.recordings.insert(place, CompactString::from(id));
                news = true;
            }
        }
        news
    }
}
