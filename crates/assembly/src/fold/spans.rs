//! The state of each leg over time, and when it ended.
//!
//! A leg's state is what its own codes say, with two exceptions: a link by which its owner left takes it out of the
//! room from the link's start, whichever end reports it; and a parked leg is connected again when a party resumes it.

use std::ops::Deref;

use hashbrown::HashMap;
use smallvec::SmallVec;
use wholecall_notification::{Code, Reason};
use wholecall_record::{
    Time,
    call::{Kind, LegState, LinkKind},
};

use super::{
    ids::{ChangeIdx, LegIdx, SessionIdx},
    joins::JoinedCall,
    legs::{Change, Room},
    links::{Link, LinkedCall},
    people::AttributedCall,
};
use crate::{index::IdxVec, union_find::UnionFind};

/// A call with the states of its legs.
pub(crate) struct TimedCall<'a> {
    call: JoinedCall<'a>,
    pub(super) states: IdxVec<LegIdx, LegStates>,
    /// Which callee was first answered when, in order of time.
    pub(super) answers: IdxVec<SessionIdx, Answers>,
}

impl<'a> Deref for TimedCall<'a> {
    type Target = JoinedCall<'a>;

    fn deref(&self) -> &JoinedCall<'a> {
        &self.call
    }
}

/// The states of a leg, and its end.
#[derive(Debug, Clone)]
pub(crate) struct LegStates {
    pub(crate) spans: Spans,
    /// When it ended.
    pub(crate) end: Option<Time>,
    /// The change that ended it. `None` if only the other end of a link reports it.
    pub(crate) ended_by: Option<ChangeIdx>,
}

/// The segments of a leg, in order. Few legs have more.
pub(crate) type Spans = SmallVec<[Span; 4]>;

/// The first answers of the callees in a room.
type Answers = SmallVec<[(Time, LegIdx); 2]>;

/// A segment: a stretch of a leg in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) state: LegState,
    pub(crate) start: Time,
    pub(crate) end: Option<Time>,
}

impl LegStates {
    /// The state of the leg at a time. `None` before it begins and after it ended.
    pub(crate) fn at(&self, time: Time) -> Option<LegState> {
        let at = self.spans.partition_point(|span| span.start <= time).checked_sub(1)?;
        let span = self.spans[at];
        span.end.is_none_or(|end| time < end).then_some(span.state)
    }

    /// The state of the leg just before a time.
    pub(crate) fn before(&self, time: Time) -> Option<LegState> {
        let at = self.spans.partition_point(|span| span.start < time).checked_sub(1)?;
        let span = self.spans[at];
        span.end.is_none_or(|end| time <= end).then_some(span.state)
    }
}

/// The state of a leg after one of its own changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnState {
    In(LegState),
    /// Left, by a link or for good.
    Out,
}

impl<'a> TimedCall<'a> {
    pub(super) fn new(call: JoinedCall<'a>) -> Self {
        let mut states: IdxVec<LegIdx, LegStates> =
            call.legs.indices().map(|leg| call.states_of(leg)).collect();
        if !call.links.is_empty() || states.iter().any(|states| states.spans.iter().any(is_parked)) {
            call.resume_parked_legs(&mut states);
            call.close_lingering_legs(&mut states);
        }
        let answers = call.find_answers();
        Self { call, states, answers }
    }

    /// Open legs; the seats of a bridge do not count.
    pub(super) fn open_legs(&self) -> impl Iterator<Item = LegIdx> {
        let is_open = |leg: &LegIdx| self.states[*leg].end.is_none() && self.kinds[*leg] != Kind::Proxy;
        self.legs.indices().filter(is_open)
    }

    /// Whether a leg is open.
    pub(crate) fn is_live(&self) -> bool {
        self.open_legs().next().is_some()
    }

    /// The reason that a leg ended with.
    pub(super) fn end_reason(&self, leg: LegIdx) -> Option<Reason> {
        self.changes[self.states[leg].ended_by?].event.status.reason
    }
}

impl JoinedCall<'_> {
    fn find_answers(&self) -> IdxVec<SessionIdx, Answers> {
        let answers_of = |room: &Room<'_>| {
            let callees = room.legs.clone().filter(|&index| {
                self.legs[index].is_inbound()
                    && self.kinds[index].is_person()
                    && room.originator != Some(index)
            });
            let mut answers: Answers =
                callees.filter_map(|leg| Some((self.first_answer(leg)?, leg))).collect();
            answers.sort_unstable();
            answers
        };
        self.rooms.iter().map(answers_of).collect()
    }

    fn states_of(&self, index: LegIdx) -> LegStates {
        let leg = &self.legs[index];
        // While a link that it left by is open, a leg is absent whatever its codes say.
        let absences: Vec<Absence> = match self.links.is_empty() {
            true => Vec::new(),
            false => self
                .links
                .iter()
                .filter(|link| link.removes_both_legs() && link.names(index))
                .filter(|link| !self.is_host_leg_in_bridge(index, link))
                .map(|link| {
                    let absent_state = match self.is_host_leg_unseen(link) {
                        true => OwnState::In(LegState::Gone),
                        false => OwnState::Out,
                    };
                    // By another server's clock the link may have opened before the leg began.
                    Absence { start: link.start.max(leg.start), end: link.end, absent_state }
                })
                .filter(|absence| absence.end.is_none_or(|end| absence.start < end))
                .collect(),
        };
        let mut states = States { spans: Spans::new(), out: None };
        let mut absences = Absences::new(absences);
        let mut own = None;
        for at in leg.changes.clone() {
            let time = self.changes[at].time;
            absences.advance(Some(time), own, &mut states);
            let Some(next) = self.own_state(at, own) else { continue };
            own = Some(next);
            let state = match (absences.open_at(time), next) {
                // The host of a conference has left only when the leg says so.
                (Some(OwnState::In(_)), OwnState::Out) | (None, _) => next,
                (Some(absent_state), _) => absent_state,
            };
            states.enter(state, time, Some(at));
        }
        absences.advance(None, own, &mut states);
        LegStates {
            spans: states.spans,
            // A link may report its end before its first notification.
            end: states.out.map(|(time, _)| time.max(leg.start)),
            ended_by: states.out.and_then(|(_, by)| by),
        }
    }

    /// The state after a change. `None` if the change does not affect it.
    fn own_state(&self, at: ChangeIdx, before: Option<OwnState>) -> Option<OwnState> {
        let status = &self.changes[at].event.status;
        let state = match status.code? {
            Code::Setup => LegState::Setup,
            Code::Proceeding => LegState::Ringing,
            Code::Answered => LegState::Connected,
            Code::Hold => LegState::Holding,
            Code::Parked => LegState::Parked,
            Code::Voicemail | Code::VoicemailScreening => LegState::Voicemail,
            Code::FaxReceive => LegState::Fax,
            Code::Gone if self.remains_in_call(at) => LegState::Connected,
            Code::Gone if self.enters_unseen_bridge(at) => LegState::Gone,
            Code::Gone => return Some(OwnState::Out),
            // A leg that has left does not leave again.
            Code::Disconnected => return (before != Some(OwnState::Out)).then_some(OwnState::Out),
            Code::Other => return None,
        };
        Some(OwnState::In(state))
    }

    /// Parked legs are connected again when a pickup reaches their room, or when a new leg in their room is answered.
    fn resume_parked_legs(&self, states: &mut IdxVec<LegIdx, LegStates>) {
        for index in self.legs.indices() {
            if !states[index].spans.iter().any(is_parked) {
                continue;
            }
            let mut spans = Spans::new();
            let mut append = |span: Span| match spans.last_mut() {
                Some(last) if last.state == span.state && last.end == Some(span.start) => last.end = span.end,
                _ => spans.push(span),
            };
            for span in std::mem::take(&mut states[index].spans) {
                match self.resumed_at(index, span, states) {
                    Some(time) if is_parked(&span) => {
                        append(Span { end: Some(time), ..span });
                        append(Span { state: LegState::Connected, start: time, end: span.end });
                    }
                    _ => append(span),
                }
            }
            states[index].spans = spans;
        }
    }

    fn resumed_at(&self, index: LegIdx, span: Span, states: &IdxVec<LegIdx, LegStates>) -> Option<Time> {
        let room = self.legs[index].room;
        let parked = |time: &Time| *time > span.start && span.end.is_none_or(|end| *time < end);
        let pickups = self.links.iter().filter(|link| {
            let group = |room| self.join_timeline.group(room, link.start);
            link.kind == LinkKind::Pickup && group(link.b.room) == group(room)
        });
        let parked_by = |change: &&Change<'_>| {
            change.event.status.code == Some(Code::Parked) && change.time <= span.start
        };
        let sequence = self.changes_of(index).iter().rfind(parked_by).map(|change| change.event.sequence);
        let new_legs = self.rooms[room].legs.clone().filter(|&leg| {
            let leg = &self.legs[leg];
            Some(leg.first_sequence) > sequence && !leg.supervises && leg.is_inbound()
        });
        // The next stop of the parked caller: a phone that rings, a queue, a mailbox.
        let stops = new_legs.filter_map(|leg| {
            let mailbox = states[leg].spans.iter().find(|span| span.state == LegState::Voicemail);
            let rings = self.kinds[leg].is_person() || self.kinds[leg] == Kind::Queue;
            rings.then_some(self.legs[leg].start).or(mailbox.map(|span| span.start))
        });
        pickups.map(|link| link.start).chain(stops).filter(parked).min()
    }

    /// A leg that stayed after its `Gone` ends with `Disconnected`, or when all other legs of the rooms it was joined
    /// with have ended.
    fn close_lingering_legs(&self, states: &mut IdxVec<LegIdx, LegStates>) {
        let is_lingering =
            |leg: &LegIdx| states[*leg].end.is_none() && self.ends_with_other_legs(*leg, &states[*leg]);
        let lingering: Vec<LegIdx> = self.legs.indices().filter(is_lingering).collect();
        if lingering.is_empty() {
            return;
        }
        let mut sets = UnionFind::new(self.rooms.indices());
        self.links.iter().for_each(|link| sets.unite([link.a.room, link.b.room]));
        // When all other legs had ended in every room that was ever joined or listened to.
        let mut ended: HashMap<SessionIdx, Option<Time>> = HashMap::new();
        let mut waiting = lingering.iter().copied().peekable();
        for (index, leg) in self.legs.iter_enumerated() {
            if waiting.next_if_eq(&index).is_none() && self.kinds[index] != Kind::Proxy {
                let end = states[index].end;
                let part = ended.entry(sets.find(leg.room)).or_insert(end);
                *part = part.zip(end).map(|(last, end)| last.max(end));
            }
        }
        for index in lingering {
            let leg = &self.legs[index];
            let Some(end) = ended.get(&sets.find(leg.room)).copied().flatten() else { continue };
            let end = end.max(leg.start);
            let states = &mut states[index];
            states.end = Some(end);
            states.spans.retain(|span| span.start < end);
            if let Some(last) = states.spans.last_mut() {
                last.end = Some(last.end.map_or(end, |known| known.min(end)));
            }
        }
    }

    fn ends_with_other_legs(&self, leg: LegIdx, states: &LegStates) -> bool {
        let changes = self.legs[leg].changes.clone();
        let last = changes.rev().find(|&at| self.changes[at].event.status.code.is_some());
        let is_hosting = states.spans.last().is_some_and(|span| span.state == LegState::Gone);
        is_hosting
            || last.is_some_and(|at| {
                self.changes[at].event.status.code == Some(Code::Gone) && self.remains_in_call(at)
            })
    }
}

impl AttributedCall<'_> {
    /// Whether a leg is the host's own in the bridge of a link: it stays, unless it reports itself that it left by
    /// that link.
    pub(super) fn is_host_leg_in_bridge(&self, index: LegIdx, link: &Link) -> bool {
        let leg = &self.legs[index];
        let bridge = link.kind == LinkKind::Conference && self.bridge_of(link).leg == Some(index);
        bridge && self.kinds[index].is_person() && !link.proof.iter().any(|&at| leg.changes.contains(at))
    }

    /// Whether the host's own leg in the bridge of a conference link was not observed: then the leg from which the
    /// host opened the link continues until it ends itself.
    pub(super) fn is_host_leg_unseen(&self, link: &Link) -> bool {
        if link.kind != LinkKind::Conference {
            return false;
        }
        let host = self.host_of(link);
        let mut legs = self.rooms[self.bridge_of(link).room].legs.clone();
        let is_hosts = |leg: LegIdx| {
            let is_end = link.names(leg) && !self.is_host_leg_in_bridge(leg, link);
            self.kinds[leg].is_person() && self.owners[leg] == host && !is_end
        };
        !legs.any(is_hosts)
    }

    /// Whether by a `Gone` its owner went into a conference in which their own leg was not observed.
    fn enters_unseen_bridge(&self, change: ChangeIdx) -> bool {
        self.links.iter().any(|link| link.proof.contains(&change) && self.is_host_leg_unseen(link))
    }
}

impl LinkedCall<'_> {
    /// Whether a `Gone` leaves its owner in the call: a pickup, a take-over, or listening.
    fn remains_in_call(&self, change: ChangeIdx) -> bool {
        match self.links.iter().find(|link| link.proof.contains(&change)) {
            Some(link) => !link.removes_both_legs(),
            // The other end belongs to another call: a supervisor listens to several.
            None => {
                let status = &self.changes[change].event.status;
                status.peer().is_some() && status.reason == Some(Reason::Supervising)
            }
        }
    }
}

pub(super) fn is_parked(span: &Span) -> bool {
    span.state == LegState::Parked
}

/// The time for which a leg is absent because it left by a link.
#[derive(Debug, Clone, Copy)]
struct Absence {
    start: Time,
    end: Option<Time>,
    /// The leg's state meanwhile.
    absent_state: OwnState,
}

/// The absences of a leg, in order.
struct Absences {
    absences: Vec<Absence>,
    applied: usize,
}

impl Absences {
    fn new(mut absences: Vec<Absence>) -> Self {
        absences.sort_by_key(|absence| absence.start);
        absences.dedup_by(|next, last| {
            let is_within =
                last.absent_state == next.absent_state && last.end.is_none_or(|last| next.start <= last);
            if is_within {
                last.end = last.end.zip(next.end).map(|(last, end)| last.max(end));
            }
            is_within
        });
        Self { absences, applied: 0 }
    }

    /// Applies the absences that begin or end up to a time: during an absence a leg is away; after it, the leg is
    /// again in the state of its own codes.
    fn advance(&mut self, until: Option<Time>, own: Option<OwnState>, states: &mut States) {
        while let Some(&Absence { start, end, absent_state }) = self.absences.get(self.applied) {
            if until.is_some_and(|until| until < start) {
                return;
            }
            if own != Some(OwnState::Out) || absent_state == OwnState::Out {
                states.enter(absent_state, start, None);
            }
            self.applied += 1;
            if let (Some(end), Some(own @ OwnState::In(_))) = (end, own)
                && until.is_none_or(|until| end < until)
                && self.open_at(end).is_none()
            {
                states.enter(own, end, None);
            }
        }
    }

    /// The leg's state by the absences that are open at a time. `None` if none is open.
    fn open_at(&self, time: Time) -> Option<OwnState> {
        let open =
            self.absences[..self.applied].iter().filter(|absence| absence.end.is_none_or(|end| time < end));
        open.map(|absence| absence.absent_state).max_by_key(|absent_state| *absent_state == OwnState::Out)
    }
}

/// Collects spans.
struct States {
    spans: Spans,
    /// When the leg left, and by which change.
    out: Option<(Time, Option<ChangeIdx>)>,
}

impl States {
    fn enter(&mut self, next: OwnState, time: Time, by: Option<ChangeIdx>) {
        match next {
            OwnState::Out => {
                if self.out.is_none() {
                    self.close(time);
                    self.out = Some((time, by));
                } else if let Some((_, known @ None)) = &mut self.out {
                    *known = by;
                }
            }
            OwnState::In(state) => {
                if let Some((since, _)) = self.out.take() {
                    // It came back: meanwhile it was in another room.
                    self.push(LegState::Gone, since);
                }
                self.close(time);
                match self.spans.last_mut() {
                    // Between two parks it may have been resumed.
                    Some(last) if last.state == state && last.end == Some(time) && !is_parked(last) => {
                        last.end = None
                    }
                    _ => self.push(state, time),
                }
            }
        }
    }

    fn close(&mut self, time: Time) {
        if let Some(last) = self.spans.last_mut()
            && last.end.is_none()
        {
            // A state of no duration is dropped.
            match last.start < time {
                true => last.end = Some(time),
                false => drop(self.spans.pop()),
            }
        }
    }

    fn push(&mut self, state: LegState, start: Time) {
        self.spans.push(Span { state, start, end: None });
    }
}
