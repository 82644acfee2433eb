//! A call told in sentences, each with the notifications that prove it.

use compact_str::CompactString;

use crate::{
    call::Evidence,
    id::{CallId, SessionId},
    json::object,
    screen::{Color, Screen, harmless},
    time::Time,
    words,
};

object! {
    /// The story of a call.
    pub struct Story {
        /// The call.
        "id" => pub id: CallId,
        /// In one sentence.
        "title" => pub title: CompactString,
        /// The sessions, in the order in which the story names them by letter.
        "sessions" => pub sessions: Vec<SessionId>,
        /// What happened, in order.
        "steps" => pub steps: Vec<Step>,
        /// What was concluded from what happened, and by which rule.
        "conclusions" => pub conclusions: Vec<Conclusion>,
        /// What is missing.
        "missing" => pub missing: Vec<CompactString>,
    }
}

object! {
    /// Something that happened.
    pub struct Step {
        /// When.
        "time" => pub time: Time,
        /// In a sentence.
        "text" => pub text: CompactString,
        /// The rule by which it is known, where it is more than what a notification says.
        "rule" => pub rule: Option<CompactString>,
        /// Whether it is inferred rather than told.
        "inferred" => pub inferred: bool,
        /// The notifications that say so.
        "evidence" => pub evidence: Vec<Evidence>,
    }
}

object! {
    /// Something that follows.
    pub struct Conclusion {
        /// In a sentence.
        "text" => pub text: CompactString,
        /// The rule by which it follows.
        "rule" => pub rule: CompactString,
    }
}

impl Story {
    /// The story as text.
    pub fn text(&self, screen: Screen) -> String {
        let mut text = format!(
            "{}\n{}\n\n",
            screen.paint(&harmless(&self.title), Color::Strong),
            screen.paint(&self.id, Color::Faint)
        );
        for (index, session) in self.sessions.iter().enumerate() {
            text.push_str(&format!("session {} = {session}\n", letter(index)));
        }
        text.push('\n');
        for step in &self.steps {
            let mark = if step.inferred { "~" } else { " " };
            let proof = self.proof(&step.evidence);
            let time = screen.paint(&words::time_of_day(step.time), Color::Faint);
            let millis = screen.paint(&step.time.to_string()[19..23], Color::Faint);
            text.push_str(&format!("{time}{millis} {mark} {}", harmless(&step.text)));
            if !proof.is_empty() {
                text.push_str(&format!("  {}", screen.paint(&proof, Color::Cyan)));
            }
            text.push('\n');
            if let Some(rule) = &step.rule {
                text.push_str(&format!(
                    "               {}\n",
                    screen.paint(&format!("rule: {rule}"), Color::Faint)
                ));
            }
        }
        for (title, lines) in [
            (
                "Concluded",
                self.conclusions.iter().map(|c| format!("{} ({})", c.text, c.rule)).collect::<Vec<_>>(),
            ),
            ("Missing", self.missing.iter().map(|line| line.to_string()).collect()),
        ] {
            if !lines.is_empty() {
                text.push_str(&format!("\n{}\n", screen.paint(title, Color::Strong)));
                for line in lines {
                    text.push_str(&format!("  - {}\n", harmless(&line)));
                }
            }
        }
        if self.missing.is_empty() {
            text.push_str("\nNothing is known to be missing.\n");
        }
        text
    }

    /// Notifications by letter of session and sequence: `[A 8, B 7]`.
    fn proof(&self, evidence: &[Evidence]) -> String {
        let names: Vec<String> = evidence
            .iter()
            .map(|proof| {
                let place = self.sessions.iter().position(|session| *session == proof.telephony_session_id);
                let session = place.map_or_else(|| proof.telephony_session_id.to_string(), letter);
                format!("{session} {}", proof.sequence)
            })
            .collect();
        if names.is_empty() { String::new() } else { format!("[{}]", names.join(", ")) }
    }
}

/// A, B, …, Z, A1, …
fn letter(index: usize) -> String {
    let letter = char::from(b'A' + (index % 26) as u8);
    match index / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}
