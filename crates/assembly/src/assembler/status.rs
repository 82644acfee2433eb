//! The state of a call apart from its notifications.

use std::sync::Arc;

use wholecall_record::{
    CallId, Time,
    call::{ClosedBecause, State},
};

use crate::{directory::Directory, settings::Settings};

pub(super) const NEVER: Time = Time::from_millis(i64::MAX);
pub(super) const NEVER_HEARD: Time = Time::from_millis(i64::MIN);

/// The state of a call apart from its notifications.
#[derive(Debug)]
pub(super) struct Status {
    /// The id of the last published version. `None` before the first.
    pub(super) told_as: Option<CallId>,
    /// The number of the last version, published or only counted; 0 before the first.
    pub(super) version: u64,
    /// When that version was made.
    pub(super) version_at: Time,
    /// Digest of the last record without its version, if the call is closed.
    pub(super) digest: u64,
    pub(super) state: State,
    pub(super) reason: Option<ClosedBecause>,
    /// The directory when it was closed: later revisions use the same one.
    pub(super) directory: Option<Arc<Directory>>,
    /// `Completed` was published for it, or for a call that is now part of it.
    pub(super) is_completed: bool,
    /// Something changed since the last version.
    pub(super) has_news: bool,
    /// A `Merged` change was published: the surviving call must publish its next version in the same batch, so that
    /// consumers never see one without the other.
    pub(super) owes_version: bool,
    pub(super) last_arrival: Time,
    /// The latest event time of its notifications: long before their arrival if they are imported history.
    pub(super) last_event: Time,
    /// The next deadline.
    pub(super) due: Time,
    /// The entry of the deadline queue that is valid.
    pub(super) scheduled: Option<Time>,
    pub(super) late_for: Option<CallId>,
    /// When to check whether to request lookups.
    pub(super) ask_at: Option<Time>,
    /// How often lookups were requested.
    pub(super) asked: u32,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            told_as: None,
            version: 0,
            version_at: Time::from_millis(0),
            digest: 0,
            state: State::Live,
            reason: None,
            directory: None,
            is_completed: false,
            has_news: false,
            owes_version: false,
            last_arrival: NEVER_HEARD,
            last_event: NEVER_HEARD,
            due: NEVER,
            scheduled: None,
            late_for: None,
            ask_at: None,
            asked: 0,
        }
    }
}

impl Status {
    /// Idle time after which the call is closed as incomplete. Where the last event arrived late, as with imported
    /// history, the delay counts as idle: only what is imported with it is waited for.
    pub(super) fn silent_after_ms(&self, settings: &Settings) -> i64 {
        if self.last_event == NEVER_HEARD {
            return settings.silent_ms;
        }
        let late_ms = (self.last_arrival - self.last_event).max(0);
        (settings.silent_ms - late_ms).max(settings.gap_settle_ms).min(settings.silent_ms)
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
        self.told_as = self.told_as.take().or(other.told_as);
        self.version = self.version.max(other.version);
        self.version_at = self.version_at.max(other.version_at);
        self.is_completed |= other.is_completed;
        self.has_news = true;
        self.owes_version |= other.owes_version;
        self.last_arrival = self.last_arrival.max(other.last_arrival);
        self.last_event = self.last_event.max(other.last_event);
        self.late_for = self.late_for.take().or(other.late_for);
        self.ask_at = self.ask_at.max(other.ask_at);
        self.asked = self.asked.max(other.asked);
    }
}
