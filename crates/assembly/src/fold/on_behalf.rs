//! Outside phones that ring on behalf of a user: find-me, forwarding to a mobile, a flip to a mobile.

use wholecall_notification::Reason;
use wholecall_record::call::{Kind, MoveKind};

use super::{
    Fold,
    ids::{ChangeIdx, LegIdx, ParticipantIdx},
    people::OnBehalfOf,
};

impl Fold<'_> {
    /// Finds the user on whose behalf an outside leg rings: the one whose Inbound leg of its session is open when it
    /// begins, if no transfer or forward leads to it. If there are several, the one for whom the directory lists the
    /// number.
    pub(super) fn find_on_behalf(&mut self) {
        let is_outside = |leg: &super::Leg<'_>| leg.kind == Kind::External && leg.is_inbound();
        let has_users = self.legs.iter().any(|leg| leg.kind == Kind::User && leg.is_inbound());
        if !has_users || !self.legs.iter().any(is_outside) {
            return;
        }
        let led_to = self.legs_moved_to();
        for index in self.legs.indices() {
            let Some(person) = self.legs[index].person.filter(|_| is_outside(&self.legs[index])) else {
                continue;
            };
            if led_to.contains(&index) || self.people[person].on_behalf_of.is_some() {
                continue;
            }
            self.people[person].on_behalf_of = self.rings_for(index, self.flipped_by(index));
        }
    }

    /// The legs to which a transfer or a forward leads.
    pub(super) fn legs_moved_to(&self) -> Vec<LegIdx> {
        let mut legs = Vec::new();
        for leg in self.legs.indices() {
            for at in self.legs[leg].changes.clone() {
                if let Some(MoveKind::BlindTransfer | MoveKind::Forward) = self.hand_on_kind(leg, at) {
                    legs.extend(self.next_leg(leg, at));
                }
            }
        }
        legs
    }

    /// The user who flipped the call to a leg.
    fn flipped_by(&self, outside: LegIdx) -> Option<ParticipantIdx> {
        let legs = self.rooms[self.legs[outside].room].legs.clone();
        let is_flip = |leg: LegIdx, at: ChangeIdx| {
            self.changes[at].event.status.reason == Some(Reason::CallFlip)
                && self.flipped_to(leg, at) == Some(outside)
        };
        let flips = |&leg: &LegIdx| self.legs[leg].changes.clone().any(|at| is_flip(leg, at));
        let by = legs.filter(|&leg| self.legs[leg].kind == Kind::User).find(flips)?;
        self.legs[by].person
    }

    fn rings_for(&self, outside: LegIdx, flipped_by: Option<ParticipantIdx>) -> Option<OnBehalfOf> {
        let leg = &self.legs[outside];
        let caller = self.caller_of(leg.room).person;
        let handled = |&other: &LegIdx| {
            let user = &self.legs[other];
            user.kind == Kind::User
                && (user.is_inbound() || self.continues_another(other))
                && user.first_sequence < leg.first_sequence
                && user.end.is_none_or(|end| end > leg.start)
                && user.person != caller
        };
        let handled_by: Vec<ParticipantIdx> = self.rooms[leg.room]
            .legs
            .clone()
            .filter(handled)
            .filter_map(|user| self.legs[user].person)
            .collect();
        let mut users = flipped_by.map_or(handled_by, |user| vec![user]);
        users.sort_unstable();
        users.dedup();
        let number = self.people[leg.person?].number.as_deref();
        let is_listed = |user: ParticipantIdx| {
            let extension = self.people[user].extension.as_deref();
            let directory = self.input.directory;
            directory
                .zip(extension.zip(number))
                .is_some_and(|(directory, (extension, number))| directory.forwards_to(extension, number))
        };
        let mut listed = users.iter().copied().filter(|&user| is_listed(user));
        match (listed.next(), listed.next(), &users[..]) {
            _ if caller == leg.person => None,
            (Some(user), None, _) => Some(OnBehalfOf { user, is_listed: true }),
            (None, _, &[user]) => Some(OnBehalfOf { user, is_listed: false }),
            _ => None,
        }
    }

    /// The user for whom a participant's phone rings, else the participant.
    pub(super) fn user_behind(&self, person: ParticipantIdx) -> ParticipantIdx {
        self.people[person].on_behalf_of.map_or(person, |behalf| behalf.user)
    }

    /// Whether a leg rings on behalf of another participant.
    pub(super) fn is_on_behalf(&self, leg: LegIdx) -> bool {
        self.legs[leg].person.is_some_and(|person| self.people[person].on_behalf_of.is_some())
    }
}
