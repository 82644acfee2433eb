//! Many calls in a table.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, TableStyle, Width};

use crate::{
    call::{Call, Direction, MoveKind, Outcome, Side, State},
    screen::{Color, Screen, harmless},
    words,
};

/// Calls as rows: when, who, to whom, who was reached, how it came out.
pub struct Table {
    table: comfy_table::Table,
    columns: Vec<Column>,
    screen: Screen,
}

/// What a column shows, from left to right.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Start,
    Direction,
    From,
    To,
    TalkedTo,
    Result,
    Wait,
    Talk,
    Total,
    Moves,
}

impl Column {
    const ALL: [Self; 10] = [
        Self::Start,
        Self::Direction,
        Self::From,
        Self::To,
        Self::TalkedTo,
        Self::Result,
        Self::Wait,
        Self::Talk,
        Self::Total,
        Self::Moves,
    ];

    /// Whether there is room for it on a screen; the least important ones go first.
    fn fits(self, width: usize) -> bool {
        match self {
            Self::Wait | Self::Total => width >= 110,
            Self::TalkedTo => width >= 100,
            _ => true,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Start => "start (UTC)",
            Self::Direction => "",
            Self::From => "from",
            Self::To => "to",
            Self::TalkedTo => "talked to",
            Self::Result => "result",
            Self::Wait => "wait",
            Self::Talk => "talk",
            Self::Total => "total",
            Self::Moves => "moves",
        }
    }

    fn is_length(self) -> bool {
        matches!(self, Self::Wait | Self::Talk | Self::Total)
    }

    /// Whether breaking its lines would make it unreadable.
    fn is_whole(self) -> bool {
        matches!(self, Self::Start | Self::Direction | Self::Result) || self.is_length()
    }
}

impl Table {
    /// A table without rows.
    pub fn new(screen: Screen) -> Self {
        let columns: Vec<Column> =
            Column::ALL.into_iter().filter(|column| column.fits(screen.width)).collect();
        let mut table = comfy_table::Table::new();
        let line = if screen.unicode { '─' } else { '-' };
        table.load_style(TableStyle::new().header_separator(LineStyle::none().fill(line).junction(line)));
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(screen.width as u16);
        table.set_header(columns.iter().map(|column| screen.paint(column.title(), Color::Strong)));
        for (place, column) in columns.iter().enumerate() {
            let Some(settings) = table.column_mut(place) else { continue };
            settings.set_padding((0, 1));
            if column.is_whole() {
                settings.set_constraint(ColumnConstraint::ContentWidth);
            }
            if matches!(column, Column::From | Column::To) {
                // A telephone number fits.
                settings.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(13)));
            }
            if column.is_length() {
                settings.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self { table, columns, screen }
    }

    /// Adds a row.
    pub fn add(&mut self, call: &Call) {
        let cells = self.columns.iter().map(|&column| Cell::new(cell(call, column, self.screen)));
        self.table.add_row(cells.collect::<Vec<Cell>>());
    }

    /// Whether there is no row in it.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The table as text.
    pub fn text(&self) -> String {
        let lines = self.table.to_string();
        lines.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
    }
}

fn cell(call: &Call, column: Column, screen: Screen) -> String {
    match column {
        Column::Start => words::date_and_time(call.start_time)[5..].to_owned(),
        Column::Direction => direction(call.direction, screen).to_owned(),
        Column::From => side(call, &call.from),
        Column::To => side(call, &call.to),
        Column::TalkedTo => harmless(&talked_to(call)),
        Column::Result => result(call, screen),
        Column::Wait => words::clock_length(call.durations.wait_ms),
        Column::Talk => words::clock_length(call.durations.talk_ms),
        Column::Total => words::clock_length(call.durations.total_ms),
        Column::Moves => moves(call, screen),
    }
}

/// An arrow for a direction: into the account, out of it, within it.
pub fn direction_sign(of: Direction) -> &'static str {
    direction(of, Screen::PLAIN)
}

fn direction(direction: Direction, screen: Screen) -> &'static str {
    match (direction, screen.unicode) {
        (Direction::Inbound, true) => "↘",
        (Direction::Outbound, true) => "↗",
        (Direction::Internal, true) => "↔",
        (Direction::Inbound, false) => "in",
        (Direction::Outbound, false) => "out",
        (Direction::Internal, false) => "int",
    }
}

fn result(call: &Call, screen: Screen) -> String {
    let color = match call.result {
        Outcome::Answered => Color::Green,
        Outcome::InProgress => Color::Cyan,
        Outcome::Voicemail
        | Outcome::Fax
        | Outcome::Service
        | Outcome::AnsweredElsewhere
        | Outcome::Forwarded
        | Outcome::Unknown => Color::Blue,
        Outcome::Missed | Outcome::Abandoned | Outcome::NoAnswer => Color::Yellow,
        Outcome::Rejected | Outcome::Busy | Outcome::Cancelled | Outcome::Failed | Outcome::Blocked => {
            Color::Red
        }
    };
    let state = match call.state {
        State::Live => " (live)",
        State::Complete => "",
        State::Incomplete => " (incomplete)",
    };
    screen.paint(&format!("{}{state}", call.result.as_str()), color)
}

/// What people call one end of a call.
pub fn side(call: &Call, side: &Side) -> String {
    let participant = side.participant.as_ref().and_then(|id| call.participant(id));
    let name = participant.map(words::name_of);
    harmless(
        &name
            .or_else(|| side.phone_number.as_deref().map(str::to_owned))
            .unwrap_or_else(|| "unknown".to_owned()),
    )
}

/// Everybody the caller, or anybody for them, talked to, in order.
pub fn talked_to(call: &Call) -> String {
    let mut names: Vec<String> = Vec::new();
    for id in call.conversations.iter().flat_map(|talk| &talk.participants) {
        let name = call.name(Some(id));
        if call.from.participant.as_ref() != Some(id) && !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// What happened to the call, and to whom it passed.
pub fn moves(call: &Call, screen: Screen) -> String {
    let arrow = if screen.unicode { "→" } else { "->" };
    let mut passed: Vec<(MoveKind, Vec<String>)> = Vec::new();
    for step in &call.moves {
        let target = step.target.as_ref().filter(|target| step.by.as_ref() != Some(target));
        let target = target.map(|target| call.name(Some(target)));
        match passed.last_mut() {
            Some((kind, targets)) if *kind == step.kind => targets.extend(target),
            _ => passed.push((step.kind, target.into_iter().collect())),
        }
    }
    let words = passed.iter().map(|(kind, targets)| match &targets[..] {
        [] => words::name_of_move(*kind).to_owned(),
        targets => format!("{} {arrow} {}", words::name_of_move(*kind), targets.join(", ")),
    });
    harmless(&words.collect::<Vec<_>>().join("; "))
}
