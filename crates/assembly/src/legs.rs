//! The legs of a session: their ids and descriptions.
//!
//! All texts of a session's legs share one string, and all descriptions one list: a record is computed long after its
//! session was last accessed, and a dozen separate allocations would each be a cache miss.

use std::cmp::Ordering;

use compact_str::CompactString;
use hashbrown::HashMap;
use wholecall_notification::{Code, Direction, Party, Reason, Role};

use crate::{
    description::{Description, FIELDS, Side},
    limits,
    uuid::{Uuid, copy_order, keep_first},
};

/// A leg's index in its session.
pub(crate) type LegKey = u16;

/// The legs of a session.
#[derive(Debug, Default)]
pub(crate) struct Legs {
    text: String,
    legs: Vec<Leg>,
    given: Vec<Given>,
    /// Number of legs whose latest change is not their end.
    open: u32,
    /// Number of descriptions that no leg refers to any more.
    dropped: u32,
    /// Finds legs by id in a session of many legs.
    many: Option<Box<Many>>,
}

#[derive(Debug)]
struct Leg {
    id_start: u32,
    id_end: u32,
    /// The description that was added last; the others follow from there.
    last_given: Option<NonMaxIndex>,
    /// Number of stored events.
    events: u32,
    /// The sequence of its latest state change, and whether the leg ended with it.
    latest: u32,
    has_left: bool,
    #[expect(clippy::box_collection, reason = "few legs are recorded")]
    recordings: Option<Box<Vec<CompactString>>>,
}

/// One of the differing descriptions of a leg, and the last change that gave it. Most legs have one or two: a
/// notification repeats what the previous one said.
#[derive(Debug)]
struct Given {
    uuid: Option<Uuid>,
    /// The first and the last change that gave it.
    first_sequence: u32,
    sequence: u32,
    /// Another description of the same leg.
    next: Option<NonMaxIndex>,
    text_start: u32,
    /// End of each field, counted from the start; [`ABSENT`] marks a missing field.
    ends: [u16; FIELDS],
    direction: Option<Direction>,
    queue_call: bool,
    ring_out_role: Option<Role>,
}

/// An index over the legs of a session that has too many for a linear search.
#[derive(Debug, Default)]
struct Many {
    index: HashMap<Box<str>, LegKey>,
    /// Slots of legs whose last event was removed.
    free: Vec<LegKey>,
}

/// An index with a niche, so that `Option` takes no extra space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NonMaxIndex(std::num::NonZeroU32);

impl NonMaxIndex {
    fn new(index: usize) -> Option<Self> {
        std::num::NonZeroU32::new(index as u32 + 1).map(Self)
    }

    fn get(self) -> usize {
        self.0.get() as usize - 1
    }
}

const ABSENT: u16 = 1 << 15;
/// Maximum length of a text field; the rest is cut off. Twelve fields of that length end before the mark.
const LONGEST_FIELD: usize = 2_000;

/// Positions of fields in [`Description::texts`].
const EXTENSION: usize = 1;
const FROM_NUMBER: usize = 4;
const TO_NUMBER: usize = 8;

impl Legs {
    /// Maximum number of legs that are searched linearly; beyond it there is an index.
    const FEW: usize = 16;

    pub(crate) fn len(&self) -> usize {
        self.legs.len()
    }

    /// The party's id.
    pub(crate) fn id(&self, leg: LegKey) -> &str {
        let Leg { id_start, id_end, .. } = self.legs[leg as usize];
        &self.text[id_start as usize..id_end as usize]
    }

    /// The leg of a party, added if it is new.
    pub(crate) fn find_or_add(&mut self, party: &str) -> LegKey {
        self.find(party).unwrap_or_else(|| self.add(party))
    }

    /// The leg of a party, added if it is new. `None` if the session has too many legs.
    pub(crate) fn find_or_add_if_few(&mut self, party: &str) -> Option<LegKey> {
        let has_room = self.legs.len() < limits::NOTIFICATIONS_PER_SESSION;
        self.find(party).or_else(|| has_room.then(|| self.add(party)))
    }

    fn find(&self, party: &str) -> Option<LegKey> {
        match &self.many {
            None => (0..self.legs.len() as LegKey).find(|&leg| self.id(leg) == party),
            Some(many) => many.index.get(party).copied(),
        }
    }

    fn add(&mut self, party: &str) -> LegKey {
        if self.legs.len() == Self::FEW && self.many.is_none() {
            let ids = (0..self.legs.len() as LegKey).map(|leg| (Box::from(self.id(leg)), leg));
            self.many = Some(Box::new(Many { index: ids.collect(), ..Many::default() }));
        }
        if self.legs.is_empty() {
            // Three of four sessions have two or three legs with three descriptions of 320 characters.
            self.legs.reserve_exact(3);
            self.given.reserve_exact(3);
            self.text.reserve_exact(320);
        }
        let id_start = self.text.len() as u32;
        self.text.push_str(party);
        let id_end = self.text.len() as u32;
        let leg = Leg {
            id_start,
            id_end,
            last_given: None,
            events: 0,
            latest: 0,
            has_left: true,
            recordings: None,
        };
        // The number of legs exceeds the number of stored notifications by at most one.
        let mut key = self.legs.len() as LegKey;
        if let Some(many) = &mut self.many {
            key = many.free.pop().unwrap_or(key);
            many.index.insert(Box::from(party), key);
        }
        match self.legs.get_mut(key as usize) {
            Some(slot) => *slot = leg,
            None => self.legs.push(leg),
        }
        key
    }

    /// Number of legs whose latest change is not their end.
    pub(crate) fn open(&self) -> u32 {
        self.open
    }

    /// Records whether a leg has ended, if this is its latest state change.
    pub(crate) fn hear_code(
        &mut self,
        leg: LegKey,
        sequence: u32,
        code: Option<Code>,
        reason: Option<Reason>,
    ) {
        let leg = &mut self.legs[leg as usize];
        // A text reply is reported as the setup of a leg that has long ended.
        let is_text_reply = code == Some(Code::Setup) && reason == Some(Reason::CallReplied);
        let is_state = !matches!(code, None | Some(Code::Other)) && !is_text_reply;
        if !is_state || sequence < leg.latest {
            return;
        }
        leg.latest = sequence;
        let left = matches!(code, Some(Code::Disconnected | Code::Gone));
        match (std::mem::replace(&mut leg.has_left, left), left) {
            (true, false) => self.open += 1,
            (false, true) => self.open -= 1,
            _ => {}
        }
    }

    /// Whether any event of a leg is stored.
    pub(crate) fn has_events(&self, leg: LegKey) -> bool {
        self.legs[leg as usize].events > 0
    }

    /// Counts an event of a leg; returns whether it is its first.
    pub(crate) fn count_event(&mut self, leg: LegKey) -> bool {
        let leg = &mut self.legs[leg as usize];
        leg.events += 1;
        leg.events == 1
    }

    /// Uncounts an event that was removed; a leg without events is removed too.
    pub(crate) fn uncount_event(&mut self, key: LegKey) {
        let leg = &mut self.legs[key as usize];
        leg.events -= 1;
        if leg.events > 0 {
            return;
        }
        let dropped = self.given_to(key).count();
        let id = Box::<str>::from(self.id(key));
        // Sessions that remove events have many legs, or their legs have many events.
        let Some(many) = &mut self.many else { return };
        many.index.remove(&id);
        many.free.push(key);
        self.dropped += dropped as u32;
        let leg = &mut self.legs[key as usize];
        leg.last_given = None;
        if !std::mem::replace(&mut leg.has_left, true) {
            self.open -= 1;
        }
        self.compact_if_worth_it();
    }

    fn compact_if_worth_it(&mut self) {
        if self.dropped as usize > self.given.len() / 2 + 1_000 {
            self.compact();
        }
    }

    /// Rebuilds texts and descriptions without those that no leg refers to.
    fn compact(&mut self) {
        let mut kept = Self { open: self.open, many: self.many.take(), ..Self::default() };
        for key in 0..self.legs.len() as LegKey {
            let id_start = kept.text.len() as u32;
            if self.legs[key as usize].events > 0 {
                kept.text.push_str(self.id(key));
            }
            let old = &mut self.legs[key as usize];
            let recordings = old.recordings.take();
            let id_end = kept.text.len() as u32;
            let Leg { events, latest, has_left, .. } = *old;
            kept.legs.push(Leg { id_start, id_end, last_given: None, events, latest, has_left, recordings });
            for given in self.given_to(key) {
                kept.push_given(
                    key,
                    (given.first_sequence, given.sequence),
                    given.uuid.clone(),
                    &self.unpack(given),
                );
            }
        }
        *self = kept;
    }

    /// Adds the descriptive fields of a notification; returns whether that changes anything.
    pub(crate) fn describe(
        &mut self,
        leg: LegKey,
        sequence: u32,
        uuid: Option<&Uuid>,
        party: &Party<'_>,
    ) -> bool {
        let described = self.hear_description(leg, sequence, uuid, &Description::of(party));
        let mut news = described;
        for id in party.recordings.iter().filter_map(|recording| recording.id.as_deref()) {
            let recordings = self.legs[leg as usize].recordings.get_or_insert_default();
            if let Err(place) = recordings.binary_search_by(|known| known.as_str().cmp(id))
                && place < limits::RECORDINGS_PER_LEG
            {
                recordings.insert(place, CompactString::from(id));
                recordings.truncate(limits::RECORDINGS_PER_LEG);
                news = true;
            }
        }
        news
    }

    /// Adds the description that came with a change; returns whether that changes anything.
    pub(crate) fn hear_description(
        &mut self,
        leg: LegKey,
        sequence: u32,
        uuid: Option<&Uuid>,
        said: &Description<'_>,
    ) -> bool {
        let first = self.legs[leg as usize].last_given;
        let mut next = first;
        let mut count = 0;
        while let Some(at) = next {
            count += 1;
            let given = &self.given[at.get()];
            if self.is(given, said) {
                let is_only = first == Some(at) && given.next.is_none();
                let given = &mut self.given[at.get()];
                let counts_earlier = sequence < given.first_sequence;
                given.first_sequence = given.first_sequence.min(sequence);
                let counts_later = match sequence.cmp(&given.sequence) {
                    Ordering::Less => false,
                    Ordering::Equal => keep_first(&mut given.uuid, uuid),
                    Ordering::Greater => {
                        (given.sequence, given.uuid) = (sequence, uuid.cloned());
                        true
                    }
                };
                return (counts_later || counts_earlier) && !is_only;
            }
            next = given.next;
        }
        self.push_given(leg, (sequence, sequence), uuid.cloned(), said);
        count < limits::DESCRIPTIONS_PER_LEG || self.drop_earliest(leg)
    }

    /// Replaces all descriptions of a leg.
    pub(crate) fn describe_anew(&mut self, leg: LegKey, uuid: Option<&Uuid>, said: &Description<'_>) {
        self.dropped += self.given_to(leg).count() as u32;
        self.legs[leg as usize].last_given = None;
        self.push_given(leg, (0, 0), uuid.cloned(), said);
        self.compact_if_worth_it();
    }

    /// Removes the earliest description of a leg; returns whether it is another than the one just added.
    fn drop_earliest(&mut self, leg: LegKey) -> bool {
        let at = |given: &Given| given.next.map(NonMaxIndex::get);
        let newest = self.legs[leg as usize].last_given.map(NonMaxIndex::get);
        let all = || std::iter::successors(newest, |&place| at(&self.given[place]));
        let Some(earliest) = all().max_by(|&a, &b| self.later_first(&self.given[a], &self.given[b])) else {
            return false;
        };
        let before = all().find(|&place| at(&self.given[place]) == Some(earliest));
        let behind = self.given[earliest].next;
        match before {
            Some(before) => self.given[before].next = behind,
            None => self.legs[leg as usize].last_given = behind,
        }
        self.dropped += 1;
        self.compact_if_worth_it();
        before.is_some()
    }

    fn push_given(
        &mut self,
        leg: LegKey,
        (first_sequence, sequence): (u32, u32),
        uuid: Option<Uuid>,
        said: &Description<'_>,
    ) {
        let start = self.text.len();
        let text = &mut self.text;
        let ends = said.texts().map(|field| {
            text.push_str(cut(field.unwrap_or_default()));
            let end = (text.len() - start) as u16;
            if field.is_some() { end } else { end | ABSENT }
        });
        let leg = &mut self.legs[leg as usize];
        let next = leg.last_given;
        leg.last_given = NonMaxIndex::new(self.given.len());
        self.given.push(Given {
            uuid,
            first_sequence,
            sequence,
            next,
            text_start: start as u32,
            ends,
            direction: said.direction,
            queue_call: said.queue_call,
            ring_out_role: said.ring_out_role,
        });
    }

    /// The ids of a leg's recordings, in order.
    pub(crate) fn recordings(&self, leg: LegKey) -> &[CompactString] {
        self.legs[leg as usize].recordings.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The merged description of a leg: each field from the latest change that has it; of deliveries of one change,
    /// from the one with the smallest id.
    pub(crate) fn description(&self, leg: LegKey) -> Description<'_> {
        let mut given = self.given_to(leg);
        match (given.next(), given.next()) {
            (None, _) => Description::default(),
            (Some(only), None) => self.unpack(only),
            (Some(one), Some(other)) => {
                let mut latest_first: Vec<&Given> = [one, other].into_iter().chain(given).collect();
                latest_first.sort_by(|a, b| self.later_first(a, b));
                let mut all = Description::default();
                latest_first.iter().for_each(|given| all.fill_gaps(&self.unpack(given)));
                all
            }
        }
    }

    /// Whether lookup answers add anything to the description that notifications give.
    pub(crate) fn is_described_further(&self, leg: LegKey) -> bool {
        let mut told: Vec<&Given> = self.given_to(leg).filter(|given| given.sequence > 0).collect();
        told.sort_by(|a, b| self.later_first(a, b));
        let mut all = Description::default();
        told.iter().for_each(|given| all.fill_gaps(&self.unpack(given)));
        all != self.description(leg)
    }

    /// The latest extension of the owner.
    pub(crate) fn extension(&self, leg: LegKey) -> Option<&str> {
        self.latest(leg, |given| self.field(given, EXTENSION))
    }

    /// The first number in `to`: what was dialled, before the platform replaced it by the actual destination. Lookup
    /// answers come after every notification.
    pub(crate) fn first_number_dialled(&self, leg: LegKey) -> Option<&str> {
        let named = self.given_to(leg).filter_map(|given| Some((given, self.field(given, TO_NUMBER)?)));
        let place = |given: &Given| (given.first_sequence == 0, given.first_sequence);
        let order = |a: &Given, b: &Given| place(a).cmp(&place(b)).then_with(|| self.later_first(a, b));
        named.min_by(|(a, _), (b, _)| order(a, b)).map(|(_, number)| number)
    }

    /// The latest numbers in `from` and `to`.
    pub(crate) fn numbers(&self, leg: LegKey) -> [Option<&str>; 2] {
        [FROM_NUMBER, TO_NUMBER].map(|place| self.latest(leg, |given| self.field(given, place)))
    }

    /// The latest technical direction.
    pub(crate) fn direction(&self, leg: LegKey) -> Option<Direction> {
        self.latest(leg, |given| given.direction)
    }

    /// The latest role in a RingOut.
    pub(crate) fn ring_out_role(&self, leg: LegKey) -> Option<Role> {
        self.latest(leg, |given| given.ring_out_role)
    }

    fn latest<'a, T>(&'a self, leg: LegKey, field: impl Fn(&'a Given) -> Option<T>) -> Option<T> {
        let saying = self.given_to(leg).filter_map(|given| Some((given, field(given)?)));
        saying.min_by(|(a, _), (b, _)| self.later_first(a, b)).map(|(_, value)| value)
    }

    /// Later changes first; of deliveries of one change, the smallest id; of equal ids, the content decides, so that
    /// the order of arrival does not.
    fn later_first(&self, a: &Given, b: &Given) -> Ordering {
        let order = b.sequence.cmp(&a.sequence).then_with(|| copy_order(a.uuid.as_ref(), b.uuid.as_ref()));
        order.then_with(|| self.unpack(a).cmp(&self.unpack(b)))
    }

    fn given_to(&self, leg: LegKey) -> impl Iterator<Item = &Given> {
        let first = self.legs[leg as usize].last_given.map(|at| &self.given[at.get()]);
        std::iter::successors(first, |given| given.next.map(|at| &self.given[at.get()]))
    }

    fn is(&self, given: &Given, description: &Description<'_>) -> bool {
        let mut start = 0;
        let text = &self.text.as_bytes()[given.text_start as usize..];
        let same_texts = given.ends.iter().zip(description.texts()).all(|(&end, field)| {
            let from = std::mem::replace(&mut start, (end & !ABSENT) as usize);
            match field {
                Some(field) => end & ABSENT == 0 && text[from..end as usize] == *cut(field).as_bytes(),
                None => end & ABSENT != 0,
            }
        });
        same_texts
            && given.direction == description.direction
            && given.queue_call == description.queue_call
            && given.ring_out_role == description.ring_out_role
    }

    /// One of the text fields of a description.
    fn field(&self, given: &Given, place: usize) -> Option<&str> {
        let start = place.checked_sub(1).map_or(0, |before| (given.ends[before] & !ABSENT) as usize);
        let end = given.ends[place];
        let text = &self.text[given.text_start as usize..];
        (end & ABSENT == 0).then(|| &text[start..end as usize])
    }

    fn unpack(&self, given: &Given) -> Description<'_> {
        let mut start = 0;
        let text = &self.text[given.text_start as usize..];
        let fields = given.ends.map(|end| {
            let from = std::mem::replace(&mut start, (end & !ABSENT) as usize);
            (end & ABSENT == 0).then(|| &text[from..end as usize])
        });
        let [
            account,
            extension,
            queue_name,
            caller_name,
            from @ ..,
            to_number,
            to_name,
            to_extension,
            to_device,
        ] = fields;
        let [number, name, from_extension, device] = from;
        Description {
            account,
            extension,
            direction: given.direction,
            from: Side { number, name, extension: from_extension, device },
            to: Side { number: to_number, name: to_name, extension: to_extension, device: to_device },
            queue_call: given.queue_call,
            queue_name,
            caller_name,
            ring_out_role: given.ring_out_role,
        }
    }
}

fn cut(field: &str) -> &str {
    if field.len() <= LONGEST_FIELD { field } else { &field[..field.floor_char_boundary(LONGEST_FIELD)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(description: &Description<'_>) -> Legs {
        let mut legs = Legs::default();
        let leg = legs.find_or_add("p-1");
        assert!(legs.hear_description(leg, 2, None, description));
        legs
    }

    #[test]
    fn a_description_comes_out_as_it_went_in() {
        let side = Side { number: Some("+1404"), name: Some(""), extension: None, device: Some("d") };
        let description = Description {
            account: Some("1"),
            extension: None,
            direction: Some(Direction::Inbound),
            from: side,
            to: Side { name: Some("Å"), ..Side::default() },
            queue_call: true,
            queue_name: Some("Support"),
            caller_name: Some("MILLER J"),
            ring_out_role: Some(Role::Target),
        };
        assert_eq!(told(&description).description(0), description);
        assert_eq!(told(&Description::default()).description(0), Description::default());
    }

    #[test]
    fn a_later_description_does_not_erase_what_it_lacks() {
        let named = Description { extension: Some("7"), account: Some("1"), ..Description::default() };
        let renamed = Description { extension: Some("8"), ..Description::default() };
        let mut legs = told(&named);
        assert!(legs.hear_description(0, 5, None, &renamed));
        assert_eq!(legs.description(0), Description { account: Some("1"), ..renamed });
        assert_eq!(legs.extension(0), Some("8"));
        // Repeated by an earlier change it changes nothing; by a later one it applies again.
        assert!(legs.hear_description(0, 9, None, &named));
        assert_eq!(legs.extension(0), Some("7"));
    }

    #[test]
    fn a_name_of_a_megabyte_is_cut_between_characters() {
        let name = "é".repeat(1 << 19);
        let side = Side { name: Some(&name), ..Side::default() };
        let description = Description { from: side, to: side, ..Description::default() };
        let mut legs = told(&description);
        assert!(!legs.hear_description(0, 3, None, &description));
        assert_eq!(legs.description(0).to.name.map(str::len), Some(LONGEST_FIELD));
    }

    #[test]
    fn a_session_that_drops_its_legs_again_and_again_does_not_grow() {
        let mut legs = Legs::default();
        let description = Description { extension: Some("7"), ..Description::default() };
        for round in 0..100_000 {
            let leg = legs.find_or_add(&format!("p-{round}"));
            legs.hear_description(leg, 2, None, &description);
            assert!(legs.count_event(leg));
            if round >= 20 {
                legs.uncount_event(legs.many.as_ref().unwrap().index[&*format!("p-{}", round - 3)]);
            }
        }
        assert!(legs.text.len() < 100_000 && legs.given.len() < 5_000 && legs.len() < 50);
        let last = legs.find_or_add("p-99999");
        assert_eq!((legs.id(last), legs.extension(last)), ("p-99999", Some("7")));
    }
}
