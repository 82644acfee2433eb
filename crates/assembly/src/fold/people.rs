//! Who owns which leg, and what kind of participant it is.

use compact_str::CompactString;
use smallvec::SmallVec;
use wholecall_notification::{Code, Role};
use wholecall_record::{
    ParticipantId, SessionId, Time,
    call::{Kind, LinkKind},
};

use super::{Fold, legs::Leg};
use crate::{description::Side, directory::Entry};

/// A participant.
pub(crate) struct Person {
    pub(crate) id: ParticipantId,
    pub(crate) kind: Kind,
    /// False while only others' `from` or `to` name it.
    pub(crate) observed: bool,
    pub(crate) number: Option<CompactString>,
    pub(crate) name: Option<CompactString>,
    pub(crate) extension: Option<CompactString>,
    pub(crate) legs: SmallVec<[usize; 4]>,
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

/// What one leg, or one implied side, tells of a participant.
struct Mention<'a> {
    id: ParticipantId,
    kind: Kind,
    side: Option<Side<'a>>,
    by: Mentioned,
}

enum Mentioned {
    Leg(usize),
    /// The offer of a queue that has no leg.
    Offer,
    Implied {
        room: usize,
        from_leg: usize,
        is_caller: bool,
    },
}

impl<'a> Fold<'a> {
    pub(super) fn find_people(&mut self) {
        let queues = self.queue_extensions();
        for leg in 0..self.legs.len() {
            self.legs[leg].kind = self.kind_of(&self.legs[leg], &queues);
        }
        let mut mentions: Vec<Mention<'a>> = Vec::with_capacity(self.legs.len() + 1);
        for (index, leg) in self.legs.iter().enumerate().filter(|(_, leg)| leg.kind != Kind::Proxy) {
            let (id, side) = (self.owner_id(leg), own_side(leg));
            mentions.push(Mention { id, kind: leg.kind, side, by: Mentioned::Leg(index) });
        }
        self.mention_implied_sides(&queues, &mut mentions);
        self.mention_unseen_queues(&queues, &mut mentions);
        // Equal ids stay in order of their legs.
        mentions.sort_by(|a, b| a.id.cmp(&b.id));
        self.people.reserve_exact(mentions.len());
        for mention in mentions {
            if self.people.last().is_none_or(|last| last.id != mention.id) {
                self.people.push(Person::new(&mention));
            }
            let index = self.people.len() - 1;
            let person = &mut self.people[index];
            person.hear(&mention);
            match mention.by {
                Mentioned::Leg(leg) => {
                    person.legs.push(leg);
                    person.observed = true;
                    self.legs[leg].person = Some(index);
                }
                Mentioned::Offer => {}
                Mentioned::Implied { room, from_leg, is_caller } => {
                    self.implied.push(Implied {
                        room,
                        from_leg,
                        is_caller,
                        person: index,
                        present: Vec::new(),
                    });
                }
            }
        }
        self.name_from_directory();
    }

    /// Extensions that another leg of the call names as the queue it is offered by, or that the directory
    /// names.
    fn queue_extensions(&self) -> Vec<&'a str> {
        let offers = self.legs.iter().map(|leg| &leg.description).filter(|offer| offer.queue_call);
        let mut queues: Vec<&str> = offers
            .filter(|offer| offer.to.extension != offer.extension)
            .filter_map(|offer| offer.to.extension)
            .collect();
        queues.sort_unstable();
        queues.dedup();
        queues
    }

    fn listed(&self, extension: &str) -> Option<&'a Entry> {
        self.material.directory?.get(extension)
    }

    fn is_machine(&self, extension: &str, queues: &[&str]) -> bool {
        let kind = || self.listed(extension)?.kind?.record_kind();
        queues.contains(&extension) || matches!(kind(), Some(Kind::Queue | Kind::Menu))
    }

    /// The leg's own extension, if it is one of the account's.
    fn own_extension(&self, leg: &Leg<'a>) -> Option<&'a str> {
        let foreign = match (leg.description.account, self.material.account) {
            (Some(theirs), Some(ours)) => *theirs != **ours,
            _ => false,
        };
        leg.description.extension.filter(|_| !foreign)
    }

    fn kind_of(&self, leg: &Leg<'a>, queues: &[&str]) -> Kind {
        if leg.supervises {
            return Kind::Supervisor;
        }
        let Some(extension) = self.own_extension(leg) else {
            return if self.rooms[leg.room].is_conference { Kind::Proxy } else { Kind::External };
        };
        if queues.contains(&extension) {
            return Kind::Queue;
        }
        let entry = self.listed(extension);
        if let Some(kind) = entry.and_then(|entry| entry.kind?.record_kind()) {
            return kind;
        }
        let passed_through = leg.codes.only(&[Code::Setup, Code::Disconnected, Code::Other]);
        match leg.is_inbound() && passed_through {
            // What is known to be nobody's and hands the call on (an announcement, a site's greeting) is a menu to it.
            true if entry.is_some() => Kind::Menu,
            true => Kind::Router,
            false => Kind::User,
        }
    }

    fn owner_id(&self, leg: &Leg<'a>) -> ParticipantId {
        if let Some(extension) = self.own_extension(leg) {
            return extension_id(extension);
        }
        let side = if leg.is_inbound() { leg.description.to } else { leg.description.from };
        match side.telling_number() {
            Some(number) => with_prefix("tel:", number),
            None => anonymous_id(&self.rooms[leg.room].session.id, leg),
        }
    }

    /// Sessions of which only one side is visible: the other is whom that side's `from` or `to` names.
    fn mention_implied_sides(&self, queues: &[&str], mentions: &mut Vec<Mention<'a>>) {
        for (index, room) in self.rooms.iter().enumerate() {
            if room.is_conference || room.session.is_ring_out() || room.legs.is_empty() {
                continue;
            }
            let mut inbound =
                room.legs.clone().filter(|&leg| self.legs[leg].is_inbound() && !self.legs[leg].supervises);
            let (from_leg, is_caller) = match (room.originator, inbound.next()) {
                (None, Some(leg)) => (leg, true),
                (Some(leg), None) => (leg, false),
                _ => continue,
            };
            let leg = &self.legs[from_leg];
            let side = if is_caller { leg.description.from } else { leg.description.to };
            let is_machine = side.extension.is_some_and(|extension| self.is_machine(extension, queues));
            let is_nobody = side.extension.is_none() && side.number.is_none() && !is_caller;
            let is_behind_a_door = self.links.iter().any(|link| {
                let by_door =
                    matches!(link.kind, LinkKind::Pickup | LinkKind::Supervising | LinkKind::TakeOver);
                by_door && link.a.room == index
            });
            if side.is_star_code() || side.is_bridge() || is_machine || is_nobody || is_behind_a_door {
                continue;
            }
            let id = side_id(side, &room.session.id, leg);
            let kind = if id.extension_id().is_some() { Kind::User } else { Kind::External };
            let by = Mentioned::Implied { room: index, from_leg, is_caller };
            mentions.push(Mention { id, kind, side: Some(side), by });
        }
    }

    /// Queues whose own leg was not seen take part all the same: they are known by what they offered. They are
    /// nowhere on the line.
    fn mention_unseen_queues(&self, queues: &[&str], mentions: &mut Vec<Mention<'a>>) {
        for &queue in queues {
            let has_leg = self.legs.iter().any(|leg| self.own_extension(leg) == Some(queue));
            let offers =
                |leg: &&Leg<'_>| leg.description.queue_call && leg.description.to.extension == Some(queue);
            let Some(offer) = self.legs.iter().find(offers).filter(|_| !has_leg) else { continue };
            let (id, side) = (extension_id(queue), Some(offer.description.to));
            mentions.push(Mention { id, kind: Kind::Queue, side, by: Mentioned::Offer });
        }
    }

    /// Fills names and numbers from the directory.
    fn name_from_directory(&mut self) {
        let Some(directory) = self.material.directory else { return };
        for person in &mut self.people {
            let Some(extension) = person.extension.as_deref() else { continue };
            if let Some(name) = directory.name_of(extension) {
                person.name = Some(name.clone());
            }
            if person.number.is_none() {
                let entry = directory.get(extension);
                person.number = entry.and_then(|entry| entry.extension_number.clone());
            }
        }
    }

    pub(super) fn is_person(&self, person: Option<usize>) -> bool {
        person.is_some_and(|person| self.people[person].kind.is_person())
    }

    /// Who made the call: the owner of the root's originating leg; if that was not seen, `from` of its
    /// first Inbound leg; in a RingOut the initiator.
    pub(super) fn caller(&self) -> Caller<'a> {
        let room = &self.rooms[self.root];
        let legs = || room.legs.clone();
        let initiator =
            || legs().find(|&leg| self.legs[leg].description.ring_out_role == Some(Role::Initiator));
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
                let id = side_id(leg.description.from, &room.session.id, leg);
                Caller { person: self.person_with_id(&id), id, side: Some(leg.description.from) }
            }
            None => self.owner_as_caller(room.legs.start),
        }
    }

    fn owner_as_caller(&self, leg: usize) -> Caller<'a> {
        let leg = &self.legs[leg];
        Caller { id: self.owner_id(leg), person: leg.person, side: own_side(leg) }
    }

    pub(super) fn person_with_id(&self, id: &ParticipantId) -> Option<usize> {
        self.people.binary_search_by(|person| person.id.cmp(id)).ok()
    }

    pub(super) fn person_with_extension(&self, extension: &str) -> Option<usize> {
        self.people.iter().position(|person| person.extension.as_deref() == Some(extension))
    }
}

/// Who made the call.
pub(super) struct Caller<'a> {
    pub(super) id: ParticipantId,
    pub(super) person: Option<usize>,
    pub(super) side: Option<Side<'a>>,
}

/// The side of a leg that describes its owner.
pub(super) fn own_side<'a>(leg: &Leg<'a>) -> Option<Side<'a>> {
    let (own, other) = match leg.is_inbound() {
        true => (leg.description.to, leg.description.from),
        false => (leg.description.from, leg.description.to),
    };
    let Some(extension) = leg.description.extension else { return Some(own) };
    // An agent's leg is addressed to the queue; a switched leg may turn around.
    match (own.extension, other.extension) {
        (Some(named), _) if named == extension => Some(own),
        (_, Some(named)) if named == extension => Some(other),
        (None, _) if !leg.description.queue_call => Some(own),
        _ => None,
    }
}

fn side_id(side: Side<'_>, session: &SessionId, leg: &Leg<'_>) -> ParticipantId {
    match (side.extension, side.telling_number()) {
        (Some(extension), _) => extension_id(extension),
        (None, Some(number)) => with_prefix("tel:", number),
        (None, None) => anonymous_id(session, leg),
    }
}

fn anonymous_id(session: &SessionId, leg: &Leg<'_>) -> ParticipantId {
    ParticipantId::from(format!("anon:{session}/{}", leg.party))
}

pub(super) fn extension_id(extension: &str) -> ParticipantId {
    with_prefix("ext:", extension)
}

fn with_prefix(prefix: &str, text: &str) -> ParticipantId {
    let mut id = CompactString::from(prefix);
    id.push_str(text);
    ParticipantId::from(id.as_str())
}

impl Person {
    fn new(mention: &Mention<'_>) -> Self {
        Self {
            id: mention.id.clone(),
            kind: mention.kind,
            observed: false,
            number: None,
            name: None,
            extension: mention.id.extension_id().map(CompactString::from),
            legs: SmallVec::new(),
        }
    }

    fn hear(&mut self, mention: &Mention<'_>) {
        // A participant with legs of several kinds is a user if any says so.
        self.kind = self.kind.min(mention.kind);
        let Some(side) = mention.side else { return };
        let is_full = |number: &str| number.starts_with('+');
        // A full number tells more than a short one.
        if let Some(number) = side.telling_number()
            && self.number.as_deref().is_none_or(|known| !is_full(known) && is_full(number))
        {
            self.number = Some(CompactString::from(number));
        }
        if self.name.is_none() {
            self.name = side.name.map(CompactString::from);
        }
    }
}
