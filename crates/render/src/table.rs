//! Renders calls as a table.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, TableStyle, Width};
use wholecall_record::{
    call::{Call, Direction, MoveKind, Outcome, Side, State, names},
    display::escape_control,
};

use crate::{
    humanize,
    terminal::{Color, Screen},
};

/// Calls as rows: time, caller, dialled, who answered, result, last state.
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
    AnsweredBy,
    Result,
    Last,
    Wait,
    Talk,
    Total,
    Moves,
}

impl Column {
    const ALL: [Self; 11] = [
        Self::Start,
        Self::Direction,
        Self::From,
        Self::To,
        Self::AnsweredBy,
        Self::Result,
        Self::Last,
        Self::Wait,
        Self::Talk,
        Self::Total,
        Self::Moves,
    ];

    /// Whether a screen of this width shows the column; the least important ones are left out first.
    fn fits(self, width: usize) -> bool {
        match self {
            Self::Wait | Self::Total => width >= 110,
            Self::AnsweredBy => width >= 100,
            Self::Last => width >= 120,
            _ => true,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Start => "start (UTC)",
            Self::Direction => "",
            Self::From => "from",
            Self::To => "to",
            Self::AnsweredBy => "answered by",
            Self::Result => "result",
            Self::Last => "last state",
            Self::Wait => "wait",
            Self::Talk => "talk",
            Self::Total => "total",
            Self::Moves => "moves",
        }
    }

    fn is_duration(self) -> bool {
        matches!(self, Self::Wait | Self::Talk | Self::Total)
    }

    /// Whether its cells must not be wrapped.
    fn is_unwrapped(self) -> bool {
        matches!(self, Self::Start | Self::Direction | Self::Result | Self::Last) || self.is_duration()
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
            if column.is_unwrapped() {
                settings.set_constraint(ColumnConstraint::ContentWidth);
            }
            if matches!(column, Column::From | Column::To) {
                // Wide enough for a phone number.
                settings.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(16)));
            }
            if column.is_duration() {
                settings.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self { table, columns, screen }
    }

    /// Adds a call as a row.
    pub fn add(&mut self, call: &Call) {
        let cells = self.columns.iter().map(|&column| Cell::new(cell(call, column, self.screen)));
        self.table.add_row(cells.collect::<Vec<Cell>>());
    }

    /// Whether the table has no rows.
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
        Column::Start => humanize::date_and_time(call.start_time)[5..].to_owned(),
        Column::Direction => direction(call.direction, screen).to_owned(),
        Column::From => side(call, &call.from),
        Column::To => side(call, &call.to),
        Column::AnsweredBy => answered_by(call),
        Column::Result => result(call, screen),
        Column::Last => last_state(call).to_owned(),
        Column::Wait => humanize::short_duration(call.durations.wait_ms),
        Column::Talk => talk(call, screen),
        Column::Total => humanize::short_duration(call.durations.total_ms),
        Column::Moves => moves(call, screen),
    }
}

/// The arrow of a direction: into the account, out of it, within it.
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

/// The name to display for one side of a call.
pub fn side(call: &Call, side: &Side) -> String {
    let participant = side.participant.as_ref().and_then(|id| call.participant(id));
    escape_control(&participant.map_or_else(|| names::name_of_side(side), names::name_of))
}

/// Who answered, and for whom that telephone rang; empty if no answer is known.
pub fn answered_by(call: &Call) -> String {
    escape_control(&call.answered_by.as_ref().map(|id| call.name_and_user(id)).unwrap_or_default())
}

/// The end state of the customer (or the caller, if there is no customer), or the current activity of a live
/// call.
pub fn last_state(call: &Call) -> &'static str {
    call.end_state.or(call.activity).map_or("-", humanize::name_of_end_state)
}

/// The talk time, marked if it is an upper bound.
pub fn talk(call: &Call, screen: Screen) -> String {
    let at_most = if screen.unicode { "≤" } else { "<=" };
    let length = humanize::short_duration(call.durations.talk_ms);
    if call.is_talk_inferred() && call.durations.talk_ms > 0 { format!("{at_most}{length}") } else { length }
}

/// The moves of the call and their targets.
pub fn moves(call: &Call, screen: Screen) -> String {
    let arrow = if screen.unicode { "→" } else { "->" };
    let mut moves: Vec<(MoveKind, Vec<String>)> = Vec::new();
    for step in &call.moves {
        let target = step.target.as_ref().filter(|target| step.by.as_ref() != Some(target));
        let target = target.map(|target| call.name(Some(target)));
        match moves.last_mut() {
            Some((kind, targets)) if *kind == step.kind => targets.extend(target),
            _ => moves.push((step.kind, target.into_iter().collect())),
        }
    }
    let words = moves.iter().map(|(kind, targets)| match &targets[..] {
        [] => humanize::name_of_move(*kind).to_owned(),
        targets => format!("{} {arrow} {}", humanize::name_of_move(*kind), targets.join(", ")),
    });
    escape_control(&words.collect::<Vec<_>>().join("; "))
}
