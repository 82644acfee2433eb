//! Ids of calls that were evicted from memory.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use wholecall_record::CallId;

/// The sessions of the calls that were evicted last, so that notifications which arrive too late can be attributed.
#[derive(Debug, Default)]
pub(crate) struct EvictedSessions {
    calls: HashMap<u64, CallId>,
    order: VecDeque<u64>,
}

impl EvictedSessions {
    /// Maximum number of sessions that are remembered: longer than late notifications take, and a few megabytes.
    const MAX_SESSIONS: usize = 32_768;

    /// Remembers a session of a call that is evicted.
    pub(crate) fn add(&mut self, account: Option<&str>, session: &str, call: &CallId) {
        let key = Self::key(account, session);
        if self.calls.insert(key, call.clone()).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > Self::MAX_SESSIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.calls.remove(&oldest);
        }
    }

    /// The call that a session belonged to.
    pub(crate) fn find(&self, account: Option<&str>, session: &str) -> Option<&CallId> {
        if self.calls.is_empty() {
            return None;
        }
        self.calls.get(&Self::key(account, session))
    }

    fn key(account: Option<&str>, session: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (account, session).hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_evicted_sessions_are_remembered_up_to_the_limit() {
        let mut evicted = EvictedSessions::default();
        let call = CallId::from("s-call");
        for session in 0..=EvictedSessions::MAX_SESSIONS {
            evicted.add(Some("1"), &format!("s-{session}"), &call);
        }
        assert_eq!(evicted.find(Some("1"), "s-0"), None);
        assert_eq!(evicted.find(Some("1"), "s-1"), Some(&call));
        assert_eq!(evicted.find(Some("2"), "s-1"), None, "another account's");
        assert_eq!(evicted.calls.len(), EvictedSessions::MAX_SESSIONS);
    }
}
