//! What is known of an account's extensions apart from its calls.

use std::collections::HashMap;

use compact_str::CompactString;
use wholecall_record::call::Kind;

/// The account's extensions: names and kinds for the records.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    version: Option<u64>,
    entries: HashMap<CompactString, Entry>,
}

/// An extension.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// What it is, where the directory's kind of extension is one of the record's.
    pub kind: Option<Kind>,
    /// Its name.
    pub name: Option<CompactString>,
    /// Its extension number.
    pub number: Option<CompactString>,
}

impl Directory {
    /// An empty directory that records made with it name by its version.
    pub fn of_version(version: u64) -> Self {
        Self { version: Some(version), entries: HashMap::new() }
    }

    /// What records made with it name it by; none where it has no versions.
    pub fn version(&self) -> Option<u64> {
        self.version
    }

    /// Adds or replaces an extension.
    pub fn insert(&mut self, extension_id: &str, entry: Entry) {
        self.entries.insert(CompactString::from(extension_id), entry);
    }

    pub(crate) fn get(&self, extension_id: &str) -> Option<&Entry> {
        self.entries.get(extension_id)
    }

    /// How many extensions it knows.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Entry {
    /// An extension as RingCentral lists it: its `type`, `name` and `extensionNumber`. Empty texts say nothing.
    pub fn listed(extension_type: Option<&str>, name: Option<&str>, number: Option<&str>) -> Self {
        let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(CompactString::from);
        Self { kind: extension_type.and_then(kind), name: text(name), number: text(number) }
    }
}

/// RingCentral's types of extension that are one of ours; of the others (groups, places to park calls at, …) nothing
/// is said.
fn kind(extension_type: &str) -> Option<Kind> {
    Some(match extension_type {
        "Department" => Kind::Queue,
        "IvrMenu" => Kind::Menu,
        "User" | "FlexibleUser" | "DigitalUser" | "VirtualUser" | "FaxUser" | "Limited" | "Room" => {
            Kind::User
        }
        _ => return None,
    })
}
