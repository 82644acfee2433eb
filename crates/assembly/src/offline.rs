//! Calls from a closed set of notifications: everything is read before any record is made.

use std::sync::Arc;

use wholecall_notification::Notification;
use wholecall_record::{
    AccountId, Call, CallId, Explanation, SessionId, Time,
    call::{CloseReason, State},
};

use crate::{
    consistency::{ConsistencyCheck, Contradiction},
    directory::Directory,
    fold::RecordStatus,
    session_graph::SessionGraph,
    session_node::CallKey,
};

/// Notifications from files, in any order. The end of the input settles everything.
#[derive(Debug)]
pub struct Collection {
    graph: SessionGraph<LastSent>,
}

/// The latest sending time among a call's notifications.
#[derive(Debug, Clone, Copy, Default)]
struct LastSent(Option<Time>);

impl Default for Collection {
    fn default() -> Self {
        Self { graph: SessionGraph::new() }
    }
}

impl Collection {
    /// Adds a notification.
    pub fn add(&mut self, notification: &Notification<'_, '_>) {
        let added = self.graph.add(notification);
        let sent = notification.timestamp().unwrap_or(notification.event_time());
        let mut last = Some(sent);
        for (absorbed, session) in added.absorbed {
            let into = self.graph.sessions[session].call;
            let status = &mut self.graph.calls[into].status;
            status.0 = status.0.max(absorbed.0);
        }
        let status = &mut self.graph.calls[added.call].status;
        last = last.max(status.0);
        status.0 = last;
    }

    /// Sets an account's directory; without an account, the one for all accounts without a directory of their own.
    pub fn set_directory(&mut self, account: Option<&str>, directory: impl Into<Arc<Directory>>) {
        self.graph.set_directory(account, directory.into());
    }

    /// Ends the input; returns the calls in order of their start.
    pub fn finish(mut self) -> AssembledCalls {
        self.graph.update_relations();
        // Two accounts may see one session: then their two calls have the same start and id.
        let mut order: Vec<(Option<Time>, SessionId, Option<AccountId>, CallKey)> =
            Vec::with_capacity(self.graph.calls.len());
        for (key, _) in self.graph.calls.iter() {
            if let Some(root) = self.graph.root(key) {
                let session = &self.graph.sessions[root].session;
                order.push((
                    self.graph.start(key),
                    session.id.clone(),
                    self.graph.account_id(key).cloned(),
                    key,
                ));
            }
        }
        order.sort_unstable();
        AssembledCalls {
            graph: self.graph,
            order: order.into_iter().map(|(.., key)| key).collect(),
            consistency: ConsistencyCheck::default(),
        }
    }
}

/// The calls of a collection.
#[derive(Debug)]
pub struct AssembledCalls {
    graph: SessionGraph<LastSent>,
    order: Vec<CallKey>,
    consistency: ConsistencyCheck,
}

impl AssembledCalls {
    /// Number of calls.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are no calls.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Takes the contradictions that were removed from the returned records since the last call of this method.
    pub fn take_contradictions(&self) -> Vec<Contradiction> {
        self.consistency.take_contradictions()
    }

    /// The records, in order of their start.
    pub fn records(&self) -> impl Iterator<Item = Call> {
        self.order.iter().filter_map(|&key| self.record(key))
    }

    /// The record of the call at a position in the order of their start.
    pub fn record_at(&self, place: usize) -> Option<Call> {
        self.order.get(place).and_then(|&key| self.record(key))
    }

    /// The record of a call. `None` if no call has that id.
    pub fn get(&self, id: &str) -> Option<Call> {
        self.key(id).and_then(|key| self.record(key))
    }

    /// Assembles a published call again from its notifications, with the version and closing state of the published
    /// record as far as the notifications allow, and with the directory that was set: the version that the record
    /// refers to. `None` if no call of that account has its id.
    pub fn reassemble_as(&self, published: &Call) -> Option<Call> {
        let fold = self.graph.fold(self.key_of(published)?)?;
        let status = status_of(published, fold.is_live());
        Some(self.consistency.record(&fold, status))
    }

    /// The explanation of a published call, with the state of its record: a live call is not closed because its
    /// notifications end here. `None` if no call has its id, nor a session with that id.
    pub fn explain(&self, published: &Call) -> Option<Explanation> {
        let fold = self.graph.fold(self.key_of(published).or_else(|| self.key(&published.id))?)?;
        let status = status_of(published, fold.is_live());
        Some(fold.explanation(status))
    }

    fn key_of(&self, published: &Call) -> Option<CallKey> {
        let is_meant = |key: CallKey| {
            self.id(key).as_ref() == Some(&published.id)
                && self.graph.account_id(key) == published.account_id.as_ref()
        };
        self.order.iter().copied().find(|&key| is_meant(key))
    }

    /// The explanation of a call. `None` if no call has that id.
    pub fn explanation(&self, id: &str) -> Option<Explanation> {
        let key = self.key(id)?;
        let fold = self.graph.fold(key)?;
        Some(fold.explanation(self.status(key, fold.is_live())))
    }

    /// The ids of all calls, in order of their start.
    pub fn ids(&self) -> impl Iterator<Item = CallId> {
        self.order.iter().filter_map(|&key| self.id(key))
    }

    fn id(&self, key: CallKey) -> Option<CallId> {
        Some(self.graph.sessions[self.graph.root(key)?].session.id.clone())
    }

    /// The call with that id, or the one that a session with that id belongs to.
    fn key(&self, id: &str) -> Option<CallKey> {
        let has_session = |key: CallKey| {
            self.graph.calls[key]
                .sessions
                .iter()
                .any(|&session| &*self.graph.sessions[session].session.id == id)
        };
        let mut keys = self.order.iter().copied();
        let root = keys.clone().find(|&key| self.id(key).is_some_and(|own| &*own == id));
        root.or_else(|| keys.find(|&key| has_session(key)))
    }

    fn record(&self, key: CallKey) -> Option<Call> {
        let fold = self.graph.fold(key)?;
        Some(self.consistency.record(&fold, self.status(key, fold.is_live())))
    }

    fn status(&self, key: CallKey, live: bool) -> RecordStatus {
        RecordStatus {
            state: if live { State::Incomplete } else { State::Complete },
            reason: live.then_some(CloseReason::EndOfInput),
            late_for: None,
            version: 1,
            updated_at: self.graph.calls[key].status.0.unwrap_or(Time::from_millis(0)),
        }
    }
}

/// The status of a published record; `live` if its notifications leave a leg open.
fn status_of(published: &Call, live: bool) -> RecordStatus {
    let (state, reason) = match (published.state, live) {
        (State::Live, _) => (State::Live, None),
        (State::Incomplete, true) => (State::Incomplete, published.completeness.reason),
        (State::Complete, true) => (State::Incomplete, Some(CloseReason::EndOfInput)),
        (State::Complete | State::Incomplete, false) => (State::Complete, None),
    };
    RecordStatus {
        state,
        reason,
        late_for: published.completeness.late_for.clone(),
        version: published.version,
        updated_at: published.updated_at,
    }
}
