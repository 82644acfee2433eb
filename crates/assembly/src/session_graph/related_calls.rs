//! The calls that are related to a call.

use wholecall_record::ShortText;
use wholecall_record::call::{Related, RelatedKind};

use super::SessionGraph;
use crate::{
    limits,
    session_node::{CallKey, SessionKey},
};

impl<S: Default> SessionGraph<S> {
    /// The root by which related calls refer to a call of several sessions. `None` for a call of one session, whose
    /// root cannot change.
    pub(super) fn root_if_related(&self, call: CallKey) -> Option<SessionKey> {
        let sessions = &self.calls[call].sessions;
        let is_related_to = |key: &SessionKey| {
            self.relations.activities(*key).is_some_and(|activities| activities.is_related())
        };
        (sessions.len() > 1 && sessions.iter().any(is_related_to)).then(|| self.root(call)).flatten()
    }

    /// Other calls that this call's record depends on, or whose records depend on it.
    pub(crate) fn related_calls(&self, call: CallKey) -> Vec<CallKey> {
        let mut related = Vec::new();
        for &key in &self.calls[call].sessions {
            let node = &self.sessions[key];
            let others = node.linked_sessions().copied().chain(self.relations.related_sessions(key));
            related.extend(others.map(|other| self.sessions[other].call).filter(|other| *other != call));
        }
        related
    }

    /// The related calls of a call, and the supervisor's sessions of other calls that listened to it.
    pub(super) fn related(&self, call: CallKey, listeners: &[SessionKey]) -> Vec<Related> {
        let mut related: Vec<Related> = Vec::new();
        for &key in &self.calls[call].sessions {
            let relations = self.relations.of(key).take(limits::MAX_RELATED_PER_CALL);
            for (other, why, dialled) in relations {
                let other_call = self.sessions[other].call;
                if other_call == call {
                    continue;
                }
                let Some(root) = self.root(other_call) else { continue };
                let id = self.sessions[root].session.id.clone();
                related.push(Related {
                    id,
                    kind: why.kind(),
                    why: ShortText::const_new(why.sentence(dialled)),
                });
            }
        }
        related.extend(listeners.iter().map(|&key| Related {
            id: self.sessions[key].session.id.clone(),
            kind: RelatedKind::Supervision,
            why: ShortText::const_new("a supervisor listened to this call from that session"),
        }));
        related.sort_by(|a, b| (a.kind, &a.id, &a.why).cmp(&(b.kind, &b.id, &b.why)));
        related.dedup_by(|a, b| a.kind == b.kind && a.id == b.id);
        related.truncate(limits::MAX_RELATED_PER_CALL);
        related
    }
}
