//! Writes a time as `2026-05-30T12:31:12.509Z`.

/// The 24 characters of a time, all ASCII. A record contains some fifty times; a general formatter would take a third of
/// the total time of writing it.
#[derive(Debug, Clone, Copy)]
pub struct TimeText {
    bytes: [u8; 24],
}

impl TimeText {
    pub(crate) fn of(millis: i64) -> Self {
        // A time beyond the four-digit years becomes the nearest one within.
        const MIN_MS: i64 = -62_167_219_200_000;
        const MAX_MS: i64 = 253_402_300_799_999;
        let millis = millis.clamp(MIN_MS, MAX_MS);
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

    /// The characters.
    pub fn as_str(&self) -> &str {
        // The bytes are ASCII digits and separators.
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// The characters as bytes.
    pub fn as_bytes(&self) -> &[u8; 24] {
        &self.bytes
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
    use crate::Time;

    #[test]
    fn every_day_is_written_as_a_general_calendar_writes_it() {
        let mut millis = -5_000_000_000_123;
        while millis < 5_000_000_000_000 {
            let expected = format!("{:.3}", jiff::Timestamp::from_millisecond(millis).unwrap());
            assert_eq!(Time::from_millis(millis).to_string(), expected);
            millis += 86_399_113;
        }
    }
}
