//! Fields as RingCentral means them, whatever JSON type they arrive in.
//!
//! Ids are strings of digits in events and numbers in some REST answers; a field may be `null`, or an
//! object where a string belongs. None of that may cost a notification: what cannot be understood is
//! taken as absent.

use std::{borrow::Cow, fmt};

use crate::json::{JsonError, Kind, Reader};

/// A JSON value kept as it was written: fields this crate has no type for.
pub type Raw<'a> = &'a str;

/// A string of the input, borrowed unless it held an escape.
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

/// A field that takes any JSON value and makes the best of it.
pub(crate) trait Tolerant<'a> {
    /// Reads the next value into the field, where it lies: a notification is a kilobyte of borrowed text, and
    /// moving it about would cost more than reading it.
    fn fill(&mut self, json: &mut Reader<'a>) -> Result<(), JsonError>;
}

impl<'a> Tolerant<'a> for Option<Text<'a>> {
    fn fill(&mut self, json: &mut Reader<'a>) -> Result<(), JsonError> {
        match json.kind()? {
            Kind::String => *self = Some(Text(json.string()?)),
            Kind::Number => *self = Some(Text(Cow::Borrowed(json.number()?))),
            _ => json.skip()?,
        }
        Ok(())
    }
}

impl<'a> Tolerant<'a> for Option<i64> {
    fn fill(&mut self, json: &mut Reader<'a>) -> Result<(), JsonError> {
        match json.kind()? {
            Kind::Number => *self = json.number()?.parse().ok(),
            Kind::String => *self = json.string()?.trim().parse().ok(),
            _ => json.skip()?,
        }
        Ok(())
    }
}

impl<'a> Tolerant<'a> for Option<bool> {
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

impl<'a> Tolerant<'a> for Option<Raw<'a>> {
    fn fill(&mut self, json: &mut Reader<'a>) -> Result<(), JsonError> {
        *self = Some(json.raw()?);
        Ok(())
    }
}

impl<'a, T: Tolerant<'a> + Default> Tolerant<'a> for Option<Box<T>> {
    fn fill(&mut self, json: &mut Reader<'a>) -> Result<(), JsonError> {
        match json.kind()? {
            Kind::Object => self.insert(Box::default()).fill(json),
            _ => json.skip(),
        }
    }
}

/// A list of objects, or one object where a list belongs.
impl<'a, T: Tolerant<'a> + Default> Tolerant<'a> for Vec<T> {
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
