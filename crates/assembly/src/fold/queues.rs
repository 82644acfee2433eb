//! Visits to queues: how long the caller waited, how often an agent was rung, and the outcome.

use wholecall_notification::{Code, Reason};
use wholecall_record::{
    Time,
    call::{Kind, LegState, LinkKind, QueueOutcome},
};

use super::{
    ids::{LegIdx, ParticipantIdx, SessionIdx},
    on_behalf::OnBehalf,
    presence::ConnectedCall,
};

/// One visit to a queue, with participants by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visit {
    pub(crate) room: SessionIdx,
    pub(crate) queue: ParticipantIdx,
    /// The queue's own leg. `None` if it was not observed.
    pub(crate) own: Option<LegIdx>,
    /// The legs by which the queue offered the call.
    pub(crate) offered: Vec<LegIdx>,
    pub(crate) enter: Time,
    pub(crate) leave: Option<Time>,
    pub(crate) outcome: Option<QueueOutcome>,
    pub(crate) offers: u32,
    pub(crate) answered_by: Option<ParticipantIdx>,
}

/// The legs of a visit.
struct VisitLegs {
    queue: ParticipantIdx,
    own: Option<LegIdx>,
    offered: Vec<LegIdx>,
}

/// Maximum time between the end of a visit and the caller's for the visit to count as abandoned.
const MAX_ABANDON_DELAY_MS: i64 = 5_000;

impl ConnectedCall<'_> {
    /// All visits, in order of entering.
    pub(super) fn find_visits(&self, on_behalf: &OnBehalf) -> Vec<Visit> {
        if !self.people.iter().any(|person| person.kind == Kind::Queue) {
            return Vec::new();
        }
        let moved_to = self.legs_moved_to();
        let mut visits = Vec::new();
        for room in self.rooms.indices().filter(|&room| !self.is_placed_by_the_platform(room)) {
            let visit_legs = self.collect_visits(room, &moved_to);
            visits.extend(visit_legs.into_iter().map(|visit_legs| self.visit(room, visit_legs, on_behalf)));
        }
        visits.sort_by_key(|visit| (visit.enter, visit.queue));
        visits
    }

    /// A session that the platform placed and whose originating leg was not observed has no caller who waits.
    fn is_placed_by_the_platform(&self, room: SessionIdx) -> bool {
        self.rooms[room].session.is_call_out() && self.rooms[room].originator.is_none()
    }

    /// A queue's own Inbound leg begins a visit; if that was not observed, the first offer does. A leg belongs to the
    /// latest visit of the queue it is addressed to; without such an address, to the latest visit that was open when
    /// it began.
    fn collect_visits(&self, room: SessionIdx, moved_to: &[LegIdx]) -> Vec<VisitLegs> {
        let legs = self.rooms[room].legs.clone();
        // A queue that calls back has no visitor.
        let calls_back = |queue: ParticipantIdx| {
            legs.clone().any(|leg| self.owners[leg] == Some(queue) && !self.legs[leg].is_inbound())
        };
        let mut visits: Vec<VisitLegs> = Vec::new();
        for leg in legs.clone() {
            let Some(person) = self.owners[leg] else { continue };
            if self.kinds[leg] == Kind::Queue {
                if self.legs[leg].is_inbound() {
                    visits.push(VisitLegs { queue: person, own: Some(leg), offered: Vec::new() });
                }
            } else if let Some(queue) = self.offering_queue(leg) {
                match visits.iter_mut().rev().find(|visit| visit.queue == queue) {
                    Some(visit) if self.is_still_offered(visit, leg) => visit.offered.push(leg),
                    _ if calls_back(queue) => {}
                    _ => visits.push(VisitLegs { queue, own: None, offered: vec![leg] }),
                }
            } else if self.has_no_address(leg) && !moved_to.contains(&leg) {
                let open = visits.iter_mut().rev().find(|visit| self.is_open(visit, self.legs[leg].start));
                open.into_iter().for_each(|visit| visit.offered.push(leg));
            }
        }
        visits
    }

    fn has_no_address(&self, leg: LegIdx) -> bool {
        let is_persons = self.legs[leg].is_inbound() && self.kinds[leg].is_person();
        is_persons && self.legs[leg].description.to.extension.is_none()
    }

    /// Whether a leg may belong to an earlier visit: the queue's own leg has not ended; without one, no offer was
    /// answered and ended.
    fn is_still_offered(&self, visit: &VisitLegs, leg: LegIdx) -> bool {
        let start = self.legs[leg].start;
        match visit.own {
            Some(own) => self.states[own].end.is_none_or(|end| start <= end),
            None => {
                let ended = |&offer: &LegIdx| self.states[offer].end.is_some_and(|end| end < start);
                !visit.offered.iter().any(|offer| self.first_answer(*offer).is_some() && ended(offer))
            }
        }
    }

    fn is_open(&self, visit: &VisitLegs, time: Time) -> bool {
        let lasts = |leg: LegIdx| self.states[leg].end.is_none_or(|end| end > time);
        match visit.own {
            Some(own) => lasts(own),
            None => visit.offered.iter().any(|&offer| lasts(offer)),
        }
    }

    fn visit(
        &self,
        room: SessionIdx,
        VisitLegs { queue, own, offered }: VisitLegs,
        on_behalf: &OnBehalf,
    ) -> Visit {
        let first = own.or_else(|| offered.first().copied()).map(|leg| self.legs[leg].start);
        let enter = first.unwrap_or(self.last_event);
        let answer = self.answered_out_of(room, enter, own, &offered);
        let waiting_until = self.waiting_until(room, &offered);
        let given_up = own.and_then(|leg| self.left_queue(leg)).or_else(|| {
            // Without a leg of its own, the visit lasts as long as its offers.
            let ends: Option<Vec<Time>> = offered.iter().map(|&offer| self.states[offer].end).collect();
            ends.filter(|_| own.is_none())?.into_iter().max()
        });
        let left = given_up.into_iter().chain(waiting_until).min();
        let answer_time = answer.map(|(time, _)| time);
        let outcome = match (answer, left) {
            (Some(_), _) => Some(QueueOutcome::Answered),
            (None, None) => None,
            (None, Some(_)) => self.unanswered_visit(room, own, &offered, enter, waiting_until),
        };
        let offers = offered.iter().filter(|&&leg| !on_behalf.includes(self.owners[leg])).count() as u32;
        Visit {
            room,
            queue,
            own,
            enter,
            leave: answer_time.or(left).map(|leave| leave.max(enter)),
            outcome,
            offers,
            answered_by: answer.map(|(_, person)| person),
            offered,
        }
    }

    /// Who was first connected with the caller by a visit, and when: by one of its legs, or by a pickup of the
    /// ringing call.
    fn answered_out_of(
        &self,
        room: SessionIdx,
        enter: Time,
        own: Option<LegIdx>,
        offered: &[LegIdx],
    ) -> Option<(Time, ParticipantIdx)> {
        let by_leg = offered.iter().filter_map(|&leg| Some((self.first_answer(leg)?, self.owners[leg]?)));
        let pickups = offered.iter().chain(&own).filter_map(|&leg| {
            let is_picked_up = self.end_reason(leg) == Some(Reason::Pickup);
            let at = self.states[leg].ended_by.filter(|_| is_picked_up)?;
            let taker = self.taker(leg, at)?;
            Some((self.first_answer(taker)?, self.owners[taker]?))
        });
        let lasts = |time: Time| {
            let open = |leg: LegIdx| self.states[leg].end.is_none_or(|end| end >= time);
            enter <= time && own.map_or_else(|| offered.iter().any(|&leg| open(leg)), open)
        };
        let group = |other: SessionIdx, time: Time| self.join_timeline.group(other, time);
        let by_link = self.links.iter().filter_map(|link| {
            let is_here =
                link.kind == LinkKind::Pickup && group(link.b.room, link.start) == group(room, link.start);
            let taker = self.owners[link.a.leg?]?;
            (is_here && lasts(link.start)).then_some((link.start, taker))
        });
        by_leg.chain(pickups).chain(by_link).min()
    }

    /// When the last party left who could be waiting in a session: every person to whom the call is not offered.
    fn waiting_until(&self, room: SessionIdx, offered: &[LegIdx]) -> Option<Time> {
        let forever = Time::from_millis(i64::MAX);
        let here = |other: SessionIdx| {
            self.join_timeline.group(other, forever) == self.join_timeline.group(room, forever)
        };
        let mut until: Option<Time> = None;
        let legs = self.legs.iter_enumerated();
        let waiting = legs.filter(|(index, leg)| {
            self.kinds[*index].is_person() && here(leg.room) && !leg.supervises && !offered.contains(index)
        });
        for (index, _) in waiting {
            until = until.max(Some(self.states[index].end?));
        }
        let inferred = self.inferred_presences.iter();
        for at in inferred.filter(|at| here(at.party.room) && !at.present.is_empty()) {
            let end = at.present.iter().map(|(_, end)| *end).collect::<Option<Vec<Time>>>()?;
            until = until.max(end.into_iter().max());
        }
        until
    }

    /// The outcome of a visit without an observed answer. `None` if the notifications do not show it.
    fn unanswered_visit(
        &self,
        room: SessionIdx,
        own: Option<LegIdx>,
        offered: &[LegIdx],
        enter: Time,
        waiting_until: Option<Time>,
    ) -> Option<QueueOutcome> {
        let ended = |leg: LegIdx, reason| self.end_reason(leg) == Some(reason);
        let any_ended = |reason| own.into_iter().chain(offered.iter().copied()).any(|leg| ended(leg, reason));
        if any_ended(Reason::AgentAnswered) {
            return Some(QueueOutcome::Answered);
        }
        if own.is_some_and(|own| ended(own, Reason::CallerInputRedirect)) {
            return Some(QueueOutcome::Left);
        }
        if self.went_on(room, own, offered, enter) {
            return Some(QueueOutcome::Overflowed);
        }
        let given_up = match own {
            Some(own) => self.states[own].end,
            None => offered.iter().filter_map(|&offer| self.states[offer].end).max(),
        };
        let was_seen_to_leave = self.rooms[room].originator.is_some() || own.is_some();
        let left = waiting_until
            .filter(|_| was_seen_to_leave)
            .is_some_and(|until| given_up.is_none_or(|given_up| until - given_up <= MAX_ABANDON_DELAY_MS));
        (left || any_ended(Reason::CallerDropped)).then_some(QueueOutcome::Abandoned)
    }

    /// When a queue's own leg passed the call to voicemail, or ended.
    fn left_queue(&self, leg: LegIdx) -> Option<Time> {
        let states = &self.states[leg];
        let voicemail = states.spans.iter().find(|span| span.state == LegState::Voicemail);
        voicemail.map(|span| span.start).or(states.end)
    }

    /// Whether the caller's next stop is another queue, a person who is rung directly, or a mailbox.
    fn went_on(&self, room: SessionIdx, own: Option<LegIdx>, offered: &[LegIdx], enter: Time) -> bool {
        let sequence = own.or_else(|| offered.first().copied()).map(|leg| self.legs[leg].first_sequence);
        self.rooms[room].legs.clone().any(|other| {
            let leg = &self.legs[other];
            let takes_messages = leg.codes.has(Code::Voicemail) || leg.codes.has(Code::VoicemailScreening);
            let began_later = Some(leg.first_sequence) > sequence && leg.start >= enter;
            if own == Some(other) || offered.contains(&other) {
                return takes_messages;
            }
            let is_stop = self.kinds[other] == Kind::Queue || self.kinds[other].is_person() || takes_messages;
            began_later && leg.is_inbound() && !leg.supervises && is_stop
        })
    }
}
