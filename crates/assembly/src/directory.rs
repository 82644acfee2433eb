//! An account's extensions, numbers and names.

use std::collections::{HashMap, HashSet};

use wholecall_record::ShortText;
use wholecall_record::call::Kind;

use crate::phone_number::normalized_phone_number;

/// The account's extensions and phone numbers: names, kinds and owners for the records.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    version: Option<u64>,
    entries: HashMap<ShortText, DirectoryEntry>,
    /// The owner's extension id by public number. `None` if the number is the company's.
    phone_numbers: HashMap<ShortText, Option<ShortText>>,
    /// Extension ids by extension number.
    extension_numbers: HashMap<ShortText, ShortText>,
    /// The numbers at which a user is reached besides the extension, by extension id.
    forwarding: HashMap<ShortText, HashSet<ShortText>>,
    /// Names known from notifications only, by extension id.
    learned_names: HashMap<ShortText, ShortText>,
}

/// An extension.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Its kind. `None` if the directory does not have it.
    pub kind: Option<ExtensionKind>,
    /// Its name.
    pub name: Option<ShortText>,
    /// Its public direct number, as `+` and digits.
    pub number: Option<ShortText>,
    /// Its extension number.
    pub extension_number: Option<ShortText>,
}

/// What an extension is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ExtensionKind {
    /// A person, a meeting room, a phone in a lobby: a place where people talk.
    User,
    /// A call queue.
    Queue,
    /// Rings several people at once: a shared line, delegated lines, a pickup group.
    Group,
    /// An IVR menu.
    Menu,
    /// Plays an announcement.
    Announcement,
    /// Takes messages and rings no one.
    MessageOnly,
    /// Calls are parked at it.
    ParkLocation,
    /// Pages loudspeakers and phones.
    PagingGroup,
    /// An office of the company, with a greeting of its own.
    Site,
    /// Anything else: an application, a bot.
    Other,
}

impl Directory {
    /// An empty directory with a version, which records made with it refer to.
    pub fn of_version(version: u64) -> Self {
        Self { version: Some(version), ..Self::default() }
    }

    /// The version that records made with it refer to. `None` if it has no versions.
    pub fn version(&self) -> Option<u64> {
        self.version
    }

    /// Adds or replaces an extension. If two have the same extension number, it leads to the smaller id.
    pub fn insert(&mut self, extension_id: &str, entry: DirectoryEntry) {
        let id = ShortText::from(extension_id);
        if let Some(number) = &entry.extension_number {
            let owner = self.extension_numbers.entry(number.clone()).or_insert_with(|| id.clone());
            if size_order(&id) < size_order(owner) {
                owner.clone_from(&id);
            }
        }
        if let Some(number) = entry.number.as_deref().and_then(normalized_phone_number) {
            self.phone_numbers.insert(number, Some(id.clone()));
        }
        self.entries.insert(id, entry);
    }

    /// Adds a public number of the account: of an extension that was inserted before, or of the company. Other
    /// numbers are ignored.
    pub fn add_phone_number(&mut self, number: &str, extension_id: Option<&str>) {
        let Some(number) = normalized_phone_number(number) else { return };
        if let Some(entry) = extension_id.and_then(|id| self.entries.get_mut(id))
            && entry.number.as_ref().is_none_or(|known| size_order(&number) < size_order(known))
        {
            entry.number = Some(number.clone());
        }
        let owner = extension_id.map(ShortText::from);
        let known = self.phone_numbers.entry(number).or_default();
        *known = owner.or_else(|| known.take());
    }

    /// Adds a number at which a user is also reached: a forwarding number, or the line of a device.
    pub fn add_forwarding(&mut self, extension_id: &str, number: &str) {
        let Some(number) = normalized_phone_number(number) else { return };
        self.forwarding.entry(ShortText::from(extension_id)).or_default().insert(number);
    }

    /// Adds a name that notifications gave an extension; a name in the directory takes precedence.
    pub fn add_learned_name(&mut self, extension_id: &str, name: &str) {
        self.learned_names.insert(ShortText::from(extension_id), ShortText::from(name));
    }

    /// An extension that the directory lists.
    pub fn get(&self, extension_id: &str) -> Option<&DirectoryEntry> {
        self.entries.get(extension_id)
    }

    /// The name of an extension: from the directory, else from notifications of the account.
    pub fn name_of(&self, extension_id: &str) -> Option<&ShortText> {
        let listed = self.entries.get(extension_id).and_then(|entry| entry.name.as_ref());
        listed.or_else(|| self.learned_names.get(extension_id))
    }

    /// The id of the extension that a public number or an extension number belongs to.
    pub fn extension_by_number(&self, number: &str) -> Option<&str> {
        self.by_phone_number(number).or_else(|| self.by_extension_number(number))
    }

    /// The id of the extension that has a public number.
    pub fn by_phone_number(&self, number: &str) -> Option<&str> {
        self.phone_numbers.get(&normalized_phone_number(number)?)?.as_deref()
    }

    /// The id of the extension that has an extension number.
    pub fn by_extension_number(&self, number: &str) -> Option<&str> {
        self.extension_numbers.get(number).map(ShortText::as_str)
    }

    /// Whether a public number belongs to the account: to one of its extensions or to the company.
    pub fn is_account_number(&self, number: &str) -> bool {
        normalized_phone_number(number).is_some_and(|number| self.phone_numbers.contains_key(&number))
    }

    /// Whether a number is a forwarding number, or the line of a device, of an extension.
    pub fn forwards_to(&self, extension_id: &str, number: &str) -> bool {
        let Some(numbers) = self.forwarding.get(extension_id) else { return false };
        normalized_phone_number(number).is_some_and(|number| numbers.contains(&number))
    }

    /// Number of extensions.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has no extensions.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Compares by length, then by text.
fn size_order(number: &str) -> (usize, &str) {
    (number.len(), number)
}

impl DirectoryEntry {
    /// An extension as RingCentral lists it: its `type`, `name` and `extensionNumber`. Empty texts count as missing.
    pub fn listed(extension_type: Option<&str>, name: Option<&str>, extension_number: Option<&str>) -> Self {
        let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(ShortText::from);
        Self {
            kind: text(extension_type).map(|kind| ExtensionKind::of_type(&kind)),
            name: text(name),
            number: None,
            extension_number: text(extension_number),
        }
    }
}

impl ExtensionKind {
    /// The kind for RingCentral's extension `type`.
    pub fn of_type(extension_type: &str) -> Self {
        match extension_type {
            "User" | "FlexibleUser" | "DigitalUser" | "VirtualUser" | "FaxUser" | "Limited" | "Room"
            | "RoomConnector" => Self::User,
            "Department" => Self::Queue,
            "SharedLinesGroup" | "DelegatedLinesGroup" | "GroupCallPickup" => Self::Group,
            "IvrMenu" => Self::Menu,
            "Announcement" | "AnnouncementOnly" => Self::Announcement,
            "Voicemail" | "TakeMessageOnly" | "TakeMessagesOnly" => Self::MessageOnly,
            "ParkLocation" => Self::ParkLocation,
            "PagingOnly" | "PagingOnlyGroup" => Self::PagingGroup,
            "Site" => Self::Site,
            _ => Self::Other,
        }
    }

    /// Its name in answers and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Queue => "queue",
            Self::Group => "group",
            Self::Menu => "menu",
            Self::Announcement => "announcement",
            Self::MessageOnly => "messageOnly",
            Self::ParkLocation => "parkLocation",
            Self::PagingGroup => "pagingGroup",
            Self::Site => "site",
            Self::Other => "other",
        }
    }

    /// Whether people may talk at it: everything that is not known to be a machine, a queue or a group.
    pub fn is_person(self) -> bool {
        matches!(self, Self::User | Self::Other)
    }

    /// The kind of participant in a record.
    pub fn record_kind(self) -> Kind {
        match self {
            Self::User | Self::Other => Kind::User,
            Self::Queue => Kind::Queue,
            Self::Group => Kind::Group,
            Self::Menu => Kind::Menu,
            Self::Announcement | Self::MessageOnly | Self::ParkLocation | Self::PagingGroup | Self::Site => {
                Kind::Machine
            }
        }
    }
}
