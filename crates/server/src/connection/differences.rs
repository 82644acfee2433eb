//! Where a known call says something else than the final record of the call log does.
//!
//! The log has a record for each session: it is compared with the call's session of that id. What the two cannot agree
//! on is not compared: a session that was left through a link ends at another time there, the log has no conferences,
//! and the caller's own view of a menu is that it has accepted the call.

use wholecall_record::{
    Call,
    call::{Direction, Kind, LegDirection, Outcome, Session},
};
use wholecall_ringcentral::CallLogRecord;

/// The log rounds to seconds, and notifications are some fractions of one apart.
const TOLERANCE_MS: i64 = 2_000;

/// A number of fewer digits is an extension's or a service's.
const SHORTEST_NUMBER: usize = 7;

/// So many last digits of two ways to write a number agree.
const DIGITS_COMPARED: usize = 9;

/// What of a call is otherwise in the log: names of fields.
pub(super) fn differences(call: &Call, record: &CallLogRecord) -> Vec<&'static str> {
    let id = record.session.as_deref().unwrap_or_default();
    let Some(session) = call.sessions.iter().find(|session| &*session.telephony_session_id == id) else {
        return Vec::new();
    };
    if is_incomparable(call, session) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut unless = |agrees: bool, field| {
        if !agrees {
            found.push(field);
        }
    };
    let is_near = |ours: Option<i64>, theirs: Option<i64>| match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= TOLERANCE_MS,
        _ => true,
    };
    let start = session.start_time.map(|time| time.as_millis());
    unless(is_near(start, record.started_ms), "startTime");
    if !is_left_by_a_link(call, session) {
        let end = session.end_time.map(|time| time.as_millis());
        unless(is_near(end.zip(start).map(|(end, start)| end - start), record.duration_ms), "duration");
        unless(is_near(end, record.ended_ms()), "endTime");
    }
    let is_whole_call = session.telephony_session_id == call.id
        && call.sessions.iter().filter(|session| session.seen).count() == 1;
    if is_whole_call {
        unless((call.direction == Direction::Inbound) == (record.direction == "Inbound"), "direction");
        unless(agrees_on_talk(call, record), "result");
        unless(same_number(call.from.phone_number.as_deref(), record.from.as_deref()), "from");
        unless(same_number(call.to.phone_number.as_deref(), record.to.as_deref()), "to");
    }
    found
}

/// Whether the log has no record of its own of such a session, or one of another kind.
fn is_incomparable(call: &Call, session: &Session) -> bool {
    let mut legs = call.legs.iter().filter(|leg| leg.telephony_session_id == session.telephony_session_id);
    session.origin.as_deref() == Some("Conference")
        || session.session_id.as_deref() == Some("0")
        || legs.any(|leg| leg.kind == Kind::Supervisor)
}

fn is_left_by_a_link(call: &Call, session: &Session) -> bool {
    let names =
        |end: &wholecall_record::call::LinkEnd| end.telephony_session_id == session.telephony_session_id;
    call.links.iter().any(|link| names(&link.a) || names(&link.b))
}

/// Whether both say that people talked, or neither does.
fn agrees_on_talk(call: &Call, record: &CallLogRecord) -> bool {
    let is_person = |leg: &wholecall_record::call::Leg| {
        leg.direction == LegDirection::Inbound && matches!(leg.kind, Kind::User | Kind::External)
    };
    // A menu or a queue that took the call has accepted it, in the log's words.
    if !call.legs.iter().any(is_person) {
        return true;
    }
    let talked = ["Accepted", "Call connected"].iter().any(|word| record.result.eq_ignore_ascii_case(word));
    talked == (call.result == Outcome::Answered)
}

/// Whether two ways to write a number may mean the same; what is short, masked or missing tells nothing.
fn same_number(ours: Option<&str>, theirs: Option<&str>) -> bool {
    let digits = |text: Option<&str>| -> Option<String> {
        let text = text.filter(|text| !text.contains(['X', 'x', '*']))?;
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let from = digits.len().saturating_sub(DIGITS_COMPARED);
        (digits.len() >= SHORTEST_NUMBER).then(|| digits[from..].to_owned())
    };
    match (digits(ours), digits(theirs)) {
        (Some(ours), Some(theirs)) => ours.ends_with(&theirs) || theirs.ends_with(&ours),
        _ => true,
    }
}
