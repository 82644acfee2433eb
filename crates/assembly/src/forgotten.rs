//! Ids of calls that were evicted from memory.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use wholecall_record::CallId;

/// The sessions of the calls that were evicted last, so that notifications which arrive too late can be attributed.
#[derive(Debug, Default)]
pub(crate) struct Forgotten {
    calls: HashMap<u64, CallId>,
    order: VecDeque<u64>,
}

impl Forgotten {
    /// Maximum number of sessions that are remembered: longer than late notifications take, and a few megabytes.
    const REMEMBERED: usize = 32_768;

    /// Remembers a session of a call that is evicted.
    pub(crate) fn add(&mut self, account: Option<&str>, session: &str, call: &CallId) {
        let key = Self::key(account, session);
        if self.calls.insert(key, call.clone()).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > Self::REMEMBERED
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
    fn the_last_sessions_let_go_are_remembered_and_no_more() {
        let mut forgotten = Forgotten::default();
        let call = CallId::from("s-call");
        for session in 0..=Forgotten::REMEMBERED {
            forgotten.add(Some("1"), &format!("s-{session}"), &call);
        }
        assert_eq!(forgotten.find(Some("1"), "s-0"), None);
        assert_eq!(forgotten.find(Some("1"), "s-1"), Some(&call));
        assert_eq!(forgotten.find(Some("2"), "s-1"), None, "another account's");
        assert_eq!(forgotten.calls.len(), Forgotten::REMEMBERED);
    }
}
