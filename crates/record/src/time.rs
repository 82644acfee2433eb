//! Times and durations, to the millisecond.

use std::{
    fmt,
    ops::{Add, Sub},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::json::WriteJson;

/// Milliseconds since 1970-01-01T00:00:00Z, written `2026-05-30T12:31:12.509Z`.
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
        f.write_str(Text::of(*self).as_str())
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Text::of(*self).as_str())
    }
}

impl WriteJson for Time {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(&Text::of(*self).bytes);
        out.push(b'"');
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        match text.parse::<jiff::Timestamp>() {
            Ok(timestamp) => Ok(Self(timestamp.as_millisecond())),
            Err(error) => parse_written(&text).ok_or_else(|| de::Error::custom(error)),
        }
    }
}

/// Reads what [`Text`] writes and the general parser refuses: the last 26 hours of the year 9999.
fn parse_written(text: &str) -> Option<Time> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let date: jiff::civil::Date = date.parse().ok()?;
    let time: jiff::civil::Time = time.parse().ok()?;
    let days = date.since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1))).ok()?.get_days();
    let [hour, minute, second] = [time.hour(), time.minute(), time.second()].map(i64::from);
    let in_day_ms = ((hour * 60 + minute) * 60 + second) * 1_000 + i64::from(time.millisecond());
    Some(Time(i64::from(days) * 86_400_000 + in_day_ms))
}

/// The 24 characters of a time. A record contains some fifty times; a general formatter would take a third of
/// the total time of writing it.
struct Text {
    bytes: [u8; 24],
}

impl Text {
    fn of(time: Time) -> Self {
        // A time beyond the four-digit years becomes the nearest one within.
        const MIN_MS: i64 = -62_167_219_200_000;
        const MAX_MS: i64 = 253_402_300_799_999;
        let millis = time.0.clamp(MIN_MS, MAX_MS);
        let days = millis.div_euclid(86_400_000);
        let in_day = (millis - days * 86_400_000) as u32;
        let (year, month, day) = civil_from_days(days as i32);
        let (seconds, fraction) = (in_day / 1_000, in_day % 1_000);
        let (minutes, second) = (seconds / 60, seconds % 60);
        let [century, in_century] = [year / 100, year % 100].map(two_digits);
        let [month, day] = [month, day].map(two_digits);
        let [hour, minute, second] = [minutes / 60, minutes % 60, second].map(two_digits);
        let [fraction, last] = [two_digits(fraction / 10), two_digits(fraction % 10)];
        #[rustfmt::skip]
        let bytes = [
            century[0], century[1], in_century[0], in_century[1], b'-', month[0], month[1], b'-', day[0], day[1],
            b'T', hour[0], hour[1], b':', minute[0], minute[1], b':', second[0], second[1],
            b'.', fraction[0], fraction[1], last[1], b'Z',
        ];
        Self { bytes }
    }

    fn as_str(&self) -> &str {
        // The bytes are ASCII digits and separators.
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }
}

/// The two digits of a number below 100.
fn two_digits(value: u32) -> [u8; 2] {
    // 128 entries, so that an index of seven bits needs no bounds check.
    const DIGITS: [[u8; 2]; 128] = {
        let mut digits = [[b'0'; 2]; 128];
        let mut value = 0;
        while value < 100 {
            digits[value] = [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8];
            value += 1;
        }
        digits
    };
    DIGITS[value as usize & 127]
}

/// The date a number of days after 1970-01-01, in the proleptic Gregorian calendar, from year 0 on.
///
/// Internally, years begin in March, so that the leap day is the last; centuries and years are found by
/// multiplication (Neri and Schneider, "Euclidean affine functions and their application to calendar
/// algorithms", 2022).
fn civil_from_days(days: i32) -> (u32, u32, u32) {
    // Counted from the 1st of March of the year -400, so that nothing is negative.
    let quarters = 4 * (days + 719_468 + 146_097) as u32 + 3;
    let century = quarters / 146_097;
    let in_century = (quarters % 146_097) | 3;
    let year_and_day = 2_939_745 * u64::from(in_century);
    let year = (year_and_day >> 32) as u32;
    let day_of_year = year_and_day as u32 / 2_939_745 / 4;
    let month_and_day = 2_141 * day_of_year + 197_913;
    let (march_month, day) = (month_and_day >> 16, (month_and_day & 0xffff) / 2_141 + 1);
    let is_next_year = day_of_year >= 306;
    let month = if is_next_year { march_month - 12 } else { march_month };
    (100 * century + year + u32::from(is_next_year) - 400, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_written_as_a_general_calendar_writes_it() {
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
