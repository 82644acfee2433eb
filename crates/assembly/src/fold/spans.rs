//! The state of each leg over time, and when it ended.
//!
//! A leg's state is what its own codes say, with two exceptions: a link by which its owner left takes it out of the
//! room from the link's start, whichever end reports it; and a parked leg is connected again when a party resumes it.

use hashbrown::HashMap;
use wholecall_notification::{Code, Reason};
use wholecall_record::{
    Time,
    call::{Kind, LegState, LinkKind},
};

use super::{
    Fold,
    ids::{ChangeIdx, LegIdx, SessionIdx},
    legs::{Leg, Span, Spans},
    links::{self, JoinTimeline, Link},
};
use crate::union_find::UnionFind;

/// The state of a leg after one of its own changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnState {
    In(LegState),
    /// Left, by a link or for good.
    Out,
}

impl Fold<'_> {
    /// After a take-over the supervisor's legs talk, and their supervising links join.
    pub(super) fn find_take_overs(&mut self) {
        if !self.legs.iter().any(|leg| leg.supervises) {
            return;
        }
        let mut joins: Vec<(LegIdx, Time)> = Vec::new();
        for at in self.changes.indices() {
            if self.changes[at].event.status.reason != Some(Reason::TakeOver) {
                continue;
            }
            let (time, room) = (self.changes[at].time, self.legs[self.leg_of_change(at)].room);
            let Some(monitor) = self.latest_monitor(room, time) else { continue };
            let person = self.legs[monitor].person;
            for leg in self.legs.iter_mut().filter(|leg| leg.supervises && leg.person == person) {
                leg.talks_from = Some(leg.talks_from.map_or(time, |earlier| earlier.min(time)));
            }
            joins.push((monitor, time));
        }
        if !joins.is_empty() {
            self.join_taken_over_rooms();
        }
    }

    fn join_taken_over_rooms(&mut self) {
        let intervals = self.links.iter().filter_map(|link| {
            let talks_from = || link.ends().into_iter().find_map(|end| self.legs[end.leg?].talks_from);
            let start = if link.joins() { link.start } else { link.start.max(talks_from()?) };
            Some(links::JoinInterval { rooms: [link.a.room, link.b.room], start, end: link.end })
        });
        self.join_timeline = JoinTimeline::from_intervals(self.rooms.indices(), intervals.collect());
    }

    /// The supervisor's leg that began last to listen to a room.
    pub(super) fn latest_monitor(&self, room: SessionIdx, time: Time) -> Option<LegIdx> {
        let listening_since = |leg: LegIdx| self.listens_from(leg, room, time).filter(|since| *since <= time);
        self.legs.indices().filter_map(|leg| Some((listening_since(leg)?, leg))).max().map(|(_, leg)| leg)
    }

    /// When a supervisor's leg began to listen to a room or to one joined with it.
    fn listens_from(&self, leg: LegIdx, room: SessionIdx, time: Time) -> Option<Time> {
        let supervisor = &self.legs[leg];
        if !supervisor.supervises {
            return None;
        }
        let group = |room: SessionIdx| self.join_timeline.group(room, time);
        if group(supervisor.room) == group(room) {
            return Some(supervisor.start);
        }
        let mut links = self.links.iter().filter(|link| link.names(leg));
        links.find(|link| link.ends().iter().any(|end| group(end.room) == group(room))).map(|link| link.start)
    }

    pub(super) fn find_spans(&mut self) {
        for index in self.legs.indices() {
            let spans = self.spans_of(index);
            self.legs[index].spans = spans;
        }
        if !self.links.is_empty() || self.legs.iter().any(|leg| leg.spans.iter().any(is_parked)) {
            self.resume_parked_legs();
            self.close_lingering_legs();
        }
        self.find_answers();
    }

    /// The callees' first answers, by room.
    fn find_answers(&mut self) {
        for room in self.rooms.iter_mut() {
            for index in room.legs.clone() {
                let leg = &self.legs[index];
                if leg.is_inbound() && leg.kind.is_person() && room.originator != Some(index) {
                    let answered = self.changes[&leg.changes].iter().find(|change| change.is_answer());
                    room.answers.extend(answered.map(|change| (change.time, index)));
                }
            }
            room.answers.sort_unstable();
        }
    }

    fn spans_of(&mut self, index: LegIdx) -> Spans {
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
        let leg = &mut self.legs[index];
        if let Some((time, by)) = states.out {
            // A link may report its end before its first notification.
            leg.end = Some(time.max(leg.start));
            leg.ended_by = by;
        }
        states.spans
    }

    /// Whether a leg is the host's own in the bridge of a link: it stays, unless it reports itself that it left by
    /// that link.
    pub(super) fn is_host_leg_in_bridge(&self, index: LegIdx, link: &Link) -> bool {
        let leg = &self.legs[index];
        let bridge = link.kind == LinkKind::Conference && self.bridge_of(link).leg == Some(index);
        bridge && leg.kind.is_person() && !link.proof.iter().any(|&at| leg.changes.contains(at))
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
            self.legs[leg].kind.is_person() && self.legs[leg].person == host && !is_end
        };
        !legs.any(is_hosts)
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

    /// Whether by a `Gone` its owner went into a conference in which their own leg was not observed.
    fn enters_unseen_bridge(&self, change: ChangeIdx) -> bool {
        self.links.iter().any(|link| link.proof.contains(&change) && self.is_host_leg_unseen(link))
    }

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

    /// Parked legs are connected again when a pickup reaches their room, or when a new leg in their room is answered.
    fn resume_parked_legs(&mut self) {
        for index in self.legs.indices() {
            if !self.legs[index].spans.iter().any(is_parked) {
                continue;
            }
            let mut spans = Spans::new();
            let mut append = |span: Span| match spans.last_mut() {
                Some(last) if last.state == span.state && last.end == Some(span.start) => last.end = span.end,
                _ => spans.push(span),
            };
            for span in std::mem::take(&mut self.legs[index].spans) {
                match self.resumed_at(index, span) {
                    Some(time) if is_parked(&span) => {
                        append(Span { end: Some(time), ..span });
                        append(Span { state: LegState::Connected, start: time, end: span.end });
                    }
                    _ => append(span),
                }
            }
            self.legs[index].spans = spans;
        }
    }

    fn resumed_at(&self, index: LegIdx, span: Span) -> Option<Time> {
        let room = self.legs[index].room;
        let parked = |time: &Time| *time > span.start && span.end.is_none_or(|end| *time < end);
        let pickups = self.links.iter().filter(|link| {
            let group = |room| self.join_timeline.group(room, link.start);
            link.kind == LinkKind::Pickup && group(link.b.room) == group(room)
        });
        let parked_by = |change: &&super::Change<'_>| {
            change.event.status.code == Some(Code::Parked) && change.time <= span.start
        };
        let sequence = self.changes_of(index).iter().rfind(parked_by).map(|change| change.event.sequence);
        let new_legs = self.rooms[room].legs.clone().filter(|&leg| {
            let leg = &self.legs[leg];
            Some(leg.first_sequence) > sequence && !leg.supervises && leg.is_inbound()
        });
        // The next stop of the parked caller: a phone that rings, a queue, a mailbox.
        let stops = new_legs.filter_map(|leg| {
            let leg = &self.legs[leg];
            let mailbox = leg.spans.iter().find(|span| span.state == LegState::Voicemail);
            let rings = leg.kind.is_person() || leg.kind == Kind::Queue;
            rings.then_some(leg.start).or(mailbox.map(|span| span.start))
        });
        pickups.map(|link| link.start).chain(stops).filter(parked).min()
    }

    /// When a leg was first answered.
    pub(super) fn first_answer(&self, leg: LegIdx) -> Option<Time> {
        self.changes_of(leg).iter().find(|change| change.is_answer()).map(|change| change.time)
    }

    /// A leg that stayed after its `Gone` ends with `Disconnected`, or when all other legs of the rooms it was joined
    /// with have ended.
    fn close_lingering_legs(&mut self) {
        let lingering: Vec<LegIdx> = self
            .legs
            .indices()
            .filter(|&leg| self.legs[leg].end.is_none() && self.ends_with_other_legs(&self.legs[leg]))
            .collect();
        if lingering.is_empty() {
            return;
        }
        let mut sets = UnionFind::new(self.rooms.indices());
        self.links.iter().for_each(|link| sets.unite([link.a.room, link.b.room]));
        // When all other legs had ended in every room that was ever joined or listened to.
        let mut ended: HashMap<SessionIdx, Option<Time>> = HashMap::new();
        let mut waiting = lingering.iter().copied().peekable();
        for (index, leg) in self.legs.iter_enumerated() {
            if waiting.next_if_eq(&index).is_none() && leg.kind != Kind::Proxy {
                let part = ended.entry(sets.find(leg.room)).or_insert(leg.end);
                *part = part.zip(leg.end).map(|(last, end)| last.max(end));
            }
        }
        for index in lingering {
            let leg = &mut self.legs[index];
            let Some(end) = ended.get(&sets.find(leg.room)).copied().flatten() else { continue };
            let end = end.max(leg.start);
            leg.end = Some(end);
            leg.spans.retain(|span| span.start < end);
            if let Some(last) = leg.spans.last_mut() {
                last.end = Some(last.end.map_or(end, |known| known.min(end)));
            }
        }
    }

    fn ends_with_other_legs(&self, leg: &Leg<'_>) -> bool {
        let last = leg.changes.clone().rev().find(|&at| self.changes[at].event.status.code.is_some());
        let is_hosting = leg.spans.last().is_some_and(|span| span.state == LegState::Gone);
        is_hosting
            || last.is_some_and(|at| {
                self.changes[at].event.status.code == Some(Code::Gone) && self.remains_in_call(at)
            })
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
