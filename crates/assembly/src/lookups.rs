//! Lookup answers about a session: snapshots, and its record in the call log.
//!
//! An answer has no position in the session's sequence. It applies to a leg only after all notifications of it, or
//! where a notification between two others is missing; and only if it advances the leg's state: an answer never
//! reopens a leg.

use std::hash::{DefaultHasher, Hash, Hasher};

use wholecall_notification::{Code, Direction, LogRecord, LogResult, LogSide, Notification, Reason, Source};
use wholecall_record::{Time, call::EvidenceKind};

use crate::{
    description::{Description, Side},
    event::{Event, PartyStatus, UNSEQUENCED},
    event_log::EventLog,
    index::{Idx, IdxVec},
    legs::{LegKey, Legs},
    limits,
    uuid::Uuid,
};

/// Lookup answers, in order of precedence.
#[derive(Debug, Default)]
pub(crate) struct Lookups(Vec<LookupAnswer>);

/// A lookup answer.
#[derive(Debug)]
struct LookupAnswer {
    kind: EvidenceKind,
    /// When it was given; for a call log record, when the call ended.
    time: Time,
    uuid: Option<Uuid>,
    /// Distinguishes answers with the same id.
    digest: u64,
    /// When the session had started at the latest.
    start: Option<Time>,
    /// Precedence among records of the call log: whether it says that it is final, and when it was read.
    precedence: (bool, Option<Time>),
    /// The events of single legs.
    legs: Vec<Event>,
    /// All legs that were open have ended.
    all_ended: Option<Event>,
    /// The call log says that a conversation took place.
    talked: Option<Event>,
}

/// An event that a lookup answer adds to the notifications of a leg.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InferredEvent<'a> {
    pub(crate) leg: LegKey,
    pub(crate) time: Time,
    pub(crate) event: &'a Event,
}

/// The states of a leg, in order, while answers are applied.
#[derive(Debug, Clone, Default)]
struct Timeline(Vec<StatePoint>);

#[derive(Debug, Clone, Copy)]
struct StatePoint {
    time: Time,
    /// The sequence number of the last notification.
    sequence: u32,
    code: Code,
    /// It left by a link without a known destination.
    is_lost: bool,
}

/// The party ids of a call that is known from the call log only: caller and callee.
const LOGGED_PARTIES: [&str; 2] = ["log-1", "log-2"];

/// Maximum length of a session; an earlier start is not taken for the session's.
const MAX_SESSION_MS: i64 = 24 * 3_600_000;

/// Maximum rounding error of the call log. If a record ends earlier than the last notification by more, it was not
/// final.
const MAX_LOG_ROUNDING_MS: i64 = 2_000;

impl Lookups {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Applies an answer; returns whether it is new.
    pub(crate) fn apply(&mut self, legs: &mut Legs, notification: &Notification<'_, '_>) -> bool {
        let uuid = notification.uuid().map(Uuid::new);
        let time = notification.event_time();
        let digest = digest(notification);
        let read_at = notification.timestamp();
        let applicable = self.applicable_log_record().map(LookupAnswer::rank);
        let is_same =
            |known: &&mut LookupAnswer| (known.time, &known.uuid, known.digest) == (time, &uuid, digest);
        if let Some(known) = self.0.iter_mut().find(is_same) {
            if known.kind == EvidenceKind::Snapshot || known.precedence.1 >= read_at {
                return false;
            }
            // The log returned this record again, so it is the latest.
            known.precedence.1 = read_at;
            let is_applied = Some(known.rank()) > applicable;
            if is_applied {
                describe_logged(legs, &notification.log_record(), uuid.as_ref());
            }
            return is_applied;
        }
        let (kind, answer_events) = match notification.source() {
            Source::Change { .. } => return false,
            Source::Snapshot => (EvidenceKind::Snapshot, snapshot(legs, notification, time, uuid.as_ref())),
            Source::CallLog => {
                (EvidenceKind::CallLog, logged(legs, &notification.log_record(), time, uuid.as_ref()))
            }
        };
        let AnswerEvents { legs: events, all_ended, talked } = answer_events;
        let is_final = kind == EvidenceKind::CallLog && notification.log_record().finished == Some(true);
        let start = notification.starts_by();
        let precedence = (is_final, read_at);
        let answer =
            LookupAnswer { kind, time, uuid, digest, start, precedence, legs: events, all_ended, talked };
        if kind == EvidenceKind::CallLog && Some(answer.rank()) > applicable {
            describe_logged(legs, &notification.log_record(), answer.uuid.as_ref());
        }
        let order = |answer: &LookupAnswer| (answer.order(), answer.time, answer.uuid.clone(), answer.digest);
        let place = self.0.partition_point(|known| order(known) < order(&answer));
        self.0.insert(place, answer);
        if self.0.len() > limits::MAX_LOOKUPS_PER_SESSION {
            self.0.remove(0);
        }
        true
    }

    /// The record of the call log that takes precedence.
    fn applicable_log_record(&self) -> Option<&LookupAnswer> {
        self.0.iter().filter(|answer| answer.kind == EvidenceKind::CallLog).max_by_key(|answer| answer.rank())
    }

    /// The answers that apply, in order.
    fn applicable_answers(&self) -> impl Iterator<Item = &LookupAnswer> {
        let applicable = self.applicable_log_record().map(LookupAnswer::rank);
        self.0
            .iter()
            .filter(move |answer| answer.kind == EvidenceKind::Snapshot || Some(answer.rank()) == applicable)
    }

    /// Whether a snapshot shows more than that all legs have ended: an open leg, or the destination of a link.
    fn show_activity(&self) -> bool {
        let snapshots = self.0.iter().filter(|answer| answer.kind == EvidenceKind::Snapshot);
        let mut events = snapshots.flat_map(|answer| &answer.legs);
        events.any(|event| {
            event.status.peer().is_some()
                || event.status.code.is_some_and(|code| rank(code) <= CONNECTED_RANK)
        })
    }

    /// Whether nothing is known but that the session existed and has ended.
    pub(crate) fn show_only_an_end(&self) -> bool {
        !self.0.is_empty() && self.applicable_log_record().is_none() && !self.show_activity()
    }

    /// When the session began: the call log has the exact time, any other answer an upper bound.
    pub(crate) fn start(&self) -> Option<LookupStart> {
        if let Some(time) = self.applicable_log_record().and_then(|answer| answer.start) {
            return Some(LookupStart { time, is_bound: false });
        }
        let earliest = self.0.iter().filter_map(|answer| answer.start).min();
        earliest.map(|time| LookupStart { time, is_bound: true })
    }

    /// The first answer that gives the start.
    pub(crate) fn start_evidence(&self) -> Option<&Event> {
        let start = self.start()?;
        let has_start = |answer: &&LookupAnswer| answer.start == Some(start.time);
        let answer = self.applicable_answers().find(has_start)?;
        answer.legs.first().or(answer.all_ended.as_ref())
    }

    /// Whether an answer names the destination of a leg: any notification may decide whether it applies.
    pub(crate) fn have_peers(&self) -> bool {
        self.0.iter().flat_map(|answer| &answer.legs).any(|event| event.status.peer().is_some())
    }

    /// The first answer that describes a party.
    pub(crate) fn for_party(&self, legs: &Legs, party: &str) -> Option<&Event> {
        self.0.iter().flat_map(|answer| &answer.legs).find(|event| legs.id(event.leg) == party)
    }

    /// The events that lookup answers add to the notifications.
    pub(crate) fn inferred_events(&self, legs: &Legs, events: &EventLog) -> Vec<InferredEvent<'_>> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut known = Timelines::of(legs, events);
        let has_notifications = !known.sequences.is_empty();
        known.logged_end = self.applicable_log_record().map(|answer| answer.time);
        // For a session that is known otherwise, the log has only the start, the end and whether a conversation took
        // place.
        let is_better_known = has_notifications || self.show_activity();
        let is_logged = known.logged_end.is_some();
        let mut inferred = Vec::new();
        for answer in self.applicable_answers() {
            known.is_one_left = known.timelines.iter().filter(|timeline| timeline.is_open()).count() == 1;
            let describes_legs = match answer.kind {
                EvidenceKind::Snapshot => is_better_known || !is_logged,
                EvidenceKind::CallLog => !is_better_known,
            };
            for event in answer.legs.iter().filter(|_| describes_legs) {
                inferred.extend(known.apply(event.leg, event));
            }
            if is_better_known && let Some(event) = &answer.talked {
                inferred.extend(known.apply_lost_answer(legs, event));
            }
            let Some(event) = &answer.all_ended else { continue };
            for leg in legs.keys() {
                if !known.timelines[leg].0.is_empty() {
                    inferred.extend(known.apply(leg, event));
                }
            }
        }
        inferred
    }

    /// When the session began according to an answer, if that is not later than everything else that is known of it.
    pub(crate) fn start_before(&self, known: Time) -> Option<LookupStart> {
        let is_possible =
            |started: &LookupStart| started.time <= known && started.time >= known + -MAX_SESSION_MS;
        self.start().filter(is_possible)
    }

    /// Whether a snapshot shows a leg connected that is not older than all notifications of the leg.
    pub(crate) fn show_connected(&self, legs: &Legs, events: &EventLog, party: &str) -> bool {
        let Some(event) = self.for_party(legs, party) else { return false };
        let leg = event.leg;
        let last_notified =
            events.iter().filter(|event| event.leg == leg).map(|event| event.status.time).max();
        let seen = self.0.iter().flat_map(|answer| &answer.legs).filter(|event| event.leg == leg);
        let last = seen.max_by_key(|event| event.status.time);
        last.is_some_and(|event| {
            let is_there = event.status.code.is_some_and(|code| rank(code) <= CONNECTED_RANK);
            is_there && Some(event.status.time) >= last_notified
        })
    }
}

/// When a session began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LookupStart {
    pub(crate) time: Time,
    /// The session may have started earlier.
    pub(crate) is_bound: bool,
}

impl LookupAnswer {
    fn rank(&self) -> ((bool, Option<Time>), u64) {
        (self.precedence, self.digest)
    }

    /// Answers with legs come first; the log has the end to the second, a session that no longer exists only shows
    /// that it has ended.
    fn order(&self) -> u8 {
        match (self.kind, &self.all_ended) {
            (EvidenceKind::Snapshot, None) => 0,
            (EvidenceKind::CallLog, _) => 1,
            (EvidenceKind::Snapshot, Some(_)) => 2,
        }
    }
}

fn event(leg: LegKey, kind: EvidenceKind, uuid: Option<&Uuid>, status: PartyStatus) -> Event {
    Event { sequence: UNSEQUENCED, leg, kind: Some(kind), uuid: uuid.cloned(), status }
}

/// Equal for equal content, in every process.
fn digest(notification: &Notification<'_, '_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{:?}", notification.body()).hash(&mut hasher);
    hasher.finish()
}

/// The events of an answer.
struct AnswerEvents {
    /// Of single legs.
    legs: Vec<Event>,
    /// The end of all open legs.
    all_ended: Option<Event>,
    /// That a conversation took place.
    talked: Option<Event>,
}

fn snapshot(
    legs: &mut Legs,
    notification: &Notification<'_, '_>,
    time: Time,
    uuid: Option<&Uuid>,
) -> AnswerEvents {
    let kind = EvidenceKind::Snapshot;
    let mut events = Vec::new();
    for party in notification.body().parties.iter().filter(|party| !party.id().is_empty()) {
        let Some(leg) = legs.find_or_add_within_limit(party.id()) else { continue };
        legs.count_event(leg);
        // Descriptions from notifications take precedence.
        legs.describe(leg, 0, uuid, party);
        events.push(event(leg, kind, uuid, PartyStatus::of(notification, party)));
    }
    let left = || event(LegKey::new(0), kind, uuid, PartyStatus::plain(time, Code::Disconnected, None));
    let all_ended = events.is_empty().then(left);
    AnswerEvents { legs: events, all_ended, talked: None }
}

/// The caller's and the callee's leg. The log does not have the time of the answer; it was before the end.
fn logged(legs: &mut Legs, record: &LogRecord<'_>, end: Time, uuid: Option<&Uuid>) -> AnswerEvents {
    let kind = EvidenceKind::CallLog;
    let start = record.start_time.unwrap_or(end);
    let result = record.result();
    let reason = reason_of(result);
    let callee = match result {
        LogResult::Talked => Code::Answered,
        LogResult::Voicemail => Code::Voicemail,
        LogResult::Fax => Code::FaxReceive,
        _ => Code::Proceeding,
    };
    let mut events = Vec::new();
    let roles = [(Code::Proceeding, None), (callee, reason)];
    for (party, (code, reason)) in LOGGED_PARTIES.into_iter().zip(roles) {
        let Some(leg) = legs.find_or_add_within_limit(party) else { continue };
        legs.count_event(leg);
        let started = PartyStatus::plain(start, code, None);
        let ended = PartyStatus::plain(end, Code::Disconnected, reason);
        events.extend([started, ended].map(|status| event(leg, kind, uuid, status)));
    }
    let all_ended =
        Some(event(LegKey::new(0), kind, uuid, PartyStatus::plain(end, Code::Disconnected, reason)));
    let talked = (result == LogResult::Talked)
        .then(|| event(LegKey::new(0), kind, uuid, PartyStatus::plain(end, Code::Answered, None)));
    AnswerEvents { legs: events, all_ended, talked }
}

/// Describes caller and callee as the applicable record does.
fn describe_logged(legs: &mut Legs, record: &LogRecord<'_>, uuid: Option<&Uuid>) {
    let (from, to) = (side(&record.from), side(&record.to));
    let owner = record.extension.id();
    let is_inbound = record.direction() == Some(Direction::Inbound);
    let owners =
        [from.extension.or(owner.filter(|_| !is_inbound)), to.extension.or(owner.filter(|_| is_inbound))];
    let directions = [Direction::Outbound, Direction::Inbound];
    for ((party, extension), direction) in LOGGED_PARTIES.into_iter().zip(owners).zip(directions) {
        let Some(leg) = legs.find_or_add_within_limit(party) else { continue };
        let direction = Some(direction);
        let description = Description { extension, direction, from, to, ..Description::default() };
        legs.replace_descriptions(leg, uuid, &description);
    }
}

fn side<'a>(side: &'a LogSide<'_>) -> Side<'a> {
    Side { number: side.number(), name: side.name(), extension: side.extension_id(), device: None }
}

fn reason_of(result: LogResult) -> Option<Reason> {
    match result {
        LogResult::Busy => Some(Reason::TargetBusy),
        LogResult::Rejected => Some(Reason::Rejected),
        LogResult::Unanswered => Some(Reason::NoAnswer),
        LogResult::Failed => Some(Reason::InternalError),
        LogResult::Blocked => Some(Reason::DestinationBlocked),
        LogResult::Talked | LogResult::Voicemail | LogResult::Fax | LogResult::Other => None,
    }
}

/// The legs of a session while answers are applied.
struct Timelines {
    timelines: IdxVec<LegKey, Timeline>,
    /// Of all notifications of the session, in order.
    sequences: Vec<u32>,
    /// The time of the session's last notification.
    latest: Option<Time>,
    /// All others had ended before the answer that is applied.
    is_one_left: bool,
    /// The end of the call according to the call log.
    logged_end: Option<Time>,
}

impl Timelines {
    fn of(legs: &Legs, events: &EventLog) -> Self {
        let mut timelines = IdxVec::filled(Timeline::default(), legs.len());
        let (mut sequences, mut latest) = (Vec::new(), None);
        for event in events.iter() {
            sequences.push(event.sequence);
            let effective = latest.max(Some(event.status.time));
            latest = effective;
            if let (Some(time), false) = (effective, event.is_text_reply()) {
                timelines[event.leg].add(time, event.sequence, event);
            }
        }
        Self { timelines, sequences, latest, is_one_left: false, logged_end: None }
    }

    /// Applies an event of an answer, if it is new.
    fn apply<'a>(&mut self, leg: LegKey, event: &'a Event) -> Option<InferredEvent<'a>> {
        let time = self.effective_time(&self.timelines[leg], event)?;
        let timeline = &mut self.timelines[leg];
        let sequence = timeline.before(time).map_or(0, |point| point.sequence);
        timeline.add(time, sequence, event);
        Some(InferredEvent { leg, time, event })
    }

    /// Applies the conversation of the call log to the leg that rang last: it was answered, at an unknown time
    /// between its last known state and the end. `None` if another leg is known to have been answered.
    fn apply_lost_answer<'a>(&mut self, legs: &Legs, event: &'a Event) -> Option<InferredEvent<'a>> {
        let is_callee = |leg: &LegKey| legs.direction(*leg) == Some(Direction::Inbound);
        let callees = || self.timelines.indices().filter(is_callee);
        let has_answered =
            |leg: LegKey| self.timelines[leg].0.iter().any(|point| point.code == Code::Answered);
        if callees().any(has_answered) {
            return None;
        }
        let rings =
            |leg: &LegKey| self.timelines[*leg].0.last().is_some_and(|last| rank(last.code) < CONNECTED_RANK);
        // If several began at once, their ids decide and not the order of arrival.
        let order =
            |leg: &LegKey| (self.timelines[*leg].0.first().map(|point| point.time), legs.id(*leg).to_owned());
        let leg = callees().filter(rings).max_by_key(order)?;
        let (time, sequence) = self.timelines[leg].0.last().map(|last| (last.time, last.sequence))?;
        self.timelines[leg].add(time, sequence, event);
        Some(InferredEvent { leg, time, event })
    }

    /// When an event of an answer takes effect. `None` if it adds nothing.
    fn effective_time(&self, timeline: &Timeline, event: &Event) -> Option<Time> {
        let status = &event.status;
        let code = status.code.filter(|code| *code != Code::Other)?;
        let tolerance_ms = if event.kind == Some(EvidenceKind::CallLog) { MAX_LOG_ROUNDING_MS } else { 0 };
        // That a leg has ended only means that it ended before; if the log has the call's end, it ended by then.
        let is_nothing_later =
            |end: &Time| timeline.0.last().is_none_or(|last| last.time <= *end + MAX_LOG_ROUNDING_MS);
        let reported_at = match (event.kind, code, self.logged_end.filter(is_nothing_later)) {
            (Some(EvidenceKind::Snapshot), Code::Disconnected, Some(end)) => status.time.min(end),
            _ => status.time,
        };
        let before = timeline.before(reported_at + tolerance_ms);
        match before {
            Some(point) if point.is_lost && code == Code::Gone && status.peer().is_some() => {
                return Some(point.time);
            }
            _ if code == Code::Gone && status.peer().is_none() => return None,
            _ => {}
        }
        let advances = match (before.map(|point| rank(point.code)), rank(code)) {
            (None, _) => true,
            (Some(CONNECTED_RANK), CONNECTED_RANK) => before.is_some_and(|point| point.code != code),
            (Some(before), after) => before < after,
        };
        let after = timeline.0.iter().find(|point| point.time > reported_at + tolerance_ms);
        let is_possible = after.is_none_or(|after| {
            let is_followed = match code {
                Code::Disconnected => false,
                Code::Gone => after.code == Code::Disconnected,
                _ => true,
            };
            // Between two notifications an answer only counts if a notification is missing there.
            is_followed && self.has_gap(before.map_or(1, |point| point.sequence), after.sequence)
        });
        if !advances || !is_possible {
            return None;
        }
        let time = before.map_or(reported_at, |point| point.time.max(reported_at));
        match (event.kind, self.latest) {
            // A leg that was the only one open ended with the last notification, not when the lookup was made.
            (Some(EvidenceKind::Snapshot), Some(latest))
                if code == Code::Disconnected && self.is_one_left =>
            {
                Some(before.map_or(latest, |point| point.time.max(latest)))
            }
            _ => Some(time),
        }
    }

    /// Whether a notification between two others is missing.
    fn has_gap(&self, before: u32, after: u32) -> bool {
        let up_to = |sequence: u32| self.sequences.partition_point(|known| *known < sequence);
        let between = up_to(after).saturating_sub(up_to(before.saturating_add(1)));
        (between as u64) < u64::from(after.saturating_sub(before.saturating_add(1)))
    }
}

impl Timeline {
    fn add(&mut self, time: Time, sequence: u32, event: &Event) {
        let Some(code) = event.status.code.filter(|code| *code != Code::Other) else { return };
        let is_lost = code == Code::Gone && event.status.peer().is_none();
        let place = self.0.partition_point(|point| point.time <= time);
        self.0.insert(place, StatePoint { time, sequence, code, is_lost });
    }

    fn before(&self, time: Time) -> Option<&StatePoint> {
        self.0.iter().rfind(|point| point.time <= time)
    }

    /// Whether it has started and not ended.
    fn is_open(&self) -> bool {
        self.0.last().is_some_and(|last| rank(last.code) <= CONNECTED_RANK)
    }
}

/// The rank of every connected state.
const CONNECTED_RANK: u8 = 2;

/// How far a leg has advanced: not answered, connected in any way, left by a link, ended.
fn rank(code: Code) -> u8 {
    match code {
        Code::Setup => 0,
        Code::Proceeding => 1,
        Code::Gone => 3,
        Code::Disconnected => 4,
        _ => CONNECTED_RANK,
    }
}
