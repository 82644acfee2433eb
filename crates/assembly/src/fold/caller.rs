//! Who made the call, and what was dialled.

use wholecall_record::{ParticipantId, call::Direction};

use super::{
    ids::{ParticipantIdx, SessionIdx},
    people::AttributedCall,
    sides::{CallerShown, own_side},
};
use crate::description::Side;

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

impl<'a> AttributedCall<'a> {
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
            CallerShown::Leg(leg) => self.owners[leg],
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
        let number = self.number_dialled(self.root, self.caller_shown(self.root));
        let person = self.addressed_id().and_then(|id| self.person_with_id(&id));
        Dialled { side: self.side_dialled(), number, person }
    }
}
