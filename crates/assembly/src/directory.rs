//! What is known of an account's extensions apart from its calls.

use std::collections::HashMap;

use compact_str::CompactString;
use wholecall_record::call::Kind;

/// The account's extensions: names and kinds for the records.
#[derive(Debug, Clone, Default)]
pub struct Directory {
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
