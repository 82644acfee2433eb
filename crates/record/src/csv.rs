//! Calls as rows of CSV, for spreadsheets.

use std::io::{self, Write};

use crate::call::Call;

const COLUMNS: [&str; 24] = [
    "id",
    "accountId",
    "state",
    "direction",
    "result",
    "startTime",
    "answerTime",
    "endTime",
    "from",
    "fromNumber",
    "fromName",
    "to",
    "toNumber",
    "toName",
    "totalMs",
    "waitMs",
    "talkMs",
    "holdMs",
    "parkedMs",
    "voicemailMs",
    "talked",
    "moves",
    "queues",
    "recordings",
];

/// Writes calls as CSV, the names of the columns first.
pub struct CsvWriter<W: Write> {
    csv: csv::Writer<W>,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the names of the columns.
    pub fn new(output: W) -> io::Result<Self> {
        let mut csv = csv::Writer::from_writer(output);
        csv.write_record(COLUMNS).map_err(own)?;
        Ok(Self { csv })
    }

    /// Writes a row.
    pub fn write(&mut self, call: &Call) -> io::Result<()> {
        let time = |time: Option<crate::Time>| time.map(|time| time.to_string()).unwrap_or_default();
        let text = |text: &Option<compact_str::CompactString>| guarded(text.as_deref().unwrap_or_default());
        let participant = |id: &Option<crate::ParticipantId>| id.as_deref().unwrap_or_default().to_owned();
        let number = |number: i64| number.to_string();
        let mut talked: Vec<&str> =
            call.conversations.iter().flat_map(|talk| &talk.participants).map(|id| &**id).collect();
        talked.sort_unstable();
        talked.dedup();
        let moves: Vec<String> = call
            .moves
            .iter()
            .map(|step| {
                format!("{} {} > {}", step.kind.as_str(), participant(&step.by), participant(&step.target))
            })
            .collect();
        let queues: Vec<&str> = call.queues.iter().map(|visit| &*visit.participant).collect();
        let recordings: Vec<&str> = call.recordings.iter().map(|recording| recording.id.as_str()).collect();
        let durations = call.durations;
        let row: [String; COLUMNS.len()] = [
            call.id.to_string(),
            call.account_id.as_deref().unwrap_or_default().to_owned(),
            call.state.as_str().to_owned(),
            call.direction.as_str().to_owned(),
            call.result.as_str().to_owned(),
            call.start_time.to_string(),
            time(call.answer_time),
            time(call.end_time),
            participant(&call.from.participant),
            text(&call.from.phone_number),
            text(&call.from.name),
            participant(&call.to.participant),
            text(&call.to.phone_number),
            text(&call.to.name),
            number(durations.total_ms),
            number(durations.wait_ms),
            number(durations.talk_ms),
            number(durations.hold_ms),
            number(durations.parked_ms),
            number(durations.voicemail_ms),
            talked.join(" "),
            moves.join("; "),
            queues.join(" "),
            recordings.join(" "),
        ];
        self.csv.write_record(row).map_err(own)
    }

    /// Writes what is still held back.
    pub fn flush(&mut self) -> io::Result<()> {
        self.csv.flush()
    }
}

/// The error of whoever is written to, as it was before it was wrapped.
fn own(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

/// Names and numbers come from outside; a spreadsheet must not take one for a formula. A number's leading
/// plus sign is followed by digits only and stays.
fn guarded(text: &str) -> String {
    let number = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = text.strip_prefix('+').is_some_and(number);
    let looks_like_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if looks_like_formula && !is_number { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_formula() {
        assert_eq!(guarded("=HYPERLINK(\"http://x\")"), "'=HYPERLINK(\"http://x\")");
        assert_eq!(guarded("+1+2"), "'+1+2");
        assert_eq!(guarded("+14045550104"), "+14045550104");
        assert_eq!(guarded("Ann"), "Ann");
    }
}
