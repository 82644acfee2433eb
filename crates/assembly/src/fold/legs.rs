//! The rooms of a call (one for each session), their legs, and each leg's changes in order, with effective times.

use std::cmp::Ordering;

use smallvec::SmallVec;
use wholecall_notification::{Code, Direction, Reason};
use wholecall_record::ShortText;
use wholecall_record::{PartyId, Time, call::EvidenceKind};

use super::{
    ids::{ChangeIdx, LegIdx, SessionIdx},
    input::FoldInput,
};
use crate::{
    description::Description,
    event::Event,
    index::{Idx, IdxRange, IdxVec},
    legs::{LegKey, Legs},
    session::Session,
};

/// The legs of a call and their changes.
pub(crate) struct ObservedCall<'a> {
    pub(super) input: FoldInput<'a>,
    /// Observed rooms in order of their start, then the others.
    pub(super) rooms: IdxVec<SessionIdx, Room<'a>>,
    /// Legs by room, in order of their first change.
    pub(super) legs: IdxVec<LegIdx, Leg<'a>>,
    /// The changes of all legs, contiguous for each leg.
    pub(super) changes: IdxVec<ChangeIdx, Change<'a>>,
    /// The latest effective time of any notification.
    pub(super) last_event: Time,
}

/// A session, as the fold sees it.
pub(crate) struct Room<'a> {
    pub(crate) session: &'a Session,
    pub(crate) legs: IdxRange<LegIdx>,
    /// The first change of its first leg. `None` if the session was not observed.
    pub(crate) start: Option<Time>,
    pub(crate) is_conference: bool,
    /// A supervisor dialled in to listen.
    pub(crate) is_supervising: bool,
    /// The leg that began the session. `None` if it was not observed or cannot be determined.
    pub(crate) originator: Option<LegIdx>,
}

/// A party of a session.
pub(crate) struct Leg<'a> {
    pub(crate) room: SessionIdx,
    /// Index among its session's legs.
    pub(crate) key: LegKey,
    pub(crate) party: PartyId,
    /// Recordings that it began.
    pub(crate) recordings: &'a [ShortText],
    pub(crate) description: Description<'a>,
    pub(crate) changes: IdxRange<ChangeIdx>,
    pub(crate) first_sequence: u32,
    /// When it began; if `is_start_known` is false, an upper bound.
    pub(crate) start: Time,
    pub(crate) is_start_known: bool,
    pub(crate) direction: Direction,
    /// The codes of its changes.
    pub(crate) codes: Codes,
    /// One of its changes has the reason `Supervising`.
    pub(crate) supervises: bool,
    /// One of its changes is marked as a missed call.
    pub(crate) missed: bool,
}

/// A change of a leg at its effective time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) time: Time,
    pub(crate) event: &'a Event,
}

impl Change<'_> {
    pub(super) fn is_answer(&self) -> bool {
        self.event.status.code == Some(Code::Answered)
    }
}

impl Leg<'_> {
    pub(crate) fn is_inbound(&self) -> bool {
        self.direction == Direction::Inbound
    }

    /// Whether it was alerted.
    pub(crate) fn rang(&self) -> bool {
        self.codes.has(Code::Proceeding)
    }
}

/// A set of status codes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Codes(u16);

impl Codes {
    fn add(&mut self, code: Code) {
        self.0 |= 1 << code as u16;
    }

    pub(crate) fn has(self, code: Code) -> bool {
        self.0 & 1 << code as u16 != 0
    }

    /// Whether it contains no codes but these.
    pub(crate) fn only(self, codes: &[Code]) -> bool {
        codes.iter().fold(self.0, |left, code| left & !(1 << *code as u16)) == 0
    }
}

impl<'a> ObservedCall<'a> {
    pub(super) fn new(input: FoldInput<'a>) -> Self {
        let mut sessions: SmallVec<[(Option<Time>, &'a Session); 8]> =
            input.sessions.iter().map(|session| (session.start(), *session)).collect();
        // Sessions that were not observed come last.
        sessions.sort_by(|(a, x), (b, y)| {
            a.is_none().cmp(&b.is_none()).then_with(|| a.cmp(b)).then_with(|| x.id.cmp(&y.id))
        });
        let leg_count = sessions.iter().map(|(_, session)| session.legs.len()).sum();
        let change_count = sessions.iter().map(|(_, session)| session.event_count()).sum();
        let mut call = Self {
            input,
            rooms: IdxVec::with_capacity(sessions.len()),
            legs: IdxVec::with_capacity(leg_count),
            changes: IdxVec::with_capacity(change_count),
            last_event: Time::from_millis(i64::MIN),
        };
        let mut indices = IdxVec::new();
        for (start, session) in sessions {
            let legs = call.add_legs_of(session, &mut indices);
            let is_conference = session.is_conference();
            call.rooms.push(Room {
                session,
                start,
                is_conference,
                is_supervising: session.is_supervising(),
                originator: if is_conference { None } else { call.find_originator(&legs) },
                legs,
            });
        }
        call
    }

    fn add_legs_of(
        &mut self,
        session: &'a Session,
        indices: &mut IdxVec<LegKey, Option<LegIdx>>,
    ) -> IdxRange<LegIdx> {
        let room = self.rooms.next_index();
        let (first_leg, first_change) = (self.legs.next_index(), self.changes.next_index());
        // Index in `self.legs` of each of the session's legs; legs are in order of their first change.
        indices.clear();
        indices.resize(session.legs.keys().end(), None);
        let inferred = session.inferred_events();
        let notified = session.events().filter(|event| !event.is_text_reply());
        let all = notified
            .map(|event| (event.leg, event))
            .chain(inferred.iter().map(|event| (event.leg, event.event)));
        for (leg, event) in all {
            let new_leg = || self.legs.push(Leg::new(room, &session.legs, leg, event.sequence));
            let index = *indices[leg].get_or_insert_with(new_leg);
            self.legs[index].changes.lengthen();
        }
        let legs = IdxRange::new(first_leg, self.legs.next_index());
        // Each leg's changes are contiguous.
        let mut next = first_change;
        for leg in &mut self.legs[&legs] {
            let end = ChangeIdx::new(next.get() + leg.changes.len());
            leg.changes = IdxRange::new(next, next);
            next = end;
        }
        let any = session.events().next().or_else(|| inferred.first().map(|first| first.event));
        let Some(event) = any else { return legs };
        self.changes.resize(next, Change { time: self.last_event, event });
        let mut effective = Time::from_millis(i64::MIN);
        for event in session.events() {
            // A server's clock may jump back; later changes did not happen before.
            effective = effective.max(event.status.time);
            if event.is_text_reply() {
                continue;
            }
            self.add_change(indices[event.leg], effective, event);
        }
        for inferred_event in &inferred {
            effective = effective.max(inferred_event.time);
            self.add_change(indices[inferred_event.leg], inferred_event.time, inferred_event.event);
        }
        if !inferred.is_empty() {
            for leg in &mut self.legs[&legs] {
                let changes = &mut self.changes[&leg.changes];
                // Effective times are sorted: notifications keep theirs.
                changes.sort_by_key(|change| change.time);
                leg.start = changes.first().map_or(leg.start, |first| first.time);
            }
            self.find_starts(session, legs.clone());
        }
        self.last_event = self.last_event.max(effective);
        legs
    }

    /// A leg that a lookup answer showed first had begun before. The legs that a session begins with began with the
    /// session.
    fn find_starts(&mut self, session: &Session, legs: IdxRange<LegIdx>) {
        let start = session.start();
        for at in legs {
            let leg = &self.legs[at];
            let first = self.changes.get(leg.changes.start()).map(|change| change.event.kind);
            if first != Some(Some(EvidenceKind::Snapshot)) {
                continue;
            }
            let lookup_start =
                session.begins_with(&leg.party).then(|| session.lookups().start_before(leg.start)).flatten();
            let leg = &mut self.legs[at];
            leg.is_start_known = lookup_start.is_some() && start.is_some();
            if let (true, Some(start)) = (leg.is_start_known, start) {
                leg.start = leg.start.min(start);
            }
        }
    }

    fn add_change(&mut self, leg: Option<LegIdx>, time: Time, event: &'a Event) {
        let Some(leg) = leg.map(|leg| &mut self.legs[leg]) else { return };
        if leg.changes.is_empty() {
            leg.start = time;
        }
        if let Some(code) = event.status.code {
            leg.codes.add(code);
        }
        leg.supervises |= event.status.reason == Some(Reason::Supervising);
        leg.missed |= event.status.missed;
        self.changes[leg.changes.lengthen()] = Change { time, event };
    }

    /// The session's Outbound leg with the lowest sequence, unless it is a supervisor's. A leg by which a user
    /// continues at another device began nothing.
    fn find_originator(&self, legs: &IdxRange<LegIdx>) -> Option<LegIdx> {
        let leg = legs.clone().find(|&leg| self.legs[leg].direction == Direction::Outbound)?;
        (!self.legs[leg].supervises && !self.continues_another_of(legs, leg)).then_some(leg)
    }

    /// Whether a user continues by this leg a call that an earlier leg of the session had: a switch, a flip, or a
    /// pickup at another device.
    pub(super) fn continues_another(&self, leg: LegIdx) -> bool {
        self.continues_another_of(&self.rooms[self.legs[leg].room].legs, leg)
    }

    fn continues_another_of(&self, legs: &IdxRange<LegIdx>, leg: LegIdx) -> bool {
        let owner = self.legs[leg].description.extension;
        let earlier = legs.clone().take_while(|&earlier| earlier < leg);
        earlier.flat_map(|earlier| self.changes_of(earlier).iter().map(move |change| (earlier, change))).any(
            |(earlier, change)| {
                let same_owner = owner.is_some() && self.legs[earlier].description.extension == owner;
                match change.event.status.reason {
                    _ if change.event.status.code != Some(Code::Disconnected) => false,
                    Some(Reason::CallSwitch | Reason::Pickup) => same_owner,
                    // The leg that a call was flipped to begins before the old one ends, or is the next one.
                    Some(Reason::CallFlip) => {
                        let has_begun = |&other: &LegIdx| {
                            other != earlier && self.legs[other].first_sequence < change.event.sequence
                        };
                        let latest = legs.clone().rev().find(has_begun).filter(|&latest| latest > earlier);
                        let next = || legs.clone().find(|other| *other > earlier);
                        latest.or_else(next) == Some(leg)
                    }
                    _ => false,
                }
            },
        )
    }

    pub(super) fn changes_of(&self, leg: LegIdx) -> &[Change<'a>] {
        &self.changes[&self.legs[leg].changes]
    }

    /// The leg that a change belongs to.
    pub(super) fn leg_of_change(&self, change: ChangeIdx) -> LegIdx {
        self.legs.partition_point(|leg| leg.changes.end() <= change)
    }

    /// When a leg was first answered.
    pub(super) fn first_answer(&self, leg: LegIdx) -> Option<Time> {
        self.changes_of(leg).iter().find(|change| change.is_answer()).map(|change| change.time)
    }

    /// Earlier first; simultaneous changes in different sessions in order of the sessions' ids.
    pub(super) fn order_of_changes(&self, x: ChangeIdx, y: ChangeIdx) -> Ordering {
        let (a, b) = (&self.changes[x], &self.changes[y]);
        let room = |change: ChangeIdx| self.legs[self.leg_of_change(change)].room;
        a.time
            .cmp(&b.time)
            .then_with(|| self.order_of_rooms(room(x), room(y)))
            .then_with(|| a.event.sequence.cmp(&b.event.sequence))
            .then_with(|| x.cmp(&y))
    }

    pub(super) fn order_of_rooms(&self, x: SessionIdx, y: SessionIdx) -> Ordering {
        let id = |room: SessionIdx| -> &str { &self.rooms[room].session.id };
        id(x).cmp(id(y))
    }
}

impl<'a> Leg<'a> {
    fn new(room: SessionIdx, legs: &'a Legs, key: LegKey, first_sequence: u32) -> Self {
        let description = legs.description(key);
        let direction = match description.direction {
            Some(direction @ (Direction::Inbound | Direction::Outbound)) => direction,
            // Without a direction: the owner is the caller if `from` names it.
            _ if description.extension.is_some() && description.from.extension == description.extension => {
                Direction::Outbound
            }
            _ => Direction::Inbound,
        };
        Self {
            room,
            key,
            party: PartyId::from(legs.id(key)),
            recordings: legs.recordings(key),
            description,
            changes: IdxRange::new(ChangeIdx::new(0), ChangeIdx::new(0)),
            first_sequence,
            start: Time::from_millis(i64::MIN),
            is_start_known: true,
            direction,
            codes: Codes::default(),
            supervises: false,
            missed: false,
        }
    }
}
