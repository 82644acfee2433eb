//! What a live call is doing right now, as a row of the live page.

use askama::Template;
use wholecall_record::{
    Call, ParticipantId, Time,
    call::{Kind, Leg, LegState},
    lanes,
    screen::harmless,
    table,
};

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
            Self::Menu | Self::Connecting => "routing",
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
    pub(super) fn of(call: &Call) -> Self {
        let caller = call.from.participant.as_ref();
        let talks: Vec<_> = call.conversations.iter().filter(|talk| talk.end_time.is_none()).collect();
        let with_caller = talks.iter().find(|talk| caller.is_none_or(|id| talk.participants.contains(id)));
        let at = |doing, with: String, since| Self { doing, with, since };
        if let Some((leg, since)) = open(call, LegState::Parked).next() {
            return at(Doing::Parked, call.name(leg.participant.as_ref()), since);
        }
        let held = open(call, LegState::Holding).next();
        if let Some(talk) = with_caller.or(talks.first().filter(|_| held.is_none())) {
            let doing = if talk.participants.len() > 2 { Doing::Conference } else { Doing::Talking };
            let others = talk.participants.iter().filter(|id| caller != Some(id));
            return at(doing, names(call, others), talk.start_time);
        }
        if let Some((leg, since)) = held {
            return at(Doing::OnHold, format!("by {}", call.name(leg.participant.as_ref())), since);
        }
        if let Some((leg, since)) = open(call, LegState::Voicemail).next() {
            return at(Doing::Voicemail, call.name(leg.participant.as_ref()), since);
        }
        let rung = open(call, LegState::Ringing).filter(|(leg, _)| !lanes::hears_ringing(call, leg));
        let rung: Vec<_> = rung.collect();
        let rings = || names(call, rung.iter().filter_map(|(leg, _)| leg.participant.as_ref()));
        if let Some(visit) = call.queues.iter().find(|visit| visit.leave_time.is_none()) {
            let queue =
                visit.name.as_deref().map_or_else(|| call.name(Some(&visit.participant)), str::to_owned);
            let with = if rung.is_empty() { queue } else { format!("{queue}, ringing {}", rings()) };
            return at(Doing::Queue, with, visit.enter_time);
        }
        if let Some((_, since)) = rung.first() {
            return at(Doing::Ringing, rings(), *since);
        }
        let served =
            open(call, LegState::Connected).find(|(leg, _)| matches!(leg.kind, Kind::Menu | Kind::Router));
        match served {
            Some((leg, since)) => at(Doing::Menu, call.name(leg.participant.as_ref()), since),
            None => at(Doing::Connecting, String::new(), call.start_time),
        }
    }
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
            with: harmless(&with),
            since_ms: since.as_millis(),
            start_ms: call.start_time.as_millis(),
        }
    }
}
