//! What plays share: the accounts, who is busy, and the numbers from which ids are made.

use fastrand::Rng;

use crate::{account::Account, id::SessionId, notification::Subscription, time::Timestamp};

/// The accounts, and what their calls share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) accounts: Vec<Account>,
    busy_until: Vec<Vec<Timestamp>>,
    sessions: u32,
    legacy_sessions: u64,
}

impl World {
    pub(crate) fn new(accounts: Vec<Account>) -> Self {
        let busy_until = accounts.iter().map(|account| vec![Timestamp::MIN; account.users.len()]).collect();
        Self { accounts, busy_until, sessions: 0, legacy_sessions: 1_160_000_000_016 }
    }

    /// Two accounts with enough users for any scenario.
    pub(crate) fn small(rng: &mut Rng) -> Self {
        Self::new(vec![Account::new(0, 24, rng), Account::new(1, 6, rng)])
    }

    pub(crate) fn is_free(&self, account: usize, user: usize, now: Timestamp) -> bool {
        self.busy_until(account, user) <= now
    }

    /// The time from which a user takes part in no play.
    pub(crate) fn busy_until(&self, account: usize, user: usize) -> Timestamp {
        self.busy_until[account][user]
    }

    pub(crate) fn set_busy(&mut self, account: usize, extension: u64, until: Timestamp) {
        if let Some(user) = self.accounts[account].index_of(extension) {
            let busy = &mut self.busy_until[account][user];
            *busy = until.max(*busy);
        }
    }

    /// Ids for a new session. A conference's legacy id is 0.
    pub(crate) fn session_ids(
        &mut self,
        now: Timestamp,
        is_conference: bool,
        rng: &mut Rng,
    ) -> (SessionId, u64) {
        self.sessions = self.sessions.wrapping_add(1);
        let id = SessionId { created: now, ordinal: self.sessions, salt: rng.u64(..) };
        if is_conference {
            return (id, 0);
        }
        self.legacy_sessions += 1000 * rng.u64(1..4);
        (id, self.legacy_sessions)
    }

    /// The subscription of an account's administrator to all its sessions.
    pub(crate) fn subscription(&self, account: usize) -> Subscription {
        let account = &self.accounts[account];
        Subscription {
            number: account.id,
            owner: account.users.first().map_or(account.id, |user| user.extension),
        }
    }
}
