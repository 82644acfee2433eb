//! Calls that look connected although no id proves it: a consultation dialled while another call was on
//! hold, the twin of a RingOut, a supervisor's session that listened to several calls. They stay calls of
//! their own; each says so of the other.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use compact_str::{CompactString, format_compact};
use wholecall_notification::{Code, Direction, Role};
use wholecall_record::{
    SessionId, Time,
    call::{Related, RelatedKind},
};

use crate::{
    book::{Book, CallKey, SessionKey},
    description::Description,
    limits,
    session::Session,
};

/// Where the sessions of an account stand in time, by the extension that did something.
#[derive(Default)]
pub(crate) struct Relations(HashMap<(CompactString, Did), BTreeSet<(Time, SessionKey)>>);

impl fmt::Debug for Relations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Relations of {} extensions", self.0.len())
    }
}

/// What an extension did at a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Did {
    /// Began a session.
    Dial,
    /// Put the others of a session on hold.
    Hold,
    /// Asked for a RingOut.
    RingOut,
}

/// An entry of a session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Trace {
    extension: CompactString,
    did: Did,
    time: Time,
}

/// A consultation is dialled while another call is on hold; so many of the latest holds are looked at. A
/// person has a few calls at a time, not dozens.
const HOLDS_LOOKED_AT: usize = 16;

/// The two sessions of one RingOut begin within this time.
const TWIN_WITHIN_MS: i64 = 60_000;

/// The legacy ids of a RingOut's two sessions are this near to each other.
const TWIN_IDS_WITHIN: u64 = 4_000;

impl<S: Default> Book<S> {
    /// Looks again at all sessions whose traces may have changed; tells the calls that may look related to
    /// them, or did.
    pub(crate) fn refresh_relations(&mut self) -> Vec<CallKey> {
        let mut touched = Vec::new();
        for key in self.take_dirty() {
            let mut traces = traces_of(&self.sessions[key].session);
            traces.sort_unstable();
            traces.dedup();
            self.touch_counterparts(key, &mut touched);
            if traces != self.sessions[key].traces {
                self.forget_traces(key);
                let account = self.sessions[key].account;
                for trace in &traces {
                    let entry = self.accounts[account].relations.0.entry((trace.extension.clone(), trace.did));
                    entry.or_default().insert((trace.time, key));
                }
                self.sessions[key].traces = traces;
                self.touch_counterparts(key, &mut touched);
            }
        }
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    pub(crate) fn forget_traces(&mut self, key: SessionKey) {
        let account = self.sessions[key].account;
        for trace in std::mem::take(&mut self.sessions[key].traces) {
            let index = (trace.extension, trace.did);
            if let Some(entries) = self.accounts[account].relations.0.get_mut(&index) {
                entries.remove(&(trace.time, key));
                if entries.is_empty() {
                    self.accounts[account].relations.0.remove(&index);
                }
            }
        }
    }

    fn touch_counterparts(&self, key: SessionKey, touched: &mut Vec<CallKey>) {
        let call = self.sessions[key].call;
        let others = self.counterparts(key).into_iter().map(|(other, _)| self.sessions[other].call);
        touched.extend(others.filter(|other| *other != call));
    }

    /// Calls that look related to a call, and the sessions of others that listened to it.
    pub(crate) fn related(&self, call: CallKey, listeners: &[SessionKey]) -> Vec<Related> {
        let sessions = &self.calls[call].sessions;
        let mut related: Vec<Related> = Vec::new();
        for &key in sessions {
            for (other, why) in self.counterparts(key) {
                let other_call = self.sessions[other].call;
                if other_call == call {
                    continue;
                }
                let Some(root) = self.root(other_call) else { continue };
                let id = self.sessions[root].session.id.clone();
                related.push(Related { id, kind: why.kind(), why: why.sentence() });
            }
        }
        let supervision = |id: SessionId, why: CompactString| Related { id, kind: RelatedKind::Supervision, why };
        for &key in listeners {
            let id = self.sessions[key].session.id.clone();
            related.push(supervision(id, CompactString::const_new("a supervisor listened to this call from it")));
        }
        related.sort_by(|a, b| (a.kind, &a.id, &a.why).cmp(&(b.kind, &b.id, &b.why)));
        related.dedup_by(|a, b| a.kind == b.kind && a.id == b.id);
        related.truncate(limits::RELATED_PER_CALL);
        related
    }

    /// The sessions that look related to a session, and why.
    fn counterparts(&self, key: SessionKey) -> Vec<(SessionKey, Why)> {
        let held = &self.sessions[key];
        let mut found = Vec::new();
        for trace in &held.traces {
            match trace.did {
                Did::Dial => {
                    if let Some(on_hold) = self.on_hold_at(key, trace) {
                        let why = Why::DialledWhileHolding { extension: trace.extension.clone() };
                        found.push((on_hold, why));
                    }
                    let twins = self.entries_around(key, trace, Did::RingOut, TWIN_WITHIN_MS);
                    found.extend(twins.filter(|&(_, other)| self.are_twins(other, key)).map(|(_, other)| (other, Why::Twin)));
                }
                Did::Hold => found.extend(self.dialled_during(key, trace)),
                Did::RingOut => {
                    let twins = self.entries_around(key, trace, Did::Dial, TWIN_WITHIN_MS);
                    found.extend(twins.filter(|&(_, other)| self.are_twins(key, other)).map(|(_, other)| (other, Why::Twin)));
                }
            }
        }
        found.truncate(limits::RELATED_PER_CALL);
        found
    }

    fn entries(&self, key: SessionKey, trace: &Trace, did: Did) -> Option<&BTreeSet<(Time, SessionKey)>> {
        let account = &self.accounts[self.sessions[key].account];
        account.relations.0.get(&(trace.extension.clone(), did))
    }

    fn entries_around(
        &self,
        key: SessionKey,
        trace: &Trace,
        did: Did,
        within: i64,
    ) -> impl Iterator<Item = (Time, SessionKey)> {
        let from = (trace.time + -within, SessionKey::MIN);
        let to = (trace.time + within, SessionKey::MAX);
        let entries = self.entries(key, trace, did).into_iter().flat_map(move |entries| entries.range(from..=to));
        entries.copied().filter(move |&(_, other)| other != key)
    }

    /// The session its dialler had on hold: the latest held, if several.
    fn on_hold_at(&self, key: SessionKey, dial: &Trace) -> Option<SessionKey> {
        let holds = self.entries(key, dial, Did::Hold)?;
        let before = holds.range(..=(dial.time, SessionKey::MAX)).rev().take(HOLDS_LOOKED_AT);
        // Keys are in order of arrival: among holds of one time the id decides.
        let mut found: Option<(Time, &SessionId, SessionKey)> = None;
        for &(time, other) in before {
            if found.as_ref().is_some_and(|(known, ..)| *known > time) {
                break;
            }
            let session = &self.sessions[other].session;
            if other != key && holds_at(session, &dial.extension, dial.time) {
                found = found.max(Some((time, &session.id, other)));
            }
        }
        found.map(|(.., other)| other)
    }

    /// The sessions that were begun while this one was on hold.
    fn dialled_during(&self, key: SessionKey, hold: &Trace) -> Vec<(SessionKey, Why)> {
        let Some(dials) = self.entries(key, hold, Did::Dial) else { return Vec::new() };
        let session = &self.sessions[key].session;
        let until = hold_ends(session, &hold.extension, hold.time);
        let during = dials.range((hold.time, SessionKey::MIN)..).take_while(|(time, _)| until.is_none_or(|until| *time < until));
        let dialled = during.filter(|&&(time, other)| {
            let dial = Trace { extension: hold.extension.clone(), did: Did::Dial, time };
            other != key && self.on_hold_at(other, &dial) == Some(key)
        });
        let why = || Why::HeldWhileDialling { extension: hold.extension.clone() };
        dialled.take(limits::RELATED_PER_CALL).map(|&(_, other)| (other, why())).collect()
    }

    /// Whether a RingOut and another session are two sides of one click: the same numbers the other way
    /// round, and legacy ids given almost at once.
    fn are_twins(&self, ring_out: SessionKey, other: SessionKey) -> bool {
        let number = |session: &Session| session.legacy_id().and_then(|id| id.parse::<u64>().ok()).filter(|id| *id > 0);
        let [a, b] = [ring_out, other].map(|key| &self.sessions[key].session);
        let near = match (number(a), number(b)) {
            (Some(a), Some(b)) => a != b && a.abs_diff(b) <= TWIN_IDS_WITHIN,
            _ => false,
        };
        near && mirrored(a, b)
    }
}

fn mirrored(a: &Session, b: &Session) -> bool {
    let numbers = |session: &Session, direction: Direction| -> Vec<(Option<CompactString>, Option<CompactString>)> {
        let legs = session.legs.iter().map(|leg| leg.descriptions.taken_together());
        let legs = legs.filter(|leg| leg.extension.is_some() && leg.direction == Some(direction));
        legs.map(|leg| (leg.from.number.clone(), leg.to.number.clone())).collect()
    };
    let outbound = numbers(b, Direction::Outbound);
    numbers(a, Direction::Inbound).iter().any(|(from, to)| {
        from.is_some() && to.is_some() && outbound.iter().any(|(back_from, back_to)| back_from == to && back_to == from)
    })
}

/// Why two sessions look related.
enum Why {
    DialledWhileHolding { extension: CompactString },
    HeldWhileDialling { extension: CompactString },
    Twin,
}

impl Why {
    fn kind(&self) -> RelatedKind {
        match self {
            Self::DialledWhileHolding { .. } | Self::HeldWhileDialling { .. } => RelatedKind::Consultation,
            Self::Twin => RelatedKind::RingOutTwin,
        }
    }

    fn sentence(&self) -> CompactString {
        match self {
            Self::DialledWhileHolding { extension } => {
                format_compact!("ext:{extension} dialled this call while holding that one")
            }
            Self::HeldWhileDialling { extension } => {
                format_compact!("ext:{extension} dialled that call while holding this one")
            }
            Self::Twin => CompactString::const_new("the same numbers the other way round, begun by the same RingOut"),
        }
    }
}

/// What a session's extensions did, with effective times.
fn traces_of(session: &Session) -> Vec<Trace> {
    let mut traces = Vec::new();
    let mut effective = Time::from_millis(i64::MIN);
    let mut dialled = false;
    let mut rung_out = false;
    for event in session.events() {
        effective = effective.max(event.said.time);
        let hold = event.said.code == Some(Code::Hold);
        if (dialled && rung_out && !hold) || event.is_text_reply() {
            continue;
        }
        let description = session.legs[event.leg as usize].descriptions.taken_together();
        let mut trace = |did| {
            traces.extend(description.extension.clone().map(|extension| Trace { extension, did, time: effective }));
        };
        if hold {
            trace(Did::Hold);
        }
        if !dialled && description.direction == Some(Direction::Outbound) {
            dialled = true;
            if !session.is_conference() {
                trace(Did::Dial);
            }
        }
        let asks = |description: &Description| description.ring_out_role != Some(Role::Target);
        if !rung_out && (!session.is_ring_out() || asks(&description)) {
            rung_out = true;
            if session.is_ring_out() {
                trace(Did::RingOut);
            }
        }
    }
    traces
}

/// Whether an extension has the others of a session on hold at a time.
fn holds_at(session: &Session, extension: &str, time: Time) -> bool {
    let mut states = states_of(session, extension).take_while(|(at, ..)| *at <= time);
    let mut holding: Vec<u32> = Vec::new();
    for (_, leg, code) in &mut states {
        holding.retain(|other| *other != leg);
        if code == Code::Hold {
            holding.push(leg);
        }
    }
    !holding.is_empty()
}

/// When a hold that an extension began at a time ends.
fn hold_ends(session: &Session, extension: &str, begun: Time) -> Option<Time> {
    let mut leg_on_hold = None;
    for (time, leg, code) in states_of(session, extension) {
        if leg_on_hold.is_none() && code == Code::Hold && time == begun {
            leg_on_hold = Some(leg);
        } else if leg_on_hold == Some(leg) && code != Code::Hold {
            return Some(time);
        }
    }
    None
}

/// The state changes of an extension's legs, with effective times.
fn states_of(session: &Session, extension: &str) -> impl Iterator<Item = (Time, u32, Code)> {
    let mut effective = Time::from_millis(i64::MIN);
    let legs: Vec<bool> = session
        .legs
        .iter()
        .map(|leg| leg.descriptions.taken_together().extension.as_deref() == Some(extension))
        .collect();
    session.events().filter_map(move |event| {
        effective = effective.max(event.said.time);
        let code = event.said.code.filter(|code| *code != Code::Other)?;
        legs[event.leg as usize].then_some((effective, event.leg, code))
    })
}
