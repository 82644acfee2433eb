//! Times, durations and the record's values in words.

use wholecall_record::{
    Time,
    call::{EndState, Kind, MoveKind, Outcome},
};

/// A duration: `7.4 s`, `1 m 43 s`, `2 h 05 m`.
pub fn duration(millis: i64) -> String {
    let seconds = (millis + 500) / 1_000;
    match millis {
        ..0 => format!("-{}", duration(-millis)),
        0 => "0 s".to_owned(),
        1..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        // What rounds to an hour is one.
        60_000..3_599_500 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3_600, seconds / 60 % 60),
    }
}

/// A duration in short form: `0:07`, `1:43`, `2:15:30`; `-` for zero.
pub fn short_duration(millis: i64) -> String {
    let seconds = (millis + 500) / 1_000;
    match seconds {
        ..=0 if millis <= 0 => "-".to_owned(),
        ..3_600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60),
    }
}

/// The time of day, UTC, to the second: `20:01:51`.
pub fn time_of_day(time: Time) -> String {
    time.to_string()[11..19].to_owned()
}

/// Date and time of day, UTC, to the second: `2026-06-03 20:01:51`.
pub fn date_and_time(time: Time) -> String {
    time.to_string()[..19].replace('T', " ")
}

/// The name of a kind of move.
pub fn name_of_move(kind: MoveKind) -> &'static str {
    match kind {
        MoveKind::AttendedTransfer => "attended transfer",
        MoveKind::BlindTransfer => "blind transfer",
        MoveKind::Conference => "conference",
        MoveKind::Flip => "flip",
        MoveKind::Forward => "forward",
        MoveKind::Park => "park",
        MoveKind::Pickup => "pickup",
        MoveKind::Retrieve => "retrieve",
        MoveKind::Switch => "switch",
        MoveKind::TakeOver => "takeover",
        MoveKind::Transfer => "transfer",
    }
}

/// The name of a result: `answered elsewhere`.
pub fn name_of_result(result: Outcome) -> &'static str {
    match result {
        Outcome::InProgress => "in progress",
        Outcome::Answered => "answered",
        Outcome::Voicemail => "voicemail",
        Outcome::Fax => "fax",
        Outcome::Missed => "missed",
        Outcome::Abandoned => "abandoned",
        Outcome::Rejected => "rejected",
        Outcome::Busy => "busy",
        Outcome::NoAnswer => "no answer",
        Outcome::Cancelled => "cancelled",
        Outcome::Failed => "failed",
        Outcome::Blocked => "blocked",
        Outcome::Service => "service",
        Outcome::AnsweredElsewhere => "answered elsewhere",
        Outcome::Forwarded => "forwarded",
        Outcome::Unknown => "unknown",
    }
}

/// The name of a kind of participant.
pub fn name_of_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Router => "menu or rule",
        Kind::Proxy => "conference",
        Kind::Unknown => "unknown person",
        other => other.as_str(),
    }
}

/// The name of an end state, for a column.
pub fn name_of_end_state(state: EndState) -> &'static str {
    match state {
        EndState::Talking => "talking",
        EndState::OnHold => "on hold",
        EndState::Parked => "parked",
        EndState::Voicemail => "voicemail",
        EndState::Queued => "in queue",
        EndState::Ringing => "ringing",
        EndState::Menu => "in menu",
        EndState::Nothing => "-",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_readable() {
        let durations =
            [0, 99, 7_432, 59_999, 60_000, 103_153, 3_599_400, 3_599_980, 3_600_000, 8_130_000, -1_000]
                .map(duration);
        assert_eq!(
            durations,
            [
                "0 s",
                "0.0 s",
                "7.4 s",
                "59.9 s",
                "1 m 00 s",
                "1 m 43 s",
                "59 m 59 s",
                "1 h 00 m",
                "1 h 00 m",
                "2 h 15 m",
                "-1.0 s"
            ]
        );
        assert_eq!(
            [0, 99, 7_532, 103_153, 8_130_000].map(short_duration),
            ["-", "0:00", "0:08", "1:43", "2:15:30"]
        );
    }
}
