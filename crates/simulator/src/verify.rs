//! Compares records with the truth and reports differences in sentences.
//!
//! A record is read from its JSON by types of this module, so that no code of the program that made the
//! record takes part in judging it.

mod drawing;
mod facts;
mod record;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub use self::{
    record::Record,
    view::{ViewReport, verify_view},
};
use crate::{
    time::Timestamp,
    truth::{CallTruth, Conversation, Move},
};

/// Tolerances of the comparison.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance {
    /// Maximum difference of times in milliseconds: the skew of the servers' clocks.
    pub times: i64,
    /// Maximum difference of a call's end in milliseconds: it depends on which of several last `Disconnected`
    /// counts.
    pub end: i64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { times: 0, end: 100 }
    }
}

/// The result of comparing all calls.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Number of calls in the truth.
    pub calls: usize,
    /// The calls whose records are not exact, in order of their ids.
    pub wrong: Vec<Verdict>,
    /// Number of records of calls that did not happen.
    pub invented: usize,
}

impl Report {
    /// Number of calls with an exact record.
    pub fn exact(&self) -> usize {
        self.calls - (self.wrong.len() - self.invented)
    }

    /// Number of differences.
    pub fn differences(&self) -> usize {
        self.wrong.iter().map(|verdict| verdict.differences.len()).sum()
    }

    /// The share of calls with an exact record, from 0 to 1; 1 if there was no call.
    pub fn score(&self) -> f64 {
        if self.calls == 0 { 1.0 } else { self.exact() as f64 / self.calls as f64 }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for verdict in &self.wrong {
            write!(f, "{verdict}")?;
        }
        let share = 100.0 * self.score();
        let (exact, calls, differences) = (self.exact(), self.calls, self.differences());
        writeln!(f, "{exact} of {calls} calls are exact ({share:.2} %); {differences} differences")
    }
}

/// A record that is not exact, or is missing.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The call.
    pub id: String,
    /// The differences, each in a sentence.
    pub differences: Vec<String>,
    /// Whether the record states that something is missing.
    pub admitted: bool,
    /// Who talked when, by the truth and by the record; empty if there was no conversation.
    pub drawing: String,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let admitted = if self.admitted { " (the record says that something is missing)" } else { "" };
        writeln!(f, "{}{admitted}", self.id)?;
        self.differences.iter().try_for_each(|difference| writeln!(f, "  {difference}"))?;
        f.write_str(&self.drawing)
    }
}

/// The highest version of each record, by its id.
fn latest(records: impl IntoIterator<Item = Record>) -> BTreeMap<String, Record> {
    let mut by_id: BTreeMap<String, Record> = BTreeMap::new();
    for record in records {
        match by_id.get(&record.id) {
            Some(known) if known.version > record.version => {}
            _ => {
                by_id.insert(record.id.clone(), record);
            }
        }
    }
    by_id
}

/// Compares records with the truth. Of several versions of a record, the highest is used.
pub fn verify(
    truths: impl IntoIterator<Item = CallTruth>,
    records: impl IntoIterator<Item = Record>,
    tolerance: Tolerance,
) -> Report {
    let mut by_id = latest(records);
    let mut report = Report::default();
    for truth in truths {
        report.calls += 1;
        let record = by_id.remove(&truth.id);
        let differences = match &record {
            Some(record) => differences(&truth, record, tolerance),
            None => {
                vec![format!("There is no record of this call of {} at {}.", truth.caller, truth.start_time)]
            }
        };
        if !differences.is_empty() {
            let admitted = record.as_ref().is_some_and(Record::admits_loss);
            let drawing = record.map(|record| drawing::draw(&truth, &record)).unwrap_or_default();
            report.wrong.push(Verdict { id: truth.id, differences, admitted, drawing });
        }
    }
    report.invented = by_id.len();
    report.wrong.extend(by_id.into_values().map(|record| {
        let started = record.start_time;
        let difference = format!("There never was a call that began with this session, at {started}.");
        Verdict {
            admitted: record.admits_loss(),
            id: record.id,
            differences: vec![difference],
            drawing: String::new(),
        }
    }));
    report.wrong.sort_by(|a, b| a.id.cmp(&b.id));
    report
}

/// The differences of one record.
fn differences(truth: &CallTruth, record: &Record, tolerance: Tolerance) -> Vec<String> {
    let mut found = Vec::new();
    let mut same = |what: &str, truth: &str, record: &str| {
        if truth != record {
            found.push(format!("The {what} was {truth}; the record says {record}."));
        }
    };
    same("direction", &truth.direction, &record.direction);
    same("result", &truth.result, &record.result);
    same("caller", &truth.caller, record.from.participant.as_deref().unwrap_or("no participant"));
    compare_time("start", Some(truth.start_time), Some(record.start_time), tolerance.times, &mut found);
    compare_time("answer", truth.answer_time, record.answer_time, tolerance.times, &mut found);
    compare_time("end", Some(truth.end_time), record.end_time, tolerance.times + tolerance.end, &mut found);
    let seen = record.sessions.iter().filter(|session| session.seen);
    let seen = seen.map(|session| session.telephony_session_id.as_str());
    compare_names("belongs to the call", &truth.sessions, seen, &mut found);
    let people = record.participants.iter().map(|participant| participant.id.as_str());
    let people = people.filter(|id| !truth.ignorable.iter().any(|ignorable| ignorable == id));
    compare_names("took part", &truth.participants, people, &mut found);
    if let Some(rung) = &truth.rung {
        compare_names("was rung", rung, record.rung().into_iter(), &mut found);
    }
    compare_names("listened", &truth.monitors, record.monitors.iter().map(String::as_str), &mut found);
    compare_conversations(&truth.conversations, &record.conversations, tolerance.times, &mut found);
    compare_moves(&truth.moves, &record.moves, tolerance.times, &mut found);
    if let Some(facts) = &truth.facts {
        found.extend(facts::differences(truth, facts, record, tolerance.times));
    }
    found
}

fn compare_time(
    what: &str,
    truth: Option<Timestamp>,
    record: Option<Timestamp>,
    tolerance: i64,
    found: &mut Vec<String>,
) {
    let near = match (truth, record) {
        (Some(truth), Some(record)) => (truth - record).abs() <= tolerance,
        (truth, record) => truth == record,
    };
    if !near {
        let time = |time: Option<Timestamp>| time.map_or("never".to_owned(), |time| format!("at {}", time));
        found.push(format!("The {what} was {}; the record says {}.", time(truth), time(record)));
    }
}

fn compare_names<'a>(
    what: &str,
    truth: &[String],
    record: impl Iterator<Item = &'a str>,
    found: &mut Vec<String>,
) {
    let record: BTreeSet<&str> = record.collect();
    let truth: BTreeSet<&str> = truth.iter().map(String::as_str).collect();
    found.extend(truth.difference(&record).map(|name| format!("{name} {what}; the record does not say so.")));
    found.extend(
        record.difference(&truth).map(|name| format!("The record says that {name} {what}; it is not so.")),
    );
}

fn compare_conversations(
    truth: &[Conversation],
    record: &[Conversation],
    tolerance: i64,
    found: &mut Vec<String>,
) {
    if tolerance > 0 {
        return compare_away_from_changes(truth, record, tolerance, found);
    }
    let missing = truth.iter().filter(|talk| !record.contains(talk));
    found.extend(missing.map(|talk| format!("{}; the record does not say so.", describe_talk(talk))));
    let invented = record.iter().filter(|talk| !truth.contains(talk));
    found.extend(invented.map(|talk| format!("The record says: {}; it is not so.", describe_talk(talk))));
}

/// Compares who hears whom at times that are further from any true change than the clocks may differ; closer
/// to one, a record cannot know the order of changes.
fn compare_away_from_changes(
    truth: &[Conversation],
    record: &[Conversation],
    tolerance: i64,
    found: &mut Vec<String>,
) {
    let whole = without_gaps(record, tolerance);
    let mut changes: Vec<Timestamp> =
        truth.iter().flat_map(|talk| [talk.start_time, talk.end_time]).collect();
    changes.extend([Timestamp::MIN, Timestamp::MAX]);
    changes.sort_unstable();
    changes.dedup();
    for (from, to) in changes.iter().zip(&changes[1..]) {
        let (from, to) = (*from + tolerance, *to - tolerance);
        if from >= to {
            continue;
        }
        let covers = |talk: &&Conversation| talk.start_time <= from && to <= talk.end_time;
        let touches = |talk: &&Conversation| talk.start_time < to && from < talk.end_time;
        for talk in truth.iter().filter(covers) {
            if !whole.iter().filter(covers).any(|other| other.participants == talk.participants) {
                found.push(format!("{}; the record does not say so.", describe_talk(talk)));
            }
        }
        // A conversation that is not longer than the clocks differ may be an artefact.
        let long = |talk: &&Conversation| talk.end_time - talk.start_time > tolerance;
        for other in record.iter().filter(long).filter(touches) {
            if !truth.iter().filter(covers).any(|talk| talk.participants == other.participants) {
                found.push(format!("The record says: {}; it is not so.", describe_talk(other)));
            }
        }
    }
}

/// Joins conversations that seem to pause because they continue in a session with another clock.
fn without_gaps(talks: &[Conversation], tolerance: i64) -> Vec<Conversation> {
    let mut whole: Vec<Conversation> = Vec::with_capacity(talks.len());
    for talk in talks {
        let before = whole.iter_mut().rev().find(|before| before.participants == talk.participants);
        match before.filter(|before| talk.start_time - before.end_time <= tolerance) {
            Some(before) => before.end_time = before.end_time.max(talk.end_time),
            None => whole.push(talk.clone()),
        }
    }
    whole
}

fn describe_talk(talk: &Conversation) -> String {
    let people = talk.participants.join(", ");
    format!("{people} heard each other from {} to {}", talk.start_time, talk.end_time)
}

fn compare_moves(truth: &[Move], record: &[Move], tolerance: i64, found: &mut Vec<String>) {
    let near = |a: &Move, b: &Move| match (a.time, b.time) {
        (Some(a), Some(b)) => (a - b).abs() <= tolerance,
        _ => true,
    };
    // With different clocks, the order of a conversation and the next move is not known.
    let as_answered = |a: &Move, b: &Move| tolerance > 0 || a.answered.is_none() || a.answered == b.answered;
    let same = |a: &Move, b: &Move| {
        a.kind == b.kind && a.by == b.by && a.target == b.target && as_answered(a, b) && near(a, b)
    };
    let in_order = truth.len() == record.len() && truth.iter().zip(record).all(|(a, b)| same(a, b));
    // With different clocks, the order of moves in several sessions is not known.
    if in_order || (tolerance > 0 && is_permutation(truth, record, same)) {
        return;
    }
    let same_start = truth.iter().zip(record).take_while(|(a, b)| same(a, b)).count();
    let sentences = |moves: &[Move]| match &moves[same_start..] {
        [] => "no more move".to_owned(),
        moves => moves.iter().map(sentence).collect::<Vec<_>>().join(", then "),
    };
    found.push(format!("There was {}; the record says {}.", sentences(truth), sentences(record)));
}

fn is_permutation(truth: &[Move], record: &[Move], same: impl Fn(&Move, &Move) -> bool) -> bool {
    let mut left: Vec<&Move> = record.iter().collect();
    truth.len() == record.len()
        && truth.iter().all(|step| match left.iter().position(|other| same(step, other)) {
            Some(at) => {
                left.remove(at);
                true
            }
            None => false,
        })
}

fn sentence(step: &Move) -> String {
    let by = step.by.as_deref().unwrap_or("no participant");
    let target = step.target.as_deref().map(|target| format!(" to {target}")).unwrap_or_default();
    let time = step.time.map(|time| format!(" at {}", time)).unwrap_or_default();
    let answered = match step.answered {
        Some(true) => " that was answered",
        Some(false) => " that was not answered",
        None => "",
    };
    format!("a {} by {by}{target}{time}{answered}", step.kind)
}

#[cfg(test)]
mod tests;
