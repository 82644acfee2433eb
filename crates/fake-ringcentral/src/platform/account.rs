//! The state of one account.

use std::collections::BTreeMap;

use wholecall_simulator::{Account, CallTruth, Company, Timestamp, Traffic};

use super::sessions::TelephonySession;

/// Traffic is simulated for this long after the start: longer than any platform runs.
const TRAFFIC_MS: i64 = 10 * 365 * 86_400_000;

/// The hour at which the first day of an account starts, so that there are calls at once.
const FIRST_HOUR: u8 = 10;

/// An account, and the calls of the company that it belongs to.
pub(crate) struct AccountState {
    pub(crate) traffic: Traffic,
    /// The sessions by id. Apart from their first letters, ids of one account rise with time.
    pub(crate) sessions: BTreeMap<String, TelephonySession>,
    /// When the call log was last reset; earlier sync tokens are invalid.
    pub(crate) log_reset_at: Timestamp,
    /// The truth about the calls that were simulated so far.
    pub(crate) truths: Vec<CallTruth>,
    /// The names of renamed extensions.
    pub(crate) new_names: BTreeMap<u64, String>,
}

impl AccountState {
    /// An account without calls.
    pub(crate) fn new(company: Company, now: Timestamp, seed: u64) -> Self {
        Self {
            traffic: Traffic::new(company, now, now + TRAFFIC_MS, seed).from_hour(FIRST_HOUR),
            sessions: BTreeMap::new(),
            log_reset_at: now - 1,
            truths: Vec::new(),
            new_names: BTreeMap::new(),
        }
    }

    /// Its id, numbers and extensions.
    pub(crate) fn account(&self) -> &Account {
        &self.traffic.accounts()[0]
    }

    /// The current name of an extension; `original` if it was not renamed.
    pub(crate) fn name_of(&self, extension: u64, original: String) -> String {
        self.new_names.get(&extension).cloned().unwrap_or(original)
    }
}
