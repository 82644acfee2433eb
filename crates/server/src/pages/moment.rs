//! What a live call is doing right now, as a row of the live page.

use askama::Template;
use wholecall_record::{
    Call, ParticipantId, Time,
    call::{EndState, Kind, Leg, LegState},
    display::escape_control,
};
use wholecall_render::{lanes, table};

/// What a call is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Talking,
    Conference,
    OnHold,
    Parked,
    Voicemail,
    Queue,
    Ringing,
    Menu,
    Connecting,
    /// The own leg of the customer (without one: the caller) has ended, another has not.
    Left,
}

impl Doing {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Talking => "talking",
            Self::Conference => "conference",
            Self::OnHold => "on hold",
            Self::Parked => "parked",
            Self::Voicemail => "voicemail",
            Self::Queue => "in queue",
            Self::Ringing => "ringing",
            Self::Menu => "in menu",
            Self::Connecting => "connecting",
            Self::Left => "leg ended",
        }
    }

    /// The class that colours it.
    fn class(self) -> &'static str {
        match self {
            Self::Talking | Self::Conference => "talking",
            Self::OnHold => "on-hold",
            Self::Parked => "parked",
            Self::Voicemail => "voicemail",
            Self::Queue => "queue",
            Self::Ringing => "ringing",
            Self::Menu | Self::Connecting | Self::Left => "routing",
        }
    }
}

/// What a call is doing, with whom, since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) doing: Doing,
    pub(super) with: String,
    pub(super) since: Time,
}

impl Moment {
    /// What the record states; where it states none (it was made before there was `activity`), what its legs show.
    pub(super) fn of(call: &Call) -> Self {
        let begun = |doing| Self { doing, with: String::new(), since: call.start_time };
        let served = match call.activity {
            None => Self::seen(call),
            Some(EndState::Talking) => talking(call).or(Some(begun(Doing::Talking))),
            Some(EndState::OnHold) => on_hold(call).or(Some(begun(Doing::OnHold))),
            Some(EndState::Parked) => parked(call).or(Some(begun(Doing::Parked))),
            Some(EndState::Voicemail) => voicemail(call).or(Some(begun(Doing::Voicemail))),
            Some(EndState::Queued) => queued(call).or(Some(begun(Doing::Queue))),
            Some(EndState::Ringing) => ringing(call).or(Some(begun(Doing::Ringing))),
            Some(EndState::Menu) => menu(call).or(Some(begun(Doing::Menu))),
            Some(EndState::Nothing) => None,
        };
        served.unwrap_or_else(|| begun(if has_left(call) { Doing::Left } else { Doing::Connecting }))
    }

    fn seen(call: &Call) -> Option<Self> {
        let queued = || queued(call).filter(|_| is_waiting(call));
        let menu_or_ringing = || ringing(call).or_else(|| menu(call));
        parked(call)
            .or_else(|| talking(call))
            .or_else(|| on_hold(call))
            .or_else(|| voicemail(call))
            .or_else(queued)
            .or_else(menu_or_ringing)
    }
}

/// Whether somebody waits in a queue: not once the own leg of the customer (without one: the caller) has ended, though
/// the queue's may still be open since its last notification was lost.
pub(super) fn is_waiting(call: &Call) -> bool {
    match call.activity {
        Some(activity) => activity == EndState::Queued,
        None => !has_left(call),
    }
}

/// Whether every leg of the customer (without one: the caller) has ended.
fn has_left(call: &Call) -> bool {
    let served = call.served();
    let mut own =
        call.legs.iter().filter(|leg| served.is_some() && leg.participant.as_ref() == served).peekable();
    own.peek().is_some() && own.all(|leg| leg.end_time.is_some())
}

fn at(doing: Doing, with: String, since: Time) -> Option<Moment> {
    Some(Moment { doing, with, since })
}

fn parked(call: &Call) -> Option<Moment> {
    let (leg, since) = open(call, LegState::Parked).next()?;
    at(Doing::Parked, call.name(leg.participant.as_ref()), since)
}

fn talking(call: &Call) -> Option<Moment> {
    let served = call.served();
    let talks: Vec<_> = call.conversations.iter().filter(|talk| talk.end_time.is_none()).collect();
    let own = talks.iter().find(|talk| served.is_none_or(|id| talk.participants.contains(id)));
    let is_held = open(call, LegState::Holding).next().is_some();
    let talk = own.or(talks.first().filter(|_| !is_held))?;
    let doing = if talk.participants.len() > 2 { Doing::Conference } else { Doing::Talking };
    let others = talk.participants.iter().filter(|id| call.from.participant.as_ref() != Some(id));
    at(doing, names(call, others), talk.start_time)
}

fn on_hold(call: &Call) -> Option<Moment> {
    let (leg, since) = open(call, LegState::Holding).next()?;
    at(Doing::OnHold, format!("by {}", call.name(leg.participant.as_ref())), since)
}

fn voicemail(call: &Call) -> Option<Moment> {
    let (leg, since) = open(call, LegState::Voicemail).next()?;
    at(Doing::Voicemail, call.name(leg.participant.as_ref()), since)
}

fn queued(call: &Call) -> Option<Moment> {
    let visit = call.queues.iter().rfind(|visit| visit.leave_time.is_none())?;
    let queue = visit.name.as_deref().map_or_else(|| call.name(Some(&visit.participant)), str::to_owned);
    let with = match ringing(call) {
        Some(Moment { with, .. }) => format!("{queue}, ringing {with}"),
        None => queue,
    };
    at(Doing::Queue, with, visit.enter_time)
}

fn ringing(call: &Call) -> Option<Moment> {
    let rung: Vec<_> =
        open(call, LegState::Ringing).filter(|(leg, _)| !lanes::hears_ringing(call, leg)).collect();
    let (_, since) = rung.first()?;
    at(Doing::Ringing, names(call, rung.iter().filter_map(|(leg, _)| leg.participant.as_ref())), *since)
}

fn menu(call: &Call) -> Option<Moment> {
    let served = |leg: &Leg| matches!(leg.kind, Kind::Menu | Kind::Router | Kind::Machine);
    let (leg, since) = open(call, LegState::Connected).find(|(leg, _)| served(leg))?;
    at(Doing::Menu, call.name(leg.participant.as_ref()), since)
}

/// The stretches in a state that go on.
fn open(call: &Call, state: LegState) -> impl Iterator<Item = (&Leg, Time)> {
    let stretch = move |leg: &Leg| {
        let last = leg.segments.last()?;
        (last.state == state && last.end_time.is_none()).then_some(last.start_time)
    };
    call.legs.iter().filter(|leg| leg.end_time.is_none()).filter_map(move |leg| Some((leg, stretch(leg)?)))
}

/// A few names, and how many more there are.
fn names<'a>(call: &Call, ids: impl Iterator<Item = &'a ParticipantId>) -> String {
    const NAMED: usize = 2;
    let mut names: Vec<String> = ids.map(|id| call.name(Some(id))).collect();
    names.dedup();
    let beyond = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let more = if beyond > 0 { format!(" and {beyond} more") } else { String::new() };
    names.join(", ") + &more
}

/// A live call's row.
#[derive(Template)]
#[template(path = "live_row.html")]
pub(super) struct Row<'a> {
    id: &'a str,
    address: &'a str,
    direction: &'static str,
    from: String,
    to: String,
    doing: Doing,
    with: String,
    since_ms: i64,
    start_ms: i64,
}

impl<'a> Row<'a> {
    /// `address` is what comes after the id in links.
    pub(super) fn new(call: &'a Call, address: &'a str) -> Self {
        let Moment { doing, with, since } = Moment::of(call);
        Self {
            id: &call.id,
            address,
            direction: table::direction_sign(call.direction),
            from: table::side(call, &call.from),
            to: table::side(call, &call.to),
            doing,
            with: escape_control(&with),
            since_ms: since.as_millis(),
            start_ms: call.start_time.as_millis(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A caller whose leg ended or goes on, in a queue whose leg goes on.
    fn call(caller_end: Option<&str>, activity: Option<&str>) -> Call {
        let leg = |name: &str, participant: &str, kind: &str, end: Option<&str>| {
            json!({
                "id": format!("s-1/{name}"), "telephonySessionId": "s-1", "partyId": name, "participant": participant,
                "kind": kind, "direction": "Outbound", "from": {}, "to": {}, "startTime": "2026-11-16T15:00:00Z",
                "ringTime": null, "answerTime": null, "endTime": end, "endReason": null, "outcome": null, "ringMs": 0,
                "talkMs": 0, "holdMs": 0, "queue": null, "deviceId": null,
                "segments": [{ "state": "connected", "startTime": "2026-11-16T15:00:00Z", "endTime": end }],
            })
        };
        let participant = |id: &str, kind: &str| {
            json!({ "id": id, "kind": kind, "phoneNumber": null, "extensionId": null, "name": null, "observed": true,
                "roles": [], "legs": [], "ringMs": 0, "talkMs": 0, "holdMs": 0 })
        };
        let side =
            |id: &str| json!({ "participant": id, "phoneNumber": null, "name": null, "extensionId": null });
        let visit = json!({ "participant": "ext:9", "name": "Sales", "enterTime": "2026-11-16T15:00:01Z",
            "leaveTime": null, "waitMs": 0, "outcome": null, "offers": 0, "answeredBy": null });
        let none: [Value; 0] = [];
        serde_json::from_value(json!({
            "schema": "wholecall.call/1", "id": "s-1", "accountId": "1", "version": 1,
            "updatedAt": "2026-11-16T15:00:02Z", "state": "live", "direction": "Inbound", "result": "InProgress",
            "from": side("tel:+1404"), "to": side("ext:9"), "activity": activity,
            "startTime": "2026-11-16T15:00:00Z", "answerTime": null, "endTime": null,
            "durations": { "totalMs": 0, "waitMs": 0, "talkMs": 0, "holdMs": 0, "parkedMs": 0, "voicemailMs": 0 },
            "participants": [participant("ext:9", "queue"), participant("tel:+1404", "external")],
            "legs": [leg("p-1", "tel:+1404", "external", caller_end), leg("p-2", "ext:9", "queue", None)],
            "links": none, "moves": none, "conversations": none, "queues": [visit], "monitors": none,
            "recordings": none, "sessions": none, "related": none,
            "completeness": { "missingSequences": [], "unseenSessions": [], "unlinkedGone": [], "reason": null },
        }))
        .unwrap()
    }

    #[test]
    fn a_caller_whose_leg_has_ended_waits_no_longer() {
        const END: Option<&str> = Some("2026-11-16T15:00:05Z");
        for (call, waits, doing) in [
            (call(None, None), true, Doing::Queue),
            (call(END, None), false, Doing::Left),
            (call(None, Some("queued")), true, Doing::Queue),
            (call(END, Some("none")), false, Doing::Left),
            (call(None, Some("none")), false, Doing::Connecting),
            (call(None, Some("voicemail")), false, Doing::Voicemail),
        ] {
            assert_eq!((is_waiting(&call), Moment::of(&call).doing), (waits, doing), "{:?}", call.activity);
        }
        assert_eq!(Moment::of(&call(None, Some("queued"))).with, "Sales");
    }
}
