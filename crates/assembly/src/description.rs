//! The descriptive fields of a leg: its owner, its numbers and names, the queue that offers it. They do not change
//! the leg's state, and a later notification without a field does not erase it.

use wholecall_notification::{Direction, Endpoint, Party, Role, Text};
use wholecall_record::ShortText;
use wholecall_record::call;

use wholecall_record::phone::is_star_code;

/// The descriptive fields that notifications give a leg.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Description<'a> {
    pub(crate) account: Option<&'a str>,
    pub(crate) extension: Option<&'a str>,
    pub(crate) direction: Option<Direction>,
    pub(crate) from: Side<'a>,
    pub(crate) to: Side<'a>,
    pub(crate) queue_call: bool,
    pub(crate) queue_name: Option<&'a str>,
    /// The caller's name if the phone's screen shows it separately from the queue's.
    pub(crate) caller_name: Option<&'a str>,
    pub(crate) ring_out_role: Option<Role>,
}

/// `from` or `to`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Side<'a> {
    pub(crate) number: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    pub(crate) extension: Option<&'a str>,
    pub(crate) device: Option<&'a str>,
}

/// Number of text fields of a description.
pub(crate) const FIELDS: usize = 12;

fn non_empty<'t>(field: &'t Option<Text<'_>>) -> Option<&'t str> {
    field.as_deref().filter(|text| !text.is_empty())
}

impl<'a> Description<'a> {
    pub(crate) fn of(party: &'a Party<'_>) -> Self {
        Self {
            account: party.account_id(),
            extension: party.extension_id(),
            direction: party.direction(),
            from: Side::of(&party.from),
            to: Side::of(&party.to),
            queue_call: party.is_queue_call(),
            queue_name: party.ui_call_info.as_deref().and_then(|info| info.queue_name()),
            caller_name: party.ui_call_info.as_deref().and_then(|info| info.caller_name()),
            ring_out_role: party.ring_out_role(),
        }
    }

    /// The text fields, always in the same order.
    pub(crate) fn texts(&self) -> [Option<&'a str>; FIELDS] {
        let Side { number, name, extension, device } = self.from;
        let to = self.to;
        [
            self.account,
            self.extension,
            self.queue_name,
            self.caller_name,
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

    pub(crate) fn fill_gaps(&mut self, other: &Self) {
        self.account = self.account.or(other.account);
        self.extension = self.extension.or(other.extension);
        self.direction = self.direction.or(other.direction);
        self.from.fill_gaps(&other.from);
        self.to.fill_gaps(&other.to);
        self.queue_call |= other.queue_call;
        self.queue_name = self.queue_name.or(other.queue_name);
        self.caller_name = self.caller_name.or(other.caller_name);
        self.ring_out_role = self.ring_out_role.or(other.ring_out_role);
    }
}

impl<'a> Side<'a> {
    fn of(endpoint: &'a Endpoint<'_>) -> Self {
        Self {
            number: non_empty(&endpoint.phone_number),
            name: non_empty(&endpoint.name),
            extension: non_empty(&endpoint.extension_id),
            device: non_empty(&endpoint.device_id),
        }
    }

    fn fill_gaps(&mut self, other: &Self) {
        self.number = self.number.or(other.number);
        self.name = self.name.or(other.name);
        self.extension = self.extension.or(other.extension);
        self.device = self.device.or(other.device);
    }

    /// The number, unless it is withheld.
    pub(crate) fn identifying_number(&self) -> Option<&'a str> {
        const WITHHELD: [&str; 3] = ["anonymous", "restricted", "unknown"];
        self.number.filter(|number| !WITHHELD.iter().any(|word| number.eq_ignore_ascii_case(word)))
    }

    /// Whether it is a service with a star code.
    pub(crate) fn is_star_code(&self) -> bool {
        self.number.is_some_and(is_star_code)
    }

    /// Whether it is a conference bridge.
    pub(crate) fn is_bridge(&self) -> bool {
        self.number.is_some_and(|number| number.eq_ignore_ascii_case("conference"))
    }

    pub(crate) fn as_endpoint(&self) -> call::Endpoint {
        call::Endpoint {
            phone_number: self.number.map(ShortText::from),
            name: self.name.map(ShortText::from),
            extension_id: self.extension.map(ShortText::from),
        }
    }
}
