//! Parsers of values on the command line.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

/// A new value of a setting; `None` removes the override, so that the default applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Override<T>(pub(crate) Option<T>);

/// A duration in milliseconds, or the word `default`.
pub(super) fn duration_or_default(text: &str) -> Result<Override<i64>, String> {
    if text == "default" {
        return Ok(Override(None));
    }
    let milliseconds = duration(text)?.as_millis();
    i64::try_from(milliseconds)
        .map(|duration| Override(Some(duration)))
        .map_err(|_| "the duration is too long".to_owned())
}

pub(super) fn days_or_none(text: &str) -> Result<Override<u32>, String> {
    match text {
        "none" => Ok(Override(None)),
        _ => match text.parse() {
            Ok(days @ 1..=36_500) => Ok(Override(Some(days))),
            _ => Err("1 to 36500 days, or none".to_owned()),
        },
    }
}

pub(super) fn number_or_none(text: &str) -> Result<Override<u32>, String> {
    match text {
        "none" => Ok(Override(None)),
        _ => text.parse().map(|number| Override(Some(number))).map_err(|_| "a number, or none".to_owned()),
    }
}

pub(super) fn duration(text: &str) -> Result<SignedDuration, String> {
    let duration: SignedDuration =
        text.parse().map_err(|_| "write a duration like 500ms, 90s, 5m or 1h 30m".to_owned())?;
    if duration.is_negative() { Err("a duration cannot be negative".to_owned()) } else { Ok(duration) }
}

/// A day (00:00 UTC) or a time, in milliseconds since 1970.
pub(super) fn time(text: &str) -> Result<i64, String> {
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    let time = text.parse::<Timestamp>().ok().or_else(day);
    time.map(Timestamp::as_millisecond)
        .ok_or_else(|| "write a day like 2027-01-31, or a time like 2027-01-31T12:00:00Z".to_owned())
}

/// A time as for [`time`], or a duration from now, also in days.
pub(super) fn future_time(text: &str) -> Result<i64, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok()).filter(|days| *days > 0);
    let duration = match days {
        Some(days) => days.checked_mul(86_400_000),
        None => duration(text).ok().and_then(|duration| i64::try_from(duration.as_millis()).ok()),
    };
    match duration {
        Some(duration) => Timestamp::now()
            .as_millisecond()
            .checked_add(duration)
            .filter(|ms| Timestamp::from_millisecond(*ms).is_ok())
            .ok_or_else(|| "the duration is too long".to_owned()),
        None => time(text).map_err(|error| format!("{error}, or a duration like 90d or 12h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_days_and_durations_from_now_are_parsed() {
        assert_eq!(time("1970-01-02"), Ok(86_400_000));
        assert_eq!(time("1970-01-01T00:00:01Z"), Ok(1_000));
        let now = Timestamp::now().as_millisecond();
        let in_days = future_time("90d").unwrap() - now - 90 * 86_400_000;
        assert!((0..60_000).contains(&in_days), "{in_days}");
        assert!((3_000..60_000).contains(&(future_time("3s").unwrap() - now)));
        assert_eq!(future_time("2070-01-01"), time("2070-01-01"));
        for wrong in ["soon", "-3d", "9999999999999d", ""] {
            assert!(future_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_and_defaults_are_parsed() {
        assert_eq!(duration("1h 30m"), Ok(SignedDuration::from_mins(90)));
        assert_eq!(duration("500ms"), Ok(SignedDuration::from_millis(500)));
        assert_eq!(duration("0s"), Ok(SignedDuration::ZERO));
        assert_eq!(duration_or_default("2s"), Ok(Override(Some(2_000))));
        assert_eq!(duration_or_default("default"), Ok(Override(None)));
        assert!(duration_or_default("200000000 years").is_err() && duration_or_default("2").is_err());
        assert_eq!(days_or_none("30"), Ok(Override(Some(30))));
        assert_eq!(days_or_none("none"), Ok(Override(None)));
        assert!(days_or_none("0").is_err() && days_or_none("-1").is_err());
        assert!(duration("soon").is_err());
        assert!(duration("-1s").is_err());
    }
}
