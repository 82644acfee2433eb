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
    event::{AFTER_ALL, Event, Statement},
    legs::{LegKey, Legs},
    limits,
    session::Session,
    uuid::Uuid,
};

/// Lookup answers, in order of precedence.
#[derive(Debug, Default)]
pub(crate) struct Reports(Vec<Report>);

/// A lookup answer.
#[derive(Debug)]
struct Report {
    kind: EvidenceKind,
    /// When it was given; for a call log record, when the call ended.
    time: Time,
    uuid: Option<Uuid>,
    /// Distinguishes answers with the same id.
    digest: u64,
    /// When the session had begun at the latest.
    begun: Option<Time>,
    /// Precedence among records of the call log: whether it says that it is final, and when it was read.
    standing: (bool, Option<Time>),
    /// The events of single legs.
    legs: Vec<Event>,
    /// All legs that were open have ended.
    all_left: Option<Event>,
    /// The call log says that a conversation took place.
    talked: Option<Event>,
}

/// An event that a lookup answer adds to the notifications of a leg.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reported<'a> {
    pub(crate) leg: LegKey,
    pub(crate) time: Time,
    pub(crate) event: &'a Event,
}

/// The states of a leg, in order, while answers are applied.
#[derive(Debug, Clone, Default)]
struct Line(Vec<Point>);

#[derive(Debug, Clone, Copy)]
struct Point {
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
const LONGEST_SESSION_MS: i64 = 24 * 3_600_000;

/// Maximum rounding error of the call log. If a record ends earlier than the last notification by more, it was not
/// final.
const LOG_ROUNDS_MS: i64 = 2_000;

impl Reports {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Applies an answer; returns whether it is new.
    pub(crate) fn hear(&mut self, legs: &mut Legs, notification: &Notification<'_, '_>) -> bool {
        let uuid = notification.uuid().map(Uuid::new);
        let time = Time::from_millis(notification.event_time().as_millis());
        let digest = digest(notification);
        let moment = |moment: wholecall_notification::Moment| Time::from_millis(moment.as_millis());
        let read_at = notification.timestamp().map(moment);
        let believed = self.believed_log().map(Report::rank);
        let is_same = |known: &&mut Report| (known.time, &known.uuid, known.digest) == (time, &uuid, digest);
        if let Some(known) = self.0.iter_mut().find(is_same) {
            if known.kind == EvidenceKind::Snapshot || known.standing.1 >= read_at {
                return false;
            }
            // The log returned this record again, so it is the latest.
            known.standing.1 = read_at;
            let is_believed = Some(known.rank()) > believed;
            if is_believed {
                describe_logged(legs, &notification.log_record(), uuid.as_ref());
            }
            return is_believed;
        }
        let (kind, legs_said) = match notification.source() {
            Source::Change { .. } => return false,
            Source::Snapshot => (EvidenceKind::Snapshot, snapshot(legs, notification, time, uuid.as_ref())),
            Source::CallLog => {
                (EvidenceKind::CallLog, logged(legs, &notification.log_record(), time, uuid.as_ref()))
            }
        };
        let Said { legs: events, all_left, talked } = legs_said;
        let is_final = kind == EvidenceKind::CallLog && notification.log_record().finished == Some(true);
        let begun = notification.begun().map(moment);
        let standing = (is_final, read_at);
        let report = Report { kind, time, uuid, digest, begun, standing, legs: events, all_left, talked };
        if kind == EvidenceKind::CallLog && Some(report.rank()) > believed {
            describe_logged(legs, &notification.log_record(), report.uuid.as_ref());
        }
        let order = |report: &Report| (report.order(), report.time, report.uuid.clone(), report.digest);
        let place = self.0.partition_point(|known| order(known) < order(&report));
        self.0.insert(place, report);
        if self.0.len() > limits::REPORTS_PER_SESSION {
            self.0.remove(0);
        }
        true
    }

    /// The record of the call log that takes precedence.
    fn believed_log(&self) -> Option<&Report> {
        self.0.iter().filter(|report| report.kind == EvidenceKind::CallLog).max_by_key(|report| report.rank())
    }

    /// The answers that apply, in order.
    fn counting(&self) -> impl Iterator<Item = &Report> {
        let believed = self.believed_log().map(Report::rank);
        self.0
            .iter()
            .filter(move |report| report.kind == EvidenceKind::Snapshot || Some(report.rank()) == believed)
    }

    /// Whether a snapshot shows more than that all legs have ended: an open leg, or the destination of a link.
    fn show_a_call(&self) -> bool {
        let snapshots = self.0.iter().filter(|report| report.kind == EvidenceKind::Snapshot);
        let mut events = snapshots.flat_map(|report| &report.legs);
        events.any(|event| {
            event.said.peer().is_some() || event.said.code.is_some_and(|code| rank(code) <= ON_THE_LINE)
        })
    }

    /// Whether nothing is known but that the session existed and has ended.
    fn show_only_an_end(&self) -> bool {
        !self.0.is_empty() && self.believed_log().is_none() && !self.show_a_call()
    }

    /// When the session began: the call log has the exact time, any other answer an upper bound.
    pub(crate) fn begun(&self) -> Option<Begun> {
        if let Some(time) = self.believed_log().and_then(|report| report.begun) {
            return Some(Begun { time, is_bound: false });
        }
        let earliest = self.0.iter().filter_map(|report| report.begun).min();
        earliest.map(|time| Begun { time, is_bound: true })
    }

    /// The first answer that gives the start.
    pub(crate) fn of_start(&self) -> Option<&Event> {
        let begun = self.begun()?;
        let says = |report: &&Report| report.begun == Some(begun.time);
        let report = self.counting().find(says)?;
        report.legs.first().or(report.all_left.as_ref())
    }

    /// Whether an answer names the destination of a leg: any notification may decide whether it applies.
    pub(crate) fn name_peers(&self) -> bool {
        self.0.iter().flat_map(|report| &report.legs).any(|event| event.said.peer().is_some())
    }

    /// The first answer that describes a party.
    pub(crate) fn of_party(&self, legs: &Legs, party: &str) -> Option<&Event> {
        self.0.iter().flat_map(|report| &report.legs).find(|event| legs.id(event.leg) == party)
    }
}

/// When a session began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) time: Time,
    /// The session may have begun earlier.
    pub(crate) is_bound: bool,
}

impl Report {
    fn rank(&self) -> ((bool, Option<Time>), u64) {
        (self.standing, self.digest)
    }

    /// Answers with legs come first; the log has the end to the second, a session that no longer exists only shows
    /// that it has ended.
    fn order(&self) -> u8 {
        match (self.kind, &self.all_left) {
            (EvidenceKind::Snapshot, None) => 0,
            (EvidenceKind::CallLog, _) => 1,
            (EvidenceKind::Snapshot, Some(_)) => 2,
        }
    }
}

fn event(leg: LegKey, kind: EvidenceKind, uuid: Option<&Uuid>, said: Statement) -> Event {
    Event { sequence: AFTER_ALL, leg, kind: Some(kind), uuid: uuid.cloned(), said }
}

/// Equal for equal content, in every process.
fn digest(notification: &Notification<'_, '_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{:?}", notification.body()).hash(&mut hasher);
    hasher.finish()
}

/// The events of an answer.
struct Said {
    /// Of single legs.
    legs: Vec<Event>,
    /// The end of all open legs.
    all_left: Option<Event>,
    /// That a conversation took place.
    talked: Option<Event>,
}

fn snapshot(legs: &mut Legs, notification: &Notification<'_, '_>, time: Time, uuid: Option<&Uuid>) -> Said {
    let kind = EvidenceKind::Snapshot;
    let mut events = Vec::new();
    for party in notification.body().parties.iter().filter(|party| !party.id().is_empty()) {
        let Some(leg) = legs.find_or_add_if_few(party.id()) else { continue };
        legs.count_event(leg);
        // Descriptions from notifications take precedence.
        legs.describe(leg, 0, uuid, party);
        events.push(event(leg, kind, uuid, Statement::of(notification, party)));
    }
    let left = || event(0, kind, uuid, Statement::plain(time, Code::Disconnected, None));
    let all_left = events.is_empty().then(left);
    Said { legs: events, all_left, talked: None }
}

/// The caller's and the callee's leg. The log does not have the time of the answer; it was before the end.
fn logged(legs: &mut Legs, record: &LogRecord<'_>, end: Time, uuid: Option<&Uuid>) -> Said {
    let kind = EvidenceKind::CallLog;
    let start = record.start_time.map_or(end, |start| Time::from_millis(start.as_millis()));
    let result = record.result();
    let reason = reason_of(result);
    let callee = match result {
        LogResult::Talked => Code::Answered,
        LogResult::Voicemail => Code::Voicemail,
        LogResult::Fax => Code::FaxReceive,
        _ => Code::Proceeding,
    };
    let mut events = Vec::new();
    let lines = [(Code::Proceeding, None), (callee, reason)];
    for (party, (code, reason)) in LOGGED_PARTIES.into_iter().zip(lines) {
        let Some(leg) = legs.find_or_add_if_few(party) else { continue };
        legs.count_event(leg);
        let begun = Statement::plain(start, code, None);
        let ended = Statement::plain(end, Code::Disconnected, reason);
        events.extend([begun, ended].map(|said| event(leg, kind, uuid, said)));
    }
    let all_left = Some(event(0, kind, uuid, Statement::plain(end, Code::Disconnected, reason)));
    let talked = (result == LogResult::Talked)
        .then(|| event(0, kind, uuid, Statement::plain(end, Code::Answered, None)));
    Said { legs: events, all_left, talked }
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
        let Some(leg) = legs.find_or_add_if_few(party) else { continue };
        let direction = Some(direction);
        let description = Description { extension, direction, from, to, ..Description::default() };
        legs.describe_anew(leg, uuid, &description);
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

impl Session {
    /// The events that lookup answers add to the notifications.
    pub(crate) fn reported(&self) -> Vec<Reported<'_>> {
        let reports = self.reports();
        if reports.is_empty() {
            return Vec::new();
        }
        let mut known = Lines::of(self);
        let is_told = !known.sequences.is_empty();
        known.logged_end = reports.believed_log().map(|report| report.time);
        // For a session that is known otherwise, the log has only the start, the end and whether a conversation took
        // place.
        let is_better_known = is_told || reports.show_a_call();
        let is_logged = known.logged_end.is_some();
        let mut reported = Vec::new();
        for report in reports.counting() {
            known.is_one_left = known.lines.iter().filter(|line| line.is_open()).count() == 1;
            let tells_legs = match report.kind {
                EvidenceKind::Snapshot => is_better_known || !is_logged,
                EvidenceKind::CallLog => !is_better_known,
            };
            for event in report.legs.iter().filter(|_| tells_legs) {
                reported.extend(known.take(event.leg, event));
            }
            if is_better_known && let Some(event) = &report.talked {
                reported.extend(known.take_lost_answer(&self.legs, event));
            }
            let Some(event) = &report.all_left else { continue };
            for leg in 0..self.legs.len() {
                if !known.lines[leg].0.is_empty() {
                    reported.extend(known.take(leg as LegKey, event));
                }
            }
        }
        reported
    }

    /// Whether nothing is known of it but that it existed and has ended.
    pub(crate) fn is_only_known_to_be_over(&self) -> bool {
        self.events().next().is_none() && self.reports().show_only_an_end()
    }

    /// When it began according to an answer, if that is not later than everything else that is known of it.
    pub(crate) fn begun_before(&self, known: Time) -> Option<Begun> {
        let is_possible = |begun: &Begun| begun.time <= known && begun.time >= known + -LONGEST_SESSION_MS;
        self.reports().begun().filter(is_possible)
    }

    /// Whether a snapshot shows a leg connected that is not older than all notifications of the leg.
    pub(crate) fn is_seen_alive(&self, party: &str) -> bool {
        let Some(event) = self.reports().of_party(&self.legs, party) else { return false };
        let leg = event.leg;
        let told = self.events().filter(|event| event.leg == leg).map(|event| event.said.time).max();
        let seen = self.reports().0.iter().flat_map(|report| &report.legs).filter(|event| event.leg == leg);
        let last = seen.max_by_key(|event| event.said.time);
        last.is_some_and(|event| {
            let is_there = event.said.code.is_some_and(|code| rank(code) <= ON_THE_LINE);
            is_there && Some(event.said.time) >= told
        })
    }
}

/// The legs of a session while answers are applied.
struct Lines {
    lines: Vec<Line>,
    /// Of all notifications of the session, in order.
    sequences: Vec<u32>,
    /// The time of the session's last notification.
    latest: Option<Time>,
    /// All others had ended before the answer that is applied.
    is_one_left: bool,
    /// The end of the call according to the call log.
    logged_end: Option<Time>,
}

impl Lines {
    fn of(session: &Session) -> Self {
        let mut lines = vec![Line::default(); session.legs.len()];
        let (mut sequences, mut latest) = (Vec::new(), None);
        for event in session.events() {
            sequences.push(event.sequence);
            let effective = latest.max(Some(event.said.time));
            latest = effective;
            if let (Some(time), false) = (effective, event.is_text_reply()) {
                lines[event.leg as usize].add(time, event.sequence, event);
            }
        }
        Self { lines, sequences, latest, is_one_left: false, logged_end: None }
    }

    /// Applies an event of an answer, if it is new.
    fn take<'a>(&mut self, leg: LegKey, event: &'a Event) -> Option<Reported<'a>> {
        let time = self.place(&self.lines[leg as usize], event)?;
        let line = &mut self.lines[leg as usize];
        let sequence = line.before(time).map_or(0, |point| point.sequence);
        line.add(time, sequence, event);
        Some(Reported { leg, time, event })
    }

    /// Applies the conversation of the call log to the leg that rang last: it was answered, at an unknown time
    /// between its last known state and the end. `None` if another leg is known to have been answered.
    fn take_lost_answer<'a>(&mut self, legs: &Legs, event: &'a Event) -> Option<Reported<'a>> {
        let is_callee = |leg: &usize| legs.direction(*leg as LegKey) == Some(Direction::Inbound);
        let callees = || (0..self.lines.len()).filter(is_callee);
        let has_answered = |leg: usize| self.lines[leg].0.iter().any(|point| point.code == Code::Answered);
        if callees().any(has_answered) {
            return None;
        }
        let rings = |leg: &usize| self.lines[*leg].0.last().is_some_and(|last| rank(last.code) < ON_THE_LINE);
        // If several began at once, their ids decide and not the order of arrival.
        let order = |leg: &usize| {
            (self.lines[*leg].0.first().map(|point| point.time), legs.id(*leg as LegKey).to_owned())
        };
        let leg = callees().filter(rings).max_by_key(order)?;
        let (time, sequence) = self.lines[leg].0.last().map(|last| (last.time, last.sequence))?;
        self.lines[leg].add(time, sequence, event);
        Some(Reported { leg: leg as LegKey, time, event })
    }

    /// When an event of an answer takes effect. `None` if it adds nothing.
    fn place(&self, line: &Line, event: &Event) -> Option<Time> {
        let said = &event.said;
        let code = said.code.filter(|code| *code != Code::Other)?;
        let tolerance_ms = if event.kind == Some(EvidenceKind::CallLog) { LOG_ROUNDS_MS } else { 0 };
        // That a leg has ended only means that it ended before; if the log has the call's end, it ended by then.
        let is_nothing_later =
            |end: &Time| line.0.last().is_none_or(|last| last.time <= *end + LOG_ROUNDS_MS);
        let said_at = match (event.kind, code, self.logged_end.filter(is_nothing_later)) {
            (Some(EvidenceKind::Snapshot), Code::Disconnected, Some(end)) => said.time.min(end),
            _ => said.time,
        };
        let before = line.before(said_at + tolerance_ms);
        match before {
            Some(point) if point.is_lost && code == Code::Gone && said.peer().is_some() => {
                return Some(point.time);
            }
            _ if code == Code::Gone && said.peer().is_none() => return None,
            _ => {}
        }
        let leads_on = match (before.map(|point| rank(point.code)), rank(code)) {
            (None, _) => true,
            (Some(ON_THE_LINE), ON_THE_LINE) => before.is_some_and(|point| point.code != code),
            (Some(before), after) => before < after,
        };
        let after = line.0.iter().find(|point| point.time > said_at + tolerance_ms);
        let is_possible = after.is_none_or(|after| {
            let is_followed = match code {
                Code::Disconnected => false,
                Code::Gone => after.code == Code::Disconnected,
                _ => true,
            };
            // Between two notifications an answer only counts if a notification is missing there.
            is_followed && self.has_gap(before.map_or(1, |point| point.sequence), after.sequence)
        });
        if !leads_on || !is_possible {
            return None;
        }
        let time = before.map_or(said_at, |point| point.time.max(said_at));
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

impl Line {
    fn add(&mut self, time: Time, sequence: u32, event: &Event) {
        let Some(code) = event.said.code.filter(|code| *code != Code::Other) else { return };
        let is_lost = code == Code::Gone && event.said.peer().is_none();
        let place = self.0.partition_point(|point| point.time <= time);
        self.0.insert(place, Point { time, sequence, code, is_lost });
    }

    fn before(&self, time: Time) -> Option<&Point> {
        self.0.iter().rfind(|point| point.time <= time)
    }

    /// Whether it has begun and not ended.
    fn is_open(&self) -> bool {
        self.0.last().is_some_and(|last| rank(last.code) <= ON_THE_LINE)
    }
}

/// The rank of every connected state.
const ON_THE_LINE: u8 = 2;

/// How far a leg has advanced: not answered, connected in any way, left by a link, ended.
fn rank(code: Code) -> u8 {
    match code {
        Code::Setup => 0,
        Code::Proceeding => 1,
        Code::Gone => 3,
        Code::Disconnected => 4,
        _ => ON_THE_LINE,
    }
}
