//! Outside phones that ring on behalf of a user: find-me, forwarding to a mobile, a flip to a mobile.

use wholecall_notification::Reason;
use wholecall_record::call::Kind;

use super::{
    ids::{ChangeIdx, LegIdx, ParticipantIdx},
    spans::TimedCall,
};
use crate::index::IdxVec;

/// For whom the outside phones of a call ring. Empty if none rings for a user.
#[derive(Debug)]
pub(crate) struct OnBehalf(IdxVec<ParticipantIdx, Option<OnBehalfOf>>);

/// For whom an outside phone rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OnBehalfOf {
    pub(crate) user: ParticipantIdx,
    /// Whether the directory lists the number as the user's.
    pub(crate) is_listed: bool,
}

impl OnBehalf {
    /// For whom a participant's phone rings. `None` if it rings for the participant.
    pub(super) fn of(&self, person: ParticipantIdx) -> Option<OnBehalfOf> {
        self.0.get(person).copied().flatten()
    }

    /// Whether the owner of a leg has a phone that rings for another.
    pub(super) fn includes(&self, owner: Option<ParticipantIdx>) -> bool {
        owner.is_some_and(|owner| self.of(owner).is_some())
    }

    /// The user for whom a participant's phone rings, else the participant.
    pub(super) fn user_behind(&self, person: ParticipantIdx) -> ParticipantIdx {
        self.of(person).map_or(person, |behalf| behalf.user)
    }
}

impl TimedCall<'_> {
    /// Finds the user on whose behalf an outside leg rings: the one whose Inbound leg of its session is open when it
    /// begins, if no transfer or forward leads to it. If there are several, the one for whom the directory lists the
    /// number.
    pub(super) fn find_on_behalf(&self) -> OnBehalf {
        let mut on_behalf = OnBehalf(IdxVec::new());
        let is_inbound = |leg: LegIdx, kind| self.kinds[leg] == kind && self.legs[leg].is_inbound();
        let any_inbound = |kind| self.legs.indices().any(|leg| is_inbound(leg, kind));
        if !any_inbound(Kind::User) || !any_inbound(Kind::External) {
            return on_behalf;
        }
        on_behalf.0 = IdxVec::filled(None, self.people.len());
        let moved_to = self.legs_moved_to();
        for index in self.legs.indices().filter(|&leg| is_inbound(leg, Kind::External)) {
            let Some(person) = self.owners[index] else { continue };
            if !moved_to.contains(&index) && on_behalf.0[person].is_none() {
                on_behalf.0[person] = self.rings_for(index, self.flipped_by(index));
            }
        }
        on_behalf
    }

    /// The user who flipped the call to a leg.
    fn flipped_by(&self, outside: LegIdx) -> Option<ParticipantIdx> {
        let legs = self.rooms[self.legs[outside].room].legs.clone();
        let is_flip = |leg: LegIdx, at: ChangeIdx| {
            self.changes[at].event.status.reason == Some(Reason::CallFlip)
                && self.flipped_to(leg, at) == Some(outside)
        };
        let flips = |&leg: &LegIdx| self.legs[leg].changes.clone().any(|at| is_flip(leg, at));
        let by = legs.filter(|&leg| self.kinds[leg] == Kind::User).find(flips)?;
        self.owners[by]
    }

    fn rings_for(&self, outside: LegIdx, flipped_by: Option<ParticipantIdx>) -> Option<OnBehalfOf> {
        let (leg, owner) = (&self.legs[outside], self.owners[outside]);
        let caller = self.caller_of(leg.room).person;
        let handled = |&other: &LegIdx| {
            let user = &self.legs[other];
            self.kinds[other] == Kind::User
                && (user.is_inbound() || self.continues_another(other))
                && user.first_sequence < leg.first_sequence
                && self.states[other].end.is_none_or(|end| end > leg.start)
                && self.owners[other] != caller
        };
        let handled_by: Vec<ParticipantIdx> =
            self.rooms[leg.room].legs.clone().filter(handled).filter_map(|user| self.owners[user]).collect();
        let mut users = flipped_by.map_or(handled_by, |user| vec![user]);
        users.sort_unstable();
        users.dedup();
        let number = self.people[owner?].number.as_deref();
        let is_listed = |user: ParticipantIdx| {
            let extension = self.people[user].extension.as_deref();
            let directory = self.input.directory;
            directory
                .zip(extension.zip(number))
                .is_some_and(|(directory, (extension, number))| directory.forwards_to(extension, number))
        };
        let mut listed = users.iter().copied().filter(|&user| is_listed(user));
        match (listed.next(), listed.next(), &users[..]) {
            _ if caller == owner => None,
            (Some(user), None, _) => Some(OnBehalfOf { user, is_listed: true }),
            (None, _, &[user]) => Some(OnBehalfOf { user, is_listed: false }),
            _ => None,
        }
    }
}
