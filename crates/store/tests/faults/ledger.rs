//! The operations that a store acknowledged, and those that failed, whose data may or may not be stored.

use std::collections::{BTreeMap, BTreeSet};

use crate::contents::StoreContents;

/// The result of an operation: acknowledged, or failed, so that it may or may not be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Acknowledged,
    Unknown,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) tenants: BTreeMap<String, Done>,
    /// By session and number in it.
    pub(crate) notifications: BTreeMap<(String, u64), Done>,
    pub(crate) endpoints: BTreeMap<String, Done>,
    /// By call and version.
    pub(crate) deliveries: BTreeMap<(String, u64), Done>,
    pub(crate) rejected: BTreeMap<String, Done>,
    /// Sessions from which the person was erased.
    pub(crate) erased: BTreeMap<String, Done>,
    /// Sessions that expired.
    pub(crate) removed: BTreeMap<String, Done>,
}

/// Stores a result; an acknowledgement is never replaced.
pub(crate) fn note<K: Ord>(done: &mut BTreeMap<K, Done>, key: K, is_acknowledged: bool) {
    let entry = done.entry(key).or_insert(Done::Unknown);
    if is_acknowledged {
        *entry = Done::Acknowledged;
    }
}

impl Ledger {
    /// The number of operations that were not acknowledged.
    pub(crate) fn unknown(&self) -> usize {
        let of = |all: Vec<&Done>| all.into_iter().filter(|done| **done == Done::Unknown).count();
        of(self.tenants.values().collect())
            + of(self.notifications.values().collect())
            + of(self.endpoints.values().collect())
            + of(self.deliveries.values().collect())
            + of(self.rejected.values().collect())
            + of(self.erased.values().collect())
            + of(self.removed.values().collect())
    }

    /// The differences of a store from what was acknowledged.
    pub(crate) fn differences(&self, found: &StoreContents) -> Vec<String> {
        let mut differences = Vec::new();
        compare("tenant", &self.tenants, &found.tenants, &mut differences);
        compare("endpoint", &self.endpoints, &found.endpoints, &mut differences);
        compare("rejected body", &self.rejected, &found.rejected, &mut differences);
        // Removed calls must be missing completely, with their deliveries.
        let is_gone = |session: &String| match self.removed.get(session) {
            Some(Done::Acknowledged) => true,
            Some(Done::Unknown) => !found.notifications.iter().any(|((other, _), _)| other == session),
            None => false,
        };
        let expected: BTreeMap<_, _> =
            self.notifications.iter().filter(|((session, _), _)| !is_gone(session)).collect();
        let expected = expected.into_iter().map(|(key, done)| (key.clone(), *done)).collect();
        let keys: Vec<_> = found.notifications.iter().map(|(key, _)| key.clone()).collect();
        compare("notification", &expected, &keys, &mut differences);
        let deliveries = self.deliveries.iter().filter(|((call, _), _)| !is_gone(call));
        let deliveries = deliveries.map(|(key, done)| (key.clone(), *done)).collect();
        compare("delivery", &deliveries, &found.deliveries, &mut differences);
        if found.versions != keys.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>() {
            let (versions, keys): (BTreeSet<_>, BTreeSet<_>) =
                (found.versions.iter().collect(), keys.iter().collect());
            let odd: Vec<_> = versions.symmetric_difference(&keys).collect();
            differences.push(format!("versions differ from the notifications: {odd:?}"));
        }
        for (session, done) in &self.erased {
            let names = found
                .notifications
                .iter()
                .filter(|((other, _), body)| other == session && body.contains(crate::scenario::PERSON));
            if *done == Done::Acknowledged && names.count() > 0 {
                differences.push(format!("{session} still contains the erased person"));
            }
        }
        differences
    }
}

/// Acknowledged entries must be stored exactly once, failed ones at most once, and no others.
fn compare<K: Ord + std::fmt::Debug>(
    what: &str,
    done: &BTreeMap<K, Done>,
    found: &[K],
    differences: &mut Vec<String>,
) {
    let mut counts: BTreeMap<&K, usize> = BTreeMap::new();
    found.iter().for_each(|key| *counts.entry(key).or_default() += 1);
    for (key, count) in &counts {
        if *count > 1 {
            differences.push(format!("{what} {key:?} is stored {count} times"));
        }
        if !done.contains_key(*key) {
            differences.push(format!("{what} {key:?} is stored, but was never sent"));
        }
    }
    let missing = done.iter().filter(|(key, done)| **done == Done::Acknowledged && !counts.contains_key(key));
    differences.extend(missing.map(|(key, _)| format!("{what} {key:?} was acknowledged and is lost")));
}
