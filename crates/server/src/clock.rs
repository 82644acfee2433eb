//! The wall clock; the only place that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use wholecall_record::Time;

/// Now.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(since.as_millis() as i64)
}
