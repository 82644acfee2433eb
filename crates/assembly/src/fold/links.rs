//! The links between rooms: the meaning of each, and when it was open.
//!
//! Both ends of a link may report `Gone`; one is enough. Each end's reports between two of its own `Answered` are one
//! opening. The first opening that one end reports is the first of the other, and so on: for that, the clocks of the
//! two sessions' servers need not agree.

use std::{cmp::Ordering, ops::Deref};

use wholecall_notification::{Code, Reason};
use wholecall_record::ShortText;
use wholecall_record::{PartyId, SessionId, Time, call::LinkKind};

use super::{
    ids::{ChangeIdx, LegIdx, SessionIdx},
    input::FoldInput,
    legs::{Leg, ObservedCall},
};
use crate::index::IdxVec;

/// A call with the links between its rooms.
pub(crate) struct LinkedCall<'a> {
    call: ObservedCall<'a>,
    /// In order of their start.
    pub(super) links: Vec<Link>,
}

impl<'a> Deref for LinkedCall<'a> {
    type Target = ObservedCall<'a>;

    fn deref(&self) -> &ObservedCall<'a> {
        &self.call
    }
}

/// A link between two rooms, from one opening to its closing.
pub(crate) struct Link {
    pub(crate) kind: LinkKind,
    pub(crate) reason: Option<ShortText>,
    pub(crate) start: Time,
    pub(crate) end: Option<Time>,
    /// The end that opened it.
    pub(crate) a: End,
    pub(crate) b: End,
    /// The changes that report it.
    pub(crate) proof: Vec<ChangeIdx>,
}

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) room: SessionIdx,
    pub(crate) party: Option<PartyId>,
    /// The leg. `None` if it was not observed.
    pub(crate) leg: Option<LegIdx>,
}

impl Link {
    /// Whether the people in its rooms hear each other, as long as no supervisor takes over.
    pub(crate) fn joins(&self) -> bool {
        self.kind != LinkKind::Supervising
    }

    /// Whether the party that opened the link left both rooms for it: moved on, or went into the bridge.
    pub(crate) fn removes_both_legs(&self) -> bool {
        matches!(self.kind, LinkKind::AttendedTransfer | LinkKind::Transfer | LinkKind::Conference)
    }

    pub(crate) fn ends(&self) -> [&End; 2] {
        [&self.a, &self.b]
    }

    /// Whether a leg is one of its ends.
    pub(crate) fn names(&self, leg: LegIdx) -> bool {
        self.ends().iter().any(|end| end.leg == Some(leg))
    }
}

/// A `Gone` that names another session.
struct GoneReport {
    change: ChangeIdx,
    own: End,
    other: End,
    toward_conference: bool,
    /// Counts the leg's openings of this link.
    opening: usize,
    /// The leg's next `Answered`.
    until: Option<Time>,
}

/// The pairs of sessions that belong to one call because a link joins them, or because one of them listened to the
/// other before any other.
pub(crate) fn sessions_of_one_call(input: FoldInput<'_>) -> Vec<[SessionId; 2]> {
    let call = LinkedCall::new(ObservedCall::new(input));
    let supervising = |end: &&End| call.rooms[end.room].is_supervising;
    let id = |end: &End| call.rooms[end.room].session.id.clone();
    let mut attached: IdxVec<SessionIdx, bool> = IdxVec::filled(false, call.rooms.len());
    let mut pairs = Vec::new();
    for link in &call.links {
        let supervisors = || link.ends().into_iter().filter(supervising);
        let is_first = supervisors().all(|end| !attached[end.room]);
        // A supervisor who leaves by a link took the call over before: that is not listening.
        let is_call = link.removes_both_legs() || supervisors().next().is_none();
        if (is_call && link.joins()) || (!is_call && is_first) {
            pairs.push([id(&link.a), id(&link.b)]);
            supervisors().for_each(|end| attached[end.room] = true);
        }
    }
    pairs
}

impl<'a> LinkedCall<'a> {
    pub(super) fn new(call: ObservedCall<'a>) -> Self {
        let links = call.find_links();
        Self { call, links }
    }

    /// Whether a link of these kinds leads away from a session.
    pub(super) fn is_left_by(&self, room: SessionIdx, kinds: &[LinkKind]) -> bool {
        self.links.iter().any(|link| kinds.contains(&link.kind) && link.a.room == room)
    }

    /// Whether a link leads to or from a session.
    pub(super) fn is_linked(&self, room: SessionIdx) -> bool {
        self.links.iter().any(|link| link.ends().iter().any(|end| end.room == room))
    }
}

impl ObservedCall<'_> {
    fn find_links(&self) -> Vec<Link> {
        let reports = self.reports();
        if reports.is_empty() {
            return Vec::new();
        }
        let mut openings: Vec<(&End, &End, usize, &GoneReport)> = reports
            .iter()
            .map(|report| {
                let (low, high) = match end_order(&report.own, &report.other) {
                    Ordering::Greater => (&report.other, &report.own),
                    _ => (&report.own, &report.other),
                };
                (low, high, report.opening, report)
            })
            .collect();
        let same_opening = |a: &(&End, &End, usize, &GoneReport), b: &(&End, &End, usize, &GoneReport)| {
            end_order(a.0, b.0).then_with(|| end_order(a.1, b.1)).then_with(|| a.2.cmp(&b.2))
        };
        openings.sort_by(same_opening);
        let mut links: Vec<Link> = openings
            .chunk_by(|a, b| same_opening(a, b).is_eq())
            .map(|opening| self.link(opening.iter().map(|(.., report)| *report)))
            .collect();
        links.sort_by(|x, y| {
            let order = x.start.cmp(&y.start).then_with(|| self.order_of_rooms(x.a.room, y.a.room));
            order.then_with(|| x.proof.cmp(&y.proof))
        });
        links
    }

    fn reports(&self) -> Vec<GoneReport> {
        let mut reports = Vec::new();
        for (index, leg) in self.legs.iter_enumerated().filter(|(_, leg)| leg.codes.has(Code::Gone)) {
            self.add_reports_of(index, leg, &mut reports);
        }
        reports
    }

    fn add_reports_of(&self, index: LegIdx, leg: &Leg<'_>, reports: &mut Vec<GoneReport>) {
        let first = reports.len();
        // The first report of this leg that no `Answered` has followed yet.
        let mut open = first;
        for at in leg.changes.clone() {
            let status = &self.changes[at].event.status;
            if status.code == Some(Code::Answered) {
                for report in &mut reports[open..] {
                    report.until = Some(self.changes[at].time);
                }
                open = reports.len();
            }
            let (Some(Code::Gone), Some(peer)) = (status.code, status.peer()) else { continue };
            let Some(room) = self.rooms.position(|room| room.session.id == peer.session) else {
                continue;
            };
            let own = End { room: leg.room, party: Some(leg.party.clone()), leg: Some(index) };
            let other = self.other_end(room, peer.party.as_ref(), leg);
            let before = |report: &&GoneReport| report.other == other;
            let opening = match reports[open..].iter().rfind(before) {
                Some(report) => report.opening,
                None => reports[first..open].iter().rfind(before).map_or(0, |report| report.opening + 1),
            };
            let far = &self.rooms[room];
            let unseen_bridge = peer.is_conference && far.start.is_none();
            reports.push(GoneReport {
                change: at,
                own,
                other,
                toward_conference: far.is_conference || unseen_bridge || self.rooms[leg.room].is_conference,
                opening,
                until: None,
            });
        }
    }

    /// The far end of a link. If the near end does not name the party, the far end may name the near one; if neither
    /// names the other, it is the leg of the same owner.
    fn other_end(&self, room: SessionIdx, party: Option<&PartyId>, near: &Leg<'_>) -> End {
        let near_session = &self.rooms[near.room].session.id;
        let names = |leg: LegIdx, party: Option<&PartyId>| {
            let peers = self.changes_of(leg).iter().filter_map(|change| change.event.status.peer());
            peers.into_iter().any(|peer| peer.session == *near_session && peer.party.as_ref() == party)
        };
        let owner = near.description.extension;
        let is_owners = |leg: LegIdx| {
            let leg = &self.legs[leg];
            owner.is_some() && leg.description.extension == owner && leg.room != near.room && !leg.supervises
        };
        let mut legs = self.rooms[room].legs.clone();
        let leg = match party {
            Some(party) => legs.find(|&leg| self.legs[leg].party == *party),
            None => legs
                .clone()
                .find(|&leg| names(leg, Some(&near.party)))
                .or_else(|| legs.clone().find(|&leg| names(leg, None)))
                // The latest: a user may have continued at another device.
                .or_else(|| legs.rfind(|&leg| is_owners(leg))),
        };
        let party = party.cloned().or_else(|| Some(self.legs[leg?].party.clone()));
        End { room, party, leg }
    }

    /// The link that all reports of one opening amount to.
    fn link<'s>(&self, reports: impl Iterator<Item = &'s GoneReport>) -> Link {
        let mut reports: Vec<&GoneReport> = reports.collect();
        reports.sort_by(|x, y| self.order_of_changes(x.change, y.change));
        let first = reports[0];
        let status = |report: &GoneReport| &self.changes[report.change].event.status;
        let named = reports.iter().find(|report| status(report).reason.is_some());
        let kind = match named.and_then(|report| status(report).reason) {
            Some(Reason::AttendedTransfer) => LinkKind::AttendedTransfer,
            Some(Reason::Conference) => LinkKind::Conference,
            Some(Reason::Pickup) => LinkKind::Pickup,
            Some(Reason::Supervising) => LinkKind::Supervising,
            Some(Reason::TakeOver) => LinkKind::TakeOver,
            None if reports.iter().any(|report| report.toward_conference) => LinkKind::Conference,
            _ => LinkKind::Transfer,
        };
        // A party that stays, listens or takes over does not come back by the link: its later codes are its own.
        let closes = matches!(kind, LinkKind::AttendedTransfer | LinkKind::Conference | LinkKind::Transfer);
        Link {
            kind,
            reason: named.and_then(|report| status(report).reason_word()).map(ShortText::from),
            start: self.changes[first.change].time,
            end: reports.iter().filter_map(|report| report.until).min().filter(|_| closes),
            a: first.own.clone(),
            b: first.other.clone(),
            proof: reports.iter().map(|report| report.change).collect(),
        }
    }
}

fn end_order(a: &End, b: &End) -> Ordering {
    a.room.cmp(&b.room).then_with(|| a.party.cmp(&b.party))
}
