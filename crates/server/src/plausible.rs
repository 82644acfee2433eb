//! The times that a notification may contain. A time that is years off would sort its call before or after all others,
//! and retention would never remove the call.

use wholecall_notification::{Notification, Time};

/// Minimum time: 1990-01-01, years before RingCentral existed.
const EARLIEST_MS: i64 = 631_152_000_000;

/// Maximum time that a notification may be ahead of the clock. Clocks are wrong by minutes, and time zones by hours.
const MAX_AHEAD_MS: i64 = 86_400_000;

/// 2026-11-01, shortly before this program was written. A clock that shows an earlier time is wrong; then times are
/// checked against `LATEST_MS` instead.
const WRITTEN_MS: i64 = 1_793_491_200_000;

/// Maximum time if the clock is wrong: 2200-01-01.
const LATEST_MS: i64 = 7_258_118_400_000;

/// The reason to reject a notification that arrives now for one of its times; `None` if all are plausible.
pub(crate) fn implausible_time(notification: &Notification<'_, '_>, now: Time) -> Option<String> {
    let latest_ms = match now.as_millis() {
        ..WRITTEN_MS => LATEST_MS,
        now_ms => now_ms.saturating_add(MAX_AHEAD_MS),
    };
    let is_plausible = |time: &Time| (EARLIEST_MS..=latest_ms).contains(&time.as_millis());
    let time = notification.times().find(|time| !is_plausible(time))?;
    let [time, earliest, latest] = [time.as_millis(), EARLIEST_MS, latest_ms].map(Time::from_millis);
    Some(format!(
        "the time {time} is implausible: it must be between {earliest} and {latest}, a day from now"
    ))
}

#[cfg(test)]
mod tests {
    use wholecall_notification::{Document, Message};

    use super::*;

    /// 2026-12-01T00:00:00Z.
    const NOW_MS: i64 = 1_796_083_200_000;

    fn reason(body: &str, now_ms: i64) -> Option<String> {
        let document = Document::parse(body).unwrap();
        let Ok(Message::Session(notification)) = document.message() else { panic!("{body}") };
        implausible_time(&notification, Time::from_millis(now_ms))
    }

    fn change(time: &str) -> String {
        format!(
            r#"{{"event":"/restapi/v1.0/account/8/telephony/sessions","body":{{"telephonySessionId":"s-1",
            "sequence":2,"eventTime":"{time}","parties":[{{"id":"p-1-1"}}]}}}}"#
        )
    }

    #[test]
    fn only_times_that_a_call_can_have_are_plausible() {
        for time in ["1990-01-01T00:00:00Z", "2026-11-30T23:59:59.999Z", "2026-12-01T23:00:00+00:00"] {
            assert_eq!(reason(&change(time), NOW_MS), None, "{time}");
        }
        for time in [
            "9999-12-31T23:59:59.999Z",
            "9999-12-30T22:00:01.000Z",
            "2026-12-02T00:00:00.001Z",
            "1989-12-31T23:59:59.999Z",
            "0000-01-01T00:00:00Z",
            "-000001-01-01T00:00:00Z",
        ] {
            let reason = reason(&change(time), NOW_MS).unwrap_or_else(|| panic!("{time} is accepted"));
            assert!(reason.contains("implausible"), "{reason}");
        }
    }

    #[test]
    fn times_beside_the_event_time_are_checked_too() {
        let sent =
            change("2026-11-30T12:00:00Z").replacen('{', r#"{"timestamp":"9999-12-31T23:00:00.000Z","#, 1);
        assert!(reason(&sent, NOW_MS).is_some());
        let logged = r#"{"uuid":"l-1","event":"/restapi/v1.0/account/8/extension/9/call-log","body":{"id":"x",
            "telephonySessionId":"s-1","startTime":"1890-01-01T00:00:00.000Z","duration":4300000000,
            "result":"Accepted","direction":"Inbound"}}"#;
        assert!(reason(&logged.replace("call-log", "call-log/x"), NOW_MS).is_some(), "its start");
    }

    #[test]
    fn a_clock_that_is_evidently_wrong_does_not_reject_current_calls() {
        let body = change("2026-11-30T12:00:00Z");
        assert_eq!(reason(&body, 0), None, "a clock without a battery starts in 1970");
        assert!(reason(&change("9999-12-31T23:59:59.999Z"), 0).is_some());
    }
}
