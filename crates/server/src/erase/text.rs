//! Walks through the strings and numbers of a JSON text, and writes others in their place. Unlike a parser it takes any
//! text: what RingCentral's notifications are read by is more tolerant than that, and nothing of a person may be left
//! because a text could not be read.

/// A value that is not a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar<'t> {
    /// A string, without its escapes.
    String(&'t str),
    /// A number, as it is written.
    Number(&'t str),
}

/// What is met on the way.
pub(super) trait Visit {
    /// A value, and the member that it is of, or that the array is of in which it is. What is to stand there, if that is
    /// something else.
    fn value(&mut self, member: Option<&str>, value: Scalar<'_>) -> Option<String>;

    /// The name of a member; what it is to be, if that is something else.
    fn name(&mut self, name: &str) -> Option<String>;

    /// An object or an array begins.
    fn begin(&mut self) {}

    /// It ends.
    fn end(&mut self) {}
}

/// Walks through a text. Answers it anew if anything in it is to be something else.
pub(super) fn walk(text: &str, visit: &mut impl Visit) -> Option<String> {
    let mut walk = Walk { text, copied: 0, new: String::new(), members: vec![None] };
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                walk.members.push(walk.members.last().cloned().flatten());
                visit.begin();
                at += 1;
            }
            b'}' | b']' => {
                if walk.members.len() > 1 {
                    walk.members.pop();
                    visit.end();
                }
                at += 1;
            }
            b'"' => at = walk.string(at, visit),
            b'0'..=b'9' | b'-' | b'+' => at = walk.number(at, visit),
            _ => at += 1,
        }
    }
    (walk.copied > 0).then(|| walk.new + &text[walk.copied..])
}

struct Walk<'t> {
    text: &'t str,
    /// Up to where the text is in the new one.
    copied: usize,
    new: String,
    /// For each container that is open, and around them, the member that is being read.
    members: Vec<Option<String>>,
}

impl Walk<'_> {
    fn replace(&mut self, from: usize, to: usize, with: &str) {
        self.new.push_str(&self.text[self.copied..from]);
        self.new.push_str(with);
        self.copied = to;
    }

    /// The string that begins at a place; where it ends.
    fn string(&mut self, start: usize, visit: &mut impl Visit) -> usize {
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        while let Some(&byte) = bytes.get(end).filter(|byte| **byte != b'"') {
            end += if byte == b'\\' { 2 } else { 1 };
        }
        let end = end.min(bytes.len());
        let Some(inside) = self.text.get(start + 1..end) else { return end + 1 };
        let content = unescaped(inside);
        let after = self.text.get(end + 1..).unwrap_or_default();
        let is_name = after.trim_ascii_start().starts_with(':');
        let other = match is_name {
            true => visit.name(&content),
            false => visit.value(self.members.last().and_then(Option::as_deref), Scalar::String(&content)),
        };
        if let Some(other) = other {
            self.replace(start, (end + 1).min(bytes.len()), &serde_json::Value::String(other).to_string());
        }
        if is_name && let Some(member) = self.members.last_mut() {
            *member = Some(content);
        }
        end + 1
    }

    /// The number that begins at a place; where it ends.
    fn number(&mut self, start: usize, visit: &mut impl Visit) -> usize {
        let rest = &self.text[start..];
        let length = rest.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(rest.len());
        let member = self.members.last().and_then(Option::as_deref);
        if let Some(other) = visit.value(member, Scalar::Number(&rest[..length])) {
            let other = serde_json::Value::String(other).to_string();
            self.replace(start, start + length, &other);
        }
        start + length
    }
}

/// What a string says; half a surrogate pair says nothing.
fn unescaped(inside: &str) -> String {
    let mut content = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((before, after)) = rest.split_once('\\') {
        content.push_str(before);
        let mut following = after.chars();
        match following.next() {
            Some('u') => {
                let (character, length) = code_point(after);
                content.push(character);
                rest = after.get(length..).unwrap_or_default();
                continue;
            }
            Some('n') => content.push('\n'),
            Some('t') => content.push('\t'),
            Some('r') => content.push('\r'),
            Some('b') => content.push('\u{8}'),
            Some('f') => content.push('\u{c}'),
            Some(other) => content.push(other),
            None => {}
        }
        rest = following.as_str();
    }
    content + rest
}

/// The character of `uXXXX`, or of two of them, and how long that is.
fn code_point(text: &str) -> (char, usize) {
    let unit = |text: &str| {
        let digits = text.strip_prefix('u')?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let Some(first) = unit(text) else { return (char::REPLACEMENT_CHARACTER, 1) };
    let second = text.get(5..).and_then(|rest| rest.strip_prefix('\\')).and_then(unit);
    let mut decoded = char::decode_utf16([first].into_iter().chain(second));
    match decoded.next() {
        Some(Ok(character)) => (character, if character.len_utf16() == 2 { 11 } else { 5 }),
        _ => (char::REPLACEMENT_CHARACTER, 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes down what it meets, and replaces one value.
    #[derive(Default)]
    struct Listing {
        met: Vec<String>,
        wanted: Option<&'static str>,
    }

    impl Visit for Listing {
        fn value(&mut self, member: Option<&str>, value: Scalar<'_>) -> Option<String> {
            let (Scalar::String(text) | Scalar::Number(text)) = value;
            self.met.push(format!("{}={text}", member.unwrap_or("-")));
            (Some(text) == self.wanted).then(|| "\"new\"".to_owned())
        }

        fn name(&mut self, _: &str) -> Option<String> {
            None
        }
    }

    fn met(text: &str) -> Vec<String> {
        let mut listing = Listing::default();
        assert_eq!(walk(text, &mut listing), None);
        listing.met
    }

    #[test]
    fn values_are_met_with_the_member_that_they_are_of() {
        let text = r#"{"a":"1","b":[{"c":"2"},"3",4.5e9],"d" : {"e":-1e999,"a":"6"},"f":"7","a":"8"}"#;
        assert_eq!(met(text), ["a=1", "c=2", "b=3", "b=4.5e9", "e=-1e999", "a=6", "f=7", "a=8"]);
        let inner = r#"{"b":[{"c":"2"}],"x":"y"}"#;
        assert_eq!(met(inner), ["c=2", "x=y"]);
    }

    #[test]
    fn escapes_are_understood_in_every_spelling() {
        for (text, content) in [
            (r#""\u002B1404""#, "+1404"),
            (r#""\u002b\u0031\/\"""#, "+1/\""),
            (r#""\ud83d\ude00!""#, "\u{1f600}!"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""\uzzzz""#, "\u{fffd}zzzz"),
            ("\"torn", "torn"),
            ("\"torn\\", "torn"),
            ("\"torn\\u12", "torn\u{fffd}12"),
        ] {
            assert_eq!(met(text), [format!("-={content}")], "{text}");
        }
    }

    #[test]
    fn only_what_is_replaced_is_written_otherwise() {
        let text = "{ \"a\" : \"\\u0078\", \"n\":1e999,\"b\":[ \"x\" ],\"\\ud800\":\"\\ud800\" }";
        let mut listing = Listing { wanted: Some("x"), ..Listing::default() };
        let new = walk(text, &mut listing).unwrap();
        let expected = text.replace(r#""\u0078""#, r#""\"new\"""#).replace("\"x\"", r#""\"new\"""#);
        assert_eq!(new, expected);
    }

    #[test]
    fn any_text_is_walked_through() {
        for text in ["", "}", "]]}", "\"", "\\", "-", "{\"a\":", "ü\"ü\\ü", "[1,2", "{\"a\"}", "+1 404"] {
            met(text);
        }
    }
}
