//! What a drawing says in words: the same as its picture.

use crate::{
    call::{Call, Direction, Outcome, Participant, Role, State},
    lanes::Lanes,
    words,
};

/// A clock some time ahead of UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock {
    /// By so many seconds; behind it if negative.
    pub offset_s: i32,
}

impl Clock {
    /// The time of day that the clock shows.
    pub fn time(self, time: crate::Time) -> String {
        words::time_of_day(time + i64::from(self.offset_s) * 1_000)
    }

    /// Date and time of day that the clock shows.
    pub fn date_and_time(self, time: crate::Time) -> String {
        words::date_and_time(time + i64::from(self.offset_s) * 1_000)
    }

    /// `UTC`, `UTC-5`, `UTC+5:30`.
    pub fn name(self) -> String {
        let (sign, minutes) = (if self.offset_s < 0 { '-' } else { '+' }, self.offset_s.abs() / 60);
        match (minutes / 60, minutes % 60) {
            (0, 0) => "UTC".to_owned(),
            (hours, 0) => format!("UTC{sign}{hours}"),
            (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
        }
    }
}

/// Who called whom: `Ada (+1…) → Dev`.
pub(super) fn title(call: &Call) -> String {
    let side = |side: &crate::call::Side| {
        let known = side.participant.as_ref().and_then(|id| call.participant(id));
        let number = || side.phone_number.as_deref().unwrap_or("unknown").to_owned();
        known.map_or_else(number, words::name_and_number)
    };
    format!("{} → {}", side(&call.from), side(&call.to))
}

/// When, in which direction, how it came out, and how long things took.
pub(super) fn facts(call: &Call, clock: Clock) -> String {
    let direction = match call.direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
        Direction::Internal => "internal",
    };
    format!(
        "{} {} · {direction} · {} · {} in all · {} talked · {} waited",
        clock.date_and_time(call.start_time),
        clock.name(),
        call.result.as_str().to_lowercase(),
        words::length(call.durations.total_ms),
        words::length(call.durations.talk_ms),
        words::length(call.durations.wait_ms)
    )
}

/// Who answered when.
pub(super) fn answer(call: &Call, clock: Clock) -> String {
    let Some((talk, time)) = call.conversations.first().zip(call.answer_time) else {
        return match call.result {
            Outcome::InProgress => "Nobody has answered yet.".to_owned(),
            Outcome::Voicemail => "Nobody answered: it went to voicemail.".to_owned(),
            Outcome::Fax => "A fax machine took it.".to_owned(),
            other => format!("Nobody answered: {}.", other.as_str().to_lowercase()),
        };
    };
    let others = talk.participants.iter().filter(|id| call.from.participant.as_ref() != Some(id));
    let names: Vec<String> = others.map(|id| call.name(Some(id))).collect();
    let names = if names.is_empty() { "somebody".to_owned() } else { names.join(" and ") };
    let waited = words::length(time - call.start_time);
    format!("{names} answered at {} {}, {waited} after the start.", clock.time(time), clock.name())
}

/// How it ended.
pub(super) fn ending(call: &Call, clock: Clock) -> String {
    let Some(end) = call.end_time.filter(|_| call.state != State::Live) else {
        return "It is still going on.".to_owned();
    };
    let when = format!("{} {}", clock.time(end), clock.name());
    if call.state == State::Incomplete {
        return format!("The last that is known of it is of {when}; it never said that it ended.");
    }
    let Some(last) = call.conversations.iter().max_by_key(|talk| talk.end_time) else {
        return format!("Ended at {when}; nobody had talked.");
    };
    let left = |id: &crate::ParticipantId| {
        let legs = call.legs.iter().filter(|leg| leg.participant.as_ref() == Some(id));
        legs.filter_map(|leg| leg.end_time).max()
    };
    let mut ends: Vec<_> = last.participants.iter().filter_map(|id| Some((left(id)?, id))).collect();
    ends.sort();
    let first = match &ends[..] {
        [(first, _), (second, _), ..] if first == second => None,
        [(_, id), ..] => Some(call.name(Some(id))),
        [] => None,
    };
    let names: Vec<String> = last.participants.iter().map(|id| call.name(Some(id))).collect();
    match first {
        Some(first) => {
            format!("Ended at {when}: {} were talking, and {first} hung up first.", names.join(" and "))
        }
        None => format!("Ended at {when}; {} had been talking.", names.join(" and ")),
    }
}

/// What somebody is in a call, in few words.
pub(super) fn role(participant: &Participant) -> String {
    let roles = participant.roles.iter().map(|role| match role {
        Role::Caller => "caller",
        Role::Callee => "dialled",
        Role::Agent => "agent",
        Role::Transferor => "transferred it",
        Role::TransferTarget => "got it",
        Role::ConferenceHost => "host",
        Role::ConferenceMember => "brought in",
        Role::Parker => "parked it",
        Role::Retriever => "retrieved it",
        Role::Picker => "picked it up",
        Role::Forwarder => "forwarded it",
        Role::ForwardTarget => "got it",
        Role::Monitor => "listened in",
        Role::TakeOver => "took it over",
    });
    let mut words: Vec<&str> = Vec::new();
    roles.for_each(|word| {
        if !words.contains(&word) {
            words.push(word)
        }
    });
    if words.is_empty() { participant.kind.as_str().to_owned() } else { words.join(", ") }
}

/// Everything the drawing shows, for who cannot see it.
pub(super) fn description(call: &Call, lanes: &Lanes, clock: Clock) -> String {
    let mut text = format!("{} {}", facts(call, clock), answer(call, clock));
    for talk in &lanes.talks {
        let names: Vec<&str> = talk.lanes.iter().map(|&lane| lanes.lanes[lane].name.as_str()).collect();
        let (from, to) = (clock.time(talk.start), clock.time(talk.end));
        text.push_str(&format!(" From {from} to {to} {} hear each other.", names.join(", ")));
    }
    for door in &lanes.doors {
        text.push_str(&format!(" At {} {}.", clock.time(door.time), door.sentence));
    }
    format!("{text} {}", ending(call, clock))
}
