//! All sessions by account and id, grouped into calls.
//!
//! The graph depends on the set of notifications and not on their order. It does not know the time;
//! [`crate::Assembler`] adds that.

mod grouping;
mod related_calls;

use std::sync::Arc;

use hashbrown::HashMap;
use wholecall_notification::{Code, Direction, Notification, Origin, Reason};
use wholecall_record::{AccountId, SessionId, Time};

use crate::{
    directory::Directory,
    fold::{self, Fold, FoldInput},
    index::IdxVec,
    key_slab::KeySlab,
    related::Relations,
    session::{Applied, Novelty, Session},
    session_node::{AccountKey, CallKey, SessionKey, SessionNode},
};

/// Sessions grouped into calls. `S` is the state that the graph's owner stores with each call.
#[derive(Debug)]
pub(crate) struct SessionGraph<S> {
    pub(crate) accounts: IdxVec<AccountKey, Account>,
    account_keys: HashMap<Option<AccountId>, AccountKey>,
    pub(crate) sessions: KeySlab<SessionKey, SessionNode>,
    pub(crate) calls: KeySlab<CallKey, CallGroup<S>>,
    relations: Relations,
    /// The directory for accounts without one of their own.
    directory: Option<Arc<Directory>>,
}

#[derive(Debug)]
pub(crate) struct Account {
    /// `None` for notifications that name no account.
    id: Option<AccountId>,
    sessions: HashMap<SessionId, SessionKey>,
    directory: Option<Arc<Directory>>,
}

/// The sessions of one call.
#[derive(Debug)]
pub(crate) struct CallGroup<S> {
    account: AccountKey,
    pub(crate) sessions: Vec<SessionKey>,
    /// Number of joins that were refused because the call is too large.
    refused: u64,
    pub(crate) status: S,
}

/// The effects of adding a notification.
#[derive(Debug)]
pub(crate) struct GraphUpdate<S> {
    /// The call that it belongs to.
    pub(crate) call: CallKey,
    /// Whether it was new.
    pub(crate) is_new: bool,
    /// Calls that became part of others: the state stored with each, and one of its sessions.
    pub(crate) absorbed: Vec<(S, SessionKey)>,
    /// Other calls that gained or lost sessions, or whose related calls changed.
    pub(crate) affected: Vec<CallKey>,
}

impl<S: Default> SessionGraph<S> {
    pub(crate) fn new() -> Self {
        Self {
            accounts: IdxVec::new(),
            account_keys: HashMap::new(),
            sessions: KeySlab::new(),
            calls: KeySlab::new(),
            relations: Relations::default(),
            directory: None,
        }
    }

    /// Adds a notification.
    pub(crate) fn add(&mut self, notification: &Notification<'_, '_>) -> GraphUpdate<S> {
        let key = self.session_of(notification);
        let mut added = GraphUpdate {
            call: self.sessions[key].call,
            is_new: false,
            absorbed: Vec::new(),
            affected: Vec::new(),
        };
        let root = self.root_if_related(added.call);
        match notification.sequence() {
            Some(sequence) => self.add_state_change(key, sequence, notification, &mut added),
            None => self.add_lookup(key, notification, &mut added),
        }
        added.call = self.sessions[key].call;
        // Other calls refer to this one by its root.
        if root.is_some() && self.root_if_related(added.call) != root {
            for key in self.calls[added.call].sessions.clone() {
                self.relations.mark_dirty(key);
            }
        }
        added.affected.retain(|call| *call != added.call && self.calls.contains(*call));
        added.affected.sort_unstable();
        added.affected.dedup();
        added
    }

    /// Adds a notification of a state change with its position in the session's sequence.
    fn add_state_change(
        &mut self,
        key: SessionKey,
        sequence: u32,
        notification: &Notification<'_, '_>,
        added: &mut GraphUpdate<S>,
    ) {
        let is_ring_out = matches!(notification.body().origin(), Some(Origin::RingOut | Origin::RingMe));
        for party in &notification.body().parties {
            let applied = self.sessions[key].session.apply(notification, sequence, party);
            added.is_new |= applied != Applied::Duplicate;
            let Applied::New { what, is_last, is_described } = applied else { continue };
            let supervises = party.status.reason() == Some(Reason::Supervising);
            self.sessions[key].supervision |= supervises;
            let peer = party.status.peer_id.as_deref().and_then(|peer| peer.session_id());
            match peer.filter(|_| party.status.code() == Some(Code::Gone)) {
                // What one delivery reports need not be what all deliveries merge to.
                _ if what == Novelty::Merged || self.sessions[key].session.lookups().have_peers() => {
                    self.replace_links(key, added);
                }
                _ if what == Novelty::Detail => {}
                Some(peer) => self.link(key, peer, added),
                // A late notification may show that another leg was the session's first.
                None if (what == Novelty::Leg || supervises || !is_last) && self.is_near_supervision(key) => {
                    self.regroup(key, added);
                }
                None => {}
            }
            if self.sessions[key].supervision && (what != Novelty::Change || is_described) {
                // The calls it listens to list its supervisor.
                let listened = self.sessions[key].linked_sessions().map(|&other| self.sessions[other].call);
                added.affected.extend(listened);
            }
            // Sessions are related only through what an extension dialled, held or answered.
            let answers = party.status.code() == Some(Code::Answered);
            let is_relevant = match what {
                Novelty::Leg => party.direction() == Some(Direction::Outbound) || is_ring_out || answers,
                // The leg's owner may have become known just now.
                Novelty::Change => is_described || answers,
                Novelty::Merged | Novelty::Detail => true,
            };
            let holds = party.status.code() == Some(Code::Hold);
            // A leg that a lookup answer showed before is not new.
            let has_lookups = !self.sessions[key].session.lookups().is_empty();
            let activities = self.relations.activities(key);
            let affects_activities = activities
                .is_some_and(|activities| !is_last || activities.has_hold() || activities.is_related());
            if is_relevant || holds || has_lookups || affects_activities {
                self.relations.mark_dirty(key);
            }
        }
    }

    /// Adds a lookup answer about a session.
    fn add_lookup(
        &mut self,
        key: SessionKey,
        notification: &Notification<'_, '_>,
        added: &mut GraphUpdate<S>,
    ) {
        added.is_new = self.sessions[key].session.apply_lookup(notification);
        if !added.is_new {
            return;
        }
        let mut reasons = notification.body().parties.iter().map(|party| party.status.reason());
        self.sessions[key].supervision |= reasons.any(|reason| reason == Some(Reason::Supervising));
        self.replace_links(key, added);
        self.relations.mark_dirty(key);
    }

    /// The session that a notification belongs to, created if it is new.
    fn session_of(&mut self, notification: &Notification<'_, '_>) -> SessionKey {
        let id = notification.session_id();
        let Some(account) = notification.account_id() else { return self.session_of_unknown_account(id) };
        let account = self.account(Some(account));
        match self.accounts[account].sessions.get(id) {
            Some(&key) => key,
            None => self.move_to_account(account, id).unwrap_or_else(|| self.create_session(account, id)),
        }
    }

    fn account(&mut self, id: Option<&str>) -> AccountKey {
        // Nearly all notifications of a stream are of one account.
        if let Some((key, last)) = self.accounts.iter_enumerated().next_back()
            && last.id.as_deref() == id
        {
            return key;
        }
        let id = id.map(AccountId::from);
        if let Some(&key) = self.account_keys.get(&id) {
            return key;
        }
        let key = self.accounts.push(Account { id: id.clone(), sessions: HashMap::new(), directory: None });
        self.relations.add_account();
        self.account_keys.insert(id, key);
        key
    }

    /// A notification that names no account belongs to the account that has its session.
    fn session_of_unknown_account(&mut self, id: &str) -> SessionKey {
        let known = self.accounts.iter().find_map(|account| account.sessions.get(id));
        known.copied().unwrap_or_else(|| {
            let account = self.account(None);
            self.create_session(account, id)
        })
    }

    /// Moves to an account the sessions of a call whose earlier notifications did not name it.
    fn move_to_account(&mut self, account: AccountKey, id: &str) -> Option<SessionKey> {
        let unassigned = *self.account_keys.get(&None)?;
        let key = *self.accounts[unassigned].sessions.get(id)?;
        let call = self.sessions[key].call;
        for member in self.calls[call].sessions.clone() {
            let id = self.sessions[member].session.id.clone();
            if self.accounts[account].sessions.contains_key(&id) {
                return None;
            }
        }
        for member in self.calls[call].sessions.clone() {
            let id = self.sessions[member].session.id.clone();
            self.accounts[unassigned].sessions.remove(&id);
            self.accounts[account].sessions.insert(id, member);
            self.sessions[member].account = account;
            self.sessions[member].session.invalidate_rank();
        }
        self.calls[call].account = account;
        Some(key)
    }

    fn create_session(&mut self, account: AccountKey, id: &str) -> SessionKey {
        let id = SessionId::from(id);
        let call = self.calls.vacant_key();
        let key = self.sessions.insert(SessionNode {
            session: Session::new(id.clone()),
            account,
            call,
            links: None,
            supervision: false,
        });
        self.relations.add_session(key);
        self.calls.insert(CallGroup { account, sessions: vec![key], refused: 0, status: S::default() });
        self.accounts[account].sessions.insert(id, key);
        key
    }

    /// Updates the relations of all sessions that may have changed; returns the calls that are, or were, related to
    /// any of them.
    pub(crate) fn update_relations(&mut self) -> Vec<CallKey> {
        self.relations.update(&self.sessions)
    }

    /// The fold of a call. `None` if no leg of it was observed.
    pub(crate) fn fold(&self, call: CallKey) -> Option<Fold<'_>> {
        self.fold_with(call, self.directory_of(call).map(Arc::as_ref))
    }

    /// The fold of a call with another directory than the account's current one.
    pub(crate) fn fold_with<'a>(
        &'a self,
        call: CallKey,
        directory: Option<&'a Directory>,
    ) -> Option<Fold<'a>> {
        let group = &self.calls[call];
        let account = &self.accounts[group.account];
        let listeners = group.sessions.iter().flat_map(|&key| self.sessions[key].linked_sessions());
        let listeners =
            distinct(listeners.copied().filter(|&key| {
                self.sessions[key].call != call && self.sessions[key].session.is_supervising()
            }));
        Fold::new(FoldInput {
            account: account.id.as_ref(),
            sessions: group.sessions.iter().map(|&key| &self.sessions[key].session).collect(),
            related: self.related(call, &listeners),
            listeners: listeners.into_iter().map(|key| &self.sessions[key].session).collect(),
            refused: group.refused,
            directory,
        })
    }

    /// The session that a call is named after: of its observed sessions with the first [`Rank`](crate::rank::Rank),
    /// the one that began first.
    pub(crate) fn root(&self, call: CallKey) -> Option<SessionKey> {
        let keys = &self.calls[call].sessions;
        let mut seen = keys.iter().filter_map(|&key| Some((self.sessions[key].session.start()?, key)));
        let (Some((first_start, first)), rest) = (seen.next(), seen) else { return None };
        let order = |start, key: SessionKey| {
            let session = &self.sessions[key].session;
            let rank = session.rank_or_find(|session| fold::rank_of(session, self.account_id(call)));
            (rank, start, &session.id)
        };
        let mut root = (first, None);
        for (start, key) in rest {
            let known = root.1.get_or_insert_with(|| order(first_start, first));
            let next = order(start, key);
            if next < *known {
                root = (key, Some(next));
            }
        }
        Some(root.0)
    }

    /// When a call began: the first event of any of its sessions, if possible one that is not a supervisor's.
    pub(crate) fn start(&self, call: CallKey) -> Option<Time> {
        let sessions = self.calls[call].sessions.iter().map(|&key| &self.sessions[key].session);
        let starts = sessions.filter_map(|session| Some((session.is_supervising(), session.start()?)));
        starts.min().map(|(_, start)| start)
    }

    /// Whether every leg of a call may have ended, by a cheap check.
    pub(crate) fn may_have_ended(&self, call: CallKey) -> bool {
        let mut sessions = self.calls[call].sessions.iter().map(|&key| &self.sessions[key]);
        // A link or a lookup answer may end a leg that has no notification of its end.
        sessions.clone().any(|node| node.links.is_some() || !node.session.lookups().is_empty())
            || sessions.all(|node| node.session.open_legs() == 0)
    }

    /// The account that a call belongs to.
    pub(crate) fn account_id(&self, call: CallKey) -> Option<&AccountId> {
        self.accounts[self.calls[call].account].id.as_ref()
    }

    /// Sets an account's directory; without an account, the one for all accounts without a directory of their own.
    pub(crate) fn set_directory(&mut self, account: Option<&str>, directory: Arc<Directory>) {
        match account {
            Some(_) => {
                let account = self.account(account);
                self.accounts[account].directory = Some(directory);
            }
            None => self.directory = Some(directory),
        }
    }

    /// The directory of a call's account.
    pub(crate) fn directory_of(&self, call: CallKey) -> Option<&Arc<Directory>> {
        let account = &self.accounts[self.calls[call].account];
        account.directory.as_ref().or(self.directory.as_ref())
    }

    /// Whether a link of another call leads to one of a call's sessions.
    pub(crate) fn is_link_target(&self, call: CallKey) -> bool {
        let sessions = self.calls[call].sessions.iter().map(|&key| &self.sessions[key]);
        let mut named_by = sessions.filter_map(|node| node.links.as_ref()).flat_map(|links| &links.named_by);
        named_by.any(|&by| self.sessions[by].call != call)
    }

    /// Whether anything is known of a session besides links that name it.
    pub(crate) fn contains_session(&self, account: Option<&str>, id: &str) -> bool {
        let is_observed = |key: &SessionKey| self.sessions[*key].session.is_observed();
        let in_account = |account: &Account| account.sessions.get(id).is_some_and(is_observed);
        match account.map(|id| self.account_keys.get(&Some(AccountId::from(id)))) {
            None => self.accounts.iter().any(in_account),
            Some(named) => {
                let unassigned = self.account_keys.get(&None);
                named.into_iter().chain(unassigned).any(|&account| in_account(&self.accounts[account]))
            }
        }
    }

    /// The call that a session of an account belongs to.
    pub(crate) fn call_of(&self, account: Option<&str>, id: &str) -> Option<CallKey> {
        let account = *self.account_keys.get(&account.map(AccountId::from))?;
        self.accounts[account].sessions.get(id).map(|&key| self.sessions[key].call)
    }

    /// Removes a call and its sessions.
    pub(crate) fn remove_call(&mut self, call: CallKey) -> CallGroup<S> {
        let group = self.calls.remove(call);
        for &key in &group.sessions {
            self.relations.remove(key, &self.sessions);
            let node = self.sessions.remove(key);
            self.accounts[node.account].sessions.remove(&node.session.id);
            for &other in node.linked_sessions() {
                if let Some(links) = self.sessions.get_mut(other).and_then(|other| other.links.as_mut()) {
                    links.named_by.retain(|&by| by != key);
                    links.names.retain(|&named| named != key);
                }
            }
        }
        group
    }
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.dedup();
    values
}
