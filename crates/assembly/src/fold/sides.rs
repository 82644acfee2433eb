//! Who calls what in one session, taken alone, and which session a call is named after.

use wholecall_notification::Role;
use wholecall_record::{
    ParticipantId,
    call::{Direction, LinkKind},
};

use super::{
    Fold,
    ids::{LegIdx, ParticipantIdx, SessionIdx},
    people::{extension_id, own_side},
};
use crate::{
    description::Side,
    directory::Directory,
    numbers::{is_extension_number, is_star_code},
};

/// The rank of a session among those of its call. The call is named after the session with the first rank; of
/// several, the one that began first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// With a party outside the account.
    Outside,
    /// Between extensions, or to a service of the platform.
    Internal,
    /// A conference bridge.
    Bridge,
    /// A supervisor dialled in to listen.
    Supervising,
}

/// Who made a call.
pub(super) struct Caller<'a> {
    /// `None` if the platform placed the call and the originating leg was not observed.
    pub(super) id: Option<ParticipantId>,
    pub(super) person: Option<ParticipantIdx>,
    pub(super) side: Option<Side<'a>>,
}

/// What was dialled.
pub(super) struct Dialled<'a> {
    /// `from` or `to` of the leg that shows it.
    pub(super) side: Side<'a>,
    /// The number as it was dialled.
    pub(super) number: Option<&'a str>,
    /// The participant that the call was addressed to.
    pub(super) person: Option<ParticipantIdx>,
}

/// What shows the caller of a session.
#[derive(Debug, Clone, Copy)]
enum CallerShown {
    /// The caller's own leg.
    Leg(LegIdx),
    /// `from` of another participant's leg.
    From(LegIdx),
    /// Nothing.
    Nothing,
}

impl<'a> Fold<'a> {
    /// The observed session that the call is named after.
    pub(super) fn find_root(&self) -> Option<SessionIdx> {
        let seen = self.rooms.indices().filter(|&room| self.rooms[room].start.is_some());
        // Rooms are in order of their start.
        let mut seen = seen.peekable();
        let first = *seen.peek()?;
        match self.rooms.len() {
            1 => Some(first),
            _ => seen.min_by_key(|&room| (self.rank(room), room)),
        }
    }

    /// A directory does not change a session's rank: the id of a closed call must not change with it.
    pub(super) fn rank(&self, room: SessionIdx) -> Rank {
        match &self.rooms[room] {
            room if room.is_supervising => Rank::Supervising,
            room if room.is_conference => Rank::Bridge,
            _ => match self.direction_of(room, None) {
                Direction::Inbound | Direction::Outbound => Rank::Outside,
                Direction::Internal => Rank::Internal,
            },
        }
    }

    /// The direction of a session taken alone, as seen from the account.
    pub(super) fn direction_of(&self, room: SessionIdx, directory: Option<&Directory>) -> Direction {
        let shown = self.caller_shown(room);
        let caller_is_ours = match shown {
            CallerShown::Leg(leg) => self.own_extension(&self.legs[leg]).is_some(),
            CallerShown::From(leg) => is_internal(self.legs[leg].description.from, directory),
            // Either a supervisor dialled a service of the platform, or the platform placed the call.
            CallerShown::Nothing if self.rooms[room].session.is_call_out() => return Direction::Outbound,
            CallerShown::Nothing => return Direction::Internal,
        };
        if !caller_is_ours {
            return Direction::Inbound;
        }
        let dialled = self.dialled_side(room, shown);
        let is_internal = match self.first_callee(room, shown) {
            _ if self.number_dialled(room, shown).is_some_and(is_star_code) => true,
            Some(callee) => self.own_extension(&self.legs[callee]).is_some(),
            None => dialled.is_bridge() || is_internal(dialled, directory),
        };
        if is_internal { Direction::Internal } else { Direction::Outbound }
    }

    /// What shows the caller: the originating leg; in a RingOut the initiator's, or what the target's leg names as
    /// its caller; else `from` of the first Inbound leg.
    fn caller_shown(&self, room: SessionIdx) -> CallerShown {
        let legs = || self.rooms[room].legs.clone();
        // A supervisor whose own leg is all that was observed called no one.
        if legs().all(|leg| self.legs[leg].supervises) {
            return CallerShown::Nothing;
        }
        let with_role =
            |role| legs().find(move |&leg| self.legs[leg].description.ring_out_role == Some(role));
        if self.rooms[room].session.is_ring_out() {
            return match (with_role(Role::Initiator), with_role(Role::Target)) {
                (Some(initiator), _) => CallerShown::Leg(initiator),
                (None, Some(target)) => CallerShown::From(target),
                (None, None) => legs().next().map_or(CallerShown::Nothing, CallerShown::Leg),
            };
        }
        if let Some(originator) = self.rooms[room].originator {
            return CallerShown::Leg(originator);
        }
        if self.rooms[room].session.is_call_out() {
            return CallerShown::Nothing;
        }
        let inbound = legs().find(|&leg| self.legs[leg].is_inbound() && !self.legs[leg].supervises);
        match inbound.or_else(|| legs().find(|&leg| self.legs[leg].is_inbound())) {
            Some(leg) => CallerShown::From(leg),
            None => legs().next().map_or(CallerShown::Nothing, CallerShown::Leg),
        }
    }

    fn caller_id(&self, room: SessionIdx, shown: CallerShown) -> Option<ParticipantId> {
        match shown {
            CallerShown::Leg(leg) => Some(self.owner_id(&self.legs[leg])),
            CallerShown::From(leg) => {
                let leg = &self.legs[leg];
                Some(self.side_id(leg.description.from, &self.rooms[room].session.id, leg))
            }
            CallerShown::Nothing => None,
        }
    }

    /// The first Inbound leg that is not the caller's own.
    fn first_callee(&self, room: SessionIdx, shown: CallerShown) -> Option<LegIdx> {
        let caller = self.caller_id(room, shown);
        let callee = |leg: LegIdx| {
            let leg = &self.legs[leg];
            let is_seat = self.rooms[room].is_conference && self.own_extension(leg).is_none();
            leg.is_inbound() && !leg.supervises && !is_seat && Some(self.owner_id(leg)) != caller
        };
        self.rooms[room].legs.clone().find(|&leg| callee(leg))
    }

    /// The side that names what was dialled, if no callee's leg does.
    fn dialled_side(&self, room: SessionIdx, shown: CallerShown) -> Side<'a> {
        let first = self.rooms[room].legs.start();
        let (CallerShown::Leg(leg) | CallerShown::From(leg)) = shown else {
            return self.legs[first].description.to;
        };
        let description = &self.legs[leg].description;
        // The platform rings the initiator of a RingOut as if the number to be dialled were calling.
        let turned = self.rooms[room].session.is_ring_out() && self.legs[leg].is_inbound();
        match shown {
            CallerShown::Leg(_) if turned => description.from,
            _ => description.to,
        }
    }

    /// The number dialled: the originating leg's first `to`; if that leg was not observed, the first Inbound leg's.
    fn number_dialled(&self, room: SessionIdx, shown: CallerShown) -> Option<&'a str> {
        let session = self.rooms[room].session;
        let originated = self.rooms[room].originator.map(|leg| self.legs[leg].key);
        let number = originated.and_then(|leg| session.legs.first_number_dialled(leg));
        let by_callee = || {
            let callee = self.first_callee(room, shown)?;
            session.legs.first_number_dialled(self.legs[callee].key)
        };
        number.or_else(by_callee).or_else(|| self.dialled_side(room, shown).number)
    }

    /// Who made the call.
    pub(super) fn caller(&self) -> Caller<'a> {
        self.caller_of(self.root)
    }

    /// Who began a session.
    pub(super) fn caller_of(&self, room: SessionIdx) -> Caller<'a> {
        let shown = self.caller_shown(room);
        let id = self.caller_id(room, shown);
        let side = match shown {
            CallerShown::Leg(leg) => own_side(&self.legs[leg]),
            CallerShown::From(leg) => Some(self.legs[leg].description.from),
            CallerShown::Nothing => None,
        };
        let person = match shown {
            CallerShown::Leg(leg) => self.legs[leg].person,
            _ => id.as_ref().and_then(|id| self.person_with_id(id)),
        };
        Caller { id, person, side }
    }

    /// The call's direction.
    pub(super) fn direction(&self) -> Direction {
        self.direction_of(self.root, self.input.directory)
    }

    /// What was dialled.
    pub(super) fn dialled(&self) -> Dialled<'a> {
        let shown = self.caller_shown(self.root);
        let callee = self.first_callee(self.root, shown);
        let side = match callee {
            Some(callee) => self.legs[callee].description.to,
            None => self.dialled_side(self.root, shown),
        };
        let person = self.addressed_id().and_then(|id| self.person_with_id(&id));
        Dialled { side, number: self.number_dialled(self.root, shown), person }
    }

    /// The participant that the call was addressed to: the one in `to` of the first Inbound leg, even if it is not
    /// the leg's owner; else the owner. `None` if the notifications do not show it.
    pub(super) fn addressed_id(&self) -> Option<ParticipantId> {
        let shown = self.caller_shown(self.root);
        let number = self.number_dialled(self.root, shown);
        if number.is_some_and(is_star_code) {
            return None;
        }
        let Some(callee) = self.first_callee(self.root, shown) else {
            return self.named_by_dialled_side(shown);
        };
        let leg = &self.legs[callee];
        if !self.is_seen_from_its_start() && self.offered_by(callee).is_none() {
            return None;
        }
        let addressed = leg.description.to.extension;
        if let Some(addressed) = addressed.filter(|addressed| leg.description.extension != Some(*addressed)) {
            return Some(extension_id(addressed));
        }
        let caller_is_outside = match shown {
            CallerShown::Leg(leg) => self.own_extension(&self.legs[leg]).is_none(),
            CallerShown::From(leg) => self.legs[leg].description.from.extension.is_none(),
            CallerShown::Nothing => false,
        };
        match self.own_extension(leg) {
            None if caller_is_outside => self.input.directory?.extension_by_number(number?).map(extension_id),
            _ => Some(self.owner_id(leg)),
        }
    }

    /// Without an Inbound leg: the participant in `to` of the originating leg. An extension only if its id is known.
    fn named_by_dialled_side(&self, shown: CallerShown) -> Option<ParticipantId> {
        let side = self.dialled_side(self.root, shown);
        if matches!(shown, CallerShown::From(_) | CallerShown::Nothing) || side.is_bridge() {
            return None;
        }
        let number = side.identifying_number();
        // If a public number leads to an extension, the platform adds the extension's id; without it the call went
        // outside.
        let short = number.filter(|number| is_extension_number(number, self.input.directory));
        let by_directory = || self.input.directory?.by_extension_number(short?);
        if let Some(extension) = side.extension.or_else(by_directory) {
            return Some(extension_id(extension));
        }
        number.filter(|number| !is_extension_number(number, self.input.directory))?;
        let leg = &self.legs[self.rooms[self.root].legs.start()];
        Some(self.side_id(side, &self.rooms[self.root].session.id, leg))
    }

    /// Whether the root's originating leg was observed.
    pub(super) fn is_seen_by_the_account(&self) -> bool {
        let shown = self.caller_shown(self.root);
        matches!(shown, CallerShown::Leg(leg) if self.rooms[self.root].session.is_ring_out()
            || self.rooms[self.root].originator == Some(leg)
            || self.rooms[self.root].is_conference)
    }

    /// Whether the call was observed from its start: the originating leg, or what follows the caller's first
    /// notification.
    pub(super) fn is_seen_from_its_start(&self) -> bool {
        /// Maximum first sequence number of a callee: 1 is never delivered, 2 is the caller's.
        const FIRST_OF_A_CALLEE: u32 = 3;
        let first = self.rooms[self.root].session.events().next();
        self.is_seen_by_the_account() || first.is_some_and(|event| event.sequence <= FIRST_OF_A_CALLEE)
    }

    /// Whether a link of these kinds leads away from a session.
    pub(super) fn is_left_by(&self, room: SessionIdx, kinds: &[LinkKind]) -> bool {
        self.links.iter().any(|link| kinds.contains(&link.kind) && link.a.room == room)
    }

    /// The extension of the queue that a leg is addressed to, if the leg is not the queue's own.
    pub(super) fn offered_by(&self, leg: LegIdx) -> Option<&'a str> {
        let leg = &self.legs[leg];
        let addressed = leg.description.to.extension.filter(|_| leg.is_inbound())?;
        (self.is_queue(addressed) && self.own_extension(leg) != Some(addressed)).then_some(addressed)
    }
}

/// Whether a side of a call is an extension: it names one, or has an extension number.
fn is_internal(side: Side<'_>, directory: Option<&Directory>) -> bool {
    side.extension.is_some() || side.number.is_some_and(|number| is_extension_number(number, directory))
}

/// Whether a side of a call may be an extension: also by a public number that the directory assigns to one.
pub(super) fn may_be_ours(side: Side<'_>, directory: Option<&Directory>) -> bool {
    let is_listed = |number: &str| directory.is_some_and(|directory| directory.is_account_number(number));
    is_internal(side, directory) || side.number.is_some_and(is_listed)
}
