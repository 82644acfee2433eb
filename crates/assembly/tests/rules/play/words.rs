//! Short forms of what records contain.

use wholecall_record::{
    Call, ParticipantId, Time,
    call::{Leg, Participant},
};

use super::script::START_MS;

/// A time in seconds of the script.
pub(crate) fn when(time: Time) -> f64 {
    (time.as_millis() - START_MS) as f64 / 1_000.0
}

/// The same, if there is one.
pub(crate) fn at(time: Option<Time>) -> Option<f64> {
    time.map(when)
}

/// `104`, `+1404` or `anon:…`.
fn short(id: &ParticipantId) -> &str {
    id.strip_prefix("ext:").or_else(|| id.strip_prefix("tel:")).unwrap_or(id)
}

fn list(ids: &[ParticipantId]) -> String {
    ids.iter().map(short).collect::<Vec<_>>().join(" ")
}

/// The conversations: `3–9: 104 +1404`.
pub(crate) fn talks(call: &Call) -> Vec<String> {
    let end = |time: Option<f64>| time.map(|time| time.to_string()).unwrap_or_default();
    let talk = |talk: &wholecall_record::call::Conversation| {
        format!("{}–{}: {}", when(talk.start_time), end(at(talk.end_time)), list(&talk.participants))
    };
    call.conversations.iter().map(talk).collect()
}

/// The moves: `AttendedTransfer 104→106`, `Park 104→none`.
pub(crate) fn moves(call: &Call) -> Vec<String> {
    let name = |id: &Option<ParticipantId>| id.as_ref().map_or("none".to_owned(), |id| short(id).to_owned());
    call.moves
        .iter()
        .map(|step| format!("{} {}→{}", step.kind.as_str(), name(&step.by), name(&step.target)))
        .collect()
}

/// The links: `AttendedTransfer A/2–B/1 20–`.
pub(crate) fn links(call: &Call) -> Vec<String> {
    let end = |end: &wholecall_record::call::LinkEnd| {
        let party = end.party_id.as_ref().map_or(String::new(), |party| format!("/{}", &party[2..]));
        format!("{}{party}", &end.telephony_session_id[2..])
    };
    let link = |link: &wholecall_record::call::Link| {
        let until = at(link.end_time).map(|end| end.to_string()).unwrap_or_default();
        format!("{} {}–{} {}–{until}", link.kind.as_str(), end(&link.a), end(&link.b), when(link.start_time))
    };
    call.links.iter().map(link).collect()
}

/// The participants: `104 user`.
pub(crate) fn participants(call: &Call) -> Vec<String> {
    call.participants.iter().map(|person| format!("{} {}", short(&person.id), person.kind.as_str())).collect()
}

/// A participant by its short name.
pub(crate) fn person<'c>(call: &'c Call, name: &str) -> &'c Participant {
    let found = call.participants.iter().find(|person| short(&person.id) == name);
    found.unwrap_or_else(|| panic!("no participant {name}, but {:?}", participants(call)))
}

/// A leg, written `A/2`.
pub(crate) fn leg<'c>(call: &'c Call, name: &str) -> &'c Leg {
    let short = |leg: &Leg| format!("{}/{}", &leg.telephony_session_id[2..], &leg.party_id[2..]);
    let found = call.legs.iter().find(|leg| short(leg) == name);
    found.unwrap_or_else(|| panic!("no leg {name}"))
}

/// A leg's segments: `setup 0–1, ringing 1–3, connected 3–`.
pub(crate) fn segments(leg: &Leg) -> String {
    let segments = leg.segments.iter().map(|segment| {
        let until = at(segment.end_time).map(|end| end.to_string()).unwrap_or_default();
        format!("{} {}–{until}", segment.state.as_str(), when(segment.start_time))
    });
    segments.collect::<Vec<_>>().join(", ")
}
