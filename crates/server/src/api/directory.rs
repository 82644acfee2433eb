//! `GET /v1/directory`: who and what is in the tenant's accounts, as the records of now name them.

use std::collections::HashMap;

use axum::response::Response;
use serde_json::{Value, json};
use wholecall_assembly::Entry;
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
    let told = Contents::of(stored)?.listed;
    let mut numbers: HashMap<&str, Vec<&str>> = HashMap::new();
    for number in &told.phone_numbers {
        let owner = number.extension_id.as_deref().unwrap_or_default();
        numbers.entry(owner).or_default().push(&number.phone_number);
    }
    let of = |one: &Extension| numbers.get(one.id.as_str()).map_or(&[][..], Vec::as_slice);
    let extensions: Vec<Value> = told.extensions.iter().map(|one| extension(one, of(one))).collect();
    Ok(json!({
        "accountId": stored.account,
        "version": stored.version,
        "readAt": Time::from_millis(stored.read_ms).to_string(),
        "extensions": extensions,
        "queues": told.queues,
        "missing": told.missing,
    }))
}

fn extension(extension: &Extension, numbers: &[&str]) -> Value {
    let Entry { kind, name, extension_number, .. } = directories::entry(extension);
    json!({
        "id": extension.id,
        "kind": kind.map_or("other", |kind| kind.as_str()),
        "name": name,
        "number": extension_number,
        "phoneNumbers": numbers,
    })
}
