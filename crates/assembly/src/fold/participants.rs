//! The list of participants: who takes part, in which roles, and for how long.

use wholecall_record::{
    ParticipantId,
    call::{MoveKind, Participant, Role},
};

use super::{
    caller::{Caller, Dialled},
    ids::{LegIdx, ParticipantIdx},
    mentions::supervisors_of,
    pipeline::Fold,
    stretches::{Counted, Stretches, of_kind},
};
use crate::index::IdxVec;

impl Fold<'_> {
    pub(super) fn participants(
        &self,
        caller: &Caller<'_>,
        dialled: &Dialled<'_>,
        stretches: &IdxVec<LegIdx, Stretches>,
    ) -> Vec<Participant> {
        let mut roles: IdxVec<ParticipantIdx, Roles> = IdxVec::filled(Roles::default(), self.people.len());
        let mut add = |person: Option<ParticipantIdx>, role: Role| {
            if let Some(person) = person {
                roles[person].add(role);
            }
        };
        add(caller.person, Role::Caller);
        add(dialled.person, Role::Callee);
        for (index, leg) in self.legs.iter_enumerated() {
            if self.offering_queue(index).is_some() {
                add(self.owners[index], Role::Agent);
            }
            if leg.supervises {
                add(self.owners[index], Role::Monitor);
            }
        }
        for detected in &self.moves {
            let (by, target) = roles_of(detected.kind);
            by.into_iter().for_each(|role| add(detected.by, role));
            target.into_iter().for_each(|role| add(detected.target, role));
        }
        let of_legs = |legs: &[LegIdx], kind: Counted| {
            self.union(legs.iter().flat_map(|&leg| of_kind(&stretches[leg], kind)))
        };
        let conversations_of = |person: ParticipantIdx| {
            let conversations =
                self.conversations.iter().filter(move |conversation| conversation.people.contains(&person));
            conversations.map(|conversation| (conversation.start, conversation.end))
        };
        self.people
            .iter_enumerated()
            .map(|(index, person)| Participant {
                id: person.id.clone(),
                kind: person.kind,
                phone_number: person.number.clone(),
                extension_number: person.extension_number.clone(),
                extension_id: person.extension.clone(),
                name: person.name.clone(),
                display_name: person.display_name(),
                on_behalf_of: self.person_id(self.on_behalf.of(index).map(|behalf| behalf.user)),
                inferred: self.on_behalf.of(index).is_some_and(|behalf| !behalf.is_listed)
                    || self
                        .conversations
                        .iter()
                        .any(|conversation| conversation.inferred && conversation.people.contains(&index)),
                observed: person.observed,
                roles: roles[index].list(),
                legs: person.legs.iter().map(|&leg| self.leg_id(leg)).collect(),
                ring_ms: of_legs(&person.legs, Counted::Ring),
                talk_ms: self.union(conversations_of(index)),
                hold_ms: of_legs(&person.legs, Counted::Hold),
            })
            .collect()
    }

    /// The supervisors who listened.
    pub(super) fn monitors(&self) -> Vec<ParticipantId> {
        let supervising = self.legs.iter_enumerated().filter(|(_, leg)| leg.supervises);
        let own = supervising.filter_map(|(index, _)| self.owners[index]);
        let mut monitors: Vec<ParticipantId> = own.map(|person| self.people[person].id.clone()).collect();
        for session in &self.input.listeners {
            monitors.extend(supervisors_of(session));
        }
        monitors.sort_unstable();
        monitors.dedup();
        monitors
    }
}

/// A set of roles.
#[derive(Debug, Clone, Copy, Default)]
struct Roles(u16);

impl Roles {
    fn add(&mut self, role: Role) {
        self.0 |= 1 << role as u16;
    }

    fn list(self) -> Vec<Role> {
        Role::ALL.iter().copied().filter(|role| self.0 & 1 << *role as u16 != 0).collect()
    }
}

/// The roles that a move gives to the participant who made it and to its target.
fn roles_of(kind: MoveKind) -> (Option<Role>, Option<Role>) {
    match kind {
        MoveKind::AttendedTransfer | MoveKind::BlindTransfer | MoveKind::Transfer => {
            (Some(Role::Transferor), Some(Role::TransferTarget))
        }
        MoveKind::Conference => (Some(Role::ConferenceHost), Some(Role::ConferenceMember)),
        MoveKind::Forward => (Some(Role::Forwarder), Some(Role::ForwardTarget)),
        MoveKind::Park => (Some(Role::Parker), None),
        MoveKind::Retrieve => (Some(Role::Retriever), None),
        MoveKind::Pickup => (Some(Role::Picker), None),
        MoveKind::TakeOver => (Some(Role::TakeOver), None),
        MoveKind::Switch | MoveKind::Flip => (None, None),
    }
}
