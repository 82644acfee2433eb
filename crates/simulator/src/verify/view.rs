//! Compares records of one user's subscription with the whole truth: each statement agrees with the truth, is
//! contradicted by it, or is left open.
//!
//! Such a subscription receives only what is about that user's own parties. A record may leave open what it
//! cannot know; what it states must not be wrong.

use std::fmt;

use super::{Record, Tolerance};
use crate::{
    time::Timestamp,
    truth::{CallFacts, CallTruth, Conversation, Move, QueueVisit, SessionTruth},
};

/// Maximum duration of a difference that may result from the order of posting.
const MAX_ORDER_GAP_MS: i64 = 1000;

/// Results which state that the user of the view did not talk.
const DENIALS: [&str; 13] = [
    "Missed",
    "Rejected",
    "Busy",
    "Voicemail",
    "Fax",
    "Abandoned",
    "Cancelled",
    "NoAnswer",
    "Failed",
    "Blocked",
    "Service",
    "Forwarded",
    "AnsweredElsewhere",
];

/// The result of comparing the records of some views.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ViewReport {
    /// Number of views.
    pub views: usize,
    /// Number of statements that agree with the truth.
    pub agreeing: usize,
    /// Number of statements that the truth neither confirms nor contradicts, and of facts that are left open.
    pub open: usize,
    /// Facts that are left open although the view shows them, each in a sentence.
    pub withheld: Vec<String>,
    /// Statements that the truth contradicts, each in a sentence that names the record.
    pub contradicted: Vec<String>,
}

impl ViewReport {
    /// Adds the result of other views.
    pub fn add(&mut self, other: Self) {
        self.views += other.views;
        self.agreeing += other.agreeing;
        self.open += other.open;
        self.withheld.extend(other.withheld);
        self.contradicted.extend(other.contradicted);
    }
}

impl fmt::Display for ViewReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.contradicted.iter().try_for_each(|sentence| writeln!(f, "false: {sentence}"))?;
        self.withheld.iter().try_for_each(|sentence| writeln!(f, "left open: {sentence}"))?;
        let (contradicted, withheld) = (self.contradicted.len(), self.withheld.len());
        writeln!(
            f,
            "{} statements agree, {contradicted} are contradicted, {} are left open; {withheld} facts are left open \
             that the view shows",
            self.agreeing, self.open
        )
    }
}

/// How a statement compares with the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Assessment {
    Agrees,
    Open,
    Contradicted,
}

impl Assessment {
    fn of(agrees: bool, contradicted: bool) -> Self {
        match (agrees, contradicted) {
            (true, _) => Self::Agrees,
            (false, true) => Self::Contradicted,
            (false, false) => Self::Open,
        }
    }
}

/// Compares the records of one user's view with the truth. Of several versions of a record, the highest is
/// used.
pub fn verify_view(
    view: &str,
    truths: &[CallTruth],
    records: impl IntoIterator<Item = Record>,
    tolerance: Tolerance,
) -> ViewReport {
    let records = super::latest(records);
    let mut report = ViewReport { views: 1, ..ViewReport::default() };
    for record in records.values() {
        let truth = truths
            .iter()
            .find(|truth| record.sessions().any(|id| truth.sessions.iter().any(|own| own == id)));
        match truth.and_then(|truth| Some((truth, truth.facts.as_ref()?))) {
            Some((truth, facts)) => {
                ViewCheck { view, truth, facts, record, tolerance, report: &mut report }.run();
            }
            None => report.contradicted.push(format!("{}: there never was such a call.", record.id)),
        }
    }
    for truth in truths {
        let of_call =
            |record: &&Record| record.sessions().any(|id| truth.sessions.iter().any(|own| own == id));
        let stated: Vec<&Record> = records.values().filter(of_call).collect();
        report.withheld.extend(withheld(view, truth, &stated));
    }
    report
}

struct ViewCheck<'a> {
    view: &'a str,
    truth: &'a CallTruth,
    facts: &'a CallFacts,
    record: &'a Record,
    tolerance: Tolerance,
    report: &'a mut ViewReport,
}

impl ViewCheck<'_> {
    fn count(&mut self, what: &str, stated: &str, assessment: Assessment) {
        match assessment {
            Assessment::Agrees => self.report.agreeing += 1,
            Assessment::Open => self.report.open += 1,
            Assessment::Contradicted => {
                let id = &self.record.id;
                self.report.contradicted.push(format!("{id}: `{what}` {stated}."));
            }
        }
    }

    fn run(&mut self) {
        self.sides();
        self.times();
        self.result();
        self.people();
        self.end_state();
        for talk in self.record.conversations.clone() {
            let assessment = self.conversation(&talk);
            let kind = if talk.inferred { "inferred conversation" } else { "conversation" };
            self.count(kind, &super::describe_talk(&talk), assessment);
        }
        for step in self.record.moves.clone() {
            self.step(&step);
        }
        self.queues();
    }

    fn session(&self) -> Option<&SessionTruth> {
        self.truth.session_truths.iter().find(|session| session.id == self.record.id)
    }

    /// Compares direction, caller and callee with those of the record's root session.
    fn sides(&mut self) {
        let Some(session) = self.session().cloned() else { return };
        let (direction, from, to) = (
            self.record.direction.clone(),
            self.record.from.participant.clone(),
            self.record.to.participant.clone(),
        );
        // Of a call that reached the user later, no more can be known than who was passed on to them.
        let passed_on = session
            .seen
            .as_ref()
            .is_some_and(|seen| !seen.from_start && seen.other.as_ref() != Some(&session.caller));
        let assessment = Assessment::of(direction == session.direction, !passed_on);
        self.count("direction", &format!("{direction}, was {}", session.direction), assessment);
        let assessment = match &from {
            Some(from) if is_unknown(from) => Assessment::Open,
            Some(from) => {
                let shown = session.seen.as_ref().is_some_and(|seen| seen.other.as_ref() == Some(from));
                Assessment::of(*from == session.caller, !(passed_on && shown))
            }
            None => Assessment::Open,
        };
        self.count("from", &format!("{from:?}, was {}", session.caller), assessment);
        let assessment = match (&to, &session.dialled) {
            (Some(to), Some(dialled)) => {
                // An agent of a queue cannot know of earlier stops; a number of the account may be named by
                // its owner.
                let is_queue = |visit: &QueueVisit| visit.participant == *to;
                let offered = (self.facts.queues.iter().any(is_queue) || *to == session.caller)
                    && session.seen.as_ref().is_some_and(|seen| !seen.from_start);
                let owner = is_in(&self.facts.related, "hairpin") && to.starts_with("ext:");
                Assessment::of(to == dialled, !(is_unknown(to) || offered || owner))
            }
            _ => Assessment::Open,
        };
        self.count("to", &format!("{to:?}, was {:?}", session.dialled), assessment);
    }

    fn times(&mut self) {
        let slack = self.tolerance.times + self.tolerance.end;
        let (start, end) = (self.record.start_time, self.record.end_time);
        let assessment = Assessment::of(
            start >= self.truth.start_time - slack && start <= self.truth.end_time + slack,
            true,
        );
        self.count("startTime", &start.to_string(), assessment);
        // A supervisor's own leg is not part of the call.
        if let Some(end) = end.filter(|_| !is_in(&self.truth.monitors, self.view)) {
            let assessment = Assessment::of(end <= self.truth.end_time + slack, true);
            self.count("endTime", &end.to_string(), assessment);
        }
        if let Some(answer) = self.record.answer_time {
            let within =
                |talk: &Conversation| (talk.start_time - slack..=talk.end_time + slack).contains(&answer);
            let assessment = Assessment::of(self.truth.conversations.iter().any(within), true);
            self.count("answerTime", &answer.to_string(), assessment);
        }
    }

    /// Whether the user of the view talked during the record's call.
    fn talked(&self) -> bool {
        let end = self.record.end_time.unwrap_or(Timestamp::MAX);
        self.truth.conversations.iter().any(|talk| {
            is_in(&talk.participants, self.view)
                && talk.start_time < end
                && talk.end_time > self.record.start_time
        })
    }

    fn result(&mut self) {
        let result = self.record.result.clone();
        let (same, talked) = (result == self.truth.result, self.talked());
        let assessment = match result.as_str() {
            "Answered" => Assessment::of(talked || same && self.truth.conversations.is_empty(), true),
            "AnsweredElsewhere" => Assessment::of(!talked && self.truth.result == "Answered", true),
            denial if DENIALS.contains(&denial) => Assessment::of(!talked && same, talked),
            _ => Assessment::Open,
        };
        self.count("result", &format!("{result}, was {}", self.truth.result), assessment);
    }

    /// Whether a participant talked at all.
    fn was_on_line(&self, who: &str) -> bool {
        is_unknown(who)
            || is_in(&self.facts.users, who)
            || self.truth.conversations.iter().any(|talk| is_in(&talk.participants, who))
    }

    fn people(&mut self) {
        let record = self.record;
        if let Some(by) = &record.answered_by {
            let assessment =
                Assessment::of(self.facts.answered_by.as_ref() == Some(by), !self.was_on_line(by));
            self.count("answeredBy", by, assessment);
        }
        for (what, names) in [("lastWith", &record.last_with), ("users", &record.users)] {
            for who in names {
                let assessment =
                    Assessment::of(self.was_on_line(who) && !is_unknown(who), !self.was_on_line(who));
                self.count(what, who, assessment);
            }
        }
        if let Some(customer) = &record.customer {
            let is_ours = customer.starts_with("ext:")
                || self.facts.on_behalf_of.contains_key(customer)
                || self.facts.customer.is_none();
            let assessment = Assessment::of(self.facts.customer.as_ref() == Some(customer), is_ours);
            self.count("customer", customer, assessment);
        }
        for who in &record.monitors {
            let assessment = Assessment::of(is_in(&self.truth.monitors, who), true);
            self.count("monitors", who, assessment);
        }
        for who in &record.missed_by {
            let rung = self.truth.rung.as_ref().is_none_or(|rung| is_in(rung, who));
            let assessment = Assessment::of(is_in(&self.facts.missed_by, who), !rung);
            self.count("missedBy", who, assessment);
        }
        for participant in &record.participants {
            if let Some(user) = &participant.on_behalf_of {
                let assessment =
                    Assessment::of(self.facts.on_behalf_of.get(&participant.id) == Some(user), true);
                self.count("onBehalfOf", &format!("{} of {user}", participant.id), assessment);
            }
        }
    }

    fn end_state(&mut self) {
        let Some(state) = self.record.end_state.clone() else { return };
        let assessment = Assessment::of(state == self.facts.end_state, state == "talking" && !self.talked());
        self.count("endState", &state, assessment);
    }

    fn conversation(&self, talk: &Conversation) -> Assessment {
        let known: Vec<&str> =
            talk.participants.iter().map(String::as_str).filter(|who| !is_unknown(who)).collect();
        let overlapping =
            |other: &&Conversation| other.start_time < talk.end_time && other.end_time > talk.start_time;
        let true_talks = self.truth.conversations.iter().filter(overlapping);
        if talk.inferred {
            // An upper bound: a participant may have been on hold, unseen.
            let owner = if known.contains(&self.view) {
                self.view
            } else {
                known.first().copied().unwrap_or_default()
            };
            let mut with_owner = true_talks.filter(|other| is_in(&other.participants, owner));
            return Assessment::of(with_owner.next().is_some(), owner == self.view);
        }
        let mut covered: Vec<(Timestamp, Timestamp)> = true_talks
            .filter(|other| known.iter().all(|who| is_in(&other.participants, who)))
            .map(|other| (other.start_time, other.end_time))
            .collect();
        covered.sort_unstable();
        let slack = MAX_ORDER_GAP_MS + 2 * self.tolerance.times;
        let mut at = talk.start_time;
        for (from, to) in covered {
            if from > at + slack {
                return Assessment::Contradicted;
            }
            at = at.max(to);
        }
        Assessment::of(at + slack >= talk.end_time, true)
    }

    fn step(&mut self, step: &Move) {
        let same_kind = |other: &&Move| other.kind == step.kind && (step.by.is_none() || other.by == step.by);
        let alike: Vec<&Move> = self.truth.moves.iter().filter(same_kind).collect();
        let same = alike.iter().find(|other| other.target == step.target).copied();
        // Of a party that was consulted unseen, the view only shows that they were dialled.
        let unseen =
            |id: &str| self.record.participants.iter().any(|known| known.id == id && !known.observed);
        let no_target = step.target.as_deref().is_none_or(|target| is_unknown(target) || unseen(target));
        let assessment = match (alike.is_empty(), same) {
            (true, _) => Assessment::Contradicted,
            (false, Some(_)) => Assessment::Agrees,
            (false, None) => Assessment::of(false, !no_target),
        };
        self.count("move", &super::sentence(step), assessment);
        if let (Some(stated), Some(answered)) = (step.answered, same.and_then(|same| same.answered)) {
            let several = alike.len() > 1;
            let assessment = Assessment::of(stated == answered, !several);
            self.count("move's answered", &super::sentence(step), assessment);
        }
    }

    fn queues(&mut self) {
        for stay in self.record.queues.clone() {
            let visits = self.facts.queues.iter().filter(|visit| visit.participant == stay.participant);
            let assessment = match &stay.outcome {
                Some(outcome) => {
                    Assessment::of(visits.clone().any(|visit| visit.outcome.as_ref() == Some(outcome)), true)
                }
                None => Assessment::of(false, visits.clone().next().is_none()),
            };
            self.count("queue", &format!("{} {:?}", stay.participant, stay.outcome), assessment);
            if let Some(by) = &stay.answered_by {
                let assessment =
                    Assessment::of(visits.clone().any(|visit| visit.answered_by.as_ref() == Some(by)), true);
                self.count("queue's answeredBy", by, assessment);
            }
        }
    }
}

/// The facts of a call that the user's own parties show and that no record of the view states.
fn withheld(view: &str, truth: &CallTruth, records: &[&Record]) -> Vec<String> {
    let mut found = Vec::new();
    let Some(facts) = &truth.facts else { return found };
    let mut miss = |is_published: bool, what: String| {
        if !is_published {
            found.push(format!("{}: {what}.", truth.id));
        }
    };
    // A caller cannot see whether a person answers at an extension.
    let blind = |session: &SessionTruth| session.caller == view && session.direction != "Outbound";
    let seen = || truth.session_truths.iter().filter(|session| session.seen.is_some());
    let shows_talk = seen().next().is_some() && seen().all(|session| !blind(session));
    if is_in(&facts.users, view) && shows_talk {
        let stated = records.iter().any(|record| is_in(&record.users, view) && record.result == "Answered");
        let on_own_telephone = truth.conversations.iter().any(|talk| is_in(&talk.participants, view));
        miss(stated || !on_own_telephone, format!("that {view} talked"));
    }
    let is_called = |session: &&SessionTruth| {
        let seen = session.seen.as_ref();
        session.caller != view && seen.is_some_and(|seen| seen.other.as_ref() == Some(&session.caller))
    };
    for session in seen().filter(is_called) {
        let own = records.iter().filter(|record| record.id == session.id);
        let stated = own.clone().all(|record| record.from.participant.as_ref() == Some(&session.caller));
        miss(stated, format!("that {} called", session.caller));
    }
    for step in truth.moves.iter().filter(|step| step.by.as_deref() == Some(view)) {
        let stated = records
            .iter()
            .any(|record| record.moves.iter().any(|stated| stated.kind == step.kind && stated.by == step.by));
        miss(stated, format!("that there was {}", super::sentence(step)));
    }
    for visit in facts.queues.iter().filter(|visit| visit.answered_by.as_deref() == Some(view)) {
        let stated = records.iter().any(|record| {
            record.queues.iter().any(|stay| {
                stay.participant == visit.participant && stay.outcome.as_deref() == Some("Answered")
            })
        });
        miss(stated, format!("that {view} answered out of {}", visit.participant));
    }
    found
}

fn is_in(names: &[String], who: &str) -> bool {
    names.iter().any(|name| name == who)
}

/// Whether the record identifies a participant by nothing.
fn is_unknown(who: &str) -> bool {
    who.starts_with("anon:")
}

#[cfg(test)]
mod tests;
