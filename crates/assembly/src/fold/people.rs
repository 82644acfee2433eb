//! Who owns which leg, and what kind of participant it is.

use compact_str::CompactString;
use smallvec::SmallVec;
use wholecall_notification::{Code, Reason};
use wholecall_record::{ParticipantId, SessionId, call::Kind, words};

use super::{
    Fold,
    ids::{LegIdx, ParticipantIdx},
    inferred_parties::InferredParty,
    legs::Leg,
};
use crate::{
    description::Side,
    directory::{Entry, EntryKind},
    numbers::{is_extension_number, number_without_code},
    session::Session,
};

/// A participant.
pub(crate) struct Person {
    pub(crate) id: ParticipantId,
    pub(crate) kind: Kind,
    /// False if only `from` or `to` of other legs names it.
    pub(crate) observed: bool,
    pub(crate) number: Option<CompactString>,
    pub(crate) extension_number: Option<CompactString>,
    pub(crate) name: Option<CompactString>,
    pub(crate) extension: Option<CompactString>,
    /// The user for whom it rings.
    pub(crate) on_behalf_of: Option<OnBehalfOf>,
    pub(crate) legs: SmallVec<[LegIdx; 4]>,
}

/// For whom an outside phone rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OnBehalfOf {
    pub(crate) user: ParticipantIdx,
    /// Whether the directory lists the number as the user's.
    pub(crate) is_listed: bool,
}

/// What one leg, or one inferred party, says of a participant.
pub(super) struct Mention<'a> {
    pub(super) id: ParticipantId,
    pub(super) kind: Kind,
    pub(super) side: Option<Side<'a>>,
    pub(super) by: Mentioned,
}

pub(super) enum Mentioned {
    Leg(LegIdx),
    /// Other legs are addressed to it, or it listened from another call: it has no leg of its own here.
    Name,
    Inferred(InferredParty),
}

impl<'a> Fold<'a> {
    pub(super) fn find_people(&mut self) {
        self.queues = self.queue_extensions();
        for leg in self.legs.indices() {
            self.legs[leg].kind = self.kind_of(&self.legs[leg]);
        }
        let mut mentions: Vec<Mention<'a>> = Vec::with_capacity(self.legs.len() + 1);
        for (index, leg) in self.legs.iter_enumerated().filter(|(_, leg)| leg.kind != Kind::Proxy) {
            let (id, side) = (self.owner_id(leg), own_side(leg));
            mentions.push(Mention { id, kind: leg.kind, side, by: Mentioned::Leg(index) });
        }
        self.mention_inferred_parties(&mut mentions);
        self.mention_unseen_queues(&mut mentions);
        self.mention_addressed(&mut mentions);
        self.mention_listeners(&mut mentions);
        // Equal ids stay in order of their legs.
        mentions.sort_by(|a, b| a.id.cmp(&b.id));
        self.people.reserve_exact(mentions.len());
        for mention in mentions {
            let last = self.people.iter_enumerated().next_back();
            let known = last.filter(|(_, last)| last.id == mention.id).map(|(index, _)| index);
            let index = known.unwrap_or_else(|| self.people.push(Person::new(&mention)));
            let person = &mut self.people[index];
            person.merge(&mention);
            match mention.by {
                Mentioned::Leg(leg) => {
                    person.legs.push(leg);
                    person.observed = true;
                    self.legs[leg].person = Some(index);
                }
                Mentioned::Name => {}
                Mentioned::Inferred(inferred) => {
                    self.inferred_parties.push(InferredParty { person: index, ..inferred })
                }
            }
        }
        self.name_from_directory();
        self.name_caller_apart_from_queue();
    }

    /// Extensions that another leg of the call names as the queue that offers it.
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
        self.input.directory?.get(extension)
    }

    /// The kind of an extension in the directory.
    pub(super) fn listed_kind(&self, extension: &str) -> Option<EntryKind> {
        self.listed(extension)?.kind
    }

    /// Whether an extension is a queue: the directory says so, or it offers the call to others.
    pub(super) fn is_queue(&self, extension: &str) -> bool {
        self.queues.contains(&extension) || self.listed_kind(extension) == Some(EntryKind::Queue)
    }

    /// Whether an extension is known not to be a person.
    pub(super) fn is_machine(&self, extension: &str) -> bool {
        self.is_queue(extension) || self.listed_kind(extension).is_some_and(|kind| !kind.is_person())
    }

    /// The leg's own extension, if it is one of the account's.
    pub(super) fn own_extension(&self, leg: &Leg<'a>) -> Option<&'a str> {
        let foreign = match (leg.description.account, self.input.account) {
            (Some(theirs), Some(ours)) => *theirs != **ours,
            _ => false,
        };
        leg.description.extension.filter(|_| !foreign)
    }

    fn kind_of(&self, leg: &Leg<'a>) -> Kind {
        if leg.supervises {
            return Kind::Supervisor;
        }
        let Some(extension) = self.own_extension(leg) else {
            return if self.rooms[leg.room].is_conference { Kind::Proxy } else { Kind::External };
        };
        if self.queues.contains(&extension) {
            return Kind::Queue;
        }
        let listed = self.listed(extension).map(|entry| entry.kind);
        match listed.flatten() {
            None | Some(EntryKind::Other) => {}
            // A shared line that is answered is a phone.
            Some(EntryKind::Group) if leg.codes.has(Code::Answered) => return Kind::User,
            Some(kind) => return kind.record_kind(),
        }
        // Only a user misses calls.
        let passed_through = leg.is_inbound()
            && leg.codes.only(&[Code::Setup, Code::Disconnected, Code::Other])
            && !leg.missed;
        match passed_through {
            // An extension that is known not to be a person and passes the call on acts as a menu.
            true if listed == Some(Some(EntryKind::Other)) => Kind::Menu,
            true => Kind::Router,
            false => Kind::User,
        }
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

    /// Adds queues whose own leg was not observed: they are known by what they offered, and are never connected.
    fn mention_unseen_queues(&self, mentions: &mut Vec<Mention<'a>>) {
        let offers = self.legs.iter_enumerated().filter_map(|(leg, _)| Some((leg, self.offered_by(leg)?)));
        for (offer, queue) in offers {
            if self.has_leg(queue) {
                continue;
            }
            let (id, side) = (extension_id(queue), Some(self.legs[offer].description.to));
            mentions.push(Mention { id, kind: Kind::Queue, side, by: Mentioned::Name });
        }
    }

    /// Adds the addressed participant, even if only other participants' legs are addressed to it.
    fn mention_addressed(&self, mentions: &mut Vec<Mention<'a>>) {
        let Some(id) = self.addressed_id() else { return };
        if mentions.iter().any(|mention| mention.id == id) {
            return;
        }
        let addressed = |leg: &&Leg<'a>| {
            leg.description.to.extension.is_some() && leg.description.to.extension == id.extension_id()
        };
        let by_leg = self.legs.iter().find(addressed).map(|leg| leg.description.to);
        let side = by_leg.or_else(|| id.extension_id().is_none().then(|| self.dialled().side));
        let kind = match id.extension_id() {
            None => Kind::External,
            Some(extension) => match self.listed_kind(extension) {
                Some(kind) => kind.record_kind(),
                None if self.several_are_addressed_as(extension) => Kind::Group,
                None => Kind::User,
            },
        };
        mentions.push(Mention { id, kind, side, by: Mentioned::Name });
    }

    /// Whether legs of several other owners are addressed to an extension.
    fn several_are_addressed_as(&self, extension: &str) -> bool {
        let mut owners = self.legs.iter().filter_map(|leg| {
            let owner = self.own_extension(leg).filter(|owner| *owner != extension)?;
            (leg.is_inbound() && leg.description.to.extension == Some(extension)).then_some(owner)
        });
        let first = owners.next();
        owners.any(|owner| Some(owner) != first)
    }

    /// Adds supervisors who listened to this call from another call's session: they have no leg here.
    fn mention_listeners(&self, mentions: &mut Vec<Mention<'a>>) {
        for session in &self.input.listeners {
            let listeners = supervisors_of(session);
            let mention = |id| Mention { id, kind: Kind::Supervisor, side: None, by: Mentioned::Name };
            mentions.extend(listeners.map(mention));
        }
    }

    fn has_leg(&self, extension: &str) -> bool {
        self.legs.iter().any(|leg| self.own_extension(leg) == Some(extension))
    }

    /// Adds names and numbers from the directory.
    fn name_from_directory(&mut self) {
        let Some(directory) = self.input.directory else { return };
        for person in self.people.iter_mut() {
            let Some(extension) = person.extension.as_deref() else { continue };
            if let Some(name) = directory.name_of(extension) {
                person.name = Some(name.clone());
            }
            let Some(entry) = directory.get(extension) else { continue };
            if person.number.is_none() {
                person.number.clone_from(&entry.number);
            }
            if entry.extension_number.is_some() {
                person.extension_number.clone_from(&entry.extension_number);
            }
        }
    }

    /// An agent's phone shows the caller's name after the queue's: the queue's is not part of the caller's name.
    fn name_caller_apart_from_queue(&mut self) {
        for leg in self.legs.indices() {
            let description = self.legs[leg].description;
            let Some(shown) = description.from.name.filter(|_| description.queue_call) else { continue };
            let id =
                self.side_id(description.from, &self.rooms[self.legs[leg].room].session.id, &self.legs[leg]);
            let Some(caller) = self.person_with_id(&id) else { continue };
            if self.people[caller].name.as_deref().is_some_and(|name| name != shown) {
                continue;
            }
            let queue = self.offering_queue(leg).and_then(|queue| self.people[queue].name.as_deref());
            let own = description.caller_name.or_else(|| {
                let names = [description.queue_name, description.to.name, queue];
                names.into_iter().flatten().find_map(|queue| shown.strip_prefix(queue)?.strip_prefix(" - "))
            });
            self.people[caller].name = Some(CompactString::from(own.unwrap_or(shown)));
        }
    }

    pub(super) fn is_person(&self, person: Option<ParticipantIdx>) -> bool {
        person.is_some_and(|person| self.people[person].kind.is_person())
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

    pub(super) fn person_with_id(&self, id: &ParticipantId) -> Option<ParticipantIdx> {
        self.people.binary_search_by(|person| person.id.cmp(id))
    }

    pub(super) fn person_with_extension(&self, extension: &str) -> Option<ParticipantIdx> {
        self.people.position(|person| person.extension.as_deref() == Some(extension))
    }
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
    let mut id = CompactString::from(prefix);
    id.push_str(text);
    ParticipantId::from(id.as_str())
}

impl Person {
    /// The name under which a record shows it.
    pub(super) fn display_name(&self) -> CompactString {
        let extension = self.extension_number.as_deref().or(self.extension.as_deref());
        CompactString::from(words::display_name(self.name.as_deref(), self.number.as_deref(), extension))
    }

    fn new(mention: &Mention<'_>) -> Self {
        Self {
            id: mention.id.clone(),
            kind: mention.kind,
            observed: false,
            number: None,
            extension_number: None,
            on_behalf_of: None,
            name: None,
            extension: mention.id.extension_id().map(CompactString::from),
            legs: SmallVec::new(),
        }
    }

    fn merge(&mut self, mention: &Mention<'_>) {
        // A participant with legs of several kinds is a user if any leg says so.
        self.kind = self.kind.min(mention.kind);
        let Some(side) = mention.side else { return };
        if let Some(number) = side.identifying_number() {
            let number = &*number_without_code(number);
            let (is_public, is_short) = match self.extension {
                // Of several spellings the one with the country code.
                None => (true, false),
                Some(_) => (is_public_number(number), is_short_number(number)),
            };
            let is_full = |number: &str| number.starts_with('+');
            if is_public && self.number.as_deref().is_none_or(|known| !is_full(known) && is_full(number)) {
                self.number = Some(CompactString::from(number));
            }
            if is_short && self.extension_number.is_none() {
                self.extension_number = Some(CompactString::from(number));
            }
        }
        if self.name.is_none() {
            self.name = side.name.map(CompactString::from);
        }
    }
}

/// Maximum number of digits of an extension number.
const MAX_EXTENSION_NUMBER_DIGITS: usize = 8;

/// Whether a number can be dialled from any phone.
pub(super) fn is_public_number(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or(number);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number && (number.starts_with('+') || digits.len() > MAX_EXTENSION_NUMBER_DIGITS)
}

/// Whether a number is an extension number within its account.
pub(super) fn is_short_number(number: &str) -> bool {
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number && number.len() <= MAX_EXTENSION_NUMBER_DIGITS
}

/// The supervisors who listened from a session of another call.
pub(super) fn supervisors_of(session: &Session) -> impl Iterator<Item = ParticipantId> {
    let supervising = session
        .events()
        .filter(|event| event.status.reason == Some(Reason::Supervising) && event.status.peer().is_some());
    supervising.filter_map(|event| session.legs.extension(event.leg).map(extension_id))
}
