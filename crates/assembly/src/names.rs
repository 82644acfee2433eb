//! Names of extensions, learned from notifications, which then serve all calls of the account.
//!
//! What is learned depends on the notifications and not on their order, as long as no limit is reached.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use wholecall_notification::{Endpoint, Notification, Party};
use wholecall_record::ShortText;
use wholecall_record::Time;

use crate::{directory::Directory, phone_number::normalized_phone_number};

/// Maximum length of a name; longer ones are ignored.
const MAX_NAME_BYTES: usize = 256;

/// Maximum number of phone numbers stored with a name. They serve to find the name when a person is erased.
const MAX_NUMBERS_PER_NAME: usize = 8;

/// Memory that an entry takes besides its texts.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// Minimum and maximum interval between two versions of an account's names. It doubles while an account keeps
/// changing.
const MIN_INTERVAL_MS: i64 = 1_000;
const MAX_INTERVAL_MS: i64 = 600_000;

/// Names by account and extension.
#[derive(Debug, Clone)]
pub struct LearnedNames {
    accounts: HashMap<ShortText, AccountNames>,
    account_max_bytes: usize,
    /// The accounts with changes that were not taken yet.
    changed: BTreeSet<ShortText>,
}

#[derive(Debug, Clone, Default)]
struct AccountNames {
    names: HashMap<ShortText, LearnedName>,
    bytes: usize,
    /// When the first change that was not taken yet was learned.
    changed: Option<Time>,
    /// When changes were last taken, and the interval until they are taken again.
    taken: Option<Time>,
    interval_ms: i64,
}

/// A name of an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedName {
    /// The latest name.
    pub name: ShortText,
    /// The event time of the latest notification that has it.
    pub at: Time,
    /// Public numbers that occurred together with a name of the extension.
    pub numbers: BTreeSet<ShortText>,
}

impl Default for LearnedNames {
    fn default() -> Self {
        Self::limited_to(usize::MAX)
    }
}

impl LearnedNames {
    /// Names that take at most this many bytes per account; further extensions are not learned.
    pub fn limited_to(account_max_bytes: usize) -> Self {
        Self { accounts: HashMap::new(), account_max_bytes, changed: BTreeSet::new() }
    }

    /// Learns from a notification of a closed set.
    pub fn learn(&mut self, notification: &Notification<'_, '_>) {
        self.learn_at(notification.event_time(), notification);
    }

    /// Learns from a notification that arrives at `now`.
    pub fn learn_at(&mut self, now: Time, notification: &Notification<'_, '_>) {
        let Some(account_id) = notification.account_id() else { return };
        let at = notification.event_time();
        let mut named = notification.body().parties.iter().flat_map(sides).flatten().peekable();
        if named.peek().is_none() {
            return;
        }
        let account = self.accounts.entry_ref(account_id).or_default();
        let mut is_new = false;
        for (extension, side, name) in named {
            is_new |= account.learn(extension, side, name, at, self.account_max_bytes);
        }
        if is_new && account.changed.is_none() {
            account.changed = Some(now);
            self.changed.insert(ShortText::from(account_id));
        }
    }

    /// Adds a name that was learned and stored before.
    pub fn insert(&mut self, account: &str, extension_id: &str, name: LearnedName) {
        let account = self.accounts.entry(ShortText::from(account)).or_default();
        account.bytes += name.bytes(extension_id);
        if let Some(known) = account.names.insert(ShortText::from(extension_id), name) {
            account.bytes -= known.bytes(extension_id);
        }
    }

    /// The names of an account, by extension.
    pub fn of(&self, account: &str) -> BTreeMap<&str, &LearnedName> {
        let names = self.accounts.get(account).into_iter().flat_map(|account| &account.names);
        names.map(|(extension, name)| (extension.as_str(), name)).collect()
    }

    /// Adds the names of an account to its directory.
    pub fn add_to(&self, directory: &mut Directory, account: &str) {
        for (extension, name) in self.accounts.get(account).into_iter().flat_map(|account| &account.names) {
            directory.add_learned_name(extension, &name.name);
        }
    }

    /// The accounts with names.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(ShortText::as_str)
    }

    /// When changes are to be taken next.
    pub fn next_due(&self) -> Option<Time> {
        self.changed.iter().filter_map(|account| self.accounts.get(account)?.due()).min()
    }

    /// Takes the accounts whose changes are due, in order.
    pub fn take_due(&mut self, now: Time) -> Vec<String> {
        let mut due = Vec::new();
        self.changed.retain(|id| {
            let account = self.accounts.get_mut(id);
            let Some(account) = account.filter(|account| account.due().is_some_and(|due| due <= now)) else {
                return true;
            };
            account.take(now);
            due.push(id.to_string());
            false
        });
        due
    }
}

impl AccountNames {
    /// Learns a name; returns whether it, or a number with it, is new.
    fn learn(
        &mut self,
        extension: &str,
        side: &Endpoint<'_>,
        name: &str,
        at: Time,
        max_bytes: usize,
    ) -> bool {
        let number = || normalized_phone_number(side.phone_number.as_deref()?);
        let Some(known) = self.names.get_mut(extension) else {
            let learned =
                LearnedName { name: ShortText::from(name), at, numbers: number().into_iter().collect() };
            let bytes = learned.bytes(extension);
            let has_room = self.bytes + bytes <= max_bytes;
            if has_room {
                self.bytes += bytes;
                self.names.insert(ShortText::from(extension), learned);
            }
            return has_room;
        };
        let mut is_new = false;
        // Nearly every notification repeats known data, and the stored numbers are normalized.
        let is_known = side.phone_number.as_deref().is_none_or(|number| known.numbers.contains(number));
        if !is_known
            && known.numbers.len() < MAX_NUMBERS_PER_NAME
            && let Some(number) = number().filter(|number| !known.numbers.contains(number))
        {
            self.bytes += number.len();
            is_new = known.numbers.insert(number);
        }
        if *known.name == *name {
            known.at = known.at.max(at);
        // Of two names with the same time, the smaller.
        } else if at > known.at || (at == known.at && *name < *known.name) {
            self.bytes = self.bytes + name.len() - known.name.len();
            (known.name, known.at) = (ShortText::from(name), at);
            is_new = true;
        }
        is_new
    }

    fn due(&self) -> Option<Time> {
        let collected = self.changed? + MIN_INTERVAL_MS;
        Some(self.taken.map_or(collected, |taken| collected.max(taken + self.interval_ms)))
    }

    fn take(&mut self, now: Time) {
        let is_soon = self.taken.is_some_and(|taken| now - taken <= 2 * self.interval_ms + MIN_INTERVAL_MS);
        self.interval_ms =
            if is_soon { (2 * self.interval_ms).min(MAX_INTERVAL_MS) } else { MIN_INTERVAL_MS };
        (self.taken, self.changed) = (Some(now), None);
    }
}

impl LearnedName {
    fn bytes(&self, extension: &str) -> usize {
        let numbers: usize = self.numbers.iter().map(|number| number.len()).sum();
        ENTRY_OVERHEAD_BYTES + extension.len() + self.name.len() + numbers
    }
}

type Named<'p> = (&'p str, &'p Endpoint<'p>, &'p str);

/// The sides of a leg that give an extension its name.
fn sides<'p>(party: &'p Party<'_>) -> [Option<Named<'p>>; 2] {
    // A queue puts its name before the caller's.
    let from = if party.is_queue_call() { None } else { named(&party.from) };
    [from, named(&party.to).filter(|(extension, _, name)| !is_queue_name(party, extension, name))]
}

fn named<'p>(side: &'p Endpoint<'_>) -> Option<Named<'p>> {
    let text = |text: Option<&'p str>| text.filter(|text| !text.trim().is_empty());
    let (extension, name) = (text(side.extension_id.as_deref())?, text(side.name.as_deref())?);
    let number = side.phone_number.as_deref().unwrap_or_default();
    let is_service = number.starts_with('*');
    (name != number && !is_service && name.len() <= MAX_NAME_BYTES).then_some((extension, side, name))
}

/// Whether the name is that of the queue that offers the call while the extension is the agent's.
fn is_queue_name(party: &Party<'_>, extension: &str, name: &str) -> bool {
    let queue = || party.ui_call_info.as_deref()?.queue_name();
    party.is_queue_call()
        && party.extension_id() == Some(extension)
        && queue().is_none_or(|queue| queue == name)
}
