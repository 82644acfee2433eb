//! The state of a call apart from its notifications.

use std::{
    hash::{DefaultHasher, Hasher},
    sync::Arc,
};

use wholecall_notification::Notification;
use wholecall_record::{
    Call, CallId, Time, WriteJson,
    call::{CloseReason, State},
};

use crate::{directory::Directory, settings::Settings};

pub(super) const NEVER: Time = Time::from_millis(i64::MAX);
pub(super) const NEVER_ARRIVED: Time = Time::from_millis(i64::MIN);

/// The state of a call apart from its notifications.
#[derive(Debug)]
pub(super) struct Status {
    /// The id of the last published version. `None` before the first.
    pub(super) published_id: Option<CallId>,
    /// The number of the last version, published or only counted; 0 before the first.
    pub(super) version: u64,
    /// When that version was made.
    pub(super) version_at: Time,
    /// Digest of the last record without its version, if the call is closed.
    pub(super) digest: u64,
    pub(super) state: State,
    pub(super) reason: Option<CloseReason>,
    /// The directory when it was closed: later revisions use the same one.
    pub(super) directory: Option<Arc<Directory>>,
    /// `Completed` was published for it, or for a call that is now part of it.
    pub(super) is_completed: bool,
    /// Something changed since the last version.
    pub(super) is_dirty: bool,
    /// A `Merged` change was published: the surviving call must publish its next version in the same batch, so that
    /// consumers never see one without the other.
    pub(super) must_publish: bool,
    pub(super) last_arrival: Time,
    /// The latest event time of its notifications: long before their arrival if they are imported history.
    pub(super) last_event: Time,
    /// When the next of its deadlines passes.
    pub(super) due: Time,
    /// The entry of the deadline queue that is valid.
    pub(super) scheduled: Option<Time>,
    pub(super) late_for: Option<CallId>,
    /// When to check again whether to request lookups.
    pub(super) lookup_at: Option<Time>,
    /// How often lookups were requested.
    pub(super) lookup_requests: u32,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            published_id: None,
            version: 0,
            version_at: Time::from_millis(0),
            digest: 0,
            state: State::Live,
            reason: None,
            directory: None,
            is_completed: false,
            is_dirty: false,
            must_publish: false,
            last_arrival: NEVER_ARRIVED,
            last_event: NEVER_ARRIVED,
            due: NEVER,
            scheduled: None,
            late_for: None,
            lookup_at: None,
            lookup_requests: 0,
        }
    }
}

impl Status {
    /// Idle time after which the call is closed as incomplete. Where the last event arrived late, as with imported
    /// history, the delay counts as idle: only what is imported with it is waited for.
    pub(super) fn idle_timeout_ms(&self, settings: &Settings) -> i64 {
        if self.last_event == NEVER_ARRIVED {
            return settings.idle_timeout_ms;
        }
        let late_ms = (self.last_arrival - self.last_event).max(0);
        (settings.idle_timeout_ms - late_ms).max(settings.gap_settle_ms).min(settings.idle_timeout_ms)
    }

    /// When to check whether to request lookups if nothing more arrives.
    pub(super) fn first_lookup_at(&self, settings: &Settings) -> Option<Time> {
        Some(self.last_arrival + settings.lookup_after_ms?)
    }

    /// Merges the state of a call that is now part of this one.
    pub(super) fn absorb(&mut self, other: Self) {
        match (self.version > 0, other.version > 0) {
            // This one has no version yet: it continues as the other.
            (false, true) => {
                (self.state, self.reason, self.digest) = (other.state, other.reason, other.digest);
                self.directory = other.directory;
            }
            (true, true) if other.state == State::Live => (self.state, self.reason) = (State::Live, None),
            // A call without a version reopens nothing.
            _ => {}
        }
        // The id follows from the sessions; here it only matters that there was one.
        self.published_id = self.published_id.take().or(other.published_id);
        self.version = self.version.max(other.version);
        self.version_at = self.version_at.max(other.version_at);
        self.is_completed |= other.is_completed;
        self.is_dirty = true;
        self.must_publish |= other.must_publish;
        self.last_arrival = self.last_arrival.max(other.last_arrival);
        self.last_event = self.last_event.max(other.last_event);
        self.late_for = self.late_for.take().or(other.late_for);
        self.lookup_at = self.lookup_at.max(other.lookup_at);
        self.lookup_requests = self.lookup_requests.max(other.lookup_requests);
    }
}

pub(super) fn event_time(notification: &Notification<'_, '_>) -> Time {
    notification.event_time()
}

/// Equal for records that differ only in their version.
pub(super) fn digest(record: &mut Call) -> u64 {
    let version = std::mem::take(&mut record.version);
    let updated_at = std::mem::replace(&mut record.updated_at, Time::from_millis(0));
    let mut text = Vec::new();
    record.write_json(&mut text);
    (record.version, record.updated_at) = (version, updated_at);
    let mut hasher = DefaultHasher::new();
    hasher.write(&text);
    hasher.finish()
}
