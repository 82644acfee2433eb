//! `GET /v1/directory`: the extensions of the tenant's accounts, as current records name them.

use std::collections::{BTreeSet, HashMap};

use axum::response::Response;
use serde_json::{Map, Value, json};
use wholecall_assembly::{DirectoryEntry, ExtensionKind};
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
    let Contents { listed, learned_names } = Contents::of(stored)?;
    let mut numbers: HashMap<&str, Vec<&str>> = HashMap::new();
    for number in &listed.phone_numbers {
        let owner = number.extension_id.as_deref().unwrap_or_default();
        numbers.entry(owner).or_default().push(&number.phone_number);
    }
    let mut forwarding: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for (owner, number) in listed.reached_at() {
        forwarding.entry(owner).or_default().insert(number);
    }
    let describe = |extension: &Extension| {
        let DirectoryEntry { kind, name, extension_number, .. } = directories::entry(extension);
        json!({
            "id": extension.id,
            "kind": kind.unwrap_or(ExtensionKind::Other).as_str(),
            "name": name,
            "number": extension_number,
            "phoneNumbers": numbers.get(extension.id.as_str()).map_or(&[][..], Vec::as_slice),
            "forwardingNumbers": forwarding.get(extension.id.as_str()).cloned().unwrap_or_default(),
        })
    };
    let learned = learned_names.iter().map(|(id, learned)| (id.clone(), learned.name.as_str().into()));
    Ok(json!({
        "accountId": stored.account,
        "version": stored.version,
        "fetchedAt": Time::from_millis(stored.fetched_ms).to_string(),
        "extensions": listed.extensions.iter().map(describe).collect::<Vec<Value>>(),
        "learnedNames": learned.collect::<Map<String, Value>>(),
        "queues": listed.queues,
        "missing": listed.missing,
    }))
}
