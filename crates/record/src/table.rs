//! Many calls in a table.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Width, presets};

use crate::{
    call::{Call, Direction, Outcome, Side, State},
    screen::{Color, Screen, harmless},
    words,
};

/// Calls as rows: when, who, to whom, who was reached, how it came out.
pub struct Table {
    table: comfy_table::Table,
    screen: Screen,
}

impl Table {
    /// A table without rows.
    pub fn new(screen: Screen) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(if screen.unicode { presets::UTF8_HORIZONTAL_ONLY } else { presets::ASCII_MARKDOWN });
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(screen.width as u16);
        let header = ["start (UTC)", "", "from", "to", "talked to", "result", "wait", "talk", "total", "moves"];
        table.set_header(header.map(|title| screen.paint(title, Color::Strong)));
        Self { table, screen }
    }

    /// Adds a row.
    pub fn add(&mut self, call: &Call) {
        self.table.add_row(row(call, self.screen));
    }

    /// Whether there is no row in it.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The table as text.
    pub fn text(&mut self) -> String {
        for column in [6, 7, 8] {
            if let Some(column) = self.table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        if let Some(column) = self.table.column_mut(0) {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(12)));
        }
        format!("{}\n", self.table)
    }
}

fn row(call: &Call, screen: Screen) -> Vec<Cell> {
    let arrow = match (call.direction, screen.unicode) {
        (Direction::Inbound, true) => "↘",
        (Direction::Outbound, true) => "↗",
        (Direction::Internal, true) => "↔",
        (Direction::Inbound, false) => "in",
        (Direction::Outbound, false) => "out",
        (Direction::Internal, false) => "int",
    };
    let color = match call.result {
        Outcome::Answered => Color::Green,
        Outcome::InProgress => Color::Cyan,
        Outcome::Voicemail | Outcome::Fax => Color::Blue,
        Outcome::Missed | Outcome::Abandoned | Outcome::NoAnswer => Color::Yellow,
        Outcome::Rejected | Outcome::Busy | Outcome::Cancelled | Outcome::Failed | Outcome::Blocked => Color::Red,
    };
    let state = match call.state {
        State::Live => " (live)",
        State::Complete => "",
        State::Incomplete => " (incomplete)",
    };
    vec![
        Cell::new(&words::date_and_time(call.start_time)[5..]),
        Cell::new(arrow),
        Cell::new(side(call, &call.from)),
        Cell::new(side(call, &call.to)),
        Cell::new(harmless(&talked_to(call))),
        Cell::new(screen.paint(&format!("{}{state}", call.result.as_str()), color)),
        Cell::new(words::length(call.durations.wait_ms)),
        Cell::new(words::length(call.durations.talk_ms)),
        Cell::new(words::length(call.durations.total_ms)),
        Cell::new(moves(call)),
    ]
}

fn side(call: &Call, side: &Side) -> String {
    let participant = side.participant.as_ref().and_then(|id| call.participant(id));
    let name = participant.map(words::name_of);
    harmless(&name.or_else(|| side.phone_number.as_deref().map(str::to_owned)).unwrap_or_else(|| "unknown".to_owned()))
}

/// Everybody the caller, or anybody for them, talked to, in order.
fn talked_to(call: &Call) -> String {
    let mut names: Vec<String> = Vec::new();
    for id in call.conversations.iter().flat_map(|talk| &talk.participants) {
        let name = call.name(Some(id));
        if call.from.participant.as_ref() != Some(id) && !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

fn moves(call: &Call) -> String {
    let mut kinds: Vec<(&str, u32)> = Vec::new();
    for step in &call.moves {
        match kinds.last_mut() {
            Some((kind, count)) if *kind == step.kind.as_str() => *count += 1,
            _ => kinds.push((step.kind.as_str(), 1)),
        }
    }
    let words = kinds.iter().map(|(kind, count)| match count {
        1 => (*kind).to_owned(),
        count => format!("{count} × {kind}"),
    });
    words.collect::<Vec<_>>().join(", ")
}
