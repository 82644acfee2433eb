//! Records made of one person's subscription, against the whole truth: what they say is so, is contradicted by the
//! truth, or is left open.
//!
//! Such a subscription receives only what is about that person's own parties. What it cannot know it may leave
//! open; what it says must not be wrong.

use std::fmt;

use super::{Record, Tolerance};
use crate::{
    time::{Iso, Millis},
    truth::{CallTruth, Conversation, Facts, Move, Room, Visit},
};

/// A stretch that no longer lasts may be due to the order in which things were posted.
const SHORT_MS: Millis = 1000;

/// Results that deny that a person of the view talked.
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

/// What was found about the records of some views.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ViewReport {
    /// How many views were judged.
    pub views: usize,
    /// Statements that are so.
    pub agreeing: usize,
    /// Statements that the truth neither confirms nor contradicts, and facts that are left open.
    pub open: usize,
    /// Facts that are left open although the view shows them.
    pub withheld: Vec<String>,
    /// Statements that the truth contradicts, each in a sentence that names the record.
    pub contradicted: Vec<String>,
}

impl ViewReport {
    /// Adds what was found about other views.
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

/// What the truth says of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    Agrees,
    Open,
    Contradicted,
}

impl Judged {
    fn of(agrees: bool, contradicted: bool) -> Self {
        match (agrees, contradicted) {
            (true, _) => Self::Agrees,
            (false, true) => Self::Contradicted,
            (false, false) => Self::Open,
        }
    }
}

/// Judges the records of one person's view. Of several versions of one record the highest counts.
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
                Judge { view, truth, facts, record, tolerance, report: &mut report }.judge();
            }
            None => report.contradicted.push(format!("{}: there never was such a call.", record.id)),
        }
    }
    for truth in truths {
        let of_call =
            |record: &&Record| record.sessions().any(|id| truth.sessions.iter().any(|own| own == id));
        let told: Vec<&Record> = records.values().filter(of_call).collect();
        report.withheld.extend(withheld(view, truth, &told));
    }
    report
}

struct Judge<'a> {
    view: &'a str,
    truth: &'a CallTruth,
    facts: &'a Facts,
    record: &'a Record,
    tolerance: Tolerance,
    report: &'a mut ViewReport,
}

impl Judge<'_> {
    fn note(&mut self, what: &str, said: &str, judged: Judged) {
        match judged {
            Judged::Agrees => self.report.agreeing += 1,
            Judged::Open => self.report.open += 1,
            Judged::Contradicted => {
                let id = &self.record.id;
                self.report.contradicted.push(format!("{id}: `{what}` {said}."));
            }
        }
    }

    fn judge(&mut self) {
        self.sides();
        self.times();
        self.result();
        self.people();
        self.end_state();
        for talk in self.record.conversations.clone() {
            let judged = self.conversation(&talk);
            let kind = if talk.inferred { "inferred conversation" } else { "conversation" };
            self.note(kind, &super::heard(&talk), judged);
        }
        for step in self.record.moves.clone() {
            self.step(&step);
        }
        self.queues();
    }

    fn room(&self) -> Option<&Room> {
        self.truth.rooms.iter().find(|room| room.id == self.record.id)
    }

    /// Direction, caller and callee are those of the session that the record has as its first.
    fn sides(&mut self) {
        let Some(room) = self.room().cloned() else { return };
        let (direction, from, to) = (
            self.record.direction.clone(),
            self.record.from.participant.clone(),
            self.record.to.participant.clone(),
        );
        // Of a call that reached the person later, no more can be known than who was passed on to them.
        let passed_on = room
            .seen
            .as_ref()
            .is_some_and(|seen| !seen.from_start && seen.other.as_ref() != Some(&room.caller));
        let judged = Judged::of(direction == room.direction, !passed_on);
        self.note("direction", &format!("{direction}, was {}", room.direction), judged);
        let judged = match &from {
            Some(from) if is_unknown(from) => Judged::Open,
            Some(from) => {
                let shown = room.seen.as_ref().is_some_and(|seen| seen.other.as_ref() == Some(from));
                Judged::of(*from == room.caller, !(passed_on && shown))
            }
            None => Judged::Open,
        };
        self.note("from", &format!("{from:?}, was {}", room.caller), judged);
        let judged = match (&to, &room.dialled) {
            (Some(to), Some(dialled)) => {
                // Whoever is offered a call by a queue knows of none before it; a number of the account may be
                // named by its owner.
                let is_queue = |visit: &Visit| visit.participant == *to;
                let offered = (self.facts.queues.iter().any(is_queue) || *to == room.caller)
                    && room.seen.as_ref().is_some_and(|seen| !seen.from_start);
                let owner = is_in(&self.facts.related, "hairpin") && to.starts_with("ext:");
                Judged::of(to == dialled, !(is_unknown(to) || offered || owner))
            }
            _ => Judged::Open,
        };
        self.note("to", &format!("{to:?}, was {:?}", room.dialled), judged);
    }

    fn times(&mut self) {
        let slack = self.tolerance.times + self.tolerance.end;
        let (start, end) = (self.record.start_time, self.record.end_time);
        let judged =
            Judged::of(start >= self.truth.start_time - slack && start <= self.truth.end_time + slack, true);
        self.note("startTime", &Iso(start).to_string(), judged);
        // A supervisor's own leg is no part of the call.
        if let Some(end) = end.filter(|_| !is_in(&self.truth.monitors, self.view)) {
            let judged = Judged::of(end <= self.truth.end_time + slack, true);
            self.note("endTime", &Iso(end).to_string(), judged);
        }
        if let Some(answer) = self.record.answer_time {
            let within =
                |talk: &Conversation| (talk.start_time - slack..=talk.end_time + slack).contains(&answer);
            let judged = Judged::of(self.truth.conversations.iter().any(within), true);
            self.note("answerTime", &Iso(answer).to_string(), judged);
        }
    }

    /// Whether the person of the view talked while the record's call went on.
    fn talked(&self) -> bool {
        let end = self.record.end_time.unwrap_or(Millis::MAX);
        self.truth.conversations.iter().any(|talk| {
            is_in(&talk.participants, self.view)
                && talk.start_time < end
                && talk.end_time > self.record.start_time
        })
    }

    fn result(&mut self) {
        let result = self.record.result.clone();
        let (same, talked) = (result == self.truth.result, self.talked());
        let judged = match result.as_str() {
            "Answered" => Judged::of(talked || same && self.truth.conversations.is_empty(), true),
            "AnsweredElsewhere" => Judged::of(!talked && self.truth.result == "Answered", true),
            denial if DENIALS.contains(&denial) => Judged::of(!talked && same, talked),
            _ => Judged::Open,
        };
        self.note("result", &format!("{result}, was {}", self.truth.result), judged);
    }

    /// Whether somebody talked at all.
    fn was_on_line(&self, who: &str) -> bool {
        is_unknown(who)
            || is_in(&self.facts.users, who)
            || self.truth.conversations.iter().any(|talk| is_in(&talk.participants, who))
    }

    fn people(&mut self) {
        let record = self.record;
        if let Some(by) = &record.answered_by {
            let judged = Judged::of(self.facts.answered_by.as_ref() == Some(by), !self.was_on_line(by));
            self.note("answeredBy", by, judged);
        }
        for (what, names) in [("lastWith", &record.last_with), ("users", &record.users)] {
            for who in names {
                let judged = Judged::of(self.was_on_line(who) && !is_unknown(who), !self.was_on_line(who));
                self.note(what, who, judged);
            }
        }
        if let Some(customer) = &record.customer {
            let is_ours = customer.starts_with("ext:")
                || self.facts.on_behalf_of.contains_key(customer)
                || self.facts.customer.is_none();
            let judged = Judged::of(self.facts.customer.as_ref() == Some(customer), is_ours);
            self.note("customer", customer, judged);
        }
        for who in &record.monitors {
            let judged = Judged::of(is_in(&self.truth.monitors, who), true);
            self.note("monitors", who, judged);
        }
        for who in &record.missed_by {
            let rung = self.truth.rung.as_ref().is_none_or(|rung| is_in(rung, who));
            let judged = Judged::of(is_in(&self.facts.missed_by, who), !rung);
            self.note("missedBy", who, judged);
        }
        for participant in &record.participants {
            if let Some(user) = &participant.on_behalf_of {
                let judged = Judged::of(self.facts.on_behalf_of.get(&participant.id) == Some(user), true);
                self.note("onBehalfOf", &format!("{} of {user}", participant.id), judged);
            }
        }
    }

    fn end_state(&mut self) {
        let Some(state) = self.record.end_state.clone() else { return };
        let judged = Judged::of(state == self.facts.end_state, state == "talking" && !self.talked());
        self.note("endState", &state, judged);
    }

    fn conversation(&self, talk: &Conversation) -> Judged {
        let known: Vec<&str> =
            talk.participants.iter().map(String::as_str).filter(|who| !is_unknown(who)).collect();
        let overlapping =
            |other: &&Conversation| other.start_time < talk.end_time && other.end_time > talk.start_time;
        let true_talks = self.truth.conversations.iter().filter(overlapping);
        if talk.inferred {
            // An upper bound: somebody may have been on hold, unseen.
            let owner = if known.contains(&self.view) {
                self.view
            } else {
                known.first().copied().unwrap_or_default()
            };
            let mut with_owner = true_talks.filter(|other| is_in(&other.participants, owner));
            return Judged::of(with_owner.next().is_some(), owner == self.view);
        }
        let mut covered: Vec<(Millis, Millis)> = true_talks
            .filter(|other| known.iter().all(|who| is_in(&other.participants, who)))
            .map(|other| (other.start_time, other.end_time))
            .collect();
        covered.sort_unstable();
        let slack = SHORT_MS + 2 * self.tolerance.times;
        let mut at = talk.start_time;
        for (from, to) in covered {
            if from > at + slack {
                return Judged::Contradicted;
            }
            at = at.max(to);
        }
        Judged::of(at + slack >= talk.end_time, true)
    }

    fn step(&mut self, step: &Move) {
        let same_kind = |other: &&Move| other.kind == step.kind && (step.by.is_none() || other.by == step.by);
        let alike: Vec<&Move> = self.truth.moves.iter().filter(same_kind).collect();
        let same = alike.iter().find(|other| other.target == step.target).copied();
        // Of whoever was consulted unseen, the view only shows that they were dialled.
        let unseen =
            |id: &str| self.record.participants.iter().any(|known| known.id == id && !known.observed);
        let no_target = step.target.as_deref().is_none_or(|target| is_unknown(target) || unseen(target));
        let judged = match (alike.is_empty(), same) {
            (true, _) => Judged::Contradicted,
            (false, Some(_)) => Judged::Agrees,
            (false, None) => Judged::of(false, !no_target),
        };
        self.note("move", &super::sentence(step), judged);
        if let (Some(said), Some(answered)) = (step.answered, same.and_then(|same| same.answered)) {
            let several = alike.len() > 1;
            let judged = Judged::of(said == answered, !several);
            self.note("move's answered", &super::sentence(step), judged);
        }
    }

    fn queues(&mut self) {
        for stay in self.record.queues.clone() {
            let visits = self.facts.queues.iter().filter(|visit| visit.participant == stay.participant);
            let judged = match &stay.outcome {
                Some(outcome) => {
                    Judged::of(visits.clone().any(|visit| visit.outcome.as_ref() == Some(outcome)), true)
                }
                None => Judged::of(false, visits.clone().next().is_none()),
            };
            self.note("queue", &format!("{} {:?}", stay.participant, stay.outcome), judged);
            if let Some(by) = &stay.answered_by {
                let judged =
                    Judged::of(visits.clone().any(|visit| visit.answered_by.as_ref() == Some(by)), true);
                self.note("queue's answeredBy", by, judged);
            }
        }
    }
}

/// Facts of a call that a person's own parties show, and that no record of the view states.
fn withheld(view: &str, truth: &CallTruth, records: &[&Record]) -> Vec<String> {
    let mut found = Vec::new();
    let Some(facts) = &truth.facts else { return found };
    let mut miss = |is_published: bool, what: String| {
        if !is_published {
            found.push(format!("{}: {what}.", truth.id));
        }
    };
    // Whoever calls an extension cannot see whether a person answers there.
    let blind = |room: &Room| room.caller == view && room.direction != "Outbound";
    let seen = || truth.rooms.iter().filter(|room| room.seen.is_some());
    let shows_talk = seen().next().is_some() && seen().all(|room| !blind(room));
    if is_in(&facts.users, view) && shows_talk {
        let told = records.iter().any(|record| is_in(&record.users, view) && record.result == "Answered");
        let on_own_telephone = truth.conversations.iter().any(|talk| is_in(&talk.participants, view));
        miss(told || !on_own_telephone, format!("that {view} talked"));
    }
    let is_called = |room: &&Room| {
        let seen = room.seen.as_ref();
        room.caller != view && seen.is_some_and(|seen| seen.other.as_ref() == Some(&room.caller))
    };
    for room in seen().filter(is_called) {
        let own = records.iter().filter(|record| record.id == room.id);
        let told = own.clone().all(|record| record.from.participant.as_ref() == Some(&room.caller));
        miss(told, format!("that {} called", room.caller));
    }
    for step in truth.moves.iter().filter(|step| step.by.as_deref() == Some(view)) {
        let told = records
            .iter()
            .any(|record| record.moves.iter().any(|said| said.kind == step.kind && said.by == step.by));
        miss(told, format!("that there was {}", super::sentence(step)));
    }
    for visit in facts.queues.iter().filter(|visit| visit.answered_by.as_deref() == Some(view)) {
        let told = records.iter().any(|record| {
            record.queues.iter().any(|stay| {
                stay.participant == visit.participant && stay.outcome.as_deref() == Some("Answered")
            })
        });
        miss(told, format!("that {view} answered out of {}", visit.participant));
    }
    found
}

fn is_in(names: &[String], who: &str) -> bool {
    names.iter().any(|name| name == who)
}

/// Somebody of whom the record says that nothing is known.
fn is_unknown(who: &str) -> bool {
    who.starts_with("anon:")
}

#[cfg(test)]
mod tests;
