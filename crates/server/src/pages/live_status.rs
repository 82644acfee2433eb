//! The current status of a live call, as a row of the live page.

use askama::Template;
use wholecall_record::{
    Call, ParticipantId, Time,
    call::{EndState, Kind, Leg, LegState},
    display::escape_control,
};
use wholecall_render::{lanes, table};

/// What currently happens in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    Talking,
    Conference,
    OnHold,
    Parked,
    Voicemail,
    Queue,
    Ringing,
    Menu,
    Connecting,
    /// The customer's leg (the caller's, if there is no customer) has ended, another has not.
    CustomerLeft,
}

impl Activity {
    pub(super) fn label(self) -> &'static str {
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
            Self::CustomerLeft => "leg ended",
        }
    }

    /// The suffix of the CSS class that colours the label.
    fn class(self) -> &'static str {
        match self {
            Self::Talking | Self::Conference => "talking",
            Self::OnHold => "on-hold",
            Self::Parked => "parked",
            Self::Voicemail => "voicemail",
            Self::Queue => "queue",
            Self::Ringing => "ringing",
            Self::Menu | Self::Connecting | Self::CustomerLeft => "routing",
        }
    }
}

/// A live call's activity, with whom, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) activity: Activity,
    pub(super) with: String,
    pub(super) since: Time,
}

impl Status {
    /// From the record's `activity`, or from the legs of a record that was made before that field existed.
    pub(super) fn of(call: &Call) -> Self {
        let since_start = |activity| Self { activity, with: String::new(), since: call.start_time };
        let or = |status: Option<Self>, activity| status.or(Some(since_start(activity)));
        let status = match call.activity {
            None => Self::from_legs(call),
            Some(EndState::Talking) => or(talking(call), Activity::Talking),
            Some(EndState::OnHold) => or(on_hold(call), Activity::OnHold),
            Some(EndState::Parked) => or(parked(call), Activity::Parked),
            Some(EndState::Voicemail) => or(voicemail(call), Activity::Voicemail),
            Some(EndState::Queued) => or(queued(call), Activity::Queue),
            Some(EndState::Ringing) => or(ringing(call), Activity::Ringing),
            Some(EndState::Menu) => or(menu(call), Activity::Menu),
            Some(EndState::Nothing) => None,
        };
        let fallback = || if has_customer_left(call) { Activity::CustomerLeft } else { Activity::Connecting };
        status.unwrap_or_else(|| since_start(fallback()))
    }

    fn from_legs(call: &Call) -> Option<Self> {
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

/// Whether a caller waits in a queue. Not if the customer's leg (the caller's, if there is no customer) has ended: the
/// queue's leg may still be open because its last notification was lost.
pub(super) fn is_waiting(call: &Call) -> bool {
    match call.activity {
        Some(activity) => activity == EndState::Queued,
        None => !has_customer_left(call),
    }
}

/// Whether every leg of the customer (the caller, if there is no customer) has ended.
fn has_customer_left(call: &Call) -> bool {
    let customer = call.served();
    let mut own =
        call.legs.iter().filter(|leg| customer.is_some() && leg.participant.as_ref() == customer).peekable();
    own.peek().is_some() && own.all(|leg| leg.end_time.is_some())
}

fn parked(call: &Call) -> Option<Status> {
    let (leg, since) = open_segments(call, LegState::Parked).next()?;
    Some(Status { activity: Activity::Parked, with: call.name(leg.participant.as_ref()), since })
}

fn talking(call: &Call) -> Option<Status> {
    let customer = call.served();
    let open: Vec<_> = call.conversations.iter().filter(|talk| talk.end_time.is_none()).collect();
    let own = open.iter().find(|talk| customer.is_none_or(|id| talk.participants.contains(id)));
    let is_held = open_segments(call, LegState::Holding).next().is_some();
    let talk = own.or(open.first().filter(|_| !is_held))?;
    let activity = if talk.participants.len() > 2 { Activity::Conference } else { Activity::Talking };
    let others = talk.participants.iter().filter(|id| call.from.participant.as_ref() != Some(id));
    Some(Status { activity, with: names(call, others), since: talk.start_time })
}

fn on_hold(call: &Call) -> Option<Status> {
    let (leg, since) = open_segments(call, LegState::Holding).next()?;
    Some(Status { activity: Activity::OnHold, with: call.name(leg.participant.as_ref()), since })
}

fn voicemail(call: &Call) -> Option<Status> {
    let (leg, since) = open_segments(call, LegState::Voicemail).next()?;
    Some(Status { activity: Activity::Voicemail, with: call.name(leg.participant.as_ref()), since })
}

fn queued(call: &Call) -> Option<Status> {
    let visit = call.queues.iter().rfind(|visit| visit.leave_time.is_none())?;
    let queue = visit.name.as_deref().map_or_else(|| call.name(Some(&visit.participant)), str::to_owned);
    let with = match ringing(call) {
        Some(Status { with, .. }) => format!("{queue} · ringing: {with}"),
        None => queue,
    };
    Some(Status { activity: Activity::Queue, with, since: visit.enter_time })
}

fn ringing(call: &Call) -> Option<Status> {
    let ringing: Vec<_> =
        open_segments(call, LegState::Ringing).filter(|(leg, _)| !lanes::hears_ringing(call, leg)).collect();
    let (_, since) = *ringing.first()?;
    let with = names(call, ringing.iter().filter_map(|(leg, _)| leg.participant.as_ref()));
    Some(Status { activity: Activity::Ringing, with, since })
}

fn menu(call: &Call) -> Option<Status> {
    let is_menu = |leg: &Leg| matches!(leg.kind, Kind::Menu | Kind::Router | Kind::Machine);
    let (leg, since) = open_segments(call, LegState::Connected).find(|(leg, _)| is_menu(leg))?;
    Some(Status { activity: Activity::Menu, with: call.name(leg.participant.as_ref()), since })
}

/// The legs that are in a state, and since when.
fn open_segments(call: &Call, state: LegState) -> impl Iterator<Item = (&Leg, Time)> {
    let since = move |leg: &Leg| {
        let last = leg.segments.last()?;
        (last.state == state && last.end_time.is_none()).then_some(last.start_time)
    };
    call.legs.iter().filter(|leg| leg.end_time.is_none()).filter_map(move |leg| Some((leg, since(leg)?)))
}

/// The first names, and the number of the others: `Ada, Grace, +3`.
fn names<'a>(call: &Call, ids: impl Iterator<Item = &'a ParticipantId>) -> String {
    const MAX_NAMES: usize = 2;
    let mut names: Vec<String> = ids.map(|id| call.name(Some(id))).collect();
    names.dedup();
    let others = names.len().saturating_sub(MAX_NAMES);
    names.truncate(MAX_NAMES);
    if others > 0 {
        names.push(format!("+{others}"));
    }
    names.join(", ")
}

/// A live call's row.
#[derive(Template)]
#[template(path = "live_row.html")]
pub(super) struct Row<'a> {
    id: &'a str,
    link_query: &'a str,
    direction: &'static str,
    from: String,
    to: String,
    activity: Activity,
    with: String,
    since_ms: i64,
    start_ms: i64,
}

impl<'a> Row<'a> {
    /// `link_query` follows the id in links; it may be empty.
    pub(super) fn new(call: &'a Call, link_query: &'a str) -> Self {
        let Status { activity, with, since } = Status::of(call);
        Self {
            id: &call.id,
            link_query,
            direction: table::direction_sign(call.direction),
            from: table::side(call, &call.from),
            to: table::side(call, &call.to),
            activity,
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

    /// A call with a caller's leg, which may have ended, and a queue's leg, which is open.
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
        let empty: [Value; 0] = [];
        serde_json::from_value(json!({
            "schema": "wholecall.call/1", "id": "s-1", "accountId": "1", "version": 1,
            "updatedAt": "2026-11-16T15:00:02Z", "state": "live", "direction": "Inbound", "result": "InProgress",
            "from": side("tel:+1404"), "to": side("ext:9"), "activity": activity,
            "startTime": "2026-11-16T15:00:00Z", "answerTime": null, "endTime": null,
            "durations": { "totalMs": 0, "waitMs": 0, "talkMs": 0, "holdMs": 0, "parkedMs": 0, "voicemailMs": 0 },
            "participants": [participant("ext:9", "queue"), participant("tel:+1404", "external")],
            "legs": [leg("p-1", "tel:+1404", "external", caller_end), leg("p-2", "ext:9", "queue", None)],
            "links": empty, "moves": empty, "conversations": empty, "queues": [visit], "monitors": empty,
            "recordings": empty, "sessions": empty, "related": empty,
            "completeness": { "missingSequences": [], "unseenSessions": [], "unlinkedGone": [], "reason": null },
        }))
        .unwrap()
    }

    #[test]
    fn a_caller_whose_leg_has_ended_is_not_waiting() {
        const END: Option<&str> = Some("2026-11-16T15:00:05Z");
        for (call, waits, activity) in [
            (call(None, None), true, Activity::Queue),
            (call(END, None), false, Activity::CustomerLeft),
            (call(None, Some("queued")), true, Activity::Queue),
            (call(END, Some("none")), false, Activity::CustomerLeft),
            (call(None, Some("none")), false, Activity::Connecting),
            (call(None, Some("voicemail")), false, Activity::Voicemail),
        ] {
            let status = (is_waiting(&call), Status::of(&call).activity);
            assert_eq!(status, (waits, activity), "{:?}", call.activity);
        }
        assert_eq!(Status::of(&call(None, Some("queued"))).with, "Sales");
    }
}
