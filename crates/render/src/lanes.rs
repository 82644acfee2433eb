//! The layout of a call's drawing: a lane per participant over a time axis, and moves between the lanes. All
//! drawings (terminal, SVG) render this layout.

use wholecall_record::{
    ParticipantId, Time,
    call::{Call, Kind, Leg, LegDirection, LegOutcome, LegState, MoveKind, Participant, names},
};

/// The layout, without a size.
#[derive(Debug, Clone, PartialEq)]
pub struct Lanes {
    /// Start of the time axis.
    pub start: Time,
    /// End of the time axis: the end of the call, or the last known time.
    pub end: Time,
    /// The lanes, in the order in which participants joined.
    pub lanes: Vec<Lane>,
    /// The conversations, in order.
    pub talks: Vec<Talk>,
    /// The moves, in order.
    pub doors: Vec<Door>,
}

/// A conversation between lanes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Talk {
    /// From.
    pub start: Time,
    /// To.
    pub end: Time,
    /// Indices of the lanes, from top to bottom.
    pub lanes: Vec<usize>,
    /// Whether its duration is an upper bound.
    pub inferred: bool,
}

/// The activities of one participant over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// The participant.
    pub participant: ParticipantId,
    /// The name to display.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Stretches that do not overlap, in order.
    pub stretches: Vec<Stretch>,
}

/// A stretch of a lane with one activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The activity.
    pub activity: Activity,
    /// From.
    pub start: Time,
    /// To.
    pub end: Time,
}

/// What a participant does, as drawings distinguish it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Activity {
    /// On the line without anybody to talk to: dialling, or hearing ringing, a menu or music.
    Waiting,
    /// A menu, queue or rule has the call.
    Routing,
    /// Being rung.
    Ringing,
    /// On hold: another participant has put the others on hold.
    OnHold,
    /// Has put the others on hold.
    Holding,
    /// Parked.
    Parked,
    /// Leaves or takes a message.
    Voicemail,
    /// Receives a fax.
    Fax,
    /// Listens in.
    Listening,
    /// Talks and is heard.
    Talking,
}

impl Activity {
    /// All activities, in the order of the legend.
    pub const ALL: [Self; 10] = [
        Self::Ringing,
        Self::Talking,
        Self::Waiting,
        Self::OnHold,
        Self::Holding,
        Self::Parked,
        Self::Voicemail,
        Self::Listening,
        Self::Routing,
        Self::Fax,
    ];

    /// The name in a legend.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Routing => "routing",
            Self::Ringing => "ringing",
            Self::OnHold => "on hold",
            Self::Holding => "holding",
            Self::Parked => "parked",
            Self::Voicemail => "voicemail",
            Self::Fax => "fax",
            Self::Listening => "listening",
            Self::Talking => "talking",
        }
    }
}

/// A move in a drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// When.
    pub time: Time,
    /// The kind.
    pub kind: MoveKind,
    /// Lane of who made the move; `None` if that is not known.
    pub by: Option<usize>,
    /// Lane of who has the call after it; `None` if that is not known.
    pub target: Option<usize>,
    /// The move in a sentence.
    pub sentence: String,
}

impl Lanes {
    /// Computes the layout of a call.
    pub fn of(call: &Call) -> Self {
        let known = call.legs.iter().flat_map(|leg| {
            let segments =
                leg.segments.iter().flat_map(|segment| [Some(segment.start_time), segment.end_time]);
            segments.chain([leg.end_time])
        });
        let talked = call.conversations.iter().flat_map(|talk| [Some(talk.start_time), talk.end_time]);
        let last_known = known.chain(talked).flatten().max().unwrap_or(call.start_time);
        let end = call.end_time.unwrap_or(last_known).max(last_known).max(call.start_time + 1);
        let mut present: Vec<(Time, &Participant)> = call
            .participants
            .iter()
            .map(|participant| (first_seen(call, participant).unwrap_or(end), participant))
            .collect();
        present.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.id.cmp(&y.id)));
        let lane = |id: &ParticipantId| present.iter().position(|(_, participant)| participant.id == *id);
        let place = |id: &Option<ParticipantId>| id.as_ref().and_then(lane);
        let doors = call.moves.iter().map(|step| Door {
            time: step.time,
            kind: step.kind,
            by: place(&step.by),
            target: place(&step.target),
            sentence: sentence(call, step),
        });
        let doors = doors.collect();
        let talks = call.conversations.iter().map(|talk| {
            let mut lanes: Vec<usize> = talk.participants.iter().filter_map(lane).collect();
            lanes.sort_unstable();
            Talk { start: talk.start_time, end: talk.end_time.unwrap_or(end), lanes, inferred: talk.inferred }
        });
        let talks = talks.collect();
        let lanes = present.iter().map(|(_, participant)| Lane {
            participant: participant.id.clone(),
            name: names::name_of(participant),
            kind: participant.kind,
            stretches: stretches(call, participant, end),
        });
        Self { start: call.start_time, end, lanes: lanes.collect(), talks, doors }
    }
}

fn first_seen(call: &Call, participant: &Participant) -> Option<Time> {
    let legs = call.legs.iter().filter(|leg| leg.participant.as_ref() == Some(&participant.id));
    let talks = call.conversations.iter().filter(|talk| talk.participants.contains(&participant.id));
    legs.filter_map(|leg| leg.start_time).chain(talks.map(|talk| talk.start_time)).min()
}

/// A move in a sentence.
pub fn sentence(call: &Call, step: &wholecall_record::call::Move) -> String {
    let by = call.name(step.by.as_ref());
    let to =
        step.target.as_ref().map(|target| format!(" to {}", call.name(Some(target)))).unwrap_or_default();
    match step.kind {
        MoveKind::AttendedTransfer => format!("{by} transfers the call{to} (attended)"),
        MoveKind::BlindTransfer => format!("{by} transfers the call{to} (blind)"),
        MoveKind::Transfer => format!("{by} passes the call{}", if to.is_empty() { " on" } else { &to }),
        MoveKind::Conference => {
            format!("{by} brings {} into the conference", call.name(step.target.as_ref()))
        }
        MoveKind::Park => format!("{by} parks the call"),
        MoveKind::Retrieve => format!("{by} retrieves the parked call"),
        MoveKind::Pickup => format!("{by} picks the ringing call up"),
        MoveKind::Forward => format!("{by} forwards the call{to}"),
        MoveKind::Switch => format!("{by} goes on at another device"),
        MoveKind::Flip => format!("{by} flips the call{to}"),
        MoveKind::TakeOver => format!("{by} takes the call over"),
    }
}

/// Whether a ringing leg is the caller's own, on which the ringing of the other side is heard. A leg's
/// outcome shows that it originated the call, but a live leg has none.
pub fn hears_ringing(call: &Call, leg: &Leg) -> bool {
    match leg.outcome {
        Some(outcome) => outcome == LegOutcome::Originated,
        None => {
            leg.direction == LegDirection::Outbound
                && leg.participant.is_some()
                && leg.participant == call.from.participant
        }
    }
}

/// The activities of a participant over time. If several overlap, the one that is last in the order of
/// [`Activity`] is shown.
fn stretches(call: &Call, participant: &Participant, end: Time) -> Vec<Stretch> {
    let mut activities: Vec<Stretch> = Vec::new();
    let mut add = |activity, start: Time, until: Option<Time>| {
        let stretch = Stretch { activity, start, end: until.unwrap_or(end) };
        activities.extend((stretch.start < stretch.end).then_some(stretch));
    };
    for talk in call.conversations.iter().filter(|talk| talk.participants.contains(&participant.id)) {
        add(Activity::Talking, talk.start_time, talk.end_time);
    }
    for leg in call.legs.iter().filter(|leg| leg.participant.as_ref() == Some(&participant.id)) {
        for segment in &leg.segments {
            let activity = match segment.state {
                LegState::Ringing if hears_ringing(call, leg) => Activity::Waiting,
                LegState::Ringing => Activity::Ringing,
                LegState::Holding => Activity::Holding,
                LegState::Parked => Activity::Parked,
                LegState::Voicemail => Activity::Voicemail,
                LegState::Fax => Activity::Fax,
                LegState::Gone => continue,
                LegState::Setup | LegState::Connected => match leg.kind {
                    Kind::Supervisor => Activity::Listening,
                    Kind::Queue | Kind::Group | Kind::Menu | Kind::Router | Kind::Machine => {
                        Activity::Routing
                    }
                    _ => Activity::Waiting,
                },
            };
            add(activity, segment.start_time, segment.end_time);
        }
    }
    let holds: Vec<(Time, Time)> = call
        .legs
        .iter()
        .filter(|leg| leg.participant.as_ref() != Some(&participant.id))
        .flat_map(|leg| &leg.segments)
        .filter(|segment| segment.state == LegState::Holding)
        .map(|segment| (segment.start_time, segment.end_time.unwrap_or(end)))
        .collect();
    let mut times: Vec<Time> = activities
        .iter()
        .flat_map(|stretch| [stretch.start, stretch.end])
        .chain(holds.iter().flat_map(|(start, end)| [*start, *end]))
        .collect();
    times.sort_unstable();
    times.dedup();
    let mut lane: Vec<Stretch> = Vec::new();
    for pair in times.windows(2) {
        let (start, end) = (pair[0], pair[1]);
        let current = activities.iter().filter(|stretch| stretch.start <= start && end <= stretch.end);
        let Some(mut activity) = current.map(|stretch| stretch.activity).max() else { continue };
        if activity == Activity::Waiting && holds.iter().any(|(from, to)| *from <= start && end <= *to) {
            activity = Activity::OnHold;
        }
        match lane.last_mut() {
            Some(last) if last.activity == activity && last.end == start => last.end = end,
            _ => lane.push(Stretch { activity, start, end }),
        }
    }
    lane
}
