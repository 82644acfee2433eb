//! Erases a person: the number, and the names that stand beside it, become a pseudonym in everything that was kept.
//!
//! What was kept stays true otherwise: the pseudonym has the shape of a number, the same one for the same number
//! throughout a tenant, so that calls still assemble to what they were.

mod person;
mod text;

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wholecall_store::{Erasure, Position, Rewritten, Store, StoreError, TenantId, TenantView};

use self::person::Person;
use crate::clock;

/// A telephone number as E.164 has it: `+` and 8 to 15 digits.
pub(crate) fn is_number(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// Where a number was found among the notifications that were in the journal up to a place.
#[derive(Debug)]
pub(crate) struct FoundIn {
    calls: BTreeSet<i64>,
    until: Position,
}

/// Looks through all notifications of a tenant for a number, however it is written there, also where no search would find
/// the call by it. Takes its time, and holds up nobody else. Blocks.
pub(crate) fn find(view: &TenantView, number: &str) -> Result<FoundIn, StoreError> {
    let person = Person::new(number, "");
    let mut found = FoundIn { calls: BTreeSet::new(), until: Position::default() };
    look_on(view, &person, &mut found)?;
    Ok(found)
}

fn look_on(view: &TenantView, person: &Person, found: &mut FoundIn) -> Result<(), StoreError> {
    let (calls, until) = view.calls_of_notifications(found.until, |body| person.is_in(body))?;
    found.calls.extend(calls);
    found.until = until;
    Ok(())
}

/// Erases a number from a tenant's data. Nobody else may assemble that meanwhile, and whatever is in memory of it has to be
/// read again. The feed lists the calls whose records changed. Blocks. Breaking off in between is no harm: what is left is
/// erased by asking again.
pub(crate) fn erase(
    store: &Store,
    tenant: TenantId,
    number: &str,
    mut found: FoundIn,
    pseudonym_key: &[u8],
) -> Result<Erasure, StoreError> {
    let view = store.of(tenant);
    let pseudonym = pseudonym(pseudonym_key, number)?;
    let mut person = Person::new(number, &pseudonym);
    person.look_up(&view)?;
    let erased_ms = clock::now().as_millis();
    let mut erasure = Erasure { tenant, erased_ms, pseudonym, ..Erasure::default() };
    // First, since calls are assembled with them.
    let listed = person.clone();
    store.rewrite_directories(tenant, move |contents| listed.erase_from_directory(contents))?;
    // What came while the rest was looked through.
    look_on(&view, &person, &mut found)?;
    let mut calls = found.calls;
    calls.extend(view.calls_with_number(number)?);
    for extension in &person.extensions {
        calls.extend(view.calls_with_extension(extension)?);
    }
    for call in calls {
        let (person, view) = (person.clone(), view.clone());
        let rewritten = store.rewrite_call(tenant, call, move |kept| person.erase_from(kept, Some(&view)))?;
        erasure.calls += u64::from(rewritten.changed);
        add(&mut erasure, &rewritten);
    }
    let anyone = person.clone();
    let unclaimed = store.rewrite_unclaimed(tenant, move |kept| anyone.erase_from(kept, None))?;
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

/// `+999`, which is no country's, and twelve digits that nobody can lead back to the number without the key.
pub(crate) fn pseudonym(key: &[u8], number: &str) -> Result<String, StoreError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|_| StoreError::Failed("the tenant's key for pseudonyms cannot be used".to_owned()))?;
    mac.update(number.as_bytes());
    let hash = mac.finalize().into_bytes();
    let value = hash.iter().take(8).fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    Ok(format!("+999{:012}", value % 1_000_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_number() {
        assert!(is_number("+14045550123"));
        for other in ["14045550123", "+1404", "+0404555012", "+1404555012x", "+1234567890123456", "+"] {
            assert!(!is_number(other), "{other}");
        }
    }

    #[test]
    fn pseudonyms_are_numbers_and_the_same_for_the_same() {
        let (one, other) =
            (pseudonym(&[1; 32], "+14045550123").unwrap(), pseudonym(&[2; 32], "+14045550123").unwrap());
        assert!(is_number(&one) && is_number(&other));
        assert_ne!(one, other, "another key");
        assert_eq!(one, pseudonym(&[1; 32], "+14045550123").unwrap());
    }
}
