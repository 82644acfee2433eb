//! How values are written on a command line.

use jiff::SignedDuration;

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

#[cfg(test)]
mod tests {
    use super::*;

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
