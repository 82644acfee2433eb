//! Points in time and lengths of time, to the millisecond.

use std::{
    fmt,
    ops::{Add, Sub},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Milliseconds since 1970-01-01T00:00:00Z, written `2026-05-30T12:31:12.509Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// The time so many milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

/// Milliseconds from the right time to the left one.
impl Sub for Time {
    type Output = i64;

    fn sub(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// So many milliseconds later.
impl Add<i64> for Time {
    type Output = Self;

    fn add(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Text::of(*self).as_str())
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Text::of(*self).as_str())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let timestamp: jiff::Timestamp = text.parse().map_err(de::Error::custom)?;
        Ok(Self(timestamp.as_millisecond()))
    }
}

/// The 24 characters of a time. A record holds some fifty times; a general formatter would take a third
/// of the whole work of writing it.
struct Text {
    bytes: [u8; 24],
}

impl Text {
    fn of(time: Time) -> Self {
        // Beyond the years that four digits can tell, the nearest one that can.
        const FIRST: i64 = -62_167_219_200_000;
        const LAST: i64 = 253_402_300_799_999;
        let millis = time.0.clamp(FIRST, LAST);
        let (days, in_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        let mut bytes = *b"0000-00-00T00:00:00.000Z";
        let mut put = |at: usize, digits: usize, mut value: i64| {
            for place in (at..at + digits).rev() {
                bytes[place] = b'0' + (value % 10) as u8;
                value /= 10;
            }
        };
        put(0, 4, year);
        put(5, 2, month);
        put(8, 2, day);
        put(11, 2, in_day / 3_600_000);
        put(14, 2, in_day / 60_000 % 60);
        put(17, 2, in_day / 1_000 % 60);
        put(20, 3, in_day % 1_000);
        Self { bytes }
    }

    fn as_str(&self) -> &str {
        // Digits and separators only.
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }
}

/// The date so many days after 1970-01-01, in the proleptic Gregorian calendar; years begin in March
/// inside, so that the leap day is the last.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_written_as_the_calendar_has_it() {
        let mut millis = -5_000_000_000_123;
        while millis < 5_000_000_000_000 {
            let expected = format!("{:.3}", jiff::Timestamp::from_millisecond(millis).unwrap());
            assert_eq!(Time::from_millis(millis).to_string(), expected);
            millis += 86_399_113;
        }
    }

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
}
