//! The text type of a record's fields.

use std::{borrow::Borrow, fmt, ops::Deref};

use compact_str::{CompactString, ToCompactString};
use serde::{Deserialize, Serialize};

use crate::json::WriteJson;

/// A text that is stored without an allocation if it has at most 24 bytes: a number, most names.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShortText(CompactString);

impl ShortText {
    /// A text that is known when the program is compiled; it is never copied.
    pub const fn const_new(text: &'static str) -> Self {
        Self(CompactString::const_new(text))
    }

    /// The text of any value: formats without a `String` in between.
    pub fn of(value: impl fmt::Display) -> Self {
        Self(value.to_compact_string())
    }

    /// Appends a text.
    pub fn push_str(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// Appends a character.
    pub fn push(&mut self, character: char) {
        self.0.push(character);
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for ShortText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ShortText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ShortText {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ShortText {
    fn from(text: &str) -> Self {
        Self(CompactString::from(text))
    }
}

impl From<String> for ShortText {
    fn from(text: String) -> Self {
        Self(CompactString::from(text))
    }
}

impl From<ShortText> for String {
    fn from(text: ShortText) -> Self {
        text.0.into()
    }
}

impl PartialEq<str> for ShortText {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for ShortText {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<ShortText> for str {
    fn eq(&self, other: &ShortText) -> bool {
        other.0 == self
    }
}

impl FromIterator<char> for ShortText {
    fn from_iter<I: IntoIterator<Item = char>>(characters: I) -> Self {
        Self(characters.into_iter().collect())
    }
}

impl fmt::Debug for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl WriteJson for ShortText {
    fn write_json(&self, out: &mut Vec<u8>) {
        self.as_str().write_json(out);
    }
}
