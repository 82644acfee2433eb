//! The words of a drawing, which say the same as its picture.

use wholecall_record::call::{Call, Direction, EndState, Outcome, Participant, Role, State, View};

use crate::{
    humanize,
    lanes::{Lanes, Talk},
};

/// A clock with a fixed offset from UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock {
    /// Seconds ahead of UTC; negative if behind.
    pub offset_s: i32,
}

impl Clock {
    /// The time of day that the clock shows.
    pub fn time(self, time: wholecall_record::Time) -> String {
        humanize::time_of_day(time + i64::from(self.offset_s) * 1_000)
    }

    /// Date and time of day that the clock shows.
    pub fn date_and_time(self, time: wholecall_record::Time) -> String {
        humanize::date_and_time(time + i64::from(self.offset_s) * 1_000)
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
    format!("{} → {}", call.side_in_full(&call.from), call.side_in_full(&call.to))
}

/// Time, direction, result and durations.
pub(super) fn facts(call: &Call, clock: Clock) -> String {
    let direction = match call.direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
        Direction::Internal => "internal",
    };
    let at_most = if call.is_talk_inferred() { "at most " } else { "" };
    format!(
        "{} {} · {direction} · {} · {} in all · {at_most}{} talked · {} waited",
        clock.date_and_time(call.start_time),
        clock.name(),
        humanize::name_of_result(call.result),
        humanize::duration(call.durations.total_ms),
        humanize::duration(call.durations.talk_ms),
        humanize::duration(call.durations.wait_ms)
    )
}

/// Who answered and when; without a conversation, the result.
pub(super) fn answer(call: &Call, clock: Clock) -> String {
    let Some(time) = call.answer_time else { return outcome(call.result).to_owned() };
    let when = format!("at {} {}", clock.time(time), clock.name());
    let waited = humanize::duration(time - call.start_time);
    match &call.answered_by {
        Some(id) => format!("{} answered {when}, {waited} after the start.", call.name_and_user(id)),
        None => format!("Answered {when}, {waited} after the start."),
    }
}

/// The result of a call without a conversation with the caller.
fn outcome(result: Outcome) -> &'static str {
    match result {
        Outcome::InProgress => "No conversation yet.",
        Outcome::Answered => "Answered.",
        Outcome::Voicemail => "Not answered: it went to voicemail.",
        Outcome::Fax => "A fax.",
        Outcome::Missed => "Not answered: missed.",
        Outcome::Abandoned => "Not answered: abandoned.",
        Outcome::Rejected => "Not answered: rejected.",
        Outcome::Busy => "Not answered: busy.",
        Outcome::NoAnswer => "Not answered.",
        Outcome::Cancelled => "Not answered: cancelled.",
        Outcome::Failed => "Not answered: failed.",
        Outcome::Blocked => "Not answered: blocked.",
        Outcome::Service => "A service took the call.",
        Outcome::AnsweredElsewhere => "Answered elsewhere, by a person who was not seen.",
        Outcome::Forwarded => "Handed on to where the notifications do not show.",
        Outcome::Unknown => "The notifications do not show how it came out.",
    }
}

/// How the call ended, and the last state of the customer (or the caller, if there is no customer).
pub(super) fn ending(call: &Call, clock: Clock) -> String {
    let Some(end) = call.end_time.filter(|_| call.state != State::Live) else {
        return match call.activity.and_then(served) {
            Some(doing) => format!("In progress: {} is {doing}.", call.name(call.served())),
            None => "In progress.".to_owned(),
        };
    };
    let when = format!("{} {}", clock.time(end), clock.name());
    let ended = match (call.state, call.view) {
        (State::Incomplete, _) => format!("The last known event is of {when}; the end of a leg is missing."),
        (_, View::Extension) => format!("The last leg that was seen ended at {when}."),
        (_, View::Account) => format!("Ended at {when}."),
    };
    match call.end_state.and_then(served) {
        Some(last) => format!("{ended} Last state of {}: {last}.", call.name(call.served())),
        None => ended,
    }
}

/// The state in a sentence; `None` for [`EndState::Nothing`].
fn served(state: EndState) -> Option<&'static str> {
    Some(match state {
        EndState::Talking => "in a conversation",
        EndState::OnHold => "on hold",
        EndState::Parked => "parked",
        EndState::Voicemail => "in voicemail",
        EndState::Queued => "waiting in a queue",
        EndState::Ringing => "waiting while a telephone rings",
        EndState::Menu => "in a menu",
        EndState::Nothing => return None,
    })
}

/// The duration of a conversation, marked if it is an upper bound.
pub(super) fn talk_length(talk: &Talk) -> String {
    let at_most = if talk.inferred { "at most " } else { "" };
    format!("{at_most}{}", humanize::duration(talk.end - talk.start))
}

/// A participant's roles in a few words.
pub(super) fn role(call: &Call, participant: &Participant) -> String {
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
            words.push(word);
        }
    });
    let rings_for = call.rings_for(participant);
    words.extend(rings_for.as_deref());
    if words.is_empty() { humanize::name_of_kind(participant.kind).to_owned() } else { words.join(", ") }
}

/// Everything that the drawing shows, for those who cannot see it.
pub(super) fn description(call: &Call, lanes: &Lanes, clock: Clock) -> String {
    let mut text = format!("{} {}", facts(call, clock), answer(call, clock));
    for talk in &lanes.talks {
        let names: Vec<&str> = talk.lanes.iter().map(|&lane| lanes.lanes[lane].name.as_str()).collect();
        let (from, to) = (clock.time(talk.start), clock.time(talk.end));
        let length = if talk.inferred { format!(" for {}", talk_length(talk)) } else { String::new() };
        text.push_str(&format!(" From {from} to {to} {} hear each other{length}.", names.join(", ")));
    }
    for door in &lanes.doors {
        text.push_str(&format!(" At {} {}.", clock.time(door.time), door.sentence));
    }
    format!("{text} {}", ending(call, clock))
}
