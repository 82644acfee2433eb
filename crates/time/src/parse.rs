//! Parses ISO 8601 dates and times.

/// Parses the spelling of nearly all notifications, `2026-05-30T12:31:12.509Z`: a general parser takes a tenth of the
/// time per notification.
pub(crate) fn common(text: &[u8]) -> Option<i64> {
    let text: &[u8; 24] = text.try_into().ok()?;
    let has_punctuation = [text[4], text[7], text[10], text[13], text[16], text[19], text[23]] == *b"--T::.Z";
    // A byte other than a digit sets the high bit.
    let mut seen = 0;
    let mut number = |digits: &[u8]| {
        digits.iter().fold(0, |value, byte| {
            let digit = byte.wrapping_sub(b'0');
            seen |= digit | digit.wrapping_add(0x76);
            value * 10 + u32::from(digit)
        })
    };
    let [year, month, day] = [&text[0..4], &text[5..7], &text[8..10]].map(&mut number);
    let [hour, minute, second, millis] =
        [&text[11..13], &text[14..16], &text[17..19], &text[20..23]].map(&mut number);
    if !has_punctuation || seen & 0x80 != 0 {
        return None;
    }
    let [year, month, day] = [year, month, day].map(i64::from);
    let [hour, minute, second, millis] = [hour, minute, second, millis].map(i64::from);
    // Leap seconds are left to the general parser.
    let exists = (1..=days_in_month(year, month)?).contains(&day) && hour < 24 && minute < 60 && second < 60;
    exists.then(|| {
        let days = days_from_civil(year, month, day);
        ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + millis
    })
}

fn days_in_month(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar, counted in years that begin in
/// March, so that the leap day is the last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Parses any other spelling.
pub(crate) fn general(text: &str) -> Option<i64> {
    let timestamp: jiff::Timestamp = text.trim().parse().ok()?;
    // Rounds toward the past, as cutting off digits of a date after 1970 does.
    Some(timestamp.as_nanosecond().div_euclid(1_000_000) as i64)
}

/// Reads what [`crate::TimeText`] writes and the general parser refuses: the last 26 hours of the year 9999.
pub(crate) fn end_of_9999(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let date: jiff::civil::Date = date.parse().ok()?;
    let time: jiff::civil::Time = time.parse().ok()?;
    let days = date.since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1))).ok()?.get_days();
    let [hour, minute, second] = [time.hour(), time.minute(), time.second()].map(i64::from);
    let in_day_ms = ((hour * 60 + minute) * 60 + second) * 1_000 + i64::from(time.millisecond());
    Some(i64::from(days) * 86_400_000 + in_day_ms)
}

#[cfg(test)]
mod tests {
    use crate::Time;

    #[test]
    fn the_common_spelling_agrees_with_the_general_parser_on_every_day() {
        let mut millis = Time::parse("1896-02-27T23:59:59.999Z").unwrap().as_millis();
        let end = Time::parse("2105-03-02T00:00:00.000Z").unwrap().as_millis();
        while millis < end {
            let text = Time::from_millis(millis).to_string();
            let general: jiff::Timestamp = text.parse().unwrap();
            assert_eq!(general.as_millisecond(), millis, "{text}");
            assert_eq!(Time::parse(&text), Some(Time::from_millis(millis)), "{text}");
            millis += 86_400_000 / 2 + 7_919;
        }
    }

    #[test]
    fn times_come_with_or_without_fraction_and_in_any_offset() {
        let expected = Time::from_millis(1_599_515_402_000);
        for text in [
            "2020-09-07T21:50:02Z",
            "2020-09-07T21:50:02.000Z",
            "2020-09-07T21:50:02.0009Z",
            "2020-09-07T21:50:02+00:00",
            "2020-09-07T21:50:02.000+0000",
            "2020-09-07T14:50:02-07:00",
        ] {
            assert_eq!(Time::parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn text_that_is_not_a_time_is_refused() {
        for text in ["", "yesterday", "2020-09-07", "2020-13-07T21:50:02.000Z", "2020-02-30T21:50:02.000Z"] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }
}
