//! Times, lengths and names as people read them.

use crate::{
    ParticipantId, Time,
    call::{Call, Kind, MoveKind, Participant},
};

/// A length of time: `7.4 s`, `1 m 43 s`, `2 h 05 m`.
pub fn length(millis: i64) -> String {
    let seconds = (millis + 500) / 1_000;
    match millis {
        ..0 => format!("-{}", length(-millis)),
        0 => "0 s".to_owned(),
        1..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        60_000..3_600_000 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3_600, seconds / 60 % 60),
    }
}

/// A length of time in little room: `0:07`, `1:43`, `2:15:30`; nothing at all is `-`.
pub fn clock_length(millis: i64) -> String {
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

/// What people call a step by which a call passed on.
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

/// What a person who reads a record calls somebody: the name, else the number, else the extension, else `Anonymous`.
pub fn display_name(name: Option<&str>, number: Option<&str>, extension: Option<&str>) -> String {
    match (name, number, extension) {
        (Some(name), ..) => name.to_owned(),
        (None, Some(number), _) => phone_number(number),
        (None, None, Some(extension)) => format!("Extension {extension}"),
        (None, None, None) => "Anonymous".to_owned(),
    }
}

/// A telephone number as people write it: `+1 212 555 0147`. Only numbers of the North American Numbering Plan are
/// grouped; how others are is not the same in every country.
pub fn phone_number(number: &str) -> String {
    match number.strip_prefix("+1") {
        Some(rest) if rest.len() == 10 && rest.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("+1 {} {} {}", &rest[..3], &rest[3..6], &rest[6..])
        }
        _ => number.to_owned(),
    }
}

/// What people call a participant: its name, else its number, else what it is.
pub fn name_of(participant: &Participant) -> String {
    let number = participant.phone_number.as_deref();
    match (participant.name.as_deref(), number, &*participant.id) {
        (Some(name), ..) => name.to_owned(),
        (None, Some(number), _) => number.to_owned(),
        (None, None, id) if id.starts_with("anon:") => "anonymous".to_owned(),
        (None, None, _) => match (participant.kind, participant.extension_id.as_deref()) {
            (Kind::Router, Some(extension)) => format!("menu or rule {extension}"),
            (_, Some(extension)) => format!("extension {extension}"),
            (_, None) => participant.id.to_string(),
        },
    }
}

/// The name, and the number where that says more.
pub fn name_and_number(participant: &Participant) -> String {
    match (&participant.name, &participant.phone_number) {
        (Some(name), Some(number)) if name != number => format!("{name} ({number})"),
        _ => name_of(participant),
    }
}

impl Call {
    /// A participant of the call.
    pub fn participant(&self, id: &ParticipantId) -> Option<&Participant> {
        self.participants.iter().find(|participant| participant.id == *id)
    }

    /// What people call a participant of the call.
    pub fn name(&self, id: Option<&ParticipantId>) -> String {
        let Some(id) = id else { return "somebody unknown".to_owned() };
        self.participant(id).map_or_else(|| id.to_string(), name_of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_naturally() {
        let lengths =
            [0, 99, 7_432, 59_999, 60_000, 103_153, 3_599_400, 3_600_000, 8_130_000, -1_000].map(length);
        assert_eq!(
            lengths,
            [
                "0 s",
                "0.0 s",
                "7.4 s",
                "59.9 s",
                "1 m 00 s",
                "1 m 43 s",
                "59 m 59 s",
                "1 h 00 m",
                "2 h 15 m",
                "-1.0 s"
            ]
        );
        assert_eq!(
            [0, 99, 7_532, 103_153, 8_130_000].map(clock_length),
            ["-", "0:00", "0:08", "1:43", "2:15:30"]
        );
    }
}
