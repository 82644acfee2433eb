//! Who owns which leg, and what kind of participant it is.

use std::collections::BTreeMap;

use compact_str::CompactString;
use wholecall_notification::{Code, Role};
use wholecall_record::{
    ParticipantId, SessionId, Time,
    call::{Kind, LinkKind},
};

use super::{Fold, legs::Leg};
use crate::description::Side;

/// A participant.
pub(crate) struct Person {
    pub(crate) id: ParticipantId,
    pub(crate) kind: Kind,
    /// False while only the other side's `from` or `to` names it.
    pub(crate) observed: bool,
    pub(crate) number: Option<CompactString>,
    pub(crate) name: Option<CompactString>,
    pub(crate) extension: Option<CompactString>,
    pub(crate) legs: Vec<usize>,
}

/// The side of a session nobody sees, where only the other is visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Implied {
    pub(crate) room: usize,
    /// The visible leg whose `from` or `to` tells of it.
    pub(crate) from_leg: usize,
    /// Calls, or is called.
    pub(crate) is_caller: bool,
    pub(crate) person: usize,
    /// When it is taken to be on the line.
    pub(crate) present: Vec<(Time, Option<Time>)>,
}

impl Implied {
    /// Whether it is on the line just before a time.
    pub(crate) fn is_there_before(&self, time: Time) -> bool {
        self.present.iter().any(|(start, end)| *start < time && end.is_none_or(|end| time <= end))
    }
}

/// A participant in the making, before the people are sorted.
struct Candidate<'s> {
    id: ParticipantId,
    kind: Kind,
    side: Option<&'s Side>,
    leg: Option<usize>,
}

impl<'a> Fold<'a> {
    pub(super) fn find_people(&mut self) {
        let queues = self.queue_extensions();
        for leg in 0..self.legs.len() {
            self.legs[leg].kind = self.kind_of(&self.legs[leg], &queues);
        }
        let implied = self.implied_sides(&queues);
        let mut candidates: Vec<Candidate<'_>> = Vec::with_capacity(self.legs.len() + implied.len());
        for (index, leg) in self.legs.iter().enumerate().filter(|(_, leg)| leg.kind != Kind::Proxy) {
            let id = self.owner_id(leg);
            candidates.push(Candidate { id, kind: leg.kind, side: own_side(leg), leg: Some(index) });
        }
        for &(room, leg, is_caller) in &implied {
            let leg_ref = &self.legs[leg];
            let side = if is_caller { &leg_ref.description.from } else { &leg_ref.description.to };
            let id = side_id(side, &self.rooms[room].session.id, leg_ref);
            let kind = if id.extension_id().is_some() { Kind::User } else { Kind::External };
            candidates.push(Candidate { id, kind, side: Some(side), leg: None });
        }
        let mut by_id: BTreeMap<ParticipantId, Person> = BTreeMap::new();
        for candidate in &candidates {
            let person = by_id.entry(candidate.id.clone()).or_insert_with(|| Person::new(candidate));
            person.add(candidate);
        }
        let index: BTreeMap<ParticipantId, usize> =
            by_id.keys().enumerate().map(|(at, id)| (id.clone(), at)).collect();
        let places: Vec<(Option<usize>, usize)> =
            candidates.iter().map(|candidate| (candidate.leg, index[&candidate.id])).collect();
        drop(candidates);
        self.people = by_id.into_values().collect();
        let mut implied = implied.into_iter();
        for (leg, person) in places {
            match leg {
                Some(leg) => self.legs[leg].person = Some(person),
                None => {
                    if let Some((room, from_leg, is_caller)) = implied.next() {
                        self.implied.push(Implied { room, from_leg, is_caller, person, present: Vec::new() });
                    }
                }
            }
        }
        self.name_from_directory();
    }

    /// Extensions that another leg of the call names as the queue it is offered by, or that the directory
    /// names.
    fn queue_extensions(&self) -> Vec<CompactString> {
        let offers = self.legs.iter().filter(|leg| leg.description.queue_call);
        let mut queues: Vec<CompactString> = offers
            .filter(|leg| leg.description.to.extension != leg.description.extension)
            .filter_map(|leg| leg.description.to.extension.clone())
            .collect();
        queues.sort_unstable();
        queues.dedup();
        queues
    }

    fn directory_kind(&self, extension: &str) -> Option<Kind> {
        self.material.directory?.get(extension)?.kind
    }

    fn is_machine(&self, extension: &str, queues: &[CompactString]) -> bool {
        queues.iter().any(|queue| queue == extension)
            || matches!(self.directory_kind(extension), Some(Kind::Queue | Kind::Menu))
    }

    /// The leg's own extension, if it is one of the account's.
    fn own_extension<'l>(&self, leg: &'l Leg<'_>) -> Option<&'l CompactString> {
        let foreign = match (&leg.description.account, self.material.account) {
            (Some(theirs), Some(ours)) => *theirs != **ours,
            _ => false,
        };
        leg.description.extension.as_ref().filter(|_| !foreign)
    }

    fn kind_of(&self, leg: &Leg<'_>, queues: &[CompactString]) -> Kind {
        if leg.supervises {
            return Kind::Supervisor;
        }
        let Some(extension) = self.own_extension(leg) else {
            return if self.rooms[leg.room].is_conference { Kind::Proxy } else { Kind::External };
        };
        if queues.contains(extension) {
            return Kind::Queue;
        }
        if let Some(kind) = self.directory_kind(extension) {
            return kind;
        }
        let passed_through = leg.codes.only(&[Code::Setup, Code::Disconnected, Code::Other]);
        if leg.is_inbound() && passed_through { Kind::Router } else { Kind::User }
    }

    fn owner_id(&self, leg: &Leg<'_>) -> ParticipantId {
        if let Some(extension) = self.own_extension(leg) {
            return ParticipantId::from(format!("ext:{extension}"));
        }
        let side = if leg.is_inbound() { &leg.description.to } else { &leg.description.from };
        match side.telling_number() {
            Some(number) => ParticipantId::from(format!("tel:{number}")),
            None => anonymous_id(&self.rooms[leg.room].session.id, leg),
        }
    }

    /// Sessions of which only one side is visible, and the leg that tells of the other.
    fn implied_sides(&self, queues: &[CompactString]) -> Vec<(usize, usize, bool)> {
        let mut implied = Vec::new();
        for (index, room) in self.rooms.iter().enumerate() {
            if room.is_conference || room.session.is_ring_out() || room.legs.is_empty() {
                continue;
            }
            let inbound = room.legs.clone().find(|&leg| self.legs[leg].is_inbound() && !self.legs[leg].supervises);
            let (leg, is_caller) = match (room.originator, inbound) {
                (None, Some(leg)) => (leg, true),
                (Some(leg), None) => (leg, false),
                _ => continue,
            };
            let description = &self.legs[leg].description;
            let side = if is_caller { &description.from } else { &description.to };
            let is_machine = side.extension.as_deref().is_some_and(|extension| self.is_machine(extension, queues));
            let nobody = side.extension.is_none() && side.number.is_none() && !is_caller;
            let through_a_door = self.links.iter().any(|link| {
                let by_door = matches!(link.kind, LinkKind::Pickup | LinkKind::Supervising | LinkKind::TakeOver);
                by_door && link.a.room == index
            });
            if !side.is_star_code() && !side.is_bridge() && !is_machine && !nobody && !through_a_door {
                implied.push((index, leg, is_caller));
            }
        }
        implied
    }

    /// Fills names and numbers from the directory.
    fn name_from_directory(&mut self) {
        let Some(directory) = self.material.directory else { return };
        for person in &mut self.people {
            let Some(entry) = person.extension.as_deref().and_then(|extension| directory.get(extension)) else {
                continue;
            };
            if entry.name.is_some() {
                person.name.clone_from(&entry.name);
            }
            if person.number.is_none() {
                person.number.clone_from(&entry.number);
            }
        }
    }

    pub(super) fn is_person(&self, person: Option<usize>) -> bool {
        person.is_some_and(|person| self.people[person].kind.is_person())
    }

    /// Who made the call: the owner of the root's originating leg; if that was not seen, `from` of its
    /// first Inbound leg; in a RingOut the initiator.
    pub(super) fn caller(&self) -> Caller<'_> {
        let room = &self.rooms[self.root];
        let legs = || room.legs.clone();
        let initiator = || legs().find(|&leg| self.legs[leg].description.ring_out_role == Some(Role::Initiator));
        let leg = match room.session.is_ring_out() {
            true => initiator().or_else(|| legs().next()),
            false => room.originator,
        };
        if let Some(leg) = leg {
            return self.owner_as_caller(leg);
        }
        match legs().find(|&leg| self.legs[leg].is_inbound()) {
            Some(leg) => {
                let leg = &self.legs[leg];
                let id = side_id(&leg.description.from, &room.session.id, leg);
                Caller { person: self.person_with_id(&id), id, side: Some(&leg.description.from) }
            }
            None => self.owner_as_caller(room.legs.start),
        }
    }

    fn owner_as_caller(&self, leg: usize) -> Caller<'_> {
        let leg = &self.legs[leg];
        Caller { id: self.owner_id(leg), person: leg.person, side: own_side(leg) }
    }

    pub(super) fn person_with_id(&self, id: &ParticipantId) -> Option<usize> {
        self.people.binary_search_by(|person| person.id.cmp(id)).ok()
    }
}

/// Who made the call.
pub(super) struct Caller<'f> {
    pub(super) id: ParticipantId,
    pub(super) person: Option<usize>,
    pub(super) side: Option<&'f Side>,
}

/// The side of a leg that describes its owner.
pub(super) fn own_side<'l>(leg: &'l Leg<'_>) -> Option<&'l Side> {
    let (own, other) = match leg.is_inbound() {
        true => (&leg.description.to, &leg.description.from),
        false => (&leg.description.from, &leg.description.to),
    };
    // An agent's leg is addressed to the queue; a switched leg turns around.
    let extension = &leg.description.extension;
    let names_owner = |side: &&Side| match &side.extension {
        _ if extension.is_none() => true,
        Some(_) => side.extension == *extension,
        None => std::ptr::eq(*side, own) && !leg.description.queue_call,
    };
    [own, other].into_iter().find(names_owner)
}

fn side_id(side: &Side, session: &SessionId, leg: &Leg<'_>) -> ParticipantId {
    match (&side.extension, side.telling_number()) {
        (Some(extension), _) => ParticipantId::from(format!("ext:{extension}")),
        (None, Some(number)) => ParticipantId::from(format!("tel:{number}")),
        (None, None) => anonymous_id(session, leg),
    }
}

fn anonymous_id(session: &SessionId, leg: &Leg<'_>) -> ParticipantId {
    ParticipantId::from(format!("anon:{session}/{}", leg.store.id))
}

impl Person {
    fn new(candidate: &Candidate<'_>) -> Self {
        Self {
            id: candidate.id.clone(),
            kind: candidate.kind,
            observed: false,
            number: None,
            name: None,
            extension: candidate.id.extension_id().map(CompactString::from),
            legs: Vec::new(),
        }
    }

    fn add(&mut self, candidate: &Candidate<'_>) {
        // A participant with legs of several kinds is a user if any says so.
        self.kind = self.kind.min(candidate.kind);
        if let Some(leg) = candidate.leg {
            self.observed = true;
            self.legs.push(leg);
        }
        let Some(side) = candidate.side else { return };
        if self.number.as_deref().is_none_or(|number| !number.starts_with('+'))
            && let Some(number) = side.telling_number()
        {
            // A full number tells more than a short one.
            if self.number.is_none() || number.starts_with('+') {
                self.number = Some(CompactString::from(number));
            }
        }
        if self.name.is_none() {
            self.name.clone_from(&side.name);
        }
    }
}
