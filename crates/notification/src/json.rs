//! A JSON reader for documents of a known shape.
//!
//! It makes one pass over the text, builds no tree, and returns what the caller asks for: a key, a string (borrowed
//! if it contains no escape), a value as it is written. It accepts exactly the JSON grammar (RFC 8259); skipped
//! values are checked too. It replaced a general library that took most of the time budget of reading and assembling.

use std::borrow::Cow;

use thiserror::Error;

/// Maximum nesting depth. RingCentral's documents have seven levels.
const MAX_DEPTH: u32 = 128;

/// What is wrong with a JSON text, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{problem} at byte {at} of this document")]
pub struct JsonError {
    /// What is wrong.
    pub problem: JsonProblem,
    /// Position in the text, in bytes from 0.
    pub at: usize,
}

/// What can be wrong with a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonProblem {
    /// The text ends too early.
    #[error("the text ends")]
    End,
    /// A character that begins no value.
    #[error("expected a value")]
    Value,
    /// An object member without a key in quotes.
    #[error("expected a key in quotes")]
    Key,
    /// A key without a colon after it.
    #[error("expected : after a key")]
    Colon,
    /// Members of an object without a separator.
    #[error("expected , or }}")]
    CommaOrBrace,
    /// Elements of a list without a separator.
    #[error("expected , or ]")]
    CommaOrBracket,
    /// A control character in a string.
    #[error("a line break or control character within a string")]
    Control,
    /// An escape sequence that does not exist.
    #[error("an invalid escape sequence")]
    Escape,
    /// A malformed number.
    #[error("a malformed number")]
    Number,
    /// Values nested too deeply.
    #[error("values nested more than {MAX_DEPTH} deep")]
    Depth,
    /// Text after the document.
    #[error("something follows the document")]
    Trailing,
}

type Result<T> = std::result::Result<T, JsonError>;

/// A position in a JSON text.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

/// The type of a value, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    Number,
    True,
    False,
    Null,
    Object,
    List,
}

/// State of reading an object or a list.
pub(crate) struct Members {
    is_first: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// Number of bytes read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    fn problem<T>(&self, problem: JsonProblem) -> Result<T> {
        let problem = if self.at >= self.text.len() { JsonProblem::End } else { problem };
        Err(JsonError { problem, at: self.at })
    }

    /// The next byte, or 0, with which no token begins.
    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// The next byte that is not whitespace.
    #[inline]
    fn token(&mut self) -> u8 {
        loop {
            let byte = self.byte();
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return byte;
            }
            self.at += 1;
        }
    }

    /// The type of the next value.
    pub(crate) fn kind(&mut self) -> Result<Kind> {
        Ok(match self.token() {
            b'"' => Kind::String,
            b'{' => Kind::Object,
            b'[' => Kind::List,
            b't' => Kind::True,
            b'f' => Kind::False,
            b'n' => Kind::Null,
            b'-' | b'0'..=b'9' => Kind::Number,
            _ => return self.problem(JsonProblem::Value),
        })
    }

    /// Enters an object or a list that [`Reader::kind`] has returned.
    pub(crate) fn enter(&mut self) -> Result<Members> {
        if self.depth == MAX_DEPTH {
            return self.problem(JsonProblem::Depth);
        }
        self.depth += 1;
        self.at += 1;
        Ok(Members { is_first: true })
    }

    /// The key of an object's next member, as it is written. `None` after the last.
    ///
    /// Keys are compared without decoding escapes: no key that this crate reads needs one.
    #[inline]
    pub(crate) fn next_key(&mut self, members: &mut Members) -> Result<Option<&'a str>> {
        if !self.next(members, b'}', JsonProblem::CommaOrBrace)? {
            return Ok(None);
        }
        if self.token() != b'"' {
            return self.problem(JsonProblem::Key);
        }
        let start = self.at + 1;
        let end = self.plain_until(start);
        if self.text.as_bytes().get(end) == Some(&b'"') {
            self.at = end + 1;
        } else {
            self.escaped_string(start, end)?;
        }
        let key = &self.text[start..self.at - 1];
        if self.token() != b':' {
            return self.problem(JsonProblem::Colon);
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether a list has another element.
    #[inline]
    pub(crate) fn next_element(&mut self, members: &mut Members) -> Result<bool> {
        self.next(members, b']', JsonProblem::CommaOrBracket)
    }

    #[inline]
    fn next(&mut self, members: &mut Members, close: u8, expected: JsonProblem) -> Result<bool> {
        let is_first = std::mem::replace(&mut members.is_first, false);
        match self.token() {
            byte if byte == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            _ if is_first => Ok(true),
            b',' => {
                self.at += 1;
                // After a comma another member or element is required.
                if self.token() == close { self.problem(JsonProblem::Value) } else { Ok(true) }
            }
            _ => self.problem(expected),
        }
    }

    /// A string that [`Reader::kind`] has returned.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>> {
        let start = self.at + 1;
        let end = self.plain_until(start);
        if self.text.as_bytes().get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Cow::Borrowed(&self.text[start..end]));
        }
        self.escaped_string(start, end).map(Cow::Owned)
    }

    /// The position of the first quote, backslash or control character.
    #[inline]
    fn plain_until(&self, mut at: usize) -> usize {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGHS: u64 = 0x8080_8080_8080_8080;
        let bytes = self.text.as_bytes();
        while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            let word = u64::from_le_bytes(*eight);
            let zero_in = |word: u64| word.wrapping_sub(ONES) & !word;
            let control = word.wrapping_sub(ONES * 0x20) & !word;
            let quote = zero_in(word ^ (ONES * u64::from(b'"')));
            let backslash = zero_in(word ^ (ONES * u64::from(b'\\')));
            let found = (control | quote | backslash) & HIGHS;
            if found != 0 {
                // A borrow can only set wrong marks above the first right one.
                return at + found.trailing_zeros() as usize / 8;
            }
            at += 8;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        at + rest.iter().position(special).unwrap_or(rest.len())
    }

    #[cold]
    fn escaped_string(&mut self, start: usize, mut end: usize) -> Result<String> {
        let mut string = String::new();
        let mut from = start;
        loop {
            string.push_str(&self.text[from..end]);
            self.at = end;
            match self.byte() {
                b'"' => {
                    self.at = end + 1;
                    return Ok(string);
                }
                b'\\' => string.push(self.escape()?),
                _ => return self.problem(JsonProblem::Control),
            }
            from = self.at;
            end = self.plain_until(from);
        }
    }

    /// The character after a backslash.
    fn escape(&mut self) -> Result<char> {
        self.at += 1;
        let character = match self.byte() {
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return self.problem(JsonProblem::Escape),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char> {
        let first = self.four_digits()?;
        if (0xd800..0xdc00).contains(&first) && self.text[self.at..] == *"\\" {
            // The second half of a surrogate pair may follow.
            self.at = self.text.len();
            return self.problem(JsonProblem::End);
        }
        let code = match first {
            0xd800..=0xdbff if self.text[self.at..].starts_with("\\u") => {
                self.at += 1;
                let second = self.four_digits()?;
                let pair = (u32::from(first) - 0xd800) * 0x400 + 0x1_0000;
                u32::from(second).checked_sub(0xdc00).filter(|low| *low < 0x400).map(|low| pair + low)
            }
            _ => Some(u32::from(first)),
        };
        match code.and_then(char::from_u32) {
            Some(character) => Ok(character),
            None => self.problem(JsonProblem::Escape),
        }
    }

    /// The four digits after `u`.
    fn four_digits(&mut self) -> Result<u16> {
        self.at += 1;
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let Some(digits) = digits else {
            self.at = self.text.len();
            return self.problem(JsonProblem::End);
        };
        let value = digits.iter().try_fold(0u16, |value, digit| {
            let digit = char::from(*digit).to_digit(16)?;
            Some(value * 16 + digit as u16)
        });
        let Some(value) = value else { return self.problem(JsonProblem::Escape) };
        self.at += 4;
        Ok(value)
    }

    /// A number that [`Reader::kind`] has returned, as it is written.
    pub(crate) fn number(&mut self) -> Result<&'a str> {
        let start = self.at;
        if self.byte() == b'-' {
            self.at += 1;
        }
        // Leading zeros are not allowed.
        match self.byte() {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits()?,
            _ => return self.problem(JsonProblem::Number),
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.byte(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { self.problem(JsonProblem::Number) } else { Ok(()) }
    }

    /// `true`, `false` or `null` that [`Reader::kind`] has returned.
    pub(crate) fn literal(&mut self, word: &str) -> Result<()> {
        for expected in word.bytes() {
            if self.byte() != expected {
                return self.problem(JsonProblem::Value);
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Skips the next value and returns it as it is written.
    pub(crate) fn raw(&mut self) -> Result<&'a str> {
        self.token();
        let start = self.at;
        self.skip()?;
        Ok(&self.text[start..self.at])
    }

    /// Skips the next value.
    pub(crate) fn skip(&mut self) -> Result<()> {
        // One bit for each open list or object, the innermost lowest; set for an object.
        let mut objects: u128 = 0;
        let outside = self.depth;
        let mut members = Members { is_first: true };
        loop {
            match self.kind()? {
                Kind::String => drop(self.string()?),
                Kind::Number => drop(self.number()?),
                Kind::True => self.literal("true")?,
                Kind::False => self.literal("false")?,
                Kind::Null => self.literal("null")?,
                kind @ (Kind::Object | Kind::List) => {
                    members = self.enter()?;
                    objects = objects << 1 | u128::from(kind == Kind::Object);
                }
            }
            loop {
                if self.depth == outside {
                    return Ok(());
                }
                let another = match objects & 1 {
                    1 => self.next_key(&mut members)?.is_some(),
                    _ => self.next_element(&mut members)?,
                };
                if another {
                    break;
                }
                objects >>= 1;
                members.is_first = false;
            }
        }
    }

    /// Checks that only whitespace is left.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.token();
        if self.at == self.text.len() { Ok(()) } else { self.problem(JsonProblem::Trailing) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<&str> {
        let mut reader = Reader::new(text);
        let value = reader.raw()?;
        reader.end()?;
        Ok(value)
    }

    #[test]
    fn values_come_back_as_they_were_written() {
        for text in [
            "0",
            "-1.5e+10",
            "\"\"",
            "\"\\u00e9\"",
            "[]",
            "{}",
            "[1,[2,{\"a\":[]}],\"]\"]",
            "{\"a\" : null , \"b\":[true,false]}",
        ] {
            assert_eq!(read(text), Ok(text));
            assert_eq!(read(&format!(" \n{text}\t\r")), Ok(text));
        }
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        let problem = |text| read(text).unwrap_err();
        for (text, expected, at) in [
            ("", JsonProblem::End, 0),
            ("{\"a\"", JsonProblem::End, 4),
            ("[1 2]", JsonProblem::CommaOrBracket, 3),
            ("{\"a\":1 \"b\"}", JsonProblem::CommaOrBrace, 7),
            ("{\"a\",1}", JsonProblem::Colon, 4),
            ("{a:1}", JsonProblem::Key, 1),
            ("{\"a\":1,}", JsonProblem::Value, 7),
            ("[1,]", JsonProblem::Value, 3),
            ("[,1]", JsonProblem::Value, 1),
            ("\"a\nb\"", JsonProblem::Control, 2),
            ("\"\\x\"", JsonProblem::Escape, 2),
            ("\"\\ud800\"", JsonProblem::Escape, 7),
            ("\"\\ud83e\\", JsonProblem::End, 8),
            ("01", JsonProblem::Trailing, 1),
            ("-", JsonProblem::End, 1),
            ("1.x", JsonProblem::Number, 2),
            ("tru", JsonProblem::End, 3),
            ("nul!", JsonProblem::Value, 3),
            ("1 1", JsonProblem::Trailing, 2),
        ] {
            assert_eq!(problem(text), JsonError { problem: expected, at }, "{text}");
        }
        assert_eq!(problem(&"[".repeat(200)).problem, JsonProblem::Depth);
        assert!(read(&format!("{}{}", "[".repeat(128), "]".repeat(128))).is_ok());
    }

    #[test]
    fn escapes_become_the_characters_they_stand_for() {
        let string = |text| Reader::new(text).string().unwrap().into_owned();
        assert_eq!(string(r#""a\"\\\/\b\f\n\r\t""#), "a\"\\/\u{8}\u{c}\n\r\t");
        assert_eq!(string(r#""\u00E9\uD83E\uDD80 longer than a word""#), "é🦀 longer than a word");
        assert!(matches!(Reader::new("\"plain, as most are\"").string(), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn a_string_ends_at_its_quote_wherever_that_is() {
        for length in 0..40 {
            for follow in ["", ",", "\"", "\u{1f}", "é"] {
                let text = format!("\"{}\"{follow}", "é".repeat(length / 2) + &"x".repeat(length % 2));
                let mut reader = Reader::new(&text);
                assert_eq!(reader.string().unwrap().len() + 2, text.len() - follow.len());
            }
        }
    }
}
