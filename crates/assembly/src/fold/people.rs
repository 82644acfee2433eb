//! Who owns which leg, and what kind of participant it is.

use std::ops::Deref;

use smallvec::SmallVec;
use wholecall_record::ShortText;
use wholecall_record::{
    ParticipantId,
    call::{Kind, LinkKind, names},
};

use super::{
    ids::{LegIdx, ParticipantIdx},
    inferred_parties::InferredParty,
    kinds::ClassifiedCall,
    links::{End, Link},
    mentions::{Mention, Mentioned},
};
use crate::{directory::Directory, index::IdxVec, numbers::number_without_code};

/// A call with its participants.
pub(crate) struct AttributedCall<'a> {
    call: ClassifiedCall<'a>,
    /// The owner of each leg. `None` for a proxy.
    pub(super) owners: IdxVec<LegIdx, Option<ParticipantIdx>>,
    /// Participants in order of their ids.
    pub(super) people: IdxVec<ParticipantIdx, Person>,
    /// Participants at the far sides of sessions.
    pub(super) inferred_parties: Vec<InferredParty>,
}

impl<'a> Deref for AttributedCall<'a> {
    type Target = ClassifiedCall<'a>;

    fn deref(&self) -> &ClassifiedCall<'a> {
        &self.call
    }
}

/// A participant.
pub(crate) struct Person {
    pub(crate) id: ParticipantId,
    pub(crate) kind: Kind,
    /// False if only `from` or `to` of other legs names it.
    pub(crate) observed: bool,
    pub(crate) number: Option<ShortText>,
    pub(crate) extension_number: Option<ShortText>,
    pub(crate) name: Option<ShortText>,
    pub(crate) extension: Option<ShortText>,
    pub(crate) legs: SmallVec<[LegIdx; 4]>,
}

impl<'a> AttributedCall<'a> {
    pub(super) fn new(call: ClassifiedCall<'a>) -> Self {
        let mentions = call.mentions();
        let mut people: IdxVec<ParticipantIdx, Person> = IdxVec::with_capacity(mentions.len());
        let mut owners = IdxVec::filled(None, call.legs.len());
        let mut inferred_parties = Vec::new();
        for mention in mentions {
            let last = people.iter_enumerated().next_back();
            let known = last.filter(|(_, last)| last.id == mention.id).map(|(index, _)| index);
            let index = known.unwrap_or_else(|| people.push(Person::new(&mention)));
            let person = &mut people[index];
            person.merge(&mention);
            match mention.by {
                Mentioned::Leg(leg) => {
                    person.legs.push(leg);
                    person.observed = true;
                    owners[leg] = Some(index);
                }
                Mentioned::Name => {}
                Mentioned::FarSide(side) => inferred_parties.push(InferredParty::new(side, index)),
            }
        }
        if let Some(directory) = call.input.directory {
            people.iter_mut().for_each(|person| person.name_from_directory(directory));
        }
        let mut call = Self { call, owners, people, inferred_parties };
        call.name_caller_apart_from_queue();
        call
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
            self.people[caller].name = Some(ShortText::from(own.unwrap_or(shown)));
        }
    }

    pub(super) fn is_person(&self, person: Option<ParticipantIdx>) -> bool {
        person.is_some_and(|person| self.people[person].kind.is_person())
    }

    pub(super) fn person_with_id(&self, id: &ParticipantId) -> Option<ParticipantIdx> {
        self.people.binary_search_by(|person| person.id.cmp(id))
    }

    pub(super) fn person_with_extension(&self, extension: &str) -> Option<ParticipantIdx> {
        self.people.position(|person| person.extension.as_deref() == Some(extension))
    }

    /// The queue that offers the call by a leg.
    pub(super) fn offering_queue(&self, leg: LegIdx) -> Option<ParticipantIdx> {
        self.person_with_extension(self.offered_by(leg)?)
    }

    /// The participant that opened a link by leaving both its ends, or as the host of a conference.
    pub(super) fn opener_of(&self, link: &Link) -> Option<ParticipantIdx> {
        let owner = |end: &End| end.leg.and_then(|leg| self.owners[leg]);
        match link.kind {
            LinkKind::Conference => self.host_of(link),
            _ => owner(&link.a).or_else(|| owner(&link.b)),
        }
    }

    /// The participant that brought a room into the bridge: the owner of the leg that left for it; if only the seat
    /// was observed, the seat names the host as its caller.
    pub(super) fn host_of(&self, link: &Link) -> Option<ParticipantIdx> {
        let seat = self.bridge_of(link).leg.map(|leg| &self.legs[leg]);
        let named = || self.person_with_extension(seat?.description.from.extension?);
        self.joined_end_of(link).leg.and_then(|leg| self.owners[leg]).or_else(named)
    }
}

impl Person {
    /// Adds its name and numbers from the directory.
    fn name_from_directory(&mut self, directory: &Directory) {
        let Some(extension) = self.extension.as_deref() else { return };
        if let Some(name) = directory.name_of(extension) {
            self.name = Some(name.clone());
        }
        let Some(entry) = directory.get(extension) else { return };
        if self.number.is_none() {
            self.number.clone_from(&entry.number);
        }
        if entry.extension_number.is_some() {
            self.extension_number.clone_from(&entry.extension_number);
        }
    }

    /// The name under which a record shows it.
    pub(super) fn display_name(&self) -> ShortText {
        let extension = self.extension_number.as_deref().or(self.extension.as_deref());
        ShortText::from(names::display_name(self.name.as_deref(), self.number.as_deref(), extension))
    }

    fn new(mention: &Mention<'_>) -> Self {
        Self {
            id: mention.id.clone(),
            kind: mention.kind,
            observed: false,
            number: None,
            extension_number: None,
            name: None,
            extension: mention.id.extension_id().map(ShortText::from),
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
                self.number = Some(ShortText::from(number));
            }
            if is_short && self.extension_number.is_none() {
                self.extension_number = Some(ShortText::from(number));
            }
        }
        if self.name.is_none() {
            self.name = side.name.map(ShortText::from);
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
