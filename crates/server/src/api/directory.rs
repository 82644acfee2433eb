//! `GET /v1/directory`: who and what is in the tenant's accounts, as the records of now name them.

use std::collections::{BTreeSet, HashMap};

use axum::response::Response;
use serde_json::{Map, Value, json};
use wholecall_assembly::{Entry, EntryKind};
use wholecall_record::Time;
use wholecall_ringcentral::Extension;
use wholecall_store::{StoreError, StoredDirectory};

use super::{access::Access, json as respond, read};
use crate::{
    directories::{self, Contents},
    problem::Problem,
};

pub(super) async fn directory(Access(view): Access) -> Result<Response, Problem> {
    let accounts =
        read(view, |view| view.directories()?.iter().map(account).collect::<Result<Vec<Value>, _>>()).await?;
    Ok(respond(json!({ "accounts": accounts }).to_string()))
}

fn account(stored: &StoredDirectory) -> Result<Value, StoreError> {
    let Contents { listed, learnt_names } = Contents::of(stored)?;
    let mut numbers: HashMap<&str, Vec<&str>> = HashMap::new();
    for number in &listed.phone_numbers {
        let owner = number.extension_id.as_deref().unwrap_or_default();
        numbers.entry(owner).or_default().push(&number.phone_number);
    }
    let mut forwarding: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for (owner, number) in listed.reached_at() {
        forwarding.entry(owner).or_default().insert(number);
    }
    let extension = |one: &Extension| {
        let Entry { kind, name, extension_number, .. } = directories::entry(one);
        json!({
            "id": one.id,
            "kind": kind.unwrap_or(EntryKind::Other).as_str(),
            "name": name,
            "number": extension_number,
            "phoneNumbers": numbers.get(one.id.as_str()).map_or(&[][..], Vec::as_slice),
            "forwardingNumbers": forwarding.get(one.id.as_str()).cloned().unwrap_or_default(),
        })
    };
    let learnt = learnt_names.iter().map(|(id, learnt)| (id.clone(), learnt.name.as_str().into()));
    Ok(json!({
        "accountId": stored.account,
        "version": stored.version,
        "readAt": Time::from_millis(stored.read_ms).to_string(),
        "extensions": listed.extensions.iter().map(extension).collect::<Vec<Value>>(),
        "learntNames": learnt.collect::<Map<String, Value>>(),
        "queues": listed.queues,
        "missing": listed.missing,
    }))
}
