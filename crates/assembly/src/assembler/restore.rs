//! Rebuilds an evicted call, or one that another process had in memory, from its notifications and its last published
//! record.
//!
//! A call is restored whole: all notifications of all its sessions. Its related calls are restored with it, or its
//! record would lose them.

use std::sync::Arc;

use wholecall_notification::{Code, Notification};
use wholecall_record::{Call, SessionId, Time, call::State};

use super::{
    live::Assembler,
    status::{NEVER_ARRIVED, Status, digest, event_time},
};
use crate::{directory::Directory, session_node::CallKey};

/// A call as it was when it left memory.
#[derive(Debug, Clone)]
pub struct CallSnapshot {
    /// The last published record. `None` if there is none.
    pub record: Option<Box<Call>>,
    /// When that record was made.
    pub published_at: Time,
    /// Whether `Completed` was published.
    pub is_completed: bool,
    /// The directory version that the record refers to.
    pub directory: Option<Arc<Directory>>,
}

/// A call that is being restored.
#[derive(Debug)]
pub struct RestoreBuilder<'a> {
    assembler: &'a mut Assembler,
    snapshot: CallSnapshot,
    last_arrival: Time,
    last_event: Time,
    is_dirty: bool,
    call: Option<CallKey>,
    /// Sessions that its links lead to.
    linked: Vec<SessionId>,
}

impl Assembler {
    /// The sessions that a notification belongs or leads to and that are not in memory: restore them before the
    /// notification is received.
    pub fn unknown_sessions(&self, notification: &Notification<'_, '_>) -> Vec<SessionId> {
        let parties = notification.body().parties.iter().map(|party| &party.status);
        let peers = parties
            .filter(|status| status.code() == Some(Code::Gone))
            .filter_map(|status| status.peer_id.as_deref()?.session_id());
        let linked = std::iter::once(notification.session_id()).chain(peers);
        linked
            .filter(|id| !self.contains_session(notification.account_id(), id))
            .map(SessionId::from)
            .collect()
    }

    /// Whether a session's notifications are in memory; a link that names it is not enough.
    pub fn contains_session(&self, account: Option<&str>, session: &str) -> bool {
        self.graph.contains_session(account, session)
    }

    /// Restores a call that is not in memory. This publishes nothing; its deadlines are handled by the next
    /// [`Assembler::tick`].
    pub fn restore(&mut self, snapshot: CallSnapshot) -> RestoreBuilder<'_> {
        RestoreBuilder {
            assembler: self,
            snapshot,
            last_arrival: NEVER_ARRIVED,
            last_event: NEVER_ARRIVED,
            is_dirty: false,
            call: None,
            linked: Vec::new(),
        }
    }
}

impl RestoreBuilder<'_> {
    /// Adds one of its notifications; `published` is whether the last record includes it.
    pub fn add(&mut self, arrived: Time, published: bool, notification: &Notification<'_, '_>) {
        self.linked.extend(self.assembler.unknown_sessions(notification));
        let graph = &mut self.assembler.graph;
        let added = graph.add(notification);
        for (from, session) in added.absorbed {
            let into = graph.sessions[session].call;
            graph.calls[into].status.absorb(from);
        }
        self.call = Some(added.call);
        self.last_arrival = self.last_arrival.max(arrived);
        self.last_event = self.last_event.max(event_time(notification));
        self.is_dirty |= !published;
    }

    /// Completes the restoring. Returns sessions of other calls that are not in memory and must be restored too: its
    /// related calls, and those that unpublished notifications link it to.
    pub fn finish(self) -> Vec<SessionId> {
        let Self { assembler, snapshot, last_arrival, last_event, is_dirty, call, linked: mut related } =
            self;
        let Some(mut call) = call else { return Vec::new() };
        let mut status =
            Status { is_dirty, last_arrival, last_event, due: last_arrival, ..Status::default() };
        if let Some(mut record) = snapshot.record {
            call = assembler.graph.call_of(record.account_id.as_deref(), &record.id).unwrap_or(call);
            related.extend(record.related.iter().map(|other| SessionId::from(&*other.id)));
            status.published_id = Some(record.id.clone());
            status.version = record.version;
            status.version_at = snapshot.published_at;
            status.state = record.state;
            status.reason = record.completeness.reason;
            status.is_completed = snapshot.is_completed;
            status.late_for = record.completeness.late_for.clone();
            if record.state != State::Live {
                status.directory = snapshot.directory;
                status.digest = digest(&mut record);
            }
        }
        // A call that was restored before and turns out to be part of this one was published already: its state is
        // merged.
        let before = std::mem::replace(&mut assembler.graph.calls[call].status, status);
        if before.last_arrival > NEVER_ARRIVED {
            assembler.graph.calls[call].status.absorb(before);
        }
        let status = &mut assembler.graph.calls[call].status;
        status.due = status.last_arrival;
        status.scheduled = None;
        status.lookup_at = status.first_lookup_at(&assembler.settings);
        assembler.schedule(call);
        let account = assembler.graph.account_id(call).cloned();
        related.retain(|session| !assembler.contains_session(account.as_deref(), session));
        related.sort_unstable();
        related.dedup();
        related
    }
}
