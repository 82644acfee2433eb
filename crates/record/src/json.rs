//! Fast writing of records as compact JSON.
//!
//! A record is about as long as the notifications that it is assembled from. A general JSON writer would take
//! a quarter of the total time from notification to record, most of it for checking keys and ids, byte by
//! byte, that need no escaping. So the types of the record have writers of their own: [`json_struct`] and
//! [`string_enum`] declare a type, its serde form, its JSON Schema and its writer in one list of names. The
//! output equals that of `serde_json` byte for byte, except that characters that a terminal interprets as
//! commands are escaped; tests compare the two.

use crate::display::alters_display;

/// A value that can be written into a record.
pub trait WriteJson {
    /// Appends the value as compact JSON.
    fn write_json(&self, out: &mut Vec<u8>);
}

/// Declares a struct that is a JSON object. A key marked `@"IsEmpty::is_empty"` is left out if its value is
/// empty. A key marked `+default` is always written, and may be missing in records that an earlier version
/// wrote.
macro_rules! json_struct {
    (
        $(#[doc = $doc:literal])*
        $(#[derive($($derive:ident),*)])?
        pub struct $name:ident {
            $( $(#[doc = $field_doc:literal])* $key:literal => $(@$left_out:literal)? $(+$fallback:ident)? pub $field:ident: $type:ty, )*
        }
    ) => {
        $(#[doc = $doc])*
        $(#[derive($($derive),*)])?
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $(
                $(#[doc = $field_doc])*
                #[serde(rename = $key)]
                $( #[serde(default, skip_serializing_if = $left_out)] )?
                $( #[serde($fallback)] )?
                pub $field: $type,
            )*
        }

        impl crate::json::WriteJson for $name {
            fn write_json(&self, out: &mut Vec<u8>) {
                out.push(b'{');
                $(
                    let left_out = false $( || !$left_out.is_empty() && crate::json::IsEmpty::is_empty(&self.$field) )?;
                    if !left_out {
                        out.extend_from_slice(concat!("\"", $key, "\":").as_bytes());
                        crate::json::WriteJson::write_json(&self.$field, out);
                        out.push(b',');
                    }
                )*
                crate::json::close(out, b'}');
            }
        }

        impl crate::schema::Schema for $name {
            fn schema(definitions: &mut crate::schema::Definitions) -> serde_json::Value {
                crate::schema::define(definitions, stringify!($name), |definitions| {
                    crate::schema::object(
                        concat!($($doc,)*),
                        vec![$( crate::schema::Member {
                            key: $key,
                            about: concat!($($field_doc,)*),
                            schema: <$type as crate::schema::Schema>::schema(definitions),
                            required: true $( && $left_out.is_empty() )?,
                        }, )*],
                    )
                })
            }
        }
    };
}

/// Declares an enum that is written as one of several strings.
macro_rules! string_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $word:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $( $(#[$variant_meta])* #[serde(rename = $word)] $variant, )*
        }

        impl $name {
            /// All values, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// The string that the record contains.
            pub fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )*
                }
            }

            /// The value of a string; `None` if there is no such value.
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $( $word => Some(Self::$variant), )*
                    _ => None,
                }
            }
        }

        impl crate::schema::Schema for $name {
            fn schema(definitions: &mut crate::schema::Definitions) -> serde_json::Value {
                crate::schema::define(definitions, stringify!($name), |_| {
                    crate::schema::open_words(&[$( $word, )*])
                })
            }
        }

        impl crate::json::WriteJson for $name {
            fn write_json(&self, out: &mut Vec<u8>) {
                match self {
                    $( Self::$variant => out.extend_from_slice(concat!("\"", $word, "\"").as_bytes()), )*
                }
            }
        }
    };
}

pub(crate) use {json_struct, string_enum};

/// Closes an object or list: replaces the comma after the last member, if there is one, by the bracket.
pub(crate) fn close(out: &mut Vec<u8>, bracket: u8) {
    match out.last_mut() {
        Some(last @ b',') => *last = bracket,
        _ => out.push(bracket),
    }
}

/// Whether any of eight bytes is a quote, a backslash or a control character.
fn needs_escape(bytes: [u8; 8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(bytes);
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    let is_ascii = word & HIGHS == 0;
    !is_ascii
        || control | has_zero(word ^ (ONES * u64::from(b'"'))) | has_zero(word ^ (ONES * u64::from(b'\\')))
            != 0
}

fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes.last_chunk::<8>() {
        // The last eight bytes may overlap those before.
        Some(last) => {
            !needs_escape(*last) && !bytes.as_chunks::<8>().0.iter().any(|word| needs_escape(*word))
        }
        None => !bytes.iter().any(|byte| matches!(byte, b'"' | b'\\' | 0..0x20 | 0x80..)),
    }
}

impl WriteJson for str {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        write_within_quotes(self, out);
        out.push(b'"');
    }
}

/// Appends a part of a string, without quotes.
pub(crate) fn write_within_quotes(text: &str, out: &mut Vec<u8>) {
    if is_plain(text) {
        out.extend_from_slice(text.as_bytes());
    } else if let Ok(quoted) = serde_json::to_string(text) {
        write_displayable(&quoted[1..quoted.len() - 1], out);
    }
}

/// Appends an escaped string. JSON allows characters that a terminal interprets as commands, and
/// bidirectional controls: these are escaped too.
fn write_displayable(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    // ASCII control characters are escaped already, except DEL, which has no effect.
    let needs_escape_too = |character: char| !character.is_ascii() && alters_display(character);
    while let Some((at, control)) = rest.char_indices().find(|(_, character)| needs_escape_too(*character)) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        out.extend_from_slice(format!("\\u{:04x}", u32::from(control)).as_bytes());
        rest = &rest[at + control.len_utf8()..];
    }
    out.extend_from_slice(rest.as_bytes());
}

impl WriteJson for bool {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl WriteJson for u64 {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut value = *self;
        loop {
            at -= 1;
            digits[at] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                return out.extend_from_slice(&digits[at..]);
            }
        }
    }
}

impl WriteJson for u32 {
    fn write_json(&self, out: &mut Vec<u8>) {
        u64::from(*self).write_json(out);
    }
}

impl WriteJson for i64 {
    fn write_json(&self, out: &mut Vec<u8>) {
        if *self < 0 {
            out.push(b'-');
        }
        self.unsigned_abs().write_json(out);
    }
}

impl<T: WriteJson> WriteJson for Option<T> {
    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.write_json(out),
            None => out.extend_from_slice(b"null"),
        }
    }
}

impl<T: WriteJson> WriteJson for Vec<T> {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for value in self {
            value.write_json(out);
            out.push(b',');
        }
        close(out, b']');
    }
}

/// A value whose key may be left out.
pub(crate) trait IsEmpty {
    fn is_empty(&self) -> bool;
}

impl<T> IsEmpty for Option<T> {
    fn is_empty(&self) -> bool {
        self.is_none()
    }
}

impl<T> IsEmpty for Vec<T> {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &(impl WriteJson + ?Sized)) -> String {
        let mut out = Vec::new();
        value.write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_string_is_written_as_serde_json_writes_it() {
        for length in 0..20 {
            for byte in 0..=127u8 {
                for place in 0..length {
                    let mut text = vec![b'x'; length];
                    text[place] = byte;
                    let text = String::from_utf8(text).unwrap();
                    assert_eq!(written(&*text), serde_json::to_string(&text).unwrap());
                }
            }
        }
        for text in ["", "Ångström – “quoted”", "\u{7f}\u{a0}\u{2028}", "emoji 🦀 at the end", "tab\there"]
        {
            assert_eq!(written(text), serde_json::to_string(text).unwrap());
        }
    }

    #[test]
    fn terminal_commands_are_escaped_and_read_back_unchanged() {
        for text in
            ["\u{9b}31m\u{202e}", "in the middle \u{85} of a longer text", "Zoë\u{2066}\"\n", "\u{7f}ü\u{80}"]
        {
            let written = written(text);
            assert!(
                !written.contains(|character| !char::is_ascii(&character) && alters_display(character)),
                "{written}"
            );
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
        assert_eq!(written("\u{9b}31m\u{202e}"), r#""\u009b31m\u202e""#);
    }

    #[test]
    fn numbers_and_lists_are_written_as_serde_json_writes_them() {
        for value in [0, 1, -1, 42, i64::MAX, i64::MIN] {
            assert_eq!(written(&value), serde_json::to_string(&value).unwrap());
        }
        assert_eq!(written(&u64::MAX), u64::MAX.to_string());
        assert_eq!(written(&vec![Some(1i64), None]), "[1,null]");
        assert_eq!(written(&Vec::<bool>::new()), "[]");
        assert_eq!(written(&vec![true, false]), "[true,false]");
    }
}
