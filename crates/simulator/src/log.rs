//! Records what people do during a play, and derives the truth about each of its calls.

mod activity;
mod outcome;
mod truths;

pub(crate) use self::{activity::Activity, truths::AudioTrace};
use crate::{
    id::{ParticipantRef, SessionId},
    time::Timestamp,
};

/// The outcome of one ringing telephone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    Rejected,
    Busy,
    NoAnswer,
    /// The caller hung up, or another telephone took the call.
    Cancelled,
    Failed,
    Blocked,
    /// A colleague picked up the call.
    PickedUp,
    /// The call was redirected while it rang.
    Redirected,
    /// The mailbox of the extension took the call.
    Message,
}

/// What kind of number a call is placed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// To a number of the public network.
    Outside,
    /// To an extension, a star code or a park slot.
    Inside,
    /// As a bridge for other calls.
    Bridge,
}

/// A dialled call: one session.
#[derive(Debug)]
struct DialAttempt {
    id: SessionId,
    account: u64,
    start: Timestamp,
    end: Timestamp,
    caller: ParticipantRef,
    dialled: Option<ParticipantRef>,
    placement: Placement,
    /// The dialled number belongs to no extension.
    has_no_extension: bool,
    /// Dialled to listen to another call.
    listens: bool,
    /// An earlier session of the same call; `None` in the first one.
    joined_to: Option<usize>,
}

/// A telephone that rang.
#[derive(Debug)]
struct Ring {
    session: usize,
    /// The leg of the telephone.
    phone: usize,
    who: ParticipantRef,
    since: Timestamp,
    until: Timestamp,
    outcome: Option<Outcome>,
    /// The queue visit that offered the call; `None` if it rang directly.
    visit: Option<usize>,
    /// The telephone belongs to the person who requested the call (RingOut).
    is_initiator: bool,
}

/// A visit to a queue.
#[derive(Debug)]
struct VisitEntry {
    session: usize,
    queue: ParticipantRef,
    since: Timestamp,
    outcome: Option<&'static str>,
    answered_by: Option<ParticipantRef>,
}

impl VisitEntry {
    /// The outcome. A caller who was never passed on has abandoned the queue.
    fn outcome(&self) -> &'static str {
        self.outcome.unwrap_or("Abandoned")
    }
}

/// Where a call ended without reaching a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RoutingEnd {
    Mailbox,
    Fax,
    /// A user whose telephones are all off.
    Unreachable,
}

#[derive(Debug)]
struct MoveEntry {
    kind: &'static str,
    time: Timestamp,
    by: ParticipantRef,
    target: Option<ParticipantRef>,
    /// The people who were moved.
    moved: Vec<ParticipantRef>,
    /// Target and moved people if this session is the root of the call.
    instead: Option<(usize, Option<ParticipantRef>, Vec<ParticipantRef>)>,
}

/// Everything that happened in a play, by session.
#[derive(Debug, Default)]
pub(crate) struct Log {
    dial_attempts: Vec<DialAttempt>,
    rings: Vec<Ring>,
    /// Who joined a session: telephone and time, in order.
    joins: Vec<(usize, usize, Timestamp)>,
    present: Vec<(usize, ParticipantRef)>,
    passed: Vec<(usize, ParticipantRef)>,
    monitors: Vec<(usize, ParticipantRef)>,
    moves: Vec<(usize, MoveEntry)>,
    barges: Vec<(usize, Timestamp, Timestamp, Vec<ParticipantRef>)>,
    visits: Vec<VisitEntry>,
    routing_ends: Vec<(usize, RoutingEnd, Timestamp)>,
    services: Vec<usize>,
    self_answers: Vec<usize>,
    /// Outside telephones that are a user's own: session, number, user.
    mobiles: Vec<(usize, ParticipantRef, ParticipantRef)>,
    parkings: Vec<(usize, usize, Timestamp, Option<Timestamp>)>,
    hairpins: Vec<(usize, usize)>,
    /// Sessions that do not show their callee.
    unknown: Vec<usize>,
    activities: activity::History,
}

impl Log {
    pub(crate) fn record_dial(
        &mut self,
        id: SessionId,
        account: u64,
        caller: ParticipantRef,
        placement: Placement,
        start: Timestamp,
    ) {
        let (end, dialled, listens, joined_to) = (start, None, false, None);
        self.dial_attempts.push(DialAttempt {
            id,
            account,
            start,
            end,
            caller,
            dialled,
            placement,
            has_no_extension: false,
            listens,
            joined_to,
        });
        self.present.push((self.dial_attempts.len() - 1, caller));
    }

    /// Records what a session was dialled to reach; the first call of this method counts.
    pub(crate) fn record_target(&mut self, session: usize, who: ParticipantRef) {
        let attempt = &mut self.dial_attempts[session];
        if !attempt.has_no_extension {
            attempt.dialled.get_or_insert(who);
        }
    }

    /// Records that the dialled number belongs to no extension, whatever the call reaches later.
    pub(crate) fn record_no_extension(&mut self, session: usize) {
        self.dial_attempts[session].has_no_extension = true;
    }

    pub(crate) fn mark_listening(&mut self, session: usize) {
        self.dial_attempts[session].listens = true;
    }

    /// Makes the calls of two sessions one.
    pub(crate) fn join_calls(&mut self, a: usize, b: usize) {
        let (a, b) = (self.call_of(a), self.call_of(b));
        if a != b {
            self.dial_attempts[a.max(b)].joined_to = Some(a.min(b));
        }
    }

    /// Records that a telephone starts to ring; `visit` is the queue visit that offers the call.
    pub(crate) fn record_ring(
        &mut self,
        session: usize,
        phone: usize,
        who: ParticipantRef,
        visit: Option<usize>,
        now: Timestamp,
    ) {
        let (since, until, outcome, is_initiator) = (now, now, None, false);
        self.rings.push(Ring { session, phone, who, since, until, outcome, visit, is_initiator });
        if visit.is_none() {
            self.overflow_open_visit(session);
        }
        self.add_participant(session, who);
    }

    /// Records that the telephone of the person who requested a call rings (RingOut).
    pub(crate) fn record_initiator_ring(
        &mut self,
        session: usize,
        phone: usize,
        who: ParticipantRef,
        now: Timestamp,
    ) {
        self.record_ring(session, phone, who, None, now);
        if let Some(ring) = self.rings.last_mut() {
            ring.is_initiator = true;
        }
    }

    pub(crate) fn end_ring(&mut self, phone: usize, outcome: Outcome, now: Timestamp) {
        let ringing = |ring: &&mut Ring| ring.phone == phone && ring.outcome.is_none();
        if let Some(ring) = self.rings.iter_mut().rev().find(ringing) {
            (ring.outcome, ring.until) = (Some(outcome), now);
        }
    }

    /// Records that a person joins a session.
    pub(crate) fn record_join(&mut self, session: usize, phone: usize, who: ParticipantRef, now: Timestamp) {
        self.joins.push((session, phone, now));
        self.add_participant(session, who);
    }

    pub(crate) fn add_participant(&mut self, session: usize, who: ParticipantRef) {
        self.present.push((session, who));
    }

    /// Adds a menu, queue or user's rule that handled the call, or that it was only addressed to.
    pub(crate) fn add_ignorable(&mut self, session: usize, who: ParticipantRef) {
        self.passed.push((session, who));
    }

    pub(crate) fn add_monitor(&mut self, session: usize, who: ParticipantRef) {
        self.monitors.push((session, who));
        self.add_participant(session, who);
    }

    pub(crate) fn record_barge(
        &mut self,
        session: usize,
        from: Timestamp,
        to: Timestamp,
        people: Vec<ParticipantRef>,
    ) {
        self.barges.push((session, from, to, people));
    }

    /// Records a move; `moved` are the people who are moved.
    pub(crate) fn record_move(
        &mut self,
        session: usize,
        kind: &'static str,
        time: Timestamp,
        by: ParticipantRef,
        target: Option<ParticipantRef>,
        moved: Vec<ParticipantRef>,
    ) {
        self.moves.push((session, MoveEntry { kind, time, by, target, moved, instead: None }));
    }

    /// Sets the alternative of the latest move, whose two calls have the same direction: if the call began
    /// with `root`, the others were consulted and its people are moved.
    pub(crate) fn set_alternative_move(
        &mut self,
        root: usize,
        target: Option<ParticipantRef>,
        moved: Vec<ParticipantRef>,
    ) {
        if let Some((_, step)) = self.moves.last_mut() {
            step.instead = Some((root, target, moved));
        }
    }

    /// Records that a caller enters a queue; returns the visit.
    pub(crate) fn enter_queue(&mut self, session: usize, queue: ParticipantRef, now: Timestamp) -> usize {
        self.overflow_open_visit(session);
        self.visits.push(VisitEntry { session, queue, since: now, outcome: None, answered_by: None });
        self.visits.len() - 1
    }

    /// Records the end of a queue visit; the first outcome counts.
    pub(crate) fn end_visit(
        &mut self,
        visit: usize,
        outcome: &'static str,
        answered_by: Option<ParticipantRef>,
    ) {
        let visit = &mut self.visits[visit];
        if visit.outcome.is_none() {
            (visit.outcome, visit.answered_by) = (Some(outcome), answered_by);
        }
    }

    /// Closes an open queue visit as overflowed: the call reaches its next stop.
    fn overflow_open_visit(&mut self, session: usize) {
        let waits = |visit: &&mut VisitEntry| visit.session == session && visit.outcome.is_none();
        self.visits.iter_mut().filter(waits).for_each(|visit| visit.outcome = Some("Overflowed"));
    }

    pub(crate) fn record_mailbox(&mut self, session: usize, now: Timestamp) {
        self.overflow_open_visit(session);
        self.routing_ends.push((session, RoutingEnd::Mailbox, now));
    }

    pub(crate) fn record_fax(&mut self, session: usize, now: Timestamp) {
        self.routing_ends.push((session, RoutingEnd::Fax, now));
    }

    /// Records that none of a user's telephones can be rung.
    pub(crate) fn record_unreachable(&mut self, session: usize, now: Timestamp) {
        self.routing_ends.push((session, RoutingEnd::Unreachable, now));
    }

    /// Records that the session reaches a service: a star code, the caller's own mailbox, an announcement.
    pub(crate) fn mark_service(&mut self, session: usize) {
        self.services.push(session);
    }

    /// Records that a session does not show its callee.
    pub(crate) fn mark_callee_hidden(&mut self, session: usize) {
        self.unknown.push(session);
    }

    /// Records that a caller answered their own call.
    pub(crate) fn record_self_answer(&mut self, session: usize) {
        self.self_answers.push(session);
    }

    /// Records that an outside number is a user's own telephone, which rings on their behalf.
    pub(crate) fn record_mobile(&mut self, session: usize, number: ParticipantRef, user: ParticipantRef) {
        self.mobiles.push((session, number, user));
    }

    pub(crate) fn start_parking(&mut self, session: usize, line: usize, now: Timestamp) {
        self.parkings.push((session, line, now, None));
    }

    /// Records that a parked line is no longer parked; the first time counts.
    pub(crate) fn end_parking(&mut self, line: usize, now: Timestamp) {
        for (.., until) in self.parkings.iter_mut().filter(|(_, other, ..)| *other == line) {
            until.get_or_insert(now);
        }
    }

    /// Records that two sessions are the halves of one call over the public network.
    pub(crate) fn record_hairpin(&mut self, out: usize, back: usize) {
        self.hairpins.push((out, back));
    }

    /// Records what each person in each session is doing from now on.
    pub(crate) fn record_activities(
        &mut self,
        now: Timestamp,
        current: Vec<(ParticipantRef, usize, Activity)>,
    ) {
        self.activities.observe(now, current);
    }

    pub(crate) fn extend_end(&mut self, session: usize, time: Timestamp) {
        self.dial_attempts[session].end = self.dial_attempts[session].end.max(time);
    }

    fn call_of(&self, session: usize) -> usize {
        let mut call = session;
        while let Some(next) = self.dial_attempts[call].joined_to {
            call = next;
        }
        call
    }
}
