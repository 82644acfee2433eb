//! Virtual time: milliseconds since 1970, written in the platform's format.

use std::fmt;

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Milliseconds since 1970.
pub type Millis = i64;

/// A time in ISO 8601 format: `2026-06-03T20:00:08.846Z`.
#[derive(Debug, Clone, Copy)]
pub struct Iso(pub Millis);

impl fmt::Display for Iso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// Parses a time written by [`Iso`], or in any other ISO 8601 spelling.
pub(crate) fn parse(text: &str) -> Result<Millis, jiff::Error> {
    Ok(text.parse::<jiff::Timestamp>()?.as_millisecond())
}

pub(crate) fn serialize<S: Serializer>(time: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Iso(*time))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Millis, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    parse(&text).map_err(D::Error::custom)
}

/// Times that may be absent.
pub(crate) mod option {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::{Iso, Millis, parse};

    pub(crate) fn serialize<S: Serializer>(time: &Option<Millis>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(&Iso(*time)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Millis>, D::Error> {
        let text = <Option<String>>::deserialize(deserializer)?;
        text.map(|text| parse(&text).map_err(D::Error::custom)).transpose()
    }
}
