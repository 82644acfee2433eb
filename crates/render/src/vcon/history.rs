//! When parties joined conversations, were put on hold, and dropped out.

use serde_json::{Value, json};
use wholecall_record::{
    ParticipantId, Time,
    call::{Call, Conversation, LegState},
};

/// The history of one conversation: everybody joins at its start. At its end, those who are then put on hold
/// are on hold, and the others drop out.
pub(super) fn history_of_talk(
    call: &Call,
    talk: &Conversation,
    index: impl Fn(&ParticipantId) -> Option<usize>,
) -> Vec<Value> {
    let event = |id: &ParticipantId, time, event| index(id).map(|party| to_json(party, time, event));
    let mut history: Vec<Value> =
        talk.participants.iter().filter_map(|id| event(id, talk.start_time, "join")).collect();
    if let Some(end) = talk.end_time {
        let after = |id| if is_held_after(call, talk, id) { "hold" } else { "drop" };
        history.extend(talk.participants.iter().filter_map(|id| event(id, end, after(id))));
    }
    history
}

/// The history of all conversations. A party that continues in the next one neither drops out nor joins
/// again.
pub(super) fn history_of_call(call: &Call, index: impl Fn(&ParticipantId) -> Option<usize>) -> Vec<Value> {
    let mut events: Vec<(Time, usize, &str)> = Vec::new();
    for participant in &call.participants {
        let Some(party) = index(&participant.id) else { continue };
        let talks = || call.conversations.iter().filter(|talk| talk.participants.contains(&participant.id));
        let mut before: Option<(Option<Time>, bool)> = None;
        for (place, talk) in talks().enumerate() {
            match before {
                Some((end, _)) if end == Some(talk.start_time) => {}
                Some((_, true)) => events.push((talk.start_time, party, "unhold")),
                _ => events.push((talk.start_time, party, "join")),
            }
            let next_start = talks().nth(place + 1).map(|next| next.start_time);
            let held = is_held_after(call, talk, &participant.id);
            if let Some(end) = talk.end_time.filter(|end| next_start != Some(*end)) {
                events.push((end, party, if held { "hold" } else { "drop" }));
            }
            before = Some((talk.end_time, held));
        }
        if let Some((Some(end), true)) = before {
            let legs = call.legs.iter().filter(|leg| leg.participant.as_ref() == Some(&participant.id));
            let left = legs.filter_map(|leg| leg.end_time).max().filter(|left| *left >= end);
            events.extend(left.map(|left| (left, party, "drop")));
        }
    }
    events.sort_by_key(|(time, ..)| *time);
    events.into_iter().map(|(time, party, event)| to_json(party, time, event)).collect()
}

fn to_json(party: usize, time: Time, event: &str) -> Value {
    json!({ "party": party, "time": time, "event": event })
}

/// Whether another participant of a conversation puts this one on hold as it ends.
fn is_held_after(call: &Call, talk: &Conversation, id: &ParticipantId) -> bool {
    let held = call.legs.iter().filter(|leg| {
        let holds = |segment: &wholecall_record::call::Segment| {
            segment.state == LegState::Holding && Some(segment.start_time) == talk.end_time
        };
        leg.segments.iter().any(holds)
    });
    let mut holders = held.filter_map(|leg| leg.participant.as_ref());
    holders.any(|holder| holder != id && talk.participants.contains(holder))
}
