//! Who calls what in one session, taken alone, and which session a call is named after.

use wholecall_notification::Role;
use wholecall_record::ShortText;
use wholecall_record::{AccountId, ParticipantId, SessionId, call::Direction, phone::is_star_code};

use super::{
    ids::{LegIdx, SessionIdx},
    input::FoldInput,
    legs::{Leg, ObservedCall},
};
use crate::{
    description::Side,
    directory::Directory,
    index::Idx,
    numbers::{is_extension_number, number_without_code},
    rank::Rank,
    session::Session,
};

/// What shows the caller of a session.
#[derive(Debug, Clone, Copy)]
pub(super) enum CallerShown {
    /// The caller's own leg.
    Leg(LegIdx),
    /// `from` of another participant's leg.
    From(LegIdx),
    /// Nothing.
    Nothing,
}

/// The rank of a session among those of its call.
pub(crate) fn rank_of(session: &Session, account: Option<&AccountId>) -> Rank {
    let input = FoldInput { account, sessions: vec![session], ..FoldInput::default() };
    ObservedCall::new(input).rank(SessionIdx::new(0))
}

impl<'a> ObservedCall<'a> {
    /// The observed session that the call is named after.
    pub(super) fn root(&self) -> Option<SessionIdx> {
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
    fn rank(&self, room: SessionIdx) -> Rank {
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
    pub(super) fn caller_shown(&self, room: SessionIdx) -> CallerShown {
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

    pub(super) fn caller_id(&self, room: SessionIdx, shown: CallerShown) -> Option<ParticipantId> {
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
    pub(super) fn first_callee(&self, room: SessionIdx, shown: CallerShown) -> Option<LegIdx> {
        let caller = self.caller_id(room, shown);
        let callee = |leg: LegIdx| {
            let leg = &self.legs[leg];
            let is_seat = self.rooms[room].is_conference && self.own_extension(leg).is_none();
            leg.is_inbound() && !leg.supervises && !is_seat && Some(self.owner_id(leg)) != caller
        };
        self.rooms[room].legs.clone().find(|&leg| callee(leg))
    }

    /// The side that names what was dialled, if no callee's leg does.
    pub(super) fn dialled_side(&self, room: SessionIdx, shown: CallerShown) -> Side<'a> {
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
    pub(super) fn number_dialled(&self, room: SessionIdx, shown: CallerShown) -> Option<&'a str> {
        let session = self.rooms[room].session;
        let originated = self.rooms[room].originator.map(|leg| self.legs[leg].key);
        let number = originated.and_then(|leg| session.legs.first_number_dialled(leg));
        let by_callee = || {
            let callee = self.first_callee(room, shown)?;
            session.legs.first_number_dialled(self.legs[callee].key)
        };
        number.or_else(by_callee).or_else(|| self.dialled_side(room, shown).number)
    }

    /// The leg's own extension, if it is one of the account's.
    pub(super) fn own_extension(&self, leg: &Leg<'a>) -> Option<&'a str> {
        let foreign = match (leg.description.account, self.input.account) {
            (Some(theirs), Some(ours)) => *theirs != **ours,
            _ => false,
        };
        leg.description.extension.filter(|_| !foreign)
    }

    pub(super) fn owner_id(&self, leg: &Leg<'a>) -> ParticipantId {
        if let Some(extension) = self.own_extension(leg) {
            return extension_id(extension);
        }
        let side = if leg.is_inbound() { leg.description.to } else { leg.description.from };
        match side.identifying_number() {
            Some(number) => with_prefix("tel:", number),
            None => anonymous_id(&self.rooms[leg.room].session.id, leg),
        }
    }

    /// The participant that a side of a leg names.
    pub(super) fn side_id(&self, side: Side<'_>, session: &SessionId, leg: &Leg<'_>) -> ParticipantId {
        let number = side.identifying_number();
        let directory = self.input.directory;
        let short = number.filter(|number| is_extension_number(number, directory));
        let by_number = || directory?.by_extension_number(short?);
        match (side.extension.or_else(by_number), number) {
            (Some(extension), _) => extension_id(extension),
            (None, Some(number)) => with_prefix("tel:", &number_without_code(number)),
            (None, None) => anonymous_id(session, leg),
        }
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

/// The side of a leg that describes its owner.
pub(super) fn own_side<'a>(leg: &Leg<'a>) -> Option<Side<'a>> {
    let (own, other) = match leg.is_inbound() {
        true => (leg.description.to, leg.description.from),
        false => (leg.description.from, leg.description.to),
    };
    let Some(extension) = leg.description.extension else { return Some(own) };
    // An agent's leg is addressed to the queue; the sides of a switched leg may be exchanged.
    match (own.extension, other.extension) {
        (Some(named), _) if named == extension => Some(own),
        (_, Some(named)) if named == extension => Some(other),
        (None, _) if !leg.description.queue_call => Some(own),
        _ => None,
    }
}

pub(super) fn anonymous_id(session: &SessionId, leg: &Leg<'_>) -> ParticipantId {
    ParticipantId::from(format!("anon:{session}/{}", leg.party))
}

pub(super) fn extension_id(extension: &str) -> ParticipantId {
    with_prefix("ext:", extension)
}

fn with_prefix(prefix: &str, text: &str) -> ParticipantId {
    let mut id = ShortText::from(prefix);
    id.push_str(text);
    ParticipantId::from(id.as_str())
}
