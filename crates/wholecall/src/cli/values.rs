//! How values are written on a command line.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

/// A setting, or none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted<T>(pub(crate) Option<T>);

/// In milliseconds.
pub(super) fn length_or_usual(text: &str) -> Result<Wanted<i64>, String> {
    if text == "usual" {
        return Ok(Wanted(None));
    }
    let milliseconds = length(text)?.as_millis();
    i64::try_from(milliseconds).map(|length| Wanted(Some(length))).map_err(|_| "that is too long".to_owned())
}

pub(super) fn days_or_none(text: &str) -> Result<Wanted<u32>, String> {
    match text {
        "none" => Ok(Wanted(None)),
        _ => match text.parse() {
            Ok(days @ 1..=36_500) => Ok(Wanted(Some(days))),
            _ => Err("1 to 36500 days, or none".to_owned()),
        },
    }
}

pub(super) fn number_or_none(text: &str) -> Result<Wanted<u32>, String> {
    match text {
        "none" => Ok(Wanted(None)),
        _ => text.parse().map(|number| Wanted(Some(number))).map_err(|_| "a number, or none".to_owned()),
    }
}

pub(super) fn length(text: &str) -> Result<SignedDuration, String> {
    let length: SignedDuration =
        text.parse().map_err(|_| "a length of time is written like 500ms, 90s, 5m or 1h 30m".to_owned())?;
    if length.is_negative() { Err("a length of time cannot be negative".to_owned()) } else { Ok(length) }
}

/// A day (its beginning in UTC) or a time, in milliseconds since 1970.
pub(super) fn moment(text: &str) -> Result<i64, String> {
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    let time = text.parse::<Timestamp>().ok().or_else(day);
    time.map(Timestamp::as_millisecond)
        .ok_or_else(|| "a day like 2027-01-31, or a time like 2027-01-31T12:00:00Z".to_owned())
}

/// The same, or a length of time from now, also in days.
pub(super) fn time_to_come(text: &str) -> Result<i64, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok()).filter(|days| *days > 0);
    let length = match days {
        Some(days) => days.checked_mul(86_400_000),
        None => length(text).ok().and_then(|length| i64::try_from(length.as_millis()).ok()),
    };
    match length {
        Some(length) => Timestamp::now()
            .as_millisecond()
            .checked_add(length)
            .filter(|ms| Timestamp::from_millisecond(*ms).is_ok())
            .ok_or_else(|| "that is too long".to_owned()),
        None => moment(text).map_err(|known| format!("{known}, or a length of time like 90d or 12h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_days() {
        assert_eq!(moment("1970-01-02"), Ok(86_400_000));
        assert_eq!(moment("1970-01-01T00:00:01Z"), Ok(1_000));
        let now = Timestamp::now().as_millisecond();
        let in_days = time_to_come("90d").unwrap() - now - 90 * 86_400_000;
        assert!((0..60_000).contains(&in_days), "{in_days}");
        assert!((3_000..60_000).contains(&(time_to_come("3s").unwrap() - now)));
        assert_eq!(time_to_come("2070-01-01"), moment("2070-01-01"));
        for wrong in ["soon", "-3d", "9999999999999d", ""] {
            assert!(time_to_come(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lengths_of_time() {
        assert_eq!(length("1h 30m"), Ok(SignedDuration::from_mins(90)));
        assert_eq!(length("500ms"), Ok(SignedDuration::from_millis(500)));
        assert_eq!(length("0s"), Ok(SignedDuration::ZERO));
        assert_eq!(length_or_usual("2s"), Ok(Wanted(Some(2_000))));
        assert_eq!(length_or_usual("usual"), Ok(Wanted(None)));
        assert!(length_or_usual("200000000 years").is_err() && length_or_usual("2").is_err());
        assert_eq!(days_or_none("30"), Ok(Wanted(Some(30))));
        assert_eq!(days_or_none("none"), Ok(Wanted(None)));
        assert!(days_or_none("0").is_err() && days_or_none("-1").is_err());
        assert!(length("soon").is_err());
        assert!(length("-1s").is_err());
    }
}
