//! Parties that were not observed: if only one side of a session is visible, the legs' `from` or `to` names the
//! other.

use wholecall_notification::{Code, Reason, Role};
use wholecall_record::{
    ParticipantId, Time,
    call::{Kind, LinkKind},
};

use super::{
    ids::{LegIdx, ParticipantIdx, SessionIdx},
    kinds::ClassifiedCall,
    links::LinkedCall,
    sides::may_be_ours,
};
use crate::description::Side;

/// The far side of a session, for some time.
#[derive(Debug, Clone, Copy)]
pub(super) struct FarSide {
    room: SessionIdx,
    /// The visible leg whose `from` or `to` names the far side.
    from_leg: LegIdx,
    /// Whether it is the caller.
    is_caller: bool,
    /// When the party came to the far side. `None` for the one that is named first.
    since: Option<Time>,
    /// When another takes its place.
    until: Option<Time>,
    /// False for a callee within the account: it is not shown whether its phone was answered.
    can_be_heard: bool,
}

/// A far side and the participant that it names.
pub(super) struct NamedFarSide<'a> {
    pub(super) id: ParticipantId,
    pub(super) kind: Kind,
    pub(super) side: Option<Side<'a>>,
    pub(super) far_side: FarSide,
}

/// A participant at the far side of a session, for some time.
#[derive(Debug, Clone, Copy)]
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
}

impl InferredParty {
    pub(super) fn new(side: FarSide, person: ParticipantIdx) -> Self {
        let FarSide { room, from_leg, is_caller, since, until, can_be_heard } = side;
        Self { room, from_leg, is_caller, person, since, until, can_be_heard }
    }
}

impl<'a> ClassifiedCall<'a> {
    /// The far side of each session of which only one side is visible.
    pub(super) fn far_sides(&self) -> Vec<NamedFarSide<'a>> {
        let mut far_sides = Vec::new();
        for room in self.rooms.indices() {
            let Some((from_leg, is_caller)) = self.one_sided(room) else { continue };
            let leg = &self.legs[from_leg];
            let side = if is_caller { leg.description.from } else { leg.description.to };
            let id = self.side_id(side, &self.rooms[room].session.id, leg);
            let is_ours = id.extension_id().is_some() || may_be_ours(side, self.input.directory);
            let kind = if is_ours { Kind::User } else { Kind::External };
            let changes = self.other_side_changes(room);
            let far_side = FarSide {
                room,
                from_leg,
                is_caller,
                since: None,
                until: changes.first().map(|(time, _)| *time),
                can_be_heard: is_caller || !is_ours,
            };
            // A short number without a directory names no participant.
            if is_caller || !is_ours || id.extension_id().is_some() {
                far_sides.push(NamedFarSide { id, kind, side: Some(side), far_side });
            }
            for (at, (since, id)) in changes.iter().enumerate() {
                let until = changes.get(at + 1).map(|(time, _)| *time);
                let far_side = FarSide { since: Some(*since), until, can_be_heard: true, ..far_side };
                far_sides.push(NamedFarSide { id: id.clone(), kind: Kind::Unknown, side: None, far_side });
            }
        }
        far_sides
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
        let is_unnamed = side.extension.is_none() && side.number.is_none() && !is_caller;
        let is_behind_a_door =
            self.is_left_by(room, &[LinkKind::Pickup, LinkKind::Supervising, LinkKind::TakeOver]);
        let none = side.is_star_code() || side.is_bridge() || is_machine || is_unnamed || is_behind_a_door;
        (!none).then_some((from_leg, is_caller))
    }
}

impl LinkedCall<'_> {
    /// Whether only legs of a RingOut's target were observed: the platform rings them once the initiator is
    /// connected.
    fn is_target_only(&self, room: SessionIdx) -> bool {
        let mut roles = self.rooms[room].legs.clone().map(|leg| self.legs[leg].description.ring_out_role);
        roles.clone().any(|role| role == Some(Role::Target))
            && !roles.any(|role| role == Some(Role::Initiator))
    }

    /// When another party took the place at the far side of a session: a visible leg is `Answered` with the reason
    /// `AttendedTransfer`, and no link of the session shows the new party. Each gets an id of its own.
    fn other_side_changes(&self, room: SessionIdx) -> Vec<(Time, ParticipantId)> {
        if self.is_linked(room) {
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
}
