//! What people did, as it happens; in the end, the truth about each call of a play.

mod doing;
mod outcome;
mod truths;

pub(crate) use self::{doing::Doing, truths::Heard};
use crate::{
    id::{SessionId, Who},
    time::Millis,
};

/// What became of one telephone that rang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    Rejected,
    Busy,
    NoAnswer,
    /// The caller, or whoever rang it, gave up; or another telephone took the call.
    Cancelled,
    Failed,
    Blocked,
    /// A colleague took the call that rang there.
    PickedUp,
    /// The call was sent on while it rang.
    Redirected,
    /// The mailbox of the extension took the call.
    Message,
}

/// How a call is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    /// To a number of the public network.
    Outside,
    /// To an extension, a star code or a park slot.
    Inside,
    /// As a bridge for other calls.
    Bridge,
}

/// A call that somebody dialled: one session.
#[derive(Debug)]
struct Dialling {
    id: SessionId,
    account: u64,
    start: Millis,
    end: Millis,
    caller: Who,
    dialled: Option<Who>,
    placed: Placed,
    /// No extension was found for what was dialled.
    for_nobody: bool,
    /// Dialled in order to listen to another call.
    listens: bool,
    /// The session it became one call with.
    joined_to: Option<usize>,
}

/// A telephone that rang.
#[derive(Debug)]
struct Ring {
    session: usize,
    /// Which telephone, by its leg.
    phone: usize,
    who: Who,
    since: Millis,
    until: Millis,
    outcome: Option<Outcome>,
    /// The queue visit that it was offered out of.
    visit: Option<usize>,
    /// The telephone is that of the person who asked for the call.
    asked: bool,
}

/// A stay of a caller in a queue.
#[derive(Debug)]
struct Visit {
    session: usize,
    queue: Who,
    since: Millis,
    outcome: Option<&'static str>,
    answered_by: Option<Who>,
}

impl Visit {
    /// How it ended; whoever was never passed on has given up.
    fn outcome(&self) -> &'static str {
        self.outcome.unwrap_or("Abandoned")
    }
}

/// A machine that took a caller in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    Mailbox,
    Fax,
    /// A user whose telephones are all off.
    Unreachable,
}

#[derive(Debug)]
struct Step {
    kind: &'static str,
    time: Millis,
    by: Who,
    target: Option<Who>,
    /// The people who were passed on by it.
    moved: Vec<Who>,
    /// Target and people passed on if the call began with this session.
    instead: Option<(usize, Option<Who>, Vec<Who>)>,
}

/// Everything that happened in a play, by session.
#[derive(Debug, Default)]
pub(crate) struct Log {
    diallings: Vec<Dialling>,
    rings: Vec<Ring>,
    /// Who came on the line in a session: telephone and time, in order.
    comes: Vec<(usize, usize, Millis)>,
    present: Vec<(usize, Who)>,
    passed: Vec<(usize, Who)>,
    monitors: Vec<(usize, Who)>,
    moves: Vec<(usize, Step)>,
    barges: Vec<(usize, Millis, Millis, Vec<Who>)>,
    visits: Vec<Visit>,
    machines: Vec<(usize, Machine, Millis)>,
    services: Vec<usize>,
    self_answers: Vec<usize>,
    /// Telephones of the world outside that are a user's own: the number, and the user.
    mobiles: Vec<(usize, Who, Who)>,
    parkings: Vec<(usize, usize, Millis, Option<Millis>)>,
    hairpins: Vec<(usize, usize)>,
    /// Sessions that show nothing of whom they were meant to reach.
    unknown: Vec<usize>,
    doing: doing::History,
}

impl Log {
    pub(crate) fn dials(&mut self, id: SessionId, account: u64, caller: Who, placed: Placed, start: Millis) {
        let (end, dialled, listens, joined_to) = (start, None, false, None);
        self.diallings.push(Dialling {
            id,
            account,
            start,
            end,
            caller,
            dialled,
            placed,
            for_nobody: false,
            listens,
            joined_to,
        });
        self.present.push((self.diallings.len() - 1, caller));
    }

    /// Whom a session was meant for; the first one counts.
    pub(crate) fn reaches(&mut self, session: usize, who: Who) {
        let dialling = &mut self.diallings[session];
        if !dialling.for_nobody {
            dialling.dialled.get_or_insert(who);
        }
    }

    /// What was dialled belongs to no extension, whatever the call reaches later.
    pub(crate) fn reaches_nobody(&mut self, session: usize) {
        self.diallings[session].for_nobody = true;
    }

    pub(crate) fn listens(&mut self, session: usize) {
        self.diallings[session].listens = true;
    }

    /// Two sessions are one call from now on.
    pub(crate) fn joins(&mut self, a: usize, b: usize) {
        let (a, b) = (self.call_of(a), self.call_of(b));
        if a != b {
            self.diallings[a.max(b)].joined_to = Some(a.min(b));
        }
    }

    /// A telephone begins to ring; `visit` is the stay in a queue out of which the call is offered there.
    pub(crate) fn rings(
        &mut self,
        session: usize,
        phone: usize,
        who: Who,
        visit: Option<usize>,
        now: Millis,
    ) {
        let (since, until, outcome, asked) = (now, now, None, false);
        self.rings.push(Ring { session, phone, who, since, until, outcome, visit, asked });
        if visit.is_none() {
            self.leaves_queue(session);
        }
        self.is_there(session, who);
    }

    /// The telephone of the person who asked for a call rings first.
    pub(crate) fn rings_back_to_asker(&mut self, session: usize, phone: usize, who: Who, now: Millis) {
        self.rings(session, phone, who, None, now);
        if let Some(ring) = self.rings.last_mut() {
            ring.asked = true;
        }
    }

    pub(crate) fn rang(&mut self, phone: usize, outcome: Outcome, now: Millis) {
        let ringing = |ring: &&mut Ring| ring.phone == phone && ring.outcome.is_none();
        if let Some(ring) = self.rings.iter_mut().rev().find(ringing) {
            (ring.outcome, ring.until) = (Some(outcome), now);
        }
    }

    /// Somebody comes on the line.
    pub(crate) fn comes(&mut self, session: usize, phone: usize, who: Who, now: Millis) {
        self.comes.push((session, phone, now));
        self.is_there(session, who);
    }

    pub(crate) fn is_there(&mut self, session: usize, who: Who) {
        self.present.push((session, who));
    }

    /// A menu, a queue, or a rule of a user handled the call, or the call was only addressed to it.
    pub(crate) fn passes(&mut self, session: usize, who: Who) {
        self.passed.push((session, who));
    }

    pub(crate) fn monitors(&mut self, session: usize, who: Who) {
        self.monitors.push((session, who));
        self.is_there(session, who);
    }

    pub(crate) fn barged(&mut self, session: usize, from: Millis, to: Millis, people: Vec<Who>) {
        self.barges.push((session, from, to, people));
    }

    /// The call passes from one participant to another; `moved` are the people who are passed on.
    pub(crate) fn moves(
        &mut self,
        session: usize,
        kind: &'static str,
        time: Millis,
        by: Who,
        target: Option<Who>,
        moved: Vec<Who>,
    ) {
        self.moves.push((session, Step { kind, time, by, target, moved, instead: None }));
    }

    /// The latest move, whose two calls are of one kind, was the other way round if the call began with a session:
    /// whoever the call began with is moved, and the others were consulted.
    pub(crate) fn moves_instead(&mut self, root: usize, target: Option<Who>, moved: Vec<Who>) {
        if let Some((_, step)) = self.moves.last_mut() {
            step.instead = Some((root, target, moved));
        }
    }

    /// A caller enters a queue. The stay.
    pub(crate) fn enters_queue(&mut self, session: usize, queue: Who, now: Millis) -> usize {
        self.leaves_queue(session);
        self.visits.push(Visit { session, queue, since: now, outcome: None, answered_by: None });
        self.visits.len() - 1
    }

    /// A stay in a queue comes to an end; the first outcome counts.
    pub(crate) fn visited(&mut self, visit: usize, outcome: &'static str, answered_by: Option<Who>) {
        let visit = &mut self.visits[visit];
        if visit.outcome.is_none() {
            (visit.outcome, visit.answered_by) = (Some(outcome), answered_by);
        }
    }

    /// The caller's next stop begins: whatever queue they were in has passed them on.
    fn leaves_queue(&mut self, session: usize) {
        let waits = |visit: &&mut Visit| visit.session == session && visit.outcome.is_none();
        self.visits.iter_mut().filter(waits).for_each(|visit| visit.outcome = Some("Overflowed"));
    }

    pub(crate) fn leaves_message(&mut self, session: usize, now: Millis) {
        self.leaves_queue(session);
        self.machines.push((session, Machine::Mailbox, now));
    }

    pub(crate) fn faxes(&mut self, session: usize, now: Millis) {
        self.machines.push((session, Machine::Fax, now));
    }

    /// None of a user's telephones can be rung.
    pub(crate) fn is_unreachable(&mut self, session: usize, now: Millis) {
        self.machines.push((session, Machine::Unreachable, now));
    }

    /// The session calls something that is no person: a star code, the caller's own mailbox, an announcement.
    pub(crate) fn is_service(&mut self, session: usize) {
        self.services.push(session);
    }

    /// A session shows nothing of whom it was meant to reach.
    pub(crate) fn shows_no_callee(&mut self, session: usize) {
        self.unknown.push(session);
    }

    /// Somebody called themself, and answered.
    pub(crate) fn answers_self(&mut self, session: usize) {
        self.self_answers.push(session);
    }

    /// A number outside is a user's own telephone, and rings on their behalf.
    pub(crate) fn is_mobile_of(&mut self, session: usize, number: Who, user: Who) {
        self.mobiles.push((session, number, user));
    }

    pub(crate) fn parks(&mut self, session: usize, line: usize, now: Millis) {
        self.parkings.push((session, line, now, None));
    }

    /// A parked line waits no longer; the first time counts.
    pub(crate) fn unparks(&mut self, line: usize, now: Millis) {
        for (.., until) in self.parkings.iter_mut().filter(|(_, other, ..)| *other == line) {
            until.get_or_insert(now);
        }
    }

    /// Two sessions are the two halves of one call that went over the public network.
    pub(crate) fn is_hairpin(&mut self, out: usize, back: usize) {
        self.hairpins.push((out, back));
    }

    /// What each person in each session is doing from now on.
    pub(crate) fn does(&mut self, now: Millis, current: Vec<(Who, usize, Doing)>) {
        self.doing.observe(now, current);
    }

    pub(crate) fn ends(&mut self, session: usize, time: Millis) {
        self.diallings[session].end = self.diallings[session].end.max(time);
    }

    fn call_of(&self, session: usize) -> usize {
        let mut call = session;
        while let Some(next) = self.diallings[call].joined_to {
            call = next;
        }
        call
    }
}
