//! Erases a person: replaces the number, and the names that occur beside it, by a pseudonym in all stored data.
//!
//! The pseudonym has the form of a number and is the same for a number throughout a tenant, so that the stored
//! notifications still assemble to the same calls.

use std::collections::BTreeSet;

use wholecall_store::{Erasure, Position, Rewritten, Store, StoreError, TenantId, TenantView};

use super::{person::Person, pseudonym::pseudonym};
use crate::clock;

/// Whether a text is a telephone number in E.164: `+` and 8 to 15 digits.
pub(crate) fn is_number(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// The calls whose notifications contain a number.
#[derive(Debug)]
pub(crate) struct NumberSearch {
    calls: BTreeSet<i64>,
    /// The position in the journal up to which notifications were searched.
    searched_to: Position,
}

/// Searches all notifications of a tenant for a number in any spelling, also where the search index does not cover it. Takes
/// long, but delays no other work. Blocks.
pub(crate) fn find(view: &TenantView, number: &str) -> Result<NumberSearch, StoreError> {
    let person = Person::new(number, "");
    let mut found = NumberSearch { calls: BTreeSet::new(), searched_to: Position::default() };
    search_on(view, &person, &mut found)?;
    Ok(found)
}

/// Continues a search with the notifications that arrived since.
fn search_on(view: &TenantView, person: &Person, found: &mut NumberSearch) -> Result<(), StoreError> {
    let (calls, searched_to) = view.calls_of_notifications(found.searched_to, |body| person.is_in(body))?;
    found.calls.extend(calls);
    found.searched_to = searched_to;
    Ok(())
}

/// Erases a number from a tenant's data. Meanwhile no calls of the tenant may be assembled, and afterwards its data in
/// memory has to be read again. The feed lists the calls whose records changed. An erasure that was interrupted can be
/// repeated. Blocks.
pub(crate) fn erase(
    store: &Store,
    tenant: TenantId,
    number: &str,
    mut found: NumberSearch,
    pseudonym_key: &[u8],
) -> Result<Erasure, StoreError> {
    let view = store.of(tenant);
    let pseudonym = pseudonym(pseudonym_key, number)?;
    let mut person = Person::new(number, &pseudonym);
    person.find_owners(&view)?;
    let erased_ms = clock::now().as_millis();
    let mut erasure = Erasure { tenant, erased_ms, pseudonym, ..Erasure::default() };
    // Directories first: calls are assembled with them.
    let in_directory = person.clone();
    store.rewrite_directories(tenant, move |contents| in_directory.erase_from_directory(contents))?;
    // Notifications that arrived during the search.
    search_on(&view, &person, &mut found)?;
    let mut calls = found.calls;
    calls.extend(view.calls_with_number(number)?);
    for extension in &person.extensions {
        calls.extend(view.calls_with_extension(extension)?);
    }
    for call in calls {
        let (person, view) = (person.clone(), view.clone());
        let rewritten =
            store.rewrite_call(tenant, call, move |history| person.erase_from(history, Some(&view)))?;
        erasure.calls += u64::from(rewritten.changed);
        add(&mut erasure, &rewritten);
    }
    let in_unclaimed = person.clone();
    let unclaimed =
        store.rewrite_unassigned(tenant, move |history| in_unclaimed.erase_from(history, None))?;
    add(&mut erasure, &unclaimed);
    erasure.endpoints =
        store.rewrite_endpoints(tenant, move |settings| person.erase_from_settings(settings))?;
    erasure.backups = store.backups_before(erased_ms)?;
    store.log_erasure(erasure.clone())?;
    store.announce(tenant, erased_ms)?;
    Ok(erasure)
}

fn add(erasure: &mut Erasure, rewritten: &Rewritten) {
    erasure.notifications += rewritten.notifications;
    erasure.unreadable += rewritten.unreadable;
    erasure.left += rewritten.left;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_e164_numbers_are_numbers() {
        assert!(is_number("+14045550123"));
        for other in ["14045550123", "+1404", "+0404555012", "+1404555012x", "+1234567890123456", "+"] {
            assert!(!is_number(other), "{other}");
        }
    }
}
