//! The participants of a call as parties of a vCon.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use wholecall_record::ShortText;
use wholecall_record::call::{Call, Kind, Participant, names};

/// The parties, in the order of the record's participants.
pub(super) fn of(call: &Call) -> Vec<Value> {
    let owners = owners(call);
    let party = |(index, participant): (usize, &Participant)| {
        let owns = |number: &&ShortText| owners.get(*number) == Some(&Some(index));
        party(participant, participant.phone_number.as_ref().filter(owns))
    };
    call.participants.iter().enumerate().map(party).collect()
}

/// The owner of each number. Some phone systems report the company's main number for everybody who is reached
/// through it: then its owner is the outside participant that has it, else the only queue, menu or group that
/// has it.
fn owners(call: &Call) -> HashMap<&ShortText, Option<usize>> {
    let mut owners: HashMap<&ShortText, Option<usize>> = HashMap::new();
    for number in call.participants.iter().filter_map(|participant| participant.phone_number.as_ref()) {
        let having = || {
            let all = call.participants.iter().enumerate();
            all.filter(|(_, participant)| participant.phone_number.as_ref() == Some(number))
        };
        let only = |filter: &dyn Fn(Kind) -> bool| {
            let mut found = having().filter(|(_, participant)| filter(participant.kind));
            found.next().filter(|_| found.next().is_none()).map(|(index, _)| index)
        };
        let owner = only(&|_| true)
            .or_else(|| only(&|kind| kind == Kind::External))
            .or_else(|| only(&|kind| !kind.is_person()));
        owners.insert(number, owner);
    }
    owners
}

fn party(participant: &Participant, number: Option<&ShortText>) -> Value {
    let mut party = Map::new();
    if is_anonymous(participant) {
        party.insert("name".into(), json!("anonymous"));
        return party.into();
    }
    // An extension number is not a phone number outside its account.
    if let Some(number) = number.filter(|number| number.starts_with('+')) {
        party.insert("tel".into(), json!(number));
    }
    let known = participant.phone_number.as_deref().unwrap_or_default();
    if let Some(name) = participant.name.as_deref().filter(|name| !names::is_same_number(name, known)) {
        party.insert("name".into(), json!(name));
        party.insert("validation".into(), json!("none"));
    }
    party.insert("uuid".into(), json!(participant.id));
    let kind = match participant.kind {
        Kind::User | Kind::External | Kind::Supervisor | Kind::Unknown => "person",
        Kind::Queue | Kind::Group => "organization",
        Kind::Menu | Kind::Router | Kind::Proxy | Kind::Machine => "bot",
    };
    party.insert("type".into(), json!(kind));
    party.into()
}

/// Whether the participant withholds their identity; an unknown person does not.
fn is_anonymous(participant: &Participant) -> bool {
    let nothing_known = participant.name.is_none() && participant.phone_number.is_none();
    nothing_known && participant.id.starts_with("anon:") && participant.kind != Kind::Unknown
}
