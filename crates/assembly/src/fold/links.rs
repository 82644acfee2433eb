//! The links between rooms: the meaning of each, when it was open, and which rooms are joined when.
//!
//! Both ends of a link may report `Gone`; one is enough. Each end's reports between two of its own `Answered` are one
//! opening. The first opening that one end reports is the first of the other, and so on: for that, the clocks of the
//! two sessions' servers need not agree.

use std::cmp::Ordering;

use compact_str::CompactString;
use wholecall_notification::{Code, Reason};
use wholecall_record::{
    PartyId, SessionId, Time,
    call::{Kind, LinkKind},
};

use super::{
    Fold, FoldInput,
    ids::{ChangeIdx, LegIdx, ParticipantIdx, SessionIdx},
    legs::Leg,
};
use crate::{
    index::{IdxRange, IdxVec},
    union_find::UnionFind,
};

/// A link between two rooms, from one opening to its closing.
pub(crate) struct Link {
    pub(crate) kind: LinkKind,
    pub(crate) reason: Option<CompactString>,
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

impl<'a> Fold<'a> {
    /// The pairs of sessions that belong to one call because a link joins them, or because one of them listened to
    /// the other before any other.
    pub(crate) fn joins(input: FoldInput<'a>) -> Vec<[SessionId; 2]> {
        let mut fold = Fold::empty(input);
        fold.find_legs();
        fold.find_links();
        let supervising = |end: &End| fold.rooms[end.room].is_supervising;
        let id = |end: &End| fold.rooms[end.room].session.id.clone();
        let mut attached: IdxVec<SessionIdx, bool> = IdxVec::filled(false, fold.rooms.len());
        let mut joins = Vec::new();
        // Links are in order of their start.
        for link in &fold.links {
            let first = link.ends().into_iter().filter(|end| supervising(end)).all(|end| !attached[end.room]);
            // A supervisor who leaves by a link took the call over before: that is not listening.
            let is_call = link.removes_both_legs() || !link.ends().into_iter().any(supervising);
            if (is_call && link.joins()) || (!is_call && first) {
                joins.push([id(&link.a), id(&link.b)]);
                link.ends()
                    .into_iter()
                    .filter(|end| supervising(end))
                    .for_each(|end| attached[end.room] = true);
            }
        }
        joins
    }

    pub(super) fn find_links(&mut self) {
        let reports = self.reports();
        if reports.is_empty() {
            return;
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
        self.links = links;
        self.join_timeline =
            JoinTimeline::new(self.rooms.indices(), self.links.iter().filter(|link| link.joins()));
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
            reason: named.and_then(|report| status(report).reason_word()).map(CompactString::from),
            start: self.changes[first.change].time,
            end: reports.iter().filter_map(|report| report.until).min().filter(|_| closes),
            a: first.own.clone(),
            b: first.other.clone(),
            proof: reports.iter().map(|report| report.change).collect(),
        }
    }

    /// The end of a conference link that is a seat in the bridge; of two calls merged without a bridge, the far one.
    pub(super) fn bridge_of<'l>(&self, link: &'l Link) -> &'l End {
        self.bridge(link).unwrap_or(&link.b)
    }

    /// Whether a conference link leads to a bridge, observed or not, and does not merge two calls directly.
    pub(super) fn has_bridge(&self, link: &Link) -> bool {
        self.bridge(link).is_some()
    }

    fn bridge<'l>(&self, link: &'l Link) -> Option<&'l End> {
        let is_seat = |end: &End| match end.leg {
            Some(leg) => self.legs[leg].kind == Kind::Proxy,
            None => self.rooms[end.room].start.is_none(),
        };
        let is_bridge = |end: &End| self.rooms[end.room].is_conference;
        let ends = [&link.b, &link.a];
        let seat = ends.into_iter().find(|end| is_bridge(end) && is_seat(end));
        let bridge = || ends.into_iter().find(|end| is_bridge(end));
        let unseen = || ends.into_iter().find(|end| is_seat(end));
        seat.or_else(bridge).or_else(unseen)
    }

    /// The end of a conference link that is a room being joined to the bridge.
    pub(super) fn joined_end_of<'l>(&self, link: &'l Link) -> &'l End {
        if std::ptr::eq(self.bridge_of(link), &link.a) { &link.b } else { &link.a }
    }

    /// The participant that opened a link by leaving both its ends, or as the host of a conference.
    pub(super) fn opener_of(&self, link: &Link) -> Option<ParticipantIdx> {
        let owner = |end: &End| end.leg.and_then(|leg| self.legs[leg].person);
        match link.kind {
            LinkKind::Conference => self.host_of(link),
            _ => owner(&link.a).or_else(|| owner(&link.b)),
        }
    }

    /// The participant that brought a room into the bridge: the owner of the leg that left for it; if only the seat
    /// was observed, the seat names the host as its caller.
    pub(super) fn host_of(&self, link: &Link) -> Option<ParticipantIdx> {
        let seat = self.bridge_of(link).leg.map(|leg| &self.legs[leg]);
        let named = || self.person_with_extension(seat?.description.from.extension?);
        self.joined_end_of(link).leg.and_then(|leg| self.legs[leg].person).or_else(named)
    }

    /// Earlier first; simultaneous changes in different sessions in order of the sessions' ids.
    pub(super) fn order_of_changes(&self, x: ChangeIdx, y: ChangeIdx) -> Ordering {
        let (a, b) = (&self.changes[x], &self.changes[y]);
        let room = |change: ChangeIdx| self.legs[self.leg_of_change(change)].room;
        a.time
            .cmp(&b.time)
            .then_with(|| self.order_of_rooms(room(x), room(y)))
            .then_with(|| a.event.sequence.cmp(&b.event.sequence))
            .then_with(|| x.cmp(&y))
    }

    fn order_of_rooms(&self, x: SessionIdx, y: SessionIdx) -> Ordering {
        let id = |room: SessionIdx| -> &str { &self.rooms[room].session.id };
        id(x).cmp(id(y))
    }

    /// The leg that a change belongs to.
    pub(super) fn leg_of_change(&self, change: ChangeIdx) -> LegIdx {
        self.legs.partition_point(|leg| leg.changes.end() <= change)
    }
}

fn end_order(a: &End, b: &End) -> Ordering {
    a.room.cmp(&b.room).then_with(|| a.party.cmp(&b.party))
}

/// Which rooms are joined when.
#[derive(Debug, Default)]
pub(crate) struct JoinTimeline {
    /// For each time from which it holds, the group of every room: the first of the rooms joined with it.
    changes: Vec<(Time, IdxVec<SessionIdx, SessionIdx>)>,
}

impl JoinTimeline {
    fn new<'l>(rooms: IdxRange<SessionIdx>, links: impl Iterator<Item = &'l Link>) -> Self {
        let intervals = links.map(|link| JoinInterval {
            rooms: [link.a.room, link.b.room],
            start: link.start,
            end: link.end,
        });
        Self::from_intervals(rooms, intervals.collect())
    }

    pub(super) fn from_intervals(rooms: IdxRange<SessionIdx>, intervals: Vec<JoinInterval>) -> Self {
        let mut times: Vec<Time> =
            intervals.iter().flat_map(|interval| [Some(interval.start), interval.end]).flatten().collect();
        times.sort_unstable();
        times.dedup();
        let joined_at = |time: Time| {
            let is_open = |interval: &&JoinInterval| {
                interval.start <= time && interval.end.is_none_or(|end| time < end)
            };
            let mut sets = UnionFind::new(rooms.clone());
            intervals.iter().filter(is_open).for_each(|interval| sets.unite(interval.rooms));
            (time, rooms.clone().map(|room| sets.find(room)).collect())
        };
        Self { changes: times.into_iter().map(joined_at).collect() }
    }

    /// The times at which any group changes.
    pub(crate) fn times(&self) -> impl Iterator<Item = Time> {
        self.changes.iter().map(|(time, _)| *time)
    }

    /// The group of a room at a time.
    pub(crate) fn group(&self, room: SessionIdx, time: Time) -> SessionIdx {
        self.group_in(self.changes.partition_point(|(at, _)| *at <= time), room)
    }

    /// The group of a room just before a time.
    pub(crate) fn group_before(&self, room: SessionIdx, time: Time) -> SessionIdx {
        self.group_in(self.changes.partition_point(|(at, _)| *at < time), room)
    }

    fn group_in(&self, changes_passed: usize, room: SessionIdx) -> SessionIdx {
        match changes_passed.checked_sub(1) {
            Some(at) => self.changes[at].1[room],
            None => room,
        }
    }
}

/// An interval in which two rooms are joined.
pub(super) struct JoinInterval {
    pub(super) rooms: [SessionIdx; 2],
    pub(super) start: Time,
    pub(super) end: Option<Time>,
}
