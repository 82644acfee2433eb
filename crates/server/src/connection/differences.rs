//! Fields in which a stored call differs from the final record of the call log.
//!
//! The log has a record for each session, which is compared with the call's session of that id. Fields that mean something
//! else in the log are not compared: a session that was left through a link ends at another time there, conferences are
//! not logged, and the log says of a call to a menu that the menu accepted it.

use wholecall_record::{
    Call,
    call::{Direction, Kind, LegDirection, Outcome, Session},
};
use wholecall_ringcentral::CallLogRecord;

/// Maximum difference between equal times: the log rounds to seconds, and notifications are fractions of a second apart.
const TOLERANCE_MS: i64 = 2_000;

/// Minimum number of digits of a public number; shorter ones are extensions or services.
const MIN_PUBLIC_DIGITS: usize = 7;

/// Maximum number of last digits compared, so that country and trunk prefixes do not count.
const MAX_COMPARED_DIGITS: usize = 9;

/// The names of the fields in which a call differs from its record in the log.
pub(super) fn differences(call: &Call, record: &CallLogRecord) -> Vec<&'static str> {
    let id = record.session.as_deref().unwrap_or_default();
    let Some(session) = call.sessions.iter().find(|session| &*session.telephony_session_id == id) else {
        return Vec::new();
    };
    if is_incomparable(call, session) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut check = |is_equal: bool, field| {
        if !is_equal {
            found.push(field);
        }
    };
    let is_near = |ours: Option<i64>, theirs: Option<i64>| match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= TOLERANCE_MS,
        _ => true,
    };
    let start = session.start_time.map(|time| time.as_millis());
    check(is_near(start, record.started_ms), "startTime");
    if !was_left_through_link(call, session) {
        let end = session.end_time.map(|time| time.as_millis());
        check(is_near(end.zip(start).map(|(end, start)| end - start), record.duration_ms), "duration");
        check(is_near(end, record.ended_ms()), "endTime");
    }
    let is_whole_call = session.telephony_session_id == call.id
        && call.sessions.iter().filter(|session| session.seen).count() == 1;
    if is_whole_call {
        check((call.direction == Direction::Inbound) == (record.direction == "Inbound"), "direction");
        check(agrees_on_talk(call, record), "result");
        check(same_number(call.from.phone_number.as_deref(), record.from.as_deref()), "from");
        check(same_number(call.to.phone_number.as_deref(), record.to.as_deref()), "to");
    }
    found
}

/// Whether the log has no comparable record of such a session.
fn is_incomparable(call: &Call, session: &Session) -> bool {
    let mut legs = call.legs.iter().filter(|leg| leg.telephony_session_id == session.telephony_session_id);
    session.origin.as_deref() == Some("Conference")
        || session.session_id.as_deref() == Some("0")
        || legs.any(|leg| leg.kind == Kind::Supervisor)
}

fn was_left_through_link(call: &Call, session: &Session) -> bool {
    let names =
        |end: &wholecall_record::call::LinkEnd| end.telephony_session_id == session.telephony_session_id;
    call.links.iter().any(|link| names(&link.a) || names(&link.b))
}

/// Whether the call and the record agree on whether people talked.
fn agrees_on_talk(call: &Call, record: &CallLogRecord) -> bool {
    let is_person = |leg: &wholecall_record::call::Leg| {
        leg.direction == LegDirection::Inbound && matches!(leg.kind, Kind::User | Kind::External)
    };
    // The log calls it accepted when a menu or a queue took the call.
    if !call.legs.iter().any(is_person) {
        return true;
    }
    let talked = ["Accepted", "Call connected"].iter().any(|word| record.result.eq_ignore_ascii_case(word));
    talked == (call.result == Outcome::Answered)
}

/// Whether two numbers may be the same. A short, masked or missing number matches any.
fn same_number(ours: Option<&str>, theirs: Option<&str>) -> bool {
    let digits = |text: Option<&str>| -> Option<String> {
        let text = text.filter(|text| !text.contains(['X', 'x', '*']))?;
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let from = digits.len().saturating_sub(MAX_COMPARED_DIGITS);
        (digits.len() >= MIN_PUBLIC_DIGITS).then(|| digits[from..].to_owned())
    };
    match (digits(ours), digits(theirs)) {
        (Some(ours), Some(theirs)) => ours.ends_with(&theirs) || theirs.ends_with(&ours),
        _ => true,
    }
}
