//! Visits the strings and numbers of a JSON text and replaces some of them. Unlike a strict parser it accepts any text: the
//! parser of notifications is lenient, and no text may keep a person's data because it could not be parsed.

/// A value that is not a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar<'t> {
    /// A string, unescaped.
    String(&'t str),
    /// A number, as it is written.
    Number(&'t str),
}

/// Receives the parts of a JSON text.
pub(super) trait JsonVisitor {
    /// Visits a value of a member, or of an array that is the value of a member. Returns the replacement; `None` to leave
    /// the value unchanged.
    fn value(&mut self, member: Option<&str>, value: Scalar<'_>) -> Option<String>;

    /// Visits the name of a member. Returns the replacement; `None` to leave the name unchanged.
    fn name(&mut self, name: &str) -> Option<String>;

    /// Visits the beginning of an object or an array.
    fn begin(&mut self) {}

    /// Visits the end of an object or an array.
    fn end(&mut self) {}
}

/// Visits a text. Returns the text with the replacements; `None` if nothing is replaced.
pub(super) fn walk(text: &str, visitor: &mut impl JsonVisitor) -> Option<String> {
    let mut walk = Walk { text, copied: 0, new: String::new(), members: vec![None] };
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                walk.members.push(walk.members.last().cloned().flatten());
                visitor.begin();
                at += 1;
            }
            b'}' | b']' => {
                if walk.members.len() > 1 {
                    walk.members.pop();
                    visitor.end();
                }
                at += 1;
            }
            b'"' => at = walk.string(at, visitor),
            b'0'..=b'9' | b'-' | b'+' => at = walk.number(at, visitor),
            _ => at += 1,
        }
    }
    (walk.copied > 0).then(|| walk.new + &text[walk.copied..])
}

struct Walk<'t> {
    text: &'t str,
    /// The position up to which the text was copied to the new one.
    copied: usize,
    new: String,
    /// The current member of each open container, outermost first, after one for the text itself.
    members: Vec<Option<String>>,
}

impl Walk<'_> {
    fn replace(&mut self, from: usize, to: usize, with: &str) {
        self.new.push_str(&self.text[self.copied..from]);
        self.new.push_str(with);
        self.copied = to;
    }

    /// Visits the string at a position. Returns the position after it.
    fn string(&mut self, start: usize, visitor: &mut impl JsonVisitor) -> usize {
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
        let replacement = match is_name {
            true => visitor.name(&content),
            false => visitor.value(self.members.last().and_then(Option::as_deref), Scalar::String(&content)),
        };
        if let Some(replacement) = replacement {
            self.replace(
                start,
                (end + 1).min(bytes.len()),
                &serde_json::Value::String(replacement).to_string(),
            );
        }
        if is_name && let Some(member) = self.members.last_mut() {
            *member = Some(content);
        }
        end + 1
    }

    /// Visits the number at a position. Returns the position after it.
    fn number(&mut self, start: usize, visitor: &mut impl JsonVisitor) -> usize {
        let rest = &self.text[start..];
        let length = rest.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(rest.len());
        let member = self.members.last().and_then(Option::as_deref);
        if let Some(replacement) = visitor.value(member, Scalar::Number(&rest[..length])) {
            let replacement = serde_json::Value::String(replacement).to_string();
            self.replace(start, start + length, &replacement);
        }
        start + length
    }
}

/// The content of a string. An unpaired surrogate becomes the replacement character.
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

/// The character of `uXXXX`, or of a surrogate pair of them, and the length of the escape.
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

    /// Lists the visited values, and replaces one of them.
    #[derive(Default)]
    struct Listing {
        values: Vec<String>,
        replaced: Option<&'static str>,
    }

    impl JsonVisitor for Listing {
        fn value(&mut self, member: Option<&str>, value: Scalar<'_>) -> Option<String> {
            let (Scalar::String(text) | Scalar::Number(text)) = value;
            self.values.push(format!("{}={text}", member.unwrap_or("-")));
            (Some(text) == self.replaced).then(|| "\"new\"".to_owned())
        }

        fn name(&mut self, _: &str) -> Option<String> {
            None
        }
    }

    fn values(text: &str) -> Vec<String> {
        let mut listing = Listing::default();
        assert_eq!(walk(text, &mut listing), None);
        listing.values
    }

    #[test]
    fn values_are_visited_with_their_member() {
        let text = r#"{"a":"1","b":[{"c":"2"},"3",4.5e9],"d" : {"e":-1e999,"a":"6"},"f":"7","a":"8"}"#;
        assert_eq!(values(text), ["a=1", "c=2", "b=3", "b=4.5e9", "e=-1e999", "a=6", "f=7", "a=8"]);
        let inner = r#"{"b":[{"c":"2"}],"x":"y"}"#;
        assert_eq!(values(inner), ["c=2", "x=y"]);
    }

    #[test]
    fn escapes_are_decoded_in_every_spelling() {
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
            assert_eq!(values(text), [format!("-={content}")], "{text}");
        }
    }

    #[test]
    fn text_around_a_replacement_stays_unchanged() {
        let text = "{ \"a\" : \"\\u0078\", \"n\":1e999,\"b\":[ \"x\" ],\"\\ud800\":\"\\ud800\" }";
        let mut listing = Listing { replaced: Some("x"), ..Listing::default() };
        let new = walk(text, &mut listing).unwrap();
        let expected = text.replace(r#""\u0078""#, r#""\"new\"""#).replace("\"x\"", r#""\"new\"""#);
        assert_eq!(new, expected);
    }

    #[test]
    fn any_text_can_be_visited() {
        for text in ["", "}", "]]}", "\"", "\\", "-", "{\"a\":", "ü\"ü\\ü", "[1,2", "{\"a\"}", "+1 404"] {
            values(text);
        }
    }
}
