//! Derives the truth about each call from what people did and who could hear whom.

use std::collections::BTreeSet;

use super::{DialAttempt, Log, MoveEntry, Outcome, Placement, Ring};
use crate::{
    audio::{Arrival, Talk},
    id::ParticipantRef,
    log::Activity,
    time::Timestamp,
    truth::{CallFacts, CallTruth, Conversation, Move, QueueVisit, SessionTruth},
};

/// Minimum duration of a conversation that counts as the caller's last one.
const MIN_LAST_TALK_MS: i64 = 1000;

/// Everything that was audible in a play.
pub(crate) struct AudioTrace<'a> {
    /// The conversations, by mixer: each session has one.
    pub(crate) talks: &'a [Talk],
    /// Who joined which mixer, in order.
    pub(crate) arrivals: &'a [Arrival],
    /// Whether a public number belongs to an account.
    pub(crate) is_ours: &'a dyn Fn(u64, u64) -> bool,
}

/// One call: its sessions and conversations.
struct Call<'a> {
    log: &'a Log,
    call: usize,
    root: usize,
    sessions: Vec<usize>,
    /// In order.
    talks: Vec<&'a Talk>,
    audio: &'a AudioTrace<'a>,
    leaves_open: BTreeSet<&'static str>,
}

impl Log {
    /// The truth about each call.
    pub(crate) fn into_truths(self, audio: &AudioTrace<'_>) -> Vec<CallTruth> {
        let calls: BTreeSet<usize> =
            (0..self.dial_attempts.len()).map(|session| self.call_of(session)).collect();
        calls.into_iter().map(|call| Call::new(&self, call, audio).truth()).collect()
    }

    fn root_of(&self, sessions: &[usize]) -> usize {
        let rank = |&session: &usize| {
            let attempt = &self.dial_attempts[session];
            let kind = match direction(attempt) {
                _ if attempt.placement == Placement::Bridge => 2,
                "Internal" => 1,
                _ => 0,
            };
            (attempt.listens, kind, attempt.start, attempt.id)
        };
        sessions.iter().copied().min_by_key(rank).unwrap_or_default()
    }
}

impl<'a> Call<'a> {
    fn new(log: &'a Log, call: usize, audio: &'a AudioTrace<'a>) -> Self {
        let sessions: Vec<usize> =
            (0..log.dial_attempts.len()).filter(|&session| log.call_of(session) == call).collect();
        let mut talks: Vec<&Talk> =
            audio.talks.iter().filter(|talk| log.call_of(talk.mixer) == call).collect();
        talks.sort_by_key(|talk| (talk.start, talk.end));
        let root = log.root_of(&sessions);
        Self { log, call, root, sessions, talks, audio, leaves_open: BTreeSet::new() }
    }

    fn owns(&self, session: usize) -> bool {
        self.log.call_of(session) == self.call
    }

    fn root(&self) -> &'a DialAttempt {
        &self.log.dial_attempts[self.root]
    }

    fn rings(&self) -> impl Iterator<Item = &'a Ring> {
        self.log.rings.iter().filter(|ring| self.owns(ring.session))
    }

    fn of<T>(&self, list: &'a [(usize, T)]) -> impl Iterator<Item = &'a T> {
        list.iter().filter(|(session, _)| self.owns(*session)).map(|(_, of)| of)
    }

    fn truth(mut self) -> CallTruth {
        let log = self.log;
        let call = self.call;
        let own = move |session: usize| log.call_of(session) == call;
        let root = self.root();
        let dial_attempts = || self.sessions.iter().map(|&session| &log.dial_attempts[session]);
        let start_time = dial_attempts().map(|session| session.start).min().unwrap_or(root.start);
        let end_time = dial_attempts().map(|session| session.end).max().unwrap_or(root.end);
        let participants = names(self.of(&log.present).copied());
        let mut conversations: Vec<Conversation> =
            self.talks.iter().map(|talk| conversation(talk.start, talk.end, &talk.people)).collect();
        conversations.sort();
        let mut sessions: Vec<String> = dial_attempts().map(|session| session.id.to_string()).collect();
        sessions.sort();
        let mut session_truths: Vec<SessionTruth> = dial_attempts().map(session_truth).collect();
        session_truths.sort_by(|a, b| a.id.cmp(&b.id));
        let is_shown = !log.unknown.iter().any(|&session| own(session));
        let result = log.result(&own, root, !self.talks.is_empty(), is_shown);
        let barges = log.barges.iter().filter(|(session, ..)| own(*session));
        let barges = barges.map(|(_, from, to, people)| conversation(*from, *to, people)).collect();
        let moves = self.moves();
        let facts = self.facts(&moves, end_time);
        CallTruth {
            id: root.id.to_string(),
            account_id: Some(root.account.to_string()),
            sessions,
            direction: direction(root).to_owned(),
            result: result.to_owned(),
            start_time,
            answer_time: self.answer().map(|(time, _)| time),
            end_time,
            caller: root.caller.to_string(),
            dialled: root.dialled.map(|who| who.to_string()),
            ignorable: names(self.of(&log.passed).copied())
                .into_iter()
                .filter(|name| !participants.contains(name))
                .collect(),
            participants,
            rung: Some(names(self.rings().map(|ring| ring.who))),
            monitors: names(self.of(&log.monitors).copied()),
            conversations,
            moves: moves.into_iter().map(|(made, _)| made).collect(),
            barges,
            facts: Some(Box::new(facts)),
            session_truths,
        }
    }

    fn facts(&mut self, moves: &[(Move, &MoveEntry)], end: Timestamp) -> CallFacts {
        let log = self.log;
        let root = self.root();
        let customer = self.customer();
        let served = customer.unwrap_or(root.caller);
        let answer = self.answer();
        let call = self.call;
        let own = move |session: usize| log.call_of(session) == call;
        let (last_with, end_state) = (self.last_with(), self.end_state(served, &own));
        if last_with.is_none() {
            self.leaves_open.insert("lastWith");
        }
        if end_state.is_none() {
            self.leaves_open.insert("endState");
        }
        let related = self.related();
        self.leave_mobile_facts_open(&own);
        if root.dialled.is_none() && !root.has_no_extension && !log.services.contains(&self.root) {
            self.leaves_open.insert("to");
        }
        let mobiles = log.mobiles.iter().filter(|(session, ..)| own(*session));
        let transfer =
            moves.iter().rev().find(|(_, step)| is_transfer(step) && self.resolved(step).1.contains(&served));
        CallFacts {
            answered_by: answer.and_then(|(_, talk)| self.answered_by(talk)).map(|who| who.to_string()),
            last_with: last_with.unwrap_or_default(),
            customer: customer.map(|who| who.to_string()),
            users: self.users(),
            end_state: end_state.unwrap_or_default().to_owned(),
            wait_ms: answer.map_or(end, |(time, _)| time) - root.start,
            parked_ms: self.parked(end),
            transfer: transfer.map(|(made, _)| made.clone()),
            missed_by: self.missed_by(),
            queues: self.queues(),
            on_behalf_of: mobiles.map(|(_, number, user)| (number.to_string(), user.to_string())).collect(),
            related,
            leaves_open: self.leaves_open.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    /// When the caller first talked in the root session, or in one connected to it; if a queue calls back,
    /// when anybody did.
    fn answer(&self) -> Option<(Timestamp, &'a Talk)> {
        let caller = self.root().caller;
        let is_machine = !self.audio.arrivals.iter().any(|arrival| arrival.who == caller);
        let with_caller = |talk: &&&Talk| is_machine || talk.people.contains(&caller);
        let in_root = self.talks.iter().filter(with_caller).filter_map(|&talk| {
            let reached = talk.mixers.iter().find(|(mixer, _)| *mixer == self.root);
            reached.map(|(_, since)| (talk.start.max(*since), talk))
        });
        in_root.min_by_key(|(time, talk)| (*time, talk.end))
    }

    /// Of those whom the caller talked with first, the one who joined last.
    fn answered_by(&self, talk: &Talk) -> Option<ParticipantRef> {
        let caller = self.root().caller;
        let others = talk.by_arrival.iter().rev().copied().filter(|_| talk.people.contains(&caller));
        others.into_iter().find(|who| *who != caller)
    }

    /// With whom the caller talked last; `None` if that was with several sets of people at once.
    fn last_with(&self) -> Option<Vec<String>> {
        let caller = self.root().caller;
        let own: Vec<&&Talk> = self.talks.iter().filter(|talk| talk.people.contains(&caller)).collect();
        let long = |talk: &&&&Talk| talk.end - talk.start >= MIN_LAST_TALK_MS;
        let last = own.iter().filter(long).max_by_key(|talk| talk.start).or(own.last());
        let ends_last = own.iter().filter(long).max_by_key(|talk| talk.end).or(own.last());
        match (last, ends_last) {
            (Some(last), Some(ends)) if last.people != ends.people => None,
            (Some(last), _) => Some(names(last.people.iter().copied().filter(|who| *who != caller))),
            _ => Some(Vec::new()),
        }
    }

    fn mobile_of(&self, who: ParticipantRef) -> Option<ParticipantRef> {
        let mobiles = self.log.mobiles.iter().filter(|(session, ..)| self.owns(*session));
        mobiles.filter(|(_, number, _)| *number == who).map(|(.., user)| *user).next()
    }

    /// Whether a participant is outside the account.
    fn is_outsider(&self, who: ParticipantRef) -> bool {
        match who {
            ParticipantRef::Extension(_) => false,
            ParticipantRef::Anonymous(_) | ParticipantRef::Service(_) => true,
            ParticipantRef::Number(number) => {
                !(self.audio.is_ours)(self.root().account, number) && self.mobile_of(who).is_none()
            }
        }
    }

    fn customer(&self) -> Option<ParticipantRef> {
        let root = self.root();
        let rung = self.rings().map(|ring| (ring.since, ring.who));
        let comes = self.audio.arrivals.iter().filter(|arrival| self.owns(arrival.mixer));
        let mut others: Vec<(Timestamp, ParticipantRef)> = rung.collect();
        others.sort_by_key(|(since, _)| *since);
        let others = others.into_iter().map(|(_, who)| who).chain(comes.map(|arrival| arrival.who));
        [Some(root.caller), root.dialled]
            .into_iter()
            .flatten()
            .chain(others)
            .find(|&who| self.is_outsider(who))
    }

    /// The users who talked, in the order in which they, or their own outside telephones, joined.
    fn users(&self) -> Vec<String> {
        let talked: BTreeSet<ParticipantRef> =
            self.talks.iter().flat_map(|talk| talk.people.iter().copied()).collect();
        let mut users: Vec<ParticipantRef> = Vec::new();
        for arrival in self.audio.arrivals.iter().filter(|arrival| self.owns(arrival.mixer)) {
            let user = match self.mobile_of(arrival.who) {
                Some(user) if talked.contains(&arrival.who) => user,
                _ => arrival.who,
            };
            let counts = talked.contains(&arrival.who) && matches!(user, ParticipantRef::Extension(_));
            if counts && !users.contains(&user) {
                users.push(user);
            }
        }
        users.iter().map(ParticipantRef::to_string).collect()
    }

    fn end_state(&self, served: ParticipantRef, own: &impl Fn(usize) -> bool) -> Option<&'static str> {
        let end = self.log.activities.end_of(served, own)?;
        let after = || self.talks.iter().filter(|talk| talk.end > end && !talk.people.contains(&served));
        if after().any(|talk| talk.end - talk.start.max(end) >= MIN_LAST_TALK_MS) {
            return Activity::Nothing.name();
        }
        if after().next().is_some() {
            return None;
        }
        self.log.activities.last(served, own).and_then(Activity::name)
    }

    /// Total time in which at least one participant was parked.
    fn parked(&self, end: Timestamp) -> i64 {
        let own = self.log.parkings.iter().filter(|(session, ..)| self.owns(*session));
        let mut stretches: Vec<(Timestamp, Timestamp)> =
            own.map(|(.., since, until)| (*since, until.unwrap_or(end))).collect();
        stretches.sort_unstable();
        let mut over = Timestamp::MIN;
        let mut length = 0;
        for (since, until) in stretches {
            length += (until - since.max(over)).max(0);
            over = over.max(until);
        }
        length
    }

    /// The users whose telephone rang without an answer.
    fn missed_by(&self) -> Vec<String> {
        let elsewhere = |ring: &Ring| {
            self.log.joins.iter().any(|(session, phone, time)| {
                *session == ring.session
                    && *phone != ring.phone
                    && (ring.since..=ring.until).contains(time)
                    && *time > ring.since
            })
        };
        let missed = self.rings().filter(|ring| {
            matches!(ring.who, ParticipantRef::Extension(_))
                && !ring.is_initiator
                && matches!(ring.outcome, None | Some(Outcome::NoAnswer | Outcome::Cancelled))
                && !elsewhere(ring)
        });
        names(missed.map(|ring| ring.who))
    }

    fn queues(&self) -> Vec<QueueVisit> {
        let own = self.log.visits.iter().filter(|visit| self.owns(visit.session));
        own.map(|visit| QueueVisit {
            participant: visit.queue.to_string(),
            enter_time: visit.since,
            outcome: Some(visit.outcome().to_owned()),
            answered_by: visit.answered_by.map(|who| who.to_string()),
        })
        .collect()
    }

    /// Each move with its log entry, in order.
    fn moves(&self) -> Vec<(Move, &'a MoveEntry)> {
        let mut steps: Vec<(Move, &MoveEntry)> = self
            .of(&self.log.moves)
            .map(|step| {
                let (by, target) =
                    (Some(step.by.to_string()), self.resolved(step).0.map(|who| who.to_string()));
                let made =
                    Move { kind: step.kind.to_owned(), time: Some(step.time), by, target, answered: None };
                (made, step)
            })
            .collect();
        steps.sort_by(|(a, _), (b, _)| {
            (a.time, &a.kind, &a.by, &a.target).cmp(&(b.time, &b.kind, &b.by, &b.target))
        });
        let times: Vec<Timestamp> = steps.iter().map(|(_, step)| step.time).collect();
        for (made, step) in &mut steps {
            let next = times.iter().copied().find(|time| *time > step.time).unwrap_or(Timestamp::MAX);
            let (target, _) = self.resolved(step);
            made.answered = Some(target.is_some_and(|target| self.is_answered(target, step.time, next)));
        }
        steps
    }

    /// Target and moved people of a move.
    fn resolved(&self, step: &'a MoveEntry) -> (Option<ParticipantRef>, &'a [ParticipantRef]) {
        match &step.instead {
            Some((root, target, moved)) if *root == self.root => (*target, moved),
            _ => (step.target, &step.moved),
        }
    }

    /// Whether the target of a move talked, or answered the call from the queue that it was moved to.
    fn is_answered(&self, target: ParticipantRef, from: Timestamp, until: Timestamp) -> bool {
        let mut visits = self.log.visits.iter().filter(|visit| self.owns(visit.session));
        if let Some(visit) = visits.find(|visit| visit.queue == target && visit.since >= from) {
            return visit.outcome == Some("Answered");
        }
        let is_target = |who: &ParticipantRef| *who == target || self.mobile_of(*who) == Some(target);
        self.talks
            .iter()
            .any(|talk| talk.end > from && talk.start < until && talk.people.iter().any(is_target))
    }

    /// Leaves facts open if several users were rung: only a list of their numbers shows for whom a mobile
    /// rang.
    fn leave_mobile_facts_open(&mut self, own: &dyn Fn(usize) -> bool) {
        let log = self.log;
        for (session, ..) in log.mobiles.iter().filter(|(session, ..)| own(*session)) {
            let rings = log.rings.iter().filter(|ring| ring.session == *session);
            let users: BTreeSet<ParticipantRef> = rings
                .map(|ring| ring.who)
                .filter(|who| matches!(who, ParticipantRef::Extension(_)))
                .collect();
            if users.len() > 1 {
                self.leaves_open.extend(["customer", "users", "onBehalfOf", "endState", "queues"]);
            }
        }
    }

    /// The kinds of relation to other calls.
    fn related(&mut self) -> Vec<String> {
        let halves =
            self.log.hairpins.iter().map(|&(out, back)| (self.log.call_of(out), self.log.call_of(back)));
        let is_hairpin = halves.into_iter().any(|(out, back)| out == self.call || back == self.call);
        // Only a list of the account's numbers shows that no outsider took part.
        if is_hairpin {
            self.leaves_open.insert("customer");
        }
        let mixed = self.talks.iter().any(|talk| {
            let elsewhere =
                self.audio.talks.iter().filter(|other| self.log.call_of(other.mixer) != self.call);
            elsewhere.into_iter().any(|other| {
                let together = talk.end.min(other.end) - talk.start.max(other.start);
                let in_both = |who: &&ParticipantRef| {
                    matches!(who, ParticipantRef::Extension(_)) && other.people.contains(who)
                };
                together >= MIN_LAST_TALK_MS && talk.people.iter().any(|who| in_both(&who))
            })
        });
        // A moved call, or one of several sessions, may include a person without showing a telephone of
        // theirs.
        let calls = (0..self.log.dial_attempts.len()).map(|session| self.log.call_of(session));
        let several = calls.collect::<BTreeSet<_>>().len() < self.log.dial_attempts.len();
        if mixed && (is_hairpin || several || !self.log.moves.is_empty()) {
            self.leaves_open.insert("related");
        }
        let kinds = [("concurrent", mixed), ("hairpin", is_hairpin)];
        kinds.into_iter().filter(|(_, is_so)| *is_so).map(|(kind, _)| kind.to_owned()).collect()
    }
}

fn is_transfer(step: &MoveEntry) -> bool {
    matches!(step.kind, "BlindTransfer" | "AttendedTransfer" | "Transfer" | "Forward")
}

fn session_truth(attempt: &DialAttempt) -> SessionTruth {
    SessionTruth {
        id: attempt.id.to_string(),
        direction: direction(attempt).to_owned(),
        caller: attempt.caller.to_string(),
        dialled: attempt.dialled.map(|who| who.to_string()),
        start_time: attempt.start,
        seen: None,
    }
}

pub(super) fn direction(root: &DialAttempt) -> &'static str {
    match (root.caller, root.dialled) {
        (ParticipantRef::Number(_) | ParticipantRef::Service(_) | ParticipantRef::Anonymous(_), _) => {
            "Inbound"
        }
        (ParticipantRef::Extension(_), Some(ParticipantRef::Extension(_))) => "Internal",
        (ParticipantRef::Extension(_), Some(_)) => "Outbound",
        (ParticipantRef::Extension(_), None) if root.placement == Placement::Outside => "Outbound",
        (ParticipantRef::Extension(_), None) => "Internal",
    }
}

fn conversation(start_time: Timestamp, end_time: Timestamp, people: &[ParticipantRef]) -> Conversation {
    Conversation { start_time, end_time, participants: names(people.iter().copied()), inferred: false }
}

fn names(who: impl Iterator<Item = ParticipantRef>) -> Vec<String> {
    let names: BTreeSet<String> = who.map(|who| who.to_string()).collect();
    names.into_iter().collect()
}
