//! The legs of a session: their ids and descriptions.
//!
//! All texts of a session's legs share one string, and all descriptions one list: a record is computed long after its
//! session was last accessed, and a dozen separate allocations would each be a cache miss.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use hashbrown::HashMap;
use wholecall_notification::{Code, Direction, Party, Reason, Role};
use wholecall_record::ShortText;

use crate::{
    description::{Description, FIELDS, Side},
    index::{IdxRange, IdxVec, define_indices},
    limits,
    uuid::{Uuid, adopt_smaller, delivery_order},
};

define_indices! {
    /// A leg's index in its session.
    LegKey(u16)
}

/// The legs of a session.
#[derive(Debug, Default)]
pub(crate) struct Legs {
    text: String,
    legs: IdxVec<LegKey, Leg>,
    descriptions: Vec<DescriptionRecord>,
    /// Number of legs whose latest change is not their end.
    open: u32,
    /// Number of descriptions that no leg refers to any more.
    dropped: u32,
    /// Finds legs by id in a session of many legs.
    index: Option<Box<LegIndex>>,
}

#[derive(Debug)]
struct Leg {
    id_start: u32,
    id_end: u32,
    /// The description that was added last; the others follow from there.
    last_description: Option<NonMaxIndex>,
    /// Number of stored events.
    events: u32,
    /// The sequence of its latest state change, and whether the leg ended with it.
    latest: u32,
    has_left: bool,
    #[expect(clippy::box_collection, reason = "few legs are recorded")]
    recordings: Option<Box<Vec<ShortText>>>,
}

/// One of the differing descriptions of a leg, and the last change that gave it. Most legs have one or two: a
/// notification repeats what the previous one said.
#[derive(Debug)]
struct DescriptionRecord {
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
struct LegIndex {
    keys: HashMap<Box<str>, LegKey>,
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
const MAX_FIELD_BYTES: usize = 2_000;

/// Positions of fields in [`Description::texts`].
const EXTENSION: usize = 1;
const FROM_NUMBER: usize = 4;
const TO_NUMBER: usize = 8;

impl Legs {
    /// Maximum number of legs that are searched linearly; beyond it there is an index.
    const MAX_UNINDEXED_LEGS: usize = 16;

    pub(crate) fn len(&self) -> usize {
        self.legs.len()
    }

    pub(crate) fn keys(&self) -> IdxRange<LegKey> {
        self.legs.indices()
    }

    /// The party's id.
    pub(crate) fn id(&self, leg: LegKey) -> &str {
        let Leg { id_start, id_end, .. } = self.legs[leg];
        &self.text[id_start as usize..id_end as usize]
    }

    /// The leg of a party, added if it is new.
    pub(crate) fn find_or_add(&mut self, party: &str) -> LegKey {
        self.find(party).unwrap_or_else(|| self.add(party))
    }

    /// The leg of a party, added if it is new. `None` if the session has too many legs.
    pub(crate) fn find_or_add_within_limit(&mut self, party: &str) -> Option<LegKey> {
        let has_room = self.legs.len() < limits::MAX_NOTIFICATIONS_PER_SESSION;
        self.find(party).or_else(|| has_room.then(|| self.add(party)))
    }

    fn find(&self, party: &str) -> Option<LegKey> {
        match &self.index {
            None => self.keys().find(|&leg| self.id(leg) == party),
            Some(index) => index.keys.get(party).copied(),
        }
    }

    fn add(&mut self, party: &str) -> LegKey {
        if self.legs.len() == Self::MAX_UNINDEXED_LEGS && self.index.is_none() {
            let ids = self.keys().map(|leg| (Box::from(self.id(leg)), leg));
            self.index = Some(Box::new(LegIndex { keys: ids.collect(), ..LegIndex::default() }));
        }
        if self.legs.is_empty() {
            // Three of four sessions have two or three legs with three descriptions of 320 characters.
            self.legs = IdxVec::with_capacity(3);
            self.descriptions.reserve_exact(3);
            self.text.reserve_exact(320);
        }
        let id_start = self.text.len() as u32;
        self.text.push_str(party);
        let id_end = self.text.len() as u32;
        let leg = Leg {
            id_start,
            id_end,
            last_description: None,
            events: 0,
            latest: 0,
            has_left: true,
            recordings: None,
        };
        // The number of legs exceeds the number of stored notifications by at most one.
        let mut key = self.legs.next_index();
        if let Some(index) = &mut self.index {
            key = index.free.pop().unwrap_or(key);
            index.keys.insert(Box::from(party), key);
        }
        match self.legs.get_mut(key) {
            Some(slot) => *slot = leg,
            None => drop(self.legs.push(leg)),
        }
        key
    }

    /// Number of legs whose latest change is not their end.
    pub(crate) fn open(&self) -> u32 {
        self.open
    }

    /// Records whether a leg has ended, if this is its latest state change.
    pub(crate) fn apply_code(
        &mut self,
        leg: LegKey,
        sequence: u32,
        code: Option<Code>,
        reason: Option<Reason>,
    ) {
        let leg = &mut self.legs[leg];
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
        self.legs[leg].events > 0
    }

    /// Counts an event of a leg; returns whether it is its first.
    pub(crate) fn count_event(&mut self, leg: LegKey) -> bool {
        let leg = &mut self.legs[leg];
        leg.events += 1;
        leg.events == 1
    }

    /// Uncounts an event that was removed; a leg without events is removed too.
    pub(crate) fn uncount_event(&mut self, key: LegKey) {
        let leg = &mut self.legs[key];
        leg.events -= 1;
        if leg.events > 0 {
            return;
        }
        let dropped = self.descriptions_of(key).count();
        let id = Box::<str>::from(self.id(key));
        // Sessions that remove events have many legs, or their legs have many events.
        let Some(index) = &mut self.index else { return };
        index.keys.remove(&id);
        index.free.push(key);
        self.dropped += dropped as u32;
        let leg = &mut self.legs[key];
        leg.last_description = None;
        if !std::mem::replace(&mut leg.has_left, true) {
            self.open -= 1;
        }
        self.compact_if_sparse();
    }

    fn compact_if_sparse(&mut self) {
        if self.dropped as usize > self.descriptions.len() / 2 + 1_000 {
            self.compact();
        }
    }

    /// Rebuilds texts and descriptions without those that no leg refers to.
    fn compact(&mut self) {
        let mut compacted = Self { open: self.open, index: self.index.take(), ..Self::default() };
        for key in self.keys() {
            let id_start = compacted.text.len() as u32;
            if self.legs[key].events > 0 {
                compacted.text.push_str(self.id(key));
            }
            let old = &mut self.legs[key];
            let recordings = old.recordings.take();
            let id_end = compacted.text.len() as u32;
            let Leg { events, latest, has_left, .. } = *old;
            compacted.legs.push(Leg {
                id_start,
                id_end,
                last_description: None,
                events,
                latest,
                has_left,
                recordings,
            });
            for record in self.descriptions_of(key) {
                compacted.push_description(
                    key,
                    (record.first_sequence, record.sequence),
                    record.uuid.clone(),
                    &self.unpack(record),
                );
            }
        }
        *self = compacted;
    }

    /// Adds the descriptive fields of a notification; returns whether that changes anything.
    pub(crate) fn describe(
        &mut self,
        leg: LegKey,
        sequence: u32,
        uuid: Option<&Uuid>,
        party: &Party<'_>,
    ) -> bool {
        let described = self.add_description(leg, sequence, uuid, &Description::of(party));
        let mut is_new = described;
        for id in party.recordings.iter().filter_map(|recording| recording.id.as_deref()) {
            let recordings = self.legs[leg].recordings.get_or_insert_default();
            if let Err(place) = recordings.binary_search_by(|known| known.as_str().cmp(id))
                && place < limits::MAX_RECORDINGS_PER_LEG
            {
                recordings.insert(place, ShortText::from(id));
                recordings.truncate(limits::MAX_RECORDINGS_PER_LEG);
                is_new = true;
            }
        }
        is_new
    }

    /// Adds the description that came with a change; returns whether that changes anything.
    pub(crate) fn add_description(
        &mut self,
        leg: LegKey,
        sequence: u32,
        uuid: Option<&Uuid>,
        description: &Description<'_>,
    ) -> bool {
        let first = self.legs[leg].last_description;
        let mut next = first;
        let mut count = 0;
        while let Some(at) = next {
            count += 1;
            let record = &self.descriptions[at.get()];
            if self.equals(record, description) {
                let is_only = first == Some(at) && record.next.is_none();
                let record = &mut self.descriptions[at.get()];
                let counts_earlier = sequence < record.first_sequence;
                record.first_sequence = record.first_sequence.min(sequence);
                let counts_later = match sequence.cmp(&record.sequence) {
                    Ordering::Less => false,
                    Ordering::Equal => adopt_smaller(&mut record.uuid, uuid),
                    Ordering::Greater => {
                        (record.sequence, record.uuid) = (sequence, uuid.cloned());
                        true
                    }
                };
                return (counts_later || counts_earlier) && !is_only;
            }
            next = record.next;
        }
        self.push_description(leg, (sequence, sequence), uuid.cloned(), description);
        count < limits::MAX_DESCRIPTIONS_PER_LEG || self.drop_earliest(leg)
    }

    /// Replaces all descriptions of a leg.
    pub(crate) fn replace_descriptions(
        &mut self,
        leg: LegKey,
        uuid: Option<&Uuid>,
        description: &Description<'_>,
    ) {
        self.dropped += self.descriptions_of(leg).count() as u32;
        self.legs[leg].last_description = None;
        self.push_description(leg, (0, 0), uuid.cloned(), description);
        self.compact_if_sparse();
    }

    /// Removes the earliest description of a leg; returns whether it is another than the one just added.
    fn drop_earliest(&mut self, leg: LegKey) -> bool {
        let at = |record: &DescriptionRecord| record.next.map(NonMaxIndex::get);
        let newest = self.legs[leg].last_description.map(NonMaxIndex::get);
        let all = || std::iter::successors(newest, |&place| at(&self.descriptions[place]));
        let Some(earliest) =
            all().max_by(|&a, &b| self.latest_first(&self.descriptions[a], &self.descriptions[b]))
        else {
            return false;
        };
        let before = all().find(|&place| at(&self.descriptions[place]) == Some(earliest));
        let behind = self.descriptions[earliest].next;
        match before {
            Some(before) => self.descriptions[before].next = behind,
            None => self.legs[leg].last_description = behind,
        }
        self.dropped += 1;
        self.compact_if_sparse();
        before.is_some()
    }

    fn push_description(
        &mut self,
        leg: LegKey,
        (first_sequence, sequence): (u32, u32),
        uuid: Option<Uuid>,
        description: &Description<'_>,
    ) {
        let start = self.text.len();
        let text = &mut self.text;
        let ends = description.texts().map(|field| {
            text.push_str(truncate(field.unwrap_or_default()));
            let end = (text.len() - start) as u16;
            if field.is_some() { end } else { end | ABSENT }
        });
        let leg = &mut self.legs[leg];
        let next = leg.last_description;
        leg.last_description = NonMaxIndex::new(self.descriptions.len());
        self.descriptions.push(DescriptionRecord {
            uuid,
            first_sequence,
            sequence,
            next,
            text_start: start as u32,
            ends,
            direction: description.direction,
            queue_call: description.queue_call,
            ring_out_role: description.ring_out_role,
        });
    }

    /// The ids of a leg's recordings, in order.
    pub(crate) fn recordings(&self, leg: LegKey) -> &[ShortText] {
        self.legs[leg].recordings.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The merged description of a leg: each field from the latest change that has it; of deliveries of one change,
    /// from the one with the smallest id.
    pub(crate) fn description(&self, leg: LegKey) -> Description<'_> {
        let mut record = self.descriptions_of(leg);
        match (record.next(), record.next()) {
            (None, _) => Description::default(),
            (Some(only), None) => self.unpack(only),
            (Some(one), Some(other)) => {
                let mut latest_first: Vec<&DescriptionRecord> =
                    [one, other].into_iter().chain(record).collect();
                latest_first.sort_by(|a, b| self.latest_first(a, b));
                let mut all = Description::default();
                latest_first.iter().for_each(|record| all.fill_gaps(&self.unpack(record)));
                all
            }
        }
    }

    /// Whether lookup answers add anything to the description that notifications give.
    pub(crate) fn has_added_description(&self, leg: LegKey) -> bool {
        let mut notified: Vec<&DescriptionRecord> =
            self.descriptions_of(leg).filter(|record| record.sequence > 0).collect();
        notified.sort_by(|a, b| self.latest_first(a, b));
        let mut all = Description::default();
        notified.iter().for_each(|record| all.fill_gaps(&self.unpack(record)));
        all != self.description(leg)
    }

    /// The latest extension of the owner.
    pub(crate) fn extension(&self, leg: LegKey) -> Option<&str> {
        self.latest(leg, |record| self.field(record, EXTENSION))
    }

    /// The first number in `to`: what was dialled, before the platform replaced it by the actual destination. Lookup
    /// answers come after every notification.
    pub(crate) fn first_number_dialled(&self, leg: LegKey) -> Option<&str> {
        let named =
            self.descriptions_of(leg).filter_map(|record| Some((record, self.field(record, TO_NUMBER)?)));
        let place = |record: &DescriptionRecord| (record.first_sequence == 0, record.first_sequence);
        let order = |a: &DescriptionRecord, b: &DescriptionRecord| {
            place(a).cmp(&place(b)).then_with(|| self.latest_first(a, b))
        };
        named.min_by(|(a, _), (b, _)| order(a, b)).map(|(_, number)| number)
    }

    /// The latest numbers in `from` and `to`.
    pub(crate) fn numbers(&self, leg: LegKey) -> [Option<&str>; 2] {
        [FROM_NUMBER, TO_NUMBER].map(|place| self.latest(leg, |record| self.field(record, place)))
    }

    /// The latest technical direction.
    pub(crate) fn direction(&self, leg: LegKey) -> Option<Direction> {
        self.latest(leg, |record| record.direction)
    }

    /// The latest role in a RingOut.
    pub(crate) fn ring_out_role(&self, leg: LegKey) -> Option<Role> {
        self.latest(leg, |record| record.ring_out_role)
    }

    fn latest<'a, T>(&'a self, leg: LegKey, field: impl Fn(&'a DescriptionRecord) -> Option<T>) -> Option<T> {
        let candidates = self.descriptions_of(leg).filter_map(|record| Some((record, field(record)?)));
        candidates.min_by(|(a, _), (b, _)| self.latest_first(a, b)).map(|(_, value)| value)
    }

    /// Later changes first; of deliveries of one change, the smallest id; of equal ids, the content decides, so that
    /// the order of arrival does not.
    fn latest_first(&self, a: &DescriptionRecord, b: &DescriptionRecord) -> Ordering {
        let order =
            b.sequence.cmp(&a.sequence).then_with(|| delivery_order(a.uuid.as_ref(), b.uuid.as_ref()));
        order.then_with(|| self.unpack(a).cmp(&self.unpack(b)))
    }

    fn descriptions_of(&self, leg: LegKey) -> impl Iterator<Item = &DescriptionRecord> {
        let first = self.legs[leg].last_description.map(|at| &self.descriptions[at.get()]);
        std::iter::successors(first, |record| record.next.map(|at| &self.descriptions[at.get()]))
    }

    fn equals(&self, record: &DescriptionRecord, description: &Description<'_>) -> bool {
        let mut start = 0;
        let text = &self.text.as_bytes()[record.text_start as usize..];
        let same_texts = record.ends.iter().zip(description.texts()).all(|(&end, field)| {
            let from = std::mem::replace(&mut start, (end & !ABSENT) as usize);
            match field {
                Some(field) => end & ABSENT == 0 && text[from..end as usize] == *truncate(field).as_bytes(),
                None => end & ABSENT != 0,
            }
        });
        same_texts
            && record.direction == description.direction
            && record.queue_call == description.queue_call
            && record.ring_out_role == description.ring_out_role
    }

    /// One of the text fields of a description.
    fn field(&self, record: &DescriptionRecord, place: usize) -> Option<&str> {
        let start = place.checked_sub(1).map_or(0, |before| (record.ends[before] & !ABSENT) as usize);
        let end = record.ends[place];
        let text = &self.text[record.text_start as usize..];
        (end & ABSENT == 0).then(|| &text[start..end as usize])
    }

    fn unpack(&self, record: &DescriptionRecord) -> Description<'_> {
        let mut start = 0;
        let text = &self.text[record.text_start as usize..];
        let fields = record.ends.map(|end| {
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
            direction: record.direction,
            from: Side { number, name, extension: from_extension, device },
            to: Side { number: to_number, name: to_name, extension: to_extension, device: to_device },
            queue_call: record.queue_call,
            queue_name,
            caller_name,
            ring_out_role: record.ring_out_role,
        }
    }
}

fn truncate(field: &str) -> &str {
    if field.len() <= MAX_FIELD_BYTES { field } else { &field[..field.floor_char_boundary(MAX_FIELD_BYTES)] }
}
