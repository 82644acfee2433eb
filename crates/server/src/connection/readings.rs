//! When a record of the call log is believed.
//!
//! A record changes under its id: that of a queue's call appears while the call goes on, in another shape. A record that
//! says that it is final is believed at once. One that does not say so (before August 2026 none did) is believed once it
//! is old and two readings of it are the same.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use wholecall_ringcentral::{CallLogRecord, Finality};

/// After its call's end a record that does not say so is final so much later.
const SETTLES_AFTER_MS: i64 = 4 * 3_600_000;

/// A record that has not become final so long after its call's start never will; nothing waits for it.
const GIVEN_UP_AFTER_MS: i64 = 24 * 3_600_000;

/// Where a record is not final yet it is read again not sooner than after so much.
const READ_AGAIN_AFTER_MS: i64 = 600_000;

/// So many records are remembered.
const REMEMBERED: usize = 50_000;

/// What was read of records that do not say whether they are final.
#[derive(Debug, Default)]
pub(super) struct Readings(HashMap<String, u64>);

/// What a reading of a record is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    /// It is the log's last word.
    Final,
    /// It may change: it is worth reading again from this time on.
    Again(i64),
    /// It may change, and nothing waits for it any more.
    GivenUp,
}

impl Readings {
    /// What a record is worth that was read at a time, by RingCentral's clock.
    pub(super) fn judge(&mut self, record: &CallLogRecord, now_ms: i64) -> Worth {
        let is_old = record.started_ms.is_some_and(|started| now_ms - started > GIVEN_UP_AFTER_MS);
        match (record.finality(), record.ended_ms()) {
            (Finality::Final, _) => Worth::Final,
            (Finality::Unstated, Some(ended)) => {
                let is_same = self.remember(record);
                let settles_at = ended + SETTLES_AFTER_MS;
                match is_same && now_ms >= settles_at {
                    true => Worth::Final,
                    false => Worth::Again(settles_at.max(now_ms + READ_AGAIN_AFTER_MS)),
                }
            }
            _ if is_old => Worth::GivenUp,
            _ => Worth::Again(now_ms + READ_AGAIN_AFTER_MS),
        }
    }

    /// Remembers a reading; returns whether the one before was the same.
    fn remember(&mut self, record: &CallLogRecord) -> bool {
        let mut hasher = DefaultHasher::new();
        record.json.hash(&mut hasher);
        let digest = hasher.finish();
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&record.id) {
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
    fn without_its_word_a_record_is_believed_when_it_is_old_and_was_read_twice_alike() {
        let mut readings = Readings::default();
        assert_eq!(readings.judge(&record(Some(true), "a"), 60_000), Worth::Final);
        let settled_ms = 48_000 + 4 * HOUR_MS;
        assert_eq!(readings.judge(&record(None, "a"), 60_000), Worth::Again(settled_ms));
        assert_eq!(readings.judge(&record(None, "a"), 3 * HOUR_MS), Worth::Again(settled_ms));
        assert_ne!(readings.judge(&record(None, "b"), 5 * HOUR_MS), Worth::Final, "it has changed");
        assert_eq!(readings.judge(&record(None, "b"), 5 * HOUR_MS + 1), Worth::Final);
        assert_eq!(
            Readings::default().judge(&record(None, "b"), 9 * HOUR_MS),
            Worth::Again(9 * HOUR_MS + 600_000)
        );
    }

    #[test]
    fn a_record_of_a_call_that_goes_on_is_read_again_and_not_for_ever() {
        let mut readings = Readings::default();
        assert_eq!(readings.judge(&record(Some(false), "a"), HOUR_MS), Worth::Again(HOUR_MS + 600_000));
        assert_eq!(readings.judge(&record(Some(false), "a"), 25 * HOUR_MS), Worth::GivenUp);
    }
}
