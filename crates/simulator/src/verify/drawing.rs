//! Draws the true and the recorded conversations one below the other.

use std::{collections::BTreeSet, fmt::Write};

use super::Record;
use crate::{
    time::Timestamp,
    truth::{CallTruth, Conversation},
};

/// Number of columns of a drawing.
const COLUMNS: i64 = 64;

/// Draws who talked when: one lane for each person if truth and record agree, else one each. Empty if
/// there was no conversation.
pub(super) fn draw(truth: &CallTruth, record: &Record) -> String {
    let both = [truth.conversations.as_slice(), record.conversations.as_slice()];
    let people: BTreeSet<&str> = both.iter().flat_map(|talks| people(talks)).collect();
    let ends = both.iter().flat_map(|talks| talks.iter().map(|talk| talk.end_time));
    let (start, Some(end)) = (truth.start_time.min(record.start_time), ends.max()) else {
        return String::new();
    };
    let width = people.iter().map(|who| who.chars().count()).max().unwrap_or(0);
    let mut drawing = format!("  {:width$}         from {} to {}\n", "", start, end);
    let mut lane = |who: &str, source: &str, bars: &str| {
        // Writing to a string cannot fail.
        let _infallible = writeln!(drawing, "  {who:width$} {source:6}  {bars}");
    };
    for who in people {
        let [true_bars, record_bars] = both.map(|talks| bars(talks, who, start, end));
        if true_bars == record_bars {
            lane(who, "", &true_bars);
        } else {
            lane(who, "truth", &true_bars);
            lane("", "record", &record_bars);
        }
    }
    drawing
}

fn people(talks: &[Conversation]) -> impl Iterator<Item = &str> {
    talks.iter().flat_map(|talk| talk.participants.iter().map(String::as_str))
}

fn bars(talks: &[Conversation], who: &str, start: Timestamp, end: Timestamp) -> String {
    let own: Vec<&Conversation> =
        talks.iter().filter(|talk| talk.participants.iter().any(|other| other == who)).collect();
    let length = (end - start).max(1);
    let column = |nth: i64| {
        let (from, to) = (start + nth * length / COLUMNS, start + (nth + 1) * length / COLUMNS);
        let talks = own.iter().any(|talk| talk.start_time < to.max(from + 1) && from < talk.end_time);
        if talks { '█' } else { '·' }
    };
    (0..COLUMNS).map(column).collect()
}
