//! Parties that were not observed: if only one side of a session is visible, the legs' `from` or `to` names the
//! other.

use smallvec::SmallVec;
use wholecall_notification::{Code, Reason};
use wholecall_record::{
    ParticipantId, Time,
    call::{Kind, LegState, LinkKind},
};

use super::{
    Fold,
    ids::{LegIdx, ParticipantIdx, SessionIdx},
    links::End,
    people::{Mention, Mentioned},
    sides::may_be_ours,
};
use crate::index::Idx;

/// A participant at the far side of a session, for some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InferredParty {
    pub(crate) room: SessionIdx,
    /// The visible leg whose `from` or `to` names the far side.
    pub(crate) from_leg: LegIdx,
    /// Whether it is the caller.
    pub(crate) is_caller: bool,
    pub(crate) person: ParticipantIdx,
    /// When it came to the far side. `None` for the one that is named first.
    pub(crate) since: Option<Time>,
    /// When another takes its place.
    pub(crate) until: Option<Time>,
    /// False for a callee within the account: it is not shown whether its phone was answered.
    pub(crate) can_be_heard: bool,
    /// When it is taken to be connected.
    pub(crate) present: Vec<(Time, Option<Time>)>,
}

impl InferredParty {
    /// Whether it is connected just before a time.
    pub(crate) fn is_present_before(&self, time: Time) -> bool {
        self.present.iter().any(|(start, end)| *start < time && end.is_none_or(|end| time <= end))
    }

    /// Whether it is connected and nothing ended that.
    pub(crate) fn is_still_present(&self) -> bool {
        self.present.iter().any(|(_, end)| end.is_none())
    }
}

impl<'a> Fold<'a> {
    /// Adds the far side of each session of which only one side is visible.
    pub(super) fn mention_inferred_parties(&self, mentions: &mut Vec<Mention<'a>>) {
        for room in self.rooms.indices() {
            let Some((from_leg, is_caller)) = self.one_sided(room) else { continue };
            let leg = &self.legs[from_leg];
            let side = if is_caller { leg.description.from } else { leg.description.to };
            let id = self.side_id(side, &self.rooms[room].session.id, leg);
            let is_ours = id.extension_id().is_some() || may_be_ours(side, self.input.directory);
            let kind = if is_ours { Kind::User } else { Kind::External };
            let changes = self.other_side_changes(room);
            let inferred = InferredParty {
                room,
                from_leg,
                is_caller,
                person: ParticipantIdx::new(0),
                since: None,
                until: changes.first().map(|(time, _)| *time),
                can_be_heard: is_caller || !is_ours,
                present: Vec::new(),
            };
            // A short number without a directory names no participant.
            if is_caller || !is_ours || id.extension_id().is_some() {
                mentions.push(Mention {
                    id,
                    kind,
                    side: Some(side),
                    by: Mentioned::Inferred(inferred.clone()),
                });
            }
            for (at, (since, id)) in changes.iter().enumerate() {
                let until = changes.get(at + 1).map(|(time, _)| *time);
                let inferred =
                    InferredParty { since: Some(*since), until, can_be_heard: true, ..inferred.clone() };
                let by = Mentioned::Inferred(inferred);
                mentions.push(Mention { id: id.clone(), kind: Kind::Unknown, side: None, by });
            }
        }
    }

    /// The leg whose far side was not observed, and whether the far side is the caller. `None` if both sides were
    /// observed, or if the far side is a machine.
    fn one_sided(&self, room: SessionIdx) -> Option<(LegIdx, bool)> {
        let legs = self.rooms[room].legs.clone();
        if self.rooms[room].is_conference || legs.is_empty() {
            return None;
        }
        let mut inbound =
            legs.clone().filter(|&leg| self.legs[leg].is_inbound() && !self.legs[leg].supervises);
        let (from_leg, is_caller) = match (self.rooms[room].originator, inbound.next()) {
            (None, Some(leg)) => (leg, true),
            (Some(leg), None) => (leg, false),
            _ => return None,
        };
        let session = self.rooms[room].session;
        if session.is_ring_out() && !self.is_target_only(room) {
            return None;
        }
        let leg = &self.legs[from_leg];
        let side = if is_caller { leg.description.from } else { leg.description.to };
        let is_machine = side.extension.is_some_and(|extension| self.is_machine(extension));
        let is_nobody = side.extension.is_none() && side.number.is_none() && !is_caller;
        let is_behind_a_door =
            self.is_left_by(room, &[LinkKind::Pickup, LinkKind::Supervising, LinkKind::TakeOver]);
        let none = side.is_star_code() || side.is_bridge() || is_machine || is_nobody || is_behind_a_door;
        (!none).then_some((from_leg, is_caller))
    }

    /// Whether only legs of a RingOut's target were observed: the platform rings them once the initiator is
    /// connected.
    fn is_target_only(&self, room: SessionIdx) -> bool {
        let mut roles = self.rooms[room].legs.clone().map(|leg| self.legs[leg].description.ring_out_role);
        roles.clone().any(|role| role == Some(wholecall_notification::Role::Target))
            && !roles.any(|role| role == Some(wholecall_notification::Role::Initiator))
    }

    /// When another party took the place at the far side of a session: a visible leg is `Answered` with the reason
    /// `AttendedTransfer`, and no link of the session shows the new party. Each gets an id of its own.
    fn other_side_changes(&self, room: SessionIdx) -> Vec<(Time, ParticipantId)> {
        let is_linked = self.links.iter().any(|link| link.ends().iter().any(|end| end.room == room));
        if is_linked {
            return Vec::new();
        }
        let mut changes = Vec::new();
        for leg in self.rooms[room].legs.clone() {
            let party = &self.legs[leg].party;
            for change in self.changes_of(leg) {
                let status = &change.event.status;
                if status.code == Some(Code::Answered) && status.reason == Some(Reason::AttendedTransfer) {
                    let session = &self.rooms[room].session.id;
                    let id = format!("anon:{session}/{party}/{}", change.event.sequence);
                    changes.push((change.time, ParticipantId::from(id)));
                }
            }
        }
        changes.sort_unstable();
        changes
    }

    /// Finds when each inferred party is connected.
    pub(super) fn find_inferred_presence(&mut self) {
        for index in 0..self.inferred_parties.len() {
            let side = &self.inferred_parties[index];
            let mut present = match side.can_be_heard {
                true if side.is_caller => self.caller_presence(side.room),
                true => self.callee_presence(side.room),
                false => Vec::new(),
            };
            let (since, until) = (side.since, side.until);
            for (start, end) in &mut present {
                *start = since.map_or(*start, |since| since.max(*start));
                *end = end.map_or(until, |end| Some(until.map_or(end, |until| until.min(end))));
            }
            self.take_out_movers(&self.inferred_parties[index], &mut present);
            present.retain(|(start, end)| end.is_none_or(|end| *start < end));
            self.inferred_parties[index].present = present;
        }
    }

    /// An inferred caller is connected from the session's first event until its visible legs have ended.
    fn caller_presence(&self, room: SessionIdx) -> Vec<(Time, Option<Time>)> {
        let room = &self.rooms[room];
        let visible = room.legs.clone().filter(|&leg| self.legs[leg].kind != Kind::Proxy);
        let ends: Option<Vec<Time>> = visible.map(|leg| self.far_side_left(leg)).collect();
        let end = ends.and_then(|ends| ends.into_iter().max());
        room.start.map(|start| (start, end)).into_iter().collect()
    }

    /// An inferred callee is connected from the originating leg's `Answered` until that leg, or the one by which its
    /// owner continues at another device, ends or leaves by a link other than a conference's.
    fn callee_presence(&self, room: SessionIdx) -> Vec<(Time, Option<Time>)> {
        let owner = self.rooms[room].originator.and_then(|leg| self.legs[leg].person);
        let mut present: Vec<(Time, Option<Time>)> = Vec::new();
        for leg in self.rooms[room].legs.clone().filter(|&leg| self.legs[leg].person == owner) {
            let Some(answered) = self.first_answer(leg) else { continue };
            let mut stretches: SmallVec<[(Time, Option<Time>); 2]> = SmallVec::new();
            stretches.push((answered, self.legs[leg].end));
            if self.is_named_by(leg, &[LinkKind::Conference]) {
                let disconnected = self.last_change(leg, Code::Disconnected);
                stretches[0].1 = disconnected.filter(|_| self.legs[leg].end.is_some());
            }
            let away = self.legs[leg].spans.iter().filter(|span| span.state == LegState::Gone);
            let away = away.filter(|span| !self.is_in_a_bridge(leg, span.start));
            for gone in away {
                let cut = |&(start, end): &(Time, Option<Time>)| cut_out((start, end), gone.start, gone.end);
                stretches = stretches.iter().flat_map(cut).collect();
            }
            present.extend(stretches);
        }
        present
    }

    /// Whether a leg left at that time for a conference.
    fn is_in_a_bridge(&self, leg: LegIdx, time: Time) -> bool {
        let mut links = self.links.iter().filter(|link| link.names(leg));
        links.any(|link| link.kind == LinkKind::Conference && link.start == time)
    }

    fn is_named_by(&self, leg: LegIdx, kinds: &[LinkKind]) -> bool {
        let mut links = self.links.iter().filter(|link| kinds.contains(&link.kind) && link.names(leg));
        links.any(|link| link.end.is_none())
    }

    fn last_change(&self, leg: LegIdx, code: Code) -> Option<Time> {
        let mut changes = self.changes_of(leg).iter().rev();
        changes.find(|change| change.event.status.code == Some(code)).map(|change| change.time)
    }

    /// A party that opened a link is absent from the link's start, even if its leg was not observed.
    fn take_out_movers(&self, side: &InferredParty, present: &mut Vec<(Time, Option<Time>)>) {
        let names_side = |link: &&super::Link| {
            let is_side = |end: &End| end.room == side.room && end.leg.is_none();
            link.removes_both_legs()
                && link.ends().into_iter().any(is_side)
                && self.opener_of(link) == Some(side.person)
        };
        for link in self.links.iter().filter(names_side) {
            *present = present.iter().flat_map(|stretch| cut_out(*stretch, link.start, link.end)).collect();
        }
    }

    /// When a leg's end shows that its far side has left too: a leg that left by a link leaves the others behind, but
    /// a conference host's leg that ends after the link ends the session.
    fn far_side_left(&self, leg: LegIdx) -> Option<Time> {
        let change = |code| {
            self.changes_of(leg).iter().rev().find(move |change| change.event.status.code == Some(code))
        };
        let gone_at = change(Code::Gone).map(|gone| gone.event.sequence);
        let came_back =
            change(Code::Answered).is_some_and(|answered| Some(answered.event.sequence) > gone_at);
        if self.is_named_by(leg, &[LinkKind::Conference]) {
            return self.last_change(leg, Code::Disconnected);
        }
        let left = self.is_named_by(leg, &[LinkKind::AttendedTransfer, LinkKind::Transfer])
            || (gone_at.is_some() && !came_back);
        self.legs[leg].end.filter(|_| !left)
    }
}

/// A stretch of time without its overlap with another.
fn cut_out(
    (start, end): (Time, Option<Time>),
    from: Time,
    to: Option<Time>,
) -> impl Iterator<Item = (Time, Option<Time>)> {
    let before = (start, Some(end.map_or(from, |end| end.min(from))));
    let after = to.map(|to| (start.max(to), end));
    [Some(before), after].into_iter().flatten().filter(|(start, end)| end.is_none_or(|end| *start < end))
}
