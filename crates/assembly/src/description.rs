//! The descriptive fields of a leg: who it is, what it was offered by. They do not change its state, and
//! a later notification that lacks one does not erase it.

use compact_str::CompactString;
use wholecall_notification::{Direction, Endpoint, Party, Role, Text};
use wholecall_record::call;

use crate::uuid::{Uuid, copy_order, keep_first};

/// What notifications say of a leg apart from its state.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Description<'a> {
    pub(crate) account: Option<&'a str>,
    pub(crate) extension: Option<&'a str>,
    pub(crate) direction: Option<Direction>,
    pub(crate) from: Side<'a>,
    pub(crate) to: Side<'a>,
    pub(crate) queue_call: bool,
    pub(crate) queue_name: Option<&'a str>,
    pub(crate) ring_out_role: Option<Role>,
}

/// `from` or `to`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Side<'a> {
    pub(crate) number: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    pub(crate) extension: Option<&'a str>,
    pub(crate) device: Option<&'a str>,
}

/// The different descriptions a leg has been given, each with the last change that gave it. Most legs
/// have one or two: a notification repeats what the one before it said.
#[derive(Debug, Default)]
pub(crate) struct Descriptions(Vec<Given>);

#[derive(Debug)]
struct Given {
    sequence: u32,
    uuid: Option<Uuid>,
    description: Packed,
}

impl Descriptions {
    /// Takes in what one notification says; tells whether that changes anything.
    pub(crate) fn add(&mut self, sequence: u32, uuid: Option<&Uuid>, party: &Party<'_>) -> bool {
        let description = Description::of(party);
        let known = self.0.iter_mut().rev().find(|given| given.description.is(&description));
        let Some(given) = known else {
            // A second description is the exception.
            self.0.reserve_exact(1);
            let uuid = uuid.cloned();
            self.0.push(Given { sequence, uuid, description: Packed::new(&description) });
            return true;
        };
        if sequence > given.sequence {
            given.sequence = sequence;
            given.uuid = uuid.cloned();
        } else if sequence == given.sequence {
            keep_first(&mut given.uuid, uuid);
        }
        self.0.len() > 1
    }

    /// The owner's extension, as it was last said.
    pub(crate) fn extension(&self) -> Option<&str> {
        self.latest(|description| description.text(EXTENSION))
    }

    /// The technical direction, as it was last said.
    pub(crate) fn direction(&self) -> Option<Direction> {
        self.latest(|description| description.direction)
    }

    /// The part in a RingOut, as it was last said.
    pub(crate) fn ring_out_role(&self) -> Option<Role> {
        self.latest(|description| description.ring_out_role)
    }

    fn latest<'a, T>(&'a self, field: impl Fn(&'a Packed) -> Option<T>) -> Option<T> {
        if let [only] = self.0.as_slice() {
            return field(&only.description);
        }
        let saying = self.0.iter().filter_map(|given| Some((given, field(&given.description)?)));
        saying.min_by(|(a, _), (b, _)| a.later_first(b)).map(|(_, value)| value)
    }

    /// All that is known: each field as it was last said; between copies, as the smallest id says it.
    pub(crate) fn taken_together(&self) -> Description<'_> {
        match self.0.as_slice() {
            [only] => only.description.unpacked(),
            [one, other] => {
                let (first, second) = if one.later_first(other).is_le() { (one, other) } else { (other, one) };
                let mut all = first.description.unpacked();
                all.fill_gaps(&second.description.unpacked());
                all
            }
            several => {
                let mut latest_first: Vec<&Given> = several.iter().collect();
                latest_first.sort_by(|a, b| a.later_first(b));
                let mut all = Description::default();
                latest_first.iter().for_each(|given| all.fill_gaps(&given.description.unpacked()));
                all
            }
        }
    }
}

impl Given {
    /// Later changes first; between copies, the smallest id.
    fn later_first(&self, other: &Self) -> std::cmp::Ordering {
        let order = other.sequence.cmp(&self.sequence);
        order.then_with(|| copy_order(self.uuid.as_ref(), other.uuid.as_ref()))
    }
}

/// A description in one piece of text: a live call holds several, and a dozen separate strings each would
/// be most of its memory.
#[derive(Debug)]
struct Packed {
    text: Box<str>,
    /// Where each field ends in the text; an absent field is marked.
    ends: [u16; FIELDS],
    direction: Option<Direction>,
    queue_call: bool,
    ring_out_role: Option<Role>,
}

const FIELDS: usize = 11;
const ABSENT: u16 = 1 << 15;
/// No name or number is longer; what is, is cut.
const LONGEST_FIELD: usize = 2_000;
/// The place of the owner's extension among the fields.
const EXTENSION: usize = 1;

impl Packed {
    fn new(description: &Description<'_>) -> Self {
        let fields = description.texts().map(|field| field.map(cut));
        let mut text = String::with_capacity(fields.iter().flatten().map(|field| field.len()).sum());
        let ends = fields.map(|field| {
            text.push_str(field.unwrap_or_default());
            // Eleven fields of that length end before the mark.
            let end = text.len() as u16;
            if field.is_some() { end } else { end | ABSENT }
        });
        Self {
            text: text.into_boxed_str(),
            ends,
            direction: description.direction,
            queue_call: description.queue_call,
            ring_out_role: description.ring_out_role,
        }
    }

    fn text(&self, field: usize) -> Option<&str> {
        let start = field.checked_sub(1).map_or(0, |before| self.ends[before] & !ABSENT);
        let end = self.ends[field];
        (end & ABSENT == 0).then(|| &self.text[start as usize..end as usize])
    }

    fn is(&self, description: &Description<'_>) -> bool {
        let mut start = 0;
        let text = self.text.as_bytes();
        let same_texts = self.ends.iter().zip(description.texts()).all(|(&end, field)| {
            let from = std::mem::replace(&mut start, (end & !ABSENT) as usize);
            match field {
                Some(field) => end & ABSENT == 0 && text[from..end as usize] == *cut(field).as_bytes(),
                None => end & ABSENT != 0,
            }
        });
        same_texts
            && self.direction == description.direction
            && self.queue_call == description.queue_call
            && self.ring_out_role == description.ring_out_role
    }

    fn unpacked(&self) -> Description<'_> {
        let mut start = 0;
        let [
            account,
            extension,
            queue_name,
            from_number,
            from_name,
            from_extension,
            from_device,
            to_number,
            to_name,
            to_extension,
            to_device,
        ] = self.ends.map(|end| {
            let from = std::mem::replace(&mut start, (end & !ABSENT) as usize);
            (end & ABSENT == 0).then(|| &self.text[from..end as usize])
        });
        Description {
            account,
            extension,
            direction: self.direction,
            from: Side { number: from_number, name: from_name, extension: from_extension, device: from_device },
            to: Side { number: to_number, name: to_name, extension: to_extension, device: to_device },
            queue_call: self.queue_call,
            queue_name,
            ring_out_role: self.ring_out_role,
        }
    }
}

fn cut(field: &str) -> &str {
    if field.len() <= LONGEST_FIELD { field } else { &field[..field.floor_char_boundary(LONGEST_FIELD)] }
}

fn said<'t>(field: &'t Option<Text<'_>>) -> Option<&'t str> {
    field.as_deref().filter(|text| !text.is_empty())
}

impl<'a> Description<'a> {
    fn of(party: &'a Party<'_>) -> Self {
        Self {
            account: party.account_id(),
            extension: party.extension_id(),
            direction: party.direction(),
            from: Side::of(&party.from),
            to: Side::of(&party.to),
            queue_call: party.queue_call == Some(true),
            queue_name: party.ui_call_info.as_deref().and_then(|info| info.queue_name()),
            ring_out_role: party.ring_out_role(),
        }
    }

    fn texts(&self) -> [Option<&'a str>; FIELDS] {
        let Side { number, name, extension, device } = self.from;
        let to = self.to;
        [
            self.account,
            self.extension,
            self.queue_name,
            number,
            name,
            extension,
            device,
            to.number,
            to.name,
            to.extension,
            to.device,
        ]
    }

    fn fill_gaps(&mut self, other: &Self) {
        self.account = self.account.or(other.account);
        self.extension = self.extension.or(other.extension);
        self.direction = self.direction.or(other.direction);
        self.from.fill_gaps(&other.from);
        self.to.fill_gaps(&other.to);
        self.queue_call |= other.queue_call;
        self.queue_name = self.queue_name.or(other.queue_name);
        self.ring_out_role = self.ring_out_role.or(other.ring_out_role);
    }
}

impl<'a> Side<'a> {
    fn of(endpoint: &'a Endpoint<'_>) -> Self {
        Self {
            number: said(&endpoint.phone_number),
            name: said(&endpoint.name),
            extension: said(&endpoint.extension_id),
            device: said(&endpoint.device_id),
        }
    }

    fn fill_gaps(&mut self, other: &Self) {
        self.number = self.number.or(other.number);
        self.name = self.name.or(other.name);
        self.extension = self.extension.or(other.extension);
        self.device = self.device.or(other.device);
    }

    /// A number somebody could be known by: not one that is withheld.
    pub(crate) fn telling_number(&self) -> Option<&'a str> {
        const WITHHELD: [&str; 3] = ["anonymous", "restricted", "unknown"];
        self.number.filter(|number| !WITHHELD.iter().any(|word| number.eq_ignore_ascii_case(word)))
    }

    /// A service behind a star code.
    pub(crate) fn is_star_code(&self) -> bool {
        self.number.is_some_and(|number| number.starts_with('*'))
    }

    /// A conference bridge.
    pub(crate) fn is_bridge(&self) -> bool {
        self.number.is_some_and(|number| number.eq_ignore_ascii_case("conference"))
    }

    /// An extension of the account, or a number too short to be anything else.
    pub(crate) fn is_internal(&self) -> bool {
        /// RingCentral's extension numbers have up to eight digits.
        const LONGEST_SHORT_NUMBER: usize = 8;
        let is_short = |number: &str| !number.starts_with('+') && number.len() <= LONGEST_SHORT_NUMBER;
        self.extension.is_some() || self.number.is_some_and(is_short)
    }

    pub(crate) fn as_endpoint(&self) -> call::Endpoint {
        call::Endpoint {
            phone_number: self.number.map(CompactString::from),
            name: self.name.map(CompactString::from),
            extension_id: self.extension.map(CompactString::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_description_comes_out_as_it_went_in() {
        let side = Side { number: Some("+1404"), name: Some(""), extension: None, device: Some("d") };
        let description = Description {
            account: Some("1"),
            extension: None,
            direction: Some(Direction::Inbound),
            from: side,
            to: Side { name: Some("Å"), ..Side::default() },
            queue_call: true,
            queue_name: Some("Support"),
            ring_out_role: Some(Role::Target),
        };
        assert_eq!(Packed::new(&description).unpacked(), description);
        assert_eq!(Packed::new(&Description::default()).unpacked(), Description::default());
    }

    #[test]
    fn a_name_of_a_megabyte_is_cut_between_characters() {
        let name = "é".repeat(1 << 19);
        let side = Side { name: Some(&name), ..Side::default() };
        let description = Description { from: side, to: side, ..Description::default() };
        let packed = Packed::new(&description);
        assert!(packed.is(&description));
        assert_eq!(packed.unpacked().to.name.map(str::len), Some(LONGEST_FIELD));
    }
}
