//! Draws a call in a terminal.

use unicode_width::UnicodeWidthStr;
use wholecall_record::{
    Time,
    call::{Call, Direction, EndState, State, names},
    display::escape_control,
};

use crate::{
    humanize,
    lanes::{Activity, Lanes},
    terminal::{Color, Screen, fit},
};

/// Draws a call: who called whom, a lane per participant over a time axis, and moves marked below.
pub fn draw(call: &Call, screen: Screen) -> String {
    let lanes = Lanes::of(call);
    let widest = lanes.lanes.iter().map(|lane| escape_control(&lane.name).width()).max().unwrap_or(0);
    let label = widest.clamp(4, (screen.width / 3).clamp(4, 32));
    let canvas =
        Canvas { lanes: &lanes, screen, label, columns: screen.width.saturating_sub(label + 2).max(10) };
    let mut text = header(call, screen);
    canvas.axis(&mut text);
    canvas.lanes(&mut text);
    canvas.doors(&mut text);
    canvas.legend(&mut text);
    text
}

fn header(call: &Call, screen: Screen) -> String {
    let arrow = if screen.unicode { "→" } else { "->" };
    let side = |side| escape_control(&call.side_in_full(side));
    let who = format!("{} {arrow} {}", side(&call.from), side(&call.to));
    let direction = match call.direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
        Direction::Internal => "internal",
    };
    let state = match call.state {
        State::Live => ", live".to_owned(),
        State::Complete => String::new(),
        State::Incomplete => {
            let reason = call.completeness.reason.map_or("unknown", |reason| reason.as_str());
            format!(", incomplete ({reason})")
        }
    };
    let at_most = if call.is_talk_inferred() { "at most " } else { "" };
    let facts = format!(
        "{} UTC, {direction}, {}{state}, {} in all, {at_most}{} talked, {} waited{}",
        humanize::date_and_time(call.start_time),
        humanize::name_of_result(call.result),
        humanize::duration(call.durations.total_ms),
        humanize::duration(call.durations.talk_ms),
        humanize::duration(call.durations.wait_ms),
        people(call),
    );
    format!(
        "{}\n{facts}\n{}\n\n",
        screen.paint(&who, Color::Strong),
        screen.paint(&escape_control(&call.id), Color::Faint)
    )
}

/// Who answered, the last state of the customer (or the caller, if there is no customer), and for whom
/// outside telephones rang: each on its own line, if the record states it.
fn people(call: &Call) -> String {
    let answered = call.answered_by.as_ref().map(|id| format!("answered by {}", call.name_and_user(id)));
    let serving = call.end_state.or(call.activity).filter(|state| *state != EndState::Nothing);
    let serving = serving.zip(call.served()).map(|(state, served)| {
        let last = if call.end_state.is_some() { "last state of" } else { "now," };
        format!("{last} {}: {}", call.name(Some(served)), humanize::name_of_end_state(state))
    });
    let rings = call.participants.iter().filter_map(|participant| {
        let rings_for = call.rings_for(participant)?;
        Some(format!("{} {rings_for}", names::name_of(participant)))
    });
    let lines = answered.into_iter().chain(serving).chain(rings);
    lines.map(|line| format!("\n{}", escape_control(&line))).collect()
}

struct Canvas<'l> {
    lanes: &'l Lanes,
    screen: Screen,
    /// Width of the names, in columns.
    label: usize,
    /// Width of the time axis, in columns.
    columns: usize,
}

impl Canvas<'_> {
    fn column(&self, time: Time) -> usize {
        let (from, whole) = (time - self.lanes.start, (self.lanes.end - self.lanes.start).max(1));
        (from.max(0) * self.columns as i64 / whole).min(self.columns as i64 - 1) as usize
    }

    /// Writes marks of whole seconds, minutes or hours since the start, as many as fit.
    fn axis(&self, text: &mut String) {
        const STEPS_S: [i64; 15] =
            [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400];
        const MARK_COLUMNS: i64 = 9;
        let whole_s = (self.lanes.end - self.lanes.start) / 1_000;
        let fits = |step: &i64| whole_s / step < self.columns as i64 / MARK_COLUMNS;
        let step = STEPS_S.into_iter().find(fits).unwrap_or((whole_s / 4).max(1));
        let mut marks = String::new();
        for second in (0..=whole_s).step_by(step as usize) {
            let column = self.column(self.lanes.start + second * 1_000);
            let mark = match step {
                ..3_600 => format!("{}:{:02}", second / 60, second % 60),
                _ => format!("{}h{:02}", second / 3_600, second / 60 % 60),
            };
            if column >= marks.len() && column + mark.len() <= self.columns {
                marks.push_str(&" ".repeat(column - marks.len()));
                marks.push_str(&mark);
            }
        }
        text.push_str(&" ".repeat(self.label + 2));
        text.push_str(&self.screen.paint(&marks, Color::Faint));
        text.push('\n');
    }

    fn lanes(&self, text: &mut String) {
        for lane in &self.lanes.lanes {
            let mut cells: Vec<Option<Activity>> = vec![None; self.columns];
            for stretch in &lane.stretches {
                let first = self.column(stretch.start);
                // A short stretch takes at least one column.
                let last = self.column(stretch.end).max(first + 1).min(self.columns);
                cells[first..last].fill(Some(stretch.activity));
            }
            text.push_str(&fit(&escape_control(&lane.name), self.label, self.screen.unicode));
            text.push_str("  ");
            for run in cells.chunk_by(|a, b| a == b) {
                let (mark, color) = run[0].map_or((' ', Color::None), |activity| self.mark(activity));
                let marks: String = std::iter::repeat_n(mark, run.len()).collect();
                text.push_str(&self.screen.paint(&marks, color));
            }
            trim_end(text);
            text.push('\n');
        }
    }

    fn doors(&self, text: &mut String) {
        if self.lanes.doors.is_empty() {
            return;
        }
        let mut row = vec![b' '; self.columns];
        let name = |index: usize| b"abcdefghijklmnopqrstuvwxyz".get(index).copied().unwrap_or(b'+');
        for (index, door) in self.lanes.doors.iter().enumerate() {
            let wanted = self.column(door.time);
            // A mark whose column is taken goes to the next free one.
            let free = (wanted..self.columns).chain((0..wanted).rev()).find(|&column| row[column] == b' ');
            if let Some(column) = free {
                row[column] = name(index);
            }
        }
        let row = String::from_utf8_lossy(&row).into_owned();
        text.push_str(&" ".repeat(self.label + 2));
        text.push_str(&self.screen.paint(row.trim_end(), Color::Strong));
        text.push_str("\n\n");
        for (index, door) in self.lanes.doors.iter().enumerate() {
            let letter = self.screen.paint(&char::from(name(index)).to_string(), Color::Strong);
            let sentence = escape_control(&door.sentence);
            text.push_str(&format!("{letter}  {}  {sentence}\n", humanize::time_of_day(door.time)));
        }
    }

    fn legend(&self, text: &mut String) {
        let used = |activity: &Activity| {
            let mut stretches = self.lanes.lanes.iter().flat_map(|lane| &lane.stretches);
            stretches.any(|stretch| stretch.activity == *activity)
        };
        let entries: Vec<String> = Activity::ALL
            .into_iter()
            .filter(used)
            .map(|activity| {
                let (mark, color) = self.mark(activity);
                let marks: String = std::iter::repeat_n(mark, 2).collect();
                format!("{} {}", self.screen.paint(&marks, color), activity.name())
            })
            .collect();
        text.push('\n');
        text.push_str(&entries.join("   "));
        text.push('\n');
    }

    fn mark(&self, activity: Activity) -> (char, Color) {
        let (drawn, plain, color) = match activity {
            Activity::Waiting => ('─', '-', Color::Faint),
            Activity::Routing => ('┄', ':', Color::Blue),
            Activity::Ringing => ('░', '~', Color::Yellow),
            Activity::OnHold => ('·', '.', Color::Magenta),
            Activity::Holding => ('▒', '=', Color::Magenta),
            Activity::Parked => ('p', 'p', Color::Cyan),
            Activity::Voicemail => ('v', 'v', Color::Red),
            Activity::Fax => ('f', 'f', Color::Red),
            Activity::Listening => ('◦', 'o', Color::Blue),
            Activity::Talking => ('█', '#', Color::Green),
        };
        (if self.screen.unicode { drawn } else { plain }, color)
    }
}

fn trim_end(text: &mut String) {
    text.truncate(text.trim_end_matches(' ').len());
}
