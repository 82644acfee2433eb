//! A person to erase, and how occurrences of that person in stored data are found and replaced.

use std::collections::BTreeSet;

use serde_json::Value;
use wholecall_record::{Call, Time, WriteJson};
use wholecall_store::{EndpointSettings, Filter, StoreError, StoredHistory, TenantView};

use super::json_rewrite::{JsonVisitor, Scalar, walk};
use crate::{
    directories::{self, Contents},
    reassemble::collect,
    stored_record::parse_or_skip,
};

/// Members that identify calls, their parts and their owners. They are not changed, since data would no longer be related
/// without them. A number in one of them cannot be erased, and is counted.
const IDENTIFIERS: [&str; 10] = [
    "telephonySessionId",
    "sessionId",
    "uuid",
    "partyId",
    "accountId",
    "extensionId",
    "subscriptionId",
    "ownerId",
    "serverId",
    "event",
];

/// Prefixes of the ids of sessions and parties, which also occur in other members.
const ID_PREFIXES: [&str; 2] = ["s-", "p-"];

/// Members whose value is a telephone number, also if it is a JSON number.
const NUMBER_MEMBERS: [&str; 5] = ["phoneNumber", "extensionNumber", "number", "value", "displayName"];

/// Members whose value is or may be a name.
const NAME_MEMBERS: [&str; 3] = ["name", "value", "displayName"];

/// A person, identified by a number.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) number: String,
    pub(super) pseudonym: String,
    /// The ids of the extensions that the number belongs or once belonged to.
    pub(super) extensions: BTreeSet<String>,
    /// The current and former names of these extensions.
    pub(super) names: BTreeSet<String>,
}

impl Person {
    pub(super) fn new(number: &str, pseudonym: &str) -> Self {
        Self {
            number: number.to_owned(),
            pseudonym: pseudonym.to_owned(),
            extensions: BTreeSet::new(),
            names: BTreeSet::new(),
        }
    }

    /// Finds the extensions that the number belongs to, and their names.
    pub(super) fn find_owners(&mut self, view: &TenantView) -> Result<(), StoreError> {
        view.for_each_directory_version(|contents| {
            let Contents { listed, learned_names } = Contents::of_text(contents);
            let owners = listed.phone_numbers.into_iter();
            let owners = owners.filter(|number| self.is_own_number(&number.phone_number));
            let owners: Vec<String> = owners.filter_map(|number| number.extension_id).collect();
            self.extensions.extend(owners);
            let is_own_number = |number: &String| self.is_own_number(number);
            let named =
                learned_names.into_iter().filter(|(_, learned)| learned.numbers.iter().any(is_own_number));
            let named: Vec<String> = named.map(|(extension, _)| extension).collect();
            self.extensions.extend(named);
        })?;
        view.for_each_directory_version(|contents| {
            let Contents { listed, learned_names } = Contents::of_text(contents);
            let owned = listed.extensions.into_iter().filter(|one| self.extensions.contains(&one.id));
            self.names.extend(owned.filter_map(|extension| extension.name));
            let owned = learned_names.into_iter().filter(|(id, _)| self.extensions.contains(id));
            self.names.extend(owned.map(|(_, learned)| learned.name));
        })
    }

    /// Whether a text is the person's number in any spelling by which a search finds it.
    pub(super) fn is_own_number(&self, number: &str) -> bool {
        Filter { number: Some(number.to_owned()), ..Filter::default() }.names(&self.number)
    }

    /// Whether a text contains the person's number in any spelling.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.may_be_in(text) && {
            let mut search = NumberFinder { person: self, found: false };
            walk(text, &mut search);
            search.found || !is_json(text) && self.replaced_in_text(text).is_some()
        }
    }

    /// Whether a text contains the last digits of the number in order, whatever is between them. A fast test that rules out
    /// most texts.
    fn may_be_in(&self, text: &str) -> bool {
        /// The minimum length of a number that a search finds as the end of a longer one.
        const LAST_DIGITS: usize = 7;
        let last = &self.number.as_bytes()[self.number.len().saturating_sub(LAST_DIGITS)..];
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
        text.contains("\\u") || digits.windows(last.len()).any(|window| window == last)
    }

    /// Erases the person from an account's directory.
    pub(super) fn erase_from_directory(&self, text: &mut String) {
        let erased = Contents::changed(Some(text), |contents| self.erase_from_contents(contents));
        *text = erased.unwrap_or_else(|_| String::from("{}"));
    }

    fn erase_from_contents(&self, contents: &mut Contents) {
        let listed = &mut contents.listed;
        for number in listed.numbers_mut().filter(|number| self.is_own_number(number)) {
            number.clone_from(&self.pseudonym);
        }
        for extension in listed.extensions.iter_mut().filter(|one| self.extensions.contains(&one.id)) {
            extension.name = Some(self.pseudonym.clone());
        }
        for (extension, learned) in &mut contents.learned_names {
            let count = learned.numbers.len();
            learned.numbers.retain(|number| !self.is_own_number(number));
            if learned.numbers.len() < count {
                learned.numbers.insert(self.pseudonym.clone());
            }
            if self.extensions.contains(extension) {
                learned.name.clone_from(&self.pseudonym);
            }
        }
    }

    /// Erases the person from the history of a call. `call_of` is `None` for notifications that belong to no call.
    pub(super) fn erase_from(&self, history: &mut StoredHistory, call_of: Option<&TenantView>) {
        let mut names = self.names.clone();
        let bodies = history.entries.iter().map(|entry| &entry.body);
        for text in bodies.chain(history.versions.iter().map(|version| &version.record)) {
            // Most texts do not concern the person.
            if self.may_be_in(text) {
                let mut collector =
                    NameCollector { person: self, names: &mut names, open: vec![Participant::default()] };
                walk(text, &mut collector);
            }
        }
        for entry in &mut history.entries {
            history.left += self.rewrite_text(&mut entry.body, &names);
        }
        for version in &mut history.versions {
            let before = version.record.clone();
            history.left += self.rewrite_text(&mut version.record, &names);
            if version.record != before
                && let Some(mut call) = parse_or_skip(&version.record)
            {
                // Participants are listed in the order of their ids.
                call.conversations.iter_mut().for_each(|conversation| conversation.participants.sort());
                version.record = to_json(&call);
            }
        }
        if let Some(view) = call_of.filter(|_| history.unreadable == 0) {
            assemble_current(history, view);
        }
    }

    /// Erases the person from the settings of an endpoint. A filter for the number then matches the pseudonym.
    pub(super) fn erase_from_settings(&self, settings: &mut EndpointSettings) {
        let texts = [&mut settings.url, &mut settings.description].into_iter();
        let filter = &mut settings.filter;
        let people = [&mut filter.number, &mut filter.customer, &mut filter.answered_by, &mut filter.user];
        for text in texts.chain(people.into_iter().flatten()) {
            *text = self.without_any_spelling(text);
        }
        for name in self.names.iter().filter(|name| !name.is_empty()) {
            settings.description = settings.description.replace(name.as_str(), &self.pseudonym);
        }
    }

    /// A text with the number replaced by the pseudonym; `None` if the text does not contain it.
    fn replaced_in_text(&self, text: &str) -> Option<String> {
        Some(self.without_any_spelling(text)).filter(|new| new != text)
    }

    /// The same for a JSON value. In members for numbers and names the end of the number counts as the number; elsewhere
    /// only the whole number does.
    fn replaced_in_value(&self, member: Option<&str>, text: &str) -> Option<String> {
        let is_number =
            member.is_some_and(|name| NUMBER_MEMBERS.contains(&name) || NAME_MEMBERS.contains(&name));
        let new = match is_number || text.starts_with("tel:") {
            true => self.without_any_spelling(text),
            false => self.replaced(text, |written| self.is_whole_number(written)),
        };
        Some(new).filter(|new| new != text)
    }

    /// Whether a text has all digits of the number, with or without a trunk or international prefix.
    fn is_whole_number(&self, written: &str) -> bool {
        let digits: String = written.chars().filter(char::is_ascii_digit).collect();
        digits.trim_start_matches('0') == self.number.trim_start_matches('+')
    }

    /// A text with the number in any spelling replaced by the pseudonym.
    pub(super) fn without_any_spelling(&self, text: &str) -> String {
        self.replaced(text, |written| self.is_own_number(written))
    }

    /// A text with the parts that `is_own` accepts replaced by the pseudonym.
    fn replaced(&self, text: &str, is_own: impl Fn(&str) -> bool) -> String {
        let mut new = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit() || "+(".contains(c)) {
            let (before, found) = rest.split_at(start);
            let end = found.find(|c: char| !c.is_ascii_digit() && !"+()-./ \u{a0}".contains(c));
            let written = found[..end.unwrap_or(found.len())].trim_end_matches(|c: char| !c.is_ascii_digit());
            new.push_str(before);
            // The digits found may be followed by another number.
            let ends = written.char_indices().filter(|(_, c)| !c.is_ascii_digit()).map(|(end, _)| end);
            let mut ends: Vec<usize> = ends.filter(|end| *end > 0).collect();
            ends.push(written.len());
            let own = ends.into_iter().rev().find(|end| is_own(&written[..*end]));
            let (written, after) = match own {
                Some(end) => found.split_at(end),
                // A sign without digits and any other number stay.
                None => {
                    let digits = written.find(|c: char| !c.is_ascii_digit()).unwrap_or(written.len());
                    found.split_at(digits.max(1))
                }
            };
            new.push_str(match own {
                Some(_) if written.starts_with('+') => &self.pseudonym,
                Some(_) => self.pseudonym.trim_start_matches('+'),
                None => written,
            });
            rest = after;
        }
        new + rest
    }

    /// Erases the person from a text. Returns the number of places where the number had to stay.
    fn rewrite_text(&self, text: &mut String, names: &BTreeSet<String>) -> u64 {
        let may_name = text.contains("\\u") || names.iter().any(|name| text.contains(name.as_str()));
        if !may_name && !self.may_be_in(text) {
            return 0;
        }
        if !is_json(text) {
            let mut new = self.without_any_spelling(text);
            names.iter().for_each(|name| new = new.replace(name.as_str(), &self.pseudonym));
            *text = new;
            return 0;
        }
        let mut eraser = Eraser { person: self, names, left: 0 };
        if let Some(new) = walk(text, &mut eraser) {
            *text = new;
        }
        eraser.left
    }

    /// Whether a text contains all digits of the number, not as part of a longer number.
    fn is_contained_in(&self, text: &str) -> bool {
        let digits = self.number.trim_start_matches('+');
        text.split(|c: char| !c.is_ascii_digit()).any(|run| run == digits)
    }
}

/// Whether a text looks like JSON. Other posted texts are searched as plain text.
fn is_json(text: &str) -> bool {
    text.trim_ascii_start().starts_with(['{', '[', '"'])
}

fn is_time(text: &str) -> bool {
    serde_json::from_value::<Time>(Value::from(text)).is_ok()
}

/// Finds out whether the number occurs.
struct NumberFinder<'p> {
    person: &'p Person,
    found: bool,
}

impl JsonVisitor for NumberFinder<'_> {
    fn value(&mut self, member: Option<&str>, value: Scalar<'_>) -> Option<String> {
        self.found |= match value {
            Scalar::Number(text) => {
                member.is_some_and(|name| NUMBER_MEMBERS.contains(&name)) && self.person.is_own_number(text)
            }
            Scalar::String(text) => !is_time(text) && self.person.replaced_in_value(member, text).is_some(),
        };
        None
    }

    fn name(&mut self, name: &str) -> Option<String> {
        self.found |= self.person.replaced_in_value(None, name).is_some();
        None
    }
}

/// Collects the names that occur beside the number.
struct NameCollector<'p> {
    person: &'p Person,
    names: &'p mut BTreeSet<String>,
    /// For each open object, the number and name in it.
    open: Vec<Participant>,
}

#[derive(Default)]
struct Participant {
    is_own: bool,
    name: Option<String>,
}

impl JsonVisitor for NameCollector<'_> {
    fn value(&mut self, member: Option<&str>, value: Scalar<'_>) -> Option<String> {
        let (Scalar::String(text) | Scalar::Number(text)) = value;
        let participant = self.open.last_mut()?;
        match member {
            Some("phoneNumber") => participant.is_own |= self.person.is_own_number(text),
            Some("name") if !text.trim().is_empty() => participant.name = Some(text.to_owned()),
            _ => {}
        }
        None
    }

    fn name(&mut self, _: &str) -> Option<String> {
        None
    }

    fn begin(&mut self) {
        self.open.push(Participant::default());
    }

    fn end(&mut self) {
        if let Some(Participant { is_own: true, name: Some(name) }) = self.open.pop() {
            self.names.insert(name);
        }
    }
}

/// Replaces the person by the pseudonym.
struct Eraser<'p> {
    person: &'p Person,
    names: &'p BTreeSet<String>,
    /// Number of identifiers that contain the number.
    left: u64,
}

impl JsonVisitor for Eraser<'_> {
    fn value(&mut self, member: Option<&str>, value: Scalar<'_>) -> Option<String> {
        let member = member.unwrap_or_default();
        let text = match value {
            Scalar::Number(text) => {
                let is_own = NUMBER_MEMBERS.contains(&member) && self.person.is_own_number(text);
                return is_own.then(|| self.person.pseudonym.clone());
            }
            Scalar::String(text) => text,
        };
        if IDENTIFIERS.contains(&member) || ID_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            self.left += u64::from(self.person.is_contained_in(text));
            return None;
        }
        if NAME_MEMBERS.contains(&member) && self.names.contains(text) {
            return Some(self.person.pseudonym.clone());
        }
        if is_time(text) {
            return None;
        }
        self.person.replaced_in_value(Some(member), text)
    }

    fn name(&mut self, name: &str) -> Option<String> {
        self.person.replaced_in_value(None, name)
    }
}

/// Assembles the current record again from the changed notifications, since the choice between names may change.
fn assemble_current(history: &mut StoredHistory, view: &TenantView) {
    let Some(current) = history.versions.last_mut() else { return };
    let Some(published) = parse_or_skip(&current.record) else { return };
    let position = history.position;
    let entries = history.entries.iter().filter(|entry| entry.position <= position);
    let Ok(directory) = directories::of_record(view, &current.record) else { return };
    let calls = collect(entries, directory.map(Into::into)).finish();
    if let Some(mut fresh) = calls.reassemble_as(&published) {
        fresh.related = published.related;
        current.record = to_json(&fresh);
    }
}

fn to_json(call: &Call) -> String {
    let mut text = Vec::new();
    call.write_json(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        Person::new("+14045550145", "+999123456789012")
    }

    #[test]
    fn a_number_is_replaced_in_every_spelling_people_use() {
        let person = person();
        for (text, expected) in [
            ("+14045550145", "+999123456789012"),
            ("4045550145", "999123456789012"),
            ("calls of (404) 555-0145 (Ada)", "calls of 999123456789012 (Ada)"),
            ("+1 404 555 0145, urgent", "+999123456789012, urgent"),
            ("sip:14045550145@example.com", "sip:999123456789012@example.com"),
            (
                "https://example.com:8443/of/%2B14045550145?x=1",
                "https://example.com:8443/of/%2B999123456789012?x=1",
            ),
            ("555-0145.", "999123456789012."),
            ("17705550132 14045550145 17705550133", "17705550132 999123456789012 17705550133"),
            ("12 +1 404 555 0145 7", "12 +999123456789012 7"),
        ] {
            assert_eq!(person.without_any_spelling(text), expected);
        }
        for other in ["+140455501459", "0145", "2026-11-16", "(none)", "https://10.1.0.1:8080/1+1/ü"] {
            assert_eq!(person.without_any_spelling(other), other);
        }
    }

    #[test]
    fn every_spelling_in_every_field_is_replaced_and_the_rest_stays() {
        let names = BTreeSet::from(["Erin".to_owned()]);
        for (text, expected) in [
            (r#"{"phoneNumber":"\u002B14045550145"}"#, r#"{"phoneNumber":"+999123456789012"}"#),
            (r#"{"phoneNumber":14045550145,"n":1e999}"#, r#"{"phoneNumber":"+999123456789012","n":1e999}"#),
            (
                r#"{"phoneNumber":"x","phoneNumber":"(404) 555-0145"}"#,
                r#"{"phoneNumber":"x","phoneNumber":"999123456789012"}"#,
            ),
            (r#"{"recordings":[{"id":"r-14045550145"}]}"#, r#"{"recordings":[{"id":"r-999123456789012"}]}"#),
            (r#"{"sipData":{"toTag":"14045550145"}}"#, r#"{"sipData":{"toTag":"999123456789012"}}"#),
            (
                r#"{"name":"\u0045rin","size":14045550145}"#,
                r#"{"name":"+999123456789012","size":14045550145}"#,
            ),
            ("call 404.555.0145 for Erin", "call 999123456789012 for +999123456789012"),
        ] {
            let mut new = text.to_owned();
            assert_eq!(person().rewrite_text(&mut new, &names), 0, "{text}");
            assert_eq!(new, expected);
            assert!(!person().is_in(&new), "{new}");
        }
    }

    #[test]
    fn identifiers_stay_and_a_number_in_one_is_counted() {
        let text =
            r#"{"telephonySessionId":"s-14045550145","uuid":"914045550145","phoneNumber":"+14045550145"}"#;
        let mut new = text.to_owned();
        assert_eq!(person().rewrite_text(&mut new, &BTreeSet::new()), 1);
        assert!(new.contains("s-14045550145") && new.contains("+999123456789012"), "{new}");
    }

    #[test]
    fn a_time_is_not_replaced_although_its_digits_end_the_number() {
        let person = Person::new("+14020261116", "+999123456789012");
        let mut text = r#"{"eventTime":"2026-11-16T10:00:00.000Z","phoneNumber":"+14020261116"}"#.to_owned();
        person.rewrite_text(&mut text, &BTreeSet::new());
        assert!(text.contains("2026-11-16T10:00:00.000Z") && !text.contains("14020261116"), "{text}");
    }

    #[test]
    fn names_beside_any_spelling_of_the_number_are_found() {
        let text =
            r#"{"from":{"name":"Erin","phoneNumber":"404-555-0145"},"to":{"name":"Ada","phoneNumber":"+1"}}"#;
        let (person, mut names) = (person(), BTreeSet::new());
        walk(
            text,
            &mut NameCollector { person: &person, names: &mut names, open: vec![Participant::default()] },
        );
        assert_eq!(names, BTreeSet::from(["Erin".to_owned()]));
    }
}
