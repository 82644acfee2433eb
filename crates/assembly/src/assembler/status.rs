//! How a call stands, apart from its notifications.

use std::sync::Arc;

use wholecall_record::{
    CallId, Time,
    call::{ClosedBecause, State},
};

use crate::{directory::Directory, settings::Settings};

pub(super) const NEVER: Time = Time::from_millis(i64::MAX);
pub(super) const NEVER_HEARD: Time = Time::from_millis(i64::MIN);

/// How a call stands, apart from its notifications.
#[derive(Debug)]
pub(super) struct Status {
    /// The id it was last told of under; none before the first time.
    pub(super) told_as: Option<CallId>,
    /// The number of its last version, told or only counted; 0 before the first.
    pub(super) version: u64,
    /// When that was made.
    pub(super) version_at: Time,
    /// What the last record said, but for its version, where that is closed.
    pub(super) digest: u64,
    pub(super) state: State,
    pub(super) reason: Option<ClosedBecause>,
    /// What extensions were named by when it was closed: whatever it says later, they go by the same names.
    pub(super) directory: Option<Arc<Directory>>,
    /// `Completed` was told of it, or of a call that is now part of it.
    pub(super) is_completed: bool,
    /// Something came since the last version.
    pub(super) has_news: bool,
    /// A merging was told of: the version that includes what was merged goes with it, so that whoever keeps what
    /// is told is never left with one and not the other.
    pub(super) owes_version: bool,
    pub(super) last_arrival: Time,
    /// The latest event time of its notifications: long before their arrival where they are history.
    pub(super) last_event: Time,
    /// When it is looked at next, if nothing comes before.
    pub(super) due: Time,
    /// The agenda's entry that counts.
    pub(super) scheduled: Option<Time>,
    pub(super) late_for: Option<CallId>,
    /// When it is looked whether there is anything to ask.
    pub(super) ask_at: Option<Time>,
    /// How often something was asked.
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
    /// After how much silence the call is given up. That is counted from its last event where this arrived late, as it
    /// does with history that is imported: then it is only waited for what comes with it.
    pub(super) fn silent_after_ms(&self, settings: &Settings) -> i64 {
        if self.last_event == NEVER_HEARD {
            return settings.silent_ms;
        }
        let late_ms = (self.last_arrival - self.last_event).max(0);
        (settings.silent_ms - late_ms).max(settings.gap_settle_ms).min(settings.silent_ms)
    }

    /// Takes over what was known of a call that is now part of this one.
    pub(super) fn absorb(&mut self, other: Self) {
        match (self.version > 0, other.version > 0) {
            // Nothing came of this one yet: it goes on as the other.
            (false, true) => {
                (self.state, self.reason, self.digest) = (other.state, other.reason, other.digest);
                self.directory = other.directory;
            }
            (true, true) if other.state == State::Live => (self.state, self.reason) = (State::Live, None),
            // A call that nobody has been told of yet opens nothing.
            _ => {}
        }
        // The id follows from the sessions; here it only counts that there was one.
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
