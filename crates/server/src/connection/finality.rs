//! Whether a record of the call log is final.
//!
//! A record may change under its id: that of a queue's call appears while the call is live, with other values. A record
//! that says that it is final is taken at once. One that does not say so (before August 2026 none did) is taken once it is
//! old and was read twice with the same content.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use wholecall_ringcentral::{CallLogRecord, Finality};

/// Interval after its call's end after which a record that does not say so counts as final.
const SETTLE_INTERVAL_MS: i64 = 4 * 3_600_000;

/// Maximum interval after its call's start in which a record is expected to become final.
const MAX_OPEN_MS: i64 = 24 * 3_600_000;

/// Minimum interval between two readings of a record that is not final.
const READ_INTERVAL_MS: i64 = 600_000;

/// Maximum number of remembered records; beyond it all are forgotten, and settle later.
const MAX_REMEMBERED_RECORDS: usize = 50_000;

/// Digests of records that do not say whether they are final, by their id.
#[derive(Debug, Default)]
pub(super) struct RecordReadings(HashMap<String, u64>);

/// Whether a record that was read is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assessment {
    Final,
    /// It may change, and is to be read again at this time.
    ReadAgain(i64),
    /// It never became final, and is not waited for any longer.
    GivenUp,
}

impl RecordReadings {
    /// Assesses a record that was read at a time of RingCentral's clock.
    pub(super) fn assess(&mut self, record: &CallLogRecord, now_ms: i64) -> Assessment {
        let is_old = record.started_ms.is_some_and(|started| now_ms - started > MAX_OPEN_MS);
        match (record.finality(), record.ended_ms()) {
            (Finality::Final, _) => Assessment::Final,
            (Finality::Unstated, Some(ended)) => {
                let is_same = self.remember(record);
                let settles_at = ended + SETTLE_INTERVAL_MS;
                match is_same && now_ms >= settles_at {
                    true => Assessment::Final,
                    false => Assessment::ReadAgain(settles_at.max(now_ms + READ_INTERVAL_MS)),
                }
            }
            _ if is_old => Assessment::GivenUp,
            _ => Assessment::ReadAgain(now_ms + READ_INTERVAL_MS),
        }
    }

    /// Remembers a reading; returns whether the previous one was the same.
    fn remember(&mut self, record: &CallLogRecord) -> bool {
        let mut hasher = DefaultHasher::new();
        record.json.hash(&mut hasher);
        let digest = hasher.finish();
        if self.0.len() >= MAX_REMEMBERED_RECORDS && !self.0.contains_key(&record.id) {
            self.0.clear();
        }
        self.0.insert(record.id.clone(), digest) == Some(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn record(finished: Option<bool>, json: &str) -> CallLogRecord {
        CallLogRecord {
            id: "r".to_owned(),
            finished,
            started_ms: Some(0),
            duration_ms: Some(48_000),
            direction: "Inbound".to_owned(),
            json: json.into(),
            ..CallLogRecord::default()
        }
    }

    #[test]
    fn a_record_without_a_finality_flag_is_final_when_old_and_read_twice_unchanged() {
        let mut readings = RecordReadings::default();
        assert_eq!(readings.assess(&record(Some(true), "a"), 60_000), Assessment::Final);
        let settled_ms = 48_000 + 4 * HOUR_MS;
        assert_eq!(readings.assess(&record(None, "a"), 60_000), Assessment::ReadAgain(settled_ms));
        assert_eq!(readings.assess(&record(None, "a"), 3 * HOUR_MS), Assessment::ReadAgain(settled_ms));
        assert_ne!(readings.assess(&record(None, "b"), 5 * HOUR_MS), Assessment::Final, "it has changed");
        assert_eq!(readings.assess(&record(None, "b"), 5 * HOUR_MS + 1), Assessment::Final);
        assert_eq!(
            RecordReadings::default().assess(&record(None, "b"), 9 * HOUR_MS),
            Assessment::ReadAgain(9 * HOUR_MS + 600_000)
        );
    }

    #[test]
    fn a_record_of_a_live_call_is_read_again_for_a_limited_time() {
        let mut readings = RecordReadings::default();
        assert_eq!(
            readings.assess(&record(Some(false), "a"), HOUR_MS),
            Assessment::ReadAgain(HOUR_MS + 600_000)
        );
        assert_eq!(readings.assess(&record(Some(false), "a"), 25 * HOUR_MS), Assessment::GivenUp);
    }
}
