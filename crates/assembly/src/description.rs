//! The descriptive fields of a leg: who it is, what it was offered by. They do not change its state, and
//! a later notification that lacks one does not erase it.

use compact_str::CompactString;
use wholecall_notification::{Direction, Endpoint, Party, Role, Text};
use wholecall_record::call;

use crate::event::{smaller_uuid, uuid_order};

/// What notifications say of a leg apart from its state.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Description {
    pub(crate) account: Option<CompactString>,
    pub(crate) extension: Option<CompactString>,
    pub(crate) direction: Option<Direction>,
    pub(crate) from: Side,
    pub(crate) to: Side,
    pub(crate) queue_call: bool,
    pub(crate) queue_name: Option<CompactString>,
    pub(crate) ring_out_role: Option<Role>,
}

/// `from` or `to`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Side {
    pub(crate) number: Option<CompactString>,
    pub(crate) name: Option<CompactString>,
    pub(crate) extension: Option<CompactString>,
    pub(crate) device: Option<CompactString>,
}

/// The different descriptions a leg has been given, each with the last change that gave it. Most legs
/// have one or two: a notification repeats what the one before it said.
#[derive(Debug, Default)]
pub(crate) struct Descriptions(Vec<Given>);

#[derive(Debug)]
struct Given {
    sequence: i64,
    uuid: Option<CompactString>,
    description: Description,
}

impl Descriptions {
    /// Takes in what one notification says; tells whether that changes anything.
    pub(crate) fn add(&mut self, sequence: i64, uuid: Option<&str>, party: &Party<'_>) -> bool {
        let known = self.0.iter_mut().rev().find(|given| given.description.says_the_same(party));
        let Some(given) = known else {
            let description = Description::of(party);
            self.0.push(Given { sequence, uuid: uuid.map(CompactString::from), description });
            return true;
        };
        if sequence > given.sequence {
            given.sequence = sequence;
            given.uuid = uuid.map(CompactString::from);
        } else if sequence == given.sequence {
            given.uuid = smaller_uuid(given.uuid.take(), uuid);
        }
        self.0.len() > 1
    }

    /// All that is known: each field as it was last said; between copies, as the smallest id says it.
    pub(crate) fn taken_together(&self) -> std::borrow::Cow<'_, Description> {
        if let [only] = self.0.as_slice() {
            return std::borrow::Cow::Borrowed(&only.description);
        }
        let mut latest_first: Vec<&Given> = self.0.iter().collect();
        latest_first.sort_by(|a, b| {
            let order = b.sequence.cmp(&a.sequence);
            order.then_with(|| uuid_order(a.uuid.as_deref(), b.uuid.as_deref()))
        });
        let mut all = Description::default();
        for given in latest_first {
            all.fill_gaps(&given.description);
        }
        std::borrow::Cow::Owned(all)
    }
}

fn said<'t>(field: &'t Option<Text<'_>>) -> Option<&'t str> {
    field.as_deref().filter(|text| !text.is_empty())
}

fn kept(field: Option<&str>) -> Option<CompactString> {
    field.map(CompactString::from)
}

impl Description {
    fn of(party: &Party<'_>) -> Self {
        Self {
            account: kept(party.account_id()),
            extension: kept(party.extension_id()),
            direction: party.direction(),
            from: Side::of(&party.from),
            to: Side::of(&party.to),
            queue_call: party.queue_call == Some(true),
            queue_name: kept(party.ui_call_info.as_deref().and_then(|info| info.queue_name())),
            ring_out_role: party.ring_out_role(),
        }
    }

    fn says_the_same(&self, party: &Party<'_>) -> bool {
        self.extension.as_deref() == party.extension_id()
            && self.from.says_the_same(&party.from)
            && self.to.says_the_same(&party.to)
            && self.account.as_deref() == party.account_id()
            && self.direction == party.direction()
            && self.queue_call == (party.queue_call == Some(true))
            && self.ring_out_role == party.ring_out_role()
            && self.queue_name.as_deref() == party.ui_call_info.as_deref().and_then(|info| info.queue_name())
    }

    fn fill_gaps(&mut self, other: &Self) {
        fill(&mut self.account, &other.account);
        fill(&mut self.extension, &other.extension);
        fill(&mut self.direction, &other.direction);
        self.from.fill_gaps(&other.from);
        self.to.fill_gaps(&other.to);
        self.queue_call |= other.queue_call;
        fill(&mut self.queue_name, &other.queue_name);
        fill(&mut self.ring_out_role, &other.ring_out_role);
    }
}

fn fill<T: Clone>(ours: &mut Option<T>, theirs: &Option<T>) {
    if ours.is_none() {
        ours.clone_from(theirs);
    }
}

impl Side {
    fn of(endpoint: &Endpoint<'_>) -> Self {
        Self {
            number: kept(said(&endpoint.phone_number)),
            name: kept(said(&endpoint.name)),
            extension: kept(said(&endpoint.extension_id)),
            device: kept(said(&endpoint.device_id)),
        }
    }

    fn says_the_same(&self, endpoint: &Endpoint<'_>) -> bool {
        self.number.as_deref() == said(&endpoint.phone_number)
            && self.name.as_deref() == said(&endpoint.name)
            && self.extension.as_deref() == said(&endpoint.extension_id)
            && self.device.as_deref() == said(&endpoint.device_id)
    }

    fn fill_gaps(&mut self, other: &Self) {
        fill(&mut self.number, &other.number);
        fill(&mut self.name, &other.name);
        fill(&mut self.extension, &other.extension);
        fill(&mut self.device, &other.device);
    }

    /// A number somebody could be known by: not one that is withheld, and not the bridge's.
    pub(crate) fn telling_number(&self) -> Option<&str> {
        const WITHHELD: [&str; 3] = ["anonymous", "restricted", "unknown"];
        self.number.as_deref().filter(|number| !WITHHELD.iter().any(|word| number.eq_ignore_ascii_case(word)))
    }

    /// A service behind a star code.
    pub(crate) fn is_star_code(&self) -> bool {
        self.number.as_deref().is_some_and(|number| number.starts_with('*'))
    }

    /// A conference bridge.
    pub(crate) fn is_bridge(&self) -> bool {
        self.number.as_deref().is_some_and(|number| number.eq_ignore_ascii_case("conference"))
    }

    /// An extension of the account, or a number too short to be anything else.
    pub(crate) fn is_internal(&self) -> bool {
        /// RingCentral's extension numbers have up to eight digits.
        const LONGEST_SHORT_NUMBER: usize = 8;
        self.extension.is_some()
            || self
                .number
                .as_deref()
                .is_some_and(|number| !number.starts_with('+') && number.len() <= LONGEST_SHORT_NUMBER)
    }

    pub(crate) fn as_endpoint(&self) -> call::Endpoint {
        call::Endpoint {
            phone_number: self.number.clone(),
            name: self.name.clone(),
            extension_id: self.extension.clone(),
        }
    }
}
