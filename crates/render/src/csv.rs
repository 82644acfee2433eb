//! Calls as CSV rows, for spreadsheets and imports: a row needs no look-up to be read.

use std::io::{self, Write};

use wholecall_record::ShortText;
use wholecall_record::{
    ParticipantId, Time,
    call::{Call, Participant, QueueOutcome, Side, names},
    display::alters_display,
};

/// Separator of ids in one cell.
const ID_SEPARATOR: &str = " ";
/// Separator of names in one cell.
const NAME_SEPARATOR: &str = "; ";

/// A column: its name, and its cell for a call.
type Column = (&'static str, fn(&Call) -> Cell);

/// The value of a cell.
enum Cell {
    Text(String),
    Number(i64),
    Time(Option<Time>),
}

const COLUMNS: &[Column] = &[
    ("id", |call| text(&call.id)),
    ("accountId", |call| text(call.account_id.as_deref().unwrap_or_default())),
    ("state", |call| text(call.state.as_str())),
    ("view", |call| text(call.view.as_str())),
    ("direction", |call| text(call.direction.as_str())),
    ("result", |call| text(call.result.as_str())),
    ("endState", |call| text(call.end_state.map_or("", |state| state.as_str()))),
    ("startTime", |call| Cell::Time(Some(call.start_time))),
    ("answerTime", |call| Cell::Time(call.answer_time)),
    ("endTime", |call| Cell::Time(call.end_time)),
    ("totalMs", |call| Cell::Number(call.durations.total_ms)),
    ("waitMs", |call| Cell::Number(call.durations.wait_ms)),
    ("talkMs", |call| Cell::Number(call.durations.talk_ms)),
    ("holdMs", |call| Cell::Number(call.durations.hold_ms)),
    ("parkedMs", |call| Cell::Number(call.durations.parked_ms)),
    ("voicemailMs", |call| Cell::Number(call.durations.voicemail_ms)),
    ("from", |call| id(call.from.participant.as_ref())),
    ("fromName", |call| text(&side_name(call, &call.from))),
    ("fromNumber", |call| text(side_number(&call.from))),
    ("to", |call| id(call.to.participant.as_ref())),
    ("toName", |call| text(&side_name(call, &call.to))),
    ("toNumber", |call| text(side_number(&call.to))),
    ("answeredBy", |call| id(call.answered_by.as_ref())),
    ("answeredByName", |call| name(call, call.answered_by.as_ref())),
    ("answeredByNumber", |call| number(call, call.answered_by.as_ref())),
    ("lastWith", |call| ids(&call.last_with)),
    ("lastWithNames", |call| names(call, &call.last_with)),
    ("customer", |call| id(call.customer.as_ref())),
    ("customerName", |call| name(call, call.customer.as_ref())),
    ("customerNumber", |call| number(call, call.customer.as_ref())),
    ("users", |call| ids(&call.users)),
    ("userNames", |call| names(call, &call.users)),
    ("onBehalfOf", |call| ids(on_behalf_of(call))),
    ("onBehalfOfNames", |call| names(call, on_behalf_of(call))),
    ("missedBy", |call| ids(&call.missed_by)),
    ("missedByNames", |call| names(call, &call.missed_by)),
    ("transfer", |call| text(call.transfer.as_ref().map_or("", |step| step.kind.as_str()))),
    ("transferBy", |call| id(call.transfer.as_ref().and_then(|step| step.by.as_ref()))),
    ("transferByName", |call| name(call, call.transfer.as_ref().and_then(|step| step.by.as_ref()))),
    ("transferTarget", |call| id(call.transfer.as_ref().and_then(|step| step.target.as_ref()))),
    ("transferTargetName", |call| name(call, call.transfer.as_ref().and_then(|step| step.target.as_ref()))),
    ("queues", |call| ids(call.queues.iter().map(|visit| &visit.participant))),
    ("queueNames", |call| names(call, call.queues.iter().map(|visit| &visit.participant))),
    ("queueOutcomes", queue_outcomes),
    ("moves", moves),
    ("recordings", |call| list(call.recordings.iter().map(|recording| &*recording.id), ID_SEPARATOR)),
];

/// Writes calls as CSV with a header row.
pub struct CsvWriter<W: Write> {
    rows: Rows<W>,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the header row.
    pub fn new(output: W) -> io::Result<Self> {
        Ok(Self { rows: Rows::new(output, COLUMNS.iter().map(|(name, _)| *name))? })
    }

    /// Writes a row.
    pub fn write(&mut self, call: &Call) -> io::Result<()> {
        let cells = COLUMNS.iter().map(|(_, cell)| match cell(call) {
            Cell::Text(text) => text,
            Cell::Number(number) => number.to_string(),
            Cell::Time(time) => time.map(|time| time.to_string()).unwrap_or_default(),
        });
        self.rows.write(cells)
    }

    /// Writes what is buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.rows.flush()
    }
}

/// Writes CSV rows. No cell can be taken for a formula.
pub struct Rows<W: Write> {
    csv: csv::Writer<W>,
}

impl<W: Write> Rows<W> {
    /// Writes the header row.
    pub fn new<'n>(output: W, columns: impl IntoIterator<Item = &'n str>) -> io::Result<Self> {
        let mut csv = csv::Writer::from_writer(output);
        csv.write_record(columns.into_iter().map(str::as_bytes)).map_err(io_error)?;
        Ok(Self { csv })
    }

    /// Writes a row.
    pub fn write(&mut self, cells: impl IntoIterator<Item = String>) -> io::Result<()> {
        self.csv.write_record(cells.into_iter().map(escape_formula)).map_err(io_error)
    }

    /// Writes what is buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.csv.flush()
    }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn id(id: Option<&ParticipantId>) -> Cell {
    text(id.map_or("", |id| id))
}

fn list<'t>(texts: impl Iterator<Item = &'t str>, separator: &str) -> Cell {
    Cell::Text(texts.collect::<Vec<_>>().join(separator))
}

fn ids<'p>(ids: impl IntoIterator<Item = &'p ParticipantId>) -> Cell {
    list(ids.into_iter().map(|id| &**id), ID_SEPARATOR)
}

fn names<'p>(call: &Call, ids: impl IntoIterator<Item = &'p ParticipantId>) -> Cell {
    Cell::Text(ids.into_iter().map(|id| call.name(Some(id))).collect::<Vec<_>>().join(NAME_SEPARATOR))
}

/// A participant's name. A name that only repeats the number is left out: the number has a column.
fn name(call: &Call, id: Option<&ParticipantId>) -> Cell {
    let participant = id.and_then(|id| call.participant(id));
    Cell::Text(participant.and_then(own_name).unwrap_or_default().to_owned())
}

fn own_name(participant: &Participant) -> Option<&str> {
    let number = participant.phone_number.as_deref();
    let is_number = |name: &str| number.is_some_and(|number| names::is_same_number(name, number));
    participant.name.as_deref().filter(|name| !is_number(name))
}

/// A participant's public number, else the extension number.
fn number(call: &Call, id: Option<&ParticipantId>) -> Cell {
    let participant = id.and_then(|id| call.participant(id));
    text(participant.map_or("", |known| first([&known.phone_number, &known.extension_number])))
}

fn first(numbers: [&Option<ShortText>; 2]) -> &str {
    numbers.into_iter().flatten().next().map_or("", |number| number)
}

fn side_name(call: &Call, side: &Side) -> String {
    let participant = side.participant.as_ref().and_then(|id| call.participant(id));
    let known = side.name.as_deref().or_else(|| participant.and_then(own_name));
    let is_number = |name: &&str| !side.phone_number.iter().any(|number| names::is_same_number(name, number));
    known.filter(is_number).unwrap_or_default().to_owned()
}

fn side_number(side: &Side) -> &str {
    first([&side.phone_number, &side.extension_number])
}

/// The users whose calls rang at outside telephones, each once.
fn on_behalf_of(call: &Call) -> Vec<&ParticipantId> {
    let mut users: Vec<&ParticipantId> = Vec::new();
    for user in call.participants.iter().filter_map(|participant| participant.on_behalf_of.as_ref()) {
        if !users.contains(&user) {
            users.push(user);
        }
    }
    users
}

/// The outcome of each visit to a queue, in the order of the queue columns; `-` if it is not known.
fn queue_outcomes(call: &Call) -> Cell {
    list(call.queues.iter().map(|visit| visit.outcome.map_or("-", QueueOutcome::as_str)), NAME_SEPARATOR)
}

fn moves(call: &Call) -> Cell {
    let participant = |id: &Option<ParticipantId>| id.as_deref().unwrap_or_default().to_owned();
    let moves = call.moves.iter();
    let moves = moves.map(|step| {
        format!("{} {} > {}", step.kind.as_str(), participant(&step.by), participant(&step.target))
    });
    Cell::Text(moves.collect::<Vec<_>>().join("; "))
}

/// Unwraps the I/O error of the output.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

/// Names and numbers come from outside, and a spreadsheet must not take one for a formula. A sign followed
/// only by digits, as in a phone number, stays.
fn escape_formula(text: String) -> String {
    let text = replace_controls(text);
    let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let signed = text.strip_prefix(['+', '-']).is_some_and(is_number);
    if !signed && looks_like_formula(&text) { format!("'{text}") } else { text }
}

/// Programs that skip leading characters, or accept full-width signs, see formulas in more texts.
fn looks_like_formula(text: &str) -> bool {
    let is_skipped = |character: char| {
        character.is_whitespace()
            || matches!(character, '·' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    };
    let visible = text.trim_start_matches(is_skipped);
    text != "-"
        && (text.starts_with(['\t', '\n'])
            || visible.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']))
}

/// Replaces characters that a terminal or a spreadsheet would interpret or not display by a dot; line breaks
/// stay.
fn replace_controls(text: String) -> String {
    let is_replaced = |character| alters_display(character) && !matches!(character, '\n' | '\t');
    match text.contains(is_replaced) {
        true => text.replace(is_replaced, "·"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_taken_for_a_formula() {
        let escape_formula = |text: &str| escape_formula(text.to_owned());
        assert_eq!(escape_formula("=HYPERLINK(\"http://x\")"), "'=HYPERLINK(\"http://x\")");
        assert_eq!(escape_formula("+1+2"), "'+1+2");
        assert_eq!(escape_formula("-2+3+cmd"), "'-2+3+cmd");
        assert_eq!(escape_formula("\n=1"), "'\n=1");
        assert_eq!(escape_formula("\0=1"), "'·=1");
        assert_eq!(escape_formula("\r=1"), "'·=1");
        assert_eq!(escape_formula(" \u{feff}=1"), "' \u{feff}=1");
        assert_eq!(escape_formula("＝1+1"), "'＝1+1");
        assert_eq!(escape_formula("＠SUM(A1)"), "'＠SUM(A1)");
        assert_eq!(escape_formula("a\u{1b}[31m\u{202e}"), "a·[31m·");
        assert_eq!(escape_formula("+14045550104"), "+14045550104");
        assert_eq!(escape_formula("-250"), "-250");
        assert_eq!(escape_formula("Ann"), "Ann");
    }
}
