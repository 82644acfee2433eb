//! The story of a call: what each notification reports, what follows from it, what is missing.

use compact_str::{CompactString, format_compact};
use wholecall_notification::{Code, Reason};
use wholecall_record::{
    Call, Time,
    call::{Kind, LinkKind, MoveKind, RepairedFact},
    lanes,
    story::{self, Step, Story},
    words,
};

use crate::index::{Idx, IdxRange};

use super::{
    ids::{ChangeIdx, LegIdx, ParticipantIdx, SessionIdx},
    input::RecordStatus,
    legs::Change,
    pipeline::Fold,
};

impl Fold<'_> {
    /// The story of the call.
    pub(crate) fn story(&self, status: RecordStatus) -> Story {
        let call = self.record(status);
        // Steps at one time: first the notifications, in order, then what follows from them.
        let mut steps: Vec<(Time, u8, usize, Step)> = Vec::new();
        let mut order: Vec<ChangeIdx> = self.changes.indices().collect();
        order.sort_by(|x, y| self.order_of_changes(*x, *y));
        for (place, at) in order.into_iter().enumerate() {
            steps.push((self.changes[at].time, 0, place, self.change_step(&call, at)));
        }
        for (place, (step, record)) in self.moves.iter().zip(&call.moves).enumerate() {
            let step = Step {
                time: step.time,
                text: CompactString::from(lanes::sentence(&call, record)),
                rule: Some(CompactString::const_new(rule_of_move(record.kind))),
                inferred: false,
                evidence: record.evidence.clone(),
            };
            steps.push((step.time, 1, place, step));
        }
        for (place, talk) in call.conversations.iter().enumerate() {
            let names: Vec<String> = talk.participants.iter().map(|id| call.name(Some(id))).collect();
            let length = talk.end_time.map(|end| format!(" for {}", words::length(end - talk.start_time)));
            let step = Step {
                time: talk.start_time,
                text: format_compact!("{} hear each other{}", list(&names), length.unwrap_or_default()),
                rule: Some(CompactString::const_new(
                    "whoever is connected in one session, or in sessions joined by an open link, hears each other",
                )),
                inferred: true,
                evidence: Vec::new(),
            };
            steps.push((step.time, 2, place, step));
        }
        steps.sort_by_key(|(time, rank, place, _)| (*time, *rank, *place));
        Story {
            id: call.id.clone(),
            title: format_compact!(
                "{} call from {} to {}: {}",
                call.direction.as_str(),
                call.name(call.from.participant.as_ref()),
                call.name(call.to.participant.as_ref()),
                call.result.as_str().to_lowercase(),
            ),
            sessions: call.sessions.iter().map(|session| session.telephony_session_id.clone()).collect(),
            steps: steps.into_iter().map(|(.., step)| step).collect(),
            conclusions: self.conclusions(&call),
            missing: missing(&call),
        }
    }

    /// The step for one change of one leg.
    fn change_step(&self, call: &Call, at: ChangeIdx) -> Step {
        let leg = self.leg_of_change(at);
        let (text, rule) = self.sentence(call, leg, at);
        Step {
            time: self.changes[at].time,
            text: CompactString::from(text),
            rule: rule.map(CompactString::const_new),
            inferred: false,
            evidence: self.evidence(&[at]),
        }
    }

    fn sentence(&self, call: &Call, leg: LegIdx, at: ChangeIdx) -> (String, Option<&'static str>) {
        let change = &self.changes[at];
        let status = &change.event.status;
        let who = self.who(call, leg);
        let Some(code) = status.code.filter(|code| *code != Code::Other) else {
            let word = status.code_word().unwrap_or("no code");
            return (
                format!("{who}: {word}, which changes nothing"),
                Some("an unknown code is stored and changes no state"),
            );
        };
        let text = match code {
            Code::Setup => self.began(call, leg, &who),
            Code::Proceeding => match self.offering_queue(leg) {
                Some(queue) => {
                    format!("{who} is rung, offered by {}", words::name_of(&call.participants[queue.get()]))
                }
                None if self.rooms[self.legs[leg].room].originator == Some(leg) => {
                    format!("the far end is being alerted, {who} waits")
                }
                None => format!("{who} is rung"),
            },
            Code::Answered => return self.answered(leg, at, &who),
            Code::Hold => format!("{who} puts the others on hold"),
            Code::Parked => format!(
                "{who} is parked{}",
                status.park().map(|place| format!(" at {place}")).unwrap_or_default()
            ),
            Code::Voicemail => format!("the voicemail of {who} takes the call"),
            Code::VoicemailScreening => format!("{who} listens while a message is left"),
            Code::FaxReceive => format!("{who} receives a fax"),
            Code::Gone => return self.gone(call, leg, at, &who),
            Code::Disconnected => return self.disconnected_sentence(leg, at, &who),
            Code::Other => String::new(),
        };
        (text, None)
    }

    pub(super) fn who(&self, call: &Call, leg: LegIdx) -> String {
        match self.owners[leg] {
            Some(person) => words::name_of(&call.participants[person.get()]),
            None => "a seat in the bridge".to_owned(),
        }
    }

    fn began(&self, call: &Call, leg: LegIdx, who: &str) -> String {
        let room = &self.rooms[self.legs[leg].room];
        let number = self.legs[leg].description.to.number.unwrap_or("nobody named");
        match self.kinds[leg] {
            Kind::Supervisor => format!("{who} dials in to listen"),
            Kind::Proxy => "a seat is made in the bridge".to_owned(),
            Kind::Queue => format!("the call enters the queue {who}"),
            Kind::Menu => format!("the menu {who} takes the call"),
            Kind::Router => format!("{who} takes the call: a menu or a rule"),
            _ if room.originator == Some(leg) && self.legs[leg].room == self.root => {
                format!("{who} calls {number}")
            }
            _ if room.originator == Some(leg) => format!("{who} dials {number}, in a session of its own"),
            _ if room.is_conference => format!("{who} opens a conference"),
            _ if self.legs[leg].is_inbound() => format!("the call reaches {who}"),
            _ => format!(
                "{who} joins, at {}",
                call.participants[self.owners[leg].map_or(0, ParticipantIdx::get)].id
            ),
        }
    }

    fn before(&self, leg: LegIdx, at: ChangeIdx) -> Option<&Change<'_>> {
        let earlier = &self.changes[&IdxRange::new(self.legs[leg].changes.start(), at)];
        earlier.iter().rfind(|change| !matches!(change.event.status.code, None | Some(Code::Other)))
    }

    fn answered(&self, leg: LegIdx, at: ChangeIdx, who: &str) -> (String, Option<&'static str>) {
        let room = &self.rooms[self.legs[leg].room];
        let before = self.before(leg, at).and_then(|change| change.event.status.code);
        let is_first = self.first_answer(leg) == Some(self.changes[at].time);
        match before {
            Some(Code::Hold) => (format!("{who} takes the others off hold"), None),
            Some(Code::Parked) => (format!("{who} is fetched from park"), None),
            Some(Code::Gone) => {
                (format!("{who} is back in this session"), Some("Gone is not the end: Answered may follow"))
            }
            _ if self.kinds[leg] == Kind::Supervisor => (format!("{who} listens"), None),
            Some(Code::Answered) => (
                format!("{who} is connected as before"),
                Some("a repeated Answered (recording, transfer) resets nothing"),
            ),
            _ if room.originator == Some(leg) && is_first && self.others_answered(leg, at) => {
                (format!("{who} is connected too"), None)
            }
            _ if room.originator == Some(leg) && is_first => (
                format!("the platform has taken the call of {who}"),
                Some("a caller's own Answered does not mean that anybody answered"),
            ),
            _ if room.is_conference => (format!("{who} is in the bridge"), None),
            _ => (format!("{who} answers"), None),
        }
    }

    /// Whether another leg of the session was answered before.
    fn others_answered(&self, leg: LegIdx, at: ChangeIdx) -> bool {
        let time = self.changes[at].time;
        let mut others =
            self.legs.indices().filter(|&other| other != leg && self.legs[other].room == self.legs[leg].room);
        others.any(|other| self.first_answer(other).is_some_and(|answered| answered <= time))
    }

    fn gone(&self, call: &Call, leg: LegIdx, at: ChangeIdx, who: &str) -> (String, Option<&'static str>) {
        let Some(link) = self.links.iter().find(|link| link.proof.contains(&at)) else {
            return (
                format!("{who} leaves for a session that is not named"),
                Some("a Gone without peerId ends its leg; the other session stays unknown"),
            );
        };
        let (near, far) = if link.a.leg == Some(leg) { (&link.a, &link.b) } else { (&link.b, &link.a) };
        let here = self.session_name(call, near.room);
        let there = self.session_name(call, far.room);
        match link.kind {
            LinkKind::AttendedTransfer | LinkKind::Transfer => (
                format!("{who} joins {here} with {there} and leaves"),
                Some("a Gone names the leg in the other session; who opened this door leaves by it"),
            ),
            LinkKind::Conference => (
                match self.bridge_of(link).room == far.room {
                    true => format!("{who} joins {here} with the bridge, {there}"),
                    false => format!("the bridge is joined with {there}"),
                },
                Some(
                    "a conference is several sessions joined to one bridge; the host stays, through the bridge",
                ),
            ),
            LinkKind::Pickup => (
                format!("{who} comes into {there}"),
                Some("who picks up or retrieves comes in from a session of their own and stays"),
            ),
            LinkKind::Supervising => {
                (format!("{who} listens to {there}"), Some("a supervisor is not heard and joins no calls"))
            }
            LinkKind::TakeOver => (format!("{who} takes over in {there}"), None),
        }
    }

    /// A session by its letter in the story.
    pub(super) fn session_name(&self, call: &Call, room: SessionIdx) -> String {
        let room = &self.rooms[room];
        let place = call.sessions.iter().position(|session| session.telephony_session_id == room.session.id);
        let name = place.map_or_else(|| room.session.id.to_string(), story::letter);
        match room.start {
            None => format!("session {name}, of which nothing was seen,"),
            Some(_) => format!("session {name}"),
        }
    }

    fn disconnected_sentence(&self, leg: LegIdx, at: ChangeIdx, who: &str) -> (String, Option<&'static str>) {
        let status = &self.changes[at].event.status;
        let before = self.before(leg, at).and_then(|change| change.event.status.code);
        if self.states[leg].end.is_some_and(|end| end < self.changes[at].time)
            || before == Some(Code::Disconnected)
        {
            return (format!("the leg of {who} is closed; they had left already"), None);
        }
        let reason = status.reason_word().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let handed_on = || self.leg_outcome(leg, None) == Some(wholecall_record::call::LegOutcome::Routed);
        let text = match (self.kinds[leg], status.reason) {
            (Kind::Router | Kind::Menu | Kind::Queue, Some(Reason::CallerDropped)) => {
                format!("the call ends while {who} has it{reason}")
            }
            (Kind::Router | Kind::Menu | Kind::Queue, _) if handed_on() => {
                return (
                    format!("{who} hands the call on{reason}"),
                    Some(
                        "a menu or queue ends its leg while the call goes on; no leg's end is the call's end",
                    ),
                );
            }
            (_, Some(Reason::BlindTransfer | Reason::RccTransfer | Reason::DtmfTransfer)) => {
                format!("{who} sends the call on and leaves{reason}")
            }
            (Kind::Supervisor, _) => format!("{who} stops listening{reason}"),
            (Kind::Proxy, _) => "the seat in the bridge is given up".to_owned(),
            _ if before == Some(Code::Proceeding) => format!("{who} stops ringing{reason}"),
            _ => format!("{who} leaves{reason}"),
        };
        (text, None)
    }
}

fn missing(call: &Call) -> Vec<CompactString> {
    let completeness = &call.completeness;
    let mut missing = Vec::new();
    for gap in &completeness.missing_sequences {
        let which = match gap.from == gap.to {
            true => format!("notification {}", gap.from),
            false => format!("notifications {} to {}", gap.from, gap.to),
        };
        missing.push(format_compact!(
            "{which} of {}: lost, late, or not delivered to this subscription",
            gap.telephony_session_id
        ));
    }
    for session in &completeness.unseen_sessions {
        missing.push(format_compact!("everything of {session}, a session that a link names"));
    }
    for gone in &completeness.unlinked_gone {
        missing.push(format_compact!(
            "where {}/{} went (notification {})",
            gone.telephony_session_id,
            gone.party_id,
            gone.sequence
        ));
    }
    for repaired in &completeness.repaired {
        let what = match repaired.what {
            RepairedFact::Leg => "all notifications",
            RepairedFact::Start => "the start",
            RepairedFact::State => "a change",
            RepairedFact::Link => "where it went: the notification",
            RepairedFact::End => "the end",
            RepairedFact::Description => "a name or number",
        };
        missing.push(format_compact!(
            "{what} of {}/{}, which the {} shows",
            repaired.telephony_session_id,
            repaired.party_id,
            repaired.evidence.place()
        ));
    }
    if let Some(reason) = completeness.reason {
        missing.push(format_compact!("the end of a leg; the call was closed because of {}", reason.as_str()));
    }
    if let Some(call) = &completeness.late_for {
        missing.push(format_compact!(
            "the rest of this call: it came too late for {call}, which was no longer in memory"
        ));
    }
    for beyond in &completeness.beyond_limits {
        missing.push(format_compact!(
            "{} {} beyond the {} that are stored",
            beyond.beyond,
            beyond.what,
            beyond.limit
        ));
    }
    missing
}

fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn rule_of_move(kind: MoveKind) -> &'static str {
    match kind {
        MoveKind::AttendedTransfer => {
            "Gone with reason AttendedTransfer, on the transferor's two legs or on one of them"
        }
        MoveKind::BlindTransfer => {
            "Disconnected with a transfer reason on a person's leg; the next new leg is the target"
        }
        MoveKind::Transfer => "Gone with another reason, or none, joins two sessions like a transfer",
        MoveKind::Conference => "a link into the bridge brings in everybody in the session it joins",
        MoveKind::Park => "Parked, or Disconnected with a park reason",
        MoveKind::Retrieve => "a Pickup link that reaches a session with a parked leg",
        MoveKind::Pickup => "a ringing leg ends with Pickup, or a Pickup link reaches a ringing session",
        MoveKind::Forward => "Disconnected with CallRedirected; the next new leg is the target",
        MoveKind::Switch => "the same user goes on with another leg of the same session",
        MoveKind::Flip => "Disconnected with CallFlip; the latest leg begun is the target",
        MoveKind::TakeOver => "Disconnected with TakeOver; the latest monitor has the call",
    }
}
