//! The explanation of a call in sentences, each with the notifications that prove it.

use compact_str::CompactString;

use crate::{
    call::Evidence,
    id::{CallId, SessionId},
    json::json_struct,
    screen::{Color, Screen, harmless},
    time::Time,
    words,
};

json_struct! {
    /// The explanation of a call.
    pub struct Story {
        /// The call.
        "id" => pub id: CallId,
        /// The call in one sentence.
        "title" => pub title: CompactString,
        /// The sessions, in the order of their letters in the text.
        "sessions" => pub sessions: Vec<SessionId>,
        /// What happened, in order.
        "steps" => pub steps: Vec<Step>,
        /// What was concluded from the steps, and by which rules.
        "conclusions" => pub conclusions: Vec<Conclusion>,
        /// What is missing.
        "missing" => pub missing: Vec<CompactString>,
    }
}

json_struct! {
    /// Something that happened.
    pub struct Step {
        /// When.
        "time" => pub time: Time,
        /// The sentence.
        "text" => pub text: CompactString,
        /// The rule by which it is known; null if a notification reports it.
        "rule" => pub rule: Option<CompactString>,
        /// Whether it is inferred, not reported.
        "inferred" => pub inferred: bool,
        /// The notifications that prove it.
        "evidence" => pub evidence: Vec<Evidence>,
    }
}

json_struct! {
    /// A conclusion.
    pub struct Conclusion {
        /// The sentence.
        "text" => pub text: CompactString,
        /// The rule by which it follows.
        "rule" => pub rule: CompactString,
    }
}

impl Story {
    /// The explanation as text: one line per step with its evidence in brackets, and each rule once at the
    /// end.
    pub fn text(&self, screen: Screen) -> String {
        let mut text = format!("{}\n\n", screen.paint(&harmless(&self.title), Color::Strong));
        for (index, session) in self.sessions.iter().enumerate() {
            text.push_str(&format!("session {} = {}\n", letter(index), harmless(session)));
        }
        let mut rules = Rules::default();
        let mut day = String::new();
        for step in &self.steps {
            let date = words::date_and_time(step.time)[..10].to_owned();
            if date != day {
                text.push_str(&format!("\n{}\n", screen.paint(&format!("{date} (UTC)"), Color::Strong)));
                day = date;
            }
            text.push_str(&self.line(step, &mut rules, screen));
        }
        let conclusions: Vec<String> = self
            .conclusions
            .iter()
            .map(|conclusion| {
                let rule = screen.paint(&rules.number_of(&conclusion.rule), Color::Faint);
                format!("{}  {rule}", harmless(&conclusion.text))
            })
            .collect();
        text.push_str(&section("Concluded", &conclusions, screen));
        let missing: Vec<String> = self.missing.iter().map(|line| harmless(line)).collect();
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
    fn line<'a>(&'a self, step: &'a Step, rules: &mut Rules<'a>, screen: Screen) -> String {
        let time = format!("{}{}", words::time_of_day(step.time), &step.time.to_string()[19..23]);
        let mark = if step.inferred { "~" } else { " " };
        let mut line = format!("{} {mark} {}", screen.paint(&time, Color::Faint), harmless(&step.text));
        let evidence_text = self.evidence_text(&step.evidence);
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
    fn evidence_text(&self, evidence: &[Evidence]) -> String {
        let names: Vec<String> = evidence
            .iter()
            .map(|proof| {
                let place = self.sessions.iter().position(|session| *session == proof.telephony_session_id);
                let session = place.map_or_else(|| harmless(&proof.telephony_session_id), letter);
                format!("{session} {}", proof.place())
            })
            .collect();
        if names.is_empty() { String::new() } else { format!("[{}]", names.join(", ")) }
    }
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
