//! Answers of RingCentral in the shape of its notifications, as the journal has them.

use serde_json::value::RawValue;
use wholecall_record::Time;
use wholecall_ringcentral::CallLogRecord;

/// A record of the call log in the journal's form. A record that is read again is a duplicate of the same evidence.
pub(super) fn log_record(account: &str, record: &CallLogRecord) -> String {
    let path = format!("/restapi/v1.0/account/{account}/call-log/{}", record.id);
    envelope(&format!("call-log-{}", record.id), &path, crate::clock::now().as_millis(), None, &record.json)
}

/// Puts the body of an answer into an envelope whose `event` is the requested path.
pub(super) fn envelope(uuid: &str, event: &str, at_ms: i64, started_ms: Option<i64>, body: &str) -> String {
    let timestamp = Time::from_millis(at_ms).to_string();
    let start_time = started_ms.map(|started_ms| Time::from_millis(started_ms).to_string());
    let body: &RawValue = serde_json::from_str(body).unwrap_or(RawValue::NULL);
    let envelope = Envelope { uuid, event, timestamp: &timestamp, start_time, body };
    serde_json::to_string(&envelope).unwrap_or_default()
}

/// An answer of RingCentral in the shape of its notifications.
#[derive(serde::Serialize)]
struct Envelope<'a> {
    uuid: &'a str,
    event: &'a str,
    timestamp: &'a str,
    #[serde(rename = "startTime", skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    body: &'a RawValue,
}
