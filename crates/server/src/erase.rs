//! Erases a person: the number, and the names that stand beside it, become a pseudonym in everything that was kept.
//!
//! What was kept stays true otherwise: the pseudonym has the shape of a number, the same one for the same number
//! throughout a tenant, so that calls still assemble to what they were.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use wholecall_assembly::normalized_phone_number;
use wholecall_record::{Call, WriteJson};
use wholecall_store::{EndpointSettings, Erasure, Filter, Kept, Store, StoreError, TenantId, TenantView};

use crate::{
    check::collect,
    clock,
    directories::{self, Contents},
};

/// A telephone number as E.164 has it: `+` and 8 to 15 digits.
pub(crate) fn is_number(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// Erases a number from a tenant's data. Nobody else may assemble that meanwhile, and whatever is in memory of it has to be
/// read again. The feed lists the calls whose records changed. Blocks. Breaking off in between is no harm: what is left is
/// erased by asking again.
pub(crate) fn erase(store: &Store, tenant: TenantId, number: &str) -> Result<Erasure, StoreError> {
    let view = store.of(tenant);
    let pseudonym = pseudonym(&view.pseudonym_key()?, number)?;
    let mut person = Person {
        number: number.to_owned(),
        pseudonym: pseudonym.clone(),
        extensions: BTreeSet::new(),
        names: BTreeSet::new(),
    };
    person.look_up(&view)?;
    let erased_ms = clock::now().as_millis();
    let mut erasure =
        Erasure { tenant, erased_ms, pseudonym, calls: 0, notifications: 0, endpoints: Vec::new() };
    // First, since calls are assembled with them.
    let listed = person.clone();
    store.rewrite_directories(tenant, move |contents| listed.erase_from_directory(contents))?;
    let mut calls: BTreeSet<i64> = view.calls_with_number(number)?.into_iter().collect();
    for extension in &person.extensions {
        calls.extend(view.calls_with_extension(extension)?);
    }
    for call in calls {
        let (person, view) = (person.clone(), view.clone());
        let (notifications, changed) =
            store.rewrite_call(tenant, call, move |kept| person.erase_from(kept, Some(&view)))?;
        erasure.notifications += notifications;
        erasure.calls += u64::from(changed);
    }
    let anyone = person.clone();
    erasure.notifications += store.rewrite_unclaimed(tenant, move |kept| anyone.erase_from(kept, None))?;
    erasure.endpoints =
        store.rewrite_endpoints(tenant, move |settings| person.erase_from_settings(settings))?;
    store.log_erasure(erasure.clone())?;
    store.announce(tenant, erased_ms)?;
    Ok(erasure)
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

#[derive(Debug, Clone)]
struct Person {
    number: String,
    pseudonym: String,
    /// The extensions that the number belongs to, or once did, by their ids.
    extensions: BTreeSet<String>,
    /// The names that these go by, or once did.
    names: BTreeSet<String>,
}

impl Person {
    /// Finds out whose the number is.
    fn look_up(&mut self, view: &TenantView) -> Result<(), StoreError> {
        view.look_through_directories(|contents| {
            let Contents { listed, learnt_names } = Contents::of_text(contents);
            let owners = listed.phone_numbers.into_iter();
            let owners = owners.filter(|number| number.phone_number == self.number);
            self.extensions.extend(owners.filter_map(|number| number.extension_id));
            let named = learnt_names.into_iter().filter(|(_, learnt)| learnt.numbers.contains(&self.number));
            self.extensions.extend(named.map(|(extension, _)| extension));
        })?;
        view.look_through_directories(|contents| {
            let Contents { listed, learnt_names } = Contents::of_text(contents);
            let own = listed.extensions.into_iter().filter(|one| self.extensions.contains(&one.id));
            self.names.extend(own.filter_map(|extension| extension.name));
            let own = learnt_names.into_iter().filter(|(id, _)| self.extensions.contains(id));
            self.names.extend(own.map(|(_, learnt)| learnt.name));
        })
    }

    /// Whether it is the person's number, however it is written.
    fn is_own(&self, number: &str) -> bool {
        normalized_phone_number(number).is_some_and(|number| *number == *self.number)
    }

    /// Erases the person from an account's directory.
    fn erase_from_directory(&self, text: &mut String) {
        let erased = Contents::changed(Some(text), |contents| self.erase_from_contents(contents));
        *text = erased.unwrap_or_else(|_| String::from("{}"));
    }

    fn erase_from_contents(&self, contents: &mut Contents) {
        let listed = &mut contents.listed;
        for number in listed.numbers_mut().filter(|number| self.is_own(number)) {
            number.clone_from(&self.pseudonym);
        }
        for extension in listed.extensions.iter_mut().filter(|one| self.extensions.contains(&one.id)) {
            extension.name = Some(self.pseudonym.clone());
        }
        for (extension, learnt) in &mut contents.learnt_names {
            if learnt.numbers.remove(&self.number) {
                learnt.numbers.insert(self.pseudonym.clone());
            }
            if self.extensions.contains(extension) {
                learnt.name.clone_from(&self.pseudonym);
            }
        }
    }

    /// Erases the person from a call of a tenant, or from things that belong to none.
    fn erase_from(&self, kept: &mut Kept, call_of: Option<&TenantView>) {
        let mut names = self.names.clone();
        let bodies = kept.entries.iter().map(|entry| &entry.body);
        for text in bodies.chain(kept.versions.iter().map(|version| &version.record)) {
            // Most are not about that person: no need to read them.
            if let Some(value) = self.read(text) {
                self.collect_names(&value, &mut names);
            }
        }
        for entry in &mut kept.entries {
            self.rewrite_text(&mut entry.body, &names);
        }
        for version in &mut kept.versions {
            self.rewrite_text(&mut version.record, &names);
            if let Ok(mut call) = serde_json::from_str::<Call>(&version.record) {
                // Participants are told in the order of their ids.
                call.conversations.iter_mut().for_each(|conversation| conversation.participants.sort());
                version.record = written(&call);
            }
        }
        if let Some(view) = call_of {
            assemble_current(kept, view);
        }
    }

    /// Erases the person from what people wrote of an endpoint. A filter goes on with what is kept of the person.
    fn erase_from_settings(&self, settings: &mut EndpointSettings) {
        let texts = [&mut settings.url, &mut settings.description].into_iter();
        let filter = &mut settings.filter;
        let people = [&mut filter.number, &mut filter.customer, &mut filter.answered_by, &mut filter.user];
        for text in texts.chain(people.into_iter().flatten()) {
            *text = self.without_any_spelling(text);
        }
    }

    /// A text with the pseudonym for the number, however that is written there.
    fn without_any_spelling(&self, text: &str) -> String {
        let mut new = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit() || "+(".contains(c)) {
            let (before, found) = rest.split_at(start);
            let end = found.find(|c: char| !c.is_ascii_digit() && !"+()-. ".contains(c));
            let written = found[..end.unwrap_or(found.len())].trim_end_matches(|c: char| !c.is_ascii_digit());
            // A sign that no digit follows stands for itself.
            let (written, after) = found.split_at(written.len().max(1));
            let named = Filter { number: Some(written.to_owned()), ..Filter::default() };
            new.push_str(before);
            new.push_str(match named.names(&self.number) {
                true if written.starts_with('+') => &self.pseudonym,
                true => self.pseudonym.trim_start_matches('+'),
                false => written,
            });
            rest = after;
        }
        new + rest
    }

    fn read(&self, text: &str) -> Option<Value> {
        text.contains(&self.number).then(|| serde_json::from_str(text).ok()).flatten()
    }

    /// The names beside the number.
    fn collect_names(&self, value: &Value, names: &mut BTreeSet<String>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.collect_names(value, names)),
            Value::Object(members) => {
                if members.get("phoneNumber").and_then(Value::as_str) == Some(&self.number)
                    && let Some(name) = members.get("name").and_then(Value::as_str)
                {
                    names.insert(name.to_owned());
                }
                members.values().for_each(|value| self.collect_names(value, names));
            }
            _ => {}
        }
    }

    fn rewrite_text(&self, text: &mut String, names: &BTreeSet<String>) {
        if !text.contains(&self.number) && !names.iter().any(|name| text.contains(name.as_str())) {
            return;
        }
        match serde_json::from_str::<Value>(text) {
            Ok(mut value) => {
                if self.rewrite(&mut value, None, names) {
                    *text = value.to_string();
                }
            }
            // What is not JSON is searched as the text it is.
            Err(_) => *text = self.without_number(text).unwrap_or_else(|| text.clone()),
        }
    }

    /// Replaces the number wherever it stands, and the names where names do. Tells whether there were any.
    fn rewrite(&self, value: &mut Value, member: Option<&str>, names: &BTreeSet<String>) -> bool {
        match value {
            Value::String(text) => {
                let is_name =
                    matches!(member, Some("name" | "value" | "displayName")) && names.contains(text.as_str());
                let new = match member {
                    _ if is_name => Some(self.pseudonym.clone()),
                    // It has the number as people write it.
                    Some("displayName") => Some(self.without_any_spelling(text)).filter(|new| new != text),
                    _ => self.without_number(text),
                };
                let changed = new.is_some();
                if let Some(new) = new {
                    *text = new;
                }
                changed
            }
            Value::Array(values) => {
                values.iter_mut().fold(false, |changed, value| self.rewrite(value, member, names) | changed)
            }
            Value::Object(members) => members
                .iter_mut()
                .fold(false, |changed, (name, value)| self.rewrite(value, Some(name), names) | changed),
            _ => false,
        }
    }

    /// A text with the pseudonym for the number; none if the number is not in it, or only as part of a longer one.
    fn without_number(&self, text: &str) -> Option<String> {
        let mut rest = text;
        let mut new = String::new();
        while let Some(place) = rest.find(&self.number) {
            let (before, after) = (&rest[..place], &rest[place + self.number.len()..]);
            let is_whole = !after.starts_with(|next: char| next.is_ascii_digit());
            new.push_str(before);
            new.push_str(if is_whole { &self.pseudonym } else { &self.number });
            rest = after;
        }
        new.push_str(rest);
        (new != text).then_some(new)
    }
}

/// The current record is what the notifications make of it now: what names were chosen from may have changed.
fn assemble_current(kept: &mut Kept, view: &TenantView) {
    let Some(current) = kept.versions.last_mut() else { return };
    let Ok(told) = serde_json::from_str::<Call>(&current.record) else { return };
    let position = kept.position;
    let entries = kept.entries.iter().filter(|entry| entry.position <= position);
    let Ok(directory) = directories::of_record(view, &current.record) else { return };
    let calls = collect(entries, directory.map(Into::into)).finish();
    if let Some(mut fresh) = calls.retold(&told) {
        fresh.related = told.related;
        current.record = written(&fresh);
    }
}

fn written(call: &Call) -> String {
    let mut text = Vec::new();
    call.write_json(&mut text);
    String::from_utf8_lossy(&text).into_owned()
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

    #[test]
    fn people_write_a_number_in_many_ways() {
        let person = Person {
            number: "+14045550145".to_owned(),
            pseudonym: "+999123456789012".to_owned(),
            extensions: BTreeSet::new(),
            names: BTreeSet::new(),
        };
        for (text, expected) in [
            ("+14045550145", "+999123456789012"),
            ("4045550145", "999123456789012"),
            ("calls of (404) 555-0145 (Ada)", "calls of 999123456789012 (Ada)"),
            ("+1 404 555 0145, urgent", "+999123456789012, urgent"),
            (
                "https://example.com:8443/of/%2B14045550145?x=1",
                "https://example.com:8443/of/%2B999123456789012?x=1",
            ),
            ("555-0145.", "999123456789012."),
        ] {
            assert_eq!(person.without_any_spelling(text), expected);
        }
        for other in ["+140455501459", "0145", "2026-11-16", "(none)", "https://10.1.0.1:8080/1+1/ü"] {
            assert_eq!(person.without_any_spelling(other), other);
        }
    }

    #[test]
    fn a_longer_number_is_another() {
        let person = Person {
            number: "+14045550".to_owned(),
            pseudonym: "+999".to_owned(),
            extensions: BTreeSet::new(),
            names: BTreeSet::new(),
        };
        assert_eq!(person.without_number("tel:+14045550").as_deref(), Some("tel:+999"));
        assert_eq!(person.without_number("+140455501"), None);
        assert_eq!(person.without_number("+140455501 +14045550").as_deref(), Some("+140455501 +999"));
    }
}
