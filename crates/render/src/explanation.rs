//! The explanation of a call in sentences, each with the notifications that prove it.

mod conclusions;
mod leg_changes;
mod missing;
mod rules;

use wholecall_record::{
    Call, ParticipantId,
    call::{Evidence, names},
    display::escape_control,
    explanation::{Explanation, Fact, SessionRef, Step, WordedExplanation, WordedStep},
};

use crate::{
    humanize, lanes,
    terminal::{Color, Screen},
};

/// Words an explanation.
pub fn worded(explanation: &Explanation) -> WordedExplanation {
    let call = &explanation.call;
    WordedExplanation {
        id: call.id.clone(),
        title: format!(
            "{} call from {} to {}: {}",
            call.direction.as_str(),
            call.name(call.from.participant.as_ref()),
            call.name(call.to.participant.as_ref()),
            humanize::name_of_result(call.result),
        )
        .into(),
        sessions: call.sessions.iter().map(|session| session.telephony_session_id.clone()).collect(),
        steps: explanation.steps.iter().map(|step| worded_step(call, step)).collect(),
        conclusions: conclusions::worded(explanation),
        missing: missing::worded(call),
    }
}

fn worded_step(call: &Call, step: &Step) -> WordedStep {
    let text = match &step.fact {
        Fact::LegChanged { participant, change } => leg_changes::sentence(call, participant.as_ref(), change),
        Fact::Move(index) => {
            call.moves.get(*index).map(|record| lanes::sentence(call, record)).unwrap_or_default()
        }
        Fact::Conversation(index) => conversation(call, *index).unwrap_or_default(),
    };
    WordedStep {
        time: step.time,
        text: text.into(),
        rule: step.rule.map(|rule| rules::text(rule, call).into()),
        rule_id: step.rule,
        inferred: step.inferred,
        evidence: step.evidence.clone(),
    }
}

fn conversation(call: &Call, index: usize) -> Option<String> {
    let conversation = call.conversations.get(index)?;
    let names: Vec<String> = conversation.participants.iter().map(|id| call.name(Some(id))).collect();
    let duration = conversation
        .end_time
        .map(|end| format!(" for {}", humanize::duration(end - conversation.start_time)))
        .unwrap_or_default();
    Some(format!("{} hear each other{duration}", list(&names)))
}

/// The name of a leg's participant; a leg without one belongs to a conference bridge.
fn name(call: &Call, participant: Option<&ParticipantId>) -> String {
    match participant {
        Some(id) => call.participant(id).map_or_else(|| id.to_string(), names::name_of),
        None => "a seat in the bridge".to_owned(),
    }
}

/// A session by its letter in the text.
fn session_name(call: &Call, session: &SessionRef) -> String {
    let place = call.sessions.iter().position(|listed| listed.telephony_session_id == session.id);
    let name = place.map_or_else(|| session.id.to_string(), letter);
    match session.is_seen {
        false => format!("session {name}, of which nothing was seen,"),
        true => format!("session {name}"),
    }
}

fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Renders a worded explanation as text: one line per step with its evidence in brackets, and each rule once at the
/// end.
pub fn text(explanation: &WordedExplanation, screen: Screen) -> String {
    let mut text = format!("{}\n\n", screen.paint(&escape_control(&explanation.title), Color::Strong));
    for (index, session) in explanation.sessions.iter().enumerate() {
        text.push_str(&format!("session {} = {}\n", letter(index), escape_control(session)));
    }
    let mut rules = Rules::default();
    let mut day = String::new();
    for step in &explanation.steps {
        let date = humanize::date_and_time(step.time)[..10].to_owned();
        if date != day {
            text.push_str(&format!("\n{}\n", screen.paint(&format!("{date} (UTC)"), Color::Strong)));
            day = date;
        }
        text.push_str(&line(explanation, step, &mut rules, screen));
    }
    let conclusions: Vec<String> = explanation
        .conclusions
        .iter()
        .map(|conclusion| {
            let rule = screen.paint(&rules.number_of(&conclusion.rule), Color::Faint);
            format!("{}  {rule}", escape_control(&conclusion.text))
        })
        .collect();
    text.push_str(&section("Concluded", &conclusions, screen));
    let missing: Vec<String> = explanation.missing.iter().map(|line| escape_control(line)).collect();
    text.push_str(&match missing.is_empty() {
        true => "\nNothing is known to be missing.\n".to_owned(),
        false => section("Missing", &missing, screen),
    });
    let rules: Vec<String> =
        rules.0.iter().enumerate().map(|(index, rule)| format!("{}  {rule}", index + 1)).collect();
    text.push_str(&section("Rules", &rules, screen));
    text
}

/// One step: `20:01:01.683   User 104 … [A 8]  (rule 3)`; an inferred one is marked `~`.
fn line<'a>(
    explanation: &WordedExplanation,
    step: &'a WordedStep,
    rules: &mut Rules<'a>,
    screen: Screen,
) -> String {
    let time = format!("{}{}", humanize::time_of_day(step.time), &step.time.to_string()[19..23]);
    let mark = if step.inferred { "~" } else { " " };
    let mut line = format!("{} {mark} {}", screen.paint(&time, Color::Faint), escape_control(&step.text));
    let evidence_text = evidence_text(explanation, &step.evidence);
    if !evidence_text.is_empty() {
        line.push_str(&format!("  {}", screen.paint(&evidence_text, Color::Cyan)));
    }
    if let Some(rule) = &step.rule {
        line.push_str(&format!("  {}", screen.paint(&rules.number_of(rule), Color::Faint)));
    }
    line.push('\n');
    line
}

/// The evidence as letters of sessions and sequence numbers: `[A 8, B 7]`.
fn evidence_text(explanation: &WordedExplanation, evidence: &[Evidence]) -> String {
    let names: Vec<String> = evidence
        .iter()
        .map(|proof| {
            let sessions = &explanation.sessions;
            let place = sessions.iter().position(|session| *session == proof.telephony_session_id);
            let session = place.map_or_else(|| escape_control(&proof.telephony_session_id), letter);
            format!("{session} {}", proof.place())
        })
        .collect();
    if names.is_empty() { String::new() } else { format!("[{}]", names.join(", ")) }
}

/// The rules of an explanation, numbered in order of their first use.
#[derive(Default)]
struct Rules<'a>(Vec<&'a str>);

impl<'a> Rules<'a> {
    fn number_of(&mut self, rule: &'a str) -> String {
        let number = self.0.iter().position(|known| *known == rule).unwrap_or_else(|| {
            self.0.push(rule);
            self.0.len() - 1
        });
        format!("(rule {})", number + 1)
    }
}

fn section(title: &str, lines: &[String], screen: Screen) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("\n{}\n{lines}", screen.paint(title, Color::Strong))
}

/// The letter of the session with an index: A, B, …, Z, A1, …
pub fn letter(index: usize) -> String {
    let letter = char::from(b'A' + (index % 26) as u8);
    match index / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}
