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
    uuid::Uuid,
};

/// A session. One that is only named by a link has no events yet.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) legs: Vec<LegStore>,
    /// In a session of many legs, where each is.
    many_legs: Option<Box<ManyLegs>>,
    events: EventLog,
    origin: FirstSaid,
    legacy_id: FirstSaid,
    /// The highest sequence number seen, kept or not.
    last_seen: u32,
    /// Some leg of it is, or was once said to be, a supervisor's.
    supervised: bool,
}

/// What a session of so many legs needs that searching for one takes time.
#[derive(Debug, Default)]
struct ManyLegs {
    index: HashMap<PartyId, u16>,
    /// Slots of legs whose last event was dropped.
    free: Vec<u16>,
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
struct FirstSaid(Option<(u32, CompactString)>);

impl FirstSaid {
    fn hear(&mut self, sequence: u32, word: Option<&str>) {
        let Some(word) = word else { return };
        let earlier = |(at, known): &(u32, CompactString)| (*at, known.as_str()) <= (sequence, word);
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
            many_legs: None,
            events: EventLog::default(),
            origin: FirstSaid::default(),
            legacy_id: FirstSaid::default(),
            last_seen: 0,
            supervised: false,
        }
    }

    /// Takes in what a notification says of one party.
    pub(crate) fn hear(&mut self, notification: &Notification<'_, '_>, party: &Party<'_>) -> Heard {
        let sequence = notification.sequence();
        self.last_seen = self.last_seen.max(sequence);
        let full = self.events.len() >= limits::NOTIFICATIONS_PER_SESSION;
        if full && self.events.last_sequence().is_some_and(|last| sequence > last) {
            return Heard::Beyond;
        }
        self.origin.hear(sequence, notification.body().origin.kind.as_deref());
        self.legacy_id.hear(sequence, notification.body().session_id.as_deref());
        let leg = self.leg(party.id());
        let uuid = notification.uuid().map(Uuid::new);
        let said = Statement::of(notification, party);
        let described = self.legs[leg as usize].describe(sequence, uuid.as_ref(), party);
        self.supervised |= said.reason == Some(Reason::Supervising);
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
    fn leg(&mut self, party: &str) -> u16 {
        let known = match &self.many_legs {
            None => self.legs.iter().position(|leg| &*leg.id == party).map(|at| at as u16),
            Some(many) => many.index.get(party).copied(),
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
        if self.legs.len() == Self::FEW_LEGS && self.many_legs.is_none() {
            let ids = self.legs.iter().enumerate();
            let index = ids.map(|(at, leg)| (leg.id.clone(), at as u16)).collect();
            self.many_legs = Some(Box::new(ManyLegs { index, free: Vec::new() }));
        }
        // There are no more legs than notifications are kept, and one more.
        let mut at = self.legs.len() as u16;
        if let Some(many) = &mut self.many_legs {
            at = many.free.pop().unwrap_or(at);
            many.index.insert(leg.id.clone(), at);
        }
        match self.legs.get_mut(at as usize) {
            Some(slot) => *slot = leg,
            None => {
                // Most sessions have two or three.
                if self.legs.is_empty() {
                    self.legs.reserve_exact(2);
                }
                self.legs.push(leg);
            }
        }
        at
    }

    fn drop_last_event(&mut self) {
        let Some(dropped) = self.events.drop_last() else { return };
        let leg = &mut self.legs[dropped.leg as usize];
        leg.events -= 1;
        // A session that is full has many legs, or its legs have many events.
        if leg.events == 0
            && let Some(many) = &mut self.many_legs
        {
            many.index.remove(&leg.id);
            many.free.push(dropped.leg);
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
        if !self.supervised {
            return false;
        }
        let Some(first) = self.events().find(|event| !event.is_text_reply()) else { return false };
        let supervises = |event: &Event| event.said.reason == Some(Reason::Supervising);
        let own = || self.events().filter(|event| event.leg == first.leg && supervises(event));
        if own().next().is_none() {
            return false;
        }
        let listens = |leg: u16| self.events().any(|event| event.leg == leg && supervises(event));
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
            Some(last) if self.events.len() >= limits::NOTIFICATIONS_PER_SESSION => u64::from(self.last_seen.abs_diff(last)),
            _ => 0,
        }
    }
}

impl LegStore {
    /// Takes in the descriptive fields; tells whether that changes anything.
    fn describe(&mut self, sequence: u32, uuid: Option<&Uuid>, party: &Party<'_>) -> bool {
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
