//! A point in time, to the millisecond: the one time type of notifications, records and their assembly.

mod parse;
mod write;

use std::{
    borrow::Cow,
    fmt,
    ops::{Add, Sub},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use write::TimeText;

/// Milliseconds since 1970-01-01T00:00:00Z, written `2026-05-30T12:31:12.509Z`; further digits are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// The time a number of milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Parses any ISO 8601 date and time with an offset: with or without a fraction, `Z`, `+02:00` or `+0000`.
    ///
    /// ```
    /// # use wholecall_time::Time;
    /// let time = Time::parse("2026-05-30T12:31:12.509Z").unwrap();
    /// assert_eq!(time.as_millis(), 1_780_144_272_509);
    /// assert_eq!(Time::parse("2026-05-30T14:31:12.509+0200"), Some(time));
    /// assert_eq!(Time::parse("12:31"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        parse::common(text.as_bytes()).or_else(|| parse::general(text)).map(Self)
    }

    /// The 24 characters that the time is written as.
    pub fn text(self) -> TimeText {
        TimeText::of(self.0)
    }
}

/// Milliseconds from the right time to the left one.
impl Sub for Time {
    type Output = i64;

    fn sub(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A number of milliseconds later.
impl Add<i64> for Time {
    type Output = Self;

    fn add(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text().as_str())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        let time = Self::parse(&text).or_else(|| parse::end_of_9999(&text).map(Self));
        time.ok_or_else(|| de::Error::custom(format_args!("{text:?} is not a time")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_beyond_four_digit_years_do_not_panic() {
        assert_eq!(Time::from_millis(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Time::from_millis(i64::MIN).to_string(), "0000-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_time_reads_back_as_it_was_written() {
        let time = Time::from_millis(1_780_144_272_509);
        assert_eq!(serde_json::to_string(&time).unwrap(), "\"2026-05-30T12:31:12.509Z\"");
        assert_eq!(serde_json::from_str::<Time>("\"2026-05-30T12:31:12.509Z\"").unwrap(), time);
    }

    #[test]
    fn every_time_that_can_be_written_can_be_read_back() {
        const MIN_MS: i64 = -62_167_219_200_000;
        const MAX_MS: i64 = 253_402_300_799_999;
        let spread = (0..20_000).map(|step| MIN_MS + step * ((MAX_MS - MIN_MS) / 20_000));
        let ends = (0..200).flat_map(|hour| [MIN_MS + hour * 3_600_000, MAX_MS - hour * 3_600_000]);
        for millis in spread.chain(ends) {
            let text = serde_json::to_string(&Time::from_millis(millis)).unwrap();
            let read = serde_json::from_str::<Time>(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(read, Time::from_millis(millis), "{text}");
        }
        let other = serde_json::from_str::<Time>("\"2026-05-30T14:31:12.5095+02:00\"").unwrap();
        assert_eq!(other, Time::from_millis(1_780_144_272_509), "other spellings are read too");
    }
}
