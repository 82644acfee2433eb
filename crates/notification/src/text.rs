//! Fields as RingCentral means them, whatever JSON type they arrive in.
//!
//! Ids are strings of digits in events and numbers in some REST answers; a field may be `null`, or an object instead
//! of a string. None of that may make a notification unreadable: a value of an unexpected type counts as absent.

use std::{borrow::Cow, fmt};

use crate::json::{JsonError, Kind, Reader};

/// A JSON value as it is written: fields for which this crate has no type.
pub type Raw<'a> = &'a str;

/// A string of the input, borrowed unless it contained an escape.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A field that accepts any JSON value and ignores unsuitable ones.
pub(crate) trait Lenient<'a> {
    /// Reads the next value into the field in place: a notification is a kilobyte of borrowed text, and moving it
    /// would cost more than reading it.
    fn fill(&mut self, json: &mut Reader<'a>) -> Result<(), JsonError>;
}

impl<'a> Lenient<'a> for Option<Text<'a>> {
    fn fill(&mut self, json: &mut Reader<'a>) -> Result<(), JsonError> {
        match json.kind()? {
            Kind::String => *self = Some(Text(json.string()?)),
            Kind::Number => *self = Some(Text(Cow::Borrowed(json.number()?))),
            _ => json.skip()?,
        }
        Ok(())
    }
}

impl<'a> Lenient<'a> for Option<i64> {
    fn fill(&mut self, json: &mut Reader<'a>) -> Result<(), JsonError> {
        match json.kind()? {
            Kind::Number => *self = json.number()?.parse().ok(),
            Kind::String => *self = json.string()?.trim().parse().ok(),
            _ => json.skip()?,
        }
        Ok(())
    }
}

impl<'a> Lenient<'a> for Option<bool> {
    fn fill(&mut self, json: &mut Reader<'a>) -> Result<(), JsonError> {
        match json.kind()? {
            Kind::True => {
                json.literal("true")?;
                *self = Some(true);
            }
            Kind::False => {
                json.literal("false")?;
                *self = Some(false);
            }
            Kind::String => *self = json.string()?.to_ascii_lowercase().parse().ok(),
            _ => json.skip()?,
        }
        Ok(())
    }
}

impl<'a> Lenient<'a> for Option<Raw<'a>> {
    fn fill(&mut self, json: &mut Reader<'a>) -> Result<(), JsonError> {
        *self = Some(json.raw()?);
        Ok(())
    }
}

impl<'a, T: Lenient<'a> + Default> Lenient<'a> for Option<Box<T>> {
    fn fill(&mut self, json: &mut Reader<'a>) -> Result<(), JsonError> {
        match json.kind()? {
            Kind::Object => self.insert(Box::default()).fill(json),
            _ => json.skip(),
        }
    }
}

/// A list of objects, or one object instead of a list.
impl<'a, T: Lenient<'a> + Default> Lenient<'a> for Vec<T> {
    fn fill(&mut self, json: &mut Reader<'a>) -> Result<(), JsonError> {
        let mut add = |json: &mut Reader<'a>| {
            // Nearly all lists have one element.
            self.reserve_exact(1);
            self.push(T::default());
            self.last_mut().map_or(Ok(()), |last| last.fill(json))
        };
        match json.kind()? {
            Kind::Object => add(json),
            Kind::List => {
                let mut elements = json.enter()?;
                while json.next_element(&mut elements)? {
                    match json.kind()? {
                        Kind::Object => add(json)?,
                        _ => json.skip()?,
                    }
                }
                Ok(())
            }
            _ => json.skip(),
        }
    }
}
