//! Which sessions make one call: links join them, supervision keeps them apart.

use hashbrown::{HashMap, HashSet};
use wholecall_record::SessionId;

use super::{CallGroup, GraphUpdate, SessionGraph, distinct};
use crate::{
    fold::{FoldInput, sessions_of_one_call},
    index::{IdxVec, define_indices},
    limits,
    session_node::{CallKey, SessionKey},
    union_find::UnionFind,
};

define_indices! {
    /// A session among those that are grouped.
    MemberIdx(u32)
}

impl<S: Default> SessionGraph<S> {
    /// Adds a link from a session to another.
    pub(super) fn link(&mut self, from: SessionKey, to: &str, added: &mut GraphUpdate<S>) {
        let to = self.linked_session(from, to);
        if self.is_near_supervision(from) || self.is_near_supervision(to) {
            return self.regroup(from, added);
        }
        let [a, b] = [from, to].map(|key| self.sessions[key].call);
        if a != b {
            self.join(a, b, added);
        }
    }

    /// Whether supervision may decide which call a session belongs to.
    pub(super) fn is_near_supervision(&self, key: SessionKey) -> bool {
        let node = &self.sessions[key];
        node.supervision || node.linked_sessions().any(|&other| self.sessions[other].supervision)
    }

    /// Replaces all links of a session after a delivery has changed them: that may split a call.
    pub(super) fn replace_links(&mut self, from: SessionKey, added: &mut GraphUpdate<S>) {
        let links = self.sessions[from].links.as_mut();
        let before = links.map(|links| std::mem::take(&mut links.names)).unwrap_or_default();
        for &to in &before {
            added.affected.push(self.sessions[to].call);
            if let Some(links) = &mut self.sessions[to].links {
                links.named_by.retain(|&by| by != from);
            }
        }
        let peers: Vec<SessionId> = self.sessions[from].session.peers().into_iter().cloned().collect();
        for peer in &peers {
            self.linked_session(from, peer);
        }
        if self.sessions[from].links.is_some() {
            self.regroup(from, added);
        }
    }

    /// The session that a link leads to, created if it is new.
    fn linked_session(&mut self, from: SessionKey, to: &str) -> SessionKey {
        let account = self.sessions[from].account;
        let to = match self.accounts[account].sessions.get(to) {
            Some(&key) => key,
            None => self.create_session(account, to),
        };
        if from != to {
            let names = &mut self.sessions[from].links.get_or_insert_default().names;
            if !names.contains(&to) {
                names.push(to);
                self.sessions[to].links.get_or_insert_default().named_by.push(from);
            }
        }
        to
    }

    /// Joins two calls.
    fn join(&mut self, a: CallKey, b: CallKey, added: &mut GraphUpdate<S>) {
        let size = |call: CallKey| self.calls[call].sessions.len();
        let (into, from) = if size(a) >= size(b) { (a, b) } else { (b, a) };
        if size(a) + size(b) > limits::MAX_SESSIONS_PER_CALL {
            self.calls[into].refused += 1;
            return;
        }
        let group = self.calls.remove(from);
        for &key in &group.sessions {
            self.sessions[key].call = into;
        }
        for &key in [&group.sessions[..], &self.calls[into].sessions].concat().iter() {
            self.relations.mark_dirty(key);
        }
        self.calls[into].sessions.extend(&group.sessions);
        self.calls[into].refused += group.refused;
        added.absorbed.extend(group.sessions.first().map(|&key| (group.status, key)));
    }

    /// Recomputes which sessions make one call, for the calls around a session.
    ///
    /// A supervising session never joins two calls: it belongs to the call of its first link.
    pub(super) fn regroup(&mut self, around: SessionKey, added: &mut GraphUpdate<S>) {
        let Some(keys) = self.connected_sessions(around) else {
            let call = self.sessions[around].call;
            self.calls[call].refused += 1;
            return;
        };
        let calls: Vec<CallKey> = distinct(keys.iter().map(|&key| self.sessions[key].call));
        let parts = self.partition(&keys);
        // A part continues as the call whose root it contains, so that ids do not move.
        let roots: Vec<Option<SessionKey>> = calls.iter().map(|&call| self.root(call)).collect();
        let named_after: HashMap<SessionKey, CallKey> =
            roots.iter().zip(&calls).filter_map(|(root, &call)| Some(((*root)?, call))).collect();
        let mut grouped = Vec::with_capacity(parts.len());
        for part in parts {
            let surviving = part.iter().filter_map(|key| named_after.get(key)).min();
            let call = surviving.copied().unwrap_or_else(|| {
                let account = self.sessions[part[0]].account;
                let (sessions, status) = (Vec::new(), S::default());
                self.calls.insert(CallGroup { account, sessions, refused: 0, status })
            });
            grouped.push((call, part));
        }
        let surviving: HashSet<CallKey> = grouped.iter().map(|&(call, _)| call).collect();
        for (call, part) in grouped {
            for &key in &part {
                self.sessions[key].call = call;
                self.relations.mark_dirty(key);
            }
            self.calls[call].sessions = part;
            added.affected.push(call);
        }
        for (call, root) in calls.into_iter().zip(roots).filter(|(call, _)| !surviving.contains(call)) {
            let group = self.calls.remove(call);
            // Its id was its root's.
            added.absorbed.extend(root.or(group.sessions.first().copied()).map(|key| (group.status, key)));
        }
    }

    /// All sessions of all calls that are connected by any link. `None` if there are too many.
    fn connected_sessions(&self, around: SessionKey) -> Option<Vec<SessionKey>> {
        let (mut seen, mut calls) = (HashSet::<SessionKey>::new(), HashSet::<CallKey>::new());
        seen.insert(around);
        let mut keys = vec![around];
        let mut visited = 0;
        while let Some(&key) = keys.get(visited) {
            visited += 1;
            let node = &self.sessions[key];
            if calls.insert(node.call) {
                keys.extend(self.calls[node.call].sessions.iter().filter(|&&key| seen.insert(key)));
            }
            keys.extend(node.linked_sessions().filter(|&&key| seen.insert(key)));
            if keys.len() > limits::MAX_SESSIONS_PER_CALL {
                return None;
            }
        }
        keys.sort_unstable();
        Some(keys)
    }

    fn partition(&self, keys: &[SessionKey]) -> Vec<Vec<SessionKey>> {
        let sessions = keys.iter().map(|&key| &self.sessions[key].session).collect();
        let members: IdxVec<MemberIdx, SessionKey> = keys.iter().copied().collect();
        let place: HashMap<&str, MemberIdx> = members
            .iter_enumerated()
            .map(|(at, &key)| (self.sessions[key].session.id.as_str(), at))
            .collect();
        let mut sets = UnionFind::new(members.indices());
        for pair in sessions_of_one_call(FoldInput { sessions, ..FoldInput::default() }) {
            if let [Some(&a), Some(&b)] = pair.each_ref().map(|id| place.get(id.as_str())) {
                sets.unite([a, b]);
            }
        }
        let mut grouped: IdxVec<MemberIdx, Vec<SessionKey>> = IdxVec::filled(Vec::new(), members.len());
        for (at, &key) in members.iter_enumerated() {
            grouped[sets.find(at)].push(key);
        }
        grouped.into_iter().filter(|part| !part.is_empty()).collect()
    }
}
