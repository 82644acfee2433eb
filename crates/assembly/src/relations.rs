//! Finds calls that look connected although no id proves it: a consultation dialled while another call was on hold,
//! the twin of a RingOut, two calls in which one person is connected at once, the two sessions of a call to a number
//! of the account itself over the public network. Also lists the supervisor's sessions that listened to a call.
//! Related calls stay separate; each names the other in its record.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    ops::RangeInclusive,
    sync::LazyLock,
};

use compact_str::CompactString;
use smallvec::SmallVec;
use wholecall_notification::{Code, Direction, Reason, Role};
use wholecall_record::{
    SessionId, Time,
    call::{Related, RelatedKind},
};

use crate::{
    book::{Book, CallKey, Held, SessionKey},
    description::Description,
    legs::LegKey,
    limits,
    phone_number::normalized_phone_number,
    session::Session,
};

/// Index of what the extensions of an account did: when, and in which session.
#[derive(Debug, Default)]
pub(crate) struct Relations(hashbrown::HashMap<u64, Sessions>);

/// Sessions in order of time. Most numbers call each other once.
type Sessions = SmallVec<[(Time, SessionKey); 1]>;

impl Relations {
    /// Calls arrive roughly in order of their times, so most entries are appended.
    fn add(&mut self, trace: &Trace, key: SessionKey) {
        let list = self.0.entry(trace.who.doing(trace.did)).or_default();
        let entry = (trace.time, key);
        match list.last().is_none_or(|last| *last < entry) {
            true => list.push(entry),
            false => {
                if let Err(place) = list.binary_search(&entry) {
                    list.insert(place, entry);
                }
            }
        }
    }

    fn remove(&mut self, trace: &Trace, key: SessionKey) {
        let list_key = trace.who.doing(trace.did);
        let Some(list) = self.0.get_mut(&list_key) else { return };
        if let Ok(place) = list.binary_search(&(trace.time, key)) {
            list.remove(place);
        }
        if list.is_empty() {
            self.0.remove(&list_key);
        }
    }

    /// The sessions in which an extension did something within a range of time, in that order.
    fn did(
        &self,
        who: Who,
        did: Did,
        within: RangeInclusive<Time>,
    ) -> impl DoubleEndedIterator<Item = (Time, SessionKey)> {
        let list = self.0.get(&who.doing(did)).map_or(&[][..], |list| list.as_slice());
        let start = list.partition_point(|(time, _)| time < within.start());
        let end = list.partition_point(|(time, _)| time <= within.end());
        list.get(start..end).unwrap_or_default().iter().copied()
    }

    /// Sessions in which an extension did something at about a time.
    fn did_at_about(&self, who: Who, did: Did, time: Time) -> impl Iterator<Item = SessionKey> {
        let within = time + -TWIN_WITHIN_MS..=time + TWIN_WITHIN_MS;
        self.did(who, did, within).take(LOOKED_AT).map(|(_, key)| key)
    }
}

/// What an extension did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Did {
    /// Began a session.
    Dial,
    /// Put the others of a session on hold.
    Hold,
    /// Requested a RingOut.
    RingOut,
    /// Was connected.
    Connect,
    /// Dialled a public number, or was dialled by one: the two numbers stand for the extension.
    Public,
}

/// A session's entries in its account's [`ActivityIndex`], and its relations to other sessions.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    list: Box<[Trace]>,
    /// Sessions that this one is related to.
    to: Vec<(SessionKey, Why)>,
    /// Sessions that are related to this one, in order of their ids.
    from: Vec<SessionKey>,
}

impl Traces {
    /// Whether an extension put others on hold: any later change may end the hold.
    pub(crate) fn hold(&self) -> bool {
        self.list.iter().any(|trace| trace.did == Did::Hold)
    }

    /// Whether this session is related to any other.
    pub(crate) fn are_related(&self) -> bool {
        !self.to.is_empty() || !self.from.is_empty()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Trace {
    who: Who,
    did: Did,
    time: Time,
    /// The leg that did it.
    leg: LegKey,
}

/// Hash of an extension id or of two public numbers: comparing hashes is cheaper than comparing text. Index entries
/// are always compared by text too, so collisions do no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Who(u64);

impl Who {
    fn of(name: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self(hasher.finish())
    }

    /// The key of the list of sessions in which it did something.
    fn doing(self, did: Did) -> u64 {
        self.0.rotate_left(8) ^ did as u64
    }
}

impl Held {
    fn traces(&self) -> &Traces {
        static NONE: LazyLock<Traces> = LazyLock::new(Traces::default);
        self.traces.as_deref().unwrap_or(&NONE)
    }
}

/// How a session is related to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It was dialled while the other was on hold.
    Consultation,
    /// It is the RingOut whose other side is the other session.
    Twin,
    /// A person was connected in both at once.
    Concurrent,
    /// It went out over the public network and came back as the other.
    Hairpin,
}

/// Maximum number of entries that are compared for one activity: a person has a few calls at a time, not dozens.
const LOOKED_AT: usize = 8;

/// Maximum time between the starts of the two sessions of a RingOut, or of a call that came back.
const TWIN_WITHIN_MS: i64 = 60_000;

/// Minimum time of two simultaneous connections of a person: then the telephone probably mixes them.
const CONCURRENT_MS: i64 = 1_000;

/// The earliest and the latest time.
const EVER: Time = Time::from_millis(i64::MIN);
const NEVER: Time = Time::from_millis(i64::MAX);

/// Maximum difference between the legacy ids of a RingOut's two sessions.
const TWIN_IDS_WITHIN: u64 = 4_000;

impl<S: Default> Book<S> {
    /// Updates the relations of all sessions that may have changed; returns the calls that are, or were, related to
    /// any of them.
    pub(crate) fn refresh_relations(&mut self) -> Vec<CallKey> {
        let dirty = self.take_dirty();
        // If the index is empty, as after reading a file, only the sessions added now can be related.
        let again = match self.accounts.iter().all(|account| account.relations.0.is_empty()) {
            true => self.index_all(&dirty),
            false => self.index_again(&dirty),
        };
        let mut touched = Vec::new();
        for key in dirty.into_iter().chain(again.iter().copied()) {
            let traces = self.sessions[key].traces();
            let others = traces.to.iter().map(|(other, _)| other).chain(&traces.from);
            touched.extend(others.map(|&other| self.sessions[other].call));
        }
        for key in again {
            let to = self.relatives(key);
            if to != self.sessions[key].traces().to {
                self.relate(key, to, &mut touched);
            }
        }
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// Adds sessions to an empty index; returns the sessions that have entries.
    fn index_all(&mut self, keys: &[SessionKey]) -> Vec<SessionKey> {
        let mut traced = Vec::with_capacity(keys.len());
        for &key in keys {
            self.index(key, traces_of(&self.sessions[key].session));
            traced.extend(self.sessions[key].traces.is_some().then_some(key));
        }
        traced.sort_unstable();
        traced
    }

    /// Replaces the index entries of sessions; returns the sessions whose relations may have changed.
    fn index_again(&mut self, keys: &[SessionKey]) -> Vec<SessionKey> {
        let mut again = Vec::new();
        for &key in keys {
            let traces = traces_of(&self.sessions[key].session);
            again.extend(self.concerned(key));
            if traces != self.sessions[key].traces().list {
                self.index(key, traces);
                again.extend(self.concerned(key));
            }
        }
        again.sort_unstable();
        again.dedup();
        again
    }

    /// Replaces a session's entries in the account's index.
    fn index(&mut self, key: SessionKey, traces: Box<[Trace]>) {
        let held = &mut self.sessions[key];
        if traces.is_empty() && held.traces.is_none() {
            return;
        }
        let relations = &mut self.accounts[held.account].relations;
        let own = held.traces.get_or_insert_default();
        own.list.iter().for_each(|old| relations.remove(old, key));
        traces.iter().for_each(|new| relations.add(new, key));
        own.list = traces;
    }

    pub(crate) fn forget_traces(&mut self, key: SessionKey) {
        if self.sessions[key].traces.is_none() {
            return;
        }
        self.index(key, Box::default());
        self.relate(key, Vec::new(), &mut Vec::new());
        let Some(traces) = self.sessions[key].traces.take() else { return };
        for other in traces.from {
            if let Some(theirs) = &mut self.sessions[other].traces {
                theirs.to.retain(|(to, _)| *to != key);
            }
        }
    }

    fn relate(&mut self, key: SessionKey, to: Vec<(SessionKey, Why)>, touched: &mut Vec<CallKey>) {
        touched.push(self.sessions[key].call);
        let own = self.sessions[key].traces.get_or_insert_default();
        for (other, _) in std::mem::replace(&mut own.to, to.clone()) {
            if let Some(theirs) = &mut self.sessions[other].traces {
                theirs.from.retain(|from| *from != key);
            }
            touched.push(self.sessions[other].call);
        }
        for (other, _) in to {
            // Sorted by id: which of too many are named must not depend on the order of arrival.
            let id = |session: SessionKey| &self.sessions[session].session.id;
            let place = self.sessions[other].traces().from.partition_point(|&from| id(from) < id(key));
            self.sessions[other].traces.get_or_insert_default().from.insert(place, key);
            touched.push(self.sessions[other].call);
        }
    }

    /// The index of a session's account.
    fn relations(&self, key: SessionKey) -> &Relations {
        &self.accounts[self.sessions[key].account].relations
    }

    /// The sessions whose relations may change with this one.
    fn concerned(&self, key: SessionKey) -> Vec<SessionKey> {
        let (held, relations) = (&self.sessions[key], self.relations(key));
        let mut concerned = vec![key];
        concerned.extend(&held.traces().from);
        for trace in held.traces().list.iter().filter(|trace| trace.did == Did::Dial) {
            concerned.extend(relations.did_at_about(trace.who, Did::RingOut, trace.time));
        }
        for trace in &held.traces().list {
            match trace.did {
                Did::Connect => {
                    let later = relations.did(trace.who, Did::Connect, trace.time..=NEVER);
                    concerned.extend(later.take(LOOKED_AT).map(|(_, other)| other));
                }
                Did::Public => {
                    concerned.extend(relations.did_at_about(trace.who, Did::Public, trace.time));
                }
                Did::Dial | Did::Hold | Did::RingOut => {}
            }
        }
        if held.traces().hold() {
            for (extension, begun, until) in holds_of(&held.session) {
                let later = relations.did(Who::of(extension), Did::Dial, begun..=NEVER).take(LOOKED_AT);
                let during = later.take_while(|(time, _)| until.is_none_or(|until| *time < until));
                concerned.extend(during.map(|(_, dialled)| dialled));
            }
        }
        concerned
    }

    /// The sessions that a session is related to.
    fn relatives(&self, key: SessionKey) -> Vec<(SessionKey, Why)> {
        let mut found = Vec::new();
        for trace in &self.sessions[key].traces().list {
            match trace.did {
                Did::Dial => found.extend(self.on_hold_at(key, trace).map(|held| (held, Why::Consultation))),
                Did::RingOut => {
                    let dialled = self.relations(key).did_at_about(trace.who, Did::Dial, trace.time);
                    let twins = dialled.filter(|&other| self.are_twins(key, other));
                    found.extend(twins.map(|twin| (twin, Why::Twin)));
                }
                Did::Connect => {
                    let before = EVER..=trace.time;
                    let relations = self.relations(key);
                    let connected = relations.did(trace.who, Did::Connect, before).rev().take(LOOKED_AT);
                    let at_once = |other: &SessionKey| self.are_concurrent(key, *other, trace.leg);
                    let others = connected.map(|(_, other)| other).filter(|other| *other != key);
                    found.extend(others.filter(at_once).map(|other| (other, Why::Concurrent)));
                }
                Did::Public => {
                    let same = self.relations(key).did_at_about(trace.who, Did::Public, trace.time);
                    let back = same.filter(|&other| other != key && self.came_back_as(key, other));
                    found.extend(back.map(|other| (other, Why::Hairpin)));
                }
                Did::Hold => {}
            }
        }
        found.dedup();
        found
    }

    /// Whether an extension is connected in two calls at once, with no one on hold in either.
    fn are_concurrent(&self, a: SessionKey, b: SessionKey, leg: LegKey) -> bool {
        // Most of a person's calls are over when the next one begins.
        let [first, second] = [a, b].map(|key| &self.sessions[key].session);
        let is_over_before =
            |one: &Session, other: &Session| other.start().is_some_and(|start| one.is_over_by(start));
        if is_over_before(second, first) || is_over_before(first, second) {
            return false;
        }
        // The two sessions of a RingOut are one call.
        if self.are_twins(a, b) || self.are_twins(b, a) {
            return false;
        }
        let Some(extension) = first.legs.extension(leg) else { return false };
        let [a, b] = [a, b].map(|key| talks_of(&self.sessions[key].session, extension));
        let overlap = |(start, end): (Time, Option<Time>), (begun, until): (Time, Option<Time>)| {
            let end = end.into_iter().chain(until).min().unwrap_or(NEVER);
            start.max(begun) < end && end - start.max(begun) >= CONCURRENT_MS
        };
        a.iter().any(|&talk| b.iter().any(|&other| overlap(talk, other)))
    }

    /// Whether a session in which an extension dialled a public number came back into the account as another: between
    /// the same two numbers, at the same time.
    fn came_back_as(&self, dialled: SessionKey, other: SessionKey) -> bool {
        let [out, back] = [dialled, other].map(|key| &self.sessions[key].session);
        let [Some((caller, numbers)), Some((stranger, same))] = [out, back].map(public_numbers) else {
            return false;
        };
        let [caller, stranger] = [out.legs.extension(caller), back.legs.extension(stranger)];
        let overlap = || {
            let lasts = |a: &Session, b: &Session| last_event(a).is_none_or(|end| Some(end) >= b.start());
            lasts(out, back) && lasts(back, out)
        };
        caller.is_some() && stranger.is_none() && numbers == same && overlap()
    }

    /// The session that the dialling extension had on hold: of several, the one held last.
    fn on_hold_at(&self, key: SessionKey, dial: &Trace) -> Option<SessionKey> {
        let extension = self.sessions[key].session.legs.extension(dial.leg)?;
        let before = self.relations(key).did(dial.who, Did::Hold, EVER..=dial.time).rev().take(LOOKED_AT);
        let mut found: Option<(Time, &SessionId, SessionKey)> = None;
        for (time, other) in before {
            if found.as_ref().is_some_and(|(known, ..)| *known > time) {
                break;
            }
            // Keys are in order of arrival: among holds of one time the id decides.
            let session = &self.sessions[other].session;
            if other != key && !session.is_over_by(dial.time) && holds_at(session, extension, dial.time) {
                found = found.max(Some((time, &session.id, other)));
            }
        }
        found.map(|(.., other)| other)
    }

    /// Whether a RingOut and another session have one origin: the same numbers the other way round, and legacy ids
    /// that are nearly equal.
    fn are_twins(&self, ring_out: SessionKey, other: SessionKey) -> bool {
        let number = |session: &Session| {
            session.legacy_id().and_then(|id| id.parse::<u64>().ok()).filter(|id| *id > 0)
        };
        let [a, b] = [ring_out, other].map(|key| &self.sessions[key].session);
        let near = match (number(a), number(b)) {
            (Some(a), Some(b)) => a != b && a.abs_diff(b) <= TWIN_IDS_WITHIN,
            _ => false,
        };
        near && mirrored(a, b)
    }

    /// All sessions that a session is related to, in either direction.
    pub(crate) fn relatives_of(&self, key: SessionKey) -> impl Iterator<Item = SessionKey> {
        let traces = self.sessions[key].traces();
        traces.to.iter().map(|(other, _)| *other).chain(traces.from.iter().copied())
    }

    /// The related calls of a call, and the supervisor's sessions of other calls that listened to it.
    pub(crate) fn related(&self, call: CallKey, listeners: &[SessionKey]) -> Vec<Related> {
        let mut related: Vec<Related> = Vec::new();
        for &key in &self.calls[call].sessions {
            let traces = self.sessions[key].traces();
            let to = traces.to.iter().map(|&(other, why)| (other, why, true));
            let from = traces.from.iter().filter_map(|&other| {
                let (_, why) = self.sessions[other].traces().to.iter().find(|(to, _)| *to == key)?;
                Some((other, *why, false))
            });
            for (other, why, dialled) in to.chain(from).take(limits::RELATED_PER_CALL) {
                let other_call = self.sessions[other].call;
                if other_call == call {
                    continue;
                }
                let Some(root) = self.root(other_call) else { continue };
                let id = self.sessions[root].session.id.clone();
                related.push(Related {
                    id,
                    kind: why.kind(),
                    why: CompactString::const_new(why.sentence(dialled)),
                });
            }
        }
        related.extend(listeners.iter().map(|&key| Related {
            id: self.sessions[key].session.id.clone(),
            kind: RelatedKind::Supervision,
            why: CompactString::const_new("a supervisor listened to this call from that session"),
        }));
        related.sort_by(|a, b| (a.kind, &a.id, &a.why).cmp(&(b.kind, &b.id, &b.why)));
        related.dedup_by(|a, b| a.kind == b.kind && a.id == b.id);
        related.truncate(limits::RELATED_PER_CALL);
        related
    }
}

impl Why {
    fn kind(self) -> RelatedKind {
        match self {
            Self::Consultation => RelatedKind::Consultation,
            Self::Twin => RelatedKind::RingOutTwin,
            Self::Concurrent => RelatedKind::Concurrent,
            Self::Hairpin => RelatedKind::Hairpin,
        }
    }

    fn sentence(self, dialled: bool) -> &'static str {
        match (self, dialled) {
            (Self::Consultation, true) => "its caller dialled this call while holding that one",
            (Self::Consultation, false) => "its caller dialled that call while holding this one",
            (Self::Twin, _) => "the same numbers the other way round, begun by one RingOut",
            (Self::Concurrent, _) => {
                "one person was connected in both at once, with nobody on hold: probably mixed in the telephone"
            }
            (Self::Hairpin, true) => {
                "this call to a number of the account went out and came back as that one"
            }
            (Self::Hairpin, false) => {
                "that call to a number of the account went out and came back as this one"
            }
        }
    }
}

/// A session's first Outbound leg between two public numbers, and the numbers.
fn public_numbers(session: &Session) -> Option<(LegKey, [CompactString; 2])> {
    // A leg often has several events in a row.
    let mut last = None;
    let mut legs = session.events().map(|event| event.leg).filter(|leg| last.replace(*leg) != Some(*leg));
    let leg = legs.find(|&leg| session.legs.direction(leg) == Some(Direction::Outbound))?;
    let [from, to] = session.legs.numbers(leg);
    Some((leg, [normalized_phone_number(from?)?, normalized_phone_number(to?)?]))
}

/// When the last leg of a session ended. `None` while a leg is open.
fn last_event(session: &Session) -> Option<Time> {
    let last = session.events().map(|event| event.said.time).max();
    last.filter(|_| session.open_legs() == 0)
}

/// When an extension and another party were connected in a session, with no one on hold. A machine is connected
/// without ringing, so an extension counts only if it rang or dialled. Ends at the first missing notification.
fn talks_of(session: &Session, extension: &str) -> Vec<(Time, Option<Time>)> {
    let mut lines: SmallVec<[Line; 8]> = SmallVec::new();
    let mut talks: Vec<(Time, Option<Time>)> = Vec::new();
    let mut effective = Time::from_millis(i64::MIN);
    let has_others = session.events().any(|event| session.legs.extension(event.leg) != Some(extension));
    // 1 is never delivered.
    let mut last_sequence = 1;
    for event in session.events() {
        if event.sequence > last_sequence + 1 {
            // The missing notification may have put a party on hold.
            break;
        }
        last_sequence = event.sequence;
        effective = effective.max(event.said.time);
        let Some(code) = event.said.code.filter(|code| *code != Code::Other) else { continue };
        match lines.iter_mut().find(|line| line.leg == event.leg) {
            Some(line) => {
                (line.code, line.rang) = (code, line.rang || code == Code::Proceeding);
                line.listens = event.said.reason == Some(Reason::Supervising);
            }
            None => lines.push(Line {
                leg: event.leg,
                is_own: session.legs.extension(event.leg) == Some(extension),
                dials: session.legs.direction(event.leg) == Some(Direction::Outbound),
                code,
                rang: code == Code::Proceeding,
                listens: event.said.reason == Some(Reason::Supervising),
            }),
        }
        let mut own = lines.iter().filter(|line| line.is_own && line.is_connected());
        let own = own.find(|line| line.rang || line.dials);
        let others = || lines.iter().any(|line| !line.is_own && line.is_connected());
        let on_hold = lines.iter().any(|line| line.code == Code::Hold);
        let talks_now = own.is_some_and(|own| !has_others && !own.dials || others()) && !on_hold;
        match talks.last_mut() {
            Some((_, end @ None)) if !talks_now => *end = Some(effective),
            Some((_, None)) => {}
            _ if talks_now => talks.push((effective, None)),
            _ => {}
        }
    }
    if last_sequence < session.last_sequence()
        && let Some((_, end @ None)) = talks.last_mut()
    {
        *end = Some(effective);
    }
    talks
}

/// The state of a leg as far as it shows who is connected.
struct Line {
    leg: LegKey,
    is_own: bool,
    dials: bool,
    code: Code,
    rang: bool,
    /// A supervisor's, who listens and is not heard.
    listens: bool,
}

impl Line {
    /// A parked party is resumed by the next party that is connected.
    fn is_connected(&self) -> bool {
        self.code == Code::Answered && !self.listens || self.code == Code::Parked && !self.is_own
    }
}

fn mirrored(a: &Session, b: &Session) -> bool {
    let outbound = own_legs(b, Direction::Outbound);
    own_legs(a, Direction::Inbound).iter().any(|leg| {
        let (from, to) = (leg.from.number, leg.to.number);
        from.is_some()
            && to.is_some()
            && outbound.iter().any(|back| back.from.number == to && back.to.number == from)
    })
}

fn own_legs(session: &Session, direction: Direction) -> Vec<Description<'_>> {
    let legs = (0..session.legs.len()).map(|leg| session.legs.description(leg as LegKey));
    legs.filter(|leg| leg.extension.is_some() && leg.direction == Some(direction)).collect()
}

/// What a session's extensions did, with effective times.
fn traces_of(session: &Session) -> Box<[Trace]> {
    let mut traces: SmallVec<[Trace; 8]> = SmallVec::new();
    if let (Some((leg, numbers)), Some(time)) = (public_numbers(session), session.start())
        && !session.is_conference()
    {
        traces.push(Trace { who: Who::of(numbers), did: Did::Public, time, leg });
    }
    let mut effective = Time::from_millis(i64::MIN);
    let mut begun = false;
    for event in session.events() {
        effective = effective.max(event.said.time);
        let (legs, leg) = (&session.legs, event.leg);
        let mut trace = |did| {
            let who = legs.extension(leg).map(Who::of);
            traces.extend(who.map(|who| Trace { who, did, time: effective, leg }));
        };
        match event.said.code {
            Some(Code::Hold) => trace(Did::Hold),
            Some(Code::Answered) if event.said.reason != Some(Reason::Supervising) => trace(Did::Connect),
            _ => {}
        }
        if begun || event.is_text_reply() {
            continue;
        }
        let direction = legs.direction(leg);
        if session.is_ring_out() {
            begun = legs.ring_out_role(leg) != Some(Role::Target);
            if begun {
                trace(Did::RingOut);
            }
        } else if direction == Some(Direction::Outbound) {
            begun = true;
            if !session.is_conference() {
                trace(Did::Dial);
            }
        }
    }
    traces.sort_unstable();
    traces.dedup_by_key(|trace| Trace { leg: LegKey::MIN, ..*trace });
    traces.into_boxed_slice()
}

/// Whether an extension has the others of a session on hold at a time.
fn holds_at(session: &Session, extension: &str, time: Time) -> bool {
    let mut holding: Vec<LegKey> = Vec::new();
    for (_, leg, code) in states_of(session, extension).take_while(|(at, ..)| *at <= time) {
        holding.retain(|other| *other != leg);
        if code == Code::Hold {
            holding.push(leg);
        }
    }
    !holding.is_empty()
}

/// Which extensions had the others of a session on hold, and when.
fn holds_of(session: &Session) -> Vec<(&str, Time, Option<Time>)> {
    let mut effective = Time::from_millis(i64::MIN);
    let mut begun: HashMap<LegKey, Time> = HashMap::new();
    let mut holds = Vec::new();
    for event in session.events() {
        effective = effective.max(event.said.time);
        match event.said.code {
            None | Some(Code::Other) => {}
            Some(Code::Hold) => drop(begun.entry(event.leg).or_insert(effective)),
            Some(_) => {
                holds.extend(begun.remove(&event.leg).map(|begun| (event.leg, begun, Some(effective))))
            }
        }
    }
    holds.extend(begun.into_iter().map(|(leg, begun)| (leg, begun, None)));
    let owned = |(leg, begun, until)| Some((session.legs.extension(leg)?, begun, until));
    holds.into_iter().filter_map(owned).collect()
}

/// The state changes of an extension's legs, with effective times.
fn states_of(session: &Session, extension: &str) -> impl Iterator<Item = (Time, LegKey, Code)> {
    let mut effective = Time::from_millis(i64::MIN);
    session.events().filter_map(move |event| {
        effective = effective.max(event.said.time);
        let code = event.said.code.filter(|code| *code != Code::Other)?;
        (session.legs.extension(event.leg) == Some(extension)).then_some((effective, event.leg, code))
    })
}
