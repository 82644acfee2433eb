//! What people did, as it happens; in the end, the truth about each call of a play.

use std::collections::BTreeSet;

use crate::{
    audio::Talk,
    id::{SessionId, Who},
    time::Millis,
    truth::{CallTruth, Conversation, Move},
};

/// What became of one telephone that rang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    Rejected,
    Busy,
    NoAnswer,
    /// The caller, or whoever rang it, gave up; or somebody else took the call.
    Cancelled,
    Failed,
    Blocked,
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
    /// Dialled in order to listen to another call.
    listens: bool,
    /// The session it became one call with.
    joined_to: Option<usize>,
}

/// Everything that happened in a play, by session.
#[derive(Debug, Default)]
pub(crate) struct Log {
    diallings: Vec<Dialling>,
    rings: Vec<(usize, Who, Outcome)>,
    rung: Vec<(usize, Who)>,
    present: Vec<(usize, Who)>,
    passed: Vec<(usize, Who)>,
    monitors: Vec<(usize, Who)>,
    moves: Vec<(usize, Step)>,
    barges: Vec<(usize, Millis, Millis, Vec<Who>)>,
    mailboxes: Vec<usize>,
    faxes: Vec<usize>,
    self_answers: Vec<usize>,
}

#[derive(Debug)]
struct Step {
    kind: &'static str,
    time: Millis,
    by: Who,
    target: Option<Who>,
}

impl Log {
    pub(crate) fn dials(&mut self, id: SessionId, account: u64, caller: Who, start: Millis) {
        let (end, dialled, listens, joined_to) = (start, None, false, None);
        self.diallings.push(Dialling { id, account, start, end, caller, dialled, listens, joined_to });
        self.present.push((self.diallings.len() - 1, caller));
    }

    /// Whom a session was meant for; the first one told counts.
    pub(crate) fn reaches(&mut self, session: usize, who: Who) {
        self.diallings[session].dialled.get_or_insert(who);
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

    pub(crate) fn rings(&mut self, session: usize, who: Who) {
        self.rung.push((session, who));
        self.is_there(session, who);
    }

    pub(crate) fn rang(&mut self, session: usize, who: Who, outcome: Outcome) {
        self.rings.push((session, who, outcome));
    }

    pub(crate) fn is_there(&mut self, session: usize, who: Who) {
        self.present.push((session, who));
    }

    /// A menu, a queue, or a rule of a user handled the call.
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

    pub(crate) fn moves(
        &mut self,
        session: usize,
        kind: &'static str,
        time: Millis,
        by: Who,
        target: Option<Who>,
    ) {
        self.moves.push((session, Step { kind, time, by, target }));
    }

    pub(crate) fn leaves_message(&mut self, session: usize) {
        self.mailboxes.push(session);
    }

    pub(crate) fn faxes(&mut self, session: usize) {
        self.faxes.push(session);
    }

    /// Somebody called themself, and answered.
    pub(crate) fn answers_self(&mut self, session: usize) {
        self.self_answers.push(session);
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

    /// The truth about each call; `talks` is what was heard, by mixer, of which each session has one.
    pub(crate) fn into_truths(self, talks: &[Talk]) -> Vec<CallTruth> {
        let calls: BTreeSet<usize> = (0..self.diallings.len()).map(|session| self.call_of(session)).collect();
        calls.into_iter().map(|call| self.truth(call, talks)).collect()
    }

    fn truth(&self, call: usize, talks: &[Talk]) -> CallTruth {
        let own = |session: usize| self.call_of(session) == call;
        let sessions: Vec<&Dialling> = (0..self.diallings.len())
            .filter(|&session| own(session))
            .map(|session| &self.diallings[session])
            .collect();
        let root = sessions
            .iter()
            .filter(|session| !session.listens)
            .min_by_key(|session| (session.start, session.id));
        let root = root.copied().unwrap_or(&self.diallings[call]);
        let mut heard: Vec<&Talk> = talks.iter().filter(|talk| own(talk.mixer)).collect();
        heard.sort_by_key(|talk| (talk.start, talk.end));
        let participants =
            names(self.present.iter().filter(|(session, _)| own(*session)).map(|(_, who)| *who));
        let mut conversations: Vec<Conversation> =
            heard.iter().map(|talk| conversation(talk.start, talk.end, &talk.people)).collect();
        conversations.sort();
        let mut sessions_of_call: Vec<String> =
            sessions.iter().map(|session| session.id.to_string()).collect();
        sessions_of_call.sort();
        let barges = self.barges.iter().filter(|(session, ..)| own(*session));
        let passed = self.passed.iter().filter(|(session, _)| own(*session)).map(|(_, who)| *who);
        CallTruth {
            id: root.id.to_string(),
            account_id: Some(root.account.to_string()),
            sessions: sessions_of_call,
            direction: direction(root).to_owned(),
            result: self.result(&own, root, !heard.is_empty()).to_owned(),
            start_time: root.start,
            answer_time: heard.first().map(|talk| talk.start),
            end_time: sessions.iter().map(|session| session.end).max().unwrap_or(root.end),
            caller: root.caller.to_string(),
            dialled: root.dialled.map(|who| who.to_string()),
            ignorable: names(passed).into_iter().filter(|name| !participants.contains(name)).collect(),
            participants,
            rung: Some(names(self.rung.iter().filter(|(session, _)| own(*session)).map(|(_, who)| *who))),
            monitors: names(self.monitors.iter().filter(|(session, _)| own(*session)).map(|(_, who)| *who)),
            conversations,
            moves: self.moves_of(&own),
            barges: barges.map(|(_, from, to, people)| conversation(*from, *to, people)).collect(),
        }
    }

    fn moves_of(&self, own: &impl Fn(usize) -> bool) -> Vec<Move> {
        let mut steps: Vec<Move> = self
            .moves
            .iter()
            .filter(|(session, _)| own(*session))
            .map(|(_, step)| Move {
                kind: step.kind.to_owned(),
                time: Some(step.time),
                by: Some(step.by.to_string()),
                target: step.target.map(|who| who.to_string()),
            })
            .collect();
        steps.sort_by(|a, b| (a.time, &a.kind, &a.by, &a.target).cmp(&(b.time, &b.kind, &b.by, &b.target)));
        steps
    }

    fn result(&self, own: &impl Fn(usize) -> bool, root: &Dialling, talked: bool) -> &'static str {
        let in_call = |sessions: &[usize]| sessions.iter().any(|session| own(*session));
        if talked || in_call(&self.self_answers) {
            return "Answered";
        }
        if in_call(&self.mailboxes) {
            return "Voicemail";
        }
        if in_call(&self.faxes) {
            return "Fax";
        }
        let mut outcomes =
            self.rings.iter().filter(|(session, ..)| own(*session)).map(|(_, _, outcome)| *outcome);
        if direction(root) == "Outbound" {
            return match outcomes.next_back() {
                Some(Outcome::Busy) => "Busy",
                Some(Outcome::NoAnswer) => "NoAnswer",
                Some(Outcome::Rejected) => "Rejected",
                Some(Outcome::Failed) => "Failed",
                Some(Outcome::Blocked) => "Blocked",
                Some(Outcome::Cancelled | Outcome::Answered) | None => "Cancelled",
            };
        }
        let outcomes: Vec<Outcome> = outcomes.collect();
        let all = |outcome| outcomes.iter().all(|one| *one == outcome);
        match () {
            () if outcomes.is_empty() => "Abandoned",
            () if all(Outcome::Rejected) => "Rejected",
            () if all(Outcome::Busy) => "Busy",
            () => "Missed",
        }
    }
}

fn direction(root: &Dialling) -> &'static str {
    match (root.caller, root.dialled) {
        (Who::Number(_) | Who::Anonymous(_), _) => "Inbound",
        (Who::Extension(_), Some(Who::Extension(_))) => "Internal",
        (Who::Extension(_), _) => "Outbound",
    }
}

fn conversation(start_time: Millis, end_time: Millis, people: &[Who]) -> Conversation {
    Conversation { start_time, end_time, participants: names(people.iter().copied()) }
}

fn names(who: impl Iterator<Item = Who>) -> Vec<String> {
    let names: BTreeSet<String> = who.map(|who| who.to_string()).collect();
    names.into_iter().collect()
}
